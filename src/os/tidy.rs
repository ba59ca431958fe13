//! Removing from a destination what rsync has left behind, or putting it aside for the next sync; see [`crate::rsync::leftovers`] for what that is.
#![forbid(unsafe_code)]

use super::procfs;
use crate::rsync::leftovers::{file_of_stray, is_stray_name, Entry, Orders, Partials};
use nix::errno::Errno;
use nix::fcntl::{openat, renameat, AtFlags, OFlag};
use nix::sys::stat::{fstatat, mkdirat, FileStat, Mode, SFlag};
use nix::sys::statfs::fstatfs;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{geteuid, unlinkat, UnlinkatFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As irsync's first argument it makes irsync tidy up the destination that follows, and nothing else. A worker has that done
/// by a process, which runs as the user that rsync runs as: a dead card, or a walk that takes long, hold nobody up.
pub(crate) const TIDY: &str = "@tidy";

/// Deeper folders are left alone: each level costs an open file.
const DEEPEST: usize = 200;
/// Magic numbers of file systems that keep neither owners nor permissions: vfat, exfat, ntfs3, FUSE.
const PLAIN: [u32; 4] = [0x4d44, 0x2011_bab0, 0x7366_746e, 0x6573_5546];

/// Where to remove what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// The destination.
    pub(crate) destination: PathBuf,
    /// What to remove there.
    pub(crate) orders: Orders,
    /// The name of the folders with partials.
    pub(crate) partial_dir: Option<OsString>,
    /// Folders in it that other jobs write to.
    pub(crate) others: Vec<PathBuf>,
}

impl Task {
    /// As arguments of this program.
    pub(crate) fn to_words(&self) -> Vec<OsString> {
        let Orders { old_strays, strays_since, now, partials } = self.orders;
        let since = strays_since.map_or("-".into(), |since| since.to_string());
        let kind = match partials {
            Partials::Keep => "keep",
            Partials::All => "all",
            Partials::TooLarge => "too-large",
        };
        let orders = format!("{} {since} {now} {kind}", u8::from(old_strays));
        let partial_dir = self.partial_dir.clone().unwrap_or_default();
        let mut words = vec![TIDY.into(), orders.into(), self.destination.clone().into(), partial_dir];
        words.extend(self.others.iter().map(OsString::from));
        words
    }

    /// From what [`Task::to_words`] gave, without the first word.
    pub(crate) fn of_words(words: &[OsString]) -> Option<Task> {
        let [orders, destination, partial_dir, others @ ..] = words else { return None };
        let mut fields = orders.to_str()?.split(' ');
        let orders = Orders {
            old_strays: fields.next()? == "1",
            strays_since: match fields.next()? {
                "-" => None,
                since => Some(since.parse().ok()?),
            },
            now: fields.next()?.parse().ok()?,
            partials: match fields.next()? {
                "all" => Partials::All,
                "too-large" => Partials::TooLarge,
                _ => Partials::Keep,
            },
        };
        Some(Task {
            destination: destination.into(),
            orders,
            partial_dir: Some(partial_dir.clone()).filter(|name| !name.is_empty()),
            others: others.iter().map(PathBuf::from).collect(),
        })
    }

    /// Does it; `told` hears of each file that was removed, with its size; true: it was put aside, and the next sync goes on
    /// from it. What cannot be opened or removed is left.
    ///
    /// # Errors
    /// The destination cannot be opened as a folder.
    pub(crate) fn perform(&self, told: &mut dyn FnMut(&Path, u64, bool)) -> io::Result<()> {
        let mut walk = Walk { task: self, uid: geteuid().as_raw(), told };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match nix::fcntl::open(&self.destination, flags, Mode::empty()) {
            Ok(folder) => walk.folder(&folder, &self.destination, 0),
            // A single file, or one that was never finished.
            Err(Errno::ENOTDIR | Errno::ENOENT) => walk.beside(&self.destination),
            Err(error) => Err(error.into()),
        }
    }
}

