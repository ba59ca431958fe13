//! Passwords out of sight.

/// The text with the passwords of its `rsync://user:password@host` URLs masked, for errors and `check`.
pub fn masked(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(scheme) = lower[done..].find("rsync://") {
        let start = done + scheme + "rsync://".len();
        let end = text[start..].find(|c: char| c == '/' || c.is_whitespace()).map_or(text.len(), |n| start + n);
        shown += &text[done..start];
        match text[start..end].rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, _)), host)) => shown += &format!("{user}:***@{host}"),
            _ => shown += &text[start..end],
        }
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
        for plain in ["rsync://u@h:873/m", "u:p@h:x", "", "rsync://", "é rsync://é"] {
            assert_eq!(masked(plain), plain);
        }
    }
}
