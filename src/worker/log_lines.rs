//! The words of a job's log lines.

use super::said::Said;
use super::sync_report::SyncReport;
use crate::config::keys::Id;
use crate::config::mask::masked;
use crate::config::report::REPORT;
use crate::config::{Arguments, Job};
use crate::job::deletions::{Held, Why};
use crate::job::narrator::{Counts, Narrator, Telling};
use crate::job::Conclusion;
use crate::job::{Cause, Outcome, Step, Time};
use crate::report::human::{In, Span};
use crate::report::log_bounds::Memory;
use crate::report::logging;
use crate::report::table::advice;
use crate::rsync::changes::News;
use crate::rsync::outcome::Exit;
use crate::text;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

/// As much of a name as a status line shows.
const NAME_LIMIT: usize = 256;

/// Why irsync told a child to end. `stalled` is what it was doing.
fn cause(cause: Cause, step: Step, stalled: Option<&str>) -> String {
    match cause {
        Cause::NoProgress(limit) => {
            let phase = stalled.map(|phase| format!(" {phase}")).unwrap_or_default();
            format!("no progress for {}{phase}", Span(limit))
        }
        Cause::TooLong(limit) => {
            let key = match step {
                Step::Rsync => Id::max_runtime,
                Step::Flush | Step::Publish => Id::activity_timeout,
                _ => Id::hook_timeout,
            };
            let key = key.name();
            format!("it has run for {} ({key})", Span(limit))
        }
        Cause::NoSuccess(after) => {
            format!("no success for {}, and no data of files moved in that time (recover_after)", Span(after))
        }
        Cause::Window => format!("its {} has closed", Id::window.name()),
        Cause::Slower => format!("{} is lower from now on", Id::bwlimit.name()),
        Cause::Asks => stalled.unwrap_or("its remote shell asks something, and nobody is here to answer").into(),
        Cause::Rollback => "its owner wants to see the set before".into(),
        Cause::Stop => "irsync or the job is stopping".into(),
    }
}

/// Says why a child gets SIGTERM. That irsync is stopping was said already.
pub(super) fn log_termination(memory: &Mutex<Memory>, job: &str, step: Step, why: Cause, stalled: Option<&str>) {
    let level = if why == Cause::Stop { log::Level::Debug } else { log::Level::Warn };
    logging::say(memory, level, &format!("{job}: {}: {}; ending it", step.name(), cause(why, step, stalled)));
}

/// How a process has ended, as the end of a sentence.
pub(super) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(number) => format!("was ended by signal {number}"),
    }
}

/// Names what was repaired: cards rot, and their owner has to know which.
pub(super) fn log_repairs(job: &str, said: &Said) {
    for name in &said.repaired_names {
        log::warn!("{job}: repaired {}: its content had changed, although size and time had not", escaped(name));
    }
    let more = said.repaired.saturating_sub(said.repaired_names.len() as u64);
    if more > 0 {
        log::warn!("{job}: repaired {more} more files; is the card failing?");
    }
}

/// A name that rsync wrote, made safe to show.
pub(super) fn escaped(line: &[u8]) -> String {
    let mut out = Vec::new();
    text::escape_into(&mut out, line, NAME_LIMIT);
    String::from_utf8_lossy(&out).into_owned()
}

/// Another source is asked, because the one before has failed.
pub(super) fn log_fallback(memory: &Mutex<Memory>, job: &str, report: &SyncReport, arguments: &Arguments) {
    let stalled = report.stalled.as_ref().map(|phase| match phase.starts_with("while ") {
        true => format!("no progress {phase}"),
        false => phase.clone(),
    });
    let why = stalled.as_deref().or(report.telling.as_deref()).or(report.note.as_deref()).unwrap_or(&report.reason);
    let next = match arguments {
        Arguments::Ini { source, .. } => masked(&source.join(" ")),
        Arguments::DropIn(_) => String::new(),
    };
    logging::say(memory, log::Level::Warn, &format!("{job}: the source did not serve: {why}; asking {next}"));
}

