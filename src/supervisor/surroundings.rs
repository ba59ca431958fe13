//! What irsync arranges around itself before the first job starts.

use super::control::{self, Control};
use super::places::{self, Place};
use super::remains::Remains;
use super::Manner;
use crate::config::expand::Variables;
use crate::config::Global;
use crate::os::guard::{Guard, Guarded};
use crate::os::lock::{self, Lock};
use crate::os::wake::Waker;
use crate::os::{clock, reaper};
use crate::report::history;
use crate::worker::{Folders, Shared};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::mman::{mlockall, munlockall, MlockAllFlags};
use nix::sys::resource::{getrlimit, setrlimit, Resource};
use nix::sys::stat::{umask, Mode};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Before the log and the workers are there.
#[derive(Debug)]
pub(super) struct Surroundings {
    guarded: Guarded,
    open_files: Option<u64>,
    umask: Mode,
    status_file: PathBuf,
    state_dir: Option<PathBuf>,
    /// Held as long as we live: the status file and the control socket are ours.
    ownership: io::Result<Lock>,
    /// Becomes readable when the lock file or the socket is removed. None on a kernel without inotify(7).
    removals: Option<Inotify>,
    /// The log says that the irsync before this one was killed.
    told_of_remains: bool,
    /// Differs between devices, stays the same on one.
    device: u64,
}

impl Surroundings {
    /// `patience`: so long the irsync before this one may take to stop.
    ///
    /// # Errors
    /// The irsync before this one does not stop.
    pub(super) fn prepare(
        global: &mut Global,
        manner: Manner,
        guarded: Guarded,
        patience: Duration,
    ) -> io::Result<Surroundings> {
        // No core dump, wherever the kernel would send it: our memory has held passwords. What we start can be dumped as before.
        let _ = nix::sys::prctl::set_dumpable(false);
        // Nobody else writes what we make, however we were started.
        let umask = umask(Mode::S_IWGRP | Mode::S_IWOTH);
        let ownership = match manner.status {
            Place::Configured => places::own_alone(&global.status_file, &guarded.runs, patience)?,
            Place::DropIn => places::own_drop_in(&mut global.status_file, &guarded.runs),
            Place::Nowhere => Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Surroundings {
            guarded,
            open_files: raise_open_files(),
            umask,
            status_file: global.status_file.clone(),
            state_dir: global.state_dir.clone(),
            ownership,
            removals: None,
            told_of_remains: false,
            device: device(),
        })
    }

