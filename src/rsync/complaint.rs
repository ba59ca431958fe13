//! What rsync complains of, file by file, in a sync that ends as `partial` (code 23).
//!
//! The texts were seen with rsync 3.5.0, each made to happen: another's folder and files, ext4, exFAT (by FUSE), a program that
//! runs, a mount point, `prlimit --fsize`, modes that shut the sender out, `--iconv`.

use super::fingerprint::of_name;

/// What a complaint is about. The first in this order is told where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file larger than the file system takes.
    TooLarge,
    /// Anything that is none of the others.
    Other,
    /// A program that runs, or a mount point.
    Busy,
    /// A name that the file system, or a character set, has no room for.
    Names,
    /// The server may not read it.
    Unreadable,
    /// Symbolic or hard links that the file system does not have.
    Links,
    /// Owner, group or mode.
    Owners,
    /// Times.
    Times,
}

impl Kind {
    /// Every kind, the weightiest first.
    pub const ALL: [Kind; 8] = [
        Kind::TooLarge,
        Kind::Other,
        Kind::Busy,
        Kind::Names,
        Kind::Unreadable,
        Kind::Links,
        Kind::Owners,
        Kind::Times,
    ];
    /// Those that `accept` may name, in the order of the documentation.
    pub const ACCEPTABLE: [Kind; 5] = [Kind::Times, Kind::Links, Kind::Owners, Kind::Names, Kind::Unreadable];

    /// The word in `accept`, status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TooLarge => "too_large",
            Kind::Other => "other",
            Kind::Busy => "busy",
            Kind::Names => "names",
            Kind::Unreadable => "unreadable",
            Kind::Links => "links",
            Kind::Owners => "owners",
            Kind::Times => "times",
        }
    }

    /// The kind that `accept` calls so.
    pub fn acceptable(name: &str) -> Option<Kind> {
        Kind::ACCEPTABLE.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether the kind is one of them.
    pub fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are not in `others`.
    pub fn without(self, others: Kinds) -> Kinds {
        Kinds(self.0 & !others.0)
    }

    /// The weightiest.
    pub fn first(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.has(*kind))
    }
}

impl std::fmt::Display for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = "";
        for kind in Kind::ALL.into_iter().rev().filter(|kind| self.has(*kind)) {
            write!(f, "{before}{}", kind.name())?;
            before = ", ";
        }
        Ok(())
    }
}

/// As many names are remembered.
const REMEMBERED: usize = 1000;

/// The complaints of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complaints {
    kinds: Kinds,
    /// Of what was refused, as [`of_name`] has it.
    refused: Vec<u32>,
    /// Something was refused, and its name is not known.
    vague: bool,
}

impl Complaints {
    /// Takes note of a line of stderr; gives its kind if it is a complaint. `by_shell`: what stands before rsync's first
    /// complaint may be the server's banner.
    pub(crate) fn scan(&mut self, line: &[u8], by_shell: bool) -> Option<Kind> {
        let kind = match kind(line) {
            Some(kind) => kind,
            None if is_aside(line) || (by_shell && self.kinds.is_empty()) => return None,
            None => Kind::Other,
        };
        self.kinds.insert(kind);
        if !matches!(kind, Kind::Times | Kind::Owners) {
            self.note_name(line);
        }
        Some(kind)
    }

    /// What they are about.
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Whether the file of that name was refused.
    pub(crate) fn refuse(&self, name: u32) -> bool {
        self.refused.contains(&name)
    }

    /// Whether something was refused whose name is not known.
    pub(crate) fn are_vague(&self) -> bool {
        self.vague
    }

    /// Remembers the first name in quotation marks or brackets.
    fn note_name(&mut self, line: &[u8]) {
        let message = message(line);
        // A folder that the server may not list is made all the same, but empty.
        if [&b"opendir "[..], b"readdir"].iter().any(|listing| message.starts_with(listing)) {
            return;
        }
        let end = |open: usize, close: u8| message[open..].iter().position(|b| *b == close).map(|len| open + len);
        let quoted = message.iter().position(|b| *b == b'"').and_then(|at| Some(at + 1..end(at + 1, b'"')?));
        let range =
            quoted.or_else(|| message.iter().position(|b| *b == b'(').and_then(|at| Some(at + 1..end(at + 1, b')')?)));
        let Some(path) = range.map(|range| &message[range]).filter(|_| self.refused.len() < REMEMBERED) else {
            self.vague = true;
            return;
        };
        self.refused.push(of_name(path));
        self.refused.extend(without_temporary(path).map(of_name));
    }
}

