//! The mark of an rsync that writes without `--fsync` (before 3.2.4).
//!
//! Such an rsync gives files their size and time before their content is on the disk. After a power cut they may hold zeros for
//! ever: no later sync looks into them. So a mark is on the disk before it writes, and is removed when all is on the disk. A mark
//! of another boot says that what was touched since it was made has to be compared by content.
//!
//! The mark lies beside the destination, `.NAME.irsync-writing`, where no rsync of the job sees it. Only where that would be on
//! another file system, a mount point is the destination, it lies inside.
#![forbid(unsafe_code)]

use super::{clock, mounts, own, state};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{utimensat, UtimensatFlags};
use nix::sys::time::TimeSpec;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As irsync's first argument: be an rsync that leaves a mark while it writes. The destination, who it runs as, the program and
/// its arguments follow.
pub(crate) const WRITE: &str = "@write";
/// The mark's name inside a destination.
pub(crate) const INSIDE: &str = ".irsync-writing";
/// A mark is some sixty bytes.
const LONGEST: u64 = 256;
/// What the times of file systems are rounded to.
const ROUNDING: i64 = 2;

/// What is known of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none: all is on the disk.
    Nothing,
    /// It is of this boot: what was written is in memory at least.
    OfThisBoot,
    /// The machine has started anew since then; what was touched since these seconds since 1970 is suspect.
    Left(i64),
}

/// The place of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    folder: PathBuf,
    name: String,
    /// It lies inside the destination.
    pub inside: bool,
}

impl Mark {
    /// That of a destination; None: neither it nor its parent is there.
    pub(crate) fn of(destination: &Path) -> Option<Mark> {
        let real = fs::canonicalize(destination).ok();
        let place = real.clone().unwrap_or_else(|| destination.components().collect());
        let parent = place.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        let is_inside = real.as_deref().is_some_and(|real| {
            let other_device = parent.map_or(true, |parent| device(parent) != device(real));
            real.is_dir() && (other_device || mounts::is_mount_point(real).unwrap_or(false))
        });
        if is_inside {
            return Some(Mark { folder: place, name: INSIDE.into(), inside: true });
        }
        let folder = parent.filter(|parent| parent.is_dir())?.to_owned();
        // Names that are no UTF-8 would need a second way through all of this; such a destination shares its mark.
        let name = place.file_name()?.to_string_lossy();
        Some(Mark { folder, name: format!(".{name}{INSIDE}"), inside: false })
    }

    /// What is there. One that cannot be understood says nothing of when, so everything is suspect.
    pub(crate) fn look(&self) -> Found {
        let mut text = String::new();
        match File::open(self.path()).and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            _ => {}
        }
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next().and_then(|since| since.parse().ok())) {
            (Some(boot), Some(_)) if boot == state::boot_id() => Found::OfThisBoot,
            (Some(_), since) => Found::Left(since.unwrap_or(0)),
            _ => Found::Left(0),
        }
    }

    /// Makes the mark, or takes one over that was left, and brings it to the disk.
    ///
    /// # Errors
    /// The folder is read-only, full, or not to be written to.
    pub(crate) fn make(&self, found: Found) -> io::Result<()> {
        // By the clock of the file system, whose times it will be compared with: that may be a server's.
        let probe = own::create(&self.folder.join(format!("{}.new", self.name)), 0o644)?;
        let now = probe.metadata()?.mtime();
        let since = match (found, clock::wall_if_set()) {
            // Files that were touched before the clock was set bear times of long ago.
            (_, None) => 0,
            (Found::Left(since), _) => since.min(now),
            _ => now,
        };
        let text = format!("{} {since} irsync writes, or was cut off in writing\n", state::boot_id());
        state::write_durably(&self.folder, &self.name, text.as_bytes())
    }

    /// All is on the disk. That costs a second flush, of the folder alone, or a power cut would bring the mark back.
    ///
    /// # Errors
    /// Those of unlink(2) and fsync(2).
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.and_then(|()| File::open(&self.folder)?.sync_all()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// Makes rsync compare by content what was touched since then: files whose time is wrong are looked into, and those of the
/// server's that are the same cost no more than their checksums. Gives how many.
///
/// rsync sets size and time of a file when it has written it, and the kernel the time of that change with them: whatever wears
/// the right size and time without its content has been changed since the mark.
pub(crate) fn doubt(folder: &Path, since: i64) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, found) = (entry.path(), entry.metadata()?);
        if found.is_dir() {
            count += doubt(&path, since)?;
        } else if found.is_file() && found.ctime() >= since.saturating_sub(ROUNDING) && !is_own(&entry.file_name()) {
            // Any time that is not the right one, which may be the one that stands there.
            let other = if found.mtime() / 100 == 123 { 99_999 } else { 12_345 };
            utimensat(
                AT_FDCWD,
                &path,
                &TimeSpec::new(0, nix::libc::UTIME_OMIT as _),
                &TimeSpec::new(other, 0),
                UtimensatFlags::NoFollowSymlink,
            )?;
            count += 1;
        }
    }
    Ok(count)
}