struct Walk<'a> {
    task: &'a Task,
    uid: u32,
    told: &'a mut dyn FnMut(&Path, u64, bool),
}

impl Walk<'_> {
    /// Never through a symbolic link: each folder is opened by its name in the one before it.
    fn folder(&mut self, folder: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        // By the descriptor: the path may be another folder by now.
        for entry in fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?.flatten() {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            let place = path.join(&name);
            if kind.is_dir() && depth < DEEPEST && !self.task.others.contains(&place) {
                let Ok(below) = open(folder, &name) else { continue };
                let is_partial_dir = self.task.partial_dir.as_ref() == Some(&name);
                // A folder that went away meanwhile is no reason to stop.
                let _ = match is_partial_dir {
                    true => self.partials(folder, &below, &name, &place),
                    false => self.folder(&below, &place, depth + 1),
                };
            } else if kind.is_file() && is_stray_name(name.as_bytes()) {
                self.stray(folder, &name, &place);
            }
        }
        Ok(())
    }

    /// The strays of a single file, which lie beside it. None of any other file is taken.
    fn beside(&mut self, file: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
        let Ok(folder) = File::open(parent).map(OwnedFd::from) else { return Ok(()) };
        // rsync puts no second dot before a name that begins with one.
        let bare = name.as_bytes().strip_prefix(b".").unwrap_or(name.as_bytes());
        for entry in fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?.flatten() {
            let stray = entry.file_name();
            let found = stray.as_bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(bare));
            let is_of_this = found.is_some_and(|rest| rest.len() == 7 && rest.starts_with(b"."));
            if is_of_this && is_stray_name(stray.as_bytes()) {
                self.stray(&folder, &stray, &parent.join(&stray));
            }
        }
        Ok(())
    }

    fn stray(&mut self, folder: &OwnedFd, name: &OsStr, place: &Path) {
        let Ok(stat) = look(folder, name) else { return };
        let is_stray = self.task.orders.take_stray(&as_entry(name, &stat), self.uid, is_plain(folder));
        if is_stray && !is_open(&stat) {
            let kept = self.put_aside(folder, name, &stat);
            if kept || remove(folder, name) {
                (self.told)(place, stat.st_size as u64, kept);
            }
        }
    }

    /// What rsync itself would have put aside, had it not been killed before: nothing of it is fetched twice. Whatever is
    /// in it, rsync compares it block by block with the server's file.
    fn put_aside(&self, folder: &OwnedFd, name: &OsStr, stray: &FileStat) -> bool {
        let goes_on = self.task.orders.goes_on() && stray.st_size > 0;
        let Some(partial_dir) = self.task.partial_dir.as_deref().filter(|_| goes_on) else { return false };
        // It may be there.
        let _ = mkdirat(folder, partial_dir, Mode::S_IRWXU);
        let Ok(aside) = open(folder, partial_dir) else { return false };
        let file = OsStr::from_bytes(file_of_stray(name.as_bytes()));
        let more = look(&aside, file).map_or(true, |there| there.st_size < stray.st_size);
        more && renameat(folder, name, &aside, file).is_ok()
    }

    fn partials(&mut self, parent: &OwnedFd, folder: &OwnedFd, name: &OsStr, path: &Path) -> io::Result<()> {
        if self.task.orders.partials == Partials::Keep {
            return Ok(());
        }
        for entry in fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?.flatten() {
            let name = entry.file_name();
            let Ok(stat) = look(folder, &name) else { continue };
            let free = free(folder);
            let entry = as_entry(&name, &stat);
            let wanted = self.task.orders.take_partial(&entry, self.uid, is_plain(folder), free);
            if wanted && !is_open(&stat) && remove(folder, &name) {
                (self.told)(&path.join(&name), stat.st_size as u64, false);
            }
        }
        // rsync removes it as well when it is empty.
        let _ = unlinkat(parent, name, UnlinkatFlags::RemoveDir);
        Ok(())
    }
}

