//! The boot record in `state_dir`: written so that a power cut leaves either the old one or the new one, and only at
//! start, at a clean stop and around irsync's own reboots.
//!
//! A card that is busy or dying can keep a system call for minutes, or for ever. So all of it is done by a thread of its
//! own, one request after the other; the main thread, which feeds the watchdog, takes the answers when they are there.
#![forbid(unsafe_code)]

use super::wake::Waker;
use super::{fault, own};
use crate::job::boot_record::{Found, Record};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const NAME: &str = "boot-record";

/// A record is some 200 bytes; anything much longer is not one.
const LONGEST: u64 = 64 * 1024;

/// The thread that reads and writes the record. None of its calls waits for a file system.
#[derive(Debug)]
pub(crate) struct RecordWriter(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    folder: PathBuf,
    /// Rings when there is an answer.
    wake: Arc<Waker>,
    papers: Mutex<Papers>,
    came: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    requests: VecDeque<Request>,
    answers: VecDeque<Answer>,
}

#[derive(Debug)]
enum Request {
    Write(Record),
    Sync,
}

/// What the thread has done.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The first of all: the record was read, or could not be.
    Opened(Opened),
    /// A record is on the disk, or the error that kept it from there.
    Written(io::Result<()>),
}

/// What was there at the start.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The record; one that cannot be read counts as damaged.
    pub found: Found,
    /// Why it cannot be read.
    pub error: Option<io::Error>,
    /// The kernel's id of this boot; empty where it cannot be read.
    pub boot: String,
    /// What is written there is gone after a reset: the budget of reboots would start anew with every boot.
    pub volatile: bool,
}

impl RecordWriter {
    /// Starts the thread, which reads the record in `folder` first. `wake` rings for every answer.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM.
    pub(crate) fn start(folder: PathBuf, wake: Arc<Waker>) -> io::Result<RecordWriter> {
        let papers = Mutex::default();
        let desk = Arc::new(Desk { folder, wake, papers, came: Condvar::new(), done: Condvar::new() });
        let own = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("boot-record".into()).stack_size(64 * 1024);
        thread.spawn(move || own.work())?;
        Ok(RecordWriter(desk))
    }

    /// Has the record replaced; [`Answer::Written`] follows.
    pub(crate) fn write(&self, record: Record) {
        self.0.put(Request::Write(record));
    }

    /// Has all file systems brought up to date, as sync(2) does. No answer follows.
    pub(crate) fn sync(&self) {
        self.0.put(Request::Sync);
    }

