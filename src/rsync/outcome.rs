//! What it means that rsync has exited: its exit code, or the signal that killed it, and what it wrote on stderr.
//!
//! Codes are those of rsync's errcode.h of 3.5.0; its messages stand in [`super::signs`].

use super::complaint::{Complaints, Kind, Kinds};
use super::remote_shell::Heard;
use super::signs::{sign, Sign, SIGNS};
use super::telling::Telling;
use crate::job::Outcome;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

/// What the exit of rsync means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What the exit means for the sync.
    pub outcome: Outcome,
    /// The name of the code or signal: `RERR_SOCKETIO`, `SIGSEGV`, `unknown`.
    pub reason: &'static str,
    /// For people: what rsync's messages say beyond the code.
    pub note: Option<String>,
    /// What a partial sync, or a file that is too large, was about.
    pub kind: Option<Kind>,
    /// rsync did not understand its command line: it may not be the rsync that it was when it was asked for its version.
    pub refused_option: bool,
}

/// `some files/attrs were not transferred`
const RERR_PARTIAL: i32 = 23;
/// `syntax or usage error`: what rsync exits with after `unknown option`.
const RERR_SYNTAX: i32 = 1;

/// Code, name, and the outcome unless a message on stderr says more. A code that is not in the table is `unknown` and
/// transient.
const CODES: &[(i32, &str, Outcome)] = &[
    (0, "RERR_OK", Outcome::Success),
    (RERR_SYNTAX, "RERR_SYNTAX", Outcome::Permanent),
    (2, "RERR_PROTOCOL", Outcome::Permanent),
    // Mostly a destination that does not exist. If it is on a card or share that is mounted later, the job heals without
    // anybody's help; if its path is wrong, that costs a few attempts until the back-off has grown.
    (3, "RERR_FILESELECT", Outcome::Transient),
    (4, "RERR_UNSUPPORTED", Outcome::Permanent),
    (5, "RERR_STARTCLIENT", Outcome::Transient),
    (6, "RERR_LOG_FAILURE", Outcome::Transient),
    (10, "RERR_SOCKETIO", Outcome::Transient),
    (11, "RERR_FILEIO", Outcome::Transient),
    (12, "RERR_STREAMIO", Outcome::Transient),
    (13, "RERR_MESSAGEIO", Outcome::Transient),
    (14, "RERR_IPC", Outcome::Transient),
    (15, "RERR_CRASHED", Outcome::Transient),
    (16, "RERR_TERMINATED", Outcome::Transient),
    (19, "RERR_SIGNAL1", Outcome::Transient),
    (20, "RERR_SIGNAL", Outcome::Transient),
    (21, "RERR_WAITCHILD", Outcome::Transient),
    (22, "RERR_MALLOC", Outcome::Transient),
    (RERR_PARTIAL, "RERR_PARTIAL", Outcome::Partial),
    (24, "RERR_VANISHED", Outcome::Warning),
    (25, "RERR_DEL_LIMIT", Outcome::Held),
    (30, "RERR_TIMEOUT", Outcome::Transient),
    (35, "RERR_CONTIMEOUT", Outcome::Transient),
    (124, "RERR_CMD_FAILED", Outcome::Transient),
    (125, "RERR_CMD_KILLED", Outcome::Transient),
    (126, "RERR_CMD_RUN", Outcome::Permanent),
    (127, "RERR_CMD_NOTFOUND", Outcome::Permanent),
    // ssh's own code, which rsync hands on ("unexplained error").
    (255, "REMOTE_SHELL", Outcome::Transient),
];

/// What the lines on stderr told so far: the signs, and the line that tells most. Start a new one for each rsync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// A bit for each [`Sign`] that was seen.
    signs: u32,
    /// What its remote shell said, if it has one.
    shell: Option<Heard>,
    telling: Telling,
    complaints: Complaints,
    /// Complaints that are no failure.
    accept: Kinds,
    skipped_deletions: bool,
}

impl Evidence {
    /// Of an rsync that reaches the other machine by a remote shell.
    pub(crate) fn by_shell() -> Evidence {
        Evidence { shell: Some(Heard::default()), ..Evidence::default() }
    }

    /// With complaints that are no failure.
    pub(crate) fn accepting(self, accept: Kinds) -> Evidence {
        Evidence { accept, ..self }
    }

