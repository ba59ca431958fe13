//! rsync's output: lines out of raw bytes, progress records, and the numbers of `--stats`.

/// Longer lines are cut. rsync's own limit is a path (4096 bytes) and what is written around it.
pub const LINE_LIMIT: usize = 8192;

/// What ended a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `\n`
    Newline,
    /// `\r`: the start of the next progress record
    Return,
    /// The output ended or paused in the middle of a line.
    Nothing,
}

/// One line or progress record, without what ended it; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// At most [`LINE_LIMIT`] bytes.
    pub bytes: &'a [u8],
    /// How many bytes were cut off.
    pub cut: usize,
    /// What ended it.
    pub ending: Ending,
}

/// Cuts a stream of raw bytes into records at every `\n` and `\r`. Empty ones are left out.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The beginning of a line whose end has not come yet; at most [`LINE_LIMIT`] bytes.
    held: Vec<u8>,
    cut: usize,
}

impl LineSplitter {
    /// Takes what was read and hands every record that is complete now to `sink`. Records that lie within `bytes` are
    /// not copied.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Record)) {
        let mut rest = bytes;
        while let Some(at) = line_end(rest) {
            let line = &rest[..at];
            let ending = if rest[at] == b'\n' { Ending::Newline } else { Ending::Return };
            rest = &rest[at + 1..];
            if self.held.is_empty() {
                let kept = line.len().min(LINE_LIMIT);
                if kept > 0 {
                    sink(Record { bytes: &line[..kept], cut: line.len() - kept, ending });
                }
            } else {
                self.hold(line);
                self.release(ending, sink);
            }
        }
        self.hold(rest);
    }

    /// Hands on the half line at the end of the output, if there is one.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Record)) {
        if !self.held.is_empty() {
            self.release(Ending::Nothing, sink);
        }
    }

    /// The half line that waits for its end. rsync writes a progress record's `\r` before it, so the newest record is
    /// here until the next one comes.
    pub fn pending(&self) -> &[u8] {
        &self.held
    }

    fn hold(&mut self, part: &[u8]) {
        let kept = part.len().min(LINE_LIMIT - self.held.len());
        self.held.extend_from_slice(&part[..kept]);
        self.cut += part.len() - kept;
    }

    fn release(&mut self, ending: Ending, sink: &mut dyn FnMut(Record)) {
        sink(Record { bytes: &self.held, cut: self.cut, ending });
        self.held.clear();
        self.cut = 0;
    }
}

/// Where the first `\n` or `\r` is.
pub fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}

/// A running transfer, from rsync's progress records: of the whole run with `--info=progress2`, of one file with
/// `--progress`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes of file data so far.
    pub bytes: u64,
    /// 0 to 100, of the file list known so far.
    pub percent: u8,
    /// Bytes per second as rsync says.
    pub rate: u64,
    /// Seconds left, or elapsed at a file's end, as rsync says; 0 where it does not know (`??:??:??`).
    pub seconds: u64,
    /// `xfr#N`: files transferred so far
    pub transferred: Option<u64>,
    /// `to-chk=A/B` or `ir-chk=A/B`: files left to check, and known files
    pub to_check: Option<(u64, u64)>,
    /// The list still grows (`ir-chk`): percent and time left are of what is known so far.
    pub list_growing: bool,
}

/// The percent sign of a progress record is among its first bytes: `%15s %3d%%`, where the number may be wider.
const PERCENT_WITHIN: usize = 40;

/// Reads one progress record, of 3.0 (`xfer#`, `to-check=`) or of 3.1 and later; None for any other line.
#[inline]
pub fn parse_progress(record: &[u8]) -> Option<Progress> {
    may_be_progress(record).then(|| parse_words(record)).flatten()
}

#[inline(never)]
fn parse_words(record: &[u8]) -> Option<Progress> {
    let record = std::str::from_utf8(record).ok()?;
    let mut words = record.split_ascii_whitespace();
    let bytes = number(words.next()?)?;
    let percent = words.next()?.strip_suffix('%')?.parse::<u64>().ok()?;
    let rate = rate(words.next()?)?;
    let seconds = clock(words.next()?)?;
    let mut progress = Progress { bytes, percent: percent.min(100) as u8, rate, seconds, ..Progress::default() };
    if let Some(transferred) = words.next() {
        let (_, transferred) = transferred.strip_prefix("(xf")?.split_once('#')?;
        progress.transferred = Some(transferred.strip_suffix(',')?.parse().ok()?);
        let (kind, check) = words.next()?.strip_suffix(')')?.split_once('=')?;
        let (left, known) = check.split_once('/')?;
        progress.to_check = Some((left.parse().ok()?, known.parse().ok()?));
        progress.list_growing = kind.starts_with("ir-");
    }
    Some(progress)
}

