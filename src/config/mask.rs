//! Passwords out of sight.

/// The text with the passwords of its `rsync://user:password@host` URLs masked, whatever characters they have, for
/// everything that is shown or kept. What looks like a password is none sometimes: of `rsync://host:873/a@b` only `b` is shown.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(scheme) = text[done..].find("://") {
        let start = done + scheme + "://".len();
        let end = text[start..].find(char::is_whitespace).map_or(text.len(), |n| start + n);
        shown += &text[done..start];
        let url = &text[start..end];
        shown += &match (url.find(':'), url.rfind('@')) {
            (Some(colon), Some(at)) if colon < at => format!("{}:***{}", &url[..colon], &url[at..]),
            _ => url.to_owned(),
        };
        done = end;
    }
    shown + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        assert_eq!(masked("a rsync://u:sec@ret@h/m RSYNC://v:more@h"), "a rsync://u:***@h/m RSYNC://v:***@h");
        for (secret, shown) in [
            ("rsync://u:hun/ter2@h/m/", "rsync://u:***@h/m/"),
            ("rsync://u:a:b@c/d@h", "rsync://u:***@h"),
            ("x=rsync://u:p@h/ y", "x=rsync://u:***@h/ y"),
            ("http://u:p@h", "http://u:***@h"),
            ("rsync://host:873/a@b", "rsync://host:***@b"),
            ("rsync://é:é@é", "rsync://é:***@é"),
        ] {
            assert_eq!(masked(secret), shown);
        }
        for plain in ["rsync://u@h:873/m", "u:p@h:x", "", "rsync://", "é rsync://é"] {
            assert_eq!(masked(plain), plain);
        }
    }
}
