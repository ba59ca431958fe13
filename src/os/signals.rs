//! Signals, turned into something `poll()` can wait for.
#![forbid(unsafe_code)]

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGXFSZ};
use signal_hook::{flag, low_level::pipe};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// The signals irsync acts on, each noted by a flag; one pipe wakes the main thread.
#[derive(Debug)]
pub(crate) struct Signals {
    pipe: UnixStream,
    flags: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// EMFILE and the like.
    pub(crate) fn install() -> io::Result<Signals> {
        let (pipe, write) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let mut flags = Vec::new();
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH] {
            let noted = Arc::new(AtomicBool::new(false));
            // The flag first: when the pipe wakes us it must be seen.
            flag::register(signal, Arc::clone(&noted))?;
            pipe::register(signal, write.try_clone()?)?;
            flags.push((signal, noted));
        }
        // A file that may not grow any more (RLIMIT_FSIZE) is an error of write(2) then, and nothing that ends irsync. Not ignored:
        // what we start would ignore it as well.
        flag::register(SIGXFSZ, Arc::default())?;
        Ok(Signals { pipe, flags })
    }

    /// The signals that came since the last call.
    pub(crate) fn take(&self) -> Vec<i32> {
        let mut bytes = [0; 64];
        while matches!((&self.pipe).read(&mut bytes), Ok(n) if n == bytes.len()) {}
        self.flags.iter().filter(|(_, noted)| noted.swap(false, Ordering::SeqCst)).map(|(signal, _)| *signal).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
