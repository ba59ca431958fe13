//! A set that changes as a whole: the folders beside the live set, and the exchange.
//!
//! | folder | what it is |
//! |---|---|
//! | `media` | the live set |
//! | `.media.irsync-staging` | the new set while it is built; between two renames of [`publish`] the old one |
//! | `.media.irsync-previous` | the old set, kept for `irsync rollback` |
//! | `.media.irsync-old` | what was kept before, on its way out |
//! | `.media.irsync-rolled-back` | a file: the owner has rolled back, see [`super::rollback`] |
#![forbid(unsafe_code)]

use super::{fault, mounts, sys};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// As irsync's first argument: be the rsync of an `atomic` sync. The live set, the program and its arguments follow.
pub(crate) const STAGE: &str = "@stage";
/// As irsync's first argument: exchange the live set that follows with its new one.
pub(crate) const PUBLISH: &str = "@publish";

/// The folders of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The live set, symbolic links resolved.
    pub live: PathBuf,
    /// See above.
    pub staging: PathBuf,
    pub(super) previous: PathBuf,
    old: PathBuf,
    pub(super) parent: PathBuf,
    /// See [`super::rollback`].
    pub(super) rolled_back: PathBuf,
}

impl Places {
    /// Those of a destination; it need not be there yet, its parent must.
    ///
    /// # Errors
    /// For people.
    pub(crate) fn of(destination: &Path) -> Result<Places, String> {
        let live = match fs::canonicalize(destination) {
            Ok(live) => live,
            Err(error) if error.kind() == io::ErrorKind::NotFound => destination.components().collect(),
            Err(error) => return Err(format!("cannot reach {}: {error}", destination.display())),
        };
        let (Some(parent), Some(name)) = (live.parent(), live.file_name()) else {
            return Err(format!("{} has no folder beside it for the new set", destination.display()));
        };
        let beside = |word: &str| {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(OsStr::new(word));
            parent.join(hidden)
        };
        Ok(Places {
            staging: beside(".irsync-staging"),
            previous: beside(".irsync-previous"),
            old: beside(".irsync-old"),
            rolled_back: beside(".irsync-rolled-back"),
            parent: parent.to_owned(),
            live,
        })
    }

    /// Whether anything can be tried.
    pub(crate) fn parent_is_there(&self) -> bool {
        self.parent.is_dir()
    }

    /// Finds out by trying whether the file system can do all that is needed, and leaves nothing behind.
    ///
    /// # Errors
    /// For people: what it cannot do, and what would help.
    pub(crate) fn try_out(&self) -> Result<(), String> {
        if mounts::is_mount_point(&self.live).unwrap_or(false) {
            return Err(format!(
                "{} is a mount point, which cannot be exchanged: make the destination a folder inside it",
                self.live.display()
            ));
        }
        let probe = self.parent.join(format!(".irsync-probe-{}", std::process::id()));
        let tried = self.try_out_in(&probe);
        let _ = fs::remove_dir_all(&probe);
        tried.map_err(|error| {
            format!(
                "the file system of {} cannot change a set as a whole: {error} (ext4, f2fs, btrfs, xfs and tmpfs can)",
                self.parent.display()
            )
        })
    }

    fn try_out_in(&self, probe: &Path) -> Result<(), String> {
        let (one, other) = (probe.join("one"), probe.join("other"));
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let fail = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        make(probe).map_err(fail("making a folder"))?;
        make(&one).and_then(|()| make(&other)).map_err(fail("making a folder"))?;
        File::create(one.join("file")).map_err(fail("making a file"))?;
        fs::hard_link(one.join("file"), other.join("link")).map_err(fail("hard links"))?;
        sys::exchange(&one, &other).map_err(fail("exchanging two folders"))
    }

