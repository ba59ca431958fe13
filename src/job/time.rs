//! A moment on CLOCK_MONOTONIC.
//!
//! Decisions take time as an argument of this type and never ask a clock. Wall time is for display only: boards without
//! a real-time clock step by years when NTP answers.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A reading of CLOCK_MONOTONIC (time since boot, suspend not counted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Duration);

impl Time {
    /// Time since `earlier`, or zero if that lies in the future.
    pub fn since(self, earlier: Time) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    /// Saturates: a deadline beyond the range of the clock never comes.
    fn add(self, rhs: Duration) -> Time {
        Time(self.0.saturating_add(rhs))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, rhs: Duration) -> Time {
        Time(self.0.saturating_sub(rhs))
    }
}