/// The one line of a sync, and now and then that of many. `told`: the same deletions were held before, and their owner has
/// read it. Gives whether it was told aloud.
pub(super) fn log_conclusion(
    job: &Job,
    report: &SyncReport,
    conclusion: &Conclusion,
    told: bool,
    narrator: &mut Narrator,
    now: Time,
) -> bool {
    let words = format!("{} {}", conclusion.outcome, why(report, conclusion).as_deref().unwrap_or(&report.reason));
    let telling = narrator.sync(conclusion.outcome, text::kind(words.as_bytes(), false), conclusion.changed, now);
    let level = match (conclusion.outcome, telling) {
        (Outcome::Held, _) if told => log::Level::Debug,
        (Outcome::Held, _) => log::Level::Warn,
        (_, Telling::Quiet) => log::Level::Debug,
        // Each report is one: nobody wants to read that four times an hour.
        (Outcome::Success | Outcome::Warning, _) if job.name == REPORT => log::Level::Debug,
        (Outcome::Success | Outcome::Warning, _) => log::Level::Info,
        (Outcome::Permanent, _) => log::Level::Error,
        _ => log::Level::Warn,
    };
    let untold = match telling {
        Telling::Aloud(untold) if untold > 0 => format!(" ({untold} more like it were not logged)"),
        _ => String::new(),
    };
    log::log!(
        level,
        "{}: {}{untold}",
        job.name,
        sentence(&job.name, report, conclusion, !job.arguments.may_be_added_to())
    );
    if let Some((span, counts)) = narrator.summary(now) {
        log::info!("{}: {}", job.name, summary(span, counts));
    }
    level < log::Level::Debug
}

/// What the syncs of the last hour came to.
fn summary(span: Duration, counts: Counts) -> String {
    let Counts { syncs, changed, failed } = counts;
    let failed = if failed == 0 { "all well".into() } else { format!("{failed} failed") };
    let changed = if changed == 0 { "nothing changed".into() } else { format!("{changed} changed something") };
    format!("{syncs} syncs in {}: {failed}, {changed}", Span(span))
}

/// As much of the line with the names is said before the rest is only counted.
const NEWS_LIMIT: usize = 900;

/// What a sync has brought, by name; `aloud`: the sync was told.
pub(super) fn log_news(job: &str, news: &News, aloud: bool) {
    if !news.names.is_empty() {
        let level = if aloud { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "{job}: changed: {}", listed(news));
    }
}

fn listed(news: &News) -> String {
    let (mut text, mut told) = (String::new(), 0);
    for (deleted, name) in &news.names {
        if text.len() > NEWS_LIMIT {
            break;
        }
        let before = if told > 0 { ", " } else { "" };
        let _ = write!(text, "{before}{}{}", if *deleted { "deleted " } else { "" }, escaped(name));
        told += 1;
    }
    if news.count > told {
        let _ = write!(text, " and {} more", news.count - told);
    }
    text
}

fn sentence(job: &str, report: &SyncReport, conclusion: &Conclusion, drop_in: bool) -> String {
    let mut text = format!("sync {}: ", conclusion.outcome);
    if let Some(why) = conclusion.cause {
        let _ = write!(text, "{}, ended by irsync; ", cause(why, Step::Rsync, report.stalled.as_deref()));
    }
    match (report.code, report.reason.as_str()) {
        (Some(code), name) => {
            let _ = write!(text, "code {code} ({name})");
        }
        (None, "not started") => {}
        (None, name) => text.push_str(name),
    }
    if let Some(held) = &conclusion.held {
        let _ = write!(text, ", {}", self::held(held));
    }
    // How rsync exits tells nothing new where irsync has made it exit.
    if let (Some(note), None, None) = (&report.note, conclusion.cause, conclusion.held) {
        let _ = write!(text, "{}{note}", if text.ends_with(": ") { "" } else { ", " });
    }
    if report.duration > Duration::ZERO {
        let _ = write!(text, ", took {}", Span(report.duration));
    }
    if let Some(files) = report.files {
        let _ = write!(text, ", {files} {}", if files == 1 { "file" } else { "files" });
    }
    if let Some(deleted) = report.deleted.filter(|deleted| *deleted > 0) {
        let _ = write!(text, ", {deleted} deleted");
    }
    if let Some(bytes) = report.bytes {
        let _ = write!(text, ", {bytes} bytes");
    }
    if let Some(resumed) = report.resumed {
        let _ = write!(text, ", resumed from {resumed} bytes");
    }
    if report.repaired > 0 {
        let _ = write!(text, ", {} repaired", report.repaired);
    }
    if conclusion.failures > 1 {
        let _ = write!(text, ", {} failures in a row", conclusion.failures);
    }
    if let Some(next) = conclusion.next.filter(|_| conclusion.cause != Some(Cause::Rollback)) {
        let _ = write!(text, "; next {}", In(next));
    }
    let failed = !conclusion.outcome.is_success() && conclusion.cause.is_none();
    if let Some(telling) = report.telling.as_ref().filter(|_| failed) {
        let _ = write!(text, "; it said: {telling}");
    }
    // Where each job runs one time there is no irsync that could be asked.
    let advised = conclusion.next.is_some() || conclusion.outcome == Outcome::Held;
    if let Some(advice) = advice(conclusion.outcome, job, drop_in).filter(|_| advised) {
        let _ = write!(text, "; {advice}");
    }
    text
}