fn open(folder: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

fn look(folder: &OwnedFd, name: &OsStr) -> nix::Result<FileStat> {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn remove(folder: &OwnedFd, name: &OsStr) -> bool {
    unlinkat(folder, name, UnlinkatFlags::NoRemoveDir).is_ok()
}

// The types of the fields differ from one machine to the next.
#[allow(clippy::unnecessary_cast)]
fn as_entry<'a>(name: &'a OsStr, stat: &FileStat) -> Entry<'a> {
    Entry {
        name: name.as_bytes(),
        regular: SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        links: stat.st_nlink as u64,
        size: stat.st_size as u64,
        changed: (stat.st_ctime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_ctime_nsec as i64),
        modified: (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64),
    }
}

/// Bytes that are left on the disk.
#[allow(clippy::unnecessary_cast)]
fn free(folder: &OwnedFd) -> u64 {
    fstatvfs(folder).map_or(u64::MAX, |fs| fs.blocks_available() as u64 * fs.fragment_size() as u64)
}

fn is_plain(folder: &OwnedFd) -> bool {
    // Some machines sign it.
    fstatfs(folder.as_fd()).is_ok_and(|fs| PLAIN.contains(&(fs.filesystem_type().0 as u32)))
}

/// Whether the file system of a folder does not keep when an inode was changed.
pub(crate) fn keeps_no_times(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|folder| is_plain(&OwnedFd::from(folder)))
}

