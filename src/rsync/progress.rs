//! rsync's progress records.

use super::number;

/// A running transfer, from rsync's progress records: of the whole run with `--info=progress2`, of one file with
/// `--progress`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
pub(crate) fn parse_progress(record: &[u8]) -> Option<Progress> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::LineSplitter;

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
}
