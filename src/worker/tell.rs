//! What a job's log lines say.

use super::worker::Ended;
use crate::config::keys::Id;
use crate::job::machine::Conclusion;
use crate::job::{Cause, Outcome, Step, Time};
use crate::report::board::{JobStatus, Stamp};
use crate::report::human::Span;
use crate::rsync::outcome::{End, Verdict};
use crate::rsync::stats::Stats;
use crate::text;
use std::fmt::Write;
use std::time::Duration;

/// Why irsync told a child to end.
fn cause(cause: Cause, step: Step) -> String {
    match cause {
        Cause::NoProgress(limit) => format!("no progress for {}", Span(limit)),
        Cause::TooLong(limit) => {
            let key = if step == Step::Rsync { Id::max_runtime } else { Id::hook_timeout }.name();
            format!("it has run for {} ({key})", Span(limit))
        }
        Cause::Stop => "irsync or the job is stopping".into(),
    }
}

/// A child was told to end.
pub(super) fn ending(job: &str, step: Step, why: Cause) {
    let level = if why == Cause::Stop { log::Level::Debug } else { log::Level::Warn };
    log::log!(level, "{job}: {}: {}; ending it", step.name(), cause(why, step));
}

/// How a child ended.
pub(super) fn end(end: End) -> String {
    match end {
        End::Code(code) => format!("exited with code {code}"),
        End::Signal(number) => format!("was ended by signal {number}"),
    }
}

/// Bytes for a log line.
pub(super) fn escaped(line: &[u8]) -> String {
    let mut out = Vec::new();
    text::escape_into(&mut out, line, 256);
    String::from_utf8_lossy(&out).into_owned()
}

/// What is known of an rsync that has ended.
pub(super) fn ended(verdict: &Verdict, end: End, duration: Duration, stats: &Stats) -> Ended {
    Ended {
        code: if let End::Code(code) = end { Some(code) } else { None },
        reason: verdict.reason.to_owned(),
        note: verdict.note.map(str::to_owned),
        duration,
        files: stats.files,
        bytes: stats.bytes(),
    }
}

/// The one line of every finished sync.
pub(super) fn finished(job: &str, ended: &Ended, conclusion: &Conclusion) {
    let level = match conclusion.outcome {
        Outcome::Success | Outcome::Warning => log::Level::Info,
        Outcome::Permanent => log::Level::Error,
        _ => log::Level::Warn,
    };
    log::log!(level, "{job}: {}", sentence(ended, conclusion));
}

fn sentence(ended: &Ended, conclusion: &Conclusion) -> String {
    let mut text = format!("sync {}: ", conclusion.outcome);
    if let Some(why) = conclusion.cause {
        let _ = write!(text, "{}, ended by irsync; ", cause(why, Step::Rsync));
    }
    match (ended.code, ended.reason.as_str()) {
        (Some(code), name) => {
            let _ = write!(text, "code {code} ({name})");
        }
        (None, "not started") => {}
        (None, name) => text.push_str(name),
    }
    // What rsync's end looks like tells nothing new when it was irsync that ended it.
    if let (Some(note), None) = (&ended.note, conclusion.cause) {
        let _ = write!(text, "{}{note}", if text.ends_with(": ") { "" } else { ", " });
    }
    if ended.duration > Duration::ZERO {
        let _ = write!(text, ", took {}", Span(ended.duration));
    }
    if let Some(files) = ended.files {
        let _ = write!(text, ", {files} {}", if files == 1 { "file" } else { "files" });
    }
    if let Some(bytes) = ended.bytes {
        let _ = write!(text, ", {bytes} bytes");
    }
    if conclusion.failures > 1 {
        let _ = write!(text, ", {} in a row without success", conclusion.failures);
    }
    if let Some(next) = conclusion.next {
        let _ = write!(text, "; next in {}", Span(next));
    }
    text
}

/// One line of what a job is doing, for SIGUSR2.
pub fn status(status: &JobStatus, now: Time) -> String {
    let ago = |stamp: &Stamp| Span(now.since(stamp.mono));
    let mut text = format!("{}: {}", status.name, status.state.name());
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
        let _ = write!(text, ", next in {}", Span(next.mono.since(now)));
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
    let _ = write!(text, ", {} syncs, {} in a row without success", status.runs, status.failures);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conclusion(outcome: Outcome, cause: Option<Cause>, next: Option<u64>, failures: u32) -> Conclusion {
        Conclusion { outcome, cause, next: next.map(Duration::from_millis), failures, changed: false }
    }

    #[test]
    fn a_finished_sync_is_one_sentence() {
        let ok = Ended {
            code: Some(0),
            reason: "RERR_OK".into(),
            duration: Duration::from_millis(400),
            files: Some(3),
            bytes: Some(10_240),
            ..Ended::default()
        };
        assert_eq!(
            sentence(&ok, &conclusion(Outcome::Success, None, Some(31_200), 0)),
            "sync success: code 0 (RERR_OK), took 400ms, 3 files, 10240 bytes; next in 31.2s"
        );
        let stalled = Ended {
            code: Some(20),
            reason: "RERR_SIGNAL".into(),
            duration: Duration::from_secs(7),
            ..Ended::default()
        };
        let why = Some(Cause::NoProgress(Duration::from_secs(5)));
        assert_eq!(
            sentence(&stalled, &conclusion(Outcome::Stalled, why, Some(2000), 2)),
            "sync stalled: no progress for 5s, ended by irsync; code 20 (RERR_SIGNAL), took 7s, 2 in a row without success; next in 2s"
        );
        let killed = Ended { reason: "SIGKILL".into(), note: Some("out of memory?".into()), ..Ended::default() };
        assert_eq!(
            sentence(&killed, &conclusion(Outcome::Stalled, why, None, 1)),
            "sync stalled: no progress for 5s, ended by irsync; SIGKILL"
        );
        let skipped = Ended { reason: "lock".into(), note: Some("irsync 7 has it".into()), ..Ended::default() };
        assert_eq!(
            sentence(&skipped, &conclusion(Outcome::Skipped, None, Some(1000), 1)),
            "sync skipped: lock, irsync 7 has it; next in 1s"
        );
        let failed =
            Ended { reason: "not started".into(), note: Some("cannot start rsync \"x\"".into()), ..Ended::default() };
        assert_eq!(
            sentence(&failed, &conclusion(Outcome::Transient, None, None, 1)),
            "sync transient: cannot start rsync \"x\""
        );
    }
}
