//! Lines out of raw bytes.

/// Longer lines are cut. rsync's own limit is a path (4096 bytes) and what is written around it.
pub(crate) const LINE_LIMIT: usize = 8192;

/// What ended a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// `\n`
    Newline,
    /// `\r`: the start of the next progress record
    Return,
    /// The output ended or paused in the middle of a line.
    Nothing,
}

/// One line or progress record, without what ended it; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// At most [`LINE_LIMIT`] bytes.
    pub bytes: &'a [u8],
    /// How many bytes were cut off.
    pub cut: usize,
    /// What ended it.
    pub end: LineEnd,
}

/// Cuts a stream of raw bytes into records at every `\n` and `\r`. Empty ones are left out.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    /// The beginning of a line whose end has not come yet; at most [`LINE_LIMIT`] bytes.
    held: Vec<u8>,
    cut: usize,
}

impl LineSplitter {
    /// Takes what was read and hands every record that is complete now to `sink`. Records that lie within `bytes` are
    /// not copied.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Record)) {
        let mut rest = bytes;
        while let Some(at) = line_end(rest) {
            let line = &rest[..at];
            let end = if rest[at] == b'\n' { LineEnd::Newline } else { LineEnd::Return };
            rest = &rest[at + 1..];
            if self.held.is_empty() {
                let kept = line.len().min(LINE_LIMIT);
                if kept > 0 {
                    sink(Record { bytes: &line[..kept], cut: line.len() - kept, end });
                }
            } else {
                self.hold(line);
                self.release(end, sink);
            }
        }
        self.hold(rest);
    }

    /// Hands on the half line at the end of the output, if there is one.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(Record)) {
        if !self.held.is_empty() {
            self.release(LineEnd::Nothing, sink);
        }
    }

    /// The half line that waits for its end. rsync writes a progress record's `\r` before it, so the newest record is
    /// here until the next one comes.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.held
    }

    fn hold(&mut self, part: &[u8]) {
        let kept = part.len().min(LINE_LIMIT - self.held.len());
        self.held.extend_from_slice(&part[..kept]);
        self.cut += part.len() - kept;
    }

    fn release(&mut self, end: LineEnd, sink: &mut dyn FnMut(Record)) {
        sink(Record { bytes: &self.held, cut: self.cut, end });
        self.held.clear();
        self.cut = 0;
    }
}

/// Where the first `\n` or `\r` is.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, usize, LineEnd)> {
        let mut splitter = LineSplitter::default();
        let mut records = Vec::new();
        let mut sink = |r: Record| records.push((r.bytes.to_vec(), r.cut, r.end));
        chunks.iter().for_each(|chunk| splitter.push(chunk, &mut sink));
        splitter.finish(&mut sink);
        records
    }

    fn record(bytes: &[u8], end: LineEnd) -> (Vec<u8>, usize, LineEnd) {
        (bytes.to_vec(), 0, end)
    }

    #[test]
    fn records_end_at_newlines_and_returns_wherever_reads_end() {
        let stream = b"first line, long enough\n\r  32,768   1%\r 700,000  33%  \n\nlast\r\nhalf";
        let expected = [
            record(b"first line, long enough", LineEnd::Newline),
            record(b"  32,768   1%", LineEnd::Return),
            record(b" 700,000  33%  ", LineEnd::Newline),
            record(b"last", LineEnd::Return),
            record(b"half", LineEnd::Nothing),
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
            assert_eq!(records[1..], [record(b"next", LineEnd::Newline)]);
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
}
