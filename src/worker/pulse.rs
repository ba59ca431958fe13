//! What the main thread can read of a worker at any moment.

use crate::job::Time;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A worker that has not turned its loop for this long past its deadline hangs in the kernel. Starting a program from a
/// card that is being written to can take many seconds; a minute means that something is broken.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// A worker's signs of life. The main thread reads them on its way to the watchdog's kick, so there is no lock that a
/// worker could hold. Moments are milliseconds on CLOCK_MONOTONIC, `u64::MAX` for never.
#[derive(Debug)]
pub(super) struct Pulse {
    /// By when the worker has to turn its loop again.
    due: AtomicU64,
    /// When a reboot is due for its job's sake, times two, and one more while something runs that may make it needless:
    /// in one number, so that neither is ever read without the other.
    reboot: AtomicU64,
    finished: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { due: AtomicU64::new(u64::MAX), reboot: AtomicU64::new(u64::MAX), finished: AtomicBool::new(false) }
    }
}

impl Pulse {
    /// The worker sleeps until `deadline` at most; None: until it is woken.
    pub(super) fn asleep_until(&self, deadline: Option<Time>) {
        self.due.store(millis(deadline.map(|at| at + STUCK_AFTER)), Ordering::Relaxed);
    }

    /// The worker is about to do something that should not take long.
    pub(super) fn busy(&self, now: Time) {
        self.asleep_until(Some(now));
    }

    /// The job is over: the worker does nothing after this but ring and return.
    pub(super) fn finish(&self) {
        self.asleep_until(None);
        self.wish_reboot(None, false);
        self.finished.store(true, Ordering::SeqCst);
    }

    /// Whether the job is over.
    pub(super) fn has_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    /// Whether the worker should have turned its loop by now and has not.
    pub(super) fn is_stuck(&self, now: Time) -> bool {
        millis(Some(now)) > self.due.load(Ordering::Relaxed)
    }

    /// When a reboot is due for the job's sake, and whether something runs that may make it needless. True: the main
    /// thread has to hear of it.
    pub(super) fn wish_reboot(&self, at: Option<Time>, held: bool) -> bool {
        let wish = match millis(at) {
            u64::MAX => u64::MAX,
            at => at.min(u64::MAX >> 2) << 1 | u64::from(held),
        };
        self.reboot.swap(wish, Ordering::Relaxed) != wish && wish & 1 == 0
    }

    /// See [`Pulse::wish_reboot`].
    pub(super) fn reboot(&self) -> Option<(Time, bool)> {
        match self.reboot.load(Ordering::Relaxed) {
            u64::MAX => None,
            wish => Some((Time(Duration::from_millis(wish >> 1)), wish & 1 == 1)),
        }
    }
}

fn millis(at: Option<Time>) -> u64 {
    at.map_or(u64::MAX, |at| at.0.as_millis().min(u128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeper_is_not_stuck_and_a_late_one_is() {
        let pulse = Pulse::default();
        let at = |s: u64| Time(Duration::from_secs(s));
        assert!(!pulse.is_stuck(at(1 << 40)));
        pulse.asleep_until(Some(at(3600)));
        assert!(!pulse.is_stuck(at(3659)));
        assert!(pulse.is_stuck(at(3661)));
        pulse.busy(at(5000));
        assert!(!pulse.is_stuck(at(5060)));
        assert!(pulse.is_stuck(at(5061)));
        assert!(pulse.wish_reboot(Some(at(7)), false) && !pulse.wish_reboot(Some(at(7)), false));
        assert!(!pulse.wish_reboot(Some(at(7)), true), "what is held back is no news");
        assert_eq!(pulse.reboot(), Some((at(7), true)));
        pulse.finish();
        assert_eq!(pulse.reboot(), None);
        assert!(pulse.has_finished() && !pulse.is_stuck(at(1 << 40)));
    }
}
