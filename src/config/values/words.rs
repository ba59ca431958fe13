//! Words: paths, programs, accounts, and what a shell would make of a line.

use crate::config::password;
use std::borrow::Cow;
use std::path::PathBuf;

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    // Started by init the working directory is /, by hand it is anywhere.
    match text.starts_with('/') {
        true => Ok(PathBuf::from(text)),
        false => Err("is not an absolute path".into()),
    }
}

pub(super) fn program(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.contains(char::is_whitespace) {
        return Err("has blanks".into());
    }
    if text.contains('/') && !text.starts_with('/') {
        return Err("is a relative path".into());
    }
    Ok(text.to_string())
}

pub(super) fn account(text: &str) -> Result<String, String> {
    match text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-$".contains(&b)) {
        true => Ok(text.to_string()),
        false => Err("is no account name".into()),
    }
}

/// A value that is not made of words, without the quotes around it: they mean what they mean for every other key.
pub(super) fn unquoted(text: &str) -> Result<Cow<'_, str>, String> {
    match text.starts_with(['"', '\'']) {
        false => Ok(text.into()),
        true => match <[String; 1]>::try_from(split(text)?) {
            Ok([word]) => Ok(word.into()),
            Err(_) => Err("has quotes around a part of it: put them around the whole".into()),
        },
    }
}

/// Something behind the value may be meant as a comment.
pub(super) fn has_comment(text: &str) -> bool {
    !text.starts_with(['"', '\'']) && [" ;", "\t;", " #", "\t#"].iter().any(|mark| text.contains(mark))
}

pub(super) fn secret(text: &str) -> Result<String, String> {
    // Those that word processors and web pages put in place of the real ones.
    const TYPOGRAPHIC: [char; 6] = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}'];
    if text.starts_with(TYPOGRAPHIC) && text.ends_with(TYPOGRAPHIC) {
        return Err("has typographic quotes around it: write \" or '".into());
    }
    match text.len() > password::LIMIT {
        true => Err("is longer than rsync takes".into()),
        false => Ok(text.to_string()),
    }
}

pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let found = split(text)?;
    match found.iter().any(String::is_empty) {
        true => Err("has an empty word".into()),
        false => Ok(found),
    }
}

fn split(text: &str) -> Result<Vec<String>, String> {
    // shlex takes a # for a comment; in an INI file a comment has a line of its own, and rsync filters may start with it.
    let found = shlex::split(&text.replace('#', "\u{e000}"))
        .ok_or("has an unclosed quote, or a backslash at its end (a line cannot be continued)")?;
    Ok(found.into_iter().map(|word| word.replace('\u{e000}', "#")).collect())
}

