//! Where a source or destination lies, by the rule of rsync's own `check_for_hostspec` (options.c).

/// A remote operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote<'a> {
    /// `[user@]host[:port]` as written, without a password.
    pub host: &'a str,
    /// By rsync's own protocol; else by a remote shell.
    pub daemon: bool,
    /// `rsync://user:password@host`
    pub has_password: bool,
}

/// The remote side of an operand; None if it is a local path.
pub fn remote(operand: &str) -> Option<Remote<'_>> {
    let url = operand.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("rsync://"));
    if url.is_some() {
        let authority = operand[8..].split('/').next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        return Some(Remote { host, daemon: true, has_password: user.contains(':') });
    }
    // A colon after a slash is part of a path; one inside brackets, of an IPv6 address.
    let start = match (operand.find('['), operand.find("]:")) {
        (Some(open), Some(close)) if !operand[..open].contains(['/', ':']) => close + 1,
        _ => 0,
    };
    let colon = start + operand[start..].find(':')?;
    let host = &operand[..colon];
    match host.contains('/') {
        true => None,
        false => Some(Remote { host, daemon: operand[colon..].starts_with("::"), has_password: false }),
    }
}

/// The operand with the password of its URL masked.
pub fn masked(operand: &str) -> String {
    let mut shown = operand.to_string();
    for (start, _) in operand.to_ascii_lowercase().match_indices("rsync://").collect::<Vec<_>>().into_iter().rev() {
        let end =
            operand[start + 8..].find(|c: char| c == '/' || c.is_whitespace()).map_or(operand.len(), |n| start + 8 + n);
        let authority = &operand[start + 8..end];
        if let Some((user, host)) = authority.rsplit_once('@') {
            if let Some((user, _)) = user.split_once(':') {
                shown.replace_range(start + 8..end, &format!("{user}:***@{host}"));
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_lie_where_rsync_thinks_they_lie() {
        for (operand, expected) in [
            ("/srv/a", None),
            ("a/b:c", None),
            ("./h:x", None),
            ("", None),
            ("h:p", Some(("h", false, false))),
            ("u@h:/p", Some(("u@h", false, false))),
            ("h::m/p", Some(("h", true, false))),
            ("rsync://h/m", Some(("h", true, false))),
            ("RSYNC://u@h:874/m", Some(("h:874", true, false))),
            ("rsync://u:p@h/m", Some(("h", true, true))),
            ("rsync://u:p@q/r@h/m", Some(("q", true, true))),
            ("[::1]:p", Some(("[::1]", false, false))),
            ("u@[fe80::1]::m", Some(("u@[fe80::1]", true, false))),
            ("é:p", Some(("é", false, false))),
        ] {
            let found = remote(operand).map(|r| (r.host, r.daemon, r.has_password));
            assert_eq!(found, expected, "{operand}");
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        assert_eq!(masked("a rsync://u:secret@h/m rsync://v:more@h"), "a rsync://u:***@h/m rsync://v:***@h");
        assert_eq!(masked("rsync://u@h:873/m"), "rsync://u@h:873/m");
    }
}
