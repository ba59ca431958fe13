//! A look at the running irsync through its status file: what `irsync status` shows, with `--watch` again and again.

use super::places::Places;
use crate::config::mask::masked;
use crate::os::{clock, procfs};
use crate::report::board::Stamp;
use crate::report::human::Span;
use crate::report::snapshot::{Snapshot, Watchdog};
use crate::report::{bars, json, status, table};
use crate::supervisor::{is_drop_in, lock_path, runs, Remains};
use crate::text;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A job is stale or failing, or what the jobs do cannot be seen.
const UNHEALTHY: u8 = 1;
/// irsync is not running.
pub(super) const NOT_RUNNING: u8 = 3;
/// How long an irsync that starts or stops may be without a status file.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many bytes of a drop-in's arguments are shown.
const LONGEST_LINE: usize = 300;

/// What a look at all status files that are meant has shown.
pub(super) struct Sight(Vec<Seen>);

impl Sight {
    pub(super) fn now(places: &Places) -> Sight {
        Sight(places.seen().iter().map(|file| Seen::now(file)).collect())
    }

    /// Whether both show the same, but for ages.
    pub(super) fn is_like(&self, other: &Sight) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(one, other)| one.is_like(other))
    }

    /// The worst of them.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.0.iter().map(Seen::code).max().unwrap_or_default())
    }

    /// A line for each.
    pub(super) fn json(&self) -> String {
        self.0.iter().map(Seen::json).collect()
    }

    pub(super) fn lines(&self, width: usize, paint: bool) -> Vec<String> {
        self.0.iter().map(|seen| seen.lines(width, paint)).collect::<Vec<_>>().join(&String::new())
    }
}

/// What a look at a status file has shown.
#[derive(Debug)]
enum Seen {
    NotRunning(PathBuf),
    /// It runs, but what it does cannot be told, and why.
    Blind(String),
    /// And with which arguments, if no configuration says what it does.
    Running(Box<Snapshot>, Option<String>),
}

impl Seen {
    /// Looks; an irsync that is just starting or stopping is given time to finish that.
    fn now(file: &Path) -> Seen {
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
                Ok(snapshot) => {
                    let arguments = if is_drop_in(file) { arguments(snapshot.daemon.pid) } else { None };
                    return Seen::Running(Box::new(snapshot), arguments);
                }
                Err(why) => why,
            };
            if clock::now().since(since) > PATIENCE {
                return Seen::Blind(format!("irsync is running, but {} {why}", file.display()));
            }
            std::thread::sleep(PATIENCE / 10);
        }
    }

    /// Whether both show the same, but for ages.
    fn is_like(&self, other: &Seen) -> bool {
        match (self, other) {
            (Seen::NotRunning(_), Seen::NotRunning(_)) => true,
            (Seen::Blind(why), Seen::Blind(before)) => why == before,
            (Seen::Running(snapshot, _), Seen::Running(before, _)) => snapshot.tells_the_same(before),
            _ => false,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Seen::NotRunning(_) => NOT_RUNNING,
            Seen::Blind(_) => UNHEALTHY,
            Seen::Running(snapshot, _) if snapshot.is_bad() => UNHEALTHY,
            Seen::Running(..) => 0,
        }
    }

    fn json(&self) -> String {
        match self {
            Seen::NotRunning(_) => json::NOT_RUNNING.into(),
            Seen::Blind(why) => json::blind(why),
            Seen::Running(snapshot, _) => json::render(snapshot),
        }
    }

    /// For people, `width` columns wide where it matters.
    fn lines(&self, width: usize, paint: bool) -> Vec<String> {
        match self {
            Seen::NotRunning(file) => not_running(file).lines().map(str::to_owned).collect(),
            Seen::Blind(why) => vec![why.clone()],
            Seen::Running(snapshot, arguments) => {
                let mut lines = head(snapshot);
                lines.extend(arguments.clone());
                lines.push(String::new());
                lines.extend(table::table(snapshot, paint));
                for block in [table::reasons(snapshot, arguments.is_some()), bars::bars(snapshot, width)] {
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

/// What a drop-in was started with.
fn arguments(pid: u32) -> Option<String> {
    let line = procfs::command_line(pid)?;
    let words: Vec<_> = line.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    let mut shown = Vec::new();
    text::escape_into(&mut shown, masked(words.join(" ").trim_end()).as_bytes(), LONGEST_LINE);
    Some(String::from_utf8_lossy(&shown).into_owned())
}

/// For people: no irsync has this status file, and what to do about that.
pub(super) fn not_running(file: &Path) -> String {
    match Remains::of(file, clock::now()) {
        Some(left) => format!(
            "irsync is not running: it {left}\nStart it again; the end of its log, and dmesg, may say why it ended; \
             irsync history shows its last syncs."
        ),
        None => format!("irsync is not running (its status would be in {})", file.display()),
    }
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
