//! What the clock says of a job's `window` and `bwlimit`.
#![forbid(unsafe_code)]

use crate::config::Job;
use crate::job::calendar::{Gate, Local};
use crate::job::Time;
use crate::os::clock;
use std::time::{Duration, UNIX_EPOCH};

/// Local time; None if the clock was never set.
fn local() -> Option<Local> {
    let (utc, offset) = moment()?;
    Local::new(utc, offset)
}

/// Seconds since 1970, and what local time is ahead of UTC.
fn moment() -> Option<(u64, i64)> {
    let utc = clock::wall().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some((utc, clock::local_offset(utc).unwrap_or(0)))
}

/// When the minute began that local time is in: hours have their borders between minutes.
fn minute(now: Time, utc: u64, offset: i64) -> Time {
    let since = (utc as i64).saturating_add(offset).rem_euclid(60);
    Time(now.0.saturating_sub(Duration::from_secs(since as u64)))
}

/// Bytes per second that a sync may use now; None: as many as it can. A clock that was never set does not count.
pub(super) fn bwlimit(job: &Job) -> Option<u64> {
    job.bwlimit.as_ref()?.at(local()?)
}

/// A lower limit than the other; none is the highest.
pub(super) fn is_slower(limit: Option<u64>, than: Option<u64>) -> bool {
    limit.is_some_and(|limit| than.map_or(true, |than| limit < than))
}

/// None for a job that may sync at any time, at any speed.
pub(super) fn gate(job: &Job, now: Time) -> Option<Gate> {
    if job.window.is_none() && job.bwlimit.is_none() {
        return None;
    }
    let now = moment().map_or(now, |(utc, offset)| minute(now, utc, offset));
    let gate = job.window.as_ref().map(|window| Gate::new(window, local(), now));
    // Limits are looked at by the minute while rsync runs; a job that waits has no need of that.
    let look = job.bwlimit.as_ref().map(|_| Gate { open: true, opens: now, again: now + Duration::from_secs(60) });
    match (gate, look) {
        (Some(gate), Some(look)) => Some(Gate { again: gate.again.min(look.again), ..gate }),
        (gate, look) => gate.or(look),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_where_local_time_says_so() {
        let at = |seconds: u64| Time(Duration::from_secs(seconds));
        for (utc, offset, began) in
            [(1_774_746_000, 0, 1000), (1_774_746_059, 0, 941), (1_774_746_000, 90, 970), (59, -60, 941)]
        {
            assert_eq!(minute(at(1000), utc, offset), at(began), "{utc} {offset}");
        }
        assert_eq!(minute(at(5), 30, 0), at(0), "the board has just booted");
    }

    #[test]
    fn no_limit_is_the_highest() {
        for (limit, than, slower) in [
            (None, None, false),
            (None, Some(1), false),
            (Some(1), None, true),
            (Some(1), Some(2), true),
            (Some(2), Some(2), false),
        ] {
            assert_eq!(is_slower(limit, than), slower, "{limit:?} {than:?}");
        }
    }
}
