//! What rsync's messages are a sign of: the tables of its texts, and which codes and outcomes they speak of.
//!
//! Texts were read in clientserver.c, authenticate.c, main.c, pipe.c and compat.c of 3.5.0. rsync runs with LC_MESSAGES=C, so they
//! are not translated.

use crate::job::Outcome;

/// Something that rsync said; what its remote shell says is [`super::remote_shell`]'s. Of the signs that were seen and that
/// speak of the exit code, the first in the order of [`SIGNS`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Damaged,
    Disk,
    TooLarge,
    Busy,
    Refused,
    RefusedOption,
    NoRemoteShell,
    BadDestination,
    ForeignLink,
    ServerFault,
    NotRsync,
    PasswordFile,
    ShellNotClean,
    ReadOnly,
    SourceDamaged,
    DeleteLimit,
    /// The server's address was tried: see [`super::outcome::Evidence::reached`], as the next one.
    Asked,
    Unreached,
}

/// Every sign, the weightiest first: the codes that it speaks of (an empty list: every code of a failure), the outcome if it
/// is another than the code's, and the note.
pub(super) const SIGNS: &[(Sign, &[i32], Option<Outcome>, &str)] = &[
    (
        Sign::Damaged,
        &[3, 11, 12, 23],
        Some(Outcome::Disk),
        "the file system of the destination is damaged, as after a power cut, or its disk is dying: have fsck run before it is mounted",
    ),
    (Sign::Disk, &[], Some(Outcome::Disk), "no space left on the destination"),
    (
        Sign::TooLarge,
        &[],
        Some(Outcome::Permanent),
        "a file is larger than the file system here takes (vfat: 4 GiB): leave it out with --max-size, or use exfat or ext4; what follows it in the list has to wait for that",
    ),
    (Sign::Busy, &[5], Some(Outcome::Busy), "the server has no free connection"),
    (Sign::Refused, &[5], Some(Outcome::Permanent), "the server refuses this client or module"),
    // The server hangs up after saying so: 10 or 12 is a race.
    (Sign::RefusedOption, &[1, 4, 5, 10, 12], Some(Outcome::Permanent), "the server refuses one of the options"),
    (Sign::NoRemoteShell, &[12, 14], Some(Outcome::Permanent), "the remote shell cannot be run: is it installed?"),
    (Sign::BadDestination, &[3], Some(Outcome::Permanent), "source and destination do not fit each other"),
    (
        Sign::ForeignLink,
        &[3],
        Some(Outcome::Permanent),
        "a symbolic link on the way to the destination belongs to another user, whom rsync 3.5 does not follow, or leads in a circle: chown -h \
         it, or name the folder that it points to",
    ),
    (Sign::ServerFault, &[5], None, "the server has a fault of its own"),
    (Sign::NotRsync, &[5], None, "what answers is not an rsync server: a proxy or captive portal?"),
    (Sign::PasswordFile, &[1], None, "rsync cannot use the password file"),
    (Sign::ShellNotClean, &[2], None, "the remote shell prints something of its own: is its profile silent?"),
    (
        Sign::ReadOnly,
        &[3, 11, 23],
        Some(Outcome::Disk),
        "the destination is read-only; if it was not mounted so, its file system has found errors, as vfat or exfat does after a \
         power cut: have fsck run before it is mounted",
    ),
    (
        Sign::SourceDamaged,
        &[23],
        None,
        "the file system of the source is damaged, or its disk is dying: have fsck run there",
    ),
    (Sign::DeleteLimit, &[25], None, "--max-delete stopped deletions: is the source empty?"),
];

/// Texts at the start of a line, behind rsync's prefixes.
const STARTS: &[(&[u8], Sign)] = &[
    (b"max connections (", Sign::Busy),
    (b"auth failed on module", Sign::Refused),
    (b"access denied to", Sign::Refused),
    (b"Unknown module", Sign::Refused),
    (b"Unknown command", Sign::Refused),
    (b"invalid uid", Sign::Refused),
    (b"invalid gid", Sign::Refused),
    (b"no path setting", Sign::Refused),
    (b"daemon security issue", Sign::Refused),
    (b"your client omitted", Sign::Refused),
    (b"The remote path must start with a module name", Sign::Refused),
    (b"The server is configured to refuse ", Sign::RefusedOption),
    (b"chdir failed", Sign::ServerFault),
    (b"chroot failed", Sign::ServerFault),
    (b"fork failed", Sign::ServerFault),
    (b"failed to open lock file", Sign::ServerFault),
    (b"did not see server greeting", Sign::NotRsync),
    (b"server sent \"", Sign::NotRsync),
    (b"destination must be a directory", Sign::BadDestination),
    (b"cannot overwrite non-directory", Sign::BadDestination),
    (b"daemon has excluded destination", Sign::BadDestination),
    (b"password file must ", Sign::PasswordFile),
    (b"could not open password file", Sign::PasswordFile),
    (b"failed to read a password", Sign::PasswordFile),
    (b"Failed to exec ", Sign::NoRemoteShell),
    (b"getaddrinfo: ", Sign::Unreached),
    (b"ssh: Could not resolve hostname ", Sign::Unreached),
];

