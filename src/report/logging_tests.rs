//! What the log promises, told to real pipes, files and a syslogd.

use super::super::log_sink::LogFile;
use super::*;
use crate::text::LineEnd;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// Long enough for any machine; reached only by a defect.
const LIMIT: Duration = Duration::from_secs(60);

fn started(sink: Sink) -> Arc<Shared> {
    started_with(PATIENCE, sink)
}

fn started_with(patience: Duration, sink: Sink) -> Arc<Shared> {
    log::set_max_level(LevelFilter::Debug);
    let shared = Arc::new(Shared::new(patience));
    shared.spawn_writer(sink).unwrap();
    shared
}

fn pipe() -> (File, File) {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    (File::from(reader), File::from(writer))
}

fn record(bytes: &[u8]) -> Record<'_> {
    Record { bytes, cut: 0, end: LineEnd::Newline }
}

fn log_numbered(shared: &Arc<Shared>, from: u64, to: u64) {
    let mut log = ChildLog::into(Some(Arc::clone(shared)), Level::Debug, "media", "rsync");
    for i in from..to {
        log.line(&record(format!(">f+++++++++ a/path/to/some/file/that/is/long/enough/{i:08}.mp4").as_bytes()));
        if i % 100 == 99 {
            log.commit();
        }
    }
    log.commit();
}

/// Runs `work` in a thread and fails if it takes for ever.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{what} took for ever"))
}

