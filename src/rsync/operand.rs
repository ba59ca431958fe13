//! rsync's operands: what is local, on another machine, or on a daemon.

use std::net::Ipv6Addr;

/// An operand's parts, where it names another machine.
struct Remote<'a> {
    /// `user@host` or `host`, as written, IPv6 brackets included
    host: &'a str,
    daemon: bool,
}

const URL: &str = "rsync://";

/// What is behind `rsync://`, in whatever case it is written.
pub(crate) fn url_rest(operand: &str) -> Option<&str> {
    operand.get(..URL.len()).filter(|scheme| scheme.eq_ignore_ascii_case(URL))?;
    operand.get(URL.len()..)
}

/// `user@host:port` of what stands behind `rsync://`.
fn before_slash(text: &str) -> &str {
    text.split_once('/').map_or(text, |(head, _)| head)
}

/// The user in `user@host`, and the rest: a name of a user may have an @ in it, that of a host has none.
fn parted(head: &str) -> (Option<&str>, &str) {
    head.rsplit_once('@').map_or((None, head), |(user, host)| (Some(user), host))
}

/// As `check_for_hostspec` in rsync's options.c.
fn remote(operand: &str) -> Option<Remote<'_>> {
    if let Some(rest) = url_rest(operand) {
        return Some(Remote { host: before_slash(rest), daemon: true });
    }
    // The first colon outside brackets, unless a slash comes before it.
    let mut in_brackets = false;
    for (i, b) in operand.bytes().enumerate() {
        match b {
            b'/' => return None,
            b'[' => in_brackets = true,
            b']' => in_brackets = false,
            b':' if !in_brackets => {
                return Some(Remote { host: &operand[..i], daemon: operand[i + 1..].starts_with(':') });
            }
            _ => {}
        }
    }
    None
}

/// The operand is on an rsync daemon: `rsync://host/module` or `host::module`.
pub(crate) fn is_daemon(operand: &str) -> bool {
    remote(operand).is_some_and(|r| r.daemon)
}

/// The operand is on another machine: a daemon's, or `host:path`; a colon behind a slash is part of a local name.
pub(crate) fn is_remote(operand: &str) -> bool {
    remote(operand).is_some()
}