/// Beginnings of rsync's lines that have no prefix.
const BARE: &[(&[u8], Sign)] = &[
    (b"Deletions stopped due to --max-delete", Sign::DeleteLimit),
    (b"protocol version mismatch -- is your shell clean?", Sign::ShellNotClean),
];

/// Texts at the end of a line, before the number in brackets (errno) if there is one.
const ENDS: &[(&[u8], Sign)] = &[
    (b": No space left on device", Sign::Disk),
    (b": Disk quota exceeded", Sign::Disk),
    (b": File too large", Sign::TooLarge),
    (b": Read-only file system", Sign::ReadOnly),
    (b": Too many levels of symbolic links", Sign::ForeignLink),
    (b": Connection refused", Sign::Asked),
    (b": Connection timed out", Sign::Asked),
    (b": Network is unreachable", Sign::Unreached),
    (b": No route to host", Sign::Unreached),
    (b": Host is unreachable", Sign::Unreached),
];

/// What damaged file systems and dying disks say, in the same place: EIO, EUCLEAN, EFSBADCRC.
const DAMAGES: &[&[u8]] = &[b": Input/output error", b": Structure needs cleaning", b": Bad message"];

/// Lines of the receiving side, for an rsync before 3.2, which does not say which side speaks.
const RECEIVING: &[&[u8]] = &[b"recv_generator: ", b"mkstemp \"", b"write failed on \"", b"rename \""];

/// What a line says. Only a line of rsync's own says anything: a server's banner or message of the day may hold any text.
pub(super) fn sign(line: &[u8]) -> Option<Sign> {
    let message = message(line);
    if message.len() == line.len() && !line.starts_with(b"ssh: ") {
        // These have no prefix.
        return BARE.iter().find(|(start, _)| line.starts_with(start)).map(|(_, sign)| *sign);
    }
    let text = without_errno(message);
    if DAMAGES.iter().any(|end| text.ends_with(end)) {
        return damaged(line, message);
    }
    let found = STARTS.iter().find(|(start, _)| message.starts_with(start));
    found.or_else(|| ENDS.iter().find(|(end, _)| text.ends_with(end))).map(|(_, sign)| *sign)
}

/// Whose file system it is that is damaged; None if the line does not tell.
fn damaged(line: &[u8], message: &[u8]) -> Option<Sign> {
    let by = |roles: &[&[u8]]| roles.iter().any(|role| line.starts_with(role));
    if by(&[b"rsync: [sender] "]) {
        return Some(Sign::SourceDamaged);
    }
    let receives = by(&[b"rsync: [generator] ", b"rsync: [receiver] ", b"rsync: [Receiver] "])
        || line.starts_with(b"rsync: ") && RECEIVING.iter().any(|start| message.starts_with(start));
    receives.then_some(Sign::Damaged)
}

/// The line without `rsync: `, `[sender] `, `@ERROR: ` and `ERROR: ` at its start.
pub(super) fn message(line: &[u8]) -> &[u8] {
    let mut rest = line.strip_prefix(b"rsync: ").unwrap_or(line);
    if rest.starts_with(b"[") {
        let end = rest.iter().position(|&b| b == b']').map_or(0, |i| i + 1);
        rest = rest[end..].strip_prefix(b" ").unwrap_or(rest);
    }
    let rest = rest.strip_prefix(b"@").unwrap_or(rest);
    rest.strip_prefix(b"ERROR: ").unwrap_or(rest)
}

/// The text before ` (28)`.
fn without_errno(text: &[u8]) -> &[u8] {
    let Some(inner) = text.strip_suffix(b")") else {
        return text;
    };
    let digits = inner.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    match inner[..inner.len() - digits].strip_suffix(b" (") {
        Some(before) if digits > 0 => before,
        _ => text,
    }
}
