//! The hardware watchdog: a device that resets the board unless it is kicked in time.
//!
//! Opening it arms it; closing it leaves it armed unless the byte `V` was written just before ("magic close") and the
//! kernel was not built or told to ignore that (nowayout). Facts: Documentation/watchdog/watchdog-api.rst and
//! watchdog-kernel-api.rst.

mod sysfs;

use super::sys::watchdog as sys;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
pub use sysfs::Holder;
use sysfs::{holder, Attributes};

/// `WDIOF_*` of linux/watchdog.h
mod wdiof {
    pub const OVERHEAT: u32 = 0x0001;
    pub const FANFAULT: u32 = 0x0002;
    pub const EXTERN1: u32 = 0x0004;
    pub const EXTERN2: u32 = 0x0008;
    pub const POWERUNDER: u32 = 0x0010;
    pub const CARDRESET: u32 = 0x0020;
    pub const POWEROVER: u32 = 0x0040;
    pub const SETTIMEOUT: u32 = 0x0080;
    pub const MAGICCLOSE: u32 = 0x0100;
    pub const PRETIMEOUT: u32 = 0x0200;
    pub const KEEPALIVEPING: u32 = 0x8000;
}

/// What a driver that does not tell its timeout is taken to have, seconds.
const UNTOLD_TIMEOUT: u32 = 3;

/// What is known of the device after it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The driver's name; `plain file` for a file that stands in for a device.
    pub identity: String,
    /// Version of the card's firmware.
    pub firmware: u32,
    /// Seconds asked for.
    pub asked: u32,
    /// Seconds without a kick after which the board is reset.
    pub granted: u32,
    /// Why `granted` is not `asked`.
    pub note: Option<String>,
    /// Seconds before the reset at which the kernel's pretimeout governor acts (logs or panics).
    pub pretimeout: Option<u32>,
    /// The driver can be disarmed by writing `V`.
    pub magic_close: bool,
    /// The kernel refuses to disarm it; None where sysfs does not tell.
    pub nowayout: Option<bool>,
    /// Why the board was reset last, as the device tells.
    pub boot: BootStatus,
    /// `WDIOF_*` bits of what is wrong now (`WDIOC_GETSTATUS`), where the driver tells.
    pub status: Option<u32>,
    /// Not a device: nothing resets the board.
    pub plain_file: bool,
}

impl Facts {
    /// How often to kick.
    pub fn kick_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.granted)) / 3
    }

    /// Whether a clean close disarms it; otherwise a stop is followed by a reset unless something opens it again.
    pub fn disarms(&self) -> bool {
        self.magic_close && self.nowayout != Some(true)
    }
}

/// What the device says about the last reset (`WDIOC_GETBOOTSTATUS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootStatus {
    /// `WDIOF_*` bits; None when there is no device or it does not answer.
    pub bits: Option<u32>,
    /// A zero means something: this driver is known to tell a watchdog reset from other boots.
    pub tells: bool,
}

impl BootStatus {
    /// The watchdog ended the last boot.
    pub fn watchdog_reset(self) -> bool {
        self.bits.is_some_and(|bits| bits & wdiof::CARDRESET != 0)
    }

    /// Other troubles the device reports, e.g. `overheated`.
    pub fn troubles(self) -> Vec<&'static str> {
        let names = [
            (wdiof::OVERHEAT, "overheated"),
            (wdiof::FANFAULT, "fan failed"),
            (wdiof::EXTERN1, "external relay 1"),
            (wdiof::EXTERN2, "external relay 2"),
            (wdiof::POWERUNDER, "power too low"),
            (wdiof::POWEROVER, "power too high"),
        ];
        let bits = self.bits.unwrap_or(0);
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
    }

    fn new(bits: Option<u32>, options: u32, identity: &str) -> BootStatus {
        // i6300esb sets the bit without announcing it. The Pi announces nothing and always says 0.
        BootStatus { bits, tells: options & wdiof::CARDRESET != 0 || identity.starts_with("i6300ESB") }
    }
}

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
                write!(f, "cannot open watchdog {}: {error}; is its driver loaded?", path.display())?;
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

/// What to ask of the driver, and why it is not what the owner asked for.
fn plan(identity: &str, asked: u32, attributes: &Attributes) -> (u32, Option<String>) {
    let (mut seconds, reason) = believable(identity, asked);
    let mut note = reason.filter(|_| seconds != asked).map(str::to_owned);
    // A maximum of 0 means that the kernel kicks on behalf of slower hardware: no limit.
    if let Some(max) = attributes.max_timeout.filter(|max| *max > 0 && seconds > *max) {
        (seconds, note) = (max, Some(format!("the driver's maximum is {max} s")));
    }
    if let Some(min) = attributes.min_timeout.filter(|min| seconds < *min) {
        (seconds, note) = (min, Some(format!("the driver's minimum is {min} s")));
    }
    (seconds.max(1), note)
}

