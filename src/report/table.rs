//! What each job is doing, for people: the table and the bars of `irsync status`.

use super::board::{JobStatus, Progress, State};
use super::human::{Bytes, Span};
use crate::job::{Outcome, Time};
use std::fmt::Write;
use std::time::Duration;

/// How a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well, or nothing was tried yet.
    Ok,
    /// `enabled = no`
    Off,
    /// The last sync failed, or it hangs in the kernel.
    Failing,
    /// No success for `stale_after`.
    Stale,
}

impl Health {
    /// The name in table and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Off => "off",
            Health::Failing => "failing",
            Health::Stale => "stale",
        }
    }

    /// Whether somebody should look after it.
    pub fn is_bad(self) -> bool {
        matches!(self, Health::Failing | Health::Stale)
    }
}

/// How the job does at `now`. A server that is busy is everyday life in a fleet: it counts only if it lasts, and then as
/// [`Health::Stale`]. Everything else that was no success counts at once, a file that could not be copied as well.
pub fn health(job: &JobStatus, now: Time) -> Health {
    if job.state == State::Disabled {
        return Health::Off;
    }
    let success = job.last_success.or(job.started);
    if let (Some(success), Some(after)) = (success, job.stale_after) {
        if now.since(success.mono) > after {
            return Health::Stale;
        }
    }
    let outcome = job.last.as_ref().map_or(Outcome::Success, |last| last.outcome);
    let excused = outcome.is_success() || outcome == Outcome::Busy;
    match excused && job.state != State::Unkillable {
        true => Health::Ok,
        false => Health::Failing,
    }
}