    /// Readies the folder for the new set. What an interrupted sync has fetched stays in it. What is shared with the live
    /// set goes: rsync changes modes and owners, and with `--inplace` contents, of files that are there. So does what is
    /// shared with the set before, which was the live one if the owner has rolled back meanwhile.
    ///
    /// # Errors
    /// For people.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        let mut shared = HashSet::new();
        if has_entries(&self.staging) {
            for set in [&self.live, &self.previous] {
                inodes(set, &mut shared).map_err(|e| format!("cannot read {}: {e}", set.display()))?;
            }
        }
        unlink(&self.staging, &shared).map_err(|error| format!("cannot tidy {}: {error}", self.staging.display()))
    }

    /// Makes the folder for the new set unless an interrupted sync has left it: with the owner and the mode of the live one,
    /// or where there is none, of `owner`, as whom rsync will write into it. Nobody but us need write to the parent.
    ///
    /// # Errors
    /// For people.
    pub(crate) fn make_staging(&self, owner: (Option<u32>, Option<u32>)) -> Result<(), String> {
        if self.staging.is_dir() {
            return Ok(());
        }
        self.try_out()?;
        let fail = |error: io::Error| format!("cannot make {}: {error}", self.staging.display());
        let live = fs::metadata(&self.live).ok();
        let mode = live.as_ref().map_or(0o755, |live| live.mode() & 0o7777);
        DirBuilder::new().mode(mode).create(&self.staging).map_err(fail)?;
        let (uid, gid) = live.as_ref().map_or(owner, |live| (Some(live.uid()), Some(live.gid())));
        // Of another user only root can make it; rsync says so where options ask for it.
        let _ = chown(&self.staging, uid, gid);
        if let Some(live) = live {
            let _ = fs::set_permissions(&self.staging, live.permissions());
        }
        Ok(())
    }

    /// Nothing has changed: what an interrupted sync has begun is of no use.
    pub(crate) fn discard(&self) {
        if self.staging.exists() {
            let _ = fs::remove_dir_all(&self.staging);
        }
    }

    /// Shows the new set instead of the live one, and keeps that. The new set has to be on the disk already.
    ///
    /// `deletions` were judged when rsync was asked what would change. The server may have lost files since then, and then
    /// the new set lacks more than anybody has agreed to.
    ///
    /// # Errors
    /// For people.
    pub(crate) fn publish(&self, deletions: u64) -> Result<(), String> {
        let fail = |error: io::Error| format!("cannot show the new set of {}: {error}", self.live.display());
        let sync = || match fault::leaves_out("fsync-of-parent") {
            true => Ok(()),
            false => File::open(&self.parent).and_then(|parent| parent.sync_all()),
        };
        if !self.live.exists() {
            fs::rename(&self.staging, &self.live).and_then(|()| sync()).map_err(fail)?;
            return Ok(());
        }
        let lacks = missing(&self.live, &self.staging).map_err(fail)?;
        if lacks > deletions {
            return Err(format!(
                "the new set of {} lacks {lacks} of what is there, {deletions} were to go: the server has changed meanwhile, or \
                 options exclude what only this device has; the old set stays",
                self.live.display()
            ));
        }
        remove(&self.old).map_err(fail)?;
        sys::exchange(&self.staging, &self.live).and_then(|()| sync()).map_err(fail)?;
        // From here on the new set is shown, whatever happens.
        if self.previous.exists() {
            fs::rename(&self.previous, &self.old).map_err(fail)?;
        }
        fs::rename(&self.staging, &self.previous).and_then(|()| sync()).map_err(fail)?;
        remove(&self.old).map_err(fail)
    }
}

/// How many files and folders there are in one folder that have no namesake in the other. What begins with a dot is rsync's
/// own: partial and temporary files, of which its list of deletions says nothing.
fn missing(one: &Path, other: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(one)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_bytes().starts_with(b".") {
            continue;
        }
        count += u64::from(fs::symlink_metadata(other.join(&name)).is_err());
        if entry.file_type()?.is_dir() {
            count += missing(&entry.path(), &other.join(&name))?;
        }
    }
    Ok(count)
}

