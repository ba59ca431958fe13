//! This program executed anew, in a process of its own.

use super::check;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};
use std::ffi::{c_char, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};

/// This program, also after its file was replaced or removed.
pub(crate) const SELF: &str = "/proc/self/exe";

/// A program with its words and its environment. All of it is made before the fork: nothing may be allocated between a fork of
/// a process with threads and the exec.
#[derive(Debug)]
pub(crate) struct Plan {
    program: CString,
    words: Vec<CString>,
    environment: Vec<CString>,
    /// What the program ignores from its very beginning.
    ignored: &'static [Signal],
}

impl Plan {
    /// This program; `words` begin with the name that it bears.
    pub(crate) fn of_self(words: Vec<CString>, environment: Vec<CString>, ignored: &'static [Signal]) -> Plan {
        Plan { program: CString::new(SELF).unwrap_or_default(), words, environment, ignored }
    }

    /// Starts the program as a child of the calling thread, in a session of its own, with `pipe` as its standard input, output
    /// and error. Does not wait until it is executed: that takes for ever on a dead card. If it cannot be, the child ends.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM.
    pub(crate) fn start(&self, pipe: BorrowedFd<'_>) -> io::Result<Pid> {
        let (words, environment) = (pointers(&self.words), pointers(&self.environment));
        // SAFETY: the child makes async-signal-safe system calls only, and ends by exec or _exit.
        match unsafe { nix::unistd::fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                for &signal in self.ignored {
                    let _ = super::ignore(signal);
                }
                if be_apart(pipe).is_ok() {
                    // SAFETY: both lists end with a null pointer, and what they point to lives as long as `self`.
                    unsafe { libc::execve(self.program.as_ptr(), words.as_ptr(), environment.as_ptr()) };
                }
                // SAFETY: nothing of the copied process is run any more.
                unsafe { libc::_exit(127) }
            }
        }
    }
}

/// Gives this process, a child, a session of its own and `pipe` as its standard input, output and error.
///
/// # Errors
/// EINTR, EMFILE.
pub(crate) fn be_apart(pipe: BorrowedFd<'_>) -> io::Result<()> {
    let _ = nix::unistd::setsid();
    for standard in 0..=2 {
        // SAFETY: the descriptor is open, and nobody in this process uses the standard ones for anything else after this.
        check(unsafe { libc::dup2(pipe.as_raw_fd(), standard) })?;
    }
    Ok(())
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Standard input, without the buffer that std keeps for it. To be called one time, by a process that does not read it otherwise.
pub(crate) fn take_stdin() -> File {
    // SAFETY: std has seen to it that descriptor 0 is open, and never closes it; nobody else does in a process that calls this.
    unsafe { File::from_raw_fd(0) }
}
