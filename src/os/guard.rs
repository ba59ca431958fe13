//! The guard: a small process that ends irsync's children when irsync itself was killed (SIGKILL, out of memory).
//!
//! The kernel's parent-death signal reaches only the processes that irsync has started itself. rsync's receiver, or the ssh
//! beside it, would live on and write into the folder in which the next irsync starts an rsync of its own.
//!
//! The guard reads a pipe whose other end only irsync holds. irsync writes the process group of every child that it starts
//! and of every child that has ended, and [`DISMISSED`] before it exits. If the pipe ends without that, irsync was killed.
#![forbid(unsafe_code)]

use super::child::terminate;
use super::mark;
use super::sys::fork_single_threaded;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{killpg, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

/// rsync gets this long after SIGTERM to remove its temporary files, and is killed then.
const GRACE: Duration = Duration::from_secs(2);
/// How often the guard looks whether the children have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often processes that left their group are looked for: one that forks at that very moment may be missed once.
const SEARCHES: usize = 50;
/// irsync exits and nothing of it runs any more. Every other number in the pipe is a process group: positive when its leader
/// was started, negative when all of it has ended.
const DISMISSED: i32 = 0;

/// irsync's end of the pipe.
#[derive(Debug)]
pub(crate) struct Guard {
    pipe: File,
    /// The process that has forked the guard, until it was waited for.
    between: Option<Pid>,
}

impl Guard {
    /// Starts the guard for the runs whose marker begins with `runs`. To be called while the process has one thread.
    ///
    /// # Errors
    /// Those of pipe(2) and fork(2).
    pub(crate) fn start(runs: &str) -> io::Result<Guard> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        // Forked twice, so that the guard becomes a child of init: irsync's own children are rsyncs and hooks only, and the
        // question whether there are any has a plain answer.
        match fork_single_threaded()? {
            ForkResult::Parent { child } => Ok(Guard { pipe: File::from(write), between: Some(child) }),
            ForkResult::Child => {
                drop(write);
                match fork_single_threaded() {
                    Ok(ForkResult::Child) => watch(read, runs),
                    _ => exit(0),
                }
            }
        }
    }

    /// Waits until the guard is a child of init. Call it before irsync adopts orphans, or it would adopt the guard, and before
    /// any other child is started. It is not part of `start`, because irsync has other work to do while the two fork.
    pub(crate) fn settle(&mut self) {
        if let Some(between) = self.between.take() {
            let _ = waitpid(between, None);
        }
    }

    /// A child was started that leads this process group: it has to end with irsync.
    ///
    /// # Errors
    /// EPIPE: somebody has killed the guard.
    pub(crate) fn enter(&self, group: i32) -> io::Result<()> {
        self.send(group)
    }

    /// This process group has ended.
    pub(crate) fn leave(&self, group: i32) {
        // If the guard is gone, `enter` has said so.
        let _ = self.send(-group);
    }

    /// irsync exits, and nothing that it has started runs any more.
    pub(crate) fn dismiss(&self) {
        let _ = self.send(DISMISSED);
    }

    fn send(&self, record: i32) -> io::Result<()> {
        (&self.pipe).write_all(&record.to_ne_bytes())
    }
}

/// The guard's whole life.
fn watch(pipe: OwnedFd, runs: &str) -> ! {
    let _ = nix::unistd::setsid();
    // The name does not begin with irsync's: somebody who calls `pkill irsync` does not mean the guard.
    let _ = nix::sys::prctl::set_name(&CString::new("sync-guard").unwrap_or_default());
    for ignored in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
        // These signals are sent to irsync's whole group or cgroup at times. They are meant for irsync; the guard has to stay
        // until the pipe ends.
        let _ = super::sys::ignore(ignored);
    }
    detach();
    let mut pipe = File::from(pipe);
    let mut groups: Vec<i32> = Vec::new();
    let mut record = [0; 4];
    while pipe.read_exact(&mut record).is_ok() {
        match i32::from_ne_bytes(record) {
            DISMISSED => exit(0),
            group if group > 0 => groups.push(group),
            group => groups.retain(|&g| g != -group),
        }
    }
    end_all(&mut groups, runs);
    exit(0)
}

/// Lets go of irsync's terminal, log pipe and folder.
fn detach() {
    let _ = nix::unistd::chdir("/");
    if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
}

fn end_all(groups: &mut Vec<i32>, runs: &str) {
    groups.iter().for_each(|&group| terminate(group));
    let mut waited = Duration::ZERO;
    while waited < GRACE {
        groups.retain(|&group| killpg(Pid::from_raw(group), None) != Err(Errno::ESRCH));
        if groups.is_empty() {
            break;
        }
        sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    for &group in groups.iter() {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    for _ in 0..SEARCHES {
        if mark::kill_run(runs) == 0 {
            break;
        }
        sleep(LOOK_EVERY);
    }
}
