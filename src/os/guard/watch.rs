//! The guard's own life.

use super::{DISMISSED, IGNORED, NAME, START_ANEW};
use crate::os::child::terminate;
use crate::os::mark;
use crate::os::sys::execute::take_stdin;
use nix::errno::Errno;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::RawFd;
use std::thread::sleep;
use std::time::Duration;

/// rsync gets this long after SIGTERM to remove its temporary files, and is killed then.
const GRACE: Duration = Duration::from_secs(2);
/// How often the guard looks whether the children have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often processes that left their group are looked for: one that forks at that very moment may be missed once.
const SEARCHES: usize = 50;
/// What irsync was started with by a careless script has a number below this.
const HIGHEST_STRAY: RawFd = 1024;

/// Reads standard input, which is the pipe from irsync, until irsync dismisses the guard or has died; `runs` is what the marks
/// of that irsync begin with.
pub(crate) fn watch(runs: &str) {
    let _ = nix::sys::prctl::set_name(&CString::new(NAME).unwrap_or_default());
    for &signal in IGNORED {
        let _ = crate::os::sys::ignore(signal);
    }
    let _ = nix::unistd::chdir("/");
    for descriptor in 3..HIGHEST_STRAY {
        // Whatever it is, it is not ours to hold: a terminal, the lock of a script.
        let _ = nix::unistd::close(descriptor);
    }
    let mut pipe = take_stdin();
    let mut groups: Vec<i32> = Vec::new();
    let mut record = [0; 4];
    while pipe.read_exact(&mut record).is_ok() {
        match i32::from_ne_bytes(record) {
            DISMISSED => return,
            START_ANEW => groups.clear(),
            group if group > 0 => groups.push(group),
            group => groups.retain(|&g| g != -group),
        }
    }
    end_all(&mut groups, runs);
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