/// Numbered lines in the order given, and how many the log says are lost.
fn account(log: &str) -> (Vec<u64>, u64) {
    let (mut numbers, mut lost) = (Vec::new(), 0);
    for line in log.lines() {
        if let Some(number) = line.strip_suffix(".mp4") {
            numbers.push(number[number.len() - 8..].parse().unwrap());
        } else {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!((words[1], words[3]), ("[WARN]", "log"), "{line}");
            lost += words[2].parse::<u64>().unwrap();
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "out of order");
    (numbers, lost)
}

/// Reads until `sent` lines are accounted for.
fn read_all(mut reader: File, sent: u64) -> (Vec<u64>, u64) {
    in_time("reading the log", move || {
        let mut log = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let (mut lines, mut lost) = (0, 0);
        let mut seen = 0;
        while lines + lost < sent {
            let n = reader.read(&mut chunk).unwrap();
            log.extend_from_slice(&chunk[..n]);
            let end = log.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
            let (new, newly_lost) = account(std::str::from_utf8(&log[seen..end.max(seen)]).unwrap());
            seen = end.max(seen);
            lines += new.len() as u64;
            lost += newly_lost;
        }
        account(std::str::from_utf8(&log[..seen]).unwrap())
    })
}

#[test]
fn a_pipe_that_nobody_reads_never_blocks_the_caller() {
    let (reader, writer) = pipe();
    let shared = started(Sink::Stream(writer));
    let sent = 20_000;
    let logging = Arc::clone(&shared);
    in_time("logging", move || log_numbered(&logging, 0, sent));
    let flushing = Arc::clone(&shared);
    assert!(!in_time("flushing", move || flushing.flush(Duration::from_millis(20))));
    let (numbers, lost) = read_all(reader, sent);
    assert_eq!(numbers.len() as u64 + lost, sent);
    assert!(lost > 0, "2 MB cannot fit");
    assert!(shared.flush(LIMIT));
}

#[test]
fn a_million_lines_are_delivered_or_counted() {
    let (reader, writer) = pipe();
    let shared = started(Sink::Stream(writer));
    let sent = 1_000_000;
    let logging = Arc::clone(&shared);
    std::thread::spawn(move || log_numbered(&logging, 0, sent));
    let (numbers, lost) = read_all(reader, sent);
    assert_eq!(numbers.len() as u64 + lost, sent);
    assert!(shared.flush(LIMIT) && shared.lock().queue.is_idle());
}

#[test]
fn a_log_that_is_written_in_time_gets_every_line() {
    let (reader, writer) = pipe();
    let shared = started_with(LIMIT, Sink::Stream(writer));
    let sent = 100_000;
    let logging = Arc::clone(&shared);
    std::thread::spawn(move || log_numbered(&logging, 0, sent));
    let (numbers, lost) = read_all(reader, sent);
    assert_eq!((numbers.len() as u64, lost), (sent, 0));
}

#[test]
fn a_reader_that_goes_away_and_a_full_device_stop_nothing() {
    let (reader, writer) = pipe();
    drop(reader);
    // Through a link of our own: a defect must not rename the machine's device.
    let dir = Directory::new("device");
    let path = dir.0.join("full");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let full = LogFile::new(&path, 100);
    for sink in [Sink::Stream(writer), Sink::File(full)] {
        let shared = started(sink);
        log_numbered(&shared, 0, 10);
        assert!(shared.flush(LIMIT));
        log_numbered(&shared, 10, 20);
        assert!(shared.flush(LIMIT));
    }
    assert!(path.exists() && !dir.0.join("full.old").exists(), "a device must not be rotated");
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("irsync-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_rotated_and_stays_bounded() {
    let dir = Directory::new("rotate");
    let (path, old) = (dir.0.join("log"), dir.0.join("log.old"));
    let max_size = 10_000;
    let shared = started(Sink::File(LogFile::new(&path, max_size)));
    let sent = 1_000;
    for from in (0..sent).step_by(50) {
        log_numbered(&shared, from, from + 50);
        assert!(shared.flush(LIMIT));
        for file in [&path, &old] {
            assert!(fs::metadata(file).map_or(0, |m| m.len()) <= max_size);
        }
    }
    let both = fs::read_to_string(&old).unwrap() + &fs::read_to_string(&path).unwrap();
    let (numbers, lost) = account(&both);
    assert_eq!((numbers.last(), lost), (Some(&(sent - 1)), 0));
    assert_eq!(numbers.len() as u64, sent - numbers[0], "no line may be missing at a rotation");
    assert!(both.len() as u64 > max_size, "the old file must be full when it is put away");
}

#[test]
fn a_file_that_vanished_is_made_anew_and_what_was_lost_is_told() {
    let dir = Directory::new("vanish");
    let path = dir.0.join("sub/log");
    let shared = started(Sink::File(LogFile::new(&path, 1 << 20)));
    log_numbered(&shared, 0, 7);
    assert!(shared.flush(LIMIT));
    fs::create_dir(dir.0.join("sub")).unwrap();
    log_numbered(&shared, 7, 10);
    assert!(shared.flush(LIMIT));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("7 log lines lost: cannot write") && text.contains("No such file"), "{text}");
    assert_eq!(account(&text), (vec![7, 8, 9], 7));
    fs::remove_file(&path).unwrap();
    log_numbered(&shared, 10, 12);
    assert!(shared.flush(LIMIT));
    assert_eq!(account(&fs::read_to_string(&path).unwrap()), (vec![10, 11], 0));
    // As logrotate does it.
    fs::rename(&path, dir.0.join("sub/log.1")).unwrap();
    fs::write(&path, "").unwrap();
    log_numbered(&shared, 12, 14);
    assert!(shared.flush(LIMIT));
    assert_eq!(account(&fs::read_to_string(&path).unwrap()), (vec![12, 13], 0));
}

#[test]
fn a_line_of_rsync_is_one_escaped_record_and_below_the_level_it_is_none() {
    let (mut reader, writer) = pipe();
    let shared = started(Sink::Stream(writer));
    let mut off = ChildLog::into(Some(Arc::clone(&shared)), Level::Trace, "media", "rsync");
    off.line(&record(b"not logged"));
    off.commit();
    let mut on = ChildLog::into(Some(Arc::clone(&shared)), Level::Warn, "media", "rsync");
    on.line(&Record { bytes: b"rsync: \x1b[31mred\xff", cut: 9, end: LineEnd::Newline });
    on.commit();
    assert!(shared.flush(LIMIT));
    let mut chunk = [0; 1000];
    let n = reader.read(&mut chunk).unwrap();
    let text = std::str::from_utf8(&chunk[..n]).unwrap();
    assert_eq!(&text[20..], " [WARN] media: rsync: rsync: \\x1b[31mred\\xff…[+9 bytes]\n");
}

#[test]
fn a_message_of_irsync_is_one_record_whatever_is_in_it() {
    let (mut reader, writer) = pipe();
    let shared = started(Sink::Stream(writer));
    let front = Front::new(Arc::clone(&shared));
    for message in ["first\nsecond\n", "again", "again", "else"] {
        front.log(&log::Record::builder().level(Level::Info).args(format_args!("{message}")).build());
    }
    front.log(&log::Record::builder().level(Level::Trace).args(format_args!("not logged")).build());
    assert!(shared.flush(LIMIT));
    let mut chunk = [0; 1000];
    let n = reader.read(&mut chunk).unwrap();
    let texts: Vec<&str> = std::str::from_utf8(&chunk[..n]).unwrap().lines().map(|line| &line[21..]).collect();
    let expected = ["[INFO] first\\x0asecond\\x0a", "[INFO] again", "[INFO] again", "[INFO] else"];
    assert_eq!(texts, expected);
}

#[test]
fn a_new_target_takes_over() {
    let dir = Directory::new("reload");
    let (_reader, writer) = pipe();
    let shared = started(Sink::Stream(writer));
    shared.lock().new_sink = Some(Sink::File(LogFile::new(&dir.0.join("log"), 1 << 20)));
    shared.filled.notify_one();
    log_numbered(&shared, 0, 3);
    assert!(shared.flush(LIMIT));
    assert_eq!(account(&fs::read_to_string(dir.0.join("log")).unwrap()), (vec![0, 1, 2], 0));
}

#[test]
fn a_batch_larger_than_the_file_may_be_is_spread_over_both_files() {
    let dir = Directory::new("spread");
    let path = dir.0.join("log");
    let mut sink = Sink::File(LogFile::new(&path, 100));
    let long = format!("{}\n", "x".repeat(150));
    sink.write(format!("{}{}{long}{}", "a\n".repeat(40), "b\n".repeat(40), "c\n".repeat(10)).as_bytes()).unwrap();
    assert_eq!(fs::read_to_string(dir.0.join("log.old")).unwrap(), long);
    assert_eq!(fs::read_to_string(&path).unwrap(), "c\n".repeat(10));
}

/// Gives the calling thread, and those it starts, mounts of its own. False where that takes more than this process may.
fn private_mounts(test: &str) -> bool {
    use nix::mount::{mount, MsFlags};
    use nix::sched::{unshare, CloneFlags};
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let result = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| mount(none, "/", none, private, none));
    if let Err(e) = result {
        eprintln!("SKIPPED {test}: cannot get a mount namespace: {e}");
    }
    result.is_ok()
}

