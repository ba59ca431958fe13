//! The hardware watchdog: a device that resets the board unless it is kicked in time.
//!
//! Opening it arms it; closing it leaves it armed unless the byte `V` was written just before ("magic close") and the
//! kernel was not built or told to ignore that (nowayout). Facts: Documentation/watchdog/watchdog-api.rst and
//! watchdog-kernel-api.rst.
#![forbid(unsafe_code)]

mod facts;
mod probe;
mod sysfs;
mod timeout;

use super::sys::watchdog as sys;
use facts::wdiof;
pub use facts::{BootStatus, Facts};
pub use probe::{probe, Probe};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
pub use sysfs::Holder;
use sysfs::{holder, Attributes};
use timeout::{believable, plan};

/// What a driver that does not tell its timeout is taken to have, seconds.
const UNTOLD_TIMEOUT: u32 = 3;

/// Why the device could not be had. Display says what follows and what to do.
#[derive(Debug)]
pub enum OpenError {
    /// No such device.
    Missing(PathBuf, io::Error),
    /// There is something else at this path.
    NotAWatchdog(PathBuf),
    /// Another process holds it: the one found in `/proc`, if any.
    Busy(PathBuf, Option<Holder>),
    /// Anything else, e.g. permissions.
    Io(PathBuf, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Missing(path, error) => {
                write!(f, "cannot open watchdog {}: {error} (is its driver loaded?)", path.display())?;
            }
            OpenError::NotAWatchdog(path) => {
                write!(f, "cannot use {} as watchdog: it is not a watchdog device", path.display())?;
            }
            OpenError::Busy(path, None) => {
                write!(f, "cannot open watchdog {}: another process holds it; stop that process", path.display())?;
            }
            OpenError::Busy(path, Some(holder)) => {
                write!(f, "cannot open watchdog {}: {holder} holds it; ", path.display())?;
                f.write_str(holder.advice())?;
            }
            OpenError::Io(path, error) => write!(f, "cannot open watchdog {}: {error}", path.display())?,
        }
        f.write_str("; irsync does not guard this board with it")
    }
}

impl std::error::Error for OpenError {}

/// How a close went.
#[derive(Debug)]
pub enum Closed {
    /// Disarmed.
    Disarmed,
    /// Still armed, for this reason: the board will be reset unless somebody opens the device in time.
    Armed(&'static str),
}

/// An open, armed watchdog. Dropping it without [`Watchdog::close`] leaves it armed.
#[derive(Debug)]
pub struct Watchdog {
    file: File,
    keep_alive: bool,
    facts: Facts,
}

impl Watchdog {
    /// Opens and thereby arms the device, and asks for `timeout` (whole seconds, at least 1).
    ///
    /// A plain file is accepted for tests: a kick writes a NUL byte to it, a clean close `V`; `facts().plain_file` is set.
    pub fn open(path: &Path, timeout: Duration) -> Result<Watchdog, OpenError> {
        let asked = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).clamp(1, i32::MAX as u32);
        let io = |error| OpenError::Io(path.into(), error);
        // Looked at before it is opened: opening a fifo would block, and a terminal has side effects.
        let kind = fs::metadata(path).map_err(|error| missing_or_io(path, error))?;
        if !kind.file_type().is_char_device() && !kind.is_file() {
            return Err(OpenError::NotAWatchdog(path.into()));
        }
        let file = OpenOptions::new().write(true).custom_flags(nix::libc::O_CLOEXEC | nix::libc::O_NOCTTY).open(path);
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(nix::libc::EBUSY) => OpenError::Busy(path.into(), holder(Path::new("/proc"), path)),
            _ => missing_or_io(path, error),
        })?;
        if kind.is_file() {
            let facts = Facts {
                identity: "plain file".into(),
                asked,
                granted: asked,
                magic_close: true,
                plain_file: true,
                ..Facts::default()
            };
            return Ok(Watchdog { file, keep_alive: false, facts });
        }
        let info = match sys::get_support(file.as_fd()) {
            Ok(info) => info,
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOTTY) => {
                return Err(OpenError::NotAWatchdog(path.into()))
            }
            Err(error) => return Err(io(error)),
        };
        let attributes = Attributes::read(Path::new("/sys/class/watchdog"), kind.rdev());
        let facts = set_up(&file, &info, asked, &attributes);
        Ok(Watchdog { file, keep_alive: info.options & wdiof::KEEPALIVEPING != 0, facts })
    }

    /// Starts the countdown anew. Allocates nothing and touches no file system (unless the device is a plain file).
    pub fn kick(&self) -> io::Result<()> {
        if self.keep_alive {
            sys::keep_alive(self.file.as_fd()).map(drop)
        } else {
            (&self.file).write_all(b"\0")
        }
    }

    /// Closes the device. `clean`: disarm it if it can be; otherwise it stays armed and the board is reset.
    pub fn close(self, clean: bool) -> Closed {
        if !clean {
            return Closed::Armed("it was left armed on purpose");
        }
        if !self.facts.magic_close {
            return Closed::Armed("its driver has no magic close");
        }
        if self.facts.nowayout == Some(true) {
            // A last kick: whoever opens it next has the whole timeout.
            let _ = self.kick();
            return Closed::Armed("the kernel does not let it be disarmed (nowayout)");
        }
        match (&self.file).write_all(b"V") {
            Ok(()) => Closed::Disarmed,
            Err(_) => Closed::Armed("writing the magic close failed"),
        }
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

fn missing_or_io(path: &Path, error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(nix::libc::ENOENT | nix::libc::ENODEV | nix::libc::ENXIO) => OpenError::Missing(path.into(), error),
        _ => OpenError::Io(path.into(), error),
    }
}

