//! Passwords out of sight.

/// The text with the passwords of its `rsync://user:password@host` URLs masked, for errors and `check`.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.to_ascii_lowercase().find("rsync://") {
        let (before, authority) = rest.split_at(scheme + "rsync://".len());
        let end = authority.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(authority.len());
        let (authority, after) = authority.split_at(end);
        shown += before;
        match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, _)), host)) => shown += &format!("{user}:***@{host}"),
            _ => shown += authority,
        }
        rest = after;
    }
    shown + rest
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
