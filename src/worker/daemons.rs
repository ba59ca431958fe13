//! What is still written by what hooks have started: read, and dropped.
//!
//! A daemon that writes to a pipe which nobody reads would hang, or die of SIGPIPE. It is not ours to log: it may write for ever,
//! and flash wears out.

use nix::errno::Errno;
use nix::unistd::read;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A job that starts one daemon after the other does not eat up our descriptors. Daemons beyond that number may still write:
/// see [`crate::os::pipe::Lasting`].
const MOST: usize = 16;
/// After so many reads from one pipe the worker looks at its clock and its orders again.
const READS: usize = 8;

/// The pipes that daemons hold.
#[derive(Debug, Default)]
pub(super) struct Daemons(VecDeque<OwnedFd>);

impl Daemons {
    /// Takes care of these pipes from now on.
    pub(super) fn keep(&mut self, pipes: impl Iterator<Item = OwnedFd>) {
        self.0.extend(pipes);
        // Most have no writer any more.
        self.drain();
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// To be polled.
    pub(super) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd)
    }

    /// Reads what there is, and closes the pipes that have come to their end.
    pub(super) fn drain(&mut self) {
        if !self.0.is_empty() {
            self.0.retain(goes_on);
        }
    }
}

/// Reads what there is in a pipe; false: it has come to its end. Not inlined: few jobs have a daemon, and all of them a stack.
#[inline(never)]
fn goes_on(pipe: &OwnedFd) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..READS {
        match read(pipe, &mut buffer) {
            Ok(0) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::pipe::{let_go, Lasting};

    #[test]
    fn pipes_are_kept_while_they_have_a_writer_and_their_number_is_bounded() {
        let mut daemons = Daemons::default();
        let mut writers = Vec::new();
        for _ in 0..MOST + 3 {
            let (alive, dead) = (Lasting::new().unwrap(), Lasting::new().unwrap());
            writers.push(alive.writer);
            let_go(dead.writer);
            daemons.keep([alive.reader, dead.reader].into_iter());
        }
        assert_eq!(daemons.pipes().count(), MOST);
        nix::unistd::write(&writers[MOST], b"a line\n").unwrap();
        daemons.drain();
        assert_eq!(daemons.pipes().count(), MOST);
        writers.clear();
        daemons.drain();
        assert_eq!(daemons.pipes().count(), 0);
    }
}
