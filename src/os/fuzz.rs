//! Arbitrary text where the kernel, or another irsync, would have written.
#![forbid(unsafe_code)]

use super::procfs::{parse_innermost, parse_rchar, parse_stat, variable, LONGEST_VALUE};
use super::{lock, mark, mounts, sockets};
use std::io::{BufReader, Read};

/// Any of these may come from a process that somebody else has named and started.
pub(crate) fn procfs(data: &[u8]) {
    if let Some(stat) = parse_stat(data) {
        let close = data.iter().rposition(|&byte| byte == b')').unwrap_or(0);
        assert!(data[..close].ends_with(&stat.comm), "{stat:?}");
    }
    let _ = (parse_innermost(data), mark::parse_limit(BufReader::new(data)));
    let text = String::from_utf8_lossy(data);
    let _ = parse_rchar(&text);
    for line in text.lines() {
        let _ = (sockets::parse(line, true), sockets::parse(line, false));
        marks(line);
    }
    if let Some(holder) = lock::parse_holder(&text) {
        assert_eq!(mark::irsync(&holder.run).map(|(pid, _)| pid), Some(holder.pid), "{holder:?}");
    }
    let plain = mounts::unescape(data);
    assert!(plain.len() <= data.len() && (data.contains(&b'\\') || plain == data));
    environment(data);
}

/// A mark that names no irsync would be the beginning of everybody's.
fn marks(line: &str) {
    if let Some((pid, start)) = mark::irsync(line) {
        let runs = format!("{pid}.{start}.");
        let plain = |text: &str| {
            text.split('.').all(|part| part.is_empty() || part == "0" || !part.starts_with(['0', '+', '-']))
        };
        assert!(line.starts_with(&runs) || !plain(line), "{line:?}");
        assert!(line.len() >= 4, "{line:?}");
    }
    if let Some(number) = mark::number(line) {
        assert!(number != mark::NONE && number >> 62 == 1, "{line:?} is {number:x}");
    }
}

/// Whatever the pieces in which it is read, a variable is found as by looking at the whole.
fn environment(data: &[u8]) {
    let mut pieces = Pieces(data);
    let found = variable(&mut pieces, b"IRSYNC_RUN=");
    let whole = data.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(b"IRSYNC_RUN="));
    let whole = whole.map(|value| value[..value.len().min(LONGEST_VALUE)].to_vec());
    assert_eq!(found, whole);
}

/// Reads in pieces of one to eight bytes.
struct Pieces<'d>(&'d [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = (1 + self.0.first().map_or(0, |byte| usize::from(byte & 7))).min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}