    /// The oldest answer that was not taken yet.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.0.lock().answers.pop_front()
    }

    /// Sleeps until there is an answer, at most `limit`.
    pub(crate) fn wait(&self, limit: Duration) {
        let papers = self.0.lock();
        let _ = self.0.done.wait_timeout_while(papers, limit, |papers| papers.answers.is_empty());
    }

    /// Where the record is.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, request: Request) {
        self.lock().requests.push_back(request);
        self.came.notify_one();
    }

    fn tell(&self, answer: Answer) {
        self.lock().answers.push_back(answer);
        self.done.notify_all();
        self.wake.ring();
    }

    fn work(&self) {
        self.tell(Answer::Opened(open(&self.folder)));
        loop {
            // Not held while the card is waited for: the main thread takes it.
            let request = self.next();
            match request {
                Request::Write(record) => self.tell(Answer::Written(save(&self.folder, &record))),
                Request::Sync => nix::unistd::sync(),
            }
        }
    }

    fn next(&self) -> Request {
        let mut papers = self.lock();
        loop {
            if let Some(request) = papers.requests.pop_front() {
                return request;
            }
            papers = self.came.wait(papers).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn open(folder: &Path) -> Opened {
    let (found, error) = match read(&folder.join(NAME)) {
        Ok(found) => (found, None),
        Err(error) => (Found::Damaged, Some(error)),
    };
    Opened { found, error, boot: boot_id(), volatile: is_volatile(folder) }
}

fn save(folder: &Path, record: &Record) -> io::Result<()> {
    own::make_folder(folder)?;
    write_durably(folder, NAME, record.to_text().as_bytes())
}

/// Whether what is written to `folder` is certainly gone after a reset: the budget would start anew with every boot.
pub(crate) fn is_volatile(folder: &Path) -> bool {
    use nix::sys::statfs::{statfs, FsType, TMPFS_MAGIC};
    // <linux/magic.h>
    let ramfs = FsType(0x8584_58f6_u32 as _);
    statfs(folder).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC || fs.filesystem_type() == ramfs)
}

/// The kernel's id of this boot, or nothing where it cannot be read.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn read(path: &Path) -> io::Result<Found> {
    let file = match own::open(path, OpenOptions::new().read(true)) {
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
pub(crate) fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = own::create(&new, 0o644)?;
    file.write_all(bytes)?;
    if fault::leaves_out("fsync-of-records") {
        return fs::rename(&new, folder.join(name));
    }
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::boot_record::{Budget, Cause, Stop};
    use crate::job::feeding::{Action, Event, Feeding};
    use crate::job::Time;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irsync-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    /// What a start of irsync does with the record: reads it, and notes that it runs unless that is there already.
    fn open(folder: &Path, seconds: u64) -> (Feeding, Opened) {
        let opened = super::open(folder);
        let mut feeding = Feeding::new(1, None, at(seconds));
        feeding.handle(Event::Armed { every: Duration::from_secs(5), real: true }, at(seconds));
        let opening = Event::Opened { found: &opened.found, boot: &opened.boot };
        if let Action::Write(record) = feeding.handle(opening, at(seconds)) {
            save(folder, &record).unwrap();
            feeding.handle(Event::Recorded(true), at(seconds));
        }
        (feeding, opened)
    }

    fn cause(opened: &Opened) -> Cause {
        Cause::new(&opened.found, &opened.boot, false, false)
    }

    /// What is written when a job asks for a reboot; None: nothing.
    fn reboot(feeding: &mut Feeding, seconds: u64) -> Option<Record> {
        match feeding.handle(Event::Asked { job: "photos", after: Duration::ZERO }, at(seconds)) {
            Action::Write(record) => Some(record),
            _ => None,
        }
    }

    #[test]
    fn starts_and_stops_are_told_apart() {
        let folder = folder("starts");
        let (mut feeding, first) = open(&folder, 10);
        assert_eq!((cause(&first), first.found), (Cause::Unknown, Found::Nothing));
        assert!(first.error.is_none(), "the folder is created: {:?}", first.error);
        feeding.handle(Event::Stop, at(20));
        feeding.handle(Event::Tick, at(20));
        feeding.handle(Event::Kicked, at(20));
        let Action::Write(record) = feeding.handle(Event::Tick, at(20)) else { panic!("no note of a clean stop") };
        save(&folder, &record).unwrap();
        assert_eq!(cause(&open(&folder, 30).1), Cause::Restarted);
        assert_eq!(cause(&open(&folder, 40).1), Cause::Crashed);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_decision_is_on_disk_and_counts_for_the_next_irsync() {
        let folder = folder("decision");
        let (mut feeding, _) = open(&folder, 10);
        save(&folder, &reboot(&mut feeding, 1000).unwrap()).unwrap();
        let text = fs::read_to_string(folder.join(NAME)).unwrap();
        assert!(text.contains("\nstop reboot photos\nreboot 0\n"), "{text}");
        // As if the board had been reset: the same record, seen from another boot.
        let record = Record { boot: "before".into(), ..Record::parse(&text).unwrap() };
        fs::write(folder.join(NAME), record.to_text()).unwrap();
        let (mut feeding, opened) = open(&folder, 5);
        assert_eq!(cause(&opened), Cause::OwnDecision("photos".into()));
        assert_eq!(reboot(&mut feeding, 24 * 3600), None);
        assert_eq!(Budget::new(&opened.found, &opened.boot, at(5)).spent(at(60)), 1);
        assert!(!folder.join("boot-record.new").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_record_bars_reboots_and_is_replaced() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(NAME), "irsync boot rec").unwrap();
        let (mut feeding, opened) = open(&folder, 10);
        assert!(opened.found == Found::Damaged && opened.error.is_none());
        assert_eq!(reboot(&mut feeding, 20 * 3600), None);
        let (mut feeding, opened) = open(&folder, 3600);
        assert!(opened.found != Found::Damaged, "the record is whole again");
        assert_eq!(reboot(&mut feeding, 20 * 3600), None, "and still bars");
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
    fn a_record_that_cannot_be_written_is_an_error() {
        let folder = folder("file");
        fs::write(&folder, "in the way").unwrap();
        let opened = super::open(&folder);
        assert!(opened.found == Found::Damaged && opened.error.is_some());
        let record = Budget::new(&opened.found, &opened.boot, at(10)).record(&opened.boot, Stop::Running, at(10));
        assert!(save(&folder, &record).is_err());
        fs::remove_file(folder).unwrap();
    }

    #[test]
    fn the_thread_answers_in_order_and_rings_for_it() {
        let folder = folder("thread");
        let wake = Arc::new(Waker::new().unwrap());
        let writer = RecordWriter::start(folder.clone(), Arc::clone(&wake)).unwrap();
        let limit = Duration::from_secs(60);
        writer.wait(limit);
        assert!(matches!(writer.answer(), Some(Answer::Opened(Opened { found: Found::Nothing, .. }))));
        writer.write(Budget::new(&Found::Nothing, "b", at(1)).record("b", Stop::Clean, at(2)));
        writer.wait(limit);
        assert!(matches!(writer.answer(), Some(Answer::Written(Ok(())))));
        assert!(matches!(read(&folder.join(NAME)), Ok(Found::Record(Record { stop: Stop::Clean, .. }))));
        use std::os::fd::AsFd;
        let mut fds = [nix::poll::PollFd::new(wake.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut fds, 0u8), Ok(1));
        assert!(writer.answer().is_none());
        fs::remove_dir_all(folder).unwrap();
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