/// The host of a remote operand, without user, password, port and IPv6 brackets; empty for a local one.
pub(crate) fn host(operand: &str) -> &str {
    let Some(remote) = remote(operand) else {
        return "";
    };
    let (_, host) = parted(remote.host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

/// The user that a remote operand names.
pub(crate) fn user(operand: &str) -> Option<&str> {
    parted(remote(operand)?.host).0.filter(|user| !user.is_empty())
}

/// The password in `rsync://user:password@host/…`. rsync does not understand that form, and would show it to everybody
/// who can list processes.
pub(crate) fn url_password(operand: &str) -> Option<&str> {
    let rest = url_rest(operand)?;
    if let (Some(user), _) = parted(before_slash(rest)) {
        return user.split_once(':').map(|(_, password)| password);
    }
    // One with a slash in it: what follows the colon is no port.
    let (user, port) = before_slash(rest).split_once(':')?;
    let (password, _) = rest[user.len() + 1..].rsplit_once('@')?;
    port.bytes().any(|byte| !byte.is_ascii_digit()).then_some(password)
}

/// An IPv6 address, of a link (`%eth0`) or not, without brackets.
fn is_ipv6(host: &str) -> bool {
    host.split('%').next().unwrap_or(host).parse::<Ipv6Addr>().is_ok()
}

/// An IPv6 address without its brackets, in `rsync://ADDRESS/…`, `ADDRESS:PATH` or `ADDRESS::MODULE`.
pub(crate) fn bare_ipv6(operand: &str) -> Option<&str> {
    let url = url_rest(operand);
    let (_, host) = parted(before_slash(url.unwrap_or(operand)));
    let before = |mark| host.rsplit_once(mark).map(|(address, _)| address);
    // A URL may end with its host or with a port.
    let first = if url.is_some() { Some(host) } else { before("::") };
    [first, before(":")].into_iter().flatten().find(|text| is_ipv6(text))
}

/// The port in `rsync://host:port/…` if it is none: rsync takes such an operand for one of a host named `rsync`, which it
/// asks by ssh, and of a number that is too large only the lower bits. What a variable stands for is not known; of an IPv6
/// address without brackets others speak.
pub(crate) fn bad_port(operand: &str) -> Option<&str> {
    let (_, host) = parted(before_slash(url_rest(operand)?));
    if is_ipv6(host) {
        return None;
    }
    let (_, port) = host.rsplit_once(']').map_or(host, |(_, behind)| behind).split_once(':')?;
    let is_port = || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    (!port.is_empty() && !port.contains('$') && !is_port()).then_some(port)
}

/// What is behind the host of a daemon's operand: `MODULE/PATH`, without slashes before it.
fn module(operand: &str) -> Option<&str> {
    match url_rest(operand) {
        Some(rest) => Some(rest.split_once('/').map_or("", |(_, module)| module).trim_start_matches('/')),
        None if is_daemon(operand) => operand.split_once("::").map(|(_, module)| module.trim_start_matches('/')),
        None => None,
    }
}

/// A daemon's operand without a module: rsync answers it with the list of modules and code 0.
pub(crate) fn names_no_module(operand: &str) -> bool {
    module(operand).is_some_and(str::is_empty)
}

/// A daemon's module with no path behind it, which is always a folder.
pub(crate) fn is_module_root(operand: &str) -> bool {
    module(operand).is_some_and(|module| !module.is_empty() && !module.trim_end_matches('/').contains('/'))
}

/// The name under which rsync lays a source into the destination; None: it lays what is in the source there.
pub(crate) fn laid_as(operand: &str) -> Option<&str> {
    let path = match (url_rest(operand), remote(operand)) {
        (Some(rest), _) => rest.split_once('/')?.1.split_once('/')?.1,
        (None, Some(remote)) if remote.daemon => operand.get(remote.host.len() + 2..)?.split_once('/')?.1,
        (None, Some(remote)) => operand.get(remote.host.len() + 1..)?,
        (None, None) => operand,
    };
    path.rsplit('/').next().filter(|name| !["", ".", ".."].contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_local_remote_or_on_a_daemon() {
        // operand, remote, daemon, host
        let cases = [
            ("rsync://server/module/", true, true, "server"),
            ("RSYNC://user@server:8730/module", true, true, "server"),
            ("rsync://[2001:db8::1]:8730/module", true, true, "2001:db8::1"),
            ("server::module", true, true, "server"),
            ("user@server::module/a:b", true, true, "server"),
            ("[::1]::module", true, true, "::1"),
            ("user@[::1]:/path", true, false, "::1"),
            ("server:path", true, false, "server"),
            ("user@server:", true, false, "server"),
            ("./a:b", false, false, ""),
            ("/a:b", false, false, ""),
            ("a/b:c", false, false, ""),
            ("plain", false, false, ""),
            ("", false, false, ""),
            ("rsync:/", true, false, "rsync"),
            ("é:ü", true, false, "é"),
        ];
        for (operand, is_remote_, is_daemon_, host_) in cases {
            assert_eq!(
                (is_remote(operand), is_daemon(operand), host(operand)),
                (is_remote_, is_daemon_, host_),
                "{operand}"
            );
        }
    }

    #[test]
    fn a_url_is_parted_in_one_way() {
        // operand, user, password, host, a port that is none, an IPv6 address without brackets
        for (operand, user_, password, host_, port, bare) in [
            ("rsync://h/m", None, None, "h", None, None),
            ("rsync://u@h:873/a@b:c/d", Some("u"), None, "h", None, None),
            ("rsync://u:p@w@h:x/m", Some("u:p@w"), Some("p@w"), "h", Some("x"), None),
            ("rsync://u:p@[fe80::1%eth0]:873/m", Some("u:p"), Some("p"), "fe80::1%eth0", None, None),
            ("rsync://u@fe80::1%eth0/m", Some("u"), None, "fe80", None, Some("fe80::1%eth0")),
            (
                "rsync://2001:db8:0:0:0:0:0:1:873/m",
                None,
                None,
                "2001",
                Some("db8:0:0:0:0:0:1:873"),
                Some("2001:db8:0:0:0:0:0:1"),
            ),
            ("rsync://u:s/w@h", None, Some("s/w"), "u", Some("s"), None),
            ("rsync://", None, None, "", None, None),
            ("u@fe80::1:a", Some("u"), None, "fe80", None, Some("fe80::1")),
            ("fe80::1::m/a", None, None, "fe80", None, Some("fe80::1")),
            ("[::1]::m", None, None, "::1", None, None),
            ("u@h:a/b@c", Some("u"), None, "h", None, None),
            ("h:a@b", None, None, "h", None, None),
        ] {
            assert_eq!((user(operand), url_password(operand), host(operand)), (user_, password, host_), "{operand}");
            assert_eq!((bad_port(operand), bare_ipv6(operand)), (port, bare), "{operand}");
        }
    }

    #[test]
    fn a_port_is_a_number_that_fits() {
        for (operand, port) in [
            ("rsync://h:abc/m", Some("abc")),
            ("rsync://u@h:99999/m", Some("99999")),
            ("rsync://h:0/m", Some("0")),
            ("rsync://[::1]:+873/m", Some("+873")),
            ("rsync://h:873:1/m", Some("873:1")),
            ("rsync://fe80::1/m", None),
            ("rsync://fe80::1%eth0/m", None),
            ("rsync://h:873/a:b", None),
            ("rsync://h:/m", None),
            ("rsync://h/m", None),
            ("rsync://[::1]/m", None),
            ("rsync://[::1]:8730/m", None),
            ("rsync://h:${serial}/m", None),
            ("h:99999", None),
            ("h::abc", None),
        ] {
            assert_eq!(bad_port(operand), port, "{operand}");
        }
    }

    #[test]
    fn a_source_has_a_name_in_the_destination_unless_it_ends_in_a_slash() {
        for (operand, name) in [
            ("rsync://h/m", None),
            ("rsync://h/m/", None),
            ("rsync://h/m/.", None),
            ("rsync://h/m/a", Some("a")),
            ("rsync://u@h:8730/m/a/b", Some("b")),
            ("rsync://h/m/a/", None),
            ("rsync://h", None),
            ("h::m", None),
            ("h::m/a", Some("a")),
            ("h:a", Some("a")),
            ("h:/a/b", Some("b")),
            ("h:", None),
            ("[::1]:/a/b/", None),
            ("/a/b", Some("b")),
            ("/a/b/", None),
            ("a", Some("a")),
            (".", None),
        ] {
            assert_eq!(laid_as(operand), name, "{operand}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_found() {
        assert_eq!(url_password("rsync://user:secret@server/module"), Some("secret"));
        assert_eq!(url_password("rsync://user:se@cret@server:873/m"), Some("se@cret"));
        assert_eq!(url_password("rsync://user:se/cret@server/m"), Some("se/cret"));
        for without in ["rsync://user@server:873/m", "rsync://server:873/a:b@c", "user:x@server::m", "server:path"] {
            assert_eq!(url_password(without), None, "{without}");
        }
    }
}
