//! The last syncs of each job: kept in memory, written beside the status file in one file, and read back.
//!
//! A sync is one line, `sync = ` and its values between tabs. Those in a row that succeeded and brought nothing new are one line,
//! `quiet = `, how many they are, when the first one ended, and the values of the last one: what the owner looks for is not pushed
//! out by them. A device that runs for years keeps no more than [`KEPT`] short texts for each job. What is not known is empty.

use super::board::{Kind, LastRun, Stamp};
use super::human::{Bytes, Span};
use super::snapshot::Snapshot;
use super::status::{parse_seconds, safe, seconds, sections, wall, VALUE_LIMIT};
use super::table::{lay_out, name_of, past, Cell, BOLD, PLAIN, RED};
use super::utc;
use crate::job::{Outcome, Time};
use std::collections::VecDeque;
use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

/// Lines of each job that are kept.
pub(crate) const KEPT: usize = 50;
/// What the name of the status file gets.
const SUFFIX: &str = ".history";
/// The key of a sync that changed something or failed.
const SYNC: &str = "sync";
/// The key of those in a row that succeeded and brought nothing new.
const QUIET: &str = "quiet";

/// Where the history of the irsync with this status file is.
pub(crate) fn path(status_file: &Path) -> PathBuf {
    let mut path = status_file.as_os_str().to_owned();
    path.push(SUFFIX);
    path.into()
}

/// The last syncs of all jobs, to which every worker adds.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    jobs: Vec<(String, VecDeque<Line>)>,
    unwritten: Unwritten,
}

/// A sync as it stands in the file.
#[derive(Debug)]
struct Line {
    /// It succeeded and brought nothing new, like so many in a row of which it is the last; when the first of them ended.
    quiet: Option<(u32, Time)>,
    values: Box<str>,
}

/// What is not in the file yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Unwritten {
    #[default]
    Nothing,
    /// Syncs that changed nothing and did not fail.
    Routine,
    /// Something that people look for.
    Notable,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sync of a job has ended. `notable`: it changed something or failed.
    pub(crate) fn add(&self, job: &str, run: &LastRun, notable: bool) {
        let mut kept = self.lock();
        kept.unwritten = kept.unwritten.max(if notable { Unwritten::Notable } else { Unwritten::Routine });
        let at = kept.jobs.iter().position(|(name, _)| name == job).unwrap_or_else(|| {
            kept.jobs.push((job.to_owned(), VecDeque::new()));
            kept.jobs.len() - 1
        });
        let runs = &mut kept.jobs[at].1;
        let mut quiet = (!notable && run.outcome == Outcome::Success).then_some((1, run.ended.mono));
        if let (Some((count, first)), Some(Line { quiet: Some((before, since)), .. })) = (&mut quiet, runs.back()) {
            (*count, *first) = (before.saturating_add(1), *since);
            runs.pop_back();
        }
        if runs.len() == KEPT {
            runs.pop_front();
        }
        runs.push_back(Line { quiet, values: encode(run).into() });
    }

    /// The file's new text if it has to be written: at once if there is something notable, with everything else only if
    /// `patience` has run out. Jobs that are not in the snapshot any more are forgotten.
    pub(crate) fn to_write(&self, patience_over: bool, snapshot: &Snapshot) -> Option<String> {
        let mut kept = self.lock();
        let due = match kept.unwritten {
            Unwritten::Nothing => false,
            Unwritten::Routine => patience_over,
            Unwritten::Notable => true,
        };
        if !due {
            return None;
        }
        kept.unwritten = Unwritten::Nothing;
        let place = |name: &str| snapshot.jobs.iter().position(|judged| judged.job.name == name);
        kept.jobs.retain(|(name, _)| place(name).is_some());
        kept.jobs.sort_by_key(|(name, _)| place(name));
        let mut text = String::from("; irsync's history; read it with `irsync history`\n");
        for (name, runs) in &kept.jobs {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n[job:{name}]");
            for Line { quiet, values } in runs {
                let _ = match quiet {
                    Some((count, first)) => writeln!(text, "{QUIET} = {count}\t{}\t{values}", seconds(first.0)),
                    None => writeln!(text, "{SYNC} = {values}"),
                };
            }
        }
        Some(text)
    }
}

pub(super) fn encode(run: &LastRun) -> String {
    fn known<T: Display>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    // Tabs of others are escaped, so none stands within a value.
    let parts = [
        seconds(run.ended.mono.0),
        run.outcome.name().to_owned(),
        known(run.code),
        seconds(run.duration),
        known(run.files),
        known(run.bytes),
        known(run.fetched),
        known(run.resumed),
        run.kind.map_or("", Kind::name).to_owned(),
        safe(&run.reason, VALUE_LIMIT),
        safe(run.why.as_deref().unwrap_or_default(), VALUE_LIMIT),
    ];
    parts.join("\t")
}

