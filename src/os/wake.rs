//! Waking a thread that sleeps in `poll()`: an eventfd, see eventfd(2).
#![forbid(unsafe_code)]

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// One thread polls it, any thread rings it.
#[derive(Debug)]
pub(crate) struct Waker(EventFd);

impl Waker {
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub(crate) fn new() -> io::Result<Waker> {
        Ok(Waker(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
    }

    /// Makes the descriptor readable until [`Waker::clear`]. Never blocks.
    pub(crate) fn ring(&self) {
        // EAGAIN means 2^64-2 rings are waiting already: it is readable.
        let _ = self.0.write(1);
    }

    /// Forgets all rings so far.
    pub(crate) fn clear(&self) {
        let _ = self.0.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