/// A word as a shell would need it.
pub(crate) fn quote(word: &str) -> String {
    // To shlex every `=` is one of an assignment.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,@%+".contains(&byte);
    if word.starts_with('-') && word.bytes().all(plain) {
        return word.to_owned();
    }
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        // Only a NUL byte, which no argument can hold.
        Err(_) => format!("{word:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::quote;
    use crate::config::values::tests::shown;
    use crate::config::values::{parse, Kind, Value};

    #[test]
    fn only_what_a_shell_would_take_apart_is_quoted() {
        for word in ["--max-delete=0", "--info=progress2", "--partial-dir=.irsync-partial", "-rlt", "rsync://me@h/m/"] {
            assert_eq!(quote(word), word);
        }
        for (word, quoted) in [
            ("--out-format=%i %n%L", "'--out-format=%i %n%L'"),
            ("A=b", "'A=b'"),
            ("--exclude=*.tmp", "'--exclude=*.tmp'"),
            ("-a;b", "'-a;b'"),
            ("", "''"),
        ] {
            assert_eq!(quote(word), quoted);
            assert_eq!(shlex::split(quoted).unwrap(), [word]);
        }
    }

    #[test]
    fn quotes_around_a_value_mean_the_same_for_every_key() {
        let secret = |text: &str| match parse(&Kind::Secret, text) {
            Ok(Value::Secret(found)) => found,
            other => format!("{other:?}"),
        };
        for (text, found) in [
            ("\"s3cret\"", "s3cret"),
            ("'s3cret'", "s3cret"),
            ("\"a \\\"b\\\" c\"", "a \"b\" c"),
            ("'# \\x'", "# \\x"),
            // Where none stands at the beginning, nothing is taken away.
            ("it's", "it's"),
            ("a\\b", "a\\b"),
            ("a # b", "a # b"),
        ] {
            assert_eq!(secret(text), found, "{text}");
        }
        assert_eq!(shown(Kind::Secret, "''"), "off");
        assert_eq!(shown(Kind::Secret, "'a' b"), "! has quotes around a part of it: put them around the whole");
        assert!(shown(Kind::Secret, "\u{201c}s3cret\u{201d}").contains("typographic quotes"));
        for (kind, text, back) in [
            (Kind::Path { off: false }, "'/a ; b'", "/a ; b"),
            (Kind::Log, "\"syslog\"", "syslog"),
            (Kind::Bool, "\"yes\"", "yes"),
            (Kind::Percent, "'90%'", "90%"),
            (Kind::Account, "\"www-data\"", "www-data"),
            (Kind::Program, "'/usr/bin/rsync'", "/usr/bin/rsync"),
            (Kind::Interval { min: 10, max: 100_000 }, "\"30s\"", "30s"),
        ] {
            assert_eq!(shown(kind, text), back, "{kind:?} {text}");
        }
    }

    #[test]
    fn a_comment_behind_a_value_is_called_one() {
        for (kind, text) in [
            (Kind::Path { off: true }, "/a ; the card"),
            (Kind::Log, "/var/log/irsync.log # here"),
            (Kind::Bool, "yes\t# always"),
            (Kind::Interval { min: 10, max: 100_000 }, "30s ; often"),
            (Kind::Number { min: 0, max: 9 }, "5 # five"),
            (Kind::Account, "nobody ; not root"),
            (Kind::Program, "rsync # the new one"),
            (Kind::Word, "/data # card"),
        ] {
            assert!(shown(kind, text).contains(": a comment stands on a line of its own"), "{}", shown(kind, text));
        }
        assert!(!shown(Kind::Number { min: 0, max: 9 }, "5;").contains("comment"));
    }

    #[test]
    fn words_are_read_and_written_back() {
        for (kind, text, back) in [
            (Kind::Path { off: true }, "/a b", "/a b"),
            (Kind::Path { off: true }, "off", "off"),
            (Kind::Path { off: false }, "off", "! is not an absolute path"),
            (Kind::Path { off: false }, "run/x", "! is not an absolute path"),
            (Kind::Program, "rsync -v", "! has blanks"),
            (Kind::Program, "bin/rsync", "! is a relative path"),
            (Kind::Account, "www-data", "www-data"),
            (Kind::Account, "a:b", "! is no account name"),
            (Kind::Secret, "swordfish", "***"),
            (Kind::Word, "'a b'", "'a b'"),
            (Kind::Word, "a b", "! is 2 words; quote it if that is one name"),
            (Kind::Words, "a 'b c' d\\ e", "a 'b c' 'd e'"),
            (Kind::Words, "-f '- *.tmp' #x", "-f '- *.tmp' '#x'"),
            (Kind::Words, "a ''", "! has an empty word"),
        ] {
            assert_eq!(shown(kind, text), back, "{kind:?} {text:?}");
        }
        for kind in [Kind::Words, Kind::Secret, Kind::Path { off: true }] {
            assert!(shown(kind, "'a b").contains("unclosed quote"));
        }
        assert!(shown(Kind::Words, "a \\").contains("backslash"));
        assert!(shown(Kind::Secret, &"x".repeat(512)).contains("longer"));
    }
}
