//! The clocks. Only the shells of threads call these; decisions get the time as an argument.
#![forbid(unsafe_code)]

use crate::job::Time;
use nix::time::{clock_gettime, ClockId};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// CLOCK_MONOTONIC now. It is the same for all processes of a boot, so `irsync status` can count with our stamps.
pub(crate) fn now() -> Time {
    let t =
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(std::io::Error::from).expect("every Linux has CLOCK_MONOTONIC");
    Time(Duration::new(t.tv_sec() as u64, t.tv_nsec() as u32))
}

/// Wall time, for display only.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970, if the clock was ever set: a board without a battery begins in 1970, or when its image was built.
pub(crate) fn wall_if_set() -> Option<u64> {
    const BEFORE_THIS_PROGRAM: u64 = 1_767_225_600; // 2026
    let seconds = wall().duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds >= BEFORE_THIS_PROGRAM).then_some(seconds)
}

/// Seconds that local time is ahead of UTC at a moment in seconds since 1970, by `TZ` or /etc/localtime.
pub(crate) fn local_offset(seconds: u64) -> Option<i64> {
    super::sys::local_time::offset(seconds)
}

/// The year of this version: a clock that shows an earlier one was never set.
const YEAR: i32 = 2026;

/// The local date as 2026-11-25; None as long as the clock was never set.
pub(crate) fn local_date() -> Option<String> {
    let seconds = wall().duration_since(UNIX_EPOCH).ok()?.as_secs();
    dated(super::sys::local_time::date(seconds)?)
}

fn dated((year, month, day): (i32, i32, i32)) -> Option<String> {
    (year >= YEAR).then(|| format!("{year}-{month:02}-{day:02}"))
}

/// A seed for random waits: differs between processes, boots and devices. Not for secrets.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u128(wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
    hasher.write_u128(now().0.as_nanos());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_has_no_date() {
        assert_eq!(dated((2026, 1, 9)).as_deref(), Some("2026-01-09"));
        assert_eq!(dated((2038, 11, 25)).as_deref(), Some("2038-11-25"));
        assert_eq!((dated((1970, 1, 1)), dated((2025, 12, 31))), (None, None));
    }
}