/// Whether some process has the file open, as far as /proc shows it: then it is nobody's leftover.
#[allow(clippy::unnecessary_cast)]
fn is_open(stat: &FileStat) -> bool {
    let same = |file: &fs::Metadata| (file.dev(), file.ino()) == (stat.st_dev as u64, stat.st_ino as u64);
    procfs::pids().any(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        // Follows the link to the file itself.
        files.filter_map(|file| fs::metadata(file.path()).ok()).any(|file| same(&file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{symlink, OpenOptionsExt};
    use std::time::{SystemTime, UNIX_EPOCH};

    fn make(path: &Path, mode: u32) -> File {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).unwrap();
        io::Write::write_all(&mut file, b"half").unwrap();
        file
    }

    #[test]
    fn strays_and_partials_go_and_all_else_stays() {
        let root = std::env::temp_dir().join(format!("irsync-tidy-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let dest = root.join("dest");
        let gone = ["a/b/.x.bin.aB3dEf", ".y.aaaaa1", "a/.p/x.bin", ".p/y"];
        let stays =
            ["a/x.bin", "a/.x.bin.config", "job/.z.aB3dEf", "job/.p/z", "../outside/.o.aB3dEf", "../outside/.p/o"];
        for name in gone.iter().chain(&stays) {
            make(&dest.join(name), 0o600);
        }
        make(&dest.join("a/.readable.aB3dEf"), 0o644);
        let held = make(&dest.join("a/.written.aB3dEf"), 0o600);
        let partial_held = make(&dest.join("a/.p/written"), 0o600);
        symlink("../outside", dest.join("link")).unwrap();
        symlink("../outside/.o.aB3dEf", dest.join(".link.aB3dEf")).unwrap();
        let task = Task {
            destination: dest.clone(),
            orders: Orders { old_strays: false, strays_since: Some(now - 60), now: now + 1, partials: Partials::All },
            partial_dir: Some(".p".into()),
            others: vec![dest.join("job")],
        };
        let again = Task::of_words(&task.to_words()[1..]).unwrap();
        assert_eq!(again, task);
        let mut told = Vec::new();
        again.perform(&mut |path, size, _| told.push((path.to_owned(), size))).unwrap();
        told.sort();
        let mut expected: Vec<_> = gone.iter().map(|name| (dest.join(name), 4)).collect();
        expected.sort();
        assert_eq!(told, expected);
        assert!(gone.iter().all(|name| !dest.join(name).exists()));
        assert!(stays.iter().all(|name| dest.join(name).exists()));
        for name in ["a/.readable.aB3dEf", "a/.written.aB3dEf", "a/.p/written", ".link.aB3dEf", "link"] {
            assert!(fs::symlink_metadata(dest.join(name)).is_ok(), "{name}");
        }
        assert!(!dest.join(".p").exists(), "an empty folder of partials goes as well");
        drop((held, partial_held));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_half_file_is_put_aside_where_a_sync_can_go_on_from_it() {
        let root = std::env::temp_dir().join(format!("irsync-tidy-aside-{}", std::process::id()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let cut = Orders { strays_since: Some(now - 60), now: now + 1, ..Orders::default() };
        // Of a file that has no partial yet, a shorter one, a longer one.
        for (orders, partial, kept) in [
            (cut, None, true),
            (cut, Some("ha"), true),
            (cut, Some("half of it"), false),
            (Orders { partials: Partials::TooLarge, ..cut }, None, false),
            (Orders { partials: Partials::All, ..cut }, None, false),
        ] {
            let _ = fs::remove_dir_all(&root);
            let (stray, aside) = (root.join("a/.x.bin.aB3dEf"), root.join("a/.p/x.bin"));
            make(&stray, 0o600);
            if let Some(content) = partial {
                fs::create_dir(root.join("a/.p")).unwrap();
                fs::write(&aside, content).unwrap();
            }
            let task = Task { destination: root.clone(), orders, partial_dir: Some(".p".into()), others: vec![] };
            let mut told = Vec::new();
            task.perform(&mut |path, size, kept| told.push((path.to_owned(), size, kept))).unwrap();
            assert_eq!(told.first(), Some(&(stray.clone(), 4, kept)), "{orders:?} {partial:?}");
            let there = fs::read_to_string(&aside).ok();
            let expected = if kept { Some("half") } else { partial };
            assert_eq!((stray.exists(), there.as_deref()), (false, expected), "{orders:?} {partial:?}");
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn of_a_single_file_only_its_own_strays_go() {
        let root = std::env::temp_dir().join(format!("irsync-tidy-file-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        for is_there in [true, false] {
            let gone = [".film.bin.aB3dEf", ".film.bin.ZZ9zz0"];
            let stays = [".other.bin.aB3dEf", ".film.bin.x.aB3dEf", ".film.bin.config", "sub/.film.bin.aB3dEf"];
            for name in gone.iter().chain(&stays) {
                make(&root.join(name), 0o600);
            }
            let _ = fs::remove_file(root.join("film.bin"));
            if is_there {
                make(&root.join("film.bin"), 0o644);
            }
            let task = Task {
                destination: root.join("film.bin"),
                orders: Orders { strays_since: Some(now - 60), now: now + 1, ..Orders::default() },
                partial_dir: None,
                others: Vec::new(),
            };
            task.perform(&mut |_, _, _| {}).unwrap();
            assert!(gone.iter().all(|name| !root.join(name).exists()), "{is_there}");
            assert!(stays.iter().all(|name| root.join(name).exists()), "{is_there}");
            assert_eq!(root.join("film.bin").exists(), is_there);
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_destination_that_is_no_folder_is_no_error() {
        let task = |destination: &str| Task {
            destination: destination.into(),
            orders: Orders::default(),
            partial_dir: None,
            others: Vec::new(),
        };
        task("/no/such/folder").perform(&mut |_, _, _| panic!("nothing is there")).unwrap();
        task("/etc/passwd").perform(&mut |_, _, _| panic!("it has no strays")).unwrap();
        assert_eq!(Task::of_words(&task("/x").to_words()[1..]), Some(task("/x")));
        assert_eq!(Task::of_words(&["x".into()]), None);
    }
}