/// The largest timeout up to `seconds` that this hardware truly keeps, whatever its driver says, and why.
fn believable(identity: &str, seconds: u32) -> (u32, Option<&'static str>) {
    match identity {
        // A 20-bit counter at 65,536 Hz. Drivers took more without a word and reset after `timeout mod 16`
        // (raspberrypi/linux#7432).
        "Broadcom BCM2835 Watchdog timer" => (seconds.min(15), Some("this board's hardware counts to 15 s only")),
        // Its register has codes for these only; others are rounded up (drivers/watchdog/sunxi_wdt.c).
        "sunxi-wdt" => {
            let steps = [16, 14, 12, 10, 8, 6, 5, 4, 3, 2, 1];
            let step = steps.into_iter().find(|step| *step <= seconds).unwrap_or(1);
            (step, Some("this board's hardware has 1 to 6, 8, 10, 12, 14 and 16 s only"))
        }
        _ => (seconds, None),
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// What can be told without opening, and thereby arming, the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The driver's name; None where the kernel has no watchdog attributes in sysfs.
    pub identity: Option<String>,
    /// `active` or `inactive`.
    pub state: Option<String>,
    /// Seconds it is set to now.
    pub timeout: Option<u32>,
    /// Smallest timeout, seconds.
    pub min_timeout: Option<u32>,
    /// Largest timeout, seconds; 0: no limit.
    pub max_timeout: Option<u32>,
    /// The kernel refuses to disarm it.
    pub nowayout: Option<bool>,
    /// Why the board was reset last.
    pub boot: BootStatus,
    /// Who has it open now.
    pub holder: Option<Holder>,
    /// Seconds that irsync would ask of it.
    pub wanted: u32,
    /// Why that is not what the configuration says.
    pub note: Option<String>,
    /// A plain file: nothing resets the board.
    pub plain_file: bool,
}

/// Whether this is `/dev/watchdog` (10:130, Documentation/admin-guide/devices.txt) or of the watchdogs' major number: what is
/// left to go by where the kernel has no CONFIG_WATCHDOG_SYSFS.
fn has_watchdog_number(device: u64) -> bool {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let devices = fs::read_to_string("/proc/devices").unwrap_or_default();
    let listed = devices.lines().any(|line| line.trim().split_once(' ') == Some((&major.to_string(), "watchdog")));
    (major, minor) == (10, 130) || listed
}

/// Looks at the device at `path` through sysfs and `/proc`, without opening it; `timeout` is the configured one.
pub fn probe(path: &Path, timeout: Duration) -> Result<Probe, OpenError> {
    let kind = fs::metadata(path).map_err(|error| missing_or_io(path, error))?;
    if !kind.file_type().is_char_device() && !kind.is_file() {
        return Err(OpenError::NotAWatchdog(path.into()));
    }
    let asked = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).clamp(1, i32::MAX as u32);
    let attributes = match kind.is_file() {
        true => Attributes { identity: Some("plain file".into()), ..Attributes::default() },
        false => Attributes::read(Path::new("/sys/class/watchdog"), kind.rdev()),
    };
    if !kind.is_file() && attributes.identity.is_none() && !has_watchdog_number(kind.rdev()) {
        return Err(OpenError::NotAWatchdog(path.into()));
    }
    let identity = attributes.identity.clone().unwrap_or_default();
    let (wanted, note) = plan(&identity, asked, &attributes);
    Ok(Probe {
        boot: BootStatus::new(attributes.bootstatus, attributes.options.unwrap_or(0), &identity),
        holder: holder(Path::new("/proc"), path),
        wanted,
        note,
        identity: attributes.identity,
        state: attributes.state,
        timeout: attributes.timeout,
        min_timeout: attributes.min_timeout,
        max_timeout: attributes.max_timeout,
        nowayout: attributes.nowayout,
        plain_file: kind.is_file(),
    })
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
    fn boards_that_lie_are_capped_and_say_why() {
        let ask = |identity, seconds| {
            let (wanted, note) = plan(identity, seconds, &Attributes::default());
            assert_eq!(note.is_some(), wanted != seconds, "{identity} {seconds}");
            wanted
        };
        let pi = "Broadcom BCM2835 Watchdog timer";
        assert_eq!([15, 16, 60, 100].map(|seconds| ask(pi, seconds)), [15; 4]);
        assert_eq!(ask(pi, 10), 10);
        let allwinner: Vec<u32> = (1..=18).map(|seconds| ask("sunxi-wdt", seconds)).collect();
        assert_eq!(allwinner, [1, 2, 3, 4, 5, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14, 16, 16, 16]);
        assert_eq!(ask("i6300ESB timer", 2000), 2000);
        // A driver whose value came from a module parameter is not believed either.
        assert_eq!(believable(pi, 60).0, 15);
    }

    #[test]
    fn the_drivers_limits_are_kept() {
        let limits = Attributes { min_timeout: Some(2), max_timeout: Some(2046), ..Attributes::default() };
        assert_eq!(plan("x", 1, &limits), (2, Some("the driver's minimum is 2 s".into())));
        assert_eq!(plan("x", 9999, &limits), (2046, Some("the driver's maximum is 2046 s".into())));
        assert_eq!(plan("x", 15, &limits), (15, None));
        let none = Attributes { max_timeout: Some(0), ..Attributes::default() };
        assert_eq!(plan("x", 9999, &none).0, 9999, "a maximum of 0 means none");
    }

    #[test]
    fn the_boot_status_is_read_with_caution() {
        let status = |bits, options, identity| BootStatus::new(bits, options, identity);
        let esb = status(Some(0x20), 0x8180, "i6300ESB timer");
        assert!(esb.watchdog_reset() && esb.tells);
        let pi = status(Some(0), 0x8180, "Broadcom BCM2835 Watchdog timer");
        assert!(!pi.watchdog_reset() && !pi.tells, "its 0 means nothing");
        assert_eq!(status(Some(0x11), 0, "x").troubles(), ["overheated", "power too low"]);
    }

    #[test]
    fn a_name_ends_at_its_first_nul() {
        assert_eq!(text(b"sunxi-wdt\0\0garbage"), "sunxi-wdt");
        assert_eq!(text(&[b'x'; 32]).len(), 32);
    }
}
