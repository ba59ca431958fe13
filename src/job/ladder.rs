//! How far a job has climbed in its recovery: first a new rsync, which is the [`super::machine`]'s, then `run_recover`
//! after `recover_after` without success, at last a reboot after `reboot_after`. Whether the board may reboot is for
//! [`super::feeding`] and the budget to say.
//!
//! What counts is success. The ladder climbs only for what a repair or a reboot of this board could mend: a connection or
//! a process that failed, a stall, a server that does not answer. The other failures end in one of two ways:
//!
//! - `partial`, `held`, `busy`, `permanent`, `disk`: the server was reached and rsync did its work, so the board is not what is
//!   broken. The wait starts anew, as after a success.
//! - `skipped`: a guard said no, which tells nothing of the network. The ladder stands still until a sync runs again, and
//!   forgets nothing.
//!
//! A sync that runs holds the ladder for one period from its start, and from then on for one period after each time it
//! moved data of files: a file that was completed, or [`LEAST_DATA`] bytes. So a first copy of many hours is left alone, and
//! a server that drips greetings, lists or single bytes is not. Once the sync has ended without success, what it moved no
//! longer counts.

use super::{Outcome, Time};
use std::time::Duration;

/// As many bytes of file data count as progress. A line that is slower than this in a whole period is as good as none.
pub(crate) const LEAST_DATA: u64 = 64 * 1024;

/// Where one job stands on the ladder.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    recover_after: Option<Duration>,
    reboot_after: Option<Duration>,
    /// The job's start, last success, or last failure that shows that the board works.
    from: Time,
    /// When `run_recover` was started last since then; else the same as `from`.
    recovered: Time,
    /// The last outcome forbids both rungs, until the next sync runs.
    barred: bool,
    sync: Option<Sync>,
}

/// A sync that runs.
#[derive(Clone, Copy, Debug)]
struct Sync {
    /// When it started, or last moved data of files.
    moved: Time,
    files: u64,
    bytes: u64,
}

/// A rung is due.
pub(crate) fn is_due(at: Option<Time>, now: Time) -> bool {
    at.is_some_and(|at| at <= now)
}

impl Ladder {
    /// A job that starts now. None or zero: that rung is never reached.
    pub(crate) fn new(recover_after: Option<Duration>, reboot_after: Option<Duration>, now: Time) -> Ladder {
        let on = |after: Option<Duration>| after.filter(|after| !after.is_zero());
        let (recover_after, reboot_after) = (on(recover_after), on(reboot_after));
        Ladder { recover_after, reboot_after, from: now, recovered: now, barred: false, sync: None }
    }

    /// rsync runs.
    pub(crate) fn started(&mut self, now: Time) {
        self.barred = false;
        self.sync = Some(Sync { moved: now, files: 0, bytes: 0 });
    }

    /// The running rsync has completed so many files and moved so many bytes of file data since its start.
    pub(crate) fn moved(&mut self, files: u64, bytes: u64, now: Time) {
        let Some(sync) = &mut self.sync else { return };
        if files > sync.files || bytes >= sync.bytes.saturating_add(LEAST_DATA) {
            *sync = Sync { moved: now, files, bytes };
        } else if bytes < sync.bytes {
            // It counts by the file, and the next one has begun.
            sync.bytes = bytes;
        }
    }

    /// A sync ended, or was not started.
    pub(crate) fn finished(&mut self, outcome: Outcome, now: Time) {
        self.sync = None;
        self.barred = match outcome {
            Outcome::Success | Outcome::Warning => false,
            Outcome::Partial
            | Outcome::Held
            | Outcome::Busy
            | Outcome::Permanent
            | Outcome::Disk
            | Outcome::Skipped => true,
            Outcome::Transient | Outcome::Stalled => return self.barred = false,
        };
        if outcome != Outcome::Skipped {
            self.from = now;
            self.recovered = now;
        }
    }

    /// The job was kept from syncing by its hours; now it may again: both waits start anew.
    pub(crate) fn reopened(&mut self, now: Time) {
        self.from = now;
        self.recovered = now;
    }

    /// `run_recover` was started.
    pub(crate) fn recovering(&mut self, now: Time) {
        self.recovered = now;
    }

    /// When `run_recover` is due; in mid-sync no earlier than the sync lets it. None: not as things stand.
    pub(crate) fn recover_at(&self) -> Option<Time> {
        let after = self.recover_after.filter(|_| !self.barred)?;
        let from = self.sync.map_or(self.recovered, |sync| sync.moved.max(self.recovered));
        Some(from + after)
    }

    /// When a reboot is due if there is no success until then, whether a sync runs or not. None: not as things stand.
    pub(crate) fn reboot_at(&self) -> Option<Time> {
        self.reboot_after.filter(|_| !self.barred).map(|after| self.from + after)
    }

    /// Until when the running sync keeps the board from being rebooted; None: no sync runs, or none ever is rebooted for.
    pub(crate) fn held_until(&self) -> Option<Time> {
        let after = self.reboot_after?;
        self.sync.map(|sync| sync.moved.max(self.from) + after)
    }

