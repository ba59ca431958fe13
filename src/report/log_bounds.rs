//! How much of what a job's children say goes to the log: a card has to live for years with it.
//!
//! A line that was logged within the hour is for `debug`; what one child says is bounded, and what all of them say in an
//! hour. The rest is counted.

use crate::job::narrator::HOUR;
use crate::job::Time;
use crate::text;

/// What one child may say.
const LINES: u32 = 100;
const BYTES: usize = 32 * 1024;
/// What all children of a job may say in an hour.
const LINES_AN_HOUR: u32 = 4 * LINES;
const BYTES_AN_HOUR: usize = 4 * BYTES;
/// So many lines are remembered: more than one child may say.
const REMEMBERED: usize = 256;

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is news.
    Log,
    /// It was logged before, within the hour.
    Repeats,
    /// There were too many before it.
    TooMuch,
}

/// What a job's children have said within the hour.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The kind of a line and the second in which it was logged; the oldest is replaced.
    told: Vec<(u32, u32)>,
    next: usize,
    hour: Time,
    said: Said,
}

/// What has been said: by one child, or by all in an hour.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    lines: u32,
    bytes: usize,
}

impl Said {
    fn is_within(self, lines: u32, bytes: usize) -> bool {
        self.lines < lines && self.bytes < bytes
    }

    fn add(&mut self, bytes: usize) {
        self.lines = self.lines.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Memory {
    /// A line of a child that has said so much before it.
    pub(crate) fn judge(&mut self, line: &[u8], child: &mut Said, now: Time) -> Verdict {
        let allowed = child.is_within(LINES, BYTES);
        child.add(line.len());
        if !allowed {
            return Verdict::TooMuch;
        }
        if !self.is_news(line, now) {
            return Verdict::Repeats;
        }
        if now.since(self.hour) >= HOUR {
            (self.hour, self.said) = (now, Said::default());
        }
        match self.said.is_within(LINES_AN_HOUR, BYTES_AN_HOUR) {
            true => {
                self.said.add(line.len());
                Verdict::Log
            }
            false => Verdict::TooMuch,
        }
    }

    /// Whether the line was not logged within the hour, up to numbers in it. It is taken for logged from now on.
    pub(crate) fn is_news(&mut self, line: &[u8], now: Time) -> bool {
        let kind = text::kind(line, true);
        let second = |at: Time| at.0.as_secs() as u32;
        let recent = |told: u32| second(now).saturating_sub(told) < HOUR.as_secs() as u32;
        match self.told.iter().position(|(known, _)| *known == kind) {
            Some(at) if recent(self.told[at].1) => return false,
            Some(at) => self.told[at].1 = second(now),
            None if self.told.len() < REMEMBERED => self.told.push((kind, second(now))),
            None => {
                self.told[self.next] = (kind, second(now));
                self.next = (self.next + 1) % REMEMBERED;
            }
        }
        true
    }

    /// Somebody wants to hear it all again.
    pub(crate) fn forget(&mut self) {
        self.told = Vec::new();
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    /// How many of these lines of one child are logged, and how many repeat others.
    fn logged(memory: &mut Memory, lines: impl Iterator<Item = String>, now: Time) -> (usize, usize) {
        let mut child = Said::default();
        let verdicts: Vec<Verdict> = lines.map(|line| memory.judge(line.as_bytes(), &mut child, now)).collect();
        let count = |verdict| verdicts.iter().filter(|one| **one == verdict).count();
        (count(Verdict::Log), count(Verdict::Repeats))
    }

    #[test]
    fn two_thousand_unreadable_files_are_a_hundred_lines_an_hour() {
        let lines =
            || (0..2000).map(|n| format!("rsync: send_files failed to open \"/src/{n}\": Permission denied (13)"));
        let mut memory = Memory::default();
        assert_eq!(logged(&mut memory, lines(), at(0)), (100, 0));
        for second in 1..3600 {
            assert_eq!(logged(&mut memory, lines(), at(second)), (0, 100), "at {second}");
        }
        assert_eq!(logged(&mut memory, lines(), at(3600)), (100, 0));
    }

    #[test]
    fn lines_that_are_always_new_are_bounded_by_the_hour() {
        let mut memory = Memory::default();
        let mut sum = 0;
        for second in 0..3600 {
            sum += logged(&mut memory, (0..2000).map(|n| format!("\"{second} {n}\"")), at(second)).0;
        }
        assert_eq!(sum, LINES_AN_HOUR as usize);
        assert_eq!(logged(&mut memory, (0..2000).map(|n| format!("\"x {n}\"")), at(3600)).0, LINES as usize);
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut memory = Memory::default();
        let long = |n: usize| format!("\"{n}\" {}", "x".repeat(8000));
        assert_eq!(logged(&mut memory, (0..2000).map(long), at(0)).0, BYTES / 8000 + 1);
        let bytes: usize =
            (1..100).map(|s| logged(&mut memory, (s * 2000..s * 2000 + 99).map(long), at(1)).0 * 8000).sum();
        assert!(bytes < BYTES_AN_HOUR + 8000, "{bytes}");
    }

    #[test]
    fn a_line_is_news_again_after_an_hour_or_when_it_was_forgotten() {
        let mut memory = Memory::default();
        assert!(memory.is_news(b"12 files copied", at(10)));
        assert!(!memory.is_news(b"7 files copied", at(3609)));
        assert!(memory.is_news(b"7 files copied", at(3610)));
        memory.forget();
        assert!(memory.is_news(b"7 files copied", at(3611)));
    }
}
