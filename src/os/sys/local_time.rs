//! The difference between local time and UTC.

use nix::libc;
use std::mem::MaybeUninit;

/// Seconds that local time is ahead of UTC at a moment in seconds since 1970, by `TZ` or /etc/localtime; None for moments
/// that the C library cannot tell.
pub(crate) fn offset(seconds: u64) -> Option<i64> {
    // It has 32 bits on a 32-bit board.
    #[allow(clippy::useless_conversion)]
    Some(parts(seconds)?.tm_gmtoff.into())
}

/// Year, month and day of the month, both from 1, in local time at a moment in seconds since 1970.
pub(crate) fn date(seconds: u64) -> Option<(i32, i32, i32)> {
    let parts = parts(seconds)?;
    Some((parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday))
}

fn parts(seconds: u64) -> Option<libc::tm> {
    let at = seconds.try_into().ok()?;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are good for the call. The environment that it reads is not changed by irsync.
    let told = unsafe { libc::localtime_r(&at, parts.as_mut_ptr()) };
    // SAFETY: zeroed, which is a good value for each field, and filled by the call.
    (!told.is_null()).then(|| unsafe { parts.assume_init() })
}