fn is_own(name: &std::ffi::OsStr) -> bool {
    name.as_bytes().ends_with(INSIDE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irsync-writing-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_mark_lies_beside_the_destination_and_inside_only_on_a_mount_point() {
        let folder = folder("place");
        fs::create_dir(folder.join("media")).unwrap();
        std::os::unix::fs::symlink("media", folder.join("link")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        for (destination, name) in [
            ("media", ".media.irsync-writing"),
            ("media/", ".media.irsync-writing"),
            ("link/", ".media.irsync-writing"),
            ("file", ".file.irsync-writing"),
            ("new/", ".new.irsync-writing"),
        ] {
            let mark = Mark::of(&folder.join(destination)).unwrap();
            assert_eq!((mark.path(), mark.inside), (folder.join(name), false), "{destination}");
        }
        assert!(Mark::of(&folder.join("no/parent")).is_none());
        assert!(Mark::of(Path::new("/proc/")).unwrap().inside);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_mark_of_another_boot_is_told_from_one_of_this_and_keeps_its_time() {
        let folder = folder("boot");
        let mark = Mark::of(&folder.join("media")).unwrap();
        assert_eq!(mark.look(), Found::Nothing);
        mark.make(Found::Nothing).unwrap();
        assert_eq!(mark.look(), Found::OfThisBoot);
        let text = fs::read_to_string(mark.path()).unwrap();
        let since: i64 = text.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(since > 1_790_000_000 || clock::wall_if_set().is_none(), "{text}");
        fs::write(mark.path(), "another-boot 1790000000\n").unwrap();
        assert_eq!(mark.look(), Found::Left(1_790_000_000));
        mark.make(mark.look()).unwrap();
        assert_eq!(mark.look(), Found::OfThisBoot);
        let kept = fs::read_to_string(mark.path()).unwrap();
        assert!(kept.contains(" 1790000000 ") || clock::wall_if_set().is_none(), "{kept}");
        for text in ["", "x", "x y"] {
            fs::write(mark.path(), text).unwrap();
            assert_eq!(mark.look(), Found::Left(0), "{text:?}");
        }
        mark.remove().unwrap();
        mark.remove().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_touched_since_then_gets_another_time_and_nothing_else_is_touched() {
        let folder = folder("doubt");
        fs::create_dir(folder.join("deep")).unwrap();
        for name in ["one", "deep/two", INSIDE] {
            fs::write(folder.join(name), "content").unwrap();
        }
        std::os::unix::fs::symlink("one", folder.join("link")).unwrap();
        let time = |name: &str| fs::symlink_metadata(folder.join(name)).unwrap().mtime();
        let (now, link) = (time("one"), time("link"));
        assert_eq!(doubt(&folder, now + 1000).unwrap(), 0);
        assert_eq!(time("one"), now);
        assert_eq!(doubt(&folder, now).unwrap(), 2);
        assert_eq!((time("one"), time("deep/two"), time("link")), (12_345, 12_345, link));
        assert_eq!(doubt(&folder, now).unwrap(), 2, "again, because a cut may have come in between");
        assert_eq!(time("one"), 99_999);
        assert!(time(INSIDE) >= now);
        fs::remove_dir_all(folder).unwrap();
    }
}