/// `2 jobs: 1 syncing, 1 failing`
pub fn summary(jobs: &[JobStatus], now: Time) -> String {
    let on = jobs.iter().filter(|job| job.state != State::Disabled);
    let count = on.clone().count();
    let mut text = format!("{count} {}", if count == 1 { "job" } else { "jobs" });
    let numbers = [
        ("syncing", on.clone().filter(|job| job.state == State::Syncing).count()),
        ("failing", on.clone().filter(|job| health(job, now) == Health::Failing).count()),
        ("stale", on.filter(|job| health(job, now) == Health::Stale).count()),
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

const PLAIN: &str = "";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

type Cell = (String, &'static str);

/// A line for each job under a line of titles; with colours if `paint`.
pub fn table(jobs: &[JobStatus], now: Time, paint: bool) -> Vec<String> {
    let titles = ["JOB", "HEALTH", "STATE", "FOR", "NEXT", "LAST SYNC", "ENDED", "LAST SUCCESS"];
    let mut rows = vec![titles.map(|title| (title.to_owned(), BOLD))];
    rows.extend(jobs.iter().map(|job| row(job, now)));
    let mut widths = [0; 8];
    for row in &rows {
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(text));
        }
    }
    rows.iter().map(|row| join(row, &widths, paint)).collect()
}

fn join(row: &[Cell; 8], widths: &[usize; 8], paint: bool) -> String {
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

fn row(job: &JobStatus, now: Time) -> [Cell; 8] {
    let ago = |at: Time| format!("{} ago", age(now.since(at)));
    let none = || ("-".to_owned(), DIM);
    let health = health(job, now);
    let state = match job.step {
        Some(step) if job.state == State::Hook => step.to_owned(),
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
            Health::Ok => (health.name().to_owned(), GREEN),
            Health::Off => (health.name().to_owned(), DIM),
            _ if job.failures > 1 => (format!("{} ({})", health.name(), job.failures), RED),
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
                let _ = write!(text, ", {code} {}", last.reason);
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

/// An age without parts of a second, which would flicker.
fn age(age: Duration) -> Span {
    Span(Duration::from_secs(age.as_secs().max(1)))
}

/// A line for each running transfer, at most `width` columns wide.
pub fn bars(jobs: &[JobStatus], width: usize) -> Vec<String> {
    let syncing = |job: &&JobStatus| job.state == State::Syncing;
    let names = jobs.iter().filter(syncing).map(|job| columns(&job.name)).max().unwrap_or(0);
    jobs.iter().filter(syncing).filter_map(|job| Some(bar(job, job.progress.as_ref()?, names, width))).collect()
}

/// Columns of a bar, without its brackets.
const LONGEST_BAR: usize = 24;
const SHORTEST_BAR: usize = 8;
/// Less of a file's name tells nothing.
const SHORTEST_NAME: usize = 12;
/// For more of a name the bar is not made shorter.
const USUAL_NAME: usize = 24;

fn bar(job: &JobStatus, progress: &Progress, names: usize, width: usize) -> String {
    // While the list still grows the whole is not known.
    let about = if progress.list_growing { "~" } else { "" };
    let mut numbers = format!("{:>5}  {}", format!("{about}{}%", progress.percent), Bytes(progress.bytes));
    let _ = write!(numbers, "  {}/s", Bytes(progress.rate));
    if let Some(left) = time_left(progress) {
        let _ = write!(numbers, "  {} left", Span(left));
    }
    let mut line = format!("{:names$}  ", job.name);
    let room = width.saturating_sub(columns(&line) + columns(&numbers) + 4);
    if room >= SHORTEST_BAR {
        let name = job.current_file.as_ref().map_or(0, |file| columns(file).min(USUAL_NAME) + 2);
        let length = room.saturating_sub(name).clamp(SHORTEST_BAR, LONGEST_BAR);
        let filled = length * usize::from(progress.percent.min(100)) / 100;
        let _ = write!(line, "[{}{}]  ", "#".repeat(filled), "-".repeat(length - filled));
    }
    line += &numbers;
    let room = width.saturating_sub(columns(&line) + 2);
    if let Some(file) = job.current_file.as_ref().filter(|file| room >= SHORTEST_NAME.min(columns(file))) {
        line += "  ";
        line += &fit_end(file, room);
    }
    fit(&line, width)
}

/// rsync says how much is left while a file is under way; at a file's end it says how long the whole took instead.
fn time_left(progress: &Progress) -> Option<Duration> {
    if progress.percent >= 100 {
        return None;
    }
    if progress.transferred.is_none() && progress.seconds > 0 {
        return Some(Duration::from_secs(progress.seconds));
    }
    let percent = u128::from(progress.percent);
    let left = (u128::from(progress.bytes) * (100 - percent)).checked_div(percent)?;
    let seconds = left.checked_div(u128::from(progress.rate))?;
    Some(Duration::from_secs(seconds.try_into().ok()?))
}

/// The columns a character takes: East Asian ones and pictures take two. Those that take none are counted as one, which
/// makes a line shorter and never longer than the terminal.
fn column(c: char) -> usize {
    if c < '\u{1100}' {
        1
    } else {
        2
    }
}

fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// The beginning of a line that fits into `width` columns; colours take none.
pub fn fit(line: &str, width: usize) -> String {
    let mut out = String::new();
    let (mut used, mut escape) = (0, false);
    for c in line.chars() {
        if c == '\x1b' {
            escape = true;
        }
        if !escape {
            used += column(c);
            if used > width {
                continue;
            }
        }
        escape &= !c.is_ascii_alphabetic();
        out.push(c);
    }
    out
}

/// The end of a path, which tells more than its beginning.
fn fit_end(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut used = 3;
    let start = text.char_indices().rev().take_while(|(_, c)| {
        used += column(*c);
        used <= width
    });
    let start = start.last().map_or(text.len(), |(at, _)| at);
    format!("...{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::{at, full};
    use super::*;

    fn with(outcome: Outcome) -> JobStatus {
        let mut job = full();
        job.last_success = Some(at(950));
        if let Some(last) = &mut job.last {
            last.outcome = outcome;
        }
        job
    }

    #[test]
    fn health_is_told_by_the_last_sync_and_by_the_age_of_the_last_success() {
        let now = at(1000).mono;
        for outcome in Outcome::ALL {
            use Outcome::{Busy, Success, Warning};
            let expected = if matches!(outcome, Success | Warning | Busy) { Health::Ok } else { Health::Failing };
            assert_eq!(health(&with(outcome), now), expected, "{outcome}");
            assert_eq!(health(&with(outcome), at(1040).mono), expected, "{outcome}");
            assert_eq!(health(&with(outcome), at(1041).mono), Health::Stale, "{outcome}");
            let off = JobStatus { state: State::Disabled, ..with(outcome) };
            assert_eq!(health(&off, at(1041).mono), Health::Off);
            let never = JobStatus { stale_after: None, ..with(outcome) };
            assert_eq!(health(&never, at(10_000).mono), expected);
        }
        let hangs = JobStatus { state: State::Unkillable, ..with(Outcome::Success) };
        assert_eq!(health(&hangs, now), Health::Failing);
    }

    #[test]
    fn before_the_first_success_the_start_counts() {
        let new = JobStatus { last: None, last_success: None, ..full() };
        assert_eq!(health(&new, at(190).mono), Health::Ok);
        assert_eq!(health(&new, at(191).mono), Health::Stale);
    }

    #[test]
    fn columns_stand_under_their_titles_with_and_without_colours() {
        let mut other = with(Outcome::Success);
        other.name = "a-long-name".into();
        other.state = State::Waiting;
        let jobs = [full(), other];
        let plain = table(&jobs, at(1000).mono, false);
        assert_eq!(
            plain,
            [
                "JOB          HEALTH     STATE    FOR    NEXT    LAST SYNC                            ENDED   LAST SUCCESS",
                "media        stale (2)  syncing  1m40s  in 30s  transient, 10 RERR_SOCKETIO          2m ago  5m ago",
                "a-long-name  ok         waiting  1m40s  in 30s  success, 1 file, 2.0 KiB, took 1.2s  2m ago  50s ago",
            ]
        );
        for (painted, plain) in table(&jobs, at(1000).mono, true).iter().zip(&plain) {
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
    fn a_bar_is_never_wider_than_the_terminal() {
        let mut job = full();
        job.current_file = Some("films/日本語/überlang/ein sehr langer Name mit viel Text.mp4".into());
        for width in 0..200 {
            for line in bars(&[job.clone()], width) {
                assert!(columns(&line) <= width, "{width}: {line}");
            }
        }
        assert_eq!(
            bars(&[full()], 100),
            ["media  [##########--------------]   ~45%  45.0 MiB  3.0 MiB/s  18s left  films/a = b.mp4"]
        );
        assert_eq!(bars(&[with(Outcome::Success)], 40), ["media   ~45%  45.0 MiB  3.0 MiB/s  18s l"]);
    }

    #[test]
    fn only_a_running_transfer_has_a_bar() {
        let waiting = JobStatus { state: State::Waiting, ..full() };
        let silent = JobStatus { progress: None, ..full() };
        assert!(bars(&[waiting, silent], 80).is_empty());
    }

    #[test]
    fn time_left_is_rsyncs_or_worked_out() {
        let progress = |percent, seconds, transferred| Progress {
            bytes: 1000,
            rate: 10,
            percent,
            seconds,
            transferred,
            ..Progress::default()
        };
        let left = |p| time_left(&p).map(|left| left.as_secs());
        assert_eq!(left(progress(50, 77, None)), Some(77));
        assert_eq!(left(progress(50, 77, Some(3))), Some(100));
        assert_eq!(left(progress(0, 0, None)), None);
        assert_eq!(left(progress(100, 77, None)), None);
        assert_eq!(left(Progress { rate: 0, ..progress(50, 0, None) }), None);
    }

    #[test]
    fn summary_counts_what_matters() {
        let now = at(1000).mono;
        assert_eq!(summary(&[], now), "0 jobs");
        let waiting = JobStatus { state: State::Waiting, ..with(Outcome::Success) };
        assert_eq!(summary(std::slice::from_ref(&waiting), now), "1 job");
        let failing = JobStatus { state: State::Waiting, ..with(Outcome::Disk) };
        assert_eq!(summary(&[waiting, full(), failing], now), "3 jobs: 1 syncing, 1 failing, 1 stale");
    }

    #[test]
    fn cutting_keeps_colours() {
        assert_eq!(fit("\x1b[31mabc\x1b[0m", 2), "\x1b[31mab\x1b[0m");
        assert_eq!(fit_end("a/long/path", 8), ".../path");
    }
}
