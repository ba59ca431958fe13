//! Foreign text made safe for a log or a terminal.

use super::lines::Record;
use std::io::Write;

/// Appends `line` with control characters (C0, DEL, C1), line separators, bidirectional overrides and bytes that are
/// not UTF-8 written as `\xNN`, one for each byte. At most `limit` bytes are appended, and what is left out is counted
/// behind them: `…[+N bytes]`.
pub(crate) fn escape_into(out: &mut Vec<u8>, line: &[u8], limit: usize) {
    let left = escape_prefix(out, line, limit);
    mark_cut(out, left);
}

/// The same for a line that may have been cut when it was read: what was left out then and now is counted once.
pub(crate) fn escape_record(out: &mut Vec<u8>, record: &Record, limit: usize) {
    let left = escape_prefix(out, record.bytes, limit);
    mark_cut(out, left + record.cut);
}

/// Appends as much of `line` as `limit` allows and gives how many bytes of it are left.
fn escape_prefix(out: &mut Vec<u8>, line: &[u8], limit: usize) -> usize {
    let mut room = limit;
    let mut rest = line;
    while !rest.is_empty() {
        let plain = plain_prefix(rest);
        let taken = plain.min(room);
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
        room -= taken;
        if taken < plain {
            break;
        }
        if rest.is_empty() {
            break;
        }
        let (len, visible) = next_char(rest);
        let size = if visible { len } else { 4 * len };
        if size > room {
            break;
        }
        if visible {
            out.extend_from_slice(&rest[..len]);
        } else {
            rest[..len].iter().for_each(|&byte| escape_byte(out, byte));
        }
        rest = &rest[len..];
        room -= size;
    }
    rest.len()
}

fn mark_cut(out: &mut Vec<u8>, bytes: usize) {
    if bytes > 0 {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "…[+{bytes} bytes]");
    }
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// How many bytes at the start are printable ASCII. Sixteen at a time: nearly every line is nothing else.
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    for words in bytes.chunks_exact(16) {
        let (low, high) = words.split_at(8);
        if special(low) | special(high) != 0 {
            break;
        }
        at += 16;
    }
    at + bytes[at..].iter().take_while(|b| (0x20..0x7f).contains(*b)).count()
}

/// Not 0 if one of these eight bytes is no printable ASCII.
#[inline(always)]
fn special(bytes: &[u8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    let word = u64::from_ne_bytes(word);
    let del = word ^ (ONES * 0x7f);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    (word | below_space | del.wrapping_sub(ONES) & !del) & HIGH
}

/// The length of the first character or invalid byte, and whether it may be shown as it is.
fn next_char(bytes: &[u8]) -> (usize, bool) {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or(""),
    };
    match valid.chars().next() {
        Some(c) => (c.len_utf8(), !hidden(c)),
        None => (1, false),
    }
}

/// Characters that change what a reader sees elsewhere: controls, line separators, bidirectional overrides.
fn hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::super::LineEnd;
    use super::*;

    fn escaped(line: &[u8], limit: usize) -> String {
        let mut out = b"> ".to_vec();
        escape_into(&mut out, line, limit);
        String::from_utf8(out).unwrap().strip_prefix("> ").unwrap().to_string()
    }

    #[test]
    fn plain_text_is_kept() {
        for line in ["", "x", ">f+++++++++ media/Ünïcode 漢字 😀.mp4", "back\\slash ~", "12345678", "123456789"] {
            assert_eq!(escaped(line.as_bytes(), 1000), line);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let cases: &[(&[u8], &str)] = &[
            (b"a\x1b[31mred", "a\\x1b[31mred"),
            (b"1234567\x00", "1234567\\x00"),
            (b"12345678\x7f", "12345678\\x7f"),
            (b"tab\there\n", "tab\\x09here\\x0a"),
            (b"c1 \xc2\x9b31m", "c1 \\xc2\\x9b31m"),
            (b"raw \x9b", "raw \\x9b"),
            ("bidi \u{202e}x\u{2066}".as_bytes(), "bidi \\xe2\\x80\\xaex\\xe2\\x81\\xa6"),
            (b"half \xe2\x82", "half \\xe2\\x82"),
            (b"\xff\xfeok", "\\xff\\xfeok"),
            (b"\xe2\x82\xac\xe2\x82\xac", "€€"),
        ];
        for (line, expected) in cases {
            assert_eq!(escaped(line, 1000), *expected);
        }
    }

    #[test]
    fn every_byte_is_found_at_every_place_of_a_word() {
        for byte in 0..=255u8 {
            for place in 0..17 {
                let mut line = [b'x'; 17];
                line[place] = byte;
                let plain = (0x20..0x7f).contains(&byte);
                assert_eq!(plain_prefix(&line), if plain { 17 } else { place }, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_marked() {
        assert_eq!(escaped(b"123456", 6), "123456");
        assert_eq!(escaped(b"1234567890", 6), "123456…[+4 bytes]");
        assert_eq!(escaped("12345€".as_bytes(), 6), "12345…[+3 bytes]");
        assert_eq!(escaped(b"123\x1b\x1b", 7), "123\\x1b…[+1 bytes]");
        assert_eq!(escaped(b"1", 0), "…[+1 bytes]");
    }

    #[test]
    fn a_line_that_was_cut_before_is_marked_once() {
        let marked = |bytes: &[u8], cut, limit| {
            let mut out = Vec::new();
            escape_record(&mut out, &Record { bytes, cut, end: LineEnd::Newline }, limit);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(marked(b"123456", 0, 6), "123456");
        assert_eq!(marked(b"123456", 4, 6), "123456…[+4 bytes]");
        assert_eq!(marked(b"12345\x1b", 4, 6), "12345…[+5 bytes]");
    }
}