    /// Once the log runs: what the workers share.
    ///
    /// # Errors
    /// EMFILE.
    pub(super) fn share(mut self, manner: Manner, lock_memory: bool) -> io::Result<(Arc<Shared>, Surroundings)> {
        let guard: Option<Guard> = self.guarded.take();
        reaper::adopt_orphans();
        if lock_memory {
            self::lock_memory(true);
        }
        if let (Err(error), Place::Configured) = (&self.ownership, manner.status) {
            let file = self.status_file.display();
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    log::warn!("somebody else has the lock of {file}: there is no status and no `irsync now`")
                }
                _ => log::warn!("cannot write beside {file}: {error}; there is no status and no `irsync now`"),
            }
        }
        if self.ownership.is_ok() {
            self.told_of_remains = tell_of_remains(&self.status_file);
            // What the one before has left in it is not ours; our own comes with the first sync that ends.
            let _ = std::fs::remove_file(history::path(&self.status_file));
        }
        let lock_dir = places::folder(&self.status_file);
        if lock_dir.is_none() {
            log::warn!("there is no folder to keep locks in: another irsync may sync to the same destinations");
        }
        let shared = Shared::new(
            Arc::new(Waker::new()?),
            guard,
            Folders { locks: lock_dir, state: self.state_dir.clone() },
            self.guarded.runs.clone(),
            self.open_files,
            self.umask,
            manner.rsync_stdout,
        );
        Ok((Arc::new(shared), self))
    }

    /// The socket for `irsync now`; None when another irsync has the status file, or where nothing can be written.
    pub(super) fn control(&mut self) -> Option<Control> {
        self.ownership.as_ref().ok()?;
        let control = match Control::bind(control::path(&self.status_file)) {
            Ok(control) => Some(control),
            Err(error) => {
                log::warn!("cannot listen for `irsync now`: {error}; SIGUSR1 does the same");
                None
            }
        };
        let lock = places::lock_path(&self.status_file);
        self.removals = control.as_ref().and_then(|control| watch(&[&lock, control.path()]).ok());
        control
    }

    /// The log says that the irsync before this one was killed.
    pub(super) fn told_of_remains(&self) -> bool {
        self.told_of_remains
    }

    /// To be polled.
    pub(super) fn removals(&self) -> Option<BorrowedFd<'_>> {
        self.removals.as_ref().map(|removals| removals.as_fd())
    }

    /// Whether the status file's lock, and the socket beside it, are where others look for them.
    pub(super) fn is_in_place(&self, control: Option<&Control>) -> bool {
        self.ownership.as_ref().map_or(true, Lock::is_in_place) && control.map_or(true, Control::is_in_place)
    }

    /// What was told of removals has been looked at.
    pub(super) fn calm(&self) {
        if let Some(removals) = &self.removals {
            while removals.read_events().is_ok() {}
        }
    }

    /// They were removed: the status file is to be taken again.
    pub(super) fn lose(&mut self) {
        self.removals = None;
        self.ownership = Err(io::ErrorKind::NotFound.into());
    }

    /// Tries again to get hold of the status file; whether it is ours now.
    pub(super) fn own_again(&mut self) -> bool {
        match &self.ownership {
            Ok(_) => true,
            // `once` has no status.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
            Err(_) => {
                self.ownership = places::own(&self.status_file, &self.guarded.runs);
                self.ownership.is_ok()
            }
        }
    }

    /// The end: the status file is nobody's.
    pub(super) fn disown(self) {
        if let Ok(lock) = self.ownership {
            lock.remove();
        }
    }

    /// Whether the status file is ours to write.
    pub(super) fn owns_status(&self) -> bool {
        self.ownership.is_ok()
    }

    /// Where in its `spread` a job of this device starts: the same with each boot, spread evenly over a fleet.
    pub(super) fn phase(&self, job: &str) -> u64 {
        crate::job::backoff::Rng::new(self.device ^ lock::hash(job.as_bytes())).draw()
    }
}

/// Keeps irsync's memory from being swapped out or read from the card again, or lets go of it.
pub(super) fn lock_memory(lock: bool) {
    // Only what is used: a worker's stack has room for much more than it needs. Linux 4.4 and up.
    let on_fault = MlockAllFlags::from_bits_retain(nix::libc::MCL_ONFAULT);
    let done = match lock {
        true => mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault),
        false => munlockall(),
    };
    match done.map_err(io::Error::from) {
        Err(error) if lock => log::warn!("cannot lock memory: {error}; a busy card may delay the watchdog's feeding"),
        Err(error) => log::warn!("cannot unlock memory: {error}; it stays locked until irsync is restarted"),
        Ok(()) => {}
    }
}

/// The irsync before this one was killed; whether that was told. After a reboot that is nothing to tell: the boot record has more
/// to say of it.
fn tell_of_remains(status_file: &Path) -> bool {
    let left = Remains::of(status_file, clock::now()).filter(|left| left.age.is_some());
    if let Some(left) = &left {
        log::warn!("the irsync that had {} before {left}", status_file.display());
    }
    left.is_some()
}

fn device() -> u64 {
    let variables = Variables::of_this_device();
    let id = variables.machine_id.or(variables.serial).or(variables.mac);
    id.map_or_else(clock::seed, |id| lock::hash(id.as_bytes()))
}

/// The soft limit as it was; a thousand jobs need more than the usual 1024 descriptors.
fn raise_open_files() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    Some(soft as u64)
}

fn watch(paths: &[&Path]) -> nix::Result<Inotify> {
    let removals = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    for path in paths {
        // The number of names is an attribute, and what somebody has open is deleted only when he closes it.
        removals.add_watch(*path, AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVE_SELF)?;
    }
    Ok(removals)
}
