//! A look at a watchdog that does not arm it.

use super::facts::BootStatus;
use super::sysfs::{holder, Attributes, Holder};
use super::timeout::plan;
use super::{missing_or_io, OpenError};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

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
