//! What must be known across boots: how the last one ended, and how many reboots irsync has caused lately.
//!
//! Boards have no clock that survives a power cut, and NTP steps by years, so no wall time is stored. What a board can
//! know of a reboot's age is a lower bound: the time it has been running since, as far as that was written down. Each
//! record holds the ages as of its writing; in a later boot the time since that boot began is added. Time spent switched
//! off, and running time that was lost because nothing was written, is not counted: the budget can only be too careful.

use super::Time;
use std::fmt::Write;
use std::time::Duration;

/// A reboot counts against the budget for 24 hours and one more for the time between the decision and the reset, which
/// may be longer for one reboot than for the next, and for a clock that NTP speeds up (at most 43 s a day).
pub(crate) const WINDOW: Duration = Duration::from_secs(25 * 3600);

/// While a reboot counts, its age is written down this often (four times in all), so that a board that is switched off
/// every night gets its budget back.
pub(crate) const REFRESH: Duration = Duration::from_secs(6 * 3600);

const HEAD: &str = "irsync boot record 1";

/// How irsync ended, or that it had not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It was running when the record was written.
    Running,
    /// It was told to stop and did.
    Clean,
    /// It decided to let the watchdog reset the board, for the job of this name.
    Reboot(String),
}

/// The record in `state_dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The kernel's id of the boot in which it was written; empty where it cannot be read.
    pub boot: String,
    /// CLOCK_MONOTONIC when it was written.
    pub uptime: Time,
    /// How irsync ended.
    pub stop: Stop,
    /// Ages of irsync's own reboots when it was written: at least these.
    pub reboots: Vec<Duration>,
    /// Age of the discovery that the record before this one was lost: no reboot until that is a window old.
    pub lost: Option<Duration>,
}

impl Record {
    /// The text to write.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\nboot {}\nuptime {}\n", one_line(&self.boot), self.uptime.0.as_secs());
        match &self.stop {
            Stop::Running => text.push_str("stop running\n"),
            Stop::Clean => text.push_str("stop clean\n"),
            Stop::Reboot(job) => text.push_str(&format!("stop reboot {}\n", one_line(job))),
        }
        for age in &self.reboots {
            let _ = writeln!(text, "reboot {}", age.as_secs());
        }
        if let Some(age) = self.lost {
            let _ = writeln!(text, "lost {}", age.as_secs());
        }
        let sum = checksum(text.as_bytes());
        let _ = writeln!(text, "sum {sum:016x}");
        text
    }

    /// Reads it back; None if one bit of it is not as it was written.
    pub(crate) fn parse(text: &str) -> Option<Record> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body_length = body.len() + 1;
        if sum.strip_prefix("sum ")? != format!("{:016x}", checksum(&text.as_bytes()[..body_length])) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != HEAD {
            return None;
        }
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
        let uptime = Time(seconds(lines.next()?.strip_prefix("uptime ")?)?);
        let stop = match lines.next()?.strip_prefix("stop ")? {
            "running" => Stop::Running,
            "clean" => Stop::Clean,
            other => Stop::Reboot(other.strip_prefix("reboot ")?.to_owned()),
        };
        let mut record = Record { boot, uptime, stop, reboots: Vec::new(), lost: None };
        for line in lines {
            match line.split_once(' ')? {
                ("reboot", age) => record.reboots.push(seconds(age)?),
                ("lost", age) => record.lost = Some(seconds(age)?),
                _ => return None,
            }
        }
        Some(record)
    }
}

/// The text with the sum that it needs.
#[cfg(feature = "fuzzing")]
pub(super) fn sealed(body: &str) -> String {
    format!("{body}sum {:016x}\n", checksum(body.as_bytes()))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// FNV-1a: enough to notice what a power cut or a tired flash cell left behind.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What was found in `state_dir` at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No record: the first start, or an erased card.
    Nothing,
    /// A record that cannot be read: damaged, or half-written.
    Damaged,
    /// The record.
    Record(Record),
}

/// An age that grows: at least `before` at the moment `at` of this boot.
#[derive(Clone, Copy, Debug)]
struct Age {
    before: Duration,
    at: Time,
}

impl Age {
    fn new(now: Time) -> Age {
        Age { before: Duration::ZERO, at: now }
    }

    fn now(self, now: Time) -> Duration {
        // Whole seconds, as the record keeps them.
        Duration::from_secs(self.before.saturating_add(now.since(self.at)).as_secs())
    }

    fn counts(self, now: Time) -> bool {
        self.now(now) < WINDOW
    }
}

/// The reboots that irsync may still cause.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    reboots: Vec<Age>,
    lost: Option<Age>,
    written: Time,
}

