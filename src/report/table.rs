//! What each job is doing, for people: the table of `irsync status`.

use super::board::{JobStatus, LastRun, State};
use super::human::{Bytes, Span};
use super::snapshot::{Judged, Snapshot};
use crate::config::report::REPORT;
use crate::job::health::Health;
use crate::job::{Outcome, Time};
use crate::text::columns;
use std::fmt::Write;
use std::time::Duration;

/// `2 jobs: 1 syncing, 1 failing`
pub(crate) fn summary(snapshot: &Snapshot) -> String {
    let jobs = || snapshot.jobs.iter();
    let count = jobs().filter(|judged| judged.health != Health::Off).count();
    let mut text = format!("{count} {}", if count == 1 { "job" } else { "jobs" });
    let numbers = [
        ("syncing", jobs().filter(|judged| judged.job.state == State::Syncing).count()),
        ("failing", jobs().filter(|judged| judged.health == Health::Failing).count()),
        ("stale", jobs().filter(|judged| judged.health == Health::Stale).count()),
    ];
    let mut comma = ":";
    for (what, count) in numbers {
        if count > 0 {
            let _ = write!(text, "{comma} {count} {what}");
            comma = ",";
        }
    }
    text
}

pub(super) const PLAIN: &str = "";
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// The health of a job that has had no success yet, and is neither failing nor stale.
const NEW: &str = "new";

/// Text and its colour.
pub(super) type Cell = (String, &'static str);

/// A line for each job under a line of titles; with colours if `paint`.
pub(crate) fn table(snapshot: &Snapshot, paint: bool) -> Vec<String> {
    let titles = ["JOB", "HEALTH", "STATE", "FOR", "NEXT", "LAST SYNC", "ENDED", "LAST SUCCESS"];
    let mut rows: Vec<Vec<Cell>> = vec![titles.map(|title| (title.to_owned(), BOLD)).into()];
    rows.extend(snapshot.jobs.iter().map(|judged| row(judged, snapshot.now.mono).into()));
    lay_out(&rows, paint)
}

/// The rows with their cells below each other; with colours if `paint`.
pub(super) fn lay_out(rows: &[Vec<Cell>], paint: bool) -> Vec<String> {
    let mut widths = vec![0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(text));
        }
    }
    rows.iter().map(|row| join(row, &widths, paint)).collect()
}

/// A line for each job whose last sync was no success: the reason in rsync's own words, how often, and what to do. `drop_in`:
/// see [`advice`].
pub(crate) fn reasons(snapshot: &Snapshot, drop_in: bool) -> Vec<String> {
    let why = |Judged { job, .. }: &Judged| {
        let last = job.last.as_ref().filter(|last| !last.outcome.is_success())?;
        let mut line = format!("{}: {}", job.name, last.why.clone().unwrap_or_else(|| name_of(last)));
        if job.failures > 1 {
            let _ = write!(line, "; {} failures in a row", job.failures);
        }
        if let Some(advice) = advice(last.outcome, &job.name, drop_in) {
            let _ = write!(line, "; {advice}");
        }
        Some(line)
    };
    snapshot.jobs.iter().filter_map(why).collect()
}

/// What somebody who reads of such a sync can do. `drop_in`: there is no configuration that could be checked.
pub(crate) fn advice(outcome: Outcome, job: &str, drop_in: bool) -> Option<String> {
    match outcome {
        _ if job == REPORT => None,
        Outcome::Held => Some(format!(
            "when the server is in order again, this passes by itself; only if the deletions are meant: irsync allow {job}"
        )),
        Outcome::Permanent => {
            let ask = match drop_in {
                true => String::new(),
                false => format!("irsync check --online {job} asks the server and says what is wrong; "),
            };
            Some(format!("{ask}after mending it: irsync now {job}"))
        }
        _ => None,
    }
}

