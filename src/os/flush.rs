//! Making sure that what was written to a destination is on its disk.
#![forbid(unsafe_code)]

use super::{fault, mounts};
use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// As irsync's first argument it makes irsync flush the destination that follows, and nothing else. A worker has that done
/// by a process: on a dead card syncfs(2) never returns, and then limits, stop and watchdog have to go on.
pub(crate) const FLUSH: &str = "@flush";

/// Waits until all that was written to the file systems at and below `destination` is on their disks. A destination that
/// is not there (any more) stands for the nearest parent that is.
///
/// # Errors
/// EIO, ENOSPC and the like: something that was written is lost.
pub(crate) fn flush(destination: &Path) -> io::Result<()> {
    let mut folder = PathBuf::from(destination);
    while !folder.is_dir() && folder.pop() {}
    if folder.as_os_str().is_empty() {
        folder.push(".");
    }
    flush_at(&folder)?;
    mounts::below(&folder).iter().try_for_each(|point| match flush_at(point) {
        // Unmounted meanwhile, or not for us to see.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(()),
        result => result,
    })
}

fn flush_at(folder: &Path) -> io::Result<()> {
    if fault::leaves_out("syncfs") {
        return Ok(());
    }
    let folder = File::open(folder)?;
    nix::unistd::syncfs(&folder)?;
    // vfat leaves in the drive's own cache what syncfs(2) hands to it; fsync(2) empties that as well.
    match folder.sync_all() {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_flushed_by_its_parent_and_a_destination_that_cannot_be_opened_is_an_error() {
        for place in ["/proc/self", "/no/such/folder", "relative", "/etc/passwd"] {
            flush(Path::new(place)).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }

    #[test]
    fn mounts_below_a_folder_are_found_and_itself_is_not() {
        let below = mounts::below(Path::new("/"));
        assert!(below.contains(&PathBuf::from("/proc")), "{below:?}");
        assert!(!below.contains(&PathBuf::from("/")));
        assert!(mounts::below(Path::new("/proc/self/fd")).is_empty());
    }
}