/// Deletions that wait for the owner, in words.
pub(super) fn held(held: &Held) -> String {
    let why = match held.why {
        Why::Empties => "no file would be left",
        Why::Shrinks => "fewer files would be left than max_shrink allows",
        Why::ShrinksSlowly => "fewer files would be left than max_shrink allows of those there were within a day",
        Why::TooMany => "more than --max-delete",
        Why::Unknown => "rsync did not say how many files there are on the server",
    };
    let (s, are) = if held.count == 1 { ("", "is") } else { ("s", "are") };
    format!("{} deletion{s} {are} held ({why})", held.count)
}

/// Why a sync was no success, in as few words as tell it: rsync's own, unless it was irsync that ended or refused it.
pub(super) fn why(report: &SyncReport, conclusion: &Conclusion) -> Option<String> {
    if conclusion.outcome.is_success() {
        return None;
    }
    if let (Outcome::Held, Some(held)) = (conclusion.outcome, &conclusion.held) {
        return Some(self::held(held));
    }
    let ended =
        conclusion.cause.map(|why| format!("{}, ended by irsync", cause(why, Step::Rsync, report.stalled.as_deref())));
    ended.or_else(|| report.telling.clone()).or_else(|| report.note.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_in_one_line_of_bounded_length() {
        let news = |count: u64, names: usize, name: &str| News { count, names: vec![(false, name.into()); names] };
        assert_eq!(listed(&news(2, 2, "a")), "a, a");
        assert_eq!(listed(&News { count: 9, names: vec![(true, "x\x1b".into())] }), "deleted x\\x1b and 8 more");
        let long = listed(&news(5000, 20, &"\x1b".repeat(100)));
        assert!(long.len() < 1400 && long.ends_with(" and 4996 more"), "{} {long}", long.len());
    }

    fn conclusion(outcome: Outcome, cause: Option<Cause>, next: Option<u64>, failures: u32) -> Conclusion {
        Conclusion { outcome, cause, next: next.map(Duration::from_millis), failures, changed: false, held: None }
    }

    #[test]
    fn a_finished_sync_is_one_sentence() {
        let ok = SyncReport {
            code: Some(0),
            reason: "RERR_OK".into(),
            duration: Duration::from_millis(400),
            files: Some(3),
            bytes: Some(10_240),
            ..SyncReport::default()
        };
        assert_eq!(
            sentence("media", &ok, &conclusion(Outcome::Success, None, Some(31_200), 0), false),
            "sync success: code 0 (RERR_OK), took 400ms, 3 files, 10240 bytes; next in 31.2s"
        );
        let stalled = SyncReport {
            code: Some(20),
            reason: "RERR_SIGNAL".into(),
            duration: Duration::from_secs(7),
            ..SyncReport::default()
        };
        let why = Some(Cause::NoProgress(Duration::from_secs(5)));
        assert_eq!(
            sentence("media", &stalled, &conclusion(Outcome::Stalled, why, Some(2000), 2), false),
            "sync stalled: no progress for 5s, ended by irsync; code 20 (RERR_SIGNAL), took 7s, 2 failures in a row; next in 2s"
        );
        let while_connecting = SyncReport { stalled: Some("while connecting".into()), ..stalled };
        assert_eq!(
            sentence("media", &while_connecting, &conclusion(Outcome::Stalled, why, None, 1), false),
            "sync stalled: no progress for 5s while connecting, ended by irsync; code 20 (RERR_SIGNAL), took 7s"
        );
        let resumed = SyncReport { fetched: Some(10), resumed: Some(4096), ..ok };
        assert_eq!(
            sentence("media", &resumed, &conclusion(Outcome::Success, None, None, 0), false),
            "sync success: code 0 (RERR_OK), took 400ms, 3 files, 10240 bytes, resumed from 4096 bytes"
        );
        let killed =
            SyncReport { reason: "SIGKILL".into(), note: Some("out of memory?".into()), ..SyncReport::default() };
        assert_eq!(
            sentence("media", &killed, &conclusion(Outcome::Stalled, why, None, 1), false),
            "sync stalled: no progress for 5s, ended by irsync; SIGKILL"
        );
        let skipped =
            SyncReport { reason: "lock".into(), note: Some("irsync 7 has it".into()), ..SyncReport::default() };
        assert_eq!(
            sentence("media", &skipped, &conclusion(Outcome::Skipped, None, Some(1000), 1), false),
            "sync skipped: lock, irsync 7 has it; next in 1s"
        );
        let failed = SyncReport {
            reason: "not started".into(),
            note: Some("cannot start rsync \"x\"".into()),
            ..SyncReport::default()
        };
        assert_eq!(
            sentence("media", &failed, &conclusion(Outcome::Transient, None, None, 1), false),
            "sync transient: cannot start rsync \"x\""
        );
    }

    #[test]
    fn what_the_owner_has_to_do_stands_at_the_end() {
        let refused = SyncReport {
            code: Some(5),
            reason: "RERR_STARTCLIENT".into(),
            telling: Some("@ERROR: auth failed on module media".into()),
            ..SyncReport::default()
        };
        let told = |next, drop_in| sentence("media", &refused, &conclusion(Outcome::Permanent, None, next, 1), drop_in);
        const SAID: &str = "sync permanent: code 5 (RERR_STARTCLIENT)";
        assert_eq!(
            told(Some(0), false),
            format!(
                "{SAID}; next at once; it said: @ERROR: auth failed on module media; irsync check --online media asks the \
                 server and says what is wrong; after mending it: irsync now media"
            )
        );
        assert!(told(Some(0), true).ends_with("; after mending it: irsync now media"));
        assert_eq!(told(None, false), format!("{SAID}; it said: @ERROR: auth failed on module media"), "irsync once");
        let held = Conclusion {
            held: Some(Held { count: 50, why: Why::Empties }),
            ..conclusion(Outcome::Held, None, Some(30_000), 1)
        };
        assert_eq!(
            sentence("media", &SyncReport { code: Some(0), reason: "RERR_OK".into(), ..refused }, &held, false),
            "sync held: code 0 (RERR_OK), 50 deletions are held (no file would be left); next in 30s; it said: @ERROR: auth \
             failed on module media; when the server is in order again, this passes by itself; only if the deletions are \
             meant: irsync allow media"
        );
    }

    #[test]
    fn why_is_in_rsyncs_words_unless_irsync_ended_it() {
        let report = SyncReport {
            note: Some("the server refuses this client or module".into()),
            telling: Some("@ERROR: Unknown module 'x'".into()),
            ..SyncReport::default()
        };
        let silent = SyncReport { telling: None, ..report.clone() };
        let limit = Some(Cause::NoProgress(Duration::from_secs(5)));
        for (report, outcome, cause, expected) in [
            (&report, Outcome::Permanent, None, Some("@ERROR: Unknown module 'x'")),
            (&silent, Outcome::Permanent, None, Some("the server refuses this client or module")),
            (&report, Outcome::Stalled, limit, Some("no progress for 5s, ended by irsync")),
            (&report, Outcome::Success, None, None),
            (&report, Outcome::Warning, None, None),
            (&SyncReport::default(), Outcome::Partial, None, None),
        ] {
            assert_eq!(why(report, &conclusion(outcome, cause, None, 1)).as_deref(), expected, "{outcome}");
        }
    }
}
