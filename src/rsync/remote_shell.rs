//! What the remote shell said: OpenSSH's client, dropbear's, or the shell on the server that was to start rsync.
//!
//! None of them has a prefix of its own, and a server may print what it likes before anybody has logged in. So a line
//! counts only where its beginning is known, only for a sync that goes by a remote shell, and only for the exit codes
//! that a remote shell brings about. Texts were seen with OpenSSH 9.2, dropbear 2022.83, bash, dash, BusyBox and read in
//! sshconnect.c and cli-kex.c.

use crate::job::Outcome;

/// What rsync exits with when its remote shell has failed; which of them it is, is a race in rsync's cleanup.c. With 5 a
/// daemon behind the shell did not greet.
const CODES: [i32; 6] = [5, 12, 14, 126, 127, 255];

/// Something that a remote shell said, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Complaint {
    /// It asks whether to trust a host that it does not know.
    AsksForTrust,
    /// It asks for a password.
    AsksForPassword,
    /// The host has another key than it had.
    HostChanged,
    /// The host's key is not known.
    HostUnknown,
    /// Keys or passwords were refused.
    Denied,
    /// An option, a configuration file or its value.
    BadOption,
    /// The two sides have no algorithm in common.
    NoAgreement,
    /// The shell on the server did not find rsync, or may not run it.
    NoRemoteRsync,
}

use Complaint::*;

/// Beginning, what else must be in the line, and what it means. The first that fits counts.
const LINES: &[(&str, &str, Complaint)] = &[
    ("Host '", "' is not in the trusted hosts file.", AsksForTrust),
    ("Host key for ", " has changed and you have requested strict checking", HostChanged),
    ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "", HostChanged),
    ("ssh-", " host key mismatch for ", HostChanged),
    ("ecdsa-", " host key mismatch for ", HostChanged),
    ("Host key verification failed.", "", HostUnknown),
    ("No ", " host key is known for ", HostUnknown),
    ("Received disconnect from ", ": Too many authentication failures", Denied),
    ("dbclient: Connection to ", ": No auth methods could be used", Denied),
    ("Too many authentication failures", "", Denied),
    ("command-line: line ", ": Bad configuration option: ", BadOption),
    ("command-line line ", ": ", BadOption),
    ("/", ": Bad configuration option: ", BadOption),
    ("/", ": terminating, ", BadOption),
    ("Bad owner or permissions on ", "", BadOption),
    ("Can't open user config file ", "", BadOption),
    ("unknown option -- ", "", BadOption),
    ("Unknown cipher type ", "", BadOption),
    ("Unknown mac type ", "", BadOption),
    ("Bad ", " spec", BadOption),
    ("Unable to negotiate with ", ": no matching ", NoAgreement),
];

/// How shells call themselves in front of their complaints.
const SHELLS: [&str; 9] = ["bash: ", "sh: ", "-sh: ", "-bash: ", "dash: ", "ash: ", "zsh:", "ksh: ", "fish: "];
/// What they end with.
const FAILURES: [&str; 5] =
    [": command not found", ": not found", ": No such file or directory", ": Permission denied", ": cannot execute"];

/// What a line says; None for most lines.
pub(crate) fn understand(line: &[u8]) -> Option<Complaint> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let known = LINES.iter().find(|(begin, part, _)| line.strip_prefix(begin).is_some_and(|rest| rest.contains(part)));
    if let Some((.., complaint)) = known {
        return Some(*complaint);
    }
    if asks_for_password(line) {
        return Some(AsksForPassword);
    }
    if is_denial(line) {
        return Some(Denied);
    }
    let from_shell = SHELLS.iter().any(|shell| line.starts_with(shell));
    let not_found = FAILURES.iter().any(|end| line.ends_with(end)) || line.contains("command not found: ");
    // csh puts no name of its own before it.
    (from_shell && not_found || line == "rsync: Command not found.").then_some(NoRemoteRsync)
}

/// `USER@HOST: Permission denied (METHODS).`
fn is_denial(line: &str) -> bool {
    let Some((who, rest)) = line.split_once(": Permission denied (") else { return false };
    who.contains('@') && !who.contains(' ') && rest.ends_with(").")
}

/// `USER@HOST's password:`, with no end of line.
fn asks_for_password(line: &str) -> bool {
    let Some(who) = line.strip_suffix("'s password:") else { return false };
    who.contains('@') && !who.contains(' ')
}

/// The complaints of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard(Option<Complaint>);

impl Heard {
    /// Takes note of a line; true if it was understood.
    pub(crate) fn scan(&mut self, line: &[u8]) -> bool {
        let complaint = understand(line);
        self.0 = match (self.0, complaint) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        complaint.is_some()
    }

    /// It has asked something: nobody is there to answer.
    pub(crate) fn asks(self) -> bool {
        matches!(self.0, Some(AsksForTrust | AsksForPassword))
    }

    /// What that means for a sync that has ended with this code, and what helps. All of it passes only when somebody
    /// changes something.
    pub(crate) fn verdict(self, code: i32) -> Option<(Outcome, &'static str)> {
        let complaint = self.0.filter(|_| CODES.contains(&code))?;
        Some((Outcome::Permanent, advice(complaint)))
    }

