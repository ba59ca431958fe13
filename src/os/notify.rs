//! The service manager's notification socket: sd_notify(3) and sd_watchdog_enabled(3), the part that irsync needs.
#![forbid(unsafe_code)]

use crate::job::Time;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Variables that are meant for irsync alone: whoever spawns a child removes them from its environment, or rsync and
/// the hooks could speak in irsync's name.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The line to the service manager; silent where there is none.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// What this process's environment asks for. An error means that a manager asked to be told and cannot be.
    pub(crate) fn from_env() -> io::Result<Notifier> {
        Notifier::new(VARIABLES.map(std::env::var_os), std::process::id())
    }

    fn new([socket, usec, pid]: [Option<OsString>; 3], own_pid: u32) -> io::Result<Notifier> {
        let Some(address) = socket else {
            return Ok(Notifier::default());
        };
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(&address)?,
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "NOTIFY_SOCKET is neither a path nor @name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A manager that does not read must not hold up the main loop, and with it the watchdog.
        socket.set_write_timeout(Some(Duration::from_secs(1)))?;
        let number = |value: &OsStr| value.to_str().and_then(|text| text.parse::<u64>().ok());
        let meant_for_us = pid.map_or(true, |pid| number(&pid) == Some(u64::from(own_pid)));
        let watchdog = usec.as_deref().and_then(number).filter(|usec| *usec > 0 && meant_for_us);
        Ok(Notifier { socket: Some(socket), watchdog: watchdog.map(Duration::from_micros) })
    }

    /// `WatchdogSec=` of the unit: how long the manager waits for [`Notifier::kick`]; kick at a third of it.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Started: the configuration was read and every worker runs.
    pub(crate) fn ready(&self) -> io::Result<()> {
        self.send("READY=1")
    }

    /// Reloading since `now`; [`Notifier::ready`] ends it.
    pub(crate) fn reloading(&self, now: Time) -> io::Result<()> {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.0.as_micros()))
    }

    /// Stopping.
    pub(crate) fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    /// One line for `systemctl status`.
    pub(crate) fn status(&self, line: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}", line.replace('\n', " ")))
    }

    /// Alive. Allocates nothing.
    pub(crate) fn kick(&self) -> io::Result<()> {
        self.send("WATCHDOG=1")
    }

    fn send(&self, message: &str) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.send(message.as_bytes()).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(name: &str) -> (UnixDatagram, OsString) {
        let name = format!("irsync-notify-{name}-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (socket, format!("@{name}").into())
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn the_manager_hears_every_message() {
        let (manager, address) = manager("messages");
        let notifier = Notifier::new([Some(address), None, None], 1).unwrap();
        notifier.ready().unwrap();
        notifier.reloading(Time(Duration::from_micros(1_500_000))).unwrap();
        notifier.status("2 jobs,\n1 stale").unwrap();
        notifier.kick().unwrap();
        notifier.stopping().unwrap();
        let all = [0; 5].map(|_| heard(&manager));
        assert_eq!(
            all,
            ["READY=1", "RELOADING=1\nMONOTONIC_USEC=1500000", "STATUS=2 jobs, 1 stale", "WATCHDOG=1", "STOPPING=1"]
        );
    }

    #[test]
    fn a_path_is_an_address_too() {
        let path = std::env::temp_dir().join(format!("irsync-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let notifier = Notifier::new([Some(path.clone().into()), None, None], 1).unwrap();
        notifier.ready().unwrap();
        assert_eq!(heard(&manager), "READY=1");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_watchdog_is_only_honoured_when_it_is_ours() {
        let (_manager, address) = manager("watchdog");
        let watchdog = |usec: Option<&str>, pid: Option<&str>| {
            let variables = [Some(address.clone()), usec.map(Into::into), pid.map(Into::into)];
            Notifier::new(variables, 42).unwrap().watchdog()
        };
        assert_eq!(watchdog(Some("30000000"), Some("42")), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("30000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("30000000"), Some("43")), None);
        assert_eq!(watchdog(Some("0"), None), None);
        assert_eq!(watchdog(Some("soon"), None), None);
        assert_eq!(watchdog(None, Some("42")), None);
    }

    #[test]
    fn without_a_manager_all_is_silence() {
        let notifier = Notifier::new([None, Some("1".into()), None], 1).unwrap();
        notifier.ready().unwrap();
        assert_eq!(notifier.watchdog(), None);
        assert!(Notifier::new([Some("vsock:2:1".into()), None, None], 1).is_err());
        assert!(Notifier::new([Some("@irsync-nobody-listens".into()), None, None], 1).is_err());
    }
}
