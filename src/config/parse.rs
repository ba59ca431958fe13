//! A sheet to a [`Config`], or every error at once.

use super::error::{Error, Errors, Place, Warning};
use super::expand::Variables;
use super::keys;
use super::mask::masked;
use super::rules;
use super::sheet::{self, Section, Sheet};
use super::values::Value;
use super::{Arguments, Config, Global, Hooks, IoClass, Jitter, Job, Limits, LogTarget, Password, RunAs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `stale_after` adds to the intervals when `activity_timeout` is off.
const NO_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// Reads and checks a configuration with everything it includes.
///
/// # Errors
/// All of them, each with its file and line.
pub fn load(path: &Path, variables: &Variables) -> Result<(Config, Vec<Warning>), Errors> {
    let mut sheet = sheet::read(path);
    let mut errors = std::mem::take(&mut sheet.errors);
    let config = assemble(&sheet, variables, &mut errors);
    let top = Place { file: path.into(), line: 1 };
    if sheet.jobs.is_empty() && errors.is_empty() {
        errors.push(Error {
            place: top.clone(),
            message: "there is no job: add a [section]".into(),
            ..Error::default()
        });
    }
    if !errors.is_empty() {
        // Included files come after the main one; within a file the lines in order.
        errors.sort_by_key(|error| (error.place.file != path, error.place.file.clone(), error.place.line));
        return Err(Errors(errors));
    }
    if config.jobs.iter().all(|job| !job.enabled) {
        let message = "no job is enabled: irsync run only waits for SIGHUP and a better file".into();
        sheet.warnings.push(Warning { place: top, message });
    }
    Ok((config, sheet.warnings))
}

impl Config {
    /// The configuration of drop-in mode: one job named `rsync`, everything else by default.
    pub fn drop_in(args: Vec<OsString>, interval: Duration, activity_timeout: Option<Duration>) -> Config {
        let sheet = Sheet { jobs: vec![Section { name: "rsync".into(), ..Section::default() }], ..Sheet::default() };
        let mut config = assemble(&sheet, &Variables::default(), &mut Vec::new());
        for job in &mut config.jobs {
            job.arguments = Arguments::DropIn(args.clone());
            job.limits.interval = interval;
            job.limits.activity_timeout = activity_timeout;
            job.stale_after = Some(default_stale_after(interval, activity_timeout));
            job.progress = false;
        }
        config
    }
}

/// 3 × interval + activity_timeout.
pub(super) fn default_stale_after(interval: Duration, activity_timeout: Option<Duration>) -> Duration {
    interval.saturating_mul(3).saturating_add(activity_timeout.unwrap_or(NO_ACTIVITY_TIMEOUT))
}

fn assemble(sheet: &Sheet, variables: &Variables, errors: &mut Vec<Error>) -> Config {
    let view = View { section: &sheet.global, global: &sheet.global };
    let global = Global {
        log: view.log("log"),
        log_level: view.level("log_level"),
        log_max_size: view.size("log_max_size").unwrap_or(0),
        status_file: view.path("status_file").unwrap_or_default(),
        metrics_file: view.path("metrics_file"),
        state_dir: view.path("state_dir"),
        watchdog_device: view.path("watchdog_device"),
        watchdog_timeout: view.span("watchdog_timeout"),
        reboot_limit: view.number("reboot_limit").unwrap_or(0) as u32,
        lock_memory: view.yes("lock_memory"),
    };
    let mut jobs = Vec::new();
    for section in &sheet.jobs {
        let view = View { section, global: &sheet.global };
        let job = job(&view, variables, errors);
        rules::check(&view, &job, errors);
        jobs.push(job);
    }
    Config { global, jobs }
}

fn job(view: &View, variables: &Variables, errors: &mut Vec<Error>) -> Job {
    let limits = limits(view);
    let source = words(view, "source", variables, errors);
    let destination = words(view, "destination", variables, errors).pop().unwrap_or_default();
    let options = words(view, "options", variables, errors);
    Job {
        name: view.section.name.clone(),
        arguments: Arguments::Ini { options, source, destination },
        rsync: view.text("rsync").unwrap_or_default(),
        enabled: view.yes("enabled"),
        stale_after: match view.place("stale_after") {
            Some(_) => view.duration("stale_after"),
            None => Some(default_stale_after(limits.interval, limits.activity_timeout)),
        },
        limits,
        password: match (view.path("password_file"), view.value("password")) {
            (Some(file), _) => Some(Password::File(file)),
            (None, Value::Secret(text)) => Some(Password::Text(text)),
            (None, _) => None,
        },
        progress: view.yes("progress"),
        run_as: RunAs {
            user: view.text("user"),
            group: view.text("group"),
            nice: view.number("nice").map(|n| n as i32),
            io_class: match view.value("io_class") {
                Value::IoClass(class) => Some(class),
                _ => None::<IoClass>,
            },
        },
        require_mount: view.path("require_mount"),
        min_free: view.size("min_free"),
        hooks: Hooks {
            before: view.command("run_before"),
            after: view.command("run_after"),
            on_change: view.command("run_on_change"),
            on_failure: view.command("run_on_failure"),
            recover: view.command("run_recover"),
        },
        reboot_after: view.duration("reboot_after"),
    }
}

fn limits(view: &View) -> Limits {
    Limits {
        interval: view.span("interval"),
        jitter: match view.value("jitter") {
            Value::Jitter(jitter) => jitter,
            _ => Jitter::Percent(0),
        },
        activity_timeout: view.duration("activity_timeout"),
        max_runtime: view.duration("max_runtime"),
        stop_timeout: view.span("stop_timeout"),
        backoff_initial: view.span("backoff_initial"),
        backoff_max: view.span("backoff_max"),
        hook_timeout: view.span("hook_timeout"),
        recover_after: view.duration("recover_after"),
    }
}

/// Expanded after they were split, so that no value can become two words.
fn words(view: &View, name: &str, variables: &Variables, errors: &mut Vec<Error>) -> Vec<String> {
    let Value::Words(words) = view.value(name) else {
        return Vec::new();
    };
    let mut expanded = Vec::with_capacity(words.len());
    for word in &words {
        match variables.expand(word) {
            Ok(word) => expanded.push(word),
            Err(message) => errors.push(Error { found: Some(masked(word)), ..view.error(name, message) }),
        }
    }
    expanded
}

/// A job's keys: its own, else the global ones, else the defaults.
pub(super) struct View<'a> {
    pub section: &'a Section,
    global: &'a Section,
}

