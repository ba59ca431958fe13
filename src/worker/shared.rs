//! What the main thread and the workers have in common.

use super::claims::Claims;
use crate::config;
use crate::job::Time;
use crate::os::guard::Guard;
use crate::os::reaper::Reaper;
use crate::os::wake::Waker;
use crate::report::board::News;
use crate::rsync::version::Version;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A worker that has not turned its loop for this long past its deadline hangs in the kernel. Starting a program from a
/// card that is being written to can take many seconds; a minute means that something is broken.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// One for the whole process.
#[derive(Debug)]
pub struct Shared {
    /// Wakes the main thread.
    pub main: Arc<Waker>,
    /// Who has died.
    pub reaper: Reaper,
    /// Ends our children if we are killed; None as PID 1, where the kernel does that.
    pub guard: Option<Guard>,
    /// Something on the board has changed.
    pub news: Arc<News>,
    /// Where locks are; None if no folder for them could be made.
    pub lock_dir: Option<PathBuf>,
    /// The destinations that are ours.
    pub claims: Claims,
    /// The marker of this irsync's runs: `PID.START.`
    pub runs: String,
    /// The soft limit of open files before we raised it.
    pub open_files: Option<u64>,
    /// What is shown at a terminal or logged at info: rsync's stdout in drop-in mode.
    pub chatty: bool,
    run: AtomicU64,
    guard_lost: AtomicBool,
    versions: Mutex<HashMap<String, Option<Version>>>,
}

impl Shared {
    /// See the fields.
    pub fn new(
        main: Arc<Waker>,
        guard: Option<Guard>,
        lock_dir: Option<PathBuf>,
        runs: String,
        open_files: Option<u64>,
        chatty: bool,
    ) -> Shared {
        Shared {
            news: News::new(Arc::clone(&main)),
            main,
            reaper: Reaper::default(),
            guard,
            lock_dir,
            claims: Claims::default(),
            runs,
            open_files,
            chatty,
            run: AtomicU64::new(0),
            guard_lost: AtomicBool::new(false),
            versions: Mutex::default(),
        }
    }

    /// The marker of the next run: unlike any other of this boot, and none is the beginning of another.
    pub fn next_run(&self) -> String {
        format!("{}{}.", self.runs, self.run.fetch_add(1, Ordering::Relaxed))
    }

    /// A process group that has to end with us.
    pub fn guard_enter(&self, group: i32) {
        let Some(guard) = &self.guard else { return };
        if guard.enter(group).is_err() && !self.guard_lost.swap(true, Ordering::Relaxed) {
            log::warn!(
                "irsync's guard process was killed: a SIGKILL of irsync may now leave an rsync behind; restart irsync"
            );
        }
    }

    /// The group has ended.
    pub fn guard_leave(&self, group: i32) {
        if let Some(guard) = &self.guard {
            guard.leave(group);
        }
    }

    /// A clean end: nothing of ours runs any more.
    pub fn say_farewell(&self) {
        if let Some(guard) = &self.guard {
            guard.dismiss();
        }
    }

    /// What is known of a program; outer None: not asked yet.
    pub fn version(&self, program: &str) -> Option<Option<Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(program).cloned()
    }

    /// Remembers what a program said of itself.
    pub fn learn_version(&self, program: &str, version: Option<Version>) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(program.to_owned(), version);
    }

    /// Asks all programs again: an update may have replaced them.
    pub fn forget_versions(&self) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What the main thread tells a worker.
#[derive(Debug)]
pub enum Order {
    /// Sync at once.
    SyncNow,
    /// The job's keys have changed.
    Reload(Arc<config::Job>),
    /// End; a second one ends it at once.
    Stop,
}

/// A worker's letter box.
#[derive(Debug)]
pub struct Inbox {
    /// Rings when an order or the end of a child has come.
    pub waker: Arc<Waker>,
    orders: Mutex<VecDeque<Order>>,
}

impl Inbox {
    /// # Errors
    /// EMFILE, ENFILE.
    pub fn new() -> io::Result<Inbox> {
        Ok(Inbox { waker: Arc::new(Waker::new()?), orders: Mutex::default() })
    }

    /// Never blocks.
    pub fn post(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.waker.ring();
    }

    /// The oldest order.
    pub fn next(&self) -> Option<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// What the main thread reads of a worker without a lock, a file or memory of its own: moments in milliseconds on
/// CLOCK_MONOTONIC, `u64::MAX` for never.
#[derive(Debug)]
pub struct Pulse {
    /// By when the worker has to turn its loop again.
    due: AtomicU64,
    /// When its job asks for a reboot, unless something changes.
    reboot: AtomicU64,
    ended: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { due: AtomicU64::new(u64::MAX), reboot: AtomicU64::new(u64::MAX), ended: AtomicBool::new(false) }
    }
}

impl Pulse {
    /// The worker sleeps until `deadline` at most; None: until it is woken.
    pub fn asleep_until(&self, deadline: Option<Time>) {
        self.due.store(millis(deadline.map(|at| at + STUCK_AFTER)), Ordering::Relaxed);
    }

    /// The worker is about to do something that should not take long.
    pub fn busy(&self, now: Time) {
        self.asleep_until(Some(now));
    }

    /// The job is over: the worker does nothing after this but ring and return.
    pub fn end(&self) {
        self.asleep_until(None);
        self.ask_for_reboot_at(None);
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Whether the job is over.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Whether the worker should have turned its loop by now and has not.
    pub fn is_stuck(&self, now: Time) -> bool {
        millis(Some(now)) > self.due.load(Ordering::Relaxed)
    }

    /// When the job asks for a reboot; None: not as things stand.
    pub fn ask_for_reboot_at(&self, at: Option<Time>) {
        self.reboot.store(millis(at), Ordering::Relaxed);
    }

    /// See [`Pulse::ask_for_reboot_at`].
    pub fn reboot_at(&self) -> Option<Time> {
        match self.reboot.load(Ordering::Relaxed) {
            u64::MAX => None,
            at => Some(Time(Duration::from_millis(at))),
        }
    }
}

fn millis(at: Option<Time>) -> u64 {
    at.map_or(u64::MAX, |at| at.0.as_millis().min(u128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeper_is_not_stuck_and_a_late_one_is() {
        let pulse = Pulse::default();
        let at = |s: u64| Time(Duration::from_secs(s));
        assert!(!pulse.is_stuck(at(1 << 40)));
        pulse.asleep_until(Some(at(3600)));
        assert!(!pulse.is_stuck(at(3659)));
        assert!(pulse.is_stuck(at(3661)));
        pulse.busy(at(5000));
        assert!(!pulse.is_stuck(at(5060)));
        assert!(pulse.is_stuck(at(5061)));
        pulse.end();
        assert!(pulse.has_ended() && !pulse.is_stuck(at(1 << 40)));
    }
}
