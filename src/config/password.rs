//! What a password file holds: its first line is the password, as rsync reads it (authenticate.c).

/// rsync cuts what is longer, and the server would then refuse it.
pub(crate) const LIMIT: usize = 511;
/// What editors on Windows write before the text.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The same in UTF-16, either way round.
const MARKS_OF_UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The password in a file's bytes, without a byte order mark and the end of the line. `users` are those that the job's
/// addresses name.
///
/// # Errors
/// What is wrong with the file and what to do, without a word of the password.
pub(crate) fn first_line<'a>(bytes: &'a [u8], users: &[&str]) -> Result<&'a [u8], String> {
    if MARKS_OF_UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("it is UTF-16: save it as UTF-8, or plain text".into());
    }
    let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let line = text.split(|&b| b == b'\n' || b == b'\r').next().unwrap_or_default();
    if line.is_empty() {
        return Err("its first line is empty".into());
    }
    if line.len() > LIMIT {
        return Err(format!("its first line is longer than {LIMIT} bytes"));
    }
    if line.contains(&0) {
        return Err("its first line has a NUL byte: save it as UTF-8, or plain text".into());
    }
    match user_before(line).filter(|user| users.iter().any(|known| known.as_bytes() == *user)) {
        Some(_) => Err("its first line is USER:PASSWORD, as in the server's secrets file: leave out USER:".into()),
        None => Ok(line),
    }
}

/// What may be a mistake in a password, though nobody can be sure.
pub(crate) fn doubt(line: &[u8]) -> Option<&'static str> {
    let quote = |b: Option<&u8>| b.is_some_and(|b| [b'"', b'\''].contains(b));
    match line {
        _ if user_before(line).is_some() => {
            Some("has a colon: if it is USER:PASSWORD, as in the server's secrets file, leave out USER:")
        }
        _ if line.len() > 1 && quote(line.first()) && line.first() == line.last() => {
            Some("has quotes around it, which count as a part of the password here")
        }
        _ if line.last().is_some_and(u8::is_ascii_whitespace) => {
            Some("ends with a blank, which counts as a part of the password")
        }
        _ => None,
    }
}

fn user_before(line: &[u8]) -> Option<&[u8]> {
    let user = &line[..line.iter().position(|&b| b == b':')?];
    let sane = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    Some(user).filter(|user| !user.is_empty() && user.iter().all(sane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_whatever_editor_wrote_it() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n", "s3cret\rmore", "\u{feff}s3cret\r\n", "s3cret\n\nother"] {
            assert_eq!(first_line(text.as_bytes(), &["device"]), Ok(&b"s3cret"[..]), "{text:?}");
        }
        for (bytes, says) in [
            (&b""[..], "is empty"),
            (b"\ns3cret\n", "is empty"),
            (b"\xef\xbb\xbf\n", "is empty"),
            (b"\xff\xfes\0", "UTF-16"),
            (b"\xfe\xff\0s", "UTF-16"),
            (b"s\x003\0", "NUL"),
            (b"device:s3cret\n", "leave out USER:"),
            (&[b'x'; LIMIT + 1], "longer"),
        ] {
            let why = first_line(bytes, &["device"]).unwrap_err();
            assert!(why.contains(says) && !why.contains("s3cret"), "{why}");
        }
        assert_eq!(first_line(b"other:s3cret", &["device"]), Ok(&b"other:s3cret"[..]), "it may be the password");
    }

    #[test]
    fn what_may_be_a_mistake_is_said() {
        for (line, says) in [
            (&b"other:s3cret"[..], Some("USER:PASSWORD")),
            (b"\"s3cret\"", Some("quotes")),
            (b"s3cret ", Some("blank")),
            (b"s3:cret!", Some("colon")),
            (b"a b:c", None),
            (b":c", None),
            (b"it's", None),
            (b"\"", None),
        ] {
            let said = doubt(line);
            assert_eq!(said.is_some(), says.is_some(), "{line:?}");
            assert!(said.unwrap_or_default().contains(says.unwrap_or_default()), "{said:?}");
        }
    }
}
