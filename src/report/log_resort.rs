//! Who hears of it when the log itself cannot be written: whatever way is left, and once.

use super::log_syslog::{Severity, Syslogd};
use nix::sys::stat::{fstat, major, minor, SFlag};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

/// A way to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Stderr,
    Syslog,
    Console,
    Kernel,
}

/// Every way, in the order in which they are tried.
const WAYS: [Way; 4] = [Way::Stderr, Way::Syslog, Way::Console, Way::Kernel];

/// Tells it by the first way that works, but for the one that has failed.
pub(super) fn tell(failed: Option<Way>, text: &str) {
    first(failed, |way| way.tell(text).is_ok());
}

fn first(failed: Option<Way>, mut tell: impl FnMut(Way) -> bool) -> Option<Way> {
    WAYS.into_iter().filter(|way| Some(*way) != failed).find(|way| tell(*way))
}

impl Way {
    fn tell(self, text: &str) -> io::Result<()> {
        match self {
            Way::Stderr if nobody_hears_stderr() => Err(ErrorKind::NotFound.into()),
            Way::Stderr => writeln!(io::stderr(), "irsync: {text}"),
            Way::Syslog => Syslogd::reach()?.send(Severity::Warning, text.as_bytes()),
            Way::Console => write_to("/dev/console", &format!("irsync: {text}\r\n")),
            // The number is the severity, see kmsg(4) and syslog(2).
            Way::Kernel => write_to("/dev/kmsg", &format!("<4>irsync: {text}\n")),
        }
    }
}

/// Without waiting for a serial line that is held, and without making the file where there is none.
fn write_to(device: &str, text: &str) -> io::Result<()> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    OpenOptions::new().append(true).custom_flags(flags).open(device)?.write_all(text.as_bytes())
}

/// Whether stderr is /dev/null, which is also what a program gets that was started without one.
pub(crate) fn nobody_hears_stderr() -> bool {
    // Number 1, 3; see null(4).
    fstat(io::stderr()).map_or(true, |stat| {
        let character = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
        character && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_that_works_is_taken_and_never_the_one_that_failed() {
        for failed in [None, Some(Way::Stderr), Some(Way::Syslog)] {
            for deaf in 0..16u32 {
                let hears = |way: Way| deaf & 1 << way as u32 == 0;
                let mut tried = Vec::new();
                let heard = first(failed, |way| {
                    tried.push(way);
                    hears(way)
                });
                let expected = WAYS.into_iter().find(|way| Some(*way) != failed && hears(*way));
                assert_eq!(heard, expected, "{failed:?} {deaf:b}");
                assert!(failed.map_or(true, |failed| !tried.contains(&failed)));
            }
        }
    }
}
