//! What rsync leaves behind in a destination, and what of it may be removed.
//!
//! Strays: rsync writes a file under a temporary name beside its place, `.NAME.XXXXXX` (receiver.c, get_tmpname), and removes
//! it when it is told to end, but not when it is killed or the power fails. Partials: what `--partial-dir` keeps of a file to go on from. rsync
//! neither removes one whose file is gone from the server, nor one that has filled the disk.

use super::options::Analysis;
use crate::job::Outcome;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the times of vfat are rounded to, and a little more.
const ROUNDING: i64 = 3 * SECOND;
const SECOND: i64 = 1_000_000_000;
/// What was written so lately may be the work of somebody else's rsync.
const FRESH: i64 = 60 * SECOND;
/// Where `--delay-updates` puts files aside, unless `--partial-dir` says otherwise.
const DELAYED: &str = ".~tmp~";

/// A file in the destination. Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Its name there.
    pub name: &'a [u8],
    /// It is a regular file.
    pub regular: bool,
    /// The nine bits of its permissions, and the three before them.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its names.
    pub links: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When its inode was changed.
    pub changed: i64,
    /// When its content was changed.
    pub modified: i64,
}

/// Which partials are to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Partials {
    /// None.
    #[default]
    Keep,
    /// All: the set is complete, nobody goes on from them.
    All,
    /// Those that are larger than what is left on the disk, which is full.
    TooLarge,
}

/// What is to be removed. Times are in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Strays of syncs that nobody knows of any more: those before this irsync, or before the last power cut.
    pub old_strays: bool,
    /// Strays of a sync of this irsync that was cut off: since then.
    pub strays_since: Option<i64>,
    /// The time now.
    pub now: i64,
    /// See [`Partials`].
    pub partials: Partials,
}

impl Orders {
    /// Whether there is something to look for.
    pub(crate) fn is_something(&self) -> bool {
        self.old_strays || self.strays_since.is_some() || self.partials != Partials::Keep
    }

    /// Whether a sync is to come that can use half a file, and there is room for it.
    pub(crate) fn goes_on(&self) -> bool {
        self.strays_since.is_some() && self.partials == Partials::Keep
    }

    fn may_be_ours(&self, changed: i64) -> bool {
        let now = self.now.saturating_mul(SECOND);
        let old = self.old_strays && now.saturating_sub(changed).saturating_abs() > FRESH;
        // The seconds of `now` are rounded down.
        let within = |since: i64| since.saturating_mul(SECOND) - ROUNDING <= changed && changed < now + SECOND;
        old || self.strays_since.is_some_and(within)
    }

    /// Whether the file is a stray that may be removed. `uid`: who rsync runs as. `plain`: the file system keeps neither
    /// owners nor permissions.
    ///
    /// A file of the set could bear such a name. But it has got its time, permissions and name after it was written: its inode
    /// has changed later than its content. What was being written has one time for both, unless nothing was written yet.
    pub(crate) fn take_stray(&self, entry: &Entry<'_>, uid: u32, plain: bool) -> bool {
        let private = matches!(entry.mode & 0o7777, 0o600 | 0o700) && entry.uid == uid;
        let between = entry.changed.saturating_sub(entry.modified).saturating_abs();
        entry.regular
            && is_stray_name(entry.name)
            && (private || plain)
            && entry.links == 1
            && (between == 0 || between < ROUNDING && (plain || entry.size == 0))
            && self.may_be_ours(entry.changed)
    }

    /// Whether a file in rsync's folder for partials may be removed, with `free` bytes left on the disk.
    pub(crate) fn take_partial(&self, entry: &Entry<'_>, uid: u32, plain: bool, free: u64) -> bool {
        let wanted = match self.partials {
            Partials::Keep => false,
            Partials::All => true,
            Partials::TooLarge => entry.size > free,
        };
        wanted && entry.regular && (entry.uid == uid || plain)
    }
}

/// `.NAME.XXXXXX`, with six letters or digits that mkstemp(3) has drawn. Six of one kind may be a word or a date
/// (`.ssh.config`, `.log.202611`); that mkstemp draws such is rare.
pub(crate) fn is_stray_name(name: &[u8]) -> bool {
    let Some((front, drawn)) = name.len().checked_sub(6).map(|at| name.split_at(at)) else { return false };
    let is = |kind: fn(&u8) -> bool| drawn.iter().any(kind);
    let kinds = [is(u8::is_ascii_lowercase), is(u8::is_ascii_uppercase), is(u8::is_ascii_digit)];
    front.len() > 2
        && front.starts_with(b".")
        && front.ends_with(b".")
        && drawn.iter().all(u8::is_ascii_alphanumeric)
        && kinds.iter().filter(|kind| **kind).count() > 1
}

