//! The difference between local time and UTC.

use nix::libc;
use std::mem::MaybeUninit;

/// Seconds that local time is ahead of UTC at a moment in seconds since 1970, by `TZ` or /etc/localtime; None for moments
/// that the C library cannot tell.
pub(crate) fn offset(seconds: u64) -> Option<i64> {
    let at = seconds.try_into().ok()?;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are good for the call. The environment that it reads is not changed by irsync.
    let told = unsafe { libc::localtime_r(&at, parts.as_mut_ptr()) };
    if told.is_null() {
        return None;
    }
    // SAFETY: zeroed, which is a good value for each field, and filled by the call.
    let parts = unsafe { parts.assume_init() };
    // It has 32 bits on a 32-bit board.
    #[allow(clippy::useless_conversion)]
    Some(parts.tm_gmtoff.into())
}
