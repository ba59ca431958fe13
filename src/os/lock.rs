//! One irsync per destination: a lock that dies with its holder, see flock(2).
//!
//! The descriptor is handed on to rsync, so the lock is held until the last of its processes is gone, even when irsync was
//! killed: a new irsync cannot start a second rsync beside one that the old irsync left behind.
#![forbid(unsafe_code)]

use super::{paths, procfs};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A held lock; given back when dropped.
#[derive(Debug)]
pub struct Lock(Flock<File>);

/// Who holds a lock, as far as the lock file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The irsync that took it.
    pub pid: i32,
    /// The marker that the processes of its sync carry in their environment.
    pub run: String,
    /// Its job.
    pub job: String,
}

impl Holder {
    /// Whether that irsync runs now: its marker is `PID.START.`, and a pid may have been given anew.
    pub fn lives(&self) -> bool {
        let start = self.run.split('.').nth(1).and_then(|ticks| ticks.parse().ok());
        start.is_some() && procfs::stat(self.pid).map(|stat| stat.start) == start
    }
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum Error {
    /// Somebody has it; who, if he wrote it down.
    Held(Option<Holder>),
    /// The lock file cannot be made or locked.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock of `key` (a destination) in `dir`, or fails at once.
    ///
    /// # Errors
    /// [`Error::Held`] by another irsync or by an rsync that one left behind; [`Error::Io`].
    pub fn take(dir: &Path, key: &str, holder: &Holder) -> Result<Lock, Error> {
        let path = path(dir, key);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path);
        let mut file = open.map_err(Error::Io)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let line = format!("{} {} {}\n{key}\n", holder.pid, holder.run, holder.job);
                // Only for the message to others: a full disk must not cost us the lock.
                let _ = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(line.as_bytes()));
                Ok(Lock(lock))
            }
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => {
                file = back;
                let mut text = String::new();
                let _ = Read::by_ref(&mut file).take(4096).read_to_string(&mut text);
                Err(Error::Held(parse_holder(&text)))
            }
            Err((_, errno)) => Err(Error::Io(errno.into())),
        }
    }

    /// The descriptor, to be handed on to rsync.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Whether somebody holds the lock file `path` now.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, nix::errno::Errno::EWOULDBLOCK)))
}

/// Takes the lock file `path` itself, for as long as the result lives.
///
/// # Errors
/// EWOULDBLOCK when somebody has it, and those of open(2).
pub fn take_file(path: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

fn parse_holder(text: &str) -> Option<Holder> {
    let mut words = text.lines().next()?.splitn(3, ' ');
    Some(Holder { pid: words.next()?.parse().ok()?, run: words.next()?.to_owned(), job: words.next()?.to_owned() })
}

fn path(dir: &Path, key: &str) -> PathBuf {
    dir.join(format!("lock-{:016x}", hash(key.as_bytes())))
}

/// FNV-1a: the same in every version of irsync, short, and not for secrets.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// The name a destination is locked under: remote ones as they are, local ones resolved as far as they exist, so that two
/// ways to write the same folder meet.
pub fn key(destination: &str, remote: bool) -> String {
    let trimmed = match destination.trim_end_matches('/') {
        "" => "/",
        rest => rest,
    };
    if remote {
        return trimmed.to_owned();
    }
    paths::resolved(Path::new(trimmed)).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn holder() -> Holder {
        Holder { pid: 7, run: "7.1.1".into(), job: "a job".into() }
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("irsync-lock-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn second_taker_learns_who_holds_it_and_gets_it_afterwards() {
        let dir = dir("second");
        let lock = Lock::take(&dir, "/media", &holder()).unwrap();
        match Lock::take(&dir, "/media", &holder()) {
            Err(Error::Held(who)) => assert_eq!(who, Some(holder())),
            other => panic!("{other:?}"),
        }
        Lock::take(&dir, "/other", &holder()).expect("another destination is free");
        drop(lock);
        Lock::take(&dir, "/media", &holder()).expect("given back");
        assert!(matches!(Lock::take(&dir.join("absent"), "x", &holder()), Err(Error::Io(_))));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn different_ways_to_write_a_folder_have_one_key() {
        let dir = dir("key");
        std::os::unix::fs::symlink(&dir, dir.join("link")).unwrap();
        let plain = key(&format!("{}/new/folder", dir.display()), false);
        for other in ["{}/new/folder/", "{}/link/new/folder", "{}/./new/folder//", "{}/link/link/new/folder"] {
            assert_eq!(key(&other.replace("{}", dir.to_str().unwrap()), false), plain, "{other}");
        }
        assert_eq!(key("/", false), "/");
        assert_eq!(key("host::mod/", true), "host::mod");
        fs::remove_dir_all(dir).unwrap();
    }
}
