//! What the owner asked for: INI text in, [`Config`] out, or every error at once with file, line and key.
#![forbid(unsafe_code)]

pub(crate) mod error;
pub mod expand;
mod fields;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub mod keys;
mod load;
pub(crate) mod mask;
pub(crate) mod nearest;
mod parse;
pub(crate) mod password;
pub(crate) mod read;
pub mod report;
mod rules;
mod sheet;
pub mod show;
pub(crate) mod trust;
pub(crate) mod values;
mod view;

pub use error::{Error, Errors, Warning};
pub use load::{load, Loaded, Loader};

use crate::job::calendar::Calendar;
pub use crate::job::{Jitter, Limits};
pub use crate::rsync::argv::Arguments;
use crate::rsync::complaint::Kinds;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Everything irsync was told, from the INI file and its includes or from a drop-in command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Keys that hold for the whole program.
    pub global: Global,
    /// The jobs, in the order of the file; disabled ones included.
    pub jobs: Vec<Job>,
}

/// Keys that hold for the whole program.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// `log`
    pub log: LogTarget,
    /// `log_level`
    pub log_level: log::LevelFilter,
    /// `log_max_size`, bytes
    pub log_max_size: u64,
    /// `status_file`
    pub status_file: PathBuf,
    /// `metrics_file`
    pub metrics_file: Option<PathBuf>,
    /// `state_dir`
    pub state_dir: Option<PathBuf>,
    /// `report_to`
    pub report_to: Option<String>,
    /// `report_every`
    pub report_every: Duration,
    /// `report_password_file`
    pub report_password_file: Option<PathBuf>,
    /// `watchdog_device`
    pub watchdog_device: Option<PathBuf>,
    /// `watchdog_timeout`, whole seconds
    pub watchdog_timeout: Duration,
    /// `reboot_limit`, reboots per 24 h
    pub reboot_limit: u32,
    /// `lock_memory`: mlockall, so that the watchdog is fed while the card is busy
    pub lock_memory: bool,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// `/dev/log`, by syslog(3).
    Syslog,
    /// A file, rotated at `log_max_size`, one `.old` kept.
    File(PathBuf),
}

/// One job: a section of the INI file, defaults and `${…}` resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The section's name.
    pub name: String,
    /// What rsync is run with.
    pub arguments: Arguments,
    /// `fallback`: each as many words as `source` has
    pub fallback: Vec<Vec<String>>,
    /// `rsync`: the program, looked up in PATH
    pub rsync: String,
    /// `window`; None: always
    pub window: Option<Calendar<()>>,
    /// `bwlimit`, bytes per second
    pub bwlimit: Option<Calendar<u64>>,
    /// `enabled`
    pub enabled: bool,
    /// An included file that is in error names this job, and may give it another source: it waits until the file is right
    pub doubt: Option<PathBuf>,
    /// Nine times: see [`Limits`]
    pub limits: Limits,
    /// `stale_after`, its default already worked out; None (`off`): never
    pub stale_after: Option<Duration>,
    /// `max_shrink`, percent; None: off
    pub max_shrink: Option<u8>,
    /// `accept`
    pub accept: Kinds,
    /// `durable`
    pub durable: bool,
    /// `verify_every`; None: never
    pub verify_every: Option<Duration>,
    /// `atomic`
    pub atomic: bool,
    /// `password_file` or `password`
    pub password: Option<Password>,
    /// `progress`
    pub progress: bool,
    /// `user`, `group`, `nice`, `io_class`
    pub run_as: RunAs,
    /// `require_mount`
    pub require_mount: Option<PathBuf>,
    /// `min_free`, bytes
    pub min_free: Option<u64>,
    /// `run_before`, `run_before_publish`, `run_after`, `run_on_change`, `run_on_failure`, `run_recover`
    pub hooks: Hooks,
    /// `reboot_after`; None: never
    pub reboot_after: Option<Duration>,
}

impl Job {
    /// What rsync is run with when this source is asked; 0 is `source`.
    pub fn arguments_for(&self, source: usize) -> Arguments {
        let fallback = source.checked_sub(1).and_then(|at| self.fallback.get(at));
        match (&self.arguments, fallback) {
            (Arguments::Ini { options, destination, .. }, Some(source)) => {
                Arguments::Ini { options: options.clone(), source: source.clone(), destination: destination.clone() }
            }
            (arguments, _) => arguments.clone(),
        }
    }
}

/// Where the daemon password comes from. Debug output never shows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// `password_file`: read when rsync is started, its first line.
    File(PathBuf),
    /// `password`
    Text(String),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Password::File(path) => write!(f, "File({path:?})"),
            Password::Text(_) => f.write_str("Text(***)"),
        }
    }
}

/// How rsync runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAs {
    /// `user`: name or number
    pub user: Option<String>,
    /// `group`: name or number
    pub group: Option<String>,
    /// `nice`: -20 to 19
    pub nice: Option<i32>,
    /// `io_class`
    pub io_class: Option<IoClass>,
}

/// `io_class`, see ioprio_set(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoClass {
    /// Only when nobody else wants the disk.
    Idle,
    /// Best effort, with level 0 (first) to 7.
    BestEffort(u8),
}

/// Commands, already split as a shell would, run without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `run_before`
    pub before: Option<Vec<String>>,
    /// `run_before_publish`
    pub before_publish: Option<Vec<String>>,
    /// `run_after`
    pub after: Option<Vec<String>>,
    /// `run_on_change`
    pub on_change: Option<Vec<String>>,
    /// `run_on_failure`
    pub on_failure: Option<Vec<String>>,
    /// `run_recover`
    pub recover: Option<Vec<String>>,
}
