//! Orders of the main thread to a worker.

use crate::config;
use crate::os::wake::Waker;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// What the main thread can ask of a worker.
#[derive(Debug)]
pub(super) enum Order {
    /// Sync at once.
    SyncNow,
    /// Sync at once, and make the deletions that are held.
    Allow,
    /// Start no sync by itself, or do so again.
    Pause(bool),
    /// Show the set before again, and answer the request of this number.
    Rollback(u64),
    /// A file beside the one with the job's password has changed, or that one.
    Secret,
    /// The job's keys have changed.
    Reload(Arc<config::Job>),
    /// Finish; a second one kills what still runs.
    Stop,
}

/// A worker's letter box.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Rings when there is an order, and when a child of the worker has ended.
    pub waker: Arc<Waker>,
    orders: Mutex<VecDeque<Order>>,
}

impl Inbox {
    /// # Errors
    /// EMFILE, ENFILE.
    pub(super) fn new() -> io::Result<Inbox> {
        Ok(Inbox { waker: Arc::new(Waker::new()?), orders: Mutex::default() })
    }

    /// Leaves an order and wakes the worker. Never blocks.
    pub(super) fn post(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.waker.ring();
    }

    /// Takes the oldest order out.
    pub(super) fn next(&self) -> Option<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