impl Budget {
    /// From what was found at start. `boot` is the id of this boot, empty where it cannot be read. A damaged record
    /// counts as a budget that is spent: no reboot for a whole window of running time.
    pub(crate) fn new(found: &Found, boot: &str, now: Time) -> Budget {
        let mut budget = Budget { reboots: Vec::new(), lost: None, written: now };
        match found {
            Found::Nothing => {}
            Found::Damaged => budget.lost = Some(Age::new(now)),
            Found::Record(record) => {
                let at = if boot.is_empty() || record.boot.is_empty() {
                    // Perhaps this boot, perhaps another: nothing is known to have passed.
                    now
                } else if record.boot == boot {
                    record.uptime
                } else {
                    Time::default()
                };
                let age = |before: &Duration| Age { before: *before, at };
                budget.reboots = record.reboots.iter().map(age).collect();
                budget.lost = record.lost.as_ref().map(age);
            }
        }
        budget
    }

    /// Own reboots that count now.
    pub(crate) fn spent(&self, now: Time) -> usize {
        self.reboots.iter().filter(|age| age.counts(now)).count()
    }

    /// How long no reboot is allowed because a record was lost; None if none was.
    pub(crate) fn barred(&self, now: Time) -> Option<Duration> {
        let age = self.lost.filter(|age| age.counts(now))?;
        Some(WINDOW.saturating_sub(age.now(now)))
    }

    /// Whether one more reboot stays within `limit` per 24 hours.
    pub(crate) fn allows(&self, limit: u32, now: Time) -> bool {
        self.barred(now).is_none() && self.spent(now) < limit as usize
    }

    /// Counts a reboot decided now.
    pub(crate) fn spend(&mut self, now: Time) {
        self.reboots.push(Age::new(now));
    }

    /// The record to write now; what has grown older than the window is left out.
    pub(crate) fn record(&mut self, boot: &str, stop: Stop, now: Time) -> Record {
        self.reboots.retain(|age| age.counts(now));
        self.lost = self.lost.filter(|age| age.counts(now));
        self.written = now;
        Record {
            boot: boot.to_owned(),
            uptime: Time(Duration::from_secs(now.0.as_secs())),
            stop,
            reboots: self.reboots.iter().map(|age| age.now(now)).collect(),
            lost: self.lost.map(|age| age.now(now)),
        }
    }

    /// Whether the ages on disk are worth bringing up to date. Never true on a board that has not rebooted itself lately.
    pub(crate) fn wants_refresh(&self, now: Time) -> bool {
        self.refresh_at(now).is_some_and(|at| at <= now)
    }

    /// When [`Budget::wants_refresh`] will be true, as far as can be seen now; None: while nothing counts.
    pub(crate) fn refresh_at(&self, now: Time) -> Option<Time> {
        let counting = self.reboots.iter().chain(&self.lost).any(|age| age.counts(now));
        counting.then(|| self.written + REFRESH)
    }
}

/// How the boot, or the irsync, before this one ended, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// This boot has seen an irsync before, which stopped cleanly.
    Restarted,
    /// This boot has seen an irsync before, which was killed or crashed.
    Crashed,
    /// The watchdog reset the board.
    Watchdog,
    /// irsync let the watchdog reset it for this job's sake.
    OwnDecision(String),
    /// irsync was stopped cleanly before the board went down.
    CleanStop,
    /// irsync was running, and the watchdog, which would tell, did not do it.
    PowerLoss,
    /// It cannot be told.
    Unknown,
}

impl Cause {
    /// `watchdog_reset`: the device says that it reset the board; `device_tells`: if it had, it would say so.
    pub(crate) fn new(found: &Found, boot: &str, watchdog_reset: bool, device_tells: bool) -> Cause {
        let record = match found {
            Found::Record(record) => record,
            Found::Nothing | Found::Damaged if watchdog_reset => return Cause::Watchdog,
            Found::Nothing | Found::Damaged => return Cause::Unknown,
        };
        if boot.is_empty() || record.boot.is_empty() {
            return Cause::Unknown;
        }
        if record.boot == boot {
            return match record.stop {
                Stop::Clean => Cause::Restarted,
                Stop::Running | Stop::Reboot(_) => Cause::Crashed,
            };
        }
        match &record.stop {
            Stop::Reboot(job) => Cause::OwnDecision(job.clone()),
            _ if watchdog_reset => Cause::Watchdog,
            Stop::Clean => Cause::CleanStop,
            Stop::Running if device_tells => Cause::PowerLoss,
            Stop::Running => Cause::Unknown,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Restarted => f.write_str("irsync was stopped cleanly earlier in this boot"),
            Cause::Crashed => f.write_str("irsync ended without a clean stop earlier in this boot"),
            Cause::Watchdog => f.write_str("ended by the watchdog"),
            Cause::OwnDecision(job) => {
                write!(f, "ended by irsync for reboot_after of job {job}")
            }
            Cause::CleanStop => f.write_str("ended after a clean stop of irsync"),
            Cause::PowerLoss => f.write_str("ended by power loss or a reset that was not the watchdog's"),
            Cause::Unknown => f.write_str("how it ended is unknown"),
        }
    }
}

#[cfg(test)]
#[path = "boot_record_tests.rs"]
mod tests;