fn tmpfs(at: &Path, options: &str) {
    nix::mount::mount(Some("tmpfs"), at, Some("tmpfs"), nix::mount::MsFlags::empty(), Some(options)).unwrap();
}

#[test]
fn a_full_disk_tears_no_record_that_follows() {
    if !private_mounts("a_full_disk_tears_no_record_that_follows") {
        return;
    }
    let dir = Directory::new("full");
    tmpfs(&dir.0, "size=16k");
    let path = dir.0.join("log");
    let shared = started(Sink::File(LogFile::new(&path, 1 << 20)));
    let sent = 500;
    log_numbered(&shared, 0, sent);
    assert!(shared.flush(LIMIT));
    nix::mount::mount(None::<&str>, &dir.0, None::<&str>, nix::mount::MsFlags::MS_REMOUNT, Some("size=1m")).unwrap();
    log_numbered(&shared, sent, sent + 3);
    assert!(shared.flush(LIMIT));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("No space left on device"), "{text}");
    let whole: String = text
        .lines()
        .filter(|l| l.ends_with(".mp4") || l.contains("log lines lost"))
        .map(|l| format!("{l}\n"))
        .collect();
    let (numbers, lost) = account(&whole);
    assert_eq!(numbers.len() as u64 + lost, sent + 3);
    assert_eq!(numbers[numbers.len() - 3..], [sent, sent + 1, sent + 2]);
    // The log's thread has the file open for ever.
    nix::mount::umount2(&dir.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn syslog_gets_one_message_for_each_record_and_may_be_restarted() {
    use std::os::unix::net::UnixDatagram;
    if !private_mounts("syslog_gets_one_message_for_each_record_and_may_be_restarted") {
        return;
    }
    tmpfs(Path::new("/dev"), "size=1m");
    let syslogd = || {
        let socket = UnixDatagram::bind("/dev/log").unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket
    };
    let receive = |socket: &UnixDatagram| {
        let mut message = [0; 2000];
        let n = socket.recv(&mut message).expect("no message came");
        String::from_utf8_lossy(&message[..n]).into_owned()
    };
    let first = syslogd();
    let global = Global {
        log: crate::config::LogTarget::Syslog,
        log_level: LevelFilter::Debug,
        log_max_size: 0,
        status_file: PathBuf::new(),
        metrics_file: None,
        state_dir: None,
        report_to: None,
        report_every: Duration::ZERO,
        report_password_file: None,
        watchdog_device: None,
        watchdog_timeout: Duration::ZERO,
        reboot_limit: 0,
        lock_memory: false,
    };
    let shared = started(Sink::new(&global).unwrap());
    shared.append(b"[WARN] one 100% %s\n");
    let message = receive(&first);
    // daemon (3) * 8 + warning (4)
    assert!(message.starts_with("<28>"), "{message}");
    assert!(
        message.trim_end_matches('\0').ends_with(&format!("irsync[{}]: one 100% %s", std::process::id())),
        "{message}"
    );
    drop(first);
    fs::remove_file("/dev/log").unwrap();
    shared.append(b"[INFO] while there is no syslogd\n");
    assert!(shared.flush(LIMIT), "a missing syslogd must not block");
    let second = syslogd();
    shared.append(b"[INFO] two\n");
    let message = receive(&second);
    assert!(message.starts_with("<28>") && message.contains("1 log lines lost: cannot write to syslog"), "{message}");
    let message = receive(&second);
    assert!(message.starts_with("<30>") && message.contains("]: two"), "{message}");
}