pub(super) fn decode(text: &str) -> Option<LastRun> {
    fn known<T: std::str::FromStr>(part: &str) -> Option<Option<T>> {
        if part.is_empty() {
            Some(None)
        } else {
            part.parse().ok().map(Some)
        }
    }
    let parts: Vec<&str> = text.split('\t').collect();
    let [ended, outcome, code, duration, files, bytes, fetched, resumed, kind, reason, why] = parts[..] else {
        return None;
    };
    let clean = |text: &str| safe(text, VALUE_LIMIT * 2);
    Some(LastRun {
        ended: Stamp { mono: Time(parse_seconds(ended)?), wall: UNIX_EPOCH },
        outcome: Outcome::ALL.into_iter().find(|known| known.name() == outcome)?,
        code: known(code)?,
        reason: clean(reason),
        kind: Kind::ALL.into_iter().find(|known| known.name() == kind),
        why: Some(clean(why)).filter(|why| !why.is_empty()),
        duration: parse_seconds(duration)?,
        files: known(files)?,
        bytes: known(bytes)?,
        fetched: known(fetched)?,
        resumed: known(resumed)?,
    })
}

/// The last syncs of a job, the newest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// The job's name.
    pub job: String,
    /// At most [`KEPT`].
    pub runs: Vec<Sync>,
}

/// A sync that has ended, or several in a row that succeeded and brought nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sync {
    /// How it ended; of several the last one.
    pub run: LastRun,
    /// How many they are.
    pub times: u32,
    /// When the first of them ended.
    pub first: Time,
}

impl Sync {
    fn read(key: &str, line: &str) -> Option<Sync> {
        if key == SYNC {
            let run = decode(line)?;
            return Some(Sync { times: 1, first: run.ended.mono, run });
        }
        let (times, rest) = line.split_once('\t')?;
        let (first, values) = rest.split_once('\t')?;
        Some(Sync { run: decode(values)?, times: times.parse().ok()?, first: Time(parse_seconds(first)?) })
    }
}

/// Reads the file back.
///
/// # Errors
/// The line that cannot be understood, safe to show.
pub(crate) fn read(text: &str) -> Result<Vec<Past>, String> {
    let mut jobs = Vec::new();
    for section in sections(text) {
        let Some(name) = section.name.strip_prefix("job:") else { continue };
        let lines = section.pairs.iter().filter(|(key, _)| [SYNC, QUIET].contains(key));
        let sync = |&(key, line): &(&str, &str)| Sync::read(key, line).ok_or_else(|| safe(line, VALUE_LIMIT));
        jobs.push(Past { job: name.to_owned(), runs: lines.map(sync).collect::<Result<_, String>>()? });
    }
    Ok(jobs)
}

/// A line for each sync under a line of titles; those in a row that brought nothing new are one line. `local` gives the local time
/// for seconds since 1970, if the clock is right.
pub(crate) fn table(jobs: &[Past], now: Stamp, local: impl Fn(u64) -> Option<String>, paint: bool) -> Vec<String> {
    let titles = ["JOB", "ENDED", "AT", "OUTCOME", "TOOK", "WHAT"];
    let mut rows: Vec<Vec<Cell>> = vec![titles.map(|title| (title.to_owned(), BOLD)).into()];
    let local = |ended: Time| local(utc::seconds(wall(ended, now)));
    for Past { job, runs } in jobs {
        for Sync { run, times, first } in runs {
            let mut cells = row(job, run, now, &local);
            if *times > 1 {
                let age = |ended| past(ended, now.mono);
                let (last, both) = (run.ended.mono, local(*first).zip(local(run.ended.mono)));
                let (from, to) = both.unwrap_or_else(|| (age(*first), age(last)));
                cells[3].0 = format!("{times} × {}", run.outcome.name());
                cells[4].0 = "-".into();
                cells[5].0 = format!("nothing new, from {from} to {to}");
            }
            rows.push(cells);
        }
    }
    lay_out(&rows, paint)
}

fn row(job: &str, run: &LastRun, now: Stamp, local: &impl Fn(Time) -> Option<String>) -> Vec<Cell> {
    let at = local(run.ended.mono).unwrap_or_else(|| "-".into());
    let colour = if run.outcome.is_success() { PLAIN } else { RED };
    vec![
        (job.to_owned(), PLAIN),
        (past(run.ended.mono, now.mono), PLAIN),
        (at, PLAIN),
        (run.outcome.name().to_owned(), colour),
        (Span(run.duration).to_string(), PLAIN),
        (what(run), PLAIN),
    ]
}