/// Asks the driver for the timeout and collects the facts. Nothing here is fatal: the device is armed already.
fn set_up(file: &File, info: &sys::Info, asked: u32, attributes: &Attributes) -> Facts {
    let fd = file.as_fd();
    let identity = text(&info.identity);
    let (wanted, mut note) = plan(&identity, asked, attributes);
    let mut refused = None;
    if info.options & wdiof::SETTIMEOUT != 0 {
        refused = sys::set_timeout(fd, wanted as i32).err();
    }
    let granted = match sys::get_timeout(fd) {
        Ok(seconds) if seconds > 0 => seconds as u32,
        _ if refused.is_none() && info.options & wdiof::SETTIMEOUT != 0 => wanted,
        _ => UNTOLD_TIMEOUT,
    };
    // A module parameter may have set a timeout that the driver only seems to keep: a lie is capped however it came.
    let granted = granted.min(believable(&identity, granted).0);
    if granted != wanted {
        note = Some(match refused {
            Some(error) => format!("the driver refused {wanted} s: {error}"),
            None if info.options & wdiof::SETTIMEOUT == 0 => "the driver's timeout cannot be set".into(),
            None => format!("the driver made {granted} s of {wanted} s"),
        });
    }
    Facts {
        asked,
        granted,
        note,
        firmware: info.firmware,
        pretimeout: set_pretimeout(file, info.options, granted),
        magic_close: info.options & wdiof::MAGICCLOSE != 0,
        nowayout: attributes.nowayout,
        boot: BootStatus::new(sys::get_boot_status(fd).ok().map(|bits| bits as u32), info.options, &identity),
        status: sys::get_status(fd).ok().map(|bits| bits as u32),
        identity,
        plain_file: false,
    }
}

/// Lets the kernel say (or with its panic governor, show) what hung before the reset wipes it. Late enough that two
/// missed kicks do not set it off; an owner's own setting stays.
fn set_pretimeout(file: &File, options: u32, granted: u32) -> Option<u32> {
    if options & wdiof::PRETIMEOUT == 0 {
        return None;
    }
    match sys::get_pretimeout(file.as_fd()) {
        Ok(0) if granted >= 5 => {
            sys::set_pretimeout(file.as_fd(), (granted / 5) as i32).ok()?;
            sys::get_pretimeout(file.as_fd()).ok()
        }
        Ok(seconds) => Some(seconds),
        Err(_) => None,
    }
    .and_then(|seconds| u32::try_from(seconds).ok())
    .filter(|seconds| *seconds > 0)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irsync-watchdog-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_plain_file_receives_the_byte_protocol() {
        let folder = folder("bytes");
        let path = folder.join("watchdog");
        fs::write(&path, "").unwrap();
        let watchdog = Watchdog::open(&path, Duration::from_secs(15)).unwrap();
        assert!(watchdog.facts().plain_file);
        assert_eq!((watchdog.facts().asked, watchdog.facts().granted), (15, 15));
        assert_eq!(watchdog.facts().kick_every(), Duration::from_secs(5));
        watchdog.kick().unwrap();
        watchdog.kick().unwrap();
        assert!(matches!(watchdog.close(true), Closed::Disarmed));
        assert_eq!(fs::read(&path).unwrap(), b"\0\0V");
        let watchdog = Watchdog::open(&path, Duration::ZERO).unwrap();
        assert_eq!(watchdog.facts().asked, 1, "a timeout of 0 resets some boards at once");
        assert!(matches!(watchdog.close(false), Closed::Armed(_)));
        assert_eq!(fs::read(&path).unwrap(), b"\0\0V", "a close that is not clean must not disarm");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_watchdog_is_refused_by_name() {
        let open = |path: &str| Watchdog::open(Path::new(path), Duration::from_secs(15)).unwrap_err();
        assert!(matches!(open("/dev/null"), OpenError::NotAWatchdog(_)));
        assert!(matches!(open("/dev"), OpenError::NotAWatchdog(_)));
        let missing = open("/dev/there-is-no-watchdog");
        assert!(matches!(missing, OpenError::Missing(..)));
        let message = missing.to_string();
        assert!(message.starts_with("cannot open watchdog /dev/there-is-no-watchdog: "), "{message}");
        assert!(message.ends_with("irsync does not guard this board with it"), "{message}");
        assert!(probe(Path::new("/dev/there-is-no-watchdog"), Duration::from_secs(15)).is_err());
    }

    #[test]
    fn a_name_ends_at_its_first_nul() {
        assert_eq!(text(b"sunxi-wdt\0\0garbage"), "sunxi-wdt");
        assert_eq!(text(&[b'x'; 32]).len(), 32);
    }
}
