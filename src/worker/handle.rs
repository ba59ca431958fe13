//! The door of a worker: all that the supervisor can see of it and ask of it.

use super::inbox::{Inbox, Order};
use super::pulse::Pulse;
use super::shared::Shared;
use super::thread::Worker;
use crate::config;
use crate::job::Time;
use crate::report::board::{JobStatus, Stamp};
use crate::report::slot::Slot;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Enough for the deepest chain of calls, in debug builds too; only pages that are used cost memory.
const STACK: usize = 256 * 1024;

/// A job's worker, as the supervisor holds it.
#[derive(Debug)]
pub(crate) struct Handle {
    job: Arc<config::Job>,
    inbox: Arc<Inbox>,
    pulse: Arc<Pulse>,
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
    leaving: bool,
}

/// What was decided for a job before it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Sync again and again; otherwise the job finishes after one sync.
    pub repeat: bool,
    /// When the first sync starts: see [`crate::job::Job::new`].
    pub phase: u64,
}

impl Handle {
    /// Starts the job's thread.
    ///
    /// # Errors
    /// Out of file descriptors, memory or threads.
    pub(crate) fn start(job: Arc<config::Job>, terms: Terms, shared: &Arc<Shared>) -> io::Result<Handle> {
        let inbox = Arc::new(Inbox::new()?);
        let pulse = Arc::new(Pulse::default());
        let status = JobStatus {
            name: job.name.clone(),
            started: Some(Stamp::now()),
            stale_after: job.stale_after,
            ..JobStatus::default()
        };
        let slot = Slot::new(status, Arc::clone(&shared.news));
        // Boxed, because each call it is handed through would keep a copy on the thread's stack.
        let worker = Box::new(Worker::new(
            Arc::clone(&job),
            terms,
            Arc::clone(shared),
            Arc::clone(&inbox),
            Arc::clone(&pulse),
            Arc::clone(&slot),
        ));
        // The kernel keeps 15 bytes of the name; it is shown by ps -L and top -H.
        let thread = std::thread::Builder::new().name(job.name.clone()).stack_size(STACK);
        let thread = thread.spawn(move || worker.run())?;
        Ok(Handle { job, inbox, pulse, slot, thread, leaving: false })
    }

    /// The job as it is configured now.
    pub(crate) fn job(&self) -> &Arc<config::Job> {
        &self.job
    }

    /// What the job is doing.
    pub(crate) fn status(&self) -> JobStatus {
        self.slot.read()
    }

    /// Whether the worker should have turned its loop by now and has not. Takes no lock.
    pub(crate) fn is_stuck(&self, now: Time) -> bool {
        self.pulse.is_stuck(now)
    }

    /// When a reboot is due for the job's sake, and whether something runs that may make it needless; None: it is not, as
    /// things stand. Takes no lock.
    pub(crate) fn reboot(&self) -> Option<(Time, bool)> {
        self.pulse.reboot()
    }

    /// Sync at once.
    pub(crate) fn sync_now(&self) {
        self.inbox.post(Order::SyncNow);
    }

    /// Sync at once, and make the deletions that are held.
    pub(crate) fn allow(&self) {
        self.inbox.post(Order::Allow);
    }

    /// A file beside the one with its password has changed, or that one.
    pub(crate) fn look_at_secret(&self) {
        self.inbox.post(Order::Secret);
    }

    /// Start no sync by itself, or do so again.
    pub(crate) fn pause(&self, paused: bool) {
        self.inbox.post(Order::Pause(paused));
    }

    /// Show the set before again; [`Shared::replies`] has the answer to `ticket` when that is done.
    pub(crate) fn roll_back(&self, ticket: u64) {
        self.inbox.post(Order::Rollback(ticket));
    }

    /// The job's keys have changed.
    pub(crate) fn reload(&mut self, job: Arc<config::Job>) {
        self.job = Arc::clone(&job);
        self.inbox.post(Order::Reload(job));
    }

    /// Finish; a second call kills what still runs.
    pub(crate) fn stop(&self) {
        self.inbox.post(Order::Stop);
    }

    /// Finish, because the job is not in the configuration any more.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.stop();
    }

    /// Whether [`Handle::leave`] was called.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether `job` has to wait until this one has left: it was that job, or wrote where that is going to. What would come of
    /// a start beside it is a sync that is skipped for the destination's sake, and counted as a failure.
    pub(crate) fn goes_before(&self, job: &config::Job) -> bool {
        let place = |job: &config::Job| job.arguments.destination().map(|place| place.trim_end_matches('/').to_owned());
        self.leaving && (self.job.name == job.name || place(&self.job) == place(job))
    }

    /// Whether the job is over, so that [`Handle::join`] does not wait.
    pub(crate) fn has_finished(&self) -> bool {
        // Not JoinHandle::is_finished: a worker rings last of all things, but before its thread has ended.
        self.pulse.has_finished()
    }

    /// Waits for the end of the thread and gives the job's last status.
    pub(crate) fn join(self) -> JobStatus {
        let status = self.slot.read();
        // A panic has taken the whole process with it (panic = "abort").
        let _ = self.thread.join();
        status
    }
}
