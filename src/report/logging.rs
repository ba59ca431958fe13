//! The log: `log` and simplelog in front, a bounded queue between, one thread that writes behind.
//!
//! Nobody who logs ever waits for the log: a pipe that nobody reads, a dead disk and a stopped syslogd hold up the log's
//! own thread only, and rsync goes on.

use super::log_queue::Queue;
use super::log_sink::{Failure, Sink};
use super::utc;
use crate::config::Global;
use crate::rsync::output::{Record, LINE_LIMIT};
use crate::rsync::text;
use log::{Level, LevelFilter, Log, Metadata};
use simplelog::{ConfigBuilder, LevelPadding, WriteLogger};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

static LOG: OnceLock<Arc<Shared>> = OnceLock::new();

/// Starts the log; once, before anything is logged.
///
/// A log file that cannot be opened is no error here: it is reported on stderr and tried again with every line.
pub fn start(global: &Global) -> Result<(), String> {
    let fail = |e: &dyn std::fmt::Display| format!("cannot start the log: {e}");
    let shared = Arc::new(Shared::default());
    let sink = Sink::new(global).map_err(|e| fail(&e))?;
    LOG.set(Arc::clone(&shared)).map_err(|_| fail(&"it runs already"))?;
    shared.spawn_writer(sink).map_err(|e| fail(&e))?;
    log::set_boxed_logger(Box::new(Front::new(shared))).map_err(|e| fail(&e))?;
    log::set_max_level(global.log_level);
    Ok(())
}

/// Changes target and level. What waits goes to the new target, unless the thread hangs in a write to the old one.
pub fn reconfigure(global: &Global) -> Result<(), String> {
    let sink = Sink::new(global).map_err(|e| format!("cannot change the log: {e}; the old one is kept"))?;
    log::set_max_level(global.log_level);
    if let Some(shared) = LOG.get() {
        shared.lock().new_sink = Some(sink);
        shared.filled.notify_one();
    }
    Ok(())
}

/// Waits until everything is written, at most `limit`; false if something is left.
pub fn flush(limit: Duration) -> bool {
    LOG.get().map_or(true, |shared| shared.flush(limit))
}

/// Keeps these lines below the log on a terminal; none takes them away. They must fit its width.
pub fn show_below(lines: &[String]) {
    let Some(shared) = LOG.get() else { return };
    let mut state = shared.lock();
    let below = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes();
    if state.below != below {
        state.below = below;
        state.below_changed = true;
        if std::mem::take(&mut state.writer_waits) {
            shared.filled.notify_one();
        }
    }
}

/// What a child writes on stdout or stderr, on its way to the log. Make a new one for each child: it keeps memory.
#[derive(Debug)]
pub struct ChildLog {
    shared: Option<Arc<Shared>>,
    level: Level,
    /// `[LEVEL] job: child: `
    prefix: Vec<u8>,
    lines: Vec<u8>,
}

impl ChildLog {
    /// Lines of a child of `job` are logged at `level`; `child` is `rsync` or the hook's key.
    pub fn new(level: Level, job: &str, child: &str) -> ChildLog {
        ChildLog::into(LOG.get().cloned(), level, job, child)
    }

    fn into(shared: Option<Arc<Shared>>, level: Level, job: &str, child: &str) -> ChildLog {
        let mut prefix = format!("[{level}] ").into_bytes();
        text::escape_into(&mut prefix, job.as_bytes(), LINE_LIMIT);
        prefix.extend_from_slice(b": ");
        prefix.extend_from_slice(child.as_bytes());
        prefix.extend_from_slice(b": ");
        ChildLog { shared, level, prefix, lines: Vec::new() }
    }

    /// Adds a line to the batch; nothing is done if its level is not logged.
    pub fn line(&mut self, record: &Record) {
        if self.level > log::max_level() || self.shared.is_none() {
            return;
        }
        self.lines.extend_from_slice(&self.prefix);
        text::escape_into(&mut self.lines, record.bytes, LINE_LIMIT);
        if record.cut > 0 {
            text::cut_mark(&mut self.lines, record.cut);
        }
        self.lines.push(b'\n');
    }

    /// Logs the batch: call it after each read.
    pub fn commit(&mut self) {
        if let (Some(shared), false) = (&self.shared, self.lines.is_empty()) {
            shared.append(&self.lines);
            self.lines.clear();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    new_sink: Option<Sink>,
    /// Lines shown below the log.
    below: Vec<u8>,
    /// The writer has not shown them yet.
    below_changed: bool,
    /// The writer waits for `filled`.
    writer_waits: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something to write, or a new sink.
    filled: Condvar,
    /// The writer has finished a batch.
    written: Condvar,
}

fn now() -> u64 {
    utc::seconds(SystemTime::now())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, lines: &[u8]) {
        let mut state = self.lock();
        state.queue.append(now(), lines);
        self.wake_writer(state);
    }

    fn append_own(&self, line: &[u8]) {
        let mut state = self.lock();
        state.queue.append_own(now(), line);
        self.wake_writer(state);
    }

    fn wake_writer(&self, mut state: MutexGuard<'_, State>) {
        if state.writer_waits && state.queue.has_waiting() {
            state.writer_waits = false;
            drop(state);
            self.filled.notify_one();
        }
    }

    fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        state.queue.end_repeats(now());
        self.wake_writer(state);
        state = self.lock();
        while !state.queue.is_idle() || state.below_changed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn spawn_writer(self: &Arc<Self>, sink: Sink) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("log".into()).stack_size(64 * 1024);
        thread.spawn(move || shared.write_for_ever(sink)).map(drop)
    }

