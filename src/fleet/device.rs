//! One report, judged.

use crate::job::health::Health;
use crate::job::Outcome;
use crate::report::board::{JobStatus, Stamp};
use crate::report::snapshot::Snapshot;
use crate::report::status;
use std::time::{Duration, UNIX_EPOCH};

/// A file that claims to be newer than the server's clock by more than this was not stamped by it.
const FUTURE: Duration = Duration::from_secs(60);
/// Longer names and reasons are cut.
const TEXT: usize = 200;
/// More jobs of one device are counted, not shown.
const JOBS: usize = 32;

/// How a device does, what hurts most last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// It reports, and all of its jobs are well.
    Well,
    /// Deletions wait for the owner; nothing else is wrong.
    Held,
    /// Its last sync was no success.
    Failing,
    /// A job had no success for longer than its `stale_after`.
    Stale,
    /// Its report cannot be understood.
    Unreadable,
    /// It does not report any more.
    Gone,
}

impl Mark {
    /// Every mark, what hurts most first.
    pub(crate) const ALL: [Mark; 6] =
        [Mark::Gone, Mark::Unreadable, Mark::Stale, Mark::Failing, Mark::Held, Mark::Well];

    /// The name in table, JSON, metrics and page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mark::Well => "ok",
            Mark::Held => "held",
            Mark::Failing => "failing",
            Mark::Stale => "stale",
            Mark::Unreadable => "unreadable",
            Mark::Gone => "gone",
        }
    }
}

/// A job of a device, as it was when the device reported.
#[derive(Clone, Debug)]
pub(crate) struct JobLine {
    /// The section's name.
    pub name: String,
    /// How it does.
    pub mark: Mark,
    /// It is switched off.
    pub off: bool,
    /// How its last sync ended.
    pub outcome: Option<Outcome>,
    /// Since its last success, now.
    pub success: Option<Duration>,
    /// Syncs in a row without success.
    pub failures: u32,
    /// Free bytes where it writes, if the report tells.
    pub free: Option<u64>,
    /// Why it is not well.
    pub why: String,
}

/// A device as its last report shows it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The file's name without `.status`, safe to show.
    pub name: String,
    /// How it does.
    pub mark: Mark,
    /// Since its last report.
    pub age: Duration,
    /// Why it is not well.
    pub why: String,
    /// Its irsync's version; empty if the report does not tell.
    pub version: String,
    /// How its last boot ended, if it told.
    pub boot_cause: Option<String>,
    /// Since its last boot, as reported, if it told.
    pub uptime: Option<Duration>,
    /// Its jobs.
    pub jobs: Vec<JobLine>,
}

/// A report file as far as it could be read.
#[derive(Debug)]
pub(crate) struct Report {
    /// The file's name without `.status`.
    pub name: String,
    /// Since it was written; in the future if [`Err`].
    pub age: Result<Duration, Duration>,
    /// Its text, or why it could not be read.
    pub text: Result<String, String>,
}

impl Device {
    /// Judges one report; one that is older than `gone` is of a device that is gone.
    pub(crate) fn judge(report: &Report, gone: Duration) -> Device {
        let age = report.age.unwrap_or_default();
        let mut device = Device {
            name: status::safe(&report.name, TEXT),
            mark: Mark::Unreadable,
            age,
            why: String::new(),
            version: String::new(),
            boot_cause: None,
            uptime: None,
            jobs: Vec::new(),
        };
        match &report.text {
            Ok(text) => match status::read(text) {
                Ok((daemon, jobs)) => device.fill(text, daemon, jobs, age),
                Err(why) => device.why = why,
            },
            Err(why) => device.why = why.clone(),
        }
        device.why = status::safe(&device.why, TEXT);
        match report.age {
            Err(ahead) if ahead > FUTURE => {
                device.mark = Mark::Unreadable;
                device.why = "it is dated in the future: the server has not stamped it".into();
            }
            _ if age > gone => {
                device.mark = Mark::Gone;
                if device.why.is_empty() {
                    device.why = "it was well when it reported last".into();
                }
            }
            _ => {}
        }
        device
    }

    fn fill(&mut self, text: &str, daemon: crate::report::snapshot::Daemon, jobs: Vec<JobStatus>, age: Duration) {
        self.version = status::safe(&daemon.version, 32);
        self.boot_cause = daemon.boot_cause.clone();
        self.uptime = extra(text, "uptime").and_then(status::parse_seconds);
        let stopping = daemon.stopping;
        let written = daemon.written;
        let snapshot = Snapshot::new(daemon, jobs, Stamp { mono: written, wall: UNIX_EPOCH });
        self.mark = Mark::Well;
        let more = snapshot.jobs.len().saturating_sub(JOBS);
        for judged in &snapshot.jobs {
            let last = judged.job.last.as_ref();
            let mark = match judged.health {
                Health::Ok | Health::Off => Mark::Well,
                Health::Stale => Mark::Stale,
                Health::Failing if last.is_some_and(|last| last.outcome == Outcome::Held) => Mark::Held,
                Health::Failing => Mark::Failing,
            };
            let why = match last.filter(|_| mark != Mark::Well) {
                Some(last) => format!("{}: {}", last.outcome, last.why.as_deref().unwrap_or(&last.reason)),
                None if mark == Mark::Stale => "no sync has ended since it was started".into(),
                None => String::new(),
            };
            if mark > self.mark {
                self.mark = mark;
                self.why = format!("{}: {why}", judged.job.name);
            }
            if self.jobs.len() < JOBS {
                self.jobs.push(JobLine {
                    name: status::safe(&judged.job.name, TEXT),
                    mark,
                    off: judged.health == Health::Off,
                    outcome: last.map(|last| last.outcome),
                    success: judged.job.last_success.map(|at| written.since(at.mono).saturating_add(age)),
                    failures: judged.job.failures,
                    free: extra(text, &format!("free_{}", judged.job.name)).and_then(|bytes| bytes.parse().ok()),
                    why: status::safe(&why, TEXT),
                });
            }
        }
        if self.mark == Mark::Well && stopping {
            self.why = "irsync was stopped".into();
        } else if more > 0 {
            self.why = format!("{} ({more} more jobs are not shown)", self.why);
        }
    }

    /// The age of the last success, now, of the job that has waited longest for one.
    pub(crate) fn success(&self) -> Option<Duration> {
        self.jobs.iter().filter_map(|job| job.success).max()
    }

    /// The free bytes of the job that has least.
    pub(crate) fn free(&self) -> Option<u64> {
        self.jobs.iter().filter_map(|job| job.free).min()
    }
}

/// What the report tells beyond a status file, in its last section.
fn extra<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, section) = text.rsplit_once("\n[report]\n")?;
    section.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
}
