//! `irsync status`: reads the status file of the running irsync.

use super::{complain, say, watch};
use crate::config::expand::Variables;
use crate::config::keys::Id;
use crate::config::load;
use crate::config::values::Value;
use crate::job::Time;
use crate::os::{clock, procfs, terminal};
use crate::report::board::JobStatus;
use crate::report::human::Span;
use crate::report::status::{sections, Section};
use crate::report::{json, table};
use crate::supervisor::runs;
use std::fs;
use std::io::{stdout, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A job is stale or failing, or what the jobs do cannot be seen.
const UNHEALTHY: u8 = 1;
/// irsync is not running.
const NOT_RUNNING: u8 = 3;
/// How long an irsync that starts or stops may be without a status file.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows what each job is doing; again and again if `watch`.
pub fn status(config: &Path, watch: bool, json: bool) -> ExitCode {
    let file = status_file(config);
    if watch {
        return watch::watch(&file, json);
    }
    let seen = Seen::now(&file);
    let stdout = stdout();
    let (width, _) = terminal::size(stdout.as_fd());
    let text =
        if json { seen.json() } else { seen.lines(width, terminal::wants_colours(stdout.as_fd())).join("\n") + "\n" };
    say(&text).err().unwrap_or(seen.code())
}

/// Where the running irsync writes; in drop-in mode there is no configuration, and what it was started with may have been
/// broken since: then the default.
fn status_file(config: &Path) -> PathBuf {
    let preset = || match Id::status_file.key().default_value() {
        Value::Path(path) => path,
        _ => PathBuf::new(),
    };
    match load(config, &Variables::of_this_device()) {
        Ok((config, _)) => config.global.status_file,
        Err(errors) => {
            let file = preset();
            if fs::metadata(config).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true) {
                let first = errors.to_string();
                let first = first.lines().next().unwrap_or_default();
                complain(&format!("{first}\nirsync: looking at {} instead\n", file.display()));
            }
            file
        }
    }
}

/// What a look at the status file has shown.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    NotRunning(PathBuf),
    /// It runs, but its file is missing or another one's.
    Blind(PathBuf),
    Running(Vec<Section>),
}

impl Seen {
    /// Looks; an irsync that is just starting or stopping is given time to finish that.
    pub(super) fn now(file: &Path) -> Seen {
        let since = clock::now();
        loop {
            if !runs(file) {
                return Seen::NotRunning(file.to_owned());
            }
            let sections = fs::read(file).map(|bytes| sections(&String::from_utf8_lossy(&bytes))).unwrap_or_default();
            let pid = sections.iter().find_map(|section| section.number("pid").filter(|_| section.name == "irsync"));
            if pid.and_then(|pid| i32::try_from(pid).ok()).is_some_and(|pid| procfs::stat(pid).is_some()) {
                return Seen::Running(sections);
            }
            if clock::now().since(since) > PATIENCE {
                return Seen::Blind(file.to_owned());
            }
            std::thread::sleep(PATIENCE / 10);
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        match self {
            Seen::NotRunning(_) => ExitCode::from(NOT_RUNNING),
            Seen::Blind(_) => ExitCode::from(UNHEALTHY),
            Seen::Running(sections) => {
                let bad = |job: JobStatus| table::health(&job, clock::now()).is_bad();
                match sections.iter().filter_map(Section::job).any(bad) {
                    true => ExitCode::from(UNHEALTHY),
                    false => ExitCode::SUCCESS,
                }
            }
        }
    }

    pub(super) fn json(&self) -> String {
        match self {
            Seen::Running(sections) => json::render(Some(sections), clock::now()),
            Seen::Blind(_) => json::render(Some(&[]), clock::now()),
            Seen::NotRunning(_) => json::render(None, clock::now()),
        }
    }

    /// For people, `width` columns wide where it matters.
    pub(super) fn lines(&self, width: usize, paint: bool) -> Vec<String> {
        match self {
            Seen::NotRunning(file) => vec![format!("irsync is not running (nobody holds {}.lock)", file.display())],
            Seen::Blind(file) => vec![format!(
                "irsync is running, but {} is missing or out of date: is its file system full or read-only?",
                file.display()
            )],
            Seen::Running(sections) => {
                let now = clock::now();
                let jobs: Vec<JobStatus> = sections.iter().filter_map(Section::job).collect();
                let mut lines: Vec<String> = sections
                    .iter()
                    .filter(|section| section.name == "irsync")
                    .flat_map(|own| head(own, &jobs, now))
                    .collect();
                lines.push(String::new());
                lines.extend(table::table(&jobs, now, paint));
                let bars = table::bars(&jobs, width);
                if !bars.is_empty() {
                    lines.push(String::new());
                    lines.extend(bars);
                }
                lines
            }
        }
    }
}

/// What holds for the whole program.
fn head(own: &Section, jobs: &[JobStatus], now: Time) -> Vec<String> {
    let text = |key: &str| own.get(key).unwrap_or("?");
    let mut line = format!("irsync {}, pid {}", text("version"), text("pid"));
    if let Some(started) = own.moment("started") {
        line += &format!(", up {}", Span(Duration::from_secs(now.since(started).as_secs())));
    }
    let mut versions: Vec<&str> = jobs.iter().filter_map(|job| job.rsync_version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    if !versions.is_empty() {
        line += &format!(", rsync {}", versions.join(" and "));
    }
    if own.get("state") == Some("stopping") {
        line += ", stopping";
    }
    let mut lines = vec![line];
    if let Some(device) = own.get("watchdog_device") {
        let identity = own.get("watchdog_identity").map(|name| format!(" ({name})")).unwrap_or_default();
        let timeout = own.get("watchdog_timeout").map(|seconds| format!(", {seconds}s")).unwrap_or_default();
        let fed = if own.get("watchdog_fed") == Some("yes") { "fed" } else { "NOT FED" };
        lines.push(format!("watchdog {device}{identity}{timeout}, {fed}"));
    }
    if let Some(cause) = own.get("boot_cause") {
        lines.push(format!("last boot: {cause}"));
    }
    lines
}