    /// The job asks for a reboot. Never before the job, and so irsync, has been up for `reboot_after`.
    pub(crate) fn asks_for_reboot(&self, now: Time) -> bool {
        is_due(self.reboot_at(), now) && self.held_until().map_or(true, |until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    fn ladder(reboot_after: u64) -> Ladder {
        let after = Some(Duration::from_secs(reboot_after));
        Ladder::new(after, after, at(1000))
    }

    #[test]
    fn a_reboot_is_asked_for_after_reboot_after_and_not_a_moment_earlier() {
        let mut ladder = ladder(3600);
        assert!(!ladder.asks_for_reboot(at(4599)), "even with no sync ended at all");
        ladder.finished(Outcome::Stalled, at(4599));
        assert!(!ladder.asks_for_reboot(at(4599)));
        assert!(ladder.asks_for_reboot(at(4600)));
        ladder.finished(Outcome::Warning, at(4700));
        assert!(!ladder.asks_for_reboot(at(8299)));
        assert!(ladder.asks_for_reboot(at(8300)));
    }

    #[test]
    fn every_outcome_has_its_say_about_both_rungs() {
        for outcome in Outcome::ALL {
            let mut ladder = ladder(100);
            ladder.finished(outcome, at(1099));
            let expected = match outcome {
                Outcome::Success | Outcome::Warning | Outcome::Permanent | Outcome::Skipped => false,
                Outcome::Partial | Outcome::Held | Outcome::Busy | Outcome::Disk => false,
                Outcome::Transient | Outcome::Stalled => true,
            };
            assert_eq!(ladder.asks_for_reboot(at(1150)), expected, "{outcome}");
            assert_eq!(is_due(ladder.recover_at(), at(1150)), expected, "{outcome}");
        }
    }

    #[test]
    fn what_shows_that_the_board_works_starts_the_wait_anew_and_a_guard_only_pauses_it() {
        for outcome in [Outcome::Permanent, Outcome::Partial, Outcome::Held, Outcome::Busy, Outcome::Disk] {
            let mut ladder = ladder(100);
            ladder.finished(outcome, at(1090));
            assert_eq!((ladder.reboot_at(), ladder.recover_at()), (None, None), "{outcome}, however long it lasts");
            ladder.finished(Outcome::Transient, at(1095));
            assert!(!ladder.asks_for_reboot(at(1150)));
            assert!(ladder.asks_for_reboot(at(1190)));
            ladder.finished(Outcome::Skipped, at(1191));
            assert_eq!((ladder.reboot_at(), ladder.recover_at()), (None, None));
            ladder.finished(Outcome::Transient, at(1192));
            assert!(ladder.asks_for_reboot(at(1192)));
            assert!(is_due(ladder.recover_at(), at(1192)));
        }
    }

    #[test]
    fn what_is_off_never_comes() {
        for off in [None, Some(Duration::ZERO)] {
            let mut ladder = Ladder::new(off, off, at(0));
            ladder.started(at(1));
            assert!(!ladder.asks_for_reboot(Time(Duration::MAX)));
            assert_eq!(ladder.recover_at(), None);
        }
    }

    #[test]
    fn recovery_comes_again_every_period() {
        let mut ladder = ladder(100);
        assert_eq!(ladder.recover_at(), Some(at(1100)));
        ladder.recovering(at(1105));
        ladder.finished(Outcome::Transient, at(1110));
        assert_eq!(ladder.recover_at(), Some(at(1205)));
        assert_eq!(ladder.reboot_at(), Some(at(1100)), "a reboot is not put off by it");
    }

    #[test]
    fn a_running_sync_holds_the_ladder_for_a_period_and_then_only_by_moving_file_data() {
        let mut ladder = ladder(100);
        ladder.started(at(1090));
        assert_eq!(ladder.reboot_at(), Some(at(1100)), "what counts is success");
        assert!(!ladder.asks_for_reboot(at(1189)), "it may be about to succeed");
        assert!(ladder.asks_for_reboot(at(1190)));
        assert_eq!(ladder.recover_at(), Some(at(1190)));
        ladder.moved(0, LEAST_DATA - 1, at(1150));
        assert!(ladder.asks_for_reboot(at(1190)), "a drip");
        ladder.moved(0, LEAST_DATA, at(1160));
        assert!(!ladder.asks_for_reboot(at(1259)));
        assert_eq!(ladder.recover_at(), Some(at(1260)));
        ladder.moved(1, LEAST_DATA + 5, at(1200));
        assert!(!ladder.asks_for_reboot(at(1299)), "a file is progress however small");
        assert!(ladder.asks_for_reboot(at(1300)));
        ladder.moved(1, 7, at(1210));
        ladder.moved(1, 7 + LEAST_DATA, at(1220));
        assert!(!ladder.asks_for_reboot(at(1319)), "an rsync that counts by the file");
        ladder.finished(Outcome::Stalled, at(1221));
        assert!(ladder.asks_for_reboot(at(1221)), "what an ended sync moved is no success");
        assert!(is_due(ladder.recover_at(), at(1221)));
    }

    #[test]
    fn a_sync_that_runs_again_after_a_guard_takes_the_ladder_up_where_it_stood() {
        let mut ladder = ladder(100);
        ladder.finished(Outcome::Skipped, at(1050));
        ladder.started(at(1500));
        assert!(!ladder.asks_for_reboot(at(1599)));
        assert!(ladder.asks_for_reboot(at(1600)));
    }
}