    /// Its remote shell has asked something: what helps, as nobody is there to answer.
    pub(crate) fn asks(&self) -> Option<&'static str> {
        self.shell.filter(|shell| shell.asks())?.advice()
    }

    /// Takes note of one line of stderr; the line end is not part of it.
    pub(crate) fn scan(&mut self, line: &[u8]) {
        // Without a terminal rsync asks for the password on stderr; the prompt has no line end.
        let line = line.strip_prefix(b"Password: ").unwrap_or(line);
        let found = sign(line);
        if let Some(sign) = found {
            self.signs |= 1 << sign as u32;
        }
        let by_shell = self.shell.as_mut().is_some_and(|shell| shell.scan(line));
        let kind = if by_shell { None } else { self.complaints.scan(line, self.shell.is_some()) };
        self.telling.hear(line, found.is_some() || by_shell, kind.filter(|kind| !self.accept.has(*kind)));
    }

    /// Takes note of one line of stdout. Old servers' refusals come there, and what rsync does not call an error.
    #[inline]
    pub(crate) fn scan_stdout(&mut self, line: &[u8]) {
        match line.first() {
            Some(b'@') if line.starts_with(b"@ERROR: ") => self.scan(line),
            Some(b'I') => self.skipped_deletions |= line == b"IO error encountered -- skipping file deletion",
            _ => {}
        }
    }

    /// What rsync complained of, file by file.
    pub(crate) fn complaints(&self) -> &Complaints {
        &self.complaints
    }

    /// Why rsync deleted nothing, if it says so: it does where one of the two sides could not read everything.
    pub(crate) fn skipped_deletions(&self) -> Option<&'static str> {
        let by_source = self.has(Sign::SourceDamaged) || self.complaints.kinds().has(Kind::Unreadable);
        self.skipped_deletions.then_some(match self.has(Sign::Damaged) && !by_source {
            true => "the destination could not be read everywhere",
            false => "the server could not read everything",
        })
    }

    /// Takes note of a line that has no end yet: a question is asked in such a line.
    pub(crate) fn scan_pending(&mut self, line: &[u8]) {
        if let Some(shell) = &mut self.shell {
            shell.scan(line);
        }
    }

    /// The line that tells most about a failure, safe to show, in at most 200 bytes.
    pub(crate) fn telling(&self) -> Option<String> {
        self.telling.text()
    }

    /// False: no packet has reached the server. A name may stand for several addresses: it is enough that one was asked.
    pub(crate) fn reached(&self) -> bool {
        self.has(Sign::Asked) || !self.has(Sign::Unreached)
    }

    fn has(&self, sign: Sign) -> bool {
        self.signs & 1 << sign as u32 != 0
    }
}

/// What rsync's statistics prove: it prints them when it has gone through the list, and not when it has copied nothing, as
/// after a list of modules or a server's `@RSYNCD: EXIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// They were not asked for: a drop-in, an rsync that does not know them, or the owner's options hide them.
    NotAsked,
    /// They did not come.
    Missing,
    /// They came, and the list had so many entries.
    Listed(u64),
}

/// What rsync's exit means by itself. Whether irsync has killed it is for the caller to know.
pub(crate) fn classify(exit: Exit, evidence: &Evidence, proof: Proof) -> Verdict {
    let code = match exit {
        Exit::Signal(number) => return signalled(number),
        Exit::Code(code) => code,
    };
    let (reason, outcome) = CODES
        .iter()
        .find(|(c, ..)| *c == code)
        .map_or(("unknown", Outcome::Transient), |(_, name, outcome)| (name, *outcome));
    let mut verdict = Verdict { outcome, reason, note: None, kind: None, refused_option: code == RERR_SYNTAX };
    let speaks = |codes: &[i32]| codes.is_empty() || codes.contains(&code);
    let sign = || SIGNS.iter().find(|(sign, codes, ..)| evidence.has(*sign) && speaks(codes));
    if outcome.is_success() {
        if proof == Proof::Missing {
            verdict.outcome = Outcome::Transient;
            verdict.note = Some("rsync ended well, but copied nothing: it printed no statistics".into());
        }
    } else if let Some((sign, _, changed, note)) = sign() {
        verdict.outcome = changed.unwrap_or(outcome);
        verdict.kind = match sign {
            Sign::TooLarge => Some(Kind::TooLarge),
            Sign::SourceDamaged => Some(Kind::Other),
            _ => None,
        };
        verdict.note = Some((*note).into());
    } else if let Some((outcome, note)) = evidence.shell.and_then(|shell| shell.verdict(code)) {
        verdict.outcome = outcome;
        verdict.note = Some(note.into());
    } else if code == RERR_PARTIAL {
        partial(&mut verdict, evidence, proof);
    }
    if let Some(why) = evidence.skipped_deletions().filter(|_| matches!(code, 0 | RERR_PARTIAL | 24)) {
        let before = verdict.note.map(|note| note + "; ").unwrap_or_default();
        verdict.note = Some(format!("{before}nothing was deleted, because {why}"));
    }
    verdict
}

