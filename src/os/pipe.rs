//! Pipes for what a hook writes. A daemon that it has started inherits them, and may write to them as long as it lives.
#![forbid(unsafe_code)]

use nix::fcntl::{fcntl, open, FcntlArg, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A pipe whose writers are not killed by SIGPIPE when we have closed it, or have ended.
#[derive(Debug)]
pub(crate) struct Lasting {
    /// Ours, not blocking.
    pub reader: OwnedFd,
    /// For the child. Keep it until the child has ended, then [`let_go`].
    pub writer: OwnedFd,
}

impl Lasting {
    /// A new one.
    ///
    /// # Errors
    /// EMFILE, ENFILE.
    pub(crate) fn new() -> io::Result<Lasting> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        // Opened for reading as well, the writer is a reader of its own pipe: as long as it is open, the pipe has one, see
        // fifo(7). Without /proc it is a plain pipe.
        let both = open(
            format!("/proc/self/fd/{}", writer.as_raw_fd()).as_str(),
            OFlag::O_RDWR | OFlag::O_CLOEXEC,
            Mode::empty(),
        );
        fcntl(reader.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Lasting { reader, writer: both.unwrap_or(writer) })
    }
}

/// Closes our copy of the writer. Others who have it get EAGAIN from then on when the pipe is full: once nobody empties it any
/// more, they would hang for ever.
pub(crate) fn let_go(writer: OwnedFd) {
    // The flag belongs to what all copies share. If it cannot be set, a daemon hangs only after 64 KiB that nobody reads.
    let _ = fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use nix::unistd::{read, write};

    #[test]
    fn a_writer_goes_on_when_nobody_reads_and_its_end_is_seen() {
        let pipe = Lasting::new().unwrap();
        let daemon = pipe.writer.try_clone().unwrap();
        write(&daemon, b"x").unwrap();
        assert_eq!(read(&pipe.reader, &mut [0; 8]), Ok(1));
        assert_eq!(read(&pipe.reader, &mut [0; 8]), Err(Errno::EAGAIN));
        let_go(pipe.writer);
        assert_eq!(read(&pipe.reader, &mut [0; 8]), Err(Errno::EAGAIN), "the daemon still has it");
        let other = Lasting::new().unwrap();
        let gone = other.writer.try_clone().unwrap();
        let_go(other.writer);
        drop(gone);
        assert_eq!(read(&other.reader, &mut [0; 8]), Ok(0), "its end was not seen");

        // As after the end of irsync: neither SIGPIPE (Rust ignores that; it would be EPIPE here) nor a write that hangs.
        drop(pipe.reader);
        let mut written = 0;
        let end = loop {
            match write(&daemon, &[b'x'; 4096]) {
                Ok(n) => written += n,
                Err(error) => break error,
            }
        };
        assert_eq!(end, Errno::EAGAIN);
        assert!(written >= 4096, "{written}");
    }
}