    /// The writer: sleeps without a time limit until there is something to write.
    fn write_for_ever(&self, sink: Sink) {
        let mut writer = Writer { sink, unwritten: None, shown: 0 };
        let (mut batch, mut below) = (Vec::new(), Vec::new());
        loop {
            self.next_batch(&mut writer, &mut batch, &mut below);
            writer.hide();
            if !batch.is_empty() {
                writer.write(&batch);
            }
            writer.show(&below);
            batch.clear();
            let mut state = self.lock();
            state.queue.written();
            state.below_changed &= state.below != below;
            drop(state);
            self.written.notify_all();
        }
    }

    /// Waits until there is something to log, or something else to show below it.
    fn next_batch(&self, writer: &mut Writer, batch: &mut Vec<u8>, below: &mut Vec<u8>) {
        let mut state = self.lock();
        loop {
            if let Some(sink) = state.new_sink.take() {
                writer.sink = sink;
            }
            if state.queue.take(now(), batch) || state.below_changed {
                below.clone_from(&state.below);
                return;
            }
            *batch = Vec::new();
            state.queue.shrink();
            state.writer_waits = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The sink and what it failed to take.
struct Writer {
    sink: Sink,
    unwritten: Option<Failure>,
    /// Lines that stand below the log.
    shown: usize,
}

impl Writer {
    /// Takes the lines below the log away, so that it can go on where they stand.
    fn hide(&mut self) {
        if self.shown > 0 {
            self.sink.draw(format!("\x1b[{}A\r\x1b[J", self.shown).as_bytes());
            self.shown = 0;
        }
    }

    fn show(&mut self, below: &[u8]) {
        if !below.is_empty() {
            self.sink.draw(below);
            self.shown = below.iter().filter(|&&b| b == b'\n').count();
        }
    }

    fn write(&mut self, batch: &[u8]) {
        if let Some(failure) = &self.unwritten {
            let stamp = utc::rfc3339(now());
            let stamp = String::from_utf8_lossy(&stamp);
            let report = format!("{stamp} [WARN] {} log lines lost: {}\n", failure.lost, failure.error);
            if self.sink.write(report.as_bytes()).is_ok() {
                self.unwritten = None;
            }
        }
        if let Err(failure) = self.sink.write(batch) {
            match &mut self.unwritten {
                Some(before) => before.lost += failure.lost,
                None => {
                    // Only when it begins: stderr may be a serial line.
                    let _ = writeln!(io::stderr(), "irsync: {}; log lines are lost until it works", failure.error);
                    self.unwritten = Some(failure);
                }
            }
        }
    }
}

/// What `log` calls: simplelog puts a record into words, the queue takes it when it is complete.
struct Front {
    /// Held from the first word of a record to the last.
    record: Mutex<()>,
    words: Box<WriteLogger<Assembly>>,
}

impl Front {
    fn new(shared: Arc<Shared>) -> Front {
        let form = ConfigBuilder::new()
            .set_time_level(LevelFilter::Off)
            .set_thread_level(LevelFilter::Off)
            .set_target_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .set_level_padding(LevelPadding::Off)
            .build();
        let assembly = Assembly { text: Vec::new(), shared };
        // What is logged is decided by log::max_level, which can change.
        Front { record: Mutex::new(()), words: WriteLogger::new(LevelFilter::Trace, form, assembly) }
    }
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            let _complete = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            self.words.log(record);
            self.words.flush();
        }
    }

    fn flush(&self) {}
}

/// One record while it is being put into words; `flush` ends it.
struct Assembly {
    text: Vec<u8>,
    shared: Arc<Shared>,
}

impl Write for Assembly {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let mut line = Vec::with_capacity(text.len() + 1);
        text::escape_into(&mut line, text, LINE_LIMIT);
        line.push(b'\n');
        self.shared.append_own(&line);
        self.text.clear();
        self.text.shrink_to(LINE_LIMIT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::log_sink::LogFile;
    use super::*;
    use crate::rsync::output::Ending;
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;

    /// Long enough for any machine; reached only by a defect.
    const LIMIT: Duration = Duration::from_secs(60);

    fn started(sink: Sink) -> Arc<Shared> {
        log::set_max_level(LevelFilter::Debug);
        let shared = Arc::new(Shared::default());
        shared.spawn_writer(sink).unwrap();
        shared
    }

    fn pipe() -> (File, File) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        (File::from(reader), File::from(writer))
    }

    fn record(bytes: &[u8]) -> Record<'_> {
        Record { bytes, cut: 0, ending: Ending::Newline }
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
        on.line(&Record { bytes: b"rsync: \x1b[31mred\xff", cut: 9, ending: Ending::Newline });
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
        nix::mount::mount(None::<&str>, &dir.0, None::<&str>, nix::mount::MsFlags::MS_REMOUNT, Some("size=1m"))
            .unwrap();
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
        assert!(message.starts_with("<30>") && message.contains("]: two"), "{message}");
    }
}
