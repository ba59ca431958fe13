//! What waits to be logged: bounded memory between those who log, who must never wait, and the one thread that writes.
//!
//! A record is `TIME [LEVEL] text\n`. What does not fit is dropped and counted, and the count becomes a record as soon as
//! there is room. Lines that repeat the one before are counted instead, as syslogd does it.

use super::utc;
use crate::text::line_end;
use std::io::Write;
use std::ops::Range;

/// Bytes that may wait, those included that are being written. Few enough for `fuzz/` to fill it again and again.
pub(super) const CAPACITY: usize = if cfg!(feature = "fuzzing") { 2 * 1024 } else { 256 * 1024 };
/// What an idle queue keeps.
const KEPT_WHEN_IDLE: usize = 4 * 1024;
/// The length of `2026-11-22T17:45:29Z ` before every record.
pub(super) const STAMP: usize = 21;
/// A line that keeps repeating is reported at the first repetition after this many seconds.
const REPORT_AFTER: u64 = 60;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<u8>,
    /// Bytes that the writer has taken and not yet finished.
    writing: usize,
    /// Where the last line stands in `waiting`, to compare with; None when it was taken, or after a loss.
    last_at: Option<Range<usize>>,
    /// The last line if it was taken; empty after a loss.
    last_taken: Vec<u8>,
    repeats: u64,
    repeating_since: u64,
    lost: u64,
    /// The second that `stamp` shows.
    second: u64,
    stamp: Vec<u8>,
}

impl Queue {
    /// Takes lines of the form `[LEVEL] text\n`, logged at `now` (seconds since 1970), as far as there is room; gives those
    /// that are left.
    #[must_use]
    pub(super) fn append<'a>(&mut self, now: u64, lines: &'a [u8]) -> &'a [u8] {
        self.set_time(now);
        self.waiting.reserve(lines.len().min(CAPACITY.saturating_sub(self.waiting.len())));
        let mut rest = lines;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(line_end(rest).map_or(rest.len(), |at| at + 1));
            if !(self.repeats(line) || self.report_repeats() && self.store(line)) {
                break;
            }
            rest = after;
        }
        rest
    }

    /// The same; what there is no room for is dropped, counted and told later.
    pub(super) fn append_or_lose(&mut self, now: u64, lines: &[u8]) {
        let mut rest = self.append(now, lines);
        while !rest.is_empty() {
            self.lose_repeats();
            self.lose(1);
            rest = self.append(now, &rest[line_end(rest).map_or(rest.len(), |at| at + 1)..]);
        }
    }

    /// Whether the line is the last one once more, which is counted.
    fn repeats(&mut self, line: &[u8]) -> bool {
        if line != self.last() {
            return false;
        }
        if self.repeats == 0 {
            self.repeating_since = self.second;
        }
        self.repeats += 1;
        // The clock may have been set back; then the report waits for another line.
        if self.second.saturating_sub(self.repeating_since) >= REPORT_AFTER {
            self.report_repeats();
        }
        true
    }

    fn last(&self) -> &[u8] {
        self.last_at.as_ref().map_or(&self.last_taken, |at| &self.waiting[at.clone()])
    }

    fn forget_last(&mut self) {
        self.last_at = None;
        self.last_taken.clear();
    }

    /// Takes a record of irsync's own: never counted as a repetition, since each finished sync is one line of the log.
    pub(super) fn append_own(&mut self, now: u64, line: &[u8]) {
        self.end_repeats(now);
        self.forget_last();
        self.append_or_lose(now, line);
    }

    /// Reports the repetitions that wait for another line to follow.
    pub(super) fn end_repeats(&mut self, now: u64) {
        self.set_time(now);
        if !self.report_repeats() {
            self.lose_repeats();
        }
    }

    /// Moves what waits into `batch`, which is empty; false if there is nothing.
    pub(super) fn take(&mut self, now: u64, batch: &mut Vec<u8>) -> bool {
        self.set_time(now);
        if let Some(at) = self.last_at.take() {
            self.last_taken.clear();
            self.last_taken.extend_from_slice(&self.waiting[at]);
        }
        std::mem::swap(&mut self.waiting, batch);
        if self.lost > 0 {
            batch.extend_from_slice(&self.stamp);
            loss(batch, self.lost);
            self.lost = 0;
        }
        self.writing = batch.len();
        self.writing > 0
    }

    /// The batch that was taken has been written or given up.
    pub(super) fn written(&mut self) {
        self.writing = 0;
    }

    /// Nothing waits and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.writing == 0 && self.lost == 0
    }

    /// Whether the writer has something to fetch.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.lost > 0
    }

    /// Gives memory back. The waiting part must be empty.
    pub(super) fn shrink(&mut self) {
        self.waiting.shrink_to(KEPT_WHEN_IDLE);
    }

    fn set_time(&mut self, now: u64) {
        if self.second != now || self.stamp.is_empty() {
            self.second = now;
            self.stamp.clear();
            self.stamp.extend_from_slice(&utc::rfc3339(now));
            self.stamp.push(b' ');
        }
    }

    /// False: there is no room to report them.
    fn report_repeats(&mut self) -> bool {
        let repeats = self.repeats;
        if repeats == 0 {
            return true;
        }
        let mut report = level(self.last()).to_vec();
        let times = if repeats == 1 { "time" } else { "times" };
        // Writing to a Vec cannot fail.
        let _ = writeln!(report, "last line repeated {repeats} {times}");
        let last = self.last_at.clone();
        if !self.store(&report) {
            return false;
        }
        // The report is not what the next line is compared with.
        self.last_at = last;
        self.repeats = 0;
        true
    }

    fn lose_repeats(&mut self) {
        let repeats = std::mem::take(&mut self.repeats);
        self.lose(repeats);
    }

    /// Stores one line, and before it how many were lost. False: there is no room.
    fn store(&mut self, line: &[u8]) -> bool {
        let mut before = Vec::new();
        let mut need = STAMP + line.len();
        let room = CAPACITY.saturating_sub(self.waiting.len() + self.writing);
        if self.lost > 0 && need <= room {
            before.extend_from_slice(&self.stamp);
            loss(&mut before, self.lost);
            need += before.len();
        }
        if need > room {
            return false;
        }
        if self.lost > 0 {
            self.waiting.extend_from_slice(&before);
            self.lost = 0;
        }
        self.waiting.extend_from_slice(&self.stamp);
        self.waiting.extend_from_slice(line);
        let end = self.waiting.len();
        self.last_at = Some(end - line.len()..end);
        true
    }

    fn lose(&mut self, lines: u64) {
        self.lost += lines;
        self.forget_last();
    }
}

