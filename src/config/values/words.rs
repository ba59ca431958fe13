//! Words: paths, programs, accounts, and what a shell would make of a line.

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

pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    // shlex takes a # for a comment; in an INI file a comment has a line of its own, and rsync filters may start with it.
    let found = shlex::split(&text.replace('#', "\u{e000}"))
        .ok_or("has an unclosed quote, or a backslash at its end (a line cannot be continued)")?;
    let found: Vec<String> = found.into_iter().map(|word| word.replace('\u{e000}', "#")).collect();
    match found.iter().any(String::is_empty) {
        true => Err("has an empty word".into()),
        false => Ok(found),
    }
}

/// A word as a shell would need it.
pub(crate) fn quote(word: &str) -> String {
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        // Only a NUL byte, which no argument can hold.
        Err(_) => format!("{word:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::values::tests::shown;
    use crate::config::values::Kind;

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
        assert!(shown(Kind::Words, "a 'b").contains("unclosed quote"));
        assert!(shown(Kind::Words, "a \\").contains("backslash"));
        assert!(shown(Kind::Secret, &"x".repeat(512)).contains("longer"));
    }
}