fn has_entries(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Of everything in a folder that has more than one name.
fn inodes(folder: &Path, found: &mut HashSet<u64>) -> io::Result<()> {
    match walk(folder, &mut |_, file| {
        found.insert(file.ino());
        Ok(())
    }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn unlink(folder: &Path, shared: &HashSet<u64>) -> io::Result<()> {
    walk(folder, &mut |path, file| if shared.contains(&file.ino()) { fs::remove_file(path) } else { Ok(()) })
}

/// Visits everything but folders that has more than one name.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.metadata()?;
        if file.is_dir() {
            walk(&entry.path(), visit)?;
        } else if file.nlink() > 1 {
            visit(&entry.path(), &file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sets(PathBuf);

    impl Sets {
        fn new(name: &str) -> (Sets, Places) {
            let root = std::env::temp_dir().join(format!("irsync-publish-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("media")).unwrap();
            let places = Places::of(&root.join("media/")).unwrap();
            (Sets(root), places)
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.0.join(name)).ok()
        }
    }

    impl Drop for Sets {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn sets_change_places_and_one_old_set_is_kept() {
        let (sets, places) = Sets::new("turns");
        fs::write(places.live.join("which"), "0").unwrap();
        for n in 1..4 {
            places.make_staging((None, None)).unwrap();
            places.prepare().unwrap();
            fs::write(places.staging.join("which"), n.to_string()).unwrap();
            places.publish(0).unwrap();
            assert_eq!(sets.read("media/which"), Some(n.to_string()));
            assert_eq!(sets.read(".media.irsync-previous/which"), Some((n - 1).to_string()));
            assert_eq!(fs::read_dir(&sets.0).unwrap().count(), 2, "nothing else is left");
        }
    }

    #[test]
    fn the_first_set_is_shown_where_there_was_none() {
        let (sets, places) = Sets::new("first");
        fs::remove_dir(&places.live).unwrap();
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::write(places.staging.join("which"), "new").unwrap();
        places.publish(0).unwrap();
        assert_eq!(sets.read("media/which").as_deref(), Some("new"));
        assert_eq!(fs::read_dir(&sets.0).unwrap().count(), 1);
    }

    #[test]
    fn a_set_that_lacks_more_than_was_judged_is_not_shown() {
        let (sets, places) = Sets::new("lacks");
        fs::create_dir(places.live.join("deep")).unwrap();
        for name in ["kept", "gone", "deep/gone", ".partial"] {
            fs::write(places.live.join(name), "old").unwrap();
        }
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::write(places.staging.join("kept"), "new").unwrap();
        let refused = places.publish(2).unwrap_err();
        assert!(refused.contains("lacks 3 of what is there, 2 were to go"), "{refused}");
        assert_eq!(sets.read("media/kept").as_deref(), Some("old"));
        places.publish(3).unwrap();
        assert_eq!(sets.read("media/kept").as_deref(), Some("new"));
    }

    #[test]
    fn an_interrupted_set_keeps_what_was_fetched_and_shares_nothing_with_the_live_one() {
        let (sets, places) = Sets::new("continued");
        fs::write(places.live.join("same"), "same").unwrap();
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::create_dir(places.staging.join("deep")).unwrap();
        fs::hard_link(places.live.join("same"), places.staging.join("same")).unwrap();
        fs::hard_link(places.live.join("same"), places.staging.join("deep/again")).unwrap();
        fs::write(places.staging.join("deep/fetched"), "fetched").unwrap();
        fs::hard_link(places.staging.join("deep/fetched"), places.staging.join("twin")).unwrap();
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        assert_eq!(sets.read("media/same").as_deref(), Some("same"));
        for (name, there) in [("same", false), ("deep/again", false), ("deep/fetched", true), ("twin", true)] {
            assert_eq!(places.staging.join(name).exists(), there, "{name}");
        }
    }

    #[test]
    fn what_cannot_work_is_said() {
        let proc = Places::of(Path::new("/proc")).unwrap();
        assert!(proc.try_out().unwrap_err().contains("mount point"));
        let below = Places::of(Path::new("/proc/self/")).unwrap();
        assert!(below.try_out().unwrap_err().contains("cannot change a set as a whole"));
        assert!(Places::of(Path::new("/")).is_err());
    }
}