/// The code with its name, or what refused or killed it: for somebody who looks it up.
pub(super) fn name_of(last: &LastRun) -> String {
    match last.code {
        Some(code) => format!("code {code} ({})", last.reason),
        None => last.reason.clone(),
    }
}

fn join(row: &[Cell], widths: &[usize], paint: bool) -> String {
    let mut line = String::new();
    for (i, ((text, colour), width)) in row.iter().zip(widths).enumerate() {
        let gap = if i + 1 < row.len() { width - columns(text) + 2 } else { 0 };
        painted(&mut line, text, if paint { colour } else { PLAIN });
        let _ = write!(line, "{:gap$}", "");
    }
    line.truncate(line.trim_end().len());
    line
}

fn painted(line: &mut String, text: &str, colour: &str) {
    let reset = if colour.is_empty() { "" } else { RESET };
    let _ = write!(line, "{colour}{text}{reset}");
}

fn row(judged: &Judged, now: Time) -> [Cell; 8] {
    let Judged { job, health } = judged;
    let ago = |at: Time| past(at, now);
    let none = || ("-".to_owned(), DIM);
    let state = match job.step {
        Some(step) if job.state == State::Hook => step.to_owned(),
        _ if job.rolled_back && job.state == State::Paused => format!("{}, rolled back", job.state.name()),
        _ => job.state.name().to_owned(),
    };
    let busy = matches!(job.state, State::Syncing | State::Hook);
    let next = match (&job.next_run, job.state) {
        (Some(next), _) if next.mono <= now => ("now".to_owned(), PLAIN),
        (Some(next), _) => (format!("in {}", age(next.mono.since(now))), PLAIN),
        _ => none(),
    };
    [
        (job.name.clone(), PLAIN),
        match health {
            // For machines it is ok: nobody has to look after it yet.
            Health::Ok if job.last_success.is_none() => (NEW.to_owned(), PLAIN),
            Health::Ok => (health.name().to_owned(), GREEN),
            Health::Off => (health.name().to_owned(), DIM),
            _ => (health.name().to_owned(), RED),
        },
        (state, if busy { CYAN } else { PLAIN }),
        job.since.map_or_else(none, |since| (age(now.since(since.mono)).to_string(), PLAIN)),
        next,
        last_sync(job),
        job.last.as_ref().map_or_else(none, |last| (ago(last.ended.mono), PLAIN)),
        job.last_success.map_or_else(none, |success| (ago(success.mono), PLAIN)),
    ]
}

fn last_sync(job: &JobStatus) -> Cell {
    let Some(last) = &job.last else { return ("-".to_owned(), DIM) };
    let mut text = last.outcome.name().to_owned();
    if !last.outcome.is_success() {
        match last.code {
            Some(code) => {
                let _ = write!(text, ", code {code}");
            }
            None => {
                let _ = write!(text, ", {}", last.reason);
            }
        }
    } else {
        if let Some(files) = last.files {
            let _ = write!(text, ", {files} {}", if files == 1 { "file" } else { "files" });
        }
        if let Some(bytes) = last.bytes {
            let _ = write!(text, ", {}", Bytes(bytes));
        }
        let _ = write!(text, ", took {}", Span(last.duration));
    }
    (text, if last.outcome.is_success() { PLAIN } else { RED })
}

/// How long ago a moment was.
pub(super) fn past(at: Time, now: Time) -> String {
    format!("{} ago", age(now.since(at)))
}

