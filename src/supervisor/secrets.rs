//! The folders of all `password_file`s, watched: a device whose password was refused is mended when the right one is put in
//! place, and need not wait for the end of a long back-off then. One inotify(7) instance for all jobs, for a user has few (128);
//! it costs nothing until something changes in those folders.

use crate::config::{Job, Password};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A file that was written or put in its place, or can be read by other users than before.
const CHANGES: AddWatchFlags =
    AddWatchFlags::IN_CLOSE_WRITE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_ATTRIB);

/// See above. Nothing is watched where there is no such file, no such folder, or no inotify(7).
#[derive(Debug, Default)]
pub(super) struct Secrets {
    inotify: Option<Inotify>,
    names: Vec<OsString>,
}

impl Secrets {
    /// Watches the folders of the jobs' files.
    pub(super) fn of<'a>(jobs: impl Iterator<Item = &'a Job>) -> Secrets {
        let mut folders: BTreeMap<&Path, Vec<OsString>> = BTreeMap::new();
        for job in jobs {
            let Some(Password::File(file)) = &job.password else { continue };
            if let (Some(folder), Some(name)) = (file.parent(), file.file_name()) {
                folders.entry(folder).or_default().push(name.to_owned());
            }
        }
        if folders.is_empty() {
            return Secrets::default();
        }
        let Ok(inotify) = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC) else {
            return Secrets::default();
        };
        let watched = folders.into_iter().filter(|(folder, _)| inotify.add_watch(*folder, CHANGES).is_ok());
        let names: Vec<OsString> = watched.flat_map(|(_, names)| names).collect();
        Secrets { inotify: Some(inotify).filter(|_| !names.is_empty()), names }
    }

    /// To be polled.
    pub(super) fn events(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(|inotify| inotify.as_fd())
    }

    /// Whether a file of such a name has changed since the last time. Never blocks.
    pub(super) fn changed(&self) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut changed = false;
        while let Ok(events) = inotify.read_events() {
            // One without a name: so much has happened that nobody knows what.
            changed |= events.iter().any(|event| event.name.as_ref().map_or(true, |name| self.names.contains(name)));
        }
        changed
    }
}
