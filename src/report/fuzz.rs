//! Arbitrary files for what reads them back, and arbitrary lines for the log.

use super::board::{LastRun, Stamp};
use super::log_bounds::{Memory, Said};
use super::log_queue::{Queue, CAPACITY, STAMP};
use super::snapshot::Snapshot;
use super::status::VALUE_LIMIT;
use super::{bars, history as past, json, metrics, status as file, table};
use crate::job::Time;
use crate::text::{self, LineSplitter};
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
            assert!(shown.ends_with('\n') && shown.matches('\n').count() == 1, "{shown:?}");
            for line in table::table(&snapshot, false).iter().chain(&table::reasons(&snapshot, false)) {
                is_plain(line);
            }
            for line in bars::bars(&snapshot, 80) {
                is_plain(&line);
            }
            let _ = (metrics::render(&snapshot, true), snapshot.is_bad());
        }
        Err(why) => {
            assert!(!why.is_empty() && !why.chars().any(char::is_control), "{why:?}");
            let _ = json::blind(&why);
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
            assert!(shown.ends_with('\n') && shown.matches('\n').count() == 1, "{shown:?}");
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

/// Each byte is something that happens to the queue: a line is logged by a child or by irsync, the writer takes what waits,
/// has written it, or time passes. The rest of the data are the lines.
pub(crate) fn log(data: &[u8]) {
    let (orders, lines) = data.split_at(data.len().min(24));
    for limit in [0, 1, 17, 4096] {
        escaped(lines, limit);
    }
    let mut records = Vec::new();
    let mut splitter = LineSplitter::default();
    let mut sink = |record: text::Record| {
        assert!(!record.bytes.is_empty() && !record.bytes.iter().any(|byte| b"\r\n".contains(byte)));
        records.push([&b"[WARN] "[..], &escaped(record.bytes, 300), b"\n"].concat());
    };
    splitter.push(lines, &mut sink);
    splitter.finish(&mut sink);
    records.push(b"[INFO] synced\n".to_vec());

    let (mut queue, mut memory, mut said) = (Queue::default(), Memory::default(), Said::default());
    let (mut clock, mut logged, mut written) = (1_795_618_800, 0, Counted::default());
    let mut flooded = false;
    for order in orders {
        let line = &records[usize::from(order >> 3) % records.len()];
        match order & 7 {
            0 | 1 => {
                queue.append_or_lose(clock, line);
                logged += 1;
            }
            2 => {
                queue.append_own(clock, line);
                logged += 1;
            }
            3 if !flooded => {
                // Enough to fill it, once.
                let lines = usize::from(order >> 3) * 30;
                queue.append_or_lose(clock, &[&line[..], b"[INFO] another\n"].concat().repeat(lines));
                (logged, flooded) = (logged + 2 * lines as u64, true);
            }
            4 => written.take(&mut queue, clock),
            5 => queue.end_repeats(clock),
            6 => clock -= 40,
            _ => clock += u64::from(*order),
        }
        let _ = memory.judge(line, &mut said, Time(Duration::from_secs(clock)));
    }
    queue.end_repeats(clock);
    written.take(&mut queue, clock);
    written.take(&mut queue, clock);
    assert!(queue.is_idle());
    assert_eq!(logged, written.lines + written.repeated + written.lost, "a line came to nothing, and nobody told");
}

/// What the writer has got.
#[derive(Default)]
struct Counted {
    lines: u64,
    repeated: u64,
    lost: u64,
}

impl Counted {
    fn take(&mut self, queue: &mut Queue, clock: u64) {
        let mut batch = Vec::new();
        queue.take(clock, &mut batch);
        assert!(batch.len() <= CAPACITY + 100, "{} bytes wait", batch.len());
        for record in batch.split_inclusive(|&byte| byte == b'\n') {
            let text = std::str::from_utf8(record).unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert!(text.ends_with('\n') && text.is_char_boundary(STAMP), "{text:?}");
            let (stamp, line) = text.split_at(STAMP);
            assert!(stamp.ends_with("Z "), "{text:?}");
            let number = |from: &str, to: &str| line.strip_prefix(from)?.strip_suffix(to)?.parse::<u64>().ok();
            let told = |from: &str, one: &str, more: &str| number(from, one).or_else(|| number(from, more));
            let repeats = ["[WARN] ", "[INFO] "]
                .into_iter()
                .find_map(|level| told(&format!("{level}last line repeated "), " time\n", " times\n"));
            if let Some(lost) =
                told("[WARN] ", " log line lost: the log was too slow\n", " log lines lost: the log was too slow\n")
            {
                self.lost += lost;
            } else if let Some(repeats) = repeats {
                self.repeated += repeats;
            } else {
                self.lines += 1;
            }
        }
        queue.written();
        if queue.is_idle() {
            queue.shrink();
        }
    }
}