/// The name of the file that a stray was to become. A hidden one's looks the same as that of one without the dot; a partial under
/// a wrong name goes when the set is complete.
pub(crate) fn file_of_stray(name: &[u8]) -> &[u8] {
    name.get(1..name.len().saturating_sub(7)).unwrap_or_default()
}

/// The name of the folders in which these options keep partials, if they are in the destination.
pub(crate) fn partial_dir(given: &Analysis) -> Option<OsString> {
    let named = given.value("--partial-dir").map(OsStr::to_owned);
    let name = named.or_else(|| given.has("--delay-updates").then(|| DELAYED.into()))?;
    let name: OsString = OsStr::from_bytes(name.as_bytes().strip_suffix(b"/").unwrap_or(name.as_bytes())).into();
    let plain = !name.is_empty() && !name.as_bytes().contains(&b'/') && name != "." && name != "..";
    (plain && !given.has("--dry-run") && !given.has("--list-only")).then_some(name)
}

/// What a job's syncs may have left since this was last looked for.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    /// Nobody knows what was left before: since then, once `now` is known. It is looked for with the first sync that works,
    /// and once more when the rest of it cannot be taken for somebody's work any more.
    unknown: Option<Option<i64>>,
    cut_since: Option<i64>,
    partials: bool,
}

impl Default for Suspicion {
    fn default() -> Suspicion {
        Suspicion { unknown: Some(None), cut_since: None, partials: true }
    }
}

impl Suspicion {
    /// rsync has ended. `cut`: it, or a part of it, was killed. `began` and `now` are seconds since 1970. What is ordered is
    /// not suspected any more, whatever comes of it: in steady state nothing is looked for.
    pub(crate) fn after(&mut self, outcome: Outcome, cut: bool, began: i64, now: i64) -> Orders {
        if cut {
            self.cut_since = Some(self.cut_since.map_or(began, |since| since.min(began)));
        }
        let partials = match outcome {
            Outcome::Success if self.partials => Partials::All,
            Outcome::Disk => Partials::TooLarge,
            _ => Partials::Keep,
        };
        self.partials = outcome != Outcome::Success;
        // A failure that has nothing to do with the destination is no reason to search it.
        let worked = cut || matches!(outcome, Outcome::Success | Outcome::Warning | Outcome::Partial | Outcome::Disk);
        let old_strays = match self.unknown {
            Some(None) if worked => {
                self.unknown = Some(Some(now));
                true
            }
            Some(Some(first)) if worked && (now - first).saturating_mul(SECOND).saturating_abs() > FRESH => {
                self.unknown = None;
                true
            }
            _ => false,
        };
        Orders { old_strays, strays_since: self.cut_since.take(), now, partials }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::analyse;
    use super::*;

    const STRAY: Entry<'static> = Entry {
        name: b".big.bin.aB3dEf",
        regular: true,
        mode: 0o600,
        uid: 0,
        links: 1,
        size: 1000,
        changed: 5000 * SECOND,
        modified: 5000 * SECOND,
    };
    const CUT: Orders = Orders { old_strays: false, strays_since: Some(4000), now: 6000, partials: Partials::Keep };