/// What was fetched, or why nothing was.
fn what(run: &LastRun) -> String {
    let mut parts = Vec::new();
    if run.outcome.is_success() {
        parts.extend(run.files.map(|files| format!("{files} {}", if files == 1 { "file" } else { "files" })));
        parts.extend(run.bytes.map(|bytes| Bytes(bytes).to_string()));
        return parts.join(", ");
    }
    match (&run.why, run.code) {
        (Some(why), Some(code)) => format!("{why}; code {code} ({})", run.reason),
        (Some(why), None) => format!("{}: {why}", run.reason),
        (None, _) => name_of(run),
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::JobStatus;
    use super::super::tests::seen;
    use super::super::tests::{at, full};
    use super::*;
    use std::time::Duration;

    fn run(ended: u64, outcome: Outcome) -> LastRun {
        let last = full().last.unwrap();
        match outcome.is_success() {
            true => LastRun { ended: at(ended), outcome, code: Some(0), why: None, reason: "RERR_OK".into(), ..last },
            false => LastRun { ended: at(ended), outcome, ..last },
        }
    }

    fn notable(run: &LastRun) -> Sync {
        Sync { run: run.clone(), times: 1, first: run.ended.mono }
    }

    /// A snapshot of jobs with these names.
    fn named(names: &[&str]) -> Snapshot {
        let jobs: Vec<JobStatus> = names.iter().map(|name| JobStatus { name: (*name).into(), ..full() }).collect();
        seen(&jobs, 1000)
    }

    #[test]
    fn what_is_written_is_read_back_in_the_order_of_the_jobs() {
        let history = History::default();
        let odd = LastRun {
            code: None,
            files: None,
            bytes: None,
            why: Some("a\tb\n[job:x]".into()),
            ..run(3, Outcome::Stalled)
        };
        history.add("b", &run(1, Outcome::Success), true);
        history.add("a", &odd, true);
        history.add("b", &run(2, Outcome::Transient), true);
        history.add("gone", &run(2, Outcome::Success), true);
        let text = history.to_write(false, &named(&["a", "b"])).unwrap();
        let escaped = LastRun { why: Some("a\\x09b\\x0a[job:x]".into()), ..odd };
        let past = |job: &str, runs: &[LastRun]| Past { job: job.into(), runs: runs.iter().map(notable).collect() };
        let expected = [past("a", &[escaped]), past("b", &[run(1, Outcome::Success), run(2, Outcome::Transient)])];
        assert_eq!(read(&text).unwrap(), expected, "{text}");
    }

    #[test]
    fn only_the_last_ones_are_kept_and_they_are_small() {
        let history = History::default();
        for ended in 0..1000 {
            history.add("a", &LastRun { why: Some("x".repeat(10_000)), ..run(ended, Outcome::Disk) }, true);
        }
        let text = history.to_write(false, &named(&["a"])).unwrap();
        let runs = read(&text).unwrap().remove(0).runs;
        let ended: Vec<Time> = runs.iter().map(|sync| sync.run.ended.mono).collect();
        assert_eq!(ended, (950..1000).map(|ended| at(ended).mono).collect::<Vec<_>>());
        assert!(text.len() < KEPT * 700, "{}", text.len());
    }

    #[test]
    fn routine_waits_for_patience_and_what_is_notable_does_not() {
        let history = History::default();
        let snapshot = named(&["a"]);
        let due = |patience_over| history.to_write(patience_over, &snapshot).is_some();
        assert!(!due(true), "nothing has happened");
        history.add("a", &run(1, Outcome::Success), false);
        assert!(!due(false) && due(true) && !due(true));
        history.add("a", &run(2, Outcome::Success), true);
        history.add("a", &run(3, Outcome::Success), false);
        assert!(due(false) && !due(true));
    }

    #[test]
    fn damaged_lines_are_errors() {
        let history = History::default();
        history.add("a", &run(1, Outcome::Transient), true);
        let text = history.to_write(false, &named(&["a"])).unwrap();
        assert!(read(&text).is_ok());
        for (good, bad) in
            [("transient", "triumph"), ("\t10\t", "\tx\t"), ("1.000", "1"), ("\t2048\t", "\t"), ("\t1.250", "\t\u{1b}")]
        {
            assert!(text.contains(good), "{good:?} is not in {text:?}");
            let why = read(&text.replacen(good, bad, 1)).unwrap_err();
            assert!(!why.chars().any(char::is_control), "{why:?}");
        }
        assert_eq!(read("; nothing yet\n[novelty]\nx = 1\n").unwrap(), []);
    }

    #[test]
    fn the_table_tells_age_local_time_and_reason() {
        let runs = [run(700, Outcome::Success), run(998, Outcome::Transient)];
        let jobs = [Past { job: "media".into(), runs: runs.iter().map(notable).collect() }];
        let now = Stamp { mono: at(1000).mono, wall: UNIX_EPOCH + Duration::from_secs(1_795_369_529) };
        assert_eq!(
            table(&jobs, now, |at| Some(utc::plain(at)), false),
            [
                "JOB    ENDED   AT                   OUTCOME    TOOK  WHAT",
                "media  5m ago  2026-11-22 17:40:29  success    1.2s  1 file, 2.0 KiB",
                "media  2s ago  2026-11-22 17:45:27  transient  1.2s  rsync: failed to connect to server: Connection refused (111); code 10 (RERR_SOCKETIO)",
            ]
        );
        assert!(table(&jobs, now, |_| None, false)[1].starts_with("media  5m ago  -   success"));
        assert!(table(&jobs, now, |_| None, true)[2].contains("\x1b[31mtransient\x1b[0m"));
    }

    #[test]
    fn a_failure_is_told_in_words_before_its_code() {
        let told = |code, why: Option<&str>| {
            what(&LastRun { code, why: why.map(str::to_owned), reason: "REASON".into(), ..run(1, Outcome::Skipped) })
        };
        assert_eq!(told(Some(5), Some("no")), "no; code 5 (REASON)");
        assert_eq!(told(Some(5), None), "code 5 (REASON)");
        assert_eq!(told(None, Some("no")), "REASON: no");
        assert_eq!(told(None, None), "REASON");
    }

    #[test]
    fn what_brought_nothing_new_in_a_row_is_one_line() {
        let history = History::default();
        let news = [5, 6, 8];
        for n in 0..12 {
            let outcome = if n == 6 { Outcome::Transient } else { Outcome::Success };
            history.add("a", &run(700 + n * 10, outcome), news.contains(&n));
        }
        // A warning is never folded: what has vanished may be missed.
        history.add("b", &run(900, Outcome::Warning), false);
        history.add("b", &run(901, Outcome::Warning), false);
        let jobs = read(&history.to_write(true, &named(&["a", "b"])).unwrap()).unwrap();
        let now = Stamp { mono: at(1000).mono, wall: UNIX_EPOCH + Duration::from_secs(1_795_369_529) };
        let lines = |local: bool| table(&jobs, now, |at| local.then(|| utc::plain(at)), false);
        let told: Vec<String> = lines(false)
            .iter()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|"))
            .collect();
        let failure = "rsync: failed to connect to server: Connection refused (111); code 10 (RERR_SOCKETIO)";
        assert_eq!(
            told[1..],
            [
                "a|4m20s ago|-|5 × success|-|nothing new, from 5m ago to 4m20s ago".to_owned(),
                "a|4m10s ago|-|success|1.2s|1 file, 2.0 KiB".into(),
                format!("a|4m ago|-|transient|1.2s|{failure}"),
                "a|3m50s ago|-|success|1.2s|1 file, 2.0 KiB".into(),
                "a|3m40s ago|-|success|1.2s|1 file, 2.0 KiB".into(),
                "a|3m10s ago|-|3 × success|-|nothing new, from 3m30s ago to 3m10s ago".into(),
                "b|1m40s ago|-|warning|1.2s|1 file, 2.0 KiB".into(),
                "b|1m39s ago|-|warning|1.2s|1 file, 2.0 KiB".into(),
            ]
        );
        assert!(
            lines(true)[1].ends_with("  nothing new, from 2026-11-22 17:40:29 to 2026-11-22 17:41:09"),
            "{:?}",
            lines(true)
        );
        assert!(read("[job:a]\nquiet = x\t1.000\t1.000\n").is_err());
    }

    #[test]
    fn what_is_kept_reaches_back_over_what_mattered() {
        let history = History::default();
        for n in 0..10_000 {
            history.add("a", &run(n, Outcome::Success), n % 1000 == 500);
        }
        let syncs = read(&history.to_write(true, &named(&["a"])).unwrap()).unwrap().remove(0).runs;
        let told: Vec<_> = syncs.iter().map(|sync| (sync.times, sync.first, sync.run.ended.mono)).collect();
        assert_eq!((told.len(), told[0]), (21, (500, at(0).mono, at(499).mono)));
        assert_eq!(told[19..], [(1, at(9500).mono, at(9500).mono), (499, at(9501).mono, at(9999).mono)]);
    }
}
