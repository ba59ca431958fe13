//! What can be told of a watchdog without opening it, from sysfs and `/proc`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A process that holds the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, from `/proc/PID/comm`.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

impl Holder {
    /// What the owner can do about it.
    pub fn advice(&self) -> &'static str {
        if self.pid == 1 && self.name == "systemd" {
            "use WatchdogSec= in irsync's unit instead of watchdog_device, or set RuntimeWatchdogSec=0 in \
             /etc/systemd/system.conf"
        } else {
            "stop it, or remove watchdog_device"
        }
    }
}

/// What sysfs tells of a watchdog without opening it; every attribute is missing on some kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// The driver's name.
    pub identity: Option<String>,
    /// `active` or `inactive`.
    pub state: Option<String>,
    /// `WDIOF_*` bits.
    pub options: Option<u32>,
    /// Seconds it is set to.
    pub timeout: Option<u32>,
    /// Seconds.
    pub min_timeout: Option<u32>,
    /// Seconds; 0: no limit.
    pub max_timeout: Option<u32>,
    /// It cannot be disarmed.
    pub nowayout: Option<bool>,
    /// `WDIOF_*` bits of the last reset.
    pub bootstatus: Option<u32>,
}

impl Attributes {
    /// `class` is `/sys/class/watchdog`, `device` the device number of the node in `/dev`.
    pub(super) fn read(class: &Path, device: u64) -> Attributes {
        let Some(folder) = Attributes::folder(class, device) else {
            return Attributes::default();
        };
        let read = |name| Some(fs::read_to_string(folder.join(name)).ok()?.trim().to_owned());
        let number = |name| {
            let text: String = read(name)?;
            match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            }
        };
        Attributes {
            identity: read("identity"),
            state: read("state"),
            options: number("options"),
            timeout: number("timeout"),
            min_timeout: number("min_timeout"),
            max_timeout: number("max_timeout"),
            nowayout: number("nowayout").map(|n| n != 0),
            bootstatus: number("bootstatus"),
        }
    }

    fn folder(class: &Path, device: u64) -> Option<PathBuf> {
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        // /dev/watchdog (misc device 130) is the old name of watchdog0.
        if (major, minor) == (10, 130) {
            return Some(class.join("watchdog0")).filter(|folder| folder.is_dir());
        }
        let wanted = format!("{major}:{minor}");
        let folders = fs::read_dir(class).ok()?.flatten().map(|entry| entry.path());
        folders.into_iter().find(|folder| fs::read_to_string(folder.join("dev")).is_ok_and(|dev| dev.trim() == wanted))
    }
}

/// Who has the device open, as far as this process may look.
pub(super) fn holder(proc_folder: &Path, path: &Path) -> Option<Holder> {
    let real = fs::canonicalize(path).ok()?;
    let both_names = [Path::new("/dev/watchdog"), Path::new("/dev/watchdog0")];
    let is_it = |link: &Path| link == real || (both_names.contains(&link) && both_names.contains(&real.as_path()));
    for process in fs::read_dir(proc_folder).ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        if descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|link| is_it(&link))) {
            let name = fs::read(process.path().join("comm")).unwrap_or_default();
            return Some(Holder { pid, name: String::from_utf8_lossy(&name).trim_end().to_owned() });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::OpenError;
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irsync-watchdog-sysfs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn sysfs_is_found_by_device_number() {
        let class = folder("sysfs");
        for (name, dev, identity) in
            [("watchdog0", "249:0\n", "softdog\n"), ("watchdog1", "249:1\n", "i6300ESB timer\n")]
        {
            fs::create_dir(class.join(name)).unwrap();
            fs::write(class.join(name).join("dev"), dev).unwrap();
            fs::write(class.join(name).join("identity"), identity).unwrap();
        }
        fs::write(class.join("watchdog1/nowayout"), "1\n").unwrap();
        fs::write(class.join("watchdog1/bootstatus"), "32\n").unwrap();
        fs::write(class.join("watchdog1/options"), "0x8180\n").unwrap();
        let device = nix::sys::stat::makedev;
        let second = Attributes::read(&class, device(249, 1));
        assert_eq!(second.identity.as_deref(), Some("i6300ESB timer"));
        assert_eq!((second.nowayout, second.bootstatus, second.options), (Some(true), Some(32), Some(0x8180)));
        assert_eq!(second.max_timeout, None);
        assert_eq!(Attributes::read(&class, device(10, 130)).identity.as_deref(), Some("softdog"));
        assert_eq!(Attributes::read(&class, device(249, 7)), Attributes::default());
        fs::remove_dir_all(class).unwrap();
    }

    #[test]
    fn the_holder_is_named_and_systemd_gets_its_own_advice() {
        let folder = folder("holder");
        let (device, processes) = (folder.join("watchdog"), folder.join("proc"));
        fs::write(&device, "").unwrap();
        for (pid, comm, target) in [("1", "systemd\n", device.as_path()), ("77", "sh\n", Path::new("/dev/null"))] {
            fs::create_dir_all(processes.join(pid).join("fd")).unwrap();
            fs::write(processes.join(pid).join("comm"), comm).unwrap();
            std::os::unix::fs::symlink(target, processes.join(pid).join("fd/5")).unwrap();
        }
        let found = holder(&processes, &device).unwrap();
        assert_eq!(found, Holder { pid: 1, name: "systemd".into() });
        let message = OpenError::Busy("/dev/watchdog".into(), Some(found)).to_string();
        assert!(message.contains("systemd (process 1) holds it; use WatchdogSec="), "{message}");
        fs::remove_dir_all(processes.join("1")).unwrap();
        assert_eq!(holder(&processes, &device), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
