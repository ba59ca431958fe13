//! A look at the running irsync through its status file: what `irsync status` shows, with `--watch` again and again.

use super::complain;
use crate::config::keys::Id;
use crate::config::load;
use crate::config::values::Value;
use crate::os::{clock, procfs};
use crate::report::board::Stamp;
use crate::report::human::Span;
use crate::report::snapshot::{Snapshot, Watchdog};
use crate::report::{bars, json, status, table};
use crate::supervisor::{lock_path, runs};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A job is stale or failing, or what the jobs do cannot be seen.
const UNHEALTHY: u8 = 1;
/// irsync is not running.
pub(super) const NOT_RUNNING: u8 = 3;
/// How long an irsync that starts or stops may be without a status file.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the running irsync writes; in drop-in mode there is no configuration, and what it was started with may have been
/// broken since: then the default.
pub(super) fn status_file(config: &Path) -> PathBuf {
    let preset = || match Id::status_file.key().default_value() {
        Value::Path(path) => path,
        _ => PathBuf::new(),
    };
    match load(config) {
        Ok(loaded) => loaded.config.global.status_file,
        Err(errors) => {
            let file = written_down(config).unwrap_or_else(preset);
            if fs::metadata(config).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true) {
                let first = errors.to_string();
                let first = first.lines().next().unwrap_or_default();
                complain(&format!("{first}\nirsync: looking at {} instead\n", file.display()));
            }
            file
        }
    }
}

/// As much of a configuration that is in error is looked at.
const LOOK_LIMIT: u64 = 1 << 20;

/// What a file that is in error says of the status file, where that can be read: the irsync that runs has read the file when it
/// was in order.
fn written_down(config: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    fs::File::open(config).ok()?.take(LOOK_LIMIT).read_to_string(&mut text).ok()?;
    let globals = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let values =
        globals.filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == Id::status_file.name());
    let value = values.map(|(_, value)| value.trim().trim_matches(['"', '\''])).last()?;
    Some(PathBuf::from(value)).filter(|path| path.is_absolute())
}

/// What a look at the status file has shown.
#[derive(Debug)]
pub(super) enum Seen {
    NotRunning(PathBuf),
    /// It runs, but what it does cannot be told, and why.
    Blind(String),
    Running(Box<Snapshot>),
}

impl Seen {
    /// Looks; an irsync that is just starting or stopping is given time to finish that.
    pub(super) fn now(file: &Path) -> Seen {
        let since = clock::now();
        loop {
            match runs(file) {
                Some(true) => {}
                Some(false) => return Seen::NotRunning(file.to_owned()),
                None => {
                    let lock = lock_path(file);
                    return Seen::Blind(format!(
                        "cannot tell whether irsync is running: only its own user may open {}, and /proc/locks does not \
                         name it",
                        lock.display()
                    ));
                }
            }
            let why = match read(file) {
                Ok(snapshot) => return Seen::Running(Box::new(snapshot)),
                Err(why) => why,
            };
            if clock::now().since(since) > PATIENCE {
                return Seen::Blind(format!("irsync is running, but {} {why}", file.display()));
            }
            std::thread::sleep(PATIENCE / 10);
        }
    }

    /// Whether both show the same, but for ages.
    pub(super) fn is_like(&self, other: &Seen) -> bool {
        match (self, other) {
            (Seen::NotRunning(_), Seen::NotRunning(_)) => true,
            (Seen::Blind(why), Seen::Blind(before)) => why == before,
            (Seen::Running(snapshot), Seen::Running(before)) => snapshot.tells_the_same(before),
            _ => false,
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        match self {
            Seen::NotRunning(_) => ExitCode::from(NOT_RUNNING),
            Seen::Blind(_) => ExitCode::from(UNHEALTHY),
            Seen::Running(snapshot) if snapshot.is_bad() => ExitCode::from(UNHEALTHY),
            Seen::Running(_) => ExitCode::SUCCESS,
        }
    }

    pub(super) fn json(&self) -> String {
        match self {
            Seen::NotRunning(_) => json::NOT_RUNNING.into(),
            Seen::Blind(why) => json::blind(why),
            Seen::Running(snapshot) => json::render(snapshot),
        }
    }

    /// For people, `width` columns wide where it matters.
    pub(super) fn lines(&self, width: usize, paint: bool) -> Vec<String> {
        match self {
            Seen::NotRunning(file) => vec![not_running(file)],
            Seen::Blind(why) => vec![why.clone()],
            Seen::Running(snapshot) => {
                let mut lines = head(snapshot);
                lines.push(String::new());
                lines.extend(table::table(snapshot, paint));
                for block in [table::reasons(snapshot), bars::bars(snapshot, width)] {
                    if !block.is_empty() {
                        lines.push(String::new());
                        lines.extend(block);
                    }
                }
                lines
            }
        }
    }
}

/// For people: no irsync has this status file.
pub(super) fn not_running(file: &Path) -> String {
    format!("irsync is not running (nobody holds {})", lock_path(file).display())
}

/// The file of a running irsync, or what is wrong with it.
fn read(file: &Path) -> Result<Snapshot, String> {
    const OLD: &str = "is missing or out of date: is its file system full or read-only?";
    let bytes = fs::read(file).map_err(|_| OLD)?;
    let (daemon, jobs) = status::read(&String::from_utf8_lossy(&bytes))
        .map_err(|why| format!("cannot be understood: {why}; who else writes there?"))?;
    let lives = i32::try_from(daemon.pid).is_ok_and(|pid| procfs::stat(pid).is_some());
    match lives {
        true => Ok(Snapshot::new(daemon, jobs, Stamp::now())),
        false => Err(OLD.into()),
    }
}

/// What holds for the whole program.
fn head(snapshot: &Snapshot) -> Vec<String> {
    let own = &snapshot.daemon;
    let up = Duration::from_secs(snapshot.now.mono.since(own.started).as_secs());
    let mut line = format!("irsync {}, pid {}, up {}", own.version, own.pid, Span(up));
    let mut versions: Vec<&str> =
        snapshot.jobs.iter().filter_map(|judged| judged.job.rsync_version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    if !versions.is_empty() {
        line += &format!(", rsync {}", versions.join(" and "));
    }
    if own.stopping {
        line += ", stopping";
    }
    let mut lines = vec![line];
    lines.extend(own.watchdog.as_ref().map(watchdog));
    lines.extend(own.boot_cause.as_ref().map(|cause| format!("last boot: {cause}")));
    lines
}

fn watchdog(watchdog: &Watchdog) -> String {
    let identity = watchdog.identity.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let timeout = watchdog.timeout.map(|seconds| format!(", {seconds}s")).unwrap_or_default();
    let fed = if watchdog.fed { "fed" } else { "NOT FED" };
    format!("watchdog {}{identity}{timeout}, {fed}", watchdog.device)
}
