//! The last rung of a job's recovery: after `reboot_after` without success it asks for a reboot. (The rungs before it,
//! a new rsync and `run_recover`, are the [`super::machine`]'s.) Whether the board may reboot is the budget's to say
//! ([`super::boot_record::Budget`]).

use super::{Outcome, Time};
use std::time::Duration;

/// Where one job stands on the ladder.
#[derive(Clone, Debug)]
pub struct Ladder {
    reboot_after: Option<Duration>,
    /// The job's start, last success or last permanent failure: a reboot is due `reboot_after` later.
    from: Time,
    last: Option<Outcome>,
}

impl Ladder {
    /// A job that starts now. None or zero: it never asks.
    pub fn new(reboot_after: Option<Duration>, now: Time) -> Ladder {
        Ladder { reboot_after: reboot_after.filter(|after| !after.is_zero()), from: now, last: None }
    }

    /// A sync ended.
    pub fn finished(&mut self, outcome: Outcome, now: Time) {
        self.last = Some(outcome);
        // A permanent failure is nobody's to repair but the owner's, and it shows that the board is not what is broken.
        if outcome.is_success() || outcome == Outcome::Permanent {
            self.from = now;
        }
    }

    /// When this job will ask for a reboot unless something changes. None while its last outcome forbids it: a permanent
    /// failure, or a guard that said no.
    pub fn reboot_at(&self) -> Option<Time> {
        match self.last {
            Some(Outcome::Permanent | Outcome::Skipped | Outcome::Held) => None,
            _ => self.reboot_after.map(|after| self.from + after),
        }
    }

    /// The job asks for a reboot. Never before the job, and so irsync, has been up for `reboot_after`.
    pub fn asks_for_reboot(&self, now: Time) -> bool {
        self.reboot_at().is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    fn ladder(reboot_after: u64) -> Ladder {
        Ladder::new(Some(Duration::from_secs(reboot_after)), at(1000))
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
    fn every_outcome_has_its_say_about_a_reboot() {
        for outcome in Outcome::ALL {
            let mut ladder = ladder(100);
            ladder.finished(outcome, at(1099));
            let expected = match outcome {
                Outcome::Success | Outcome::Warning | Outcome::Permanent | Outcome::Skipped | Outcome::Held => false,
                Outcome::Partial | Outcome::Busy | Outcome::Transient | Outcome::Disk | Outcome::Stalled => true,
            };
            assert_eq!(ladder.asks_for_reboot(at(1150)), expected, "{outcome}");
        }
    }

    #[test]
    fn a_permanent_failure_starts_the_wait_anew_and_a_guard_only_pauses_it() {
        let mut ladder = ladder(100);
        ladder.finished(Outcome::Permanent, at(1090));
        ladder.finished(Outcome::Transient, at(1095));
        assert!(!ladder.asks_for_reboot(at(1150)));
        assert!(ladder.asks_for_reboot(at(1190)));
        ladder.finished(Outcome::Skipped, at(1191));
        assert_eq!(ladder.reboot_at(), None);
        ladder.finished(Outcome::Transient, at(1192));
        assert!(ladder.asks_for_reboot(at(1192)));
    }

    #[test]
    fn what_is_off_never_comes() {
        for off in [None, Some(Duration::ZERO)] {
            assert!(!Ladder::new(off, at(0)).asks_for_reboot(Time(Duration::MAX)));
        }
    }
}