/// `NAME` of the temporary names `.NAME.XXXXXX` and `.NAME.PID`.
fn without_temporary(path: &[u8]) -> Option<&[u8]> {
    let name = path.rsplit(|b| *b == b'/').next()?.strip_prefix(b".")?;
    let dot = name.iter().rposition(|b| *b == b'.')?;
    name[dot + 1..].iter().all(u8::is_ascii_alphanumeric).then_some(&name[..dot])
}

/// What rsync says beside its complaints, or after them.
fn is_aside(line: &[u8]) -> bool {
    const ASIDES: [&[u8]; 7] = [
        b"rsync error: ",
        b"rsync warning: ",
        b"file has vanished: ",
        b"directory has vanished: ",
        b"WARNING: ",
        b"Password: ",
        b"Deletions stopped due to --max-delete limit ",
    ];
    ASIDES.iter().any(|aside| line.starts_with(aside))
}

/// The line without `rsync: ` and `[role] `.
fn message(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"rsync: ").unwrap_or(line);
    let end = line.iter().position(|b| *b == b']').filter(|_| line.first() == Some(&b'['));
    end.map_or(line, |end| line[end + 1..].strip_prefix(b" ").unwrap_or(&line[end + 1..]))
}

/// `(13)` at the end, or ` (13)` before nothing.
fn errno(line: &[u8]) -> Option<u32> {
    let digits = line.strip_suffix(b")")?;
    let digits = &digits[digits.iter().rposition(|b| *b == b'(')? + 1..];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const EPERM: u32 = 1;
const ENOENT: u32 = 2;
const EACCES: u32 = 13;
const EBUSY: u32 = 16;
const EINVAL: u32 = 22;
const ETXTBSY: u32 = 26;
const EFBIG: u32 = 27;
const EMLINK: u32 = 31;
const ENAMETOOLONG: u32 = 36;
const ENOSYS: u32 = 38;
const EILSEQ: u32 = 84;
const EOPNOTSUPP: u32 = 95;

/// The kind of a complaint in rsync's own form; None of any other line.
fn kind(line: &[u8]) -> Option<Kind> {
    let text = message(line);
    let begins = |starts: &[&[u8]]| starts.iter().any(|start| text.starts_with(start));
    if line.starts_with(b"[") && begins(&[b"cannot convert filename: "]) {
        return Some(Kind::Names);
    }
    if !line.starts_with(b"rsync: ") {
        return None;
    }
    let role = |names: &[&[u8]]| names.iter().any(|name| line[b"rsync: ".len()..].starts_with(name));
    let of_sender = role(&[b"[sender]"]) || !role(&[b"["]);
    let unsupported = |errno: u32| matches!(errno, EPERM | ENOSYS | EOPNOTSUPP | EMLINK | EINVAL);
    Some(match errno(line) {
        Some(EFBIG) => Kind::TooLarge,
        Some(EBUSY | ETXTBSY) => Kind::Busy,
        Some(errno) if unsupported(errno) && begins(&[b"failed to set times on "]) => Kind::Times,
        Some(errno) if unsupported(errno) && begins(&[b"chown ", b"chgrp ", b"failed to set permissions on "]) => {
            Kind::Owners
        }
        Some(errno) if unsupported(errno) && begins(&[b"symlink ", b"link "]) => Kind::Links,
        Some(EINVAL | ENAMETOOLONG | EILSEQ) => Kind::Names,
        // FUSE's exFAT and FAT say it like that. The folder is there: rsync has made it.
        Some(ENOENT | EPERM) if begins(&[b"mkstemp \"", b"recv_generator: mkdir \""]) && is_unfit(text) => Kind::Names,
        // Of what the owner has named himself as the source, nothing may be missing.
        Some(EPERM | EACCES)
            if of_sender && begins(&[b"send_files failed to open ", b"opendir ", b"readlink_stat(", b"readdir"]) =>
        {
            Kind::Unreadable
        }
        _ => Kind::Other,
    })
}

/// Whether the last name in quotation marks has what FAT and its kin have no room for.
fn is_unfit(text: &[u8]) -> bool {
    let quoted = text.splitn(2, |b| *b == b'"').nth(1).and_then(|rest| rest.rsplitn(2, |b| *b == b'"').nth(1));
    let name = quoted.and_then(|path| path.rsplit(|b| *b == b'/').next()).unwrap_or_default();
    name.iter().any(|b| b"\"*:<>?\\|".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        use Kind::*;
        for (kind, line) in [
            (Times, "rsync: [generator] failed to set times on \"/d1/.\": Operation not permitted (1)"),
            (Times, "rsync: failed to set times on \"/d1/a\": Operation not permitted (1)"),
            (Other, "rsync: [generator] failed to set times on \"/d1/a\": Input/output error (5)"),
            (Owners, "rsync: [generator] failed to set permissions on \"/d3/a\": Operation not permitted (1)"),
            (Owners, "rsync: [receiver] chown \"/d2/.a.L83qxS\" failed: Operation not permitted (1)"),
            (Owners, "rsync: [generator] chgrp \"/d2/a\" failed: Operation not permitted (1)"),
            (Links, "rsync: [generator] symlink \"/ex/l\" -> \"a\" failed: Function not implemented (38)"),
            (Links, "rsync: [generator] symlink \"/vf/l\" -> \"a\" failed: Operation not permitted (1)"),
            (Links, "rsync: [generator] link \"/ex/.h.28395\" => a failed: Operation not permitted (1)"),
            (Other, "rsync: [generator] symlink \"/d14/l\" -> \"a\" failed: Permission denied (13)"),
            (Names, "rsync: [receiver] mkstemp \"/ex/.b:c.5jkmVt\" failed: Invalid argument (22)"),
            (Names, "rsync: [generator] recv_generator: mkdir \"/ex/d*x\" failed: Invalid argument (22)"),
            (Names, "rsync: [generator] recv_generator: failed to stat \"/x\": File name too long (36)"),
            (Names, "rsync: [receiver] mkstemp \"/x\" failed: Invalid or incomplete multibyte or wide character (84)"),
            (
                Names,
                "[sender] cannot convert filename: Gr\\#303.mp4 (Invalid or incomplete multibyte or wide character)",
            ),
            (Unreadable, "rsync: [sender] send_files failed to open \"x\" (in m): Permission denied (13)"),
            (Unreadable, "rsync: send_files failed to open \"/s/x\": Permission denied (13)"),
            (Unreadable, "rsync: [sender] opendir \"lost\" (in m) failed: Permission denied (13)"),
            (Other, "rsync: [generator] opendir \"lost\" failed: Permission denied (13)"),
            (Other, "rsync: [sender] change_dir \"/s3\" failed: Permission denied (13)"),
            (Other, "rsync: [sender] link_stat \"/s3\" failed: No such file or directory (2)"),
            (Other, "rsync: [sender] read errors mapping \"/s/x\": Input/output error (5)"),
            (Other, "rsync: [receiver] mkstemp \"/d14/.a.Q8IoW1\" failed: Permission denied (13)"),
            (Names, "rsync: [receiver] mkstemp \"/ex/set/.a:b.4DNvmA\" failed: No such file or directory (2)"),
            (Names, "rsync: [receiver] mkstemp \"/fat/.what?.GKVU5e\" failed: Operation not permitted (1)"),
            (Names, "rsync: [generator] recv_generator: mkdir \"/ex/d*x\" failed: No such file or directory (2)"),
            (Other, "rsync: [receiver] mkstemp \"/a:b/.plain.4DNvmA\" failed: No such file or directory (2)"),
            (Other, "rsync: [receiver] mkstemp \"/ex/.plain.4DNvmA\" failed: Operation not permitted (1)"),
            (Other, "ERROR: a failed verification -- update discarded."),
            (Other, "could not make way for new regular file: a"),
            (Busy, "rsync: [receiver] open \"/d6/prog\" failed: Text file busy (26)"),
            (Busy, "rsync: [generator] delete_file: rmdir(m) failed: Device or resource busy (16)"),
            (TooLarge, "rsync: [receiver] write failed on \"/d8/big\": File too large (27)"),
        ] {
            assert_eq!(Complaints::default().scan(line.as_bytes(), false), Some(kind), "{line}");
        }
        for line in [
            "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394)",
            "rsync warning: some files vanished (code 24) at main.c(1394)",
            "file has vanished: \"/x\"",
            "WARNING: a failed verification -- update discarded (will try again).",
        ] {
            assert_eq!(Complaints::default().scan(line.as_bytes(), false), None, "{line}");
        }
    }

    #[test]
    fn a_banner_is_no_complaint_but_what_follows_one_may_be() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.scan(b"** Authorized use only **", true), None);
        assert_eq!(
            complaints.scan(b"rsync: [sender] opendir \"x\" failed: Permission denied (13)", true),
            Some(Kind::Unreadable)
        );
        assert_eq!(complaints.scan(b"could not make way for new regular file: a", true), Some(Kind::Other));
        assert_eq!(Complaints::default().scan(b"** Authorized use only **", false), Some(Kind::Other));
    }

    #[test]
    fn what_was_refused_is_known_by_its_name() {
        let refused = |line: &str, name: &str| {
            let mut complaints = Complaints::default();
            complaints.scan(line.as_bytes(), false);
            (complaints.refuse(of_name(name.as_bytes())), complaints.are_vague())
        };
        for (line, name) in [
            ("rsync: [receiver] mkstemp \"/ex/q/.b:c.5jkmVt\" failed: Invalid argument (22)", "q/b:c"),
            ("rsync: [generator] recv_generator: mkdir \"/ex/d*x\" failed: Invalid argument (22)", "d*x/"),
            ("rsync: [generator] link \"/ex/.h.28395\" => a failed: Operation not permitted (1)", "h"),
            ("rsync: [generator] delete_file: rmdir(p/m) failed: Device or resource busy (16)", "p/m"),
            ("rsync: [sender] send_files failed to open \"x\" (in m): Permission denied (13)", "x"),
            ("rsync: [receiver] rename \"/d7/.a.AS3Bls\" -> \"a\": Operation not permitted (1)", "a"),
        ] {
            assert_eq!(refused(line, name), (true, false), "{line}");
            assert!(!refused(line, "other").0, "{line}");
        }
        let made_empty = "rsync: [sender] opendir \"lost\" (in m) failed: Permission denied (13)";
        assert_eq!(refused(made_empty, "lost/"), (false, false));
        let brought = "rsync: [receiver] chown \"/d2/.a.L83qxS\" failed: Operation not permitted (1)";
        assert_eq!(refused(brought, "a"), (false, false), "all but its owner is here");
        assert_eq!(refused("could not make way for new regular file: a", "a"), (false, true));
    }

    #[test]
    fn memory_is_bounded() {
        let mut complaints = Complaints::default();
        for n in 0..5 * REMEMBERED {
            complaints
                .scan(format!("rsync: [receiver] mkstemp \"/d/{n}\" failed: Invalid argument (22)").as_bytes(), false);
        }
        assert!(complaints.refused.len() <= 2 * REMEMBERED && complaints.are_vague());
    }

    #[test]
    fn a_set_of_kinds_is_written_in_the_order_of_the_documentation() {
        let mut kinds = Kinds::default();
        assert!(kinds.is_empty() && kinds.first().is_none());
        [Kind::Times, Kind::Names, Kind::Owners].into_iter().for_each(|kind| kinds.insert(kind));
        assert_eq!((kinds.to_string().as_str(), kinds.first()), ("times, owners, names", Some(Kind::Names)));
        let mut others = Kinds::default();
        others.insert(Kind::Names);
        assert_eq!(kinds.without(others).first(), Some(Kind::Owners));
        assert!(kinds.without(kinds).is_empty());
        assert!(Kind::ACCEPTABLE.into_iter().all(|kind| Kind::acceptable(kind.name()) == Some(kind)));
        assert_eq!(Kind::acceptable("other"), None);
    }
}