/// `[LEVEL] ` at the start of a line.
pub(super) fn level(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|&b| b == b' ').map_or(0, |i| i + 1);
    &line[..end]
}

fn loss(out: &mut Vec<u8>, lost: u64) {
    let lines = if lost == 1 { "line" } else { "lines" };
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "[WARN] {lost} log {lines} lost: the log was too slow");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue, now: u64) -> String {
        let mut batch = Vec::new();
        queue.take(now, &mut batch);
        queue.written();
        String::from_utf8(batch).unwrap()
    }

    /// The records without time.
    fn texts(queue: &mut Queue) -> Vec<String> {
        drain(queue, 0).lines().map(|line| line[STAMP..].to_string()).collect()
    }

    #[test]
    fn every_record_has_the_time_it_was_logged_at() {
        let mut queue = Queue::default();
        queue.append_or_lose(0, b"[INFO] a\n[INFO] b\n");
        queue.append_or_lose(61, b"[INFO] c\n");
        let expected = "1970-01-01T00:00:00Z [INFO] a\n1970-01-01T00:00:00Z [INFO] b\n1970-01-01T00:01:01Z [INFO] c\n";
        assert_eq!(drain(&mut queue, 100), expected);
        assert!(queue.is_idle());
    }

    #[test]
    fn repeated_lines_are_counted_until_another_one_follows() {
        let mut queue = Queue::default();
        queue.append_or_lose(0, b"[WARN] a\n");
        assert_eq!(texts(&mut queue), ["[WARN] a"]);
        queue.append_or_lose(1, b"[WARN] a\n[WARN] a\n");
        assert!(queue.is_idle(), "a repetition alone must not wake the writer");
        queue.append_or_lose(2, b"[INFO] b\n[INFO] b\n[INFO] c\n");
        assert_eq!(
            texts(&mut queue),
            ["[WARN] last line repeated 2 times", "[INFO] b", "[INFO] last line repeated 1 time", "[INFO] c"]
        );
        queue.append_or_lose(3, b"[INFO] c\n");
        queue.end_repeats(3);
        assert_eq!(texts(&mut queue), ["[INFO] last line repeated 1 time"]);
    }

    #[test]
    fn records_of_irsync_itself_are_never_taken_for_repetitions() {
        let mut queue = Queue::default();
        queue.append_own(0, b"[INFO] media: sync success\n");
        queue.append_own(0, b"[INFO] media: sync success\n");
        queue.append_or_lose(0, b"[DEBUG] media: rsync: x\n[DEBUG] media: rsync: x\n");
        queue.append_own(0, b"[INFO] media: sync success\n");
        let expected = [
            "[INFO] media: sync success",
            "[INFO] media: sync success",
            "[DEBUG] media: rsync: x",
            "[DEBUG] last line repeated 1 time",
            "[INFO] media: sync success",
        ];
        assert_eq!(texts(&mut queue), expected);
    }

    #[test]
    fn a_line_that_never_stops_repeating_is_reported_now_and_then() {
        let mut queue = Queue::default();
        for now in 0..=REPORT_AFTER + 1 {
            queue.append_or_lose(now, b"[INFO] a\n");
        }
        assert_eq!(texts(&mut queue), ["[INFO] a", "[INFO] last line repeated 61 times"]);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_when_there_is_room() {
        let mut queue = Queue::default();
        let sent = 10_000;
        for i in 0..sent {
            queue.append_or_lose(0, format!("[INFO] line {i} {}\n", "x".repeat(60)).as_bytes());
        }
        assert!(queue.waiting.len() <= CAPACITY);
        let kept = texts(&mut queue);
        let (last, lines) = kept.split_last().unwrap();
        assert_eq!(*last, format!("[WARN] {} log lines lost: the log was too slow", sent - lines.len()));
        assert!(queue.is_idle());
    }

    #[test]
    fn a_loss_is_told_before_the_next_line_and_what_is_being_written_counts() {
        let mut queue = Queue::default();
        let big = [b"[INFO] ".as_slice(), &vec![b'x'; CAPACITY - 100], b"\n"].concat();
        queue.append_or_lose(0, &big);
        let mut batch = Vec::new();
        assert!(queue.take(0, &mut batch));
        queue.append_or_lose(0, &[b"[INFO] y".as_slice(), &[b'y'; 100], b"\n"].concat());
        queue.append_or_lose(0, b"[INFO] z\n");
        queue.written();
        queue.append_or_lose(0, b"[INFO] after\n");
        // The short line would fit, but not with the report of the loss before it.
        assert_eq!(texts(&mut queue), ["[WARN] 2 log lines lost: the log was too slow", "[INFO] after"]);
    }

    #[test]
    fn repetitions_that_cannot_be_reported_are_lost_lines() {
        let mut queue = Queue::default();
        queue.append_or_lose(0, b"[INFO] a\n[INFO] a\n[INFO] a\n");
        queue.writing = CAPACITY;
        queue.append_or_lose(0, b"[INFO] b\n");
        queue.written();
        assert_eq!(texts(&mut queue), ["[INFO] a", "[WARN] 3 log lines lost: the log was too slow"]);
    }

    #[test]
    fn an_idle_queue_gives_its_memory_back() {
        let mut queue = Queue::default();
        let mut batch = Vec::with_capacity(CAPACITY);
        queue.append_or_lose(0, b"[INFO] a line\n");
        queue.take(0, &mut batch);
        assert!(queue.waiting.capacity() >= CAPACITY, "the two buffers change places");
        queue.shrink();
        assert!(queue.waiting.capacity() <= KEPT_WHEN_IDLE);
    }
}
