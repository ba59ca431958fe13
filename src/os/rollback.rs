//! `irsync rollback`: the set before takes the place of the live one again, in one step.
//!
//! A mark beside the sets says so. As long as it is there no sync starts, whoever asks for it: else the next one would fetch
//! the set again that its owner has just sent away. It is on the disk before the sets change places, and it survives restarts and
//! power cuts, because the device has to show the same set after them.
#![forbid(unsafe_code)]

use super::publish::Places;
use super::{own, sys};
use std::fs::{self, File};
use std::io::{self, Write};

/// As irsync's first argument: show the set before. The live set follows.
pub(crate) const ROLLBACK: &str = "@rollback";
/// As irsync's first argument: remove the mark of a rollback. The live set follows.
pub(crate) const RESUME: &str = "@resume";

impl Places {
    /// Whether a rollback keeps syncs away.
    pub(crate) fn is_rolled_back(&self) -> bool {
        fs::symlink_metadata(&self.rolled_back).is_ok()
    }

    /// Shows the set before instead of the live one, which is kept in its place: a second rollback undoes the first.
    ///
    /// # Errors
    /// For people. The live set is what it was.
    pub(crate) fn roll_back(&self) -> Result<(), String> {
        if !self.previous.is_dir() || !self.live.is_dir() {
            return Err(format!("there is no set before that of {}", self.live.display()));
        }
        let fail = |error: io::Error| format!("cannot show the set before of {}: {error}", self.live.display());
        let is_first = !self.is_rolled_back();
        if is_first {
            self.mark_rollback().map_err(fail)?;
        }
        if let Err(error) = sys::exchange(&self.previous, &self.live) {
            // Without effect there is nothing to keep syncs away for.
            let _ = if is_first { fs::remove_file(&self.rolled_back) } else { Ok(()) };
            return Err(fail(error));
        }
        self.sync_parent().map_err(|error| format!("the set before is shown, but may not survive a power cut: {error}"))
    }

    fn mark_rollback(&self) -> io::Result<()> {
        let mut mark = own::create(&self.rolled_back, 0o644)?;
        mark.write_all(b"irsync rollback: no sync starts here until irsync resume, or until this file is removed\n")?;
        mark.sync_all()?;
        self.sync_parent()
    }

    /// Lets syncs start again. A power cut does not bring the mark back: nobody might be there to resume once more.
    ///
    /// # Errors
    /// For people.
    pub(crate) fn resume(&self) -> Result<(), String> {
        match fs::remove_file(&self.rolled_back) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.and_then(|()| self.sync_parent()),
        }
        .map_err(|error| format!("cannot remove {}: {error}", self.rolled_back.display()))
    }

    fn sync_parent(&self) -> io::Result<()> {
        File::open(&self.parent)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn sets(name: &str) -> (PathBuf, Places) {
        let root = std::env::temp_dir().join(format!("irsync-rollback-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("media")).unwrap();
        let places = Places::of(&root.join("media")).unwrap();
        (root, places)
    }

    #[test]
    fn a_rollback_is_undone_by_a_second_one_and_stays_marked_until_it_is_resumed() {
        let (root, places) = sets("twice");
        let which = || fs::read_to_string(root.join("media/which")).unwrap();
        fs::write(places.live.join("which"), "old").unwrap();
        assert!(places.roll_back().unwrap_err().contains("there is no set before"));
        assert!(!places.is_rolled_back(), "refused: nothing is marked");
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::write(places.staging.join("which"), "new").unwrap();
        places.publish(0).unwrap();
        for shown in ["old", "new", "old"] {
            places.roll_back().unwrap();
            assert_eq!(which(), shown);
            assert!(places.is_rolled_back());
        }
        places.resume().unwrap();
        places.resume().unwrap();
        assert!(!places.is_rolled_back());
        assert_eq!(which(), "old", "the next sync decides what follows");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_a_sync_had_begun_shares_nothing_with_either_set_after_a_rollback() {
        let (root, places) = sets("shared");
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::write(places.staging.join("file"), "new").unwrap();
        places.publish(0).unwrap();
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        fs::hard_link(places.live.join("file"), places.staging.join("file")).unwrap();
        fs::write(places.staging.join("fetched"), "fetched").unwrap();
        places.roll_back().unwrap();
        places.make_staging((None, None)).unwrap();
        places.prepare().unwrap();
        assert!(!places.staging.join("file").exists(), "changing it would change the set that is kept");
        assert!(places.staging.join("fetched").exists());
        fs::remove_dir_all(root).unwrap();
    }
}
