//! The board: what every job is doing now, written by its worker, read by the main thread for the status file, the
//! metrics, SIGUSR2 and the progress bars. Workers hold its lock for a few assignments only.

use super::board::{JobStatus, LastRun};
use super::history::History;
use crate::os::wake::Waker;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One job's place on the board.
#[derive(Debug)]
pub(crate) struct Slot {
    status: Mutex<JobStatus>,
    news: Arc<News>,
}

/// Tells the main thread that something on the board has changed.
#[derive(Debug)]
pub(crate) struct News {
    /// The last syncs of all jobs.
    pub(crate) history: History,
    unread: AtomicBool,
    main: Arc<Waker>,
}

impl News {
    /// `main` rings when there is something to read.
    pub(crate) fn new(main: Arc<Waker>) -> Arc<News> {
        Arc::new(News { history: History::default(), unread: AtomicBool::new(true), main })
    }

    /// Whether something has changed that was not taken yet.
    pub(crate) fn unread(&self) -> bool {
        self.unread.load(Ordering::SeqCst)
    }

    /// Call before reading the board.
    pub(crate) fn take(&self) {
        self.unread.store(false, Ordering::SeqCst);
    }

    /// Something has changed. Wakes the main thread once, however often it is called before the board is read.
    pub(crate) fn spread(&self) {
        if !self.unread.swap(true, Ordering::SeqCst) {
            self.main.ring();
        }
    }
}

impl Slot {
    /// A job that has not done anything yet.
    pub(crate) fn new(status: JobStatus, news: Arc<News>) -> Arc<Slot> {
        Arc::new(Slot { status: Mutex::new(status), news })
    }

    /// Changes the status and lets the main thread know.
    pub(crate) fn update(&self, change: impl FnOnce(&mut JobStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.spread();
    }

    /// A sync of this job has ended. `notable`: it changed something or failed. Call it before the status is updated.
    pub(crate) fn keep(&self, run: &LastRun, notable: bool) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        self.news.history.add(&status.name, run, notable);
    }

    /// A copy of the status.
    pub(crate) fn read(&self) -> JobStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
