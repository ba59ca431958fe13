//! What rsync counted: the block of numbers that `--stats` puts at the end of its output.
//!
//! A server's message of the day and the names of files stand on the same stream and can say anything. So a number counts only in
//! a block that is whole and in rsync's own order, and of several blocks the last.

use super::number;

/// The numbers of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Files, folders and everything else in the list of what there is to copy.
    pub listed: Option<u64>,
    /// How many of them are folders (3.1 and later).
    pub listed_folders: Option<u64>,
    /// Regular files transferred.
    pub files: Option<u64>,
    /// Files of every kind created (3.1 and later).
    pub created: Option<u64>,
    /// Files of every kind deleted (3.1 and later on both sides).
    pub deleted: Option<u64>,
    /// Bytes sent.
    pub sent: Option<u64>,
    /// Bytes received.
    pub received: Option<u64>,
    /// Bytes of file data that had to come over the link.
    pub literal: Option<u64>,
    /// Bytes of file data that were here already: in the old file, or in the partial one of an interrupted sync.
    pub matched: Option<u64>,
    /// Size of the transferred files, bytes.
    pub transferred_size: Option<u64>,
}

/// Reads the numbers out of a run's stdout. Start a new one for each rsync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// The block that is being read.
    block: Counts,
    /// The place in [`LABELS`] of its latest line; None: no block has begun.
    at: Option<usize>,
    /// The last block that was whole.
    whole: Option<Counts>,
}

/// The labels in rsync's order (output_summary() in main.c). Some are left out by some versions, none comes twice.
const LABELS: &[&str] = &[
    "Number of files",
    "Number of created files",
    "Number of deleted files",
    "Number of regular files transferred",
    // 3.0
    "Number of files transferred",
    "Total file size",
    "Total transferred file size",
    "Literal data",
    "Matched data",
    "File list size",
    "File list generation time",
    "File list transfer time",
    "Total bytes sent",
    "Total bytes received",
];
const SENT: usize = LABELS.len();

impl Stats {
    /// Takes note of one line of stdout.
    #[inline]
    pub(crate) fn scan(&mut self, line: &[u8]) {
        // Of a long list no line begins so.
        if self.at.is_some() || line.starts_with(b"Number of files: ") {
            self.scan_block(line);
        }
    }

    #[inline(never)]
    fn scan_block(&mut self, line: &[u8]) {
        self.at = match std::str::from_utf8(line).ok().and_then(|line| self.next(line)) {
            Some(at) if at > SENT => {
                self.whole = Some(self.block);
                None
            }
            at => at,
        };
    }

    /// The place of a line in the block; None if it is no line of a block, or not in its turn.
    fn next(&mut self, line: &str) -> Option<usize> {
        if let Some(rest) = line.strip_prefix("sent ") {
            let mut words = rest.split_ascii_whitespace();
            let sent = words.next().and_then(number)?;
            let (bytes, label, received) = (words.next()?, words.next()?, words.next().and_then(number)?);
            let in_turn = self.at.is_some_and(|at| at < SENT) && (bytes, label) == ("bytes", "received");
            (self.block.sent, self.block.received) = (Some(sent), Some(received));
            return in_turn.then_some(SENT);
        }
        if line.starts_with("total size is ") {
            return (self.at == Some(SENT)).then_some(SENT + 1);
        }
        let colon = line.bytes().position(|b| b == b':')?;
        let (label, rest) = (&line[..colon], line[colon + 1..].strip_prefix(' ')?);
        // Most often it is the next one.
        let first = self.at.map_or(0, |before| before + 1).min(SENT);
        let at = LABELS.iter().enumerate().cycle().skip(first).take(SENT).find(|(_, known)| **known == label)?.0;
        if at == 0 {
            self.block = Counts::default();
        } else if !self.at.is_some_and(|before| before < at) {
            return None;
        }
        let value = rest.split_ascii_whitespace().next().and_then(number);
        let field = match at {
            0 => {
                self.block.listed_folders = folders(rest, value);
                &mut self.block.listed
            }
            1 => &mut self.block.created,
            2 => &mut self.block.deleted,
            3 | 4 => &mut self.block.files,
            6 => &mut self.block.transferred_size,
            7 => &mut self.block.literal,
            8 => &mut self.block.matched,
            12 => &mut self.block.sent,
            13 => &mut self.block.received,
            _ => return Some(at),
        };
        *field = value;
        Some(at)
    }

