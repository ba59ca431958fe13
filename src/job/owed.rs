//! Whether `run_on_change` is owed: something in the set has changed since it last succeeded.

use super::backoff::ceiling;
use super::{Limits, Time};

/// What is owed. It lives in memory only: what an irsync owed that was stopped, the next change brings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owed {
    owed: bool,
    /// How often it has failed since it last succeeded.
    failures: u32,
    /// When it was asked for last.
    asked: Time,
    /// Without a new change it is not asked for before this.
    not_before: Time,
}

impl Owed {
    /// A complete set stands there, and `changed` says whether it is another than the last complete one: is the hook to run
    /// now? A new change runs it at once. One that failed waits longer from sync to sync, so that a hook that can never
    /// succeed does not run at every one.
    pub(crate) fn is_due(&mut self, changed: bool, now: Time) -> bool {
        self.owed |= changed;
        let due = self.owed && (changed || now >= self.not_before);
        if due {
            self.asked = now;
        }
        due
    }

    /// It has ended, or could not be started.
    pub(crate) fn ended(&mut self, ok: bool, limits: &Limits) {
        if ok {
            *self = Owed::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let longest = limits.longest_backoff().max(limits.interval);
        self.not_before = self.asked + ceiling(limits.interval, longest, self.failures);
    }

    /// Somebody waits for a sync: he may have mended the hook.
    pub(crate) fn hurry(&mut self) {
        self.not_before = Time::default();
    }

    /// There is no hook.
    pub(crate) fn forgive(&mut self) {
        *self = Owed::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Jitter;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            interval: Duration::from_secs(30),
            jitter: Jitter::Percent(0),
            spread: Duration::ZERO,
            activity_timeout: None,
            max_runtime: None,
            stop_timeout: Duration::from_secs(5),
            backoff_initial: None,
            backoff_max: None,
            hook_timeout: Duration::from_secs(60),
            recover_after: None,
        }
    }

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    #[test]
    fn it_is_owed_from_a_change_until_it_succeeds() {
        let mut owed = Owed::default();
        assert!(!owed.is_due(false, at(0)));
        assert!(owed.is_due(true, at(30)));
        owed.ended(false, &limits());
        assert!(owed.is_due(false, at(60)), "with the next sync");
        owed.ended(true, &limits());
        assert!(!owed.is_due(false, at(9000)));
    }

    #[test]
    fn one_that_always_fails_runs_seldom() {
        let mut owed = Owed::default();
        let mut runs = Vec::new();
        for sync in 0..2880 {
            if owed.is_due(sync == 0, at(30 * sync)) {
                runs.push(30 * sync);
                owed.ended(false, &limits());
            }
        }
        assert_eq!(runs[..7], [0, 30, 90, 210, 450, 750, 1050], "it doubles up to backoff_max");
        assert!(runs.len() < 300, "{} a day", runs.len());
    }

    #[test]
    fn a_new_change_or_its_owner_runs_it_at_once() {
        let mut owed = Owed::default();
        for sync in 0..5 {
            owed.is_due(true, at(30 * sync));
            owed.ended(false, &limits());
        }
        assert!(!owed.is_due(false, at(150)));
        assert!(owed.is_due(true, at(150)));
        owed.ended(false, &limits());
        assert!(!owed.is_due(false, at(180)));
        owed.hurry();
        assert!(owed.is_due(false, at(180)));
        owed.forgive();
        assert!(!owed.is_due(false, at(9000)));
    }
}
