//! Random waits: exponential back-off with full jitter, so that a fleet that failed together does not return together.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
