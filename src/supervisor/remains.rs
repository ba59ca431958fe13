//! What an irsync that did not stop cleanly has left behind: its status file, which a clean stop removes.
#![forbid(unsafe_code)]

use crate::job::Time;
use crate::os::{procfs, state};
use crate::report::human::Span;
use crate::report::snapshot::Daemon;
use crate::report::status;
use nix::libc;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// In a status file irsync itself comes first, and needs less.
const BEGINNING: u64 = 8192;

/// An irsync that did not stop cleanly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    /// The process that it was.
    pub pid: u32,
    /// How old its last status is; None: it is of another boot, or nothing tells of which.
    pub age: Option<Duration>,
}

impl Remains {
    /// Of the irsync that had this status file. The caller knows that none has it now. None: it stopped cleanly, or nothing is
    /// known of it.
    pub(crate) fn of(status_file: &Path, now: Time) -> Option<Remains> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(status_file).ok()?;
        let mut bytes = Vec::new();
        file.take(BEGINNING).read_to_end(&mut bytes).ok()?;
        let daemon = status::read_daemon(&String::from_utf8_lossy(&bytes))?;
        let remains = judge(&daemon, &state::boot_id(), now);
        (remains.age.is_none() || !lives(remains.pid)).then_some(remains)
    }
}

fn judge(daemon: &Daemon, boot: &str, now: Time) -> Remains {
    let of_this_boot = !boot.is_empty() && daemon.boot_id.as_deref() == Some(boot) && daemon.written <= now;
    Remains { pid: daemon.pid, age: of_this_boot.then(|| now.since(daemon.written)) }
}

/// A container that is started again gives each of its processes the id that the one before had, our own among them.
fn lives(pid: u32) -> bool {
    let other = i32::try_from(pid).ok().filter(|_| pid != std::process::id());
    other.and_then(procfs::stat).is_some_and(|stat| stat.state != 'Z' && stat.comm.starts_with(b"irsync"))
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.age {
            Some(age) => {
                let age = Span(Duration::from_secs(age.as_secs().max(1)));
                write!(
                    f,
                    "did not stop cleanly (pid {}, its last status is {age} old): killed, out of memory, or a crash?",
                    self.pid
                )
            }
            None => write!(f, "did not stop cleanly (pid {}, before the last boot)", self.pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(boot: Option<&str>) -> Daemon {
        let text = "[irsync]\nversion = 1\npid = 42\nstate = running\nstarted_mono = 1.000\nwritten_mono = 90.000\n";
        Daemon { boot_id: boot.map(str::to_owned), ..status::read_daemon(text).unwrap() }
    }

    #[test]
    fn only_of_this_boot_an_age_is_known() {
        let at = |seconds| Time(Duration::from_secs(seconds));
        let told = |boot, here, now| judge(&daemon(boot), here, at(now)).to_string();
        const KILLED: &str =
            "did not stop cleanly (pid 42, its last status is 10s old): killed, out of memory, or a crash?";
        const BEFORE: &str = "did not stop cleanly (pid 42, before the last boot)";
        assert_eq!(told(Some("a"), "a", 100), KILLED);
        assert_eq!(told(Some("a"), "b", 100), BEFORE);
        assert_eq!(told(Some("a"), "a", 80), BEFORE, "it has not happened yet");
        assert_eq!(told(None, "a", 100), BEFORE);
        assert_eq!(told(Some(""), "", 100), BEFORE, "no kernel tells");
        assert_eq!(status::read_daemon("[job:a]\nstate = waiting\n"), None);
    }

    #[test]
    fn our_own_id_is_that_of_another_irsync_before_us() {
        assert!(!lives(std::process::id()));
        assert!(!lives(u32::MAX) && !lives(1), "no process, or none of irsync's");
    }
}
