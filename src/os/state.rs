//! The boot record in `state_dir`: written so that a power cut leaves either the old one or the new one, and only at
//! start, at a clean stop and around irsync's own reboots.
#![forbid(unsafe_code)]

use crate::job::boot_record::{Budget, Cause, Found, Record, Stop};
use crate::job::Time;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "boot-record";

/// A record is some 200 bytes; anything much longer is not one.
const LONGEST: u64 = 64 * 1024;

/// The boot record and the budget of reboots that is counted in it.
#[derive(Debug)]
pub struct BootLog {
    folder: PathBuf,
    boot: String,
    budget: Budget,
}

impl BootLog {
    /// Reads the record in `folder`, tells how the boot before ended, and notes that irsync runs now. The error, if any,
    /// is that the note could not be written: then no reboot can be recorded either, and so none is decided.
    pub fn open(folder: &Path, watchdog_reset: bool, device_tells: bool, now: Time) -> (BootLog, Opened) {
        let boot = boot_id();
        let found = read(&folder.join(NAME));
        let (found, unreadable) = match found {
            Ok(found) => (found, None),
            Err(error) => (Found::Damaged, Some(error)),
        };
        let mut log = BootLog { folder: folder.into(), budget: Budget::new(&found, &boot, now), boot };
        let opened = Opened {
            cause: Cause::new(&found, &log.boot, watchdog_reset, device_tells),
            damaged: found == Found::Damaged,
            error: match log.already_noted(&found) {
                true => unreadable,
                false => log.save(Stop::Running, now).err().or(unreadable),
            },
        };
        (log, opened)
    }

    /// A crash loop must not write to the card once a second.
    fn already_noted(&self, found: &Found) -> bool {
        matches!(found, Found::Record(Record { boot, stop: Stop::Running, .. }) if *boot == self.boot && !boot.is_empty())
    }

    /// Whether one more own reboot stays within `limit` per 24 hours.
    pub fn allows_reboot(&self, limit: u32, now: Time) -> bool {
        self.budget.allows(limit, now)
    }

    /// Own reboots that count now, and for how long a lost record bars all of them.
    pub fn spent(&self, now: Time) -> (usize, Option<Duration>) {
        (self.budget.spent(now), self.budget.barred(now))
    }

    /// Counts a reboot for this job's sake and brings that to the disk. Only after Ok may the watchdog go unfed.
    pub fn reboot(&mut self, job: &str, now: Time) -> io::Result<()> {
        self.budget.spend(now);
        self.save(Stop::Reboot(job.to_owned()), now)
    }

    /// Notes a clean stop.
    pub fn clean_stop(&mut self, now: Time) -> io::Result<()> {
        self.save(Stop::Clean, now)
    }

    /// To be called now and then: writes only while an own reboot counts, every six hours.
    pub fn refresh(&mut self, now: Time) -> io::Result<()> {
        match self.budget.wants_refresh(now) {
            true => self.save(Stop::Running, now),
            false => Ok(()),
        }
    }

    fn save(&mut self, stop: Stop, now: Time) -> io::Result<()> {
        let text = self.budget.record(&self.boot, stop, now).to_text();
        fs::create_dir_all(&self.folder)?;
        write_durably(&self.folder, NAME, text.as_bytes())
    }
}

/// What [`BootLog::open`] found.
#[derive(Debug)]
pub struct Opened {
    /// How the boot, or the irsync, before ended.
    pub cause: Cause,
    /// The record was damaged: no reboot for a day of running time.
    pub damaged: bool,
    /// The record cannot be read or written.
    pub error: Option<io::Error>,
}

/// Whether what is written to `folder` is certainly gone after a reset: the budget would start anew with every boot.
pub fn is_volatile(folder: &Path) -> bool {
    use nix::sys::statfs::{statfs, FsType, TMPFS_MAGIC};
    // <linux/magic.h>
    let ramfs = FsType(0x8584_58f6_u32 as _);
    statfs(folder).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC || fs.filesystem_type() == ramfs)
}

/// The kernel's id of this boot, or nothing where it cannot be read.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn read(path: &Path) -> io::Result<Found> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let record = std::str::from_utf8(&bytes).ok().and_then(Record::parse);
    Ok(record.map_or(Found::Damaged, Found::Record))
}

/// Replaces the file by one that is complete on the disk before it gets its name.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irsync-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    fn open(folder: &Path, seconds: u64) -> (BootLog, Opened) {
        BootLog::open(folder, false, false, at(seconds))
    }

    #[test]
    fn a_clean_stop_and_a_crash_are_told_apart() {
        let folder = folder("causes");
        let (mut log, first) = open(&folder, 10);
        assert_eq!((first.cause, first.damaged), (Cause::Unknown, false));
        assert!(first.error.is_none(), "the folder is created: {:?}", first.error);
        log.clean_stop(at(20)).unwrap();
        assert_eq!(open(&folder, 30).1.cause, Cause::Restarted);
        assert_eq!(open(&folder, 40).1.cause, Cause::Crashed);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_decision_is_on_disk_and_counts_for_the_next_irsync() {
        let folder = folder("decision");
        let (mut log, _) = open(&folder, 10);
        assert!(log.allows_reboot(1, at(1000)));
        log.reboot("photos", at(1000)).unwrap();
        assert!(!log.allows_reboot(1, at(1001)));
        let text = fs::read_to_string(folder.join(NAME)).unwrap();
        assert!(text.contains("\nstop reboot photos\nreboot 0\n"), "{text}");
        // As if the board had been reset: the same record, seen from another boot.
        let record = Record { boot: "before".into(), ..Record::parse(&text).unwrap() };
        fs::write(folder.join(NAME), record.to_text()).unwrap();
        let (log, opened) = open(&folder, 5);
        assert_eq!(opened.cause, Cause::OwnDecision("photos".into()));
        assert!(!log.allows_reboot(1, at(24 * 3600)));
        assert_eq!(log.spent(at(60)), (1, None));
        assert!(!folder.join("boot-record.new").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_record_bars_reboots_and_is_replaced() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(NAME), "irsync boot rec").unwrap();
        let (log, opened) = open(&folder, 10);
        assert!(opened.damaged && opened.error.is_none());
        assert!(!log.allows_reboot(5, at(20 * 3600)));
        let (log, opened) = open(&folder, 3600);
        assert!(!opened.damaged, "the record is whole again");
        assert!(!log.allows_reboot(5, at(20 * 3600)), "and still bars");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_crash_loop_does_not_wear_out_the_card() {
        let folder = folder("loop");
        open(&folder, 10);
        let before = fs::metadata(folder.join(NAME)).unwrap();
        for second in 11..20 {
            open(&folder, second);
        }
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(folder.join(NAME)).unwrap().ino(), before.ino(), "a write would be a new file");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_record_that_cannot_be_written_is_an_error_and_no_reboot() {
        let folder = folder("file");
        fs::write(&folder, "in the way").unwrap();
        let (mut log, opened) = open(&folder, 10);
        assert!(opened.error.is_some());
        assert!(log.reboot("photos", at(20)).is_err());
        fs::remove_file(folder).unwrap();
    }

    #[test]
    fn memory_is_not_a_state_dir() {
        assert!(!is_volatile(Path::new("/proc")));
        assert!(!is_volatile(Path::new("/there/is/nothing")));
        let shm = Path::new("/dev/shm");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if mounts.lines().any(|line| line.contains(" /dev/shm tmpfs ")) {
            assert!(is_volatile(shm));
        }
    }
}
