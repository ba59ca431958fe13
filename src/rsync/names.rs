//! File names as rsync writes them.

use std::borrow::Cow;

/// The line with the letters back that rsync has written as `\#303\#266`: it does so where its C library has no UTF-8 locale, or
/// the owner's is C. Control characters stay as rsync wrote them, and so does `\#134`, a backslash of the name itself before what
/// looks like this (log.c, filtered_fwrite).
pub(crate) fn decoded(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr_iter(b'\\', line).find(|at| letter(&line[*at..]).is_some()) else {
        return Cow::Borrowed(line);
    };
    let mut decoded = line[..first].to_vec();
    let mut rest = &line[first..];
    while let Some(&byte) = rest.first() {
        let (byte, len) = letter(rest).map_or((byte, 1), |byte| (byte, 5));
        decoded.push(byte);
        rest = &rest[len..];
    }
    Cow::Owned(decoded)
}

/// The byte of a letter beyond ASCII at the beginning of the text.
fn letter(text: &[u8]) -> Option<u8> {
    let [b'\\', b'#', high @ b'2'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] = text else { return None };
    Some((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_back_and_nothing_else() {
        for (line, name) in [
            (r"Gr\#303\#266\#303\#237e.mp4", "Größe.mp4"),
            (r"\#346\#274\#242", "漢"),
            ("Größe plain.mp4", "Größe plain.mp4"),
            // A line end in a name must not end the line, and a backslash was one.
            (r"a\#012b\#033[31m", r"a\#012b\#033[31m"),
            (r"a\#134#303\#266", "a\\#134#303\u{fffd}"),
            (r"\#3\#39\#309\#400\", r"\#3\#39\#309\#400\"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&decoded(line.as_bytes())), name, "{line}");
        }
        assert!(matches!(decoded(br"nothing \ here"), Cow::Borrowed(_)));
    }
}