    /// What helps where it has asked something.
    pub(crate) fn advice(self) -> Option<&'static str> {
        self.0.map(advice)
    }
}

fn advice(complaint: Complaint) -> &'static str {
    match complaint {
        AsksForTrust => {
            "dbclient does not know this host and asks whether to trust it: put its key into ~/.ssh/known_hosts of the user \
             that rsync runs as, or add -y to trust it once and for all"
        }
        AsksForPassword => "the remote shell asks for a password: give it a key with -i that needs none",
        HostChanged => "the host's key has changed: if that is right, replace it in known_hosts",
        HostUnknown => "the host's key is not known: put it into known_hosts of the user that rsync runs as (ssh-keyscan)",
        Denied => "ssh was refused: check the key, its user and authorized_keys on the server",
        BadOption => "this ssh does not know an option or a configuration line that it was given",
        NoAgreement => "ssh and the server have no cipher, key exchange or kind of key in common",
        NoRemoteRsync => "the server cannot run rsync: is it installed, and may this user run it?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_and_shells_say_is_understood() {
        let cases: &[(Complaint, &[&str])] = &[
            (AsksForTrust, &["Host 'server.lab' is not in the trusted hosts file."]),
            (AsksForPassword, &["root@server.lab's password: "]),
            (
                HostChanged,
                &[
                    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
                    "Host key for server.lab has changed and you have requested strict checking.",
                    "ssh-ed25519 host key mismatch for server.lab !",
                    "ecdsa-sha2-nistp256 host key mismatch for server.lab !",
                ],
            ),
            (
                HostUnknown,
                &[
                    "Host key verification failed.",
                    "No ED25519 host key is known for server.lab and you have requested strict checking.",
                ],
            ),
            (
                Denied,
                &[
                    "root@server.lab: Permission denied (publickey,keyboard-interactive).",
                    "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
                    "dbclient: Connection to root@server.lab:2222 exited: No auth methods could be used.",
                ],
            ),
            (
                BadOption,
                &[
                    "command-line: line 0: Bad configuration option: nosuch",
                    "command-line line 0: unsupported option \"banana\".",
                    "/root/.ssh/config: line 1: Bad configuration option: nosuch",
                    "/root/.ssh/config: terminating, 1 bad configuration options",
                    "Bad owner or permissions on /root/.ssh/config",
                    "Can't open user config file /x: No such file or directory",
                    "unknown option -- Q",
                    "Unknown cipher type 'none-such'",
                    "Unknown mac type 'nosuch'",
                    "Bad local forwarding specification 'x'",
                ],
            ),
            (NoAgreement, &["Unable to negotiate with 10.77.1.1 port 22: no matching cipher found. Their offer: x"]),
            (
                NoRemoteRsync,
                &[
                    "bash: line 1: /x/rsync: No such file or directory",
                    "bash: line 1: /srv/film: Permission denied",
                    "bash: line 1: rsync: command not found",
                    "sh: 1: rsync: not found",
                    "-sh: rsync: not found",
                    "zsh:1: command not found: rsync",
                    "rsync: Command not found.",
                ],
            ),
        ];
        for (complaint, lines) in cases {
            for line in *lines {
                assert_eq!(understand(line.as_bytes()), Some(*complaint), "{line}");
            }
        }
    }

    #[test]
    fn what_may_pass_or_comes_from_elsewhere_says_nothing() {
        for line in [
            "",
            "ssh: Could not resolve hostname server.lab: Name or service not known",
            "ssh: connect to host server.lab port 22: Connection refused",
            "kex_exchange_identification: read: Connection reset by peer",
            "dbclient: Connection to root@server.lab:2023 exited: Connect failed: Connection refused",
            "Warning: Permanently added 'server.lab' (ED25519) to the list of known hosts.",
            "Welcome! If you see root@server.lab: Permission denied (publickey). call 112",
            "rsync: command not found",
            "write failed on \"x\": No space left on device (28)",
            "you will be asked for root@server.lab's password:",
            "rsync: [sender] send_files failed to open \"/s/x\": Permission denied (13)",
        ] {
            assert_eq!(understand(line.as_bytes()), None, "{line}");
        }
        assert_eq!(understand(b"bash: \xff: not found"), None);
    }

    #[test]
    fn the_weightiest_complaint_decides_and_only_for_a_remote_shells_codes() {
        let mut heard = Heard::default();
        assert_eq!((heard.verdict(255), heard.asks(), heard.advice()), (None, false, None));
        assert!(heard.scan(b"Host key verification failed."));
        assert!(heard.scan(b"Host key for x has changed and you have requested strict checking."));
        assert!(!heard.scan(b"Connection closed by 10.0.0.1"));
        let (outcome, note) = heard.verdict(12).unwrap();
        assert_eq!(outcome, Outcome::Permanent);
        assert!(note.contains("has changed"), "{note}");
        for code in [0, 1, 10, 11, 20, 23, 24, 30] {
            assert_eq!(heard.verdict(code), None, "{code}");
        }
        assert!(heard.scan(b"Host 'x' is not in the trusted hosts file.") && heard.asks());
    }
}
