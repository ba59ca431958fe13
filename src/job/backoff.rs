//! Random waits: a fleet that failed together must not return together, nor call a server in trouble more often than a
//! healthy one.
//!
//! Left to itself, irsync waits after a failed sync as [`wait`] says. The figures come from the simulation
//! (`scripts/fleet-sim`, `docs/fleet.txt`), not from taste:
//!
//! - The server was asked, and refused or did not answer: 1 to 1.5 intervals. In peace each device calls once in an
//!   interval, and as long as nobody calls more often, trouble brings the server no more calls than peace does. Shorter
//!   waits are what herds; longer ones (up to 2 intervals) leave a third of the fleet behind when the server is back.
//! - The server was never asked (no network, no name, a guard said no), or it was well enough to send data of files: the
//!   usual back-off, from 5 s to the interval and from there on as above. Nobody else pays for it, and a device on bad
//!   Wi-Fi gets on. While it grows, waits are as long as the trouble has lasted, so it does not herd either.
//!
//! An owner who gives one of the keys has full jitter between them, whatever failed.

use super::Limits;
use std::time::Duration;

/// The first wait where no key says otherwise.
pub const FIRST: Duration = Duration::from_secs(5);
/// The longest wait where no key says otherwise and the interval is not longer; so often a permanent error is looked at again.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// SplitMix64: small, fast, good enough to spread waits; never used for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The part of `span` that `draw` stands for: 0 gives nothing, `u64::MAX` all of it.
pub fn fraction(span: Duration, draw: u64) -> Duration {
    let nanos = span.as_nanos().min(u128::from(u64::MAX));
    Duration::from_nanos(((nanos * u128::from(draw)) / u128::from(u64::MAX)) as u64)
}

/// The longest wait after the `failures`-th failure in a row (1 is the first): `initial`, doubled each time, at most `max`.
pub fn ceiling(initial: Duration, max: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    initial.saturating_mul(1u32 << doublings).min(max)
}

impl Limits {
    /// `backoff_max`, or what holds without it: the larger of 5 min and `interval`.
    pub fn longest_backoff(&self) -> Duration {
        self.backoff_max.unwrap_or(LONGEST.max(self.interval))
    }
}

/// The wait after the `failures`-th failed sync in a row. `spared`: it cost the server nothing, or it brought something.
pub fn wait(limits: &Limits, spared: bool, failures: u32, draw: u64) -> Duration {
    let first = limits.backoff_initial.unwrap_or(FIRST);
    let doubled = ceiling(first, limits.longest_backoff(), failures);
    let by_key = limits.backoff_initial.is_some() || limits.backoff_max.is_some();
    if by_key || (spared && doubled < limits.interval) {
        return fraction(doubled, draw);
    }
    limits.interval.saturating_add(fraction(limits.interval / 2, draw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Jitter;

    fn limits(interval: u64) -> Limits {
        Limits {
            interval: Duration::from_secs(interval),
            jitter: Jitter::Percent(10),
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

    /// The shortest and the longest wait, in seconds.
    fn range(limits: &Limits, spared: bool, failures: u32) -> (u64, u64) {
        (wait(limits, spared, failures, 0).as_secs(), wait(limits, spared, failures, u64::MAX).as_secs())
    }

    #[test]
    fn a_server_in_trouble_is_never_called_more_often_than_in_peace() {
        for interval in [1, 30, 300, 900, 3600] {
            for failures in [1, 2, 9, u32::MAX] {
                let waits = range(&limits(interval), false, failures);
                assert_eq!(waits, (interval, interval + interval / 2), "{interval} s, failure {failures}");
            }
        }
    }

    #[test]
    fn what_costs_the_server_nothing_is_tried_again_soon_until_waits_reach_the_interval() {
        let longest: Vec<(u64, u64)> = (1..=5).map(|n| range(&limits(30), true, n)).collect();
        assert_eq!(longest, [(0, 5), (0, 10), (0, 20), (30, 45), (30, 45)]);
        assert_eq!(range(&limits(1), true, 1), (1, 1), "never more often than in peace where that is often enough");
    }

    #[test]
    fn the_owners_keys_hold_whatever_failed() {
        let seconds = |n| Some(Duration::from_secs(n));
        let both = Limits { backoff_initial: seconds(2), backoff_max: seconds(7), ..limits(900) };
        let initial = Limits { backoff_initial: seconds(200), ..limits(30) };
        let max = Limits { backoff_max: seconds(7), ..limits(900) };
        for spared in [true, false] {
            let waits: Vec<(u64, u64)> = (1..=3).map(|n| range(&both, spared, n)).collect();
            assert_eq!(waits, [(0, 2), (0, 4), (0, 7)]);
            assert_eq!(range(&initial, spared, 1), (0, 200));
            assert_eq!(range(&initial, spared, 2), (0, 300));
            assert_eq!(range(&max, spared, 1), (0, 5));
            assert_eq!(range(&max, spared, 9), (0, 7));
        }
        assert_eq!(limits(30).longest_backoff(), Duration::from_secs(300));
        assert_eq!(limits(900).longest_backoff(), Duration::from_secs(900));
    }

    #[test]
    fn ceiling_doubles_from_initial_to_max_and_never_overflows() {
        let (initial, max) = (Duration::from_secs(5), Duration::from_secs(300));
        let seconds: Vec<u64> = (1..=8).map(|n| ceiling(initial, max, n).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(ceiling(initial, max, u32::MAX), max);
        assert_eq!(ceiling(Duration::MAX, Duration::MAX, 9), Duration::MAX);
    }

    #[test]
    fn fraction_covers_the_span_from_end_to_end() {
        let span = Duration::from_secs(10);
        assert_eq!(fraction(span, 0), Duration::ZERO);
        assert_eq!(fraction(span, u64::MAX), span);
        let mut rng = Rng::new(7);
        let mut tenths = [0u32; 10];
        for _ in 0..10_000 {
            let drawn = fraction(span, rng.draw());
            assert!(drawn <= span);
            tenths[(drawn.as_millis() / 1000).min(9) as usize] += 1;
        }
        assert!(tenths.iter().all(|&n| (800..1200).contains(&n)), "not uniform: {tenths:?}");
    }
}
