//! A [`Config`] back to the values of its keys, for `irsync check`.

use super::keys::{Key, Preset, Scope, KEYS};
use super::parse::default_stale_after;
use super::values::Value;
use super::{Arguments, Global, Job, Password};
use std::path::PathBuf;
use std::time::Duration;

/// One effective setting.
#[derive(Debug)]
pub struct Setting {
    /// Which key.
    pub key: &'static Key,
    /// What holds.
    pub value: Value,
    /// It is what holds where nobody gives the key.
    pub is_default: bool,
}

/// The global keys, except `include`: what it brought is in the others.
pub fn global(global: &Global) -> Vec<Setting> {
    settings(Scope::Global, |name| global_value(global, name))
}

/// A job's keys.
pub fn job(job: &Job) -> Vec<Setting> {
    let mut settings = settings(Scope::Job, |name| job_value(job, name));
    let derived = Value::Duration(default_stale_after(job.limits.interval, job.limits.activity_timeout));
    for setting in settings.iter_mut().filter(|setting| matches!(setting.key.preset, Preset::Derived(_))) {
        setting.is_default = setting.value == derived;
    }
    settings
}

fn settings(scope: Scope, value_of: impl Fn(&str) -> Option<Value>) -> Vec<Setting> {
    let of = |key: &'static Key| {
        let value = value_of(key.name)?;
        let is_default = value == key.default_value();
        Some(Setting { key, value, is_default })
    };
    KEYS.iter().filter(|key| key.scope == scope).filter_map(of).collect()
}

fn span(time: Option<Duration>) -> Value {
    time.map_or(Value::Off, Value::Duration)
}

fn path(path: &Option<PathBuf>) -> Value {
    path.clone().map_or(Value::Off, Value::Path)
}

fn text(text: &Option<String>) -> Value {
    text.clone().map_or(Value::Off, Value::Text)
}

fn command(words: &Option<Vec<String>>) -> Value {
    words.clone().map_or(Value::Off, Value::Words)
}

fn global_value(global: &Global, name: &str) -> Option<Value> {
    Some(match name {
        "log" => Value::Log(global.log.clone()),
        "log_max_size" => Value::Size(global.log_max_size),
        "log_level" => Value::Level(global.log_level),
        "status_file" => Value::Path(global.status_file.clone()),
        "metrics_file" => path(&global.metrics_file),
        "state_dir" => path(&global.state_dir),
        "watchdog_device" => path(&global.watchdog_device),
        "watchdog_timeout" => Value::Duration(global.watchdog_timeout),
        "reboot_limit" => Value::Number(global.reboot_limit.into()),
        "lock_memory" => Value::Bool(global.lock_memory),
        _ => return None,
    })
}

fn job_value(job: &Job, name: &str) -> Option<Value> {
    let (options, source, destination) = match &job.arguments {
        Arguments::Ini { options, source, destination } => (options.clone(), source.clone(), vec![destination.clone()]),
        Arguments::DropIn(_) => Default::default(),
    };
    Some(match name {
        "source" => Value::Words(source),
        "destination" => Value::Words(destination),
        "options" => Value::Words(options),
        "rsync" => Value::Text(job.rsync.clone()),
        "enabled" => Value::Bool(job.enabled),
        "interval" => Value::Duration(job.limits.interval),
        "jitter" => Value::Jitter(job.limits.jitter),
        "activity_timeout" => span(job.limits.activity_timeout),
        "max_runtime" => span(job.limits.max_runtime),
        "stop_timeout" => Value::Duration(job.limits.stop_timeout),
        "backoff_initial" => Value::Duration(job.limits.backoff_initial),
        "backoff_max" => Value::Duration(job.limits.backoff_max),
        "stale_after" => span(job.stale_after),
        "password_file" => match &job.password {
            Some(Password::File(file)) => Value::Path(file.clone()),
            _ => Value::Off,
        },
        "password" => match &job.password {
            Some(Password::Text(text)) => Value::Secret(text.clone()),
            _ => Value::Off,
        },
        "progress" => Value::Bool(job.progress),
        "user" => text(&job.run_as.user),
        "group" => text(&job.run_as.group),
        "nice" => job.run_as.nice.map_or(Value::Off, |nice| Value::Number(nice.into())),
        "io_class" => job.run_as.io_class.map_or(Value::Off, Value::IoClass),
        "require_mount" => path(&job.require_mount),
        "min_free" => job.min_free.map_or(Value::Off, Value::Size),
        "run_before" => command(&job.hooks.before),
        "run_after" => command(&job.hooks.after),
        "run_on_change" => command(&job.hooks.on_change),
        "run_on_failure" => command(&job.hooks.on_failure),
        "hook_timeout" => Value::Duration(job.limits.hook_timeout),
        "recover_after" => span(job.limits.recover_after),
        "run_recover" => command(&job.hooks.recover),
        "reboot_after" => span(job.reboot_after),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_is_shown_and_a_default_configuration_shows_only_defaults() {
        let config = Config::drop_in(vec![], Duration::from_secs(30), Some(Duration::from_secs(7200)));
        let shown: Vec<Setting> = global(&config.global).into_iter().chain(job(&config.jobs[0])).collect();
        let names: Vec<&str> = shown.iter().map(|setting| setting.key.name).collect();
        for key in KEYS.iter().filter(|key| key.name != "include") {
            assert!(names.contains(&key.name), "{}", key.name);
        }
        // Drop-in arguments are no INI values, and it shows no progress.
        let differ: Vec<&str> = shown.iter().filter(|s| !s.is_default).map(|s| s.key.name).collect();
        assert_eq!(differ, ["source", "destination", "options", "progress"]);
    }
}