/// A quick look, because every line of a long list comes by: it begins with a number, and a percent sign follows that.
#[inline]
fn may_be_progress(record: &[u8]) -> bool {
    matches!(record.first(), Some(b' ' | b'0'..=b'9'))
        && memchr::memchr(b'%', &record[..record.len().min(PERCENT_WITHIN)]).is_some()
}

/// `1019.71kB/s`: rsync's k, M and G are powers of 1024 here.
fn rate(word: &str) -> Option<u64> {
    let value = word.strip_suffix("B/s")?;
    let unit: u64 = match value.as_bytes().last()? {
        b'k' => 1 << 10,
        b'M' => 1 << 20,
        b'G' => 1 << 30,
        _ => return None,
    };
    let (whole, hundredths) = value[..value.len() - 1].split_once(['.', ','])?;
    let hundredths = whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths.parse().ok()?)?;
    Some(hundredths.checked_mul(unit)? / 100)
}

/// `0:00:02`, or `??:??:??` which is 0.
fn clock(word: &str) -> Option<u64> {
    if word == "??:??:??" {
        return Some(0);
    }
    let mut parts = word.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

/// A whole number as rsync writes it: plain, with `,` or `.` between thousands, or as `-h` does (`683.94K`, powers of
/// 1000; the powers of 1024 of `-hh` look the same).
fn number(word: &str) -> Option<u64> {
    let unit: u64 = match word.as_bytes().last()? {
        b'K' => 1_000,
        b'M' => 1_000_000,
        b'G' => 1_000_000_000,
        b'T' => 1_000_000_000_000,
        b'P' => 1_000_000_000_000_000,
        _ => 0,
    };
    let value = if unit > 0 { &word[..word.len() - 1] } else { word };
    if !value.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut digits = 0u64;
    for b in value.bytes() {
        match b {
            b'0'..=b'9' => digits = digits.checked_mul(10)?.checked_add(u64::from(b - b'0'))?,
            b',' | b'.' => {}
            _ => return None,
        }
    }
    // With a unit there are always two decimals.
    Some(if unit > 0 { digits.checked_mul(unit / 100)? } else { digits })
}

/// What the lines on stdout told of a run. Start a new one for each rsync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
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
    /// Size of the transferred files, bytes.
    pub transferred_size: Option<u64>,
    /// A line named a change: itemised, or `deleting`.
    named_change: bool,
}

