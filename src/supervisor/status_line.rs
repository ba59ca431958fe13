//! What SIGUSR2 writes to the log.

use crate::job::Time;
use crate::report::board::{JobStatus, Stamp, State};
use crate::report::human::{In, Span};
use std::fmt::Write;

/// One line of what a job is doing, for SIGUSR2.
pub(super) fn status_line(status: &JobStatus, now: Time) -> String {
    let ago = |stamp: &Stamp| Span(now.since(stamp.mono));
    let mut text = format!("{}: {}", status.name, status.state.name());
    if status.rolled_back && status.state == State::Paused {
        text.push_str(", rolled back");
    }
    if let Some(step) = status.step {
        let _ = write!(text, " ({step})");
    }
    if let Some(since) = &status.since {
        let _ = write!(text, " for {}", ago(since));
    }
    if let Some(pid) = status.pid {
        let _ = write!(text, ", pid {pid}");
    }
    if let Some(next) = &status.next_run {
        let _ = write!(text, ", next {}", In(next.mono.since(now)));
    }
    match (&status.last, &status.last_success) {
        (None, _) => text.push_str(", no sync finished yet"),
        (Some(last), None) => {
            let _ = write!(text, ", last sync {} {} ago, no success yet", last.outcome, ago(&last.ended));
        }
        (Some(last), Some(success)) => {
            let _ = write!(text, ", last sync {} {} ago", last.outcome, ago(&last.ended));
            if !last.outcome.is_success() {
                let _ = write!(text, ", last success {} ago", ago(success));
            }
        }
    }
    let _ = write!(text, ", {} syncs, {} failures in a row", status.runs, status.failures);
    text
}