/// Some files were not transferred whole: which, and is the owner content with that?
fn partial(verdict: &mut Verdict, evidence: &Evidence, proof: Proof) {
    let kinds = evidence.complaints.kinds();
    let failures = kinds.without(evidence.accept);
    // A source that cannot be read at all gives an empty list, and nobody has accepted that.
    let something = !kinds.has(Kind::Unreadable) || matches!(proof, Proof::Listed(entries) if entries > 1);
    if !kinds.is_empty() && failures.is_empty() && something && proof != Proof::Missing {
        verdict.outcome = Outcome::Success;
        verdict.note = Some(format!("accepted: {kinds}"));
    } else {
        verdict.kind = Some(failures.first().or(kinds.first()).unwrap_or(Kind::Other));
        verdict.note =
            (!kinds.is_empty()).then(|| format!("trouble with {}", if failures.is_empty() { kinds } else { failures }));
    }
}

fn signalled(number: i32) -> Verdict {
    use nix::sys::signal::Signal;
    let signal = Signal::try_from(number).ok();
    let note = (signal == Some(Signal::SIGKILL)).then(|| "killed by somebody else: out of memory?".into());
    let reason = signal.map_or("unknown signal", Signal::as_str);
    Verdict { outcome: Outcome::Transient, reason, note, kind: None, refused_option: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: i32, stderr: &str) -> Verdict {
        judged(code, Evidence::by_shell(), stderr, Proof::NotAsked)
    }

    fn judged(code: i32, mut evidence: Evidence, stderr: &str, proof: Proof) -> Verdict {
        stderr.lines().for_each(|line| evidence.scan(line.as_bytes()));
        classify(Exit::Code(code), &evidence, proof)
    }

    #[test]
    fn every_code_has_its_outcome() {
        use Outcome::*;
        let table: &[(Outcome, &[i32])] = &[
            (Success, &[0]),
            (Warning, &[24]),
            (Partial, &[23]),
            (Held, &[25]),
            (Permanent, &[1, 2, 4, 126, 127]),
            (Transient, &[3, 5, 6, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22, 30, 35, 124, 125, 255]),
            (Transient, &[7, 77, -1]),
        ];
        for (outcome, codes) in table {
            for &code in *codes {
                assert_eq!(verdict(code, "").outcome, *outcome, "code {code}");
            }
        }
        assert_eq!(verdict(10, "").reason, "RERR_SOCKETIO");
        assert_eq!(verdict(77, "").reason, "unknown");
    }

    #[test]
    fn what_rsync_says_decides_between_outcomes() {
        use Outcome::*;
        let cases = [
            (5, "@ERROR: max connections (10) reached -- try again later", Busy),
            (5, "@ERROR: auth failed on module media", Permanent),
            (5, "Password: @ERROR: auth failed on module media", Permanent),
            (5, "@ERROR: access denied to media from host (10.0.0.1)", Permanent),
            (5, "@ERROR: Unknown module 'media'", Permanent),
            (5, "ERROR: The remote path must start with a module name", Permanent),
            (5, "@ERROR: chdir failed", Transient),
            (3, "rsync: [Receiver] change_dir#1 \"/link\" failed: Too many levels of symbolic links (40)", Permanent),
            (11, "rsync: [receiver] open \"/a\" failed: Too many levels of symbolic links (40)", Transient),
            (10, "rsync: The server is configured to refuse --checksum (-c)", Permanent),
            (12, "rsync: The server is configured to refuse --checksum (-c)", Permanent),
            (5, "@ERROR: failed to open lock file", Transient),
            (5, "rsync: server sent \"HTTP/1.1 400 Bad Request\" rather than greeting", Transient),
            (5, "rsync: did not see server greeting", Transient),
            (11, "rsync: [receiver] write failed on \"/data/x\": No space left on device (28)", Disk),
            (23, "rsync: [generator] recv_generator: mkdir \"/d\" failed: No space left on device (28)", Disk),
            (12, "rsync: write failed on \"/data/x\": Disk quota exceeded (122)", Disk),
            (11, "rsync: [receiver] write failed on \"/d8/big\": File too large (27)", Permanent),
            (23, "rsync: [receiver] write failed on \"/d8/big\": File too large (27)", Permanent),
            (12, "video: File too large (27)", Transient),
            (255, "pi@server: Permission denied (publickey,password).", Permanent),
            (12, "Host key verification failed.", Permanent),
            (255, "ssh: connect to host server port 22: Connection refused", Transient),
            (14, "rsync: [sender] Failed to exec ssh: No such file or directory (2)", Permanent),
            (14, "rsync: [sender] fork: Resource temporarily unavailable (11)", Transient),
            (12, "bash: line 1: rsync: command not found", Permanent),
            (12, "sh: 1: rsync: not found", Permanent),
            (3, "ERROR: destination must be a directory when copying more than 1 file", Permanent),
            (3, "rsync: [Receiver] change_dir#1 \"/mnt/x\" failed: No such file or directory (2)", Transient),
            // The same words in another place or with another code mean nothing.
            (12, "@ERROR: auth failed on module media", Transient),
            (23, "rsync: [sender] send_files failed to open \"/s/x\": Permission denied (13)", Partial),
            (23, "rsync: [sender] link_stat \"/No space left on device (28)\" failed: Not a directory (20)", Partial),
            // A banner.
            (12, "write failed on \"x\": No space left on device (28)", Transient),
            (255, "auth failed on module media", Transient),
            (5, "access denied to media", Transient),
            (0, "rsync: write failed on \"x\": No space left on device (28)", Success),
            (24, "rsync: write failed on \"x\": No space left on device (28)", Warning),
        ];
        for (code, text, outcome) in cases {
            assert_eq!(verdict(code, text).outcome, outcome, "code {code}, {text}");
        }
    }

    #[test]
    fn a_server_was_reached_unless_no_packet_could_get_there() {
        let reached = |stderr: &str| {
            let mut evidence = Evidence::default();
            stderr.lines().for_each(|line| evidence.scan(line.as_bytes()));
            evidence.reached()
        };
        assert!(!reached("rsync: getaddrinfo: files.example.com 873: Temporary failure in name resolution"));
        assert!(!reached("rsync: [Receiver] failed to connect to h (192.0.2.1): Network is unreachable (101)"));
        assert!(!reached("rsync: [Receiver] failed to connect to h (192.0.2.1): No route to host (113)"));
        assert!(!reached("ssh: Could not resolve hostname h: Name or service not known"));
        assert!(!reached("ssh: connect to host h port 22: Network is unreachable"));
        // A name with two addresses on a board without IPv6.
        assert!(reached(
            "rsync: [Receiver] failed to connect to h (2001:db8::1): Network is unreachable (101)\n\
             rsync: [Receiver] failed to connect to h (192.0.2.1): Connection refused (111)"
        ));
        assert!(reached("@ERROR: max connections (4) reached -- try again later"));
        assert!(reached("rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]"));
        assert!(reached(""));
    }

    #[test]
    fn notes_say_what_the_code_does_not() {
        let cases = [
            (5, "rsync: did not see server greeting", "captive portal"),
            (5, "@ERROR: chroot failed", "fault of its own"),
            (1, "ERROR: password file must not be other-accessible", "password file"),
            (1, "rsync: [Receiver] could not open password file /x: No such file or directory (2)", "password file"),
            (2, "protocol version mismatch -- is your shell clean?", "profile"),
            (23, "rsync: [receiver] mkstemp \"/d/.x.a1\" failed: Read-only file system (30)", "read-only"),
            (25, "Deletions stopped due to --max-delete limit (3 skipped)", "--max-delete"),
        ];
        for (code, text, part) in cases {
            let note = verdict(code, text).note.unwrap_or("no note".into());
            assert!(note.contains(part), "code {code}, {text}: {note}");
        }
        assert_eq!(verdict(10, "rsync: [Receiver] failed to connect to server: Connection refused (111)").note, None);
    }

    #[test]
    fn the_weightier_sign_decides_whatever_comes_first() {
        let full = "rsync: [receiver] mkstemp failed: Read-only file system (30)\nrsync: write failed on \"x\": No space left on device (28)\n\
                    rsync error: error in file IO (code 11) at receiver.c(393) [receiver=3.5.0]";
        assert_eq!(verdict(11, full).outcome, Outcome::Disk);
    }

    #[test]
    fn success_without_statistics_is_none_where_they_were_asked_for() {
        for (code, proof, outcome) in [
            (0, Proof::Missing, Outcome::Transient),
            (24, Proof::Missing, Outcome::Transient),
            (0, Proof::Listed(0), Outcome::Success),
            (24, Proof::Listed(3), Outcome::Warning),
            (0, Proof::NotAsked, Outcome::Success),
            (23, Proof::Missing, Outcome::Partial),
        ] {
            let verdict = judged(code, Evidence::default(), "", proof);
            assert_eq!(verdict.outcome, outcome, "code {code}, {proof:?}");
            assert_eq!(verdict.note.is_some(), outcome == Outcome::Transient, "code {code}, {proof:?}");
        }
    }

    const TIMES: &str = "rsync: [generator] failed to set times on \"/d/.\": Operation not permitted (1)";
    const NAMES: &str = "rsync: [receiver] mkstemp \"/d/.b:c.5jkmVt\" failed: Invalid argument (22)";
    const CLOSED: &str = "rsync: [sender] send_files failed to open \"x\" (in m): Permission denied (13)";
    const OTHER: &str = "rsync: [receiver] mkstemp \"/d/.a.Q8IoW1\" failed: Permission denied (13)";

    #[test]
    fn a_partial_sync_is_a_success_if_all_of_its_complaints_are_accepted() {
        let accepting = |kinds: &[Kind]| {
            let mut accept = Kinds::default();
            kinds.iter().for_each(|kind| accept.insert(*kind));
            Evidence::default().accepting(accept)
        };
        use Kind::{Names, Times, Unreadable};
        for (accept, lines, proof, outcome, note) in [
            (&[Times][..], TIMES.to_owned(), Proof::Listed(3), Outcome::Success, "accepted: times"),
            (&[Times], TIMES.to_owned(), Proof::NotAsked, Outcome::Success, "accepted: times"),
            (&[Times], TIMES.to_owned(), Proof::Missing, Outcome::Partial, "trouble with times"),
            (&[], TIMES.to_owned(), Proof::Listed(3), Outcome::Partial, "trouble with times"),
            (&[Names], TIMES.to_owned(), Proof::Listed(3), Outcome::Partial, "trouble with times"),
            (&[Times], format!("{NAMES}\n{TIMES}"), Proof::Listed(3), Outcome::Partial, "trouble with names"),
            (
                &[Names, Times],
                format!("{NAMES}\n{TIMES}"),
                Proof::Listed(3),
                Outcome::Success,
                "accepted: times, names",
            ),
            (&[Times], format!("{TIMES}\n{OTHER}"), Proof::Listed(3), Outcome::Partial, "trouble with other"),
            (&[Unreadable], CLOSED.to_owned(), Proof::Listed(2), Outcome::Success, "accepted: unreadable"),
            (&[Unreadable], CLOSED.to_owned(), Proof::Listed(1), Outcome::Partial, "trouble with unreadable"),
            (&[Unreadable], CLOSED.to_owned(), Proof::NotAsked, Outcome::Partial, "trouble with unreadable"),
        ] {
            let verdict = judged(23, accepting(accept), &lines, proof);
            assert_eq!(
                (verdict.outcome, verdict.note.as_deref()),
                (outcome, Some(note)),
                "{accept:?} {lines} {proof:?}"
            );
            assert_eq!(verdict.kind.is_some(), outcome == Outcome::Partial);
        }
        let silent = judged(23, accepting(&Kind::ACCEPTABLE), "", Proof::Listed(3));
        assert_eq!((silent.outcome, silent.kind, silent.note), (Outcome::Partial, Some(Kind::Other), None));
        let mut evidence = accepting(&[Names]);
        [NAMES, TIMES].into_iter().for_each(|line| evidence.scan(line.as_bytes()));
        assert_eq!(evidence.telling().as_deref(), Some(TIMES), "what was accepted explains no failure");
    }

    #[test]
    fn skipped_deletions_are_in_the_note() {
        let mut evidence = Evidence::default();
        evidence.scan_stdout(b">f+++++++++ IO error encountered -- skipping file deletion");
        assert_eq!(evidence.skipped_deletions(), None);
        evidence.scan_stdout(b"IO error encountered -- skipping file deletion");
        assert!(evidence.skipped_deletions().is_some());
        evidence.scan(CLOSED.as_bytes());
        let note = |code| classify(Exit::Code(code), &evidence, Proof::Listed(3)).note.unwrap_or_default();
        assert_eq!(
            note(23),
            "trouble with unreadable; nothing was deleted, because the server could not read everything"
        );
        assert!(note(24).contains("nothing was deleted") && note(12).is_empty());
        let mut old = Evidence::default();
        old.scan_stdout(b"@ERROR: max connections (2) reached -- try again later");
        assert_eq!(classify(Exit::Code(5), &old, Proof::Missing).outcome, Outcome::Busy);
    }

    /// What rsync 3.5.0 said on an ext4 that was damaged by debugfs, and what it says of EIO.
    #[test]
    fn a_damaged_file_system_is_told_from_the_side_that_has_it() {
        const HERE: &str = "the file system of the destination is damaged";
        const THERE: &str = "the file system of the source is damaged";
        for (code, line, outcome, part) in [
            (
                23,
                "[generator] recv_generator: mkdir \"/d/sub\" failed: Structure needs cleaning (117)",
                Outcome::Disk,
                HERE,
            ),
            (23, "[generator] readdir(\"/d/sub\"): Bad message (74)", Outcome::Disk, HERE),
            (23, "[generator] opendir \"sub\" failed: Input/output error (5)", Outcome::Disk, HERE),
            (23, "[generator] recv_generator: failed to stat \"/d/a\": Input/output error (5)", Outcome::Disk, HERE),
            (23, "recv_generator: failed to stat \"/d/a\": Input/output error (5)", Outcome::Disk, HERE),
            (11, "[receiver] write failed on \"/d/x\": Input/output error (5)", Outcome::Disk, HERE),
            (12, "[receiver] write failed on \"/d/x\": Input/output error (5)", Outcome::Disk, HERE),
            (3, "[Receiver] change_dir#1 \"/d\" failed: Input/output error (5)", Outcome::Disk, HERE),
            (23, "[sender] readlink_stat(\"/s/sub\") failed: Structure needs cleaning (117)", Outcome::Partial, THERE),
            (23, "[sender] read errors mapping \"/s/x\": Input/output error (5)", Outcome::Partial, THERE),
            (23, "[sender] readdir(\"/s/sub\"): Bad message (74)", Outcome::Partial, THERE),
            (23, "readlink_stat(\"sub\") failed: Input/output error (5)", Outcome::Partial, "trouble with other"),
            (10, "[receiver] write failed on \"/d/x\": Input/output error (5)", Outcome::Transient, ""),
        ] {
            let mut evidence = Evidence::default();
            evidence.scan(format!("rsync: {line}").as_bytes());
            evidence.scan_stdout(b"IO error encountered -- skipping file deletion");
            let verdict = classify(Exit::Code(code), &evidence, Proof::Listed(3));
            let note = verdict.note.unwrap_or_default();
            assert!(
                verdict.outcome == outcome && note.contains(part),
                "code {code}, {line}: {} {note}",
                verdict.outcome
            );
            assert_eq!(verdict.kind.is_some(), outcome == Outcome::Partial, "{line}");
            assert_eq!(note.contains("fsck"), part == HERE || part == THERE, "{line}: {note}");
            let blames =
                if part == HERE { "because the destination could not" } else { "because the server could not" };
            assert_eq!(note.contains(blames), code == 23, "{line}: {note}");
        }
        assert_eq!(sign(b"Welcome: Input/output error (5)"), None, "a banner");
    }

    #[test]
    fn a_signal_has_its_name() {
        let none = Evidence::default();
        let segv = classify(Exit::Signal(11), &none, Proof::Missing);
        assert_eq!((segv.outcome, segv.reason, segv.note), (Outcome::Transient, "SIGSEGV", None));
        assert!(classify(Exit::Signal(9), &none, Proof::Missing).note.is_some());
        assert_eq!(classify(Exit::Signal(40), &none, Proof::Missing).reason, "unknown signal");
    }
}
