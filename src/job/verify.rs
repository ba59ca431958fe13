//! When a job compares contents, and not only sizes and times: `verify_every`.
//!
//! What counts is the time since the last sync that did. While irsync runs that is running time; across boots it is the wall
//! time that was noted in `state_dir`, once the clock is set. A fleet that was installed in one night is spread over the
//! whole period by each device's own phase.

use super::backoff::fraction;
use super::Time;
use std::time::Duration;

/// Decides for one job.
#[derive(Clone, Debug)]
pub(crate) struct Verify {
    every: Duration,
    due: Time,
    /// Seconds since 1970 of the last time, as long as no clock was there to compare it with.
    noted: Option<u64>,
    spread: Duration,
}

impl Verify {
    /// `noted`: when contents were last compared, in seconds since 1970; `phase` is the same number for the same device.
    pub(crate) fn new(every: Duration, noted: Option<u64>, phase: u64, now: Time) -> Verify {
        let first = if noted.is_some() { every } else { fraction(every, phase) };
        // Devices that slept through their moment, because a whole site was without power, do not all do it at once.
        Verify { every, due: now + first, noted, spread: fraction(every / 10, phase) }
    }

    /// Whether the sync that begins has to compare contents. `wall`: seconds since 1970, if the clock is set.
    pub(crate) fn is_due(&mut self, now: Time, wall: Option<u64>) -> bool {
        if let (Some(noted), Some(wall)) = (self.noted, wall) {
            self.noted = None;
            // A clock that went back says nothing.
            let since = Duration::from_secs(wall.saturating_sub(noted));
            let left = self.every.saturating_sub(since);
            self.due = self.due.min(now + left + if left.is_zero() { self.spread } else { Duration::ZERO });
        }
        now >= self.due
    }

    /// A sync that compared contents has succeeded.
    pub(crate) fn done(&mut self, now: Time) {
        self.noted = None;
        self.due = now + self.every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(days: u64) -> Time {
        Time(Duration::from_secs(1000 + days * DAY))
    }

    fn monthly(noted: Option<u64>, phase: u64) -> Verify {
        Verify::new(Duration::from_secs(30 * DAY), noted, phase, at(0))
    }

    #[test]
    fn the_first_time_is_spread_over_the_period_and_the_next_are_a_period_apart() {
        for (phase, first) in [(0, 0), (u64::MAX / 2, 15), (u64::MAX, 30)] {
            let mut verify = monthly(None, phase);
            assert!(first == 0 || !verify.is_due(at(first - 1), None), "{phase}");
            assert!(verify.is_due(at(first), None), "{phase}");
            assert!(verify.is_due(at(first + 1), None), "until one succeeds");
            verify.done(at(first + 1));
            assert!(!verify.is_due(at(first + 30), Some(1)) && verify.is_due(at(first + 31), None));
        }
    }

    #[test]
    fn across_boots_the_wall_counts_once_the_clock_is_set() {
        let noted = 1_790_000_000;
        let mut verify = monthly(Some(noted), u64::MAX);
        // No clock yet: running time.
        assert!(!verify.is_due(at(1), None));
        assert!(!verify.is_due(at(2), Some(noted + 20 * DAY)), "ten days are left");
        assert!(!verify.is_due(at(11), Some(noted + 40 * DAY)));
        assert!(verify.is_due(at(12), Some(noted + 30 * DAY)));
        // Never a clock: running time alone.
        assert!(monthly(Some(noted), 7).is_due(at(30), None));
        // One that went back, or lies far ahead.
        assert!(!monthly(Some(noted), 7).is_due(at(29), Some(5)));
        assert!(monthly(Some(noted), 0).is_due(at(0), Some(u64::MAX)));
    }

    #[test]
    fn devices_that_are_all_late_do_not_all_begin_at_once() {
        let late = 1_790_000_000 + 90 * DAY;
        let mut verify = monthly(Some(1_790_000_000), u64::MAX);
        assert!(
            !verify.is_due(at(0), Some(late)) && !verify.is_due(at(2), Some(late)) && verify.is_due(at(3), Some(late))
        );
    }
}
