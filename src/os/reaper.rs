//! Who has died, and who must know.
//!
//! Each worker reaps its own children: a pid is reused only after it was waited for, so nobody else may do that. The
//! main thread gets SIGCHLD and calls [`Reaper::look`]: it looks without reaping (WNOWAIT, see waitid(2)), rings the
//! worker whose child has ended, and reaps only what is nobody's, orphans that the kernel has given to us as child
//! subreaper or as PID 1. That works on every kernel, a child's exit is learnt from its pid, and a grandchild that holds the
//! pipes open does not matter.
#![forbid(unsafe_code)]

use super::procfs;
use super::wake::Waker;
use nix::errno::Errno;
use nix::sys::wait::{waitid, waitpid, Id, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The children of all workers.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    children: Mutex<HashMap<i32, Arc<Waker>>>,
    /// Workers between fork and enrolment: their child is not known yet, so no unknown one may be reaped.
    spawning: AtomicUsize,
}

/// Holds off the reaping of unknown children while one is being started.
#[derive(Debug)]
pub(crate) struct Spawning<'a>(&'a Reaper);

impl Drop for Spawning<'_> {
    fn drop(&mut self) {
        self.0.spawning.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reaper {
    /// To be held from before fork until after [`Reaper::enrol`].
    pub(crate) fn spawning(&self) -> Spawning<'_> {
        self.spawning.fetch_add(1, Ordering::SeqCst);
        Spawning(self)
    }

    /// From now on `waker` rings when this child ends.
    pub(crate) fn enrol(&self, pid: i32, waker: Arc<Waker>) {
        self.lock().insert(pid, waker);
    }

    /// The child was reaped.
    pub(crate) fn forget(&self, pid: i32) {
        self.lock().remove(&pid);
    }

    /// Rings the workers whose children have ended and reaps orphans. Call it on SIGCHLD, and when a worker has
    /// started or reaped a child (that may have hidden an orphan). Never blocks.
    pub(crate) fn look(&self) {
        let known = self.lock();
        for (pid, waker) in known.iter() {
            if has_ended(Id::Pid(Pid::from_raw(*pid))).is_some() {
                waker.ring();
            }
        }
        // The lock is held until the end: a child that is enrolled later was born later, or is covered by `spawning`.
        while let Some(pid) = has_ended(Id::All) {
            if known.contains_key(&pid.as_raw()) || self.spawning.load(Ordering::SeqCst) > 0 {
                break;
            }
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Arc<Waker>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_ended(id: Id) -> Option<Pid> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(id, flags).ok()?.pid()
}

/// Whether anything may have been left to us, running or dead. In the usual case there is nothing, and a walk through
/// `/proc` for what an rsync left behind can be spared.
pub(crate) fn has_orphans() -> bool {
    if LOST.load(Ordering::Relaxed) {
        return true;
    }
    procfs::has_orphans(GUARD.load(Ordering::Relaxed)).unwrap_or_else(has_children)
}

/// A guard that was started in place of a dead one is a child of the main thread, and nothing that was left to us.
static GUARD: AtomicI32 = AtomicI32::new(0);

/// See [`GUARD`].
pub(crate) fn except(guard: Pid) {
    GUARD.store(guard.as_raw(), Ordering::Relaxed);
}

/// Orphans are not given to us: they must be looked for each time.
static LOST: AtomicBool = AtomicBool::new(false);

/// Has orphans of our descendants given to us, so that none is lost sight of (child subreaper, see prctl(2); Linux 3.4
/// and up, but not under qemu-user or where a sandbox forbids it).
pub(crate) fn adopt_orphans() {
    let adopted = nix::sys::prctl::set_child_subreaper(true).is_ok() || std::process::id() == 1;
    LOST.store(!adopted, Ordering::Relaxed);
}

/// Whether this process has any child at all.
fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) != Err(Errno::ECHILD)
}

/// Reaps a child of ours if it has ended.
pub(crate) fn try_wait(pid: i32) -> Option<WaitStatus> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => None,
        Ok(status) => Some(status),
        // Cannot happen while we alone reap it; taken as its end rather than waited for for ever.
        Err(_) => Some(WaitStatus::Exited(Pid::from_raw(pid), 255)),
    }
}

/// Reaps what the process group `pgid` has left to us as child subreaper; true when nobody is left in it.
pub(crate) fn reap_group(pgid: i32) -> bool {
    loop {
        match waitpid(Pid::from_raw(-pgid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            // None of ours; there may be grandchildren whose parents still live.
            Err(_) => return nix::sys::signal::killpg(Pid::from_raw(pgid), None) == Err(Errno::ESRCH),
        }
    }
}
