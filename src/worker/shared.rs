//! What all workers, and the main thread, have in common.

use super::claims::Claims;
use super::versions::Versions;
use crate::os::guard::Guard;
use crate::os::reaper::Reaper;
use crate::os::wake::Waker;
use crate::report::slot::News;
use nix::sys::stat::Mode;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where irsync keeps its own files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folders {
    /// [`Shared::lock_dir`]
    pub locks: Option<PathBuf>,
    /// [`Shared::state_dir`]
    pub state: Option<PathBuf>,
}

/// One for the whole process.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Wakes the main thread.
    pub main: Arc<Waker>,
    /// Rings the worker whose child has ended.
    pub reaper: Reaper,
    /// Says that the status of some job has changed.
    pub news: Arc<News>,
    /// What is known of each rsync program.
    pub versions: Versions,
    /// The folder of the locks; None if none could be made.
    pub lock_dir: Option<PathBuf>,
    /// `state_dir`
    pub state_dir: Option<PathBuf>,
    /// The destinations that jobs of this irsync write to.
    pub claims: Claims,
    /// What the marker of each run of this irsync begins with: `PID.START.`
    pub runs: String,
    /// The soft limit of open files that irsync was started with. Children get it back.
    pub open_files: Option<u64>,
    /// The umask that irsync was started with. Children get it back.
    pub umask: Mode,
    /// At which level rsync's standard output is logged.
    pub rsync_stdout: log::Level,
    /// Ends irsync's children if irsync is killed; None as PID 1, where the kernel does that.
    pub guard: Option<Guard>,
    run: AtomicU64,
    /// Where each job writes on this machine.
    destinations: Mutex<Vec<(String, PathBuf)>>,
    /// Answers to requests that took their time.
    replies: Mutex<Vec<Reply>>,
}

/// The number of a request, and what came of it, for people.
pub(crate) type Reply = (u64, Result<String, String>);

impl Shared {
    /// See the fields.
    pub(crate) fn new(
        main: Arc<Waker>,
        guard: Option<Guard>,
        folders: Folders,
        runs: String,
        open_files: Option<u64>,
        umask: Mode,
        rsync_stdout: log::Level,
    ) -> Shared {
        Shared {
            news: News::new(Arc::clone(&main)),
            main,
            reaper: Reaper::default(),
            versions: Versions::default(),
            lock_dir: folders.locks,
            state_dir: folders.state,
            claims: Claims::default(),
            runs,
            open_files,
            umask,
            rsync_stdout,
            guard,
            run: AtomicU64::new(0),
            destinations: Mutex::default(),
            replies: Mutex::default(),
        }
    }

    /// The marker of the next run. It differs from every other marker of this boot, and because of the dot at its end none
    /// is the beginning of another.
    pub(crate) fn next_run(&self) -> String {
        format!("{}{}.", self.runs, self.run.fetch_add(1, Ordering::Relaxed))
    }

    /// A worker has done what was asked for, or has not.
    pub(super) fn reply(&self, ticket: u64, result: Result<String, String>) {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).push((ticket, result));
        self.main.ring();
    }

    /// What was not taken yet.
    pub(crate) fn replies(&self) -> Vec<Reply> {
        std::mem::take(&mut *self.replies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The job writes to `new` from now on, and not to `old` any more; None: nowhere on this machine.
    pub(crate) fn move_destination(&self, job: &str, old: Option<PathBuf>, new: Option<PathBuf>) {
        let mut all = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = old {
            all.retain(|(name, place)| name != job || *place != old);
        }
        all.extend(new.map(|new| (job.to_owned(), new)));
    }

    /// Where the other jobs write.
    pub(crate) fn other_destinations(&self, job: &str) -> Vec<PathBuf> {
        let all = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(name, _)| name != job).map(|(_, destination)| destination.clone()).collect()
    }
}