    /// The numbers of the last whole block. There is one only if rsync has gone through the list.
    pub(crate) fn counts(&self) -> Option<Counts> {
        self.whole
    }
}

/// Of `6 (reg: 4, dir: 2)`, where 3.1 and later leave out what there is none of.
fn folders(rest: &str, all: Option<u64>) -> Option<u64> {
    match rest.split_once(" (") {
        Some((_, kinds)) => {
            let kinds = kinds.strip_suffix(')')?.split(", ").map(|kind| kind.split_once(": "));
            let folders = kinds.flatten().find(|(kind, _)| *kind == "dir");
            Some(folders.map_or(Some(0), |(_, count)| number(count))?)
        }
        None => all.filter(|all| *all == 0),
    }
}

impl Counts {
    /// Bytes sent and received.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.sent.zip(self.received).map(|(sent, received)| sent.saturating_add(received))
    }

    /// Whether rsync transferred, created or deleted something: the coarser answer, for an rsync that writes no itemised
    /// list. None if it does not count deletions (3.0, or such a server).
    pub(crate) fn changed(&self) -> Option<bool> {
        if [self.files, self.created, self.deleted].into_iter().flatten().any(|count| count > 0) {
            return Some(true);
        }
        (self.files.is_some() && self.deleted.is_some()).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Option<Counts> {
        let mut stats = Stats::default();
        lines.lines().filter(|line| !line.is_empty()).for_each(|line| stats.scan(line.as_bytes()));
        stats.counts()
    }

    /// rsync 3.5.0, `-rlt --stats --delete`, a local copy
    const STATS_3_5: &str = "Number of files: 6 (reg: 4, dir: 2)\nNumber of created files: 5 (reg: 4, dir: 1)\n\
        Number of deleted files: 3 (reg: 2, dir: 1)\nNumber of regular files transferred: 4\nTotal file size: 2,100,002 bytes\n\
        Total transferred file size: 2,100,002 bytes\nLiteral data: 2,100,002 bytes\nMatched data: 0 bytes\n\
        File list size: 0\nFile list generation time: 0.001 seconds\nFile list transfer time: 0.000 seconds\n\
        Total bytes sent: 2,100,814\nTotal bytes received: 153\n\n\
        sent 2,100,814 bytes  received 153 bytes  840,386.80 bytes/sec\ntotal size is 2,100,002  speedup is 1.00\n";

    /// rsync 3.0.9, main.c
    const STATS_3_0: &str = "Number of files: 6\nNumber of files transferred: 0\nTotal file size: 2100002 bytes\n\
        Total transferred file size: 0 bytes\nLiteral data: 0 bytes\nMatched data: 0 bytes\nFile list size: 100\n\
        Total bytes sent: 12\nTotal bytes received: 153\n\nsent 12 bytes  received 153 bytes  330.00 bytes/sec\n\
        total size is 2100002  speedup is 12727.28\n";

    #[test]
    fn the_numbers_of_stats_are_read() {
        let s = read(STATS_3_5).unwrap();
        assert_eq!((s.listed, s.listed_folders), (Some(6), Some(2)));
        assert_eq!((s.files, s.created, s.deleted), (Some(4), Some(5), Some(3)));
        assert_eq!((s.sent, s.received, s.transferred_size), (Some(2_100_814), Some(153), Some(2_100_002)));
        assert_eq!((s.bytes(), s.changed()), (Some(2_100_967), Some(true)));
        assert_eq!((s.literal, s.matched), (Some(2_100_002), Some(0)));
        let dots = read(&STATS_3_5.replace(',', ".").replace(". dir", ", dir")).unwrap();
        assert_eq!((dots.bytes(), dots.listed_folders), (Some(2_100_967), Some(2)));
        let human = STATS_3_5.replace("sent 2,100,814", "sent 683.94K").replace("received 153", "received 52");
        assert_eq!(read(&human).unwrap().bytes(), Some(683_992));
        assert_eq!(read(&STATS_3_5.replace("4, dir: 2", "4")).unwrap().listed_folders, Some(0));
    }

    #[test]
    fn an_unchanged_run_is_known_only_if_deletions_were_counted() {
        let unchanged = STATS_3_5.replace("created files: 5 (reg: 4, dir: 1)", "created files: 0");
        let unchanged = unchanged.replace("deleted files: 3 (reg: 2, dir: 1)", "deleted files: 0");
        let unchanged = unchanged.replace("transferred: 4", "transferred: 0");
        assert_eq!(read(&unchanged).unwrap().changed(), Some(false));
        let old = read(STATS_3_0).unwrap();
        assert_eq!((old.listed, old.listed_folders, old.files), (Some(6), None, Some(0)));
        assert_eq!(old.changed(), None);
        assert_eq!(read(&STATS_3_0.replace("transferred: 0", "transferred: 2")).unwrap().changed(), Some(true));
    }

    #[test]
    fn half_a_block_is_none_at_all() {
        let lines: Vec<&str> = STATS_3_5.lines().filter(|line| !line.is_empty()).collect();
        for n in 0..lines.len() {
            assert_eq!(read(&lines[..n].join("\n")), None, "the first {n} lines");
            assert_eq!(read(&lines[1..=n].join("\n")), None, "without its head, {n} lines");
        }
        assert!(read(STATS_3_5).is_some());
    }

    #[test]
    fn any_later_label_may_be_the_next_one() {
        let end = "sent 1 bytes  received 2 bytes  3 bytes/sec\ntotal size is 1  speedup is 1\n";
        for (at, label) in LABELS.iter().enumerate() {
            let block = format!("Number of files: 6\n{label}: 7\n{end}");
            // The first label again begins a block anew.
            let listed = if at == 0 { 7 } else { 6 };
            assert_eq!(read(&block).and_then(|counts| counts.listed), Some(listed), "{label}");
            let again = format!("Number of files: 6\n{label}: 7\nNumber of files: 8\n{end}");
            assert_eq!(read(&again).and_then(|counts| counts.listed), Some(8), "{label}");
        }
    }

    #[test]
    fn numbers_of_a_message_or_of_a_name_are_nobodys() {
        let motd = STATS_3_5.replace("transferred: 4", "transferred: 77");
        assert_eq!(read(&format!("{motd}{STATS_3_5}")).unwrap().files, Some(4), "the last block counts");
        assert_eq!(read(&format!("{motd}half a block\n{}", &STATS_3_5[..200])).unwrap().files, Some(77));
        // As -vvv does.
        let cleanup = "[sender] _exit_cleanup(code=0, file=main.c, line=1394): about to call exit(0)";
        assert_eq!(read(&format!("{STATS_3_5}{cleanup}\n")).unwrap().files, Some(4));
        assert_eq!(read(&format!("{motd}>f+++++++++ a\n{STATS_3_5}")).unwrap().files, Some(4));
        let name = format!("Number of files: 9\nTotal bytes sent: 1\nname\n{STATS_3_5}");
        assert_eq!(read(&name).unwrap().listed, Some(6));
        // In the wrong order, or with a stranger in between.
        assert_eq!(read(&STATS_3_5.replace("Literal data", "Literally data")), None);
        assert_eq!(read(&STATS_3_5.replace("Matched data", "Literal data")), None);
        assert_eq!(read("sent 1 bytes  received 2 bytes  3 bytes/sec\ntotal size is 1  speedup is 1"), None);
    }

    #[test]
    fn impossible_numbers_are_left_out() {
        for number in ["-1", "x", "99999999999999999999"] {
            let text = STATS_3_5.replace("deleted files: 3", &format!("deleted files: {number}"));
            assert_eq!(read(&text).unwrap().deleted, None, "{number}");
        }
        assert_eq!(read("Number of files: 1\nsent by email bytes  received"), None);
    }
}
