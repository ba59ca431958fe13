//! What the tests of this room have in common.

use super::board::{JobStatus, LastRun, Progress, Stamp, State};
use super::snapshot::{Daemon, Snapshot};
use crate::job::{Outcome, Step, Time};
use std::time::{Duration, UNIX_EPOCH};

/// So many seconds after the boot.
pub fn at(seconds: u64) -> Stamp {
    Stamp { mono: Time(Duration::from_secs(seconds)), wall: UNIX_EPOCH }
}

/// A job of which everything is known.
pub fn full() -> JobStatus {
    JobStatus {
        name: "media".into(),
        state: State::Syncing,
        step: Some(Step::Before.name()),
        since: Some(at(900)),
        next_run: Some(at(1030)),
        pid: Some(4711),
        progress: Some(Progress {
            bytes: 45 << 20,
            percent: 45,
            rate: 3 << 20,
            seconds: 18,
            transferred: Some(3),
            to_check: Some((7, 10)),
            list_growing: true,
        }),
        current_file: Some("films/a = b.mp4".into()),
        last: Some(LastRun {
            ended: at(880),
            outcome: Outcome::Transient,
            code: Some(10),
            reason: "RERR_SOCKETIO".into(),
            kind: Some(super::board::Kind::Names),
            why: Some("rsync: failed to connect to server: Connection refused (111)".into()),
            duration: Duration::from_millis(1250),
            files: Some(1),
            bytes: Some(2048),
            fetched: Some(1024),
            resumed: Some(512),
        }),
        last_success: Some(at(700)),
        started: Some(at(100)),
        stale_after: Some(Duration::from_secs(90)),
        held: 12,
        rolled_back: true,
        failures: 2,
        runs: 45,
        outcomes: [1, 2, 3, 10, 4, 5, 6, 7, 8, 9],
        stalls: 8,
        kills: 1,
        files_total: 10,
        bytes_total: 1 << 40,
        repaired_total: 11,
        rsync_version: Some("3.2.7".into()),
    }
}

/// An irsync of which as little is known as possible.
pub fn daemon() -> Daemon {
    Daemon {
        version: "1.2.3".into(),
        pid: 42,
        stopping: false,
        started: at(99).mono,
        written: at(1000).mono,
        watchdog: None,
        boot_cause: None,
        boot_id: None,
    }
}

/// These jobs, seen so many seconds after the boot.
pub fn seen(jobs: &[JobStatus], now: u64) -> Snapshot {
    Snapshot::new(daemon(), jobs.to_vec(), at(now))
}
