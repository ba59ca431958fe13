//! What syslogd is told, in a datagram of the form that syslog(3) gives it. The C library's own would bring all of printf and
//! strftime along, for which nothing else here asks, and does not say whether anybody has heard.

use super::utc;
use crate::os::clock;
use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::SystemTime;

/// Where syslogd listens, see syslog(3).
pub(crate) const SYSLOG: &str = "/dev/log";

/// LOG_DAEMON, see syslog(3).
const DAEMON: u8 = 3 << 3;

/// How bad it is, in the numbers of syslog(3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Severity {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

/// A way to the syslogd that listens at this moment.
#[derive(Debug)]
pub(super) enum Syslogd {
    Datagrams(UnixDatagram),
    /// It takes connections, in which a NUL ends each message.
    Stream(UnixStream),
}

impl Syslogd {
    /// # Errors
    /// Those of connect(2): nobody listens.
    pub(super) fn reach() -> io::Result<Syslogd> {
        let socket = UnixDatagram::unbound()?;
        match socket.connect(SYSLOG) {
            Ok(()) => Ok(Syslogd::Datagrams(socket)),
            Err(error) if error.raw_os_error() == Some(nix::libc::EPROTOTYPE) => {
                UnixStream::connect(SYSLOG).map(Syslogd::Stream)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a line, waiting as long as it takes. Where another syslogd has taken the place of the one that was reached, that one
    /// gets it.
    ///
    /// # Errors
    /// Those of send(2) and connect(2).
    pub(super) fn send(&mut self, severity: Severity, line: &[u8]) -> io::Result<()> {
        let mut message =
            format!("<{}>{} irsync[{}]: ", DAEMON | severity as u8, stamp(now()), std::process::id()).into_bytes();
        message.extend_from_slice(line);
        self.say(&message).or_else(|_| {
            *self = Syslogd::reach()?;
            self.say(&message)
        })
    }

    fn say(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Syslogd::Datagrams(socket) => socket.send(message).map(drop),
            Syslogd::Stream(socket) => socket.write_all(&[message, b"\0"].concat()),
        }
    }
}

/// Whether somebody listens at [`SYSLOG`].
///
/// # Errors
/// Those of connect(2).
pub(crate) fn reach_syslog() -> io::Result<()> {
    Syslogd::reach().map(drop)
}

/// Seconds since 1970 in the zone in which the other programs of this system tell syslogd the time: glibc's is the local one, musl's
/// is UTC.
fn now() -> u64 {
    let now = utc::seconds(SystemTime::now());
    let ahead = if cfg!(target_env = "musl") { 0 } else { clock::local_offset(now).unwrap_or(0) };
    now.saturating_add_signed(ahead)
}

/// `Nov  2 17:45:29` (RFC 3164).
fn stamp(seconds: u64) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let plain = utc::plain(seconds);
    let month = plain[5..7].parse().map_or(0, |month: usize| 3 * (month - 1));
    let day = plain[8..10].trim_start_matches('0');
    format!("{} {day:>2} {}", &MONTHS[month..month + 3], &plain[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_message_is_a_datagram_or_ends_with_nul() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        Syslogd::Datagrams(ours).send(Severity::Error, b"rsync: 100% %s").unwrap();
        let mut datagram = [0; 200];
        let n = theirs.recv(&mut datagram).unwrap();
        let datagram = &datagram[..n];
        // daemon (3) * 8 + error (3); BusyBox looks for these blanks and colons.
        assert!(datagram.starts_with(b"<27>"), "{datagram:?}");
        assert_eq!([3, 6, 9, 12, 15].map(|at| datagram[4 + at]), *b"  :: ");
        assert_eq!(datagram[20..], *format!("irsync[{}]: rsync: 100% %s", std::process::id()).as_bytes());

        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut syslogd = Syslogd::Stream(ours);
        syslogd.send(Severity::Debug, b"one").unwrap();
        syslogd.send(Severity::Info, b"two").unwrap();
        drop(syslogd);
        let mut stream = Vec::new();
        theirs.read_to_end(&mut stream).unwrap();
        let messages: Vec<&[u8]> = stream.split(|&b| b == 0).collect();
        assert_eq!(messages.len(), 3, "{stream:?}");
        assert!(messages[0].starts_with(b"<31>") && messages[0].ends_with(b": one"), "{stream:?}");
        assert!(
            messages[1].starts_with(b"<30>") && messages[1].ends_with(b": two") && messages[2].is_empty(),
            "{stream:?}"
        );
    }

    #[test]
    fn a_stamp_has_the_width_that_syslogds_look_for() {
        assert_eq!(stamp(0), "Jan  1 00:00:00");
        assert_eq!(stamp(1_763_833_529), "Nov 22 17:45:29");
        assert_eq!(stamp(1_798_761_599), "Dec 31 23:59:59");
        assert_eq!(stamp(u64::MAX).len(), 15);
    }
}
