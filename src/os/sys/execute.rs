//! This program executed anew, in a process of its own.

use super::check;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};
use std::ffi::{c_char, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};

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

    /// Becomes the program, in a session of its own, with `pipe` as its standard input, output and error. Returns only if that
    /// fails; what stands before the exec is done then.
    pub(crate) fn execute(&self, pipe: BorrowedFd<'_>) -> io::Error {
        let (words, environment) = (pointers(&self.words), pointers(&self.environment));
        self.execute_with(&words, &environment, pipe.as_raw_fd())
    }

    /// Starts the program as a child of the calling thread. Does not wait until it is executed: that takes for ever on a dead
    /// card. If it cannot be, the child ends.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM.
    pub(crate) fn start(&self, pipe: BorrowedFd<'_>) -> io::Result<Pid> {
        let (words, environment) = (pointers(&self.words), pointers(&self.environment));
        // SAFETY: the child makes async-signal-safe system calls only, and ends by exec or _exit.
        match unsafe { nix::unistd::fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let _ = self.execute_with(&words, &environment, pipe.as_raw_fd());
                // SAFETY: nothing of the copied process is run any more.
                unsafe { libc::_exit(127) }
            }
        }
    }

    fn execute_with(&self, words: &[*const c_char], environment: &[*const c_char], pipe: RawFd) -> io::Error {
        let _ = nix::unistd::setsid();
        for &signal in self.ignored {
            let _ = super::ignore(signal);
        }
        for standard in 0..=2 {
            // SAFETY: the descriptor is open, and nobody in this process uses the standard ones after this.
            if let Err(error) = check(unsafe { libc::dup2(pipe, standard) }) {
                return error;
            }
        }
        // SAFETY: both lists end with a null pointer, and what they point to lives as long as `self`.
        unsafe { libc::execve(self.program.as_ptr(), words.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Standard input, without the buffer that std keeps for it. To be called one time, by a process that does not read it otherwise.
pub(crate) fn take_stdin() -> File {
    // SAFETY: std has seen to it that descriptor 0 is open, and never closes it; nobody else does in a process that calls this.
    unsafe { File::from_raw_fd(0) }
}