impl View<'_> {
    /// Where a key is given; None if it is left to its default.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.section.get(name).or_else(|| self.global.get(name)).map(|entry| &entry.place)
    }

    /// The value of a key.
    pub fn value(&self, name: &str) -> Value {
        match self.section.get(name).or_else(|| self.global.get(name)) {
            Some(entry) => entry.value.clone(),
            None => keys::find(name).map_or(Value::Off, |key| key.default_value()),
        }
    }

    /// The value of a key that holds for the whole program.
    pub fn global_value(&self, name: &str) -> Value {
        View { section: self.global, global: self.global }.value(name)
    }

    /// An error at the key, or at the section's header where it is not given.
    pub fn error(&self, name: &str, message: String) -> Error {
        Error {
            place: self.place(name).unwrap_or(&self.section.place).clone(),
            section: Some(self.section.name.clone()),
            key: Some(name.to_string()),
            message,
            ..Error::default()
        }
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        match self.value(name) {
            Value::Duration(time) => Some(time),
            _ => None,
        }
    }

    /// A duration that cannot be off. Zero is only seen where the value was refused.
    fn span(&self, name: &str) -> Duration {
        self.duration(name).unwrap_or_default()
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        match self.value(name) {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    fn size(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Value::Size(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn yes(&self, name: &str) -> bool {
        self.value(name) == Value::Bool(true)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn command(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name) {
            Value::Words(words) if !words.is_empty() => Some(words),
            _ => None,
        }
    }

    fn log(&self, name: &str) -> LogTarget {
        match self.value(name) {
            Value::Log(target) => target,
            _ => LogTarget::Stderr,
        }
    }

    fn level(&self, name: &str) -> log::LevelFilter {
        match self.value(name) {
            Value::Level(level) => level,
            _ => log::LevelFilter::Info,
        }
    }
}
