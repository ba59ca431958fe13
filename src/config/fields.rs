//! Which field holds which key: each key once, for reading it and for showing it.

use super::keys::Id;
use super::values::Value;
use super::view::View;
use super::{Arguments, Global, Hooks, Job, Limits, Password, RunAs};
use crate::job::backoff;
use crate::job::calendar::Calendar;
use std::time::Duration;

/// The key of a field: of the same name, unless another follows it.
macro_rules! id {
    ($field:ident) => {
        Id::$field
    };
    ($field:ident $key:ident) => {
        Id::$key
    };
}

/// Gives a struct `read`, which fills it from a view, and `show`, which gives the value of one of its keys back. What is no plain
/// key is worked out by the expressions after `and`.
macro_rules! fields {
    ($type:ident { $($fields:tt)* }) => {
        fields! { $type { $($fields)* } and |view| {} }
    };
    (
        $type:ident { $($field:ident $(= $key:ident)?),* $(,)? }
        and |$view:ident $(, $argument:ident: $of:ty)*| { $($other:ident: $made:expr),* $(,)? }
    ) => {
        impl $type {
            pub(super) fn read($view: &View $(, $argument: $of)*) -> $type {
                $type { $($field: $view.get(id!($field $($key)?)),)* $($other: $made),* }
            }

            pub(super) fn show(&self, id: Id) -> Option<Value> {
                use super::values::Field;
                match id {
                    $(id!($field $($key)?) => Some(self.$field.value()),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    Global {
        log,
        log_level,
        log_max_size,
        status_file,
        metrics_file,
        state_dir,
        report_to,
        report_every,
        report_password_file,
        watchdog_device,
        watchdog_timeout,
        reboot_limit,
        lock_memory,
    }
}

fields! {
    Job {
        rsync,
        enabled,
        max_shrink,
        accept,
        window,
        bwlimit,
        durable,
        verify_every,
        atomic,
        progress,
        require_mount,
        min_free,
        reboot_after,
    } and |view, arguments: Arguments, fallback: Vec<Vec<String>>| {
        name: view.name(),
        doubt: None,
        arguments: arguments,
        fallback: fallback,
        stale_after: stale_after(view),
        password: password(view),
        limits: Limits::read(view),
        run_as: RunAs::read(view),
        hooks: Hooks::read(view),
    }
}

fields! {
    Limits {
        interval,
        jitter,
        activity_timeout,
        max_runtime,
        stop_timeout,
        backoff_initial,
        backoff_max,
        hook_timeout,
        recover_after,
    } and |view| {
        spread: spread(view),
    }
}

fields! {
    RunAs {
        user,
        group,
        nice,
        io_class,
    }
}

fields! {
    Hooks {
        before = run_before,
        before_publish = run_before_publish,
        after = run_after,
        on_change = run_on_change,
        on_failure = run_on_failure,
        recover = run_recover,
    }
}

/// What `stale_after` adds to the intervals when `activity_timeout` is off.
const NO_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// 3 × interval + activity_timeout.
pub(super) fn default_stale_after(interval: Duration, activity_timeout: Option<Duration>) -> Duration {
    interval.saturating_mul(3).saturating_add(activity_timeout.unwrap_or(NO_ACTIVITY_TIMEOUT))
}

/// The interval, at most 15 minutes: nobody wants to wait an hour for the first sync of a device that was switched on.
pub(super) fn default_spread(interval: Duration) -> Duration {
    interval.min(Duration::from_secs(15 * 60))
}

fn spread(view: &View) -> Duration {
    match view.place(Id::spread) {
        Some(_) => view.get::<Option<Duration>>(Id::spread).unwrap_or_default(),
        None => default_spread(view.get(Id::interval)),
    }
}

fn stale_after(view: &View) -> Option<Duration> {
    match view.place(Id::stale_after) {
        Some(_) => view.get(Id::stale_after),
        None => {
            let closed =
                view.get::<Option<Calendar<()>>>(Id::window).map_or(Duration::ZERO, |window| window.longest_gap());
            Some(default_stale_after(view.get(Id::interval), view.get(Id::activity_timeout)).saturating_add(closed))
        }
    }
}

fn password(view: &View) -> Option<Password> {
    match (view.get(Id::password_file), view.value(Id::password)) {
        (Some(file), _) => Some(Password::File(file)),
        (None, Value::Secret(text)) => Some(Password::Text(text)),
        (None, _) => None,
    }
}

/// The value of any key of a job.
pub(super) fn of_job(job: &Job, id: Id) -> Option<Value> {
    let (options, source, destination) = match &job.arguments {
        Arguments::Ini { options, source, destination } => (options.clone(), source.clone(), vec![destination.clone()]),
        Arguments::DropIn(_) => Default::default(),
    };
    match id {
        Id::source => Some(Value::Words(source)),
        Id::fallback if job.fallback.is_empty() => Some(Value::Off),
        Id::fallback => Some(Value::Words(job.fallback.concat())),
        Id::destination => Some(Value::Words(destination)),
        Id::options => Some(Value::Words(options)),
        Id::spread => Some(if job.limits.spread.is_zero() { Value::Off } else { Value::Duration(job.limits.spread) }),
        Id::backoff_initial => Some(Value::Duration(job.limits.backoff_initial.unwrap_or(backoff::FIRST))),
        Id::backoff_max => Some(Value::Duration(job.limits.longest_backoff())),
        Id::stale_after => Some(job.stale_after.map_or(Value::Off, Value::Duration)),
        Id::password_file => Some(match &job.password {
            Some(Password::File(file)) => Value::Path(file.clone()),
            _ => Value::Off,
        }),
        Id::password => Some(match &job.password {
            Some(Password::Text(text)) => Value::Secret(text.clone()),
            _ => Value::Off,
        }),
        _ => {
            job.show(id).or_else(|| job.limits.show(id)).or_else(|| job.run_as.show(id)).or_else(|| job.hooks.show(id))
        }
    }
}