/// An age without parts of a second, which would flicker.
fn age(age: Duration) -> Span {
    Span(Duration::from_secs(age.as_secs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::seen;
    use super::super::tests::{at, full};
    use super::*;
    use crate::job::Outcome;

    fn with(outcome: Outcome) -> JobStatus {
        let mut job = full();
        job.last_success = Some(at(950));
        if let Some(last) = &mut job.last {
            last.outcome = outcome;
        }
        job
    }

    #[test]
    fn columns_stand_under_their_titles_with_and_without_colours() {
        let mut other = with(Outcome::Success);
        other.name = "a-long-name".into();
        other.state = State::Waiting;
        let jobs = [full(), other];
        let plain = table(&seen(&jobs, 1000), false);
        assert_eq!(
            plain,
            [
                "JOB          HEALTH  STATE    FOR    NEXT    LAST SYNC                            ENDED   LAST SUCCESS",
                "media        stale   syncing  1m40s  in 30s  transient, code 10                   2m ago  5m ago",
                "a-long-name  ok      waiting  1m40s  in 30s  success, 1 file, 2.0 KiB, took 1.2s  2m ago  50s ago",
            ]
        );
        for (painted, plain) in table(&seen(&jobs, 1000), true).iter().zip(&plain) {
            let (mut bare, mut escape) = (String::new(), false);
            for c in painted.chars() {
                escape |= c == '\x1b';
                if !escape {
                    bare.push(c);
                }
                escape &= c != 'm';
            }
            assert!(painted.contains("\x1b["));
            assert_eq!(bare, *plain);
        }
    }

    #[test]
    fn every_failure_has_its_reason_how_often_and_what_to_do() {
        let (mut quiet, mut well) = (with(Outcome::Partial), with(Outcome::Success));
        for job in [&mut quiet, &mut well] {
            job.last.as_mut().unwrap().why = None;
        }
        let new = JobStatus { last: None, ..full() };
        const WHY: &str = "media: rsync: failed to connect to server: Connection refused (111)";
        let often = format!("{WHY}; 2 failures in a row");
        quiet.failures = 1;
        let shown = reasons(&seen(&[quiet, full(), new, well], 1000), false);
        assert_eq!(shown, ["media: code 10 (RERR_SOCKETIO)", &often]);
        let told = |outcome, drop_in| reasons(&seen(&[with(outcome)], 1000), drop_in).join("\n");
        assert_eq!(
            told(Outcome::Held, false),
            format!("{often}; when the server is in order again, this passes by itself; only if the deletions are meant: irsync allow media")
        );
        assert_eq!(
            told(Outcome::Permanent, false),
            format!(
                "{often}; irsync check --online media asks the server and says what is wrong; after mending it: irsync \
                 now media"
            )
        );
        assert_eq!(told(Outcome::Permanent, true), format!("{often}; after mending it: irsync now media"));
        assert_eq!(advice(Outcome::Permanent, REPORT, false), None, "irsync's own job");
    }

    #[test]
    fn a_job_without_a_success_is_new_to_people_only() {
        let job = JobStatus { last: None, last_success: None, failures: 0, ..full() };
        let told = |job: &JobStatus, now| {
            let snapshot = seen(std::slice::from_ref(job), now);
            (table(&snapshot, false)[1].split_whitespace().nth(1).unwrap().to_owned(), snapshot.jobs[0].health.name())
        };
        assert_eq!(told(&job, 150), ("new".into(), "ok"));
        assert_eq!(told(&job, 1000), ("stale".into(), "stale"));
        assert_eq!(told(&JobStatus { last_success: Some(at(120)), ..job.clone() }, 150), ("ok".into(), "ok"));
        assert_eq!(told(&JobStatus { last: full().last, ..job }, 150), ("failing".into(), "failing"));
    }

    #[test]
    fn summary_counts_what_matters() {
        let summary = |jobs: &[JobStatus]| summary(&seen(jobs, 1000));
        assert_eq!(summary(&[]), "0 jobs");
        let waiting = JobStatus { state: State::Waiting, ..with(Outcome::Success) };
        assert_eq!(summary(std::slice::from_ref(&waiting)), "1 job");
        let failing = JobStatus { state: State::Waiting, ..with(Outcome::Disk) };
        assert_eq!(summary(&[waiting, full(), failing]), "3 jobs: 1 syncing, 1 failing, 1 stale");
    }
}
