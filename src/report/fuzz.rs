//! Arbitrary files for what reads them back, and arbitrary lines for the log.

use super::board::{LastRun, Stamp};
use super::log_bounds::{Memory, Said, Verdict};
use super::log_queue::{level, Queue, CAPACITY, STAMP};
use super::snapshot::Snapshot;
use super::status::VALUE_LIMIT;
use super::{bars, history as past, json, metrics, status as file, table};
use crate::job::Time;
use crate::text::{self, LineSplitter};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

fn now() -> Stamp {
    Stamp { mono: Time(Duration::from_secs(1000)), wall: UNIX_EPOCH + Duration::from_secs(1_795_618_800) }
}

fn is_plain(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

/// What is read of a status file is written again so that the same is read; what cannot be read is told on one line.
pub(crate) fn status(data: &[u8]) {
    match file::read(&String::from_utf8_lossy(data)) {
        Ok((daemon, jobs)) => {
            let snapshot = Snapshot::new(daemon, jobs, now());
            let text = file::render(&snapshot);
            is_plain(&text);
            let (daemon, jobs) = file::read(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
            let again = Snapshot::new(daemon, jobs, now());
            // Longer texts than irsync writes are cut, and would be cut once more.
            assert!(text.contains("…[+") || file::render(&again) == text, "it is not what was written: {text}");
            let shown = json::render(&snapshot);
            assert!(text::fuzz::is_json_line(&shown), "{shown:?}");
            for line in table::table(&snapshot, false).iter().chain(&table::reasons(&snapshot, false)) {
                is_plain(line);
            }
            for line in bars::bars(&snapshot, 80) {
                is_plain(&line);
            }
            let samples = metrics::render(&snapshot, true);
            let names: BTreeSet<&str> = snapshot.jobs.iter().map(|judged| judged.job.name.as_str()).collect();
            // No configuration has two jobs of one name, a file that somebody else has written may.
            assert!(names.len() < snapshot.jobs.len() || text::fuzz::are_samples(&samples), "{samples}");
            let _ = snapshot.is_bad();
        }
        Err(why) => {
            assert!(!why.is_empty() && !why.chars().any(char::is_control), "{why:?}");
            assert!(text::fuzz::is_json_line(&json::blind(&why)), "{why:?}");
        }
    }
}

/// The same of a history file.
pub(crate) fn history(data: &[u8]) {
    match past::read(&String::from_utf8_lossy(data)) {
        Ok(jobs) => {
            // Longer texts than irsync writes are cut, and would be cut once more.
            let as_written =
                |run: &&LastRun| run.reason.len().max(run.why.as_ref().map_or(0, String::len)) <= VALUE_LIMIT;
            for run in jobs.iter().flat_map(|job| &job.runs).map(|sync| &sync.run).filter(as_written) {
                let line = past::encode(run);
                is_plain(&line.replace('\t', ""));
                let again = past::decode(&line).unwrap_or_else(|| panic!("{line:?}"));
                assert_eq!(past::encode(&again), line, "it is not what was written");
            }
            let shown = json::history(false, &jobs, now());
            assert!(text::fuzz::is_json_line(&shown), "{shown:?}");
        }
        Err(why) => assert!(!why.chars().any(char::is_control), "{why:?}"),
    }
}

/// What a reader may be shown: at most so many bytes of a line, and nothing in them that a terminal obeys.
fn escaped(line: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    text::escape_into(&mut out, line, limit);
    let shown = std::str::from_utf8(&out).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    is_plain(&shown.replace('\n', "\0"));
    assert!(out.len() <= limit + "…[+18446744073709551615 bytes]".len(), "{} bytes", out.len());
    out
}

/// Each byte is something that happens to the queue, which a few lines fill here: a line is logged by a child or by irsync, or all
/// lines at once, the writer takes what waits and has written it, or time passes. The rest of the data are the lines.
pub(crate) fn log(data: &[u8]) {
    let (orders, lines) = data.split_at(data.len().min(48));
    for limit in [0, 1, 17, 4096] {
        escaped(lines, limit);
    }
    let mut records = Vec::new();
    let mut splitter = LineSplitter::default();
    let mut sink = |record: text::Record| {
        assert!(!record.bytes.is_empty() && !record.bytes.iter().any(|byte| b"\r\n".contains(byte)));
        // Whatever a child says, the name of its job comes first.
        records.push([&b"[WARN] a: "[..], &escaped(record.bytes, 300), b"\n"].concat());
    };
    splitter.push(lines, &mut sink);
    splitter.finish(&mut sink);
    records.push(b"[INFO] synced\n".to_vec());

    let (mut queue, mut memory, mut child) = (Queue::default(), Memory::default(), Said::default());
    let (mut clock, mut logged) = (1_795_618_800, Logged::default());
    for order in orders {
        let line = &records[usize::from(order >> 3) % records.len()];
        match order & 7 {
            0 | 1 => {
                queue.append_or_lose(clock, line);
                logged.lines.push((line, false));
            }
            2 => {
                queue.append_own(clock, line);
                logged.lines.push((line, true));
            }
            3 => {
                queue.append_or_lose(clock, &records.concat());
                logged.lines.extend(records.iter().map(|line| (&line[..], false)));
            }
            4 => logged.take(&mut queue, clock),
            5 => queue.end_repeats(clock),
            6 => clock -= 40,
            _ => clock += u64::from(*order),
        }
        let now = Time(Duration::from_secs(clock));
        let _ = memory.judge(line, &mut child, now);
        assert_ne!(memory.judge(line, &mut Said::default(), now), Verdict::Log, "logged twice in a second");
    }
    queue.end_repeats(clock);
    logged.take(&mut queue, clock);
    logged.take(&mut queue, clock);
    assert!(queue.is_idle());
    assert_eq!(logged.told, logged.lines.len(), "a line came to nothing, and nobody told");
}

/// What was logged, and how much of it the writer has got or was told of, in the same order.
#[derive(Default)]
struct Logged<'l> {
    /// The lines, and whether they are irsync's own.
    lines: Vec<(&'l [u8], bool)>,
    told: usize,
    /// The last line that was written.
    last: &'l [u8],
}

impl Logged<'_> {
    fn take(&mut self, queue: &mut Queue, clock: u64) {
        let mut batch = Vec::new();
        queue.take(clock, &mut batch);
        assert!(batch.len() <= CAPACITY + 100, "{} bytes wait", batch.len());
        let text = std::str::from_utf8(&batch).unwrap_or_else(|error| panic!("{error}: {batch:?}"));
        for record in text.split_inclusive('\n') {
            let (stamp, line) = record.split_at(STAMP);
            assert!(stamp.ends_with("Z ") && line.ends_with('\n'), "{record:?}");
            self.tell(line);
        }
        queue.written();
        if queue.is_idle() {
            queue.shrink();
        }
    }

    fn tell(&mut self, line: &str) {
        let number = |from: &str, to: &str| line.strip_prefix(from)?.strip_suffix(to)?.parse::<usize>().ok();
        let told = |from: &str, one: &str, more: &str| number(from, one).or_else(|| number(from, more));
        let level = std::str::from_utf8(level(self.last)).unwrap_or_default();
        if let Some((next, _)) = self.lines.get(self.told).filter(|(next, _)| *next == line.as_bytes()) {
            self.last = next;
            self.told += 1;
        } else if let Some(repeats) = told(&format!("{level}last line repeated "), " time\n", " times\n") {
            let repeated = &self.lines[self.told..][..repeats];
            assert!(repeated.iter().all(|(next, own)| *next == self.last && !own), "{line:?} is not true");
            self.told += repeats;
        } else {
            let lost =
                told("[WARN] ", " log line lost: the log was too slow\n", " log lines lost: the log was too slow\n");
            let lost = lost.unwrap_or_else(|| panic!("not what was logged: {line:?}"));
            assert!(lost > 0 && self.told + lost <= self.lines.len(), "{line:?} is not true");
            self.told += lost;
        }
    }
}
