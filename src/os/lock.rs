//! One irsync per destination: a lock that dies with its holder, see flock(2).
//!
//! The descriptor is handed on to rsync, so the lock is held until the last of its processes is gone, even when irsync was
//! killed: a new irsync cannot start a second rsync beside one that the old irsync left behind.
//!
//! Whoever can open a file can lock it. So only its owner can, and what rsync is handed is open for reading only.
#![forbid(unsafe_code)]

use super::sys::{flock, Flock};
use super::{mark, own};
use crate::config::mask::masked;
use nix::libc;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often a lock file may be replaced while we take it.
const TRIES: usize = 10;

/// A held lock; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

/// Who holds a lock, as far as the lock file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The irsync that took it.
    pub pid: i32,
    /// The marker that the processes of its sync carry in their environment.
    pub run: String,
    /// Its job.
    pub job: String,
}

impl Holder {
    /// Whether that irsync runs now.
    pub(crate) fn lives(&self) -> bool {
        mark::lives(&self.run)
    }
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(crate) enum Error {
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
    pub(crate) fn take(dir: &Path, key: &str, holder: &Holder) -> Result<Lock, Error> {
        let path = dir.join(format!("lock-{:016x}", hash(key.as_bytes())));
        match Lock::take_file(&path) {
            Ok((lock, mut text)) => {
                let line = format!("{} {} {}\n{}\n", holder.pid, holder.run, holder.job, masked(key));
                // Only for the message to others: a full disk must not cost us the lock.
                let _ = text.set_len(0).and_then(|()| text.write_all(line.as_bytes()));
                Ok(lock)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::Held(read_holder(&path))),
            Err(error) => Err(Error::Io(error)),
        }
    }

    /// Takes the lock file `path` itself, and opens it for writing. Its folder is made if it is not there (any more).
    ///
    /// # Errors
    /// EWOULDBLOCK when somebody has it, and those of [`own::open`].
    pub(crate) fn take_file(path: &Path) -> io::Result<(Lock, File)> {
        for _ in 0..TRIES {
            let text = match own::open_private(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    own::make_folder(path.parent().unwrap_or(path))?;
                    own::open_private(path)?
                }
                opened => opened?,
            };
            let file = own::open(path, OpenOptions::new().read(true))?;
            flock(&file, Flock::Exclusive)?;
            let lock = Lock { file, path: path.to_owned() };
            // Its owner may have removed it in between, and then another one is the lock.
            if lock.is_in_place() && own::is_named(&text, path) {
                return Ok((lock, text));
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The descriptor, to be handed on to rsync.
    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Whether the lock file is where others look for it: it may have been removed with its folder.
    pub(crate) fn is_in_place(&self) -> bool {
        own::is_named(&self.file, &self.path)
    }

    /// Gives it back and leaves no file behind, so that whoever may not open the file knows as well that nobody has it.
    pub(crate) fn remove(self) {
        if self.is_in_place() {
            // While it is held: whoever has opened it by now finds out that it is not the lock any more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Lock {
    /// For every process that has inherited the descriptor: closing it would give back nothing while one of them lives.
    fn drop(&mut self) {
        let _ = flock(&self.file, Flock::Release);
    }
}

/// Whether somebody holds the lock file `path` now. None: we may not open it, and the kernel's list does not have it.
pub(crate) fn is_held(path: &Path) -> Option<bool> {
    match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Ok(file) => {
            let taken = flock(&file, Flock::Shared);
            let _ = flock(&file, Flock::Release);
            Some(matches!(taken, Err(error) if error.kind() == io::ErrorKind::WouldBlock))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => is_listed(path).then_some(true),
    }
}

/// Whether `/proc/locks` has the file, see proc(5): those in our PID namespace are there, whoever may open them.
fn is_listed(path: &Path) -> bool {
    let (Ok(file), Ok(list)) = (fs::symlink_metadata(path), fs::read_to_string("/proc/locks")) else { return false };
    let device = file.dev();
    let id = format!(" {:02x}:{:02x}:{} ", libc::major(device), libc::minor(device), file.ino());
    list.lines().any(|line| line.contains(" FLOCK ") && !line.contains("->") && line.contains(&id))
}

/// The pid of the irsync that wrote its mark into the lock file `path`, if it runs now.
pub(crate) fn living_holder(path: &Path) -> Option<i32> {
    let mut text = String::new();
    own::open(path, OpenOptions::new().read(true)).ok()?.take(4096).read_to_string(&mut text).ok()?;
    mark::irsync(&text).filter(|_| mark::lives(&text)).map(|(pid, _)| pid)
}

/// Who holds the lock, by what stands in its file.
fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    own::open(path, OpenOptions::new().read(true)).ok()?.take(4096).read_to_string(&mut text).ok()?;
    parse_holder(&text)
}

/// The mark must be that of this process: by it processes are found and killed, and the beginning of nothing is everybody's.
pub(super) fn parse_holder(text: &str) -> Option<Holder> {
    let mut words = text.lines().next()?.splitn(3, ' ');
    let (pid, run, job) = (words.next()?.parse().ok()?, words.next()?.to_owned(), words.next()?.to_owned());
    (mark::irsync(&run)?.0 == pid).then_some(Holder { pid, run, job })
}

/// FNV-1a: the same in every version of irsync, short, and not for secrets.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn holder() -> Holder {
        Holder { pid: 7, run: "7.1.".into(), job: "a job".into() }
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
        // What rsync is handed is for reading only, and the file is for nobody else.
        let flags = nix::fcntl::fcntl(&lock.file, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & libc::O_ACCMODE, libc::O_RDONLY);
        assert_eq!(lock.file.metadata().unwrap().mode() & 0o777, 0o600);
        drop(lock);
        Lock::take(&dir, "/media", &holder()).expect("given back");
        fs::write(dir.join("file"), "").unwrap();
        assert!(matches!(Lock::take(&dir.join("file"), "x", &holder()), Err(Error::Io(_))));
        Lock::take(&dir.join("absent"), "x", &holder()).expect("the folder is made");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn only_a_whole_mark_of_its_own_process_is_believed() {
        assert_eq!(parse_holder("7 7.1. a job\nkey\n"), Some(holder()));
        for text in ["", "7", "7  job", "7 . job", "7 7. job", "7 8.1. job", "7 7.1 job", "7 7.x. job", "7 7.1.x. job"]
        {
            assert_eq!(parse_holder(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_lock_that_was_removed_is_not_in_place_and_another_can_be_taken() {
        let dir = dir("removed");
        let path = dir.join("status.lock");
        assert_eq!(is_held(&path), Some(false));
        let (lock, _) = Lock::take_file(&path).unwrap();
        assert_eq!((is_held(&path), is_listed(&path), lock.is_in_place()), (Some(true), true, true));
        assert_eq!(Lock::take_file(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_in_place());
        let (again, _) = Lock::take_file(&path).unwrap();
        drop(lock);
        again.remove();
        assert!(!path.exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