    fn at(second: i64) -> Entry<'static> {
        Entry { changed: second * SECOND, modified: second * SECOND, ..STRAY }
    }

    #[test]
    fn only_names_as_rsync_makes_them_are_strays() {
        for name in [".a.aB3dEf", ".big.bin.ZZ9zz0", ".hidden.aaaaaB", ".Gr\u{f6}\u{df}e.mp4.x00000"] {
            assert!(is_stray_name(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "aB3dEf",
            ".aB3dEf",
            "..aB3dEf",
            "a.aB3dEf",
            ".a.aB3dE",
            ".a.aB3dEfg",
            ".a.aB3d-f",
            ".aaB3dEf",
            ".ssh.config",
            ".log.202611",
            ".db.sqlite",
            ".x.ABCDEF",
            ".a.aB3d\u{e9}",
        ] {
            assert!(!is_stray_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_stray_tells_its_files_name() {
        for (stray, file) in [(".film.aB3dEf", "film"), (".big.bin.ZZ9zz0", "big.bin"), (".aB3dEf", ""), ("", "")] {
            assert_eq!(file_of_stray(stray.as_bytes()), file.as_bytes(), "{stray}");
        }
    }

    #[test]
    fn a_stray_is_removed_only_if_everything_speaks_for_it() {
        assert!(CUT.take_stray(&STRAY, 0, false));
        assert!(CUT.take_stray(&Entry { mode: 0o700, ..STRAY }, 0, false), "of a program");
        let not: &[(&str, Entry<'_>)] = &[
            ("another name", Entry { name: b".bashrc", ..STRAY }),
            ("no regular file", Entry { regular: false, ..STRAY }),
            ("others may read it", Entry { mode: 0o644, ..STRAY }),
            ("set-uid", Entry { mode: 0o4700, ..STRAY }),
            ("another's", Entry { uid: 1000, ..STRAY }),
            ("a second name", Entry { links: 2, ..STRAY }),
            ("from before the sync", at(3990)),
            ("from after it", at(6001)),
            ("it got its time afterwards", Entry { modified: 1000 * SECOND, ..STRAY }),
            ("it was renamed a moment later", Entry { changed: STRAY.changed + 4_000_000, ..STRAY }),
            ("an empty one, renamed later", Entry { size: 0, changed: STRAY.changed + 4 * SECOND, ..STRAY }),
        ];
        for (why, entry) in not {
            assert!(!CUT.take_stray(entry, 0, false), "{why}");
        }
        assert!(
            CUT.take_stray(&Entry { size: 0, changed: STRAY.changed + 4_000_000, ..STRAY }, 0, false),
            "not written to"
        );
        assert!(CUT.take_stray(&at(3997), 0, false) && CUT.take_stray(&at(6000), 0, false));
        assert!(CUT.take_stray(&Entry { mode: 0o755, uid: 1000, ..STRAY }, 0, true), "vfat knows no owners");
        assert!(!Orders { strays_since: None, ..CUT }.take_stray(&STRAY, 0, false));
    }

    #[test]
    fn old_strays_may_have_any_time_but_now() {
        let old = Orders { old_strays: true, strays_since: None, ..CUT };
        for (time, taken) in [(0, true), (5939, true), (5940, false), (6000, false), (6060, false), (9999, true)] {
            assert_eq!(old.take_stray(&at(time), 0, false), taken, "{time}");
        }
    }

    #[test]
    fn partials_go_when_the_set_is_complete_or_when_they_fill_the_disk() {
        let partial = Entry { name: b"big.bin", mode: 0o644, changed: 1, ..STRAY };
        let take = |partials, entry: &Entry<'_>, free| Orders { partials, ..CUT }.take_partial(entry, 0, false, free);
        assert!(!take(Partials::Keep, &partial, 0));
        assert!(take(Partials::All, &partial, u64::MAX));
        assert!(take(Partials::TooLarge, &partial, 999) && !take(Partials::TooLarge, &partial, 1000));
        assert!(!take(Partials::All, &Entry { uid: 5, ..partial }, 0));
        assert!(!take(Partials::All, &Entry { regular: false, ..partial }, 0));
    }

    #[test]
    fn only_a_folder_in_the_destination_is_searched_for_partials() {
        let dir = |options: &[&str]| {
            let words: Vec<OsString> = options.iter().map(OsString::from).collect();
            partial_dir(&analyse(&words)).map(|name| name.into_string().unwrap())
        };
        assert_eq!(dir(&["-a", "--partial-dir=.p"]).as_deref(), Some(".p"));
        assert_eq!(dir(&["-a", "--partial-dir", ".p/"]).as_deref(), Some(".p"));
        assert_eq!(dir(&["-a", "--delay-updates"]).as_deref(), Some(".~tmp~"));
        for options in [
            &["-a"][..],
            &["-a", "--partial"],
            &["--partial-dir=/var/p"],
            &["--partial-dir=a/b"],
            &["--partial-dir="],
            &["--partial-dir=.."],
            &["--partial-dir=."],
            &["--partial-dir=.p", "-n"],
        ] {
            assert_eq!(dir(options), None, "{options:?}");
        }
    }

    #[test]
    fn nothing_is_looked_for_without_a_reason() {
        let mut suspicion = Suspicion::default();
        assert!(suspicion.after(Outcome::Warning, false, 100, 200).old_strays);
        assert!(!suspicion.after(Outcome::Warning, false, 200, 260).old_strays);
        assert!(suspicion.after(Outcome::Warning, false, 200, 261).old_strays, "what was too young then");
        assert!(!suspicion.after(Outcome::Warning, false, 300, 9000).old_strays);
        suspicion = Suspicion::default();
        let mut after = |outcome, cut| suspicion.after(outcome, cut, 100, 200);
        assert!(!after(Outcome::Transient, false).is_something(), "no connection");
        let first = after(Outcome::Success, false);
        assert_eq!(first, Orders { old_strays: true, strays_since: None, now: 200, partials: Partials::All });
        for _ in 0..3 {
            assert!(!after(Outcome::Success, false).is_something(), "steady state");
        }
        let cut = after(Outcome::Stalled, true);
        assert_eq!((cut.strays_since, cut.partials), (Some(100), Partials::Keep), "it goes on from the partial");
        assert!(!after(Outcome::Transient, false).is_something());
        assert_eq!(after(Outcome::Disk, false).partials, Partials::TooLarge);
        assert_eq!(after(Outcome::Success, false).partials, Partials::All);
        assert!(!after(Outcome::Success, false).is_something());
    }
}