impl Stats {
    /// Takes note of one line of stdout.
    pub fn scan(&mut self, line: &[u8]) {
        match line {
            [b'N' | b'T' | b's', ..] => self.scan_numbers(line),
            [b'd' | b'*', ..] => self.named_change |= line.starts_with(b"deleting ") || line.starts_with(b"*deleting "),
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
            "Number of regular files transferred" | "Number of files transferred" => &mut self.files,
            "Number of created files" => &mut self.created,
            "Number of deleted files" => &mut self.deleted,
            "Total transferred file size" => &mut self.transferred_size,
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

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, usize, Ending)> {
        let mut splitter = LineSplitter::default();
        let mut records = Vec::new();
        let mut sink = |r: Record| records.push((r.bytes.to_vec(), r.cut, r.ending));
        chunks.iter().for_each(|chunk| splitter.push(chunk, &mut sink));
        splitter.finish(&mut sink);
        records
    }

    fn record(bytes: &[u8], ending: Ending) -> (Vec<u8>, usize, Ending) {
        (bytes.to_vec(), 0, ending)
    }

    #[test]
    fn records_end_at_newlines_and_returns_wherever_reads_end() {
        let stream = b"first line, long enough\n\r  32,768   1%\r 700,000  33%  \n\nlast\r\nhalf";
        let expected = [
            record(b"first line, long enough", Ending::Newline),
            record(b"  32,768   1%", Ending::Return),
            record(b" 700,000  33%  ", Ending::Newline),
            record(b"last", Ending::Return),
            record(b"half", Ending::Nothing),
        ];
        for size in 1..=stream.len() {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(split(&chunks), expected, "reads of {size} bytes");
        }
    }

    #[test]
    fn a_long_line_is_cut_once_however_it_comes() {
        let mut stream = vec![b'x'; LINE_LIMIT + 100];
        stream.extend_from_slice(b"\nnext\n");
        for size in [1, 1000, LINE_LIMIT, LINE_LIMIT + 1, stream.len()] {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            let records = split(&chunks);
            assert_eq!((records[0].0.len(), records[0].1), (LINE_LIMIT, 100), "reads of {size} bytes");
            assert_eq!(records[1..], [record(b"next", Ending::Newline)]);
        }
        assert_eq!(split(&[&vec![b'x'; LINE_LIMIT], b"\n"])[0].1, 0);
    }

    #[test]
    fn a_line_end_is_found_at_every_place_of_a_word() {
        for other in 0..=255u8 {
            for place in 0..17 {
                for end in *b"\n\r" {
                    let mut line = [other; 17];
                    line[place] = end;
                    let expected = if matches!(other, b'\n' | b'\r') { 0 } else { place };
                    assert_eq!(line_end(&line), Some(expected), "{other:#x}, {end:#x} at {place}");
                }
            }
            let none = (!matches!(other, b'\n' | b'\r')).then_some(0);
            assert_eq!(line_end(&[other; 17]).is_none(), none.is_some());
        }
    }

    #[test]
    fn the_newest_progress_record_can_be_seen_before_the_next_one_comes() {
        let mut splitter = LineSplitter::default();
        let mut count = 0;
        splitter.push(b"\r         32,768   1%    0.00kB/s    0:00:00  ", &mut |_| count += 1);
        assert_eq!(count, 0);
        assert_eq!(parse_progress(splitter.pending()).map(|p| p.bytes), Some(32_768));
    }

    #[test]
    fn progress_records_of_every_version_are_read() {
        let running = Progress { bytes: 32_768, percent: 1, ..Progress::default() };
        assert_eq!(parse_progress(b"         32,768   1%    0.00kB/s    0:00:00  "), Some(running));
        let file_done = Progress {
            bytes: 1_400_000,
            percent: 66,
            rate: 104 * 1_048_576 / 100,
            seconds: 1,
            transferred: Some(2),
            to_check: Some((3, 6)),
            list_growing: false,
        };
        assert_eq!(
            parse_progress(b"      1,400,000  66%    1.04MB/s    0:00:01 (xfr#2, to-chk=3/6)"),
            Some(file_done.clone())
        );
        // 3.0: `%12s`, "xfer" and "to-check"
        assert_eq!(
            parse_progress(b"     1400000  66%    1.04MB/s    0:00:01 (xfer#2, to-check=3/6)"),
            Some(file_done.clone())
        );
        let growing = parse_progress(b"      1,400,000  66%    1.04MB/s    0:00:01 (xfr#2, ir-chk=3/6)   ");
        assert_eq!(growing, Some(Progress { list_growing: true, ..file_done }));
        let human = parse_progress(b"        683.59K 100%  636.32MB/s  100:00:09 (xfr#1, to-chk=4/6)").unwrap();
        assert_eq!((human.bytes, human.seconds), (683_590, 360_009));
        let unknown = parse_progress(b"          1.10G 103%    2.00GB/s  ??:??:??  ").unwrap();
        assert_eq!((unknown.bytes, unknown.percent, unknown.rate, unknown.seconds), (1_100_000_000, 100, 2 << 30, 0));
    }

    #[test]
    fn other_lines_are_no_progress() {
        let lines: [&[u8]; 8] = [
            b"",
            b"sending incremental file list",
            b"32,768",
            b"32,768 1% fast",
            b"12 monkeys 100% HD.mkv",
            b"32,768 1% 0.00kB/s later",
            b"1 1% 1.00kB/s 0:00:01 (xfr#1)",
            b"\xff 1% 1.00kB/s 0:00:01",
        ];
        for line in lines {
            assert_eq!(parse_progress(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

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
