//! What rsync counted: the numbers of `--stats` and its closing lines.

use super::number;
use super::staging::STAGED;

/// What the lines on stdout told of a run. Start a new one for each rsync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
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
    /// A line named a change: itemised, or `deleting`.
    named_change: bool,
}

impl Stats {
    /// Takes note of one line of stdout.
    pub fn scan(&mut self, line: &[u8]) {
        match line {
            [b'L' | b'M' | b'N' | b'T' | b's', ..] => self.scan_numbers(line),
            [b'd' | b'*', ..] => self.named_change |= line.starts_with(b"deleting ") || line.starts_with(b"*deleting "),
            [b'@', ..] => self.named_change |= line == STAGED,
            [b'<' | b'>' | b'c' | b'h', ..] => self.named_change |= is_itemised(line),
            _ => {}
        }
    }

    fn scan_numbers(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        if let Some(rest) = line.strip_prefix("sent ") {
            let mut words = rest.split_ascii_whitespace();
            let sent = words.next().and_then(number);
            if let (Some("bytes"), Some("received"), Some(received)) = (words.next(), words.next(), words.next()) {
                self.sent = sent.or(self.sent);
                self.received = number(received).or(self.received);
            }
            return;
        }
        let Some((label, rest)) = line.split_once(": ") else {
            return;
        };
        let field = match label {
            "Number of files" => {
                self.listed_folders = folders(rest);
                &mut self.listed
            }
            "Number of regular files transferred" | "Number of files transferred" => &mut self.files,
            "Number of created files" => &mut self.created,
            "Number of deleted files" => &mut self.deleted,
            "Total transferred file size" => &mut self.transferred_size,
            "Literal data" => &mut self.literal,
            "Matched data" => &mut self.matched,
            "Total bytes sent" => &mut self.sent,
            "Total bytes received" => &mut self.received,
            _ => return,
        };
        *field = rest.split_ascii_whitespace().next().and_then(number).or(*field);
    }

    /// Bytes sent and received.
    pub fn bytes(&self) -> Option<u64> {
        self.sent.zip(self.received).map(|(sent, received)| sent.saturating_add(received))
    }

    /// Whether rsync transferred, created or deleted something. None if it did not say: no `--stats` (an error exit), or
    /// an rsync (3.0, or such a server) that does not count deletions.
    pub fn changed(&self) -> Option<bool> {
        let counted = [self.files, self.created, self.deleted].into_iter().flatten().any(|count| count > 0);
        if counted || self.named_change {
            return Some(true);
        }
        (self.files.is_some() && self.deleted.is_some()).then_some(false)
    }
}

/// Of `6 (reg: 4, dir: 2)`, where 3.1 and later leave out what there is none of.
fn folders(rest: &str) -> Option<u64> {
    let (_, kinds) = rest.split_once(" (")?;
    let mut kinds = kinds.strip_suffix(')')?.split(", ").filter_map(|kind| kind.split_once(": "));
    match kinds.find(|(kind, _)| *kind == "dir") {
        Some((_, count)) => number(count),
        None => Some(0),
    }
}

/// An `-i` line of something transferred, created or linked: `>f+++++++++ name` (`%i` in rsyncd.conf(5)).
fn is_itemised(line: &[u8]) -> bool {
    const WIDTH: usize = 11;
    line.len() > WIDTH
        && line[WIDTH] == b' '
        && b"fdLDS".contains(&line[1])
        && line[2..WIDTH].iter().all(|b| b".+? cstTpoguUnbax".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(lines: &str) -> Stats {
        let mut stats = Stats::default();
        lines.lines().for_each(|line| stats.scan(line.as_bytes()));
        stats
    }

    /// rsync 3.5.0, `-rlt --stats --delete`, a local copy
    const STATS_3_5: &str = "Number of files: 6 (reg: 4, dir: 2)\nNumber of created files: 5 (reg: 4, dir: 1)\n\
        Number of deleted files: 3 (reg: 2, dir: 1)\nNumber of regular files transferred: 4\nTotal file size: 2,100,002 bytes\n\
        Total transferred file size: 2,100,002 bytes\nLiteral data: 2,100,002 bytes\nMatched data: 0 bytes\n\
        File list size: 0\nFile list generation time: 0.001 seconds\nFile list transfer time: 0.000 seconds\n\
        Total bytes sent: 2,100,814\nTotal bytes received: 153\n\n\
        sent 2,100,814 bytes  received 153 bytes  840,386.80 bytes/sec\ntotal size is 2,100,002  speedup is 1.00\n";

    #[test]
    fn the_numbers_of_stats_are_read() {
        let s = stats(STATS_3_5);
        assert_eq!((s.files, s.created, s.deleted), (Some(4), Some(5), Some(3)));
        assert_eq!((s.sent, s.received, s.transferred_size), (Some(2_100_814), Some(153), Some(2_100_002)));
        assert_eq!((s.bytes(), s.changed()), (Some(2_100_967), Some(true)));
        assert_eq!((s.literal, s.matched), (Some(2_100_002), Some(0)));
        let dots = stats("Total bytes sent: 2.100.814\nTotal bytes received: 153\n");
        assert_eq!(dots.bytes(), Some(2_100_967));
        let human =
            stats("Total transferred file size: 683.59K bytes\nsent 683.94K bytes  received 52 bytes  1.34M bytes/sec");
        assert_eq!((human.transferred_size, human.bytes()), (Some(683_590), Some(683_992)));
    }

    #[test]
    fn an_unchanged_run_is_known_only_if_deletions_were_counted() {
        let unchanged =
            "Number of created files: 0\nNumber of deleted files: 0\nNumber of regular files transferred: 0\n";
        assert_eq!(stats(unchanged).changed(), Some(false));
        // 3.0 (main.c, output_summary) has no created and deleted files.
        let old = "Number of files: 6\nNumber of files transferred: 0\nTotal file size: 2100002 bytes\n";
        assert_eq!(stats(old).files, Some(0));
        assert_eq!(stats(old).changed(), None);
        assert_eq!(stats("Number of files transferred: 2\n").changed(), Some(true));
        assert_eq!(stats("").changed(), None);
        assert_eq!(stats("Number of deleted files: 1 (dir: 1)").changed(), Some(true));
    }

    #[test]
    fn lines_that_name_a_change_count() {
        for line in [
            "*deleting   zz",
            "deleting yy",
            ">f..t...... f1",
            "<f+++++++++ f",
            "cd+++++++++ sub/",
            "cL+++++++++ l -> t",
        ] {
            assert_eq!(stats(line).changed(), Some(true), "{line}");
        }
        for line in
            [".d..t...... ./", "cd", "changes.txt", "deletingx", "h264/movie-x.mkv", "sending incremental file list"]
        {
            assert_eq!(stats(line).changed(), None, "{line}");
        }
    }

    #[test]
    fn impossible_numbers_are_left_out() {
        for line in [
            "Number of deleted files: -1",
            "Number of deleted files: x",
            "Number of deleted files: 99999999999999999999",
        ] {
            assert_eq!(stats(line).deleted, None, "{line}");
        }
        assert_eq!(stats("sent by email bytes  received").sent, None);
    }
}
