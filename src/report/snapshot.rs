//! What is known of irsync and its jobs at one moment. Table, JSON, metrics, exit code and systemd's line are made of one
//! snapshot, so that they never disagree; nothing that shows a snapshot asks a clock.

use super::board::{JobStatus, Stamp, State};
use crate::config::report::REPORT;
use crate::job::health::{Facts, Health, Judgement};
use crate::job::Time;
use crate::os::watchdog;
use std::path::Path;

/// What is known of irsync itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// irsync's version.
    pub version: String,
    /// irsync's own process.
    pub pid: u32,
    /// It was told to stop.
    pub stopping: bool,
    /// When it started.
    pub started: Time,
    /// When this was written down.
    pub written: Time,
    /// The configured device.
    pub watchdog: Option<Watchdog>,
    /// How the last boot ended, as far as that could be told.
    pub boot_cause: Option<String>,
    /// The kernel's id of the boot in which this was written down, if it can be read.
    pub boot_id: Option<String>,
}

/// The configured watchdog device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Its path.
    pub device: String,
    /// The driver's name, if it could be opened.
    pub identity: Option<String>,
    /// Seconds without a kick until the board is reset, if it could be opened.
    pub timeout: Option<u32>,
    /// Whether a clean stop disarms it, if it could be opened.
    pub disarms: Option<bool>,
    /// It is being fed.
    pub fed: bool,
}

impl Watchdog {
    /// `opened`: what is known of the device and whether it is fed, if it could be opened.
    pub fn new(device: &Path, opened: Option<(&watchdog::Facts, bool)>) -> Watchdog {
        Watchdog {
            device: device.display().to_string(),
            identity: opened.map(|(facts, _)| facts.identity.clone()),
            timeout: opened.map(|(facts, _)| facts.granted),
            disarms: opened.map(|(facts, _)| facts.disarms()),
            fed: opened.is_some_and(|(_, fed)| fed),
        }
    }
}

/// A job and how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What is known of it.
    pub job: JobStatus,
    /// How it does.
    pub health: Health,
}

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment for which all of it holds.
    pub now: Stamp,
    /// irsync itself.
    pub daemon: Daemon,
    /// In the order in which they are shown.
    pub jobs: Vec<Judged>,
    /// When the health of a job will change if nothing happens.
    pub changes: Option<Time>,
}

impl Snapshot {
    /// Judges every job at `now`.
    pub fn new(daemon: Daemon, jobs: Vec<JobStatus>, now: Stamp) -> Snapshot {
        let mut changes = None;
        let judge = |job: JobStatus| {
            let Judgement { health, until } = facts(&job).judge(now.mono);
            changes = changes.into_iter().chain(until).min();
            Judged { job, health }
        };
        let jobs = jobs.into_iter().map(judge).collect();
        Snapshot { now, daemon, jobs, changes }
    }

    /// Whether somebody should look after a job.
    pub fn is_bad(&self) -> bool {
        self.jobs.iter().any(|judged| judged.health.is_bad())
    }

    /// Whether both tell the same: ages alone are no news.
    pub fn tells_the_same(&self, other: &Snapshot) -> bool {
        self.daemon == other.daemon && self.jobs == other.jobs
    }
}

fn facts(job: &JobStatus) -> Facts {
    // Nobody's content is late for a report that could not be pushed; that it is missed is seen where it was to go.
    if job.name == REPORT {
        return Facts { enabled: true, hangs: false, last: None, last_success: None, started: None, stale_after: None };
    }
    Facts {
        enabled: !matches!(job.state, State::Disabled | State::Paused),
        hangs: job.state == State::Unkillable,
        last: job.last.as_ref().map(|last| last.outcome),
        last_success: job.last_success.map(|success| success.mono),
        started: job.started.map(|started| started.mono),
        stale_after: job.stale_after,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, full, seen};
    use super::*;
    use crate::job::Outcome;
    use std::time::Duration;

    fn with(outcome: Outcome) -> JobStatus {
        let mut job = full();
        job.last_success = Some(at(950));
        if let Some(last) = &mut job.last {
            last.outcome = outcome;
        }
        job
    }

    fn health(job: &JobStatus, now: u64) -> Health {
        seen(std::slice::from_ref(job), now).jobs[0].health
    }

    #[test]
    fn health_is_told_by_the_last_sync_and_by_the_age_of_the_last_success() {
        for outcome in Outcome::ALL {
            use Outcome::{Busy, Success, Warning};
            let expected = if matches!(outcome, Success | Warning | Busy) { Health::Ok } else { Health::Failing };
            assert_eq!(health(&with(outcome), 1000), expected, "{outcome}");
            assert_eq!(health(&with(outcome), 1040), expected, "{outcome}");
            assert_eq!(health(&with(outcome), 1041), Health::Stale, "{outcome}");
            let off = JobStatus { state: State::Disabled, ..with(outcome) };
            assert_eq!(health(&off, 1041), Health::Off);
            let never = JobStatus { stale_after: None, ..with(outcome) };
            assert_eq!(health(&never, 10_000), expected);
        }
        let hangs = JobStatus { state: State::Unkillable, ..with(Outcome::Success) };
        assert_eq!(health(&hangs, 1000), Health::Failing);
    }

    #[test]
    fn before_the_first_success_the_start_counts() {
        let new = JobStatus { last: None, last_success: None, ..full() };
        assert_eq!(health(&new, 190), Health::Ok);
        assert_eq!(health(&new, 191), Health::Stale);
    }

    #[test]
    fn the_first_change_of_all_jobs_is_told() {
        let late = JobStatus { stale_after: Some(Duration::from_secs(500)), ..with(Outcome::Success) };
        let never = JobStatus { stale_after: None, ..with(Outcome::Success) };
        let tick = Duration::from_nanos(1);
        let changes = |jobs: &[JobStatus], now| seen(jobs, now).changes;
        let jobs = [never.clone(), late, with(Outcome::Busy)];
        assert_eq!(changes(&jobs, 1000), Some(at(1040).mono + tick));
        assert_eq!(changes(&jobs, 1041), Some(at(1450).mono + tick));
        assert_eq!(changes(&jobs, 1451), None);
        assert_eq!(changes(&[never], 1000), None);
        assert_eq!(changes(&[], 1000), None);
    }

    #[test]
    fn ages_are_no_news_and_health_is() {
        let jobs = [with(Outcome::Success)];
        assert!(seen(&jobs, 1000).tells_the_same(&seen(&jobs, 1040)));
        assert!(!seen(&jobs, 1040).tells_the_same(&seen(&jobs, 1041)));
        assert!(seen(&jobs, 1041).is_bad() && !seen(&jobs, 1040).is_bad());
    }
}
