//! The guard: a small process that outlives a SIGKILL of irsync by the moment it takes to end what irsync had running.
//!
//! The parent-death signal reaches only the process that irsync itself has started. rsync's receiver, or the ssh beside
//! it, would live on, go on writing and meet the next irsync's rsync in the same folder. The guard reads a pipe whose
//! other end only irsync holds; end-of-file without a farewell means that irsync was killed.

use super::child::{kill_marked, terminate};
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

/// Time that rsync gets to remove its temporary files before it is killed.
const GRACE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);
/// Written on a clean end; otherwise records are a process group id, negative when it is over.
const FAREWELL: i32 = 0;

/// irsync's end of the pipe.
#[derive(Debug)]
pub struct Guard {
    pipe: File,
    /// The process between us and the guard, until it was waited for.
    between: Option<Pid>,
}

impl Guard {
    /// Starts the guard for the runs whose marker begins with `runs`. To be called while the process has one thread.
    ///
    /// # Errors
    /// Those of pipe(2) and fork(2).
    pub fn start(runs: &str) -> io::Result<Guard> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        // Forked twice: the guard is init's child, not ours, so that "has irsync any child?" asks for rsyncs only.
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

    /// Waits until the guard is init's child. To be called before orphans are given to us, and before any other child is
    /// started; not in `start`, as there is other work to do while the two processes fork.
    pub fn settle(&mut self) {
        if let Some(between) = self.between.take() {
            let _ = waitpid(between, None);
        }
    }

    /// This process group has to end with irsync.
    ///
    /// # Errors
    /// EPIPE: somebody has killed the guard.
    pub fn enter(&self, group: i32) -> io::Result<()> {
        self.tell(group)
    }

    /// This process group has ended.
    pub fn leave(&self, group: i32) {
        // That the guard is gone was told when the group was entered.
        let _ = self.tell(-group);
    }

    /// A clean end: nothing is left to do.
    pub fn dismiss(&self) {
        let _ = self.tell(FAREWELL);
    }

    fn tell(&self, record: i32) -> io::Result<()> {
        (&self.pipe).write_all(&record.to_ne_bytes())
    }
}

fn watch(pipe: OwnedFd, runs: &str) -> ! {
    let _ = nix::unistd::setsid();
    // Not "irsync-…": `pkill irsync` is not meant for it.
    let _ = nix::sys::prctl::set_name(&CString::new("sync-guard").unwrap_or_default());
    for ignored in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
        // What is sent to irsync's whole group or cgroup is meant for irsync; the pipe tells us when it is time.
        let _ = super::sys::ignore(ignored);
    }
    detach();
    let mut pipe = File::from(pipe);
    let mut groups: Vec<i32> = Vec::new();
    let mut record = [0; 4];
    while pipe.read_exact(&mut record).is_ok() {
        match i32::from_ne_bytes(record) {
            FAREWELL => exit(0),
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
        sleep(STEP);
        waited += STEP;
    }
    for &group in groups.iter() {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    // A process that forks while it is looked for may be missed once, not each time.
    for _ in 0..50 {
        if kill_marked(runs) == 0 {
            break;
        }
        sleep(STEP);
    }
}
