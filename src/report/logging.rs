//! The log: `log` and simplelog in front, a bounded queue between, one thread that writes behind.
//!
//! Nobody who logs is held up by the log: a pipe that nobody reads, a dead disk and a stopped syslogd hold up the log's own
//! thread only, and rsync goes on. What rsync says waits a moment for a log that only needs that to get all of it.

use super::log_bounds::{Memory, Said, Verdict};
use super::log_queue::Queue;
use super::log_resort::{self, Way};
use super::log_sink::Sink;
use super::log_writer::Writer;
use super::utc;
use crate::config::{Global, LogTarget};
use crate::os::clock;
use crate::text::{self, Record, LINE_LIMIT};
use log::{Level, LevelFilter, Log, Metadata};
use simplelog::{ConfigBuilder, LevelPadding, WriteLogger};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A child's line waits at most so long for the log's thread to make room, and not at all while that takes longer to write
/// what it has: lines of rsync are worth a moment, but rsync must never be held up by a serial console or a dead disk.
const PATIENCE: Duration = Duration::from_millis(50);

static LOG: OnceLock<Arc<Shared>> = OnceLock::new();

/// Starts the log; once, before anything is logged.
///
/// A log file that cannot be opened is no error here: it is reported on stderr and tried again with every line.
pub(crate) fn start(global: &Global) -> Result<(), String> {
    let fail = |e: &dyn std::fmt::Display| format!("cannot start the log: {e}");
    let shared = Arc::new(Shared::new(PATIENCE));
    let sink = Sink::new(global).map_err(|e| fail(&e))?;
    LOG.set(Arc::clone(&shared)).map_err(|_| fail(&"it runs already"))?;
    shared.spawn_writer(sink).map_err(|e| fail(&e))?;
    log::set_boxed_logger(Box::new(Front::new(shared))).map_err(|e| fail(&e))?;
    log::set_max_level(global.log_level);
    Ok(())
}

/// Changes target and level. What waits goes to the new target, unless the thread hangs in a write to the old one.
pub(crate) fn reconfigure(global: &Global) -> Result<(), String> {
    let sink = Sink::new(global).map_err(|e| format!("cannot change the log: {e}; the old one is kept"))?;
    log::set_max_level(global.log_level);
    if let Some(shared) = LOG.get() {
        shared.lock().new_sink = Some(sink);
        shared.filled.notify_one();
    }
    Ok(())
}

/// Tells by another way if nobody can read this log: for who starts irsync in the background, as start-stop-daemon does.
pub(crate) fn complain_if_unheard(global: &Global) {
    if global.log == LogTarget::Stderr && log_resort::nobody_hears_stderr() {
        log_resort::tell(
            Some(Way::Stderr),
            "the log goes to stderr, which is /dev/null here: log = syslog or a file would keep it",
        );
    }
}

/// Brings what ends irsync before its log is started into that log, in at most `limit`. It was said on stderr already: where nobody
/// hears that, and the log does not take it, it is told by another way.
pub(crate) fn tell_unstarted(global: &Global, lines: &[&str], limit: Duration) {
    if !write_unstarted(global, lines, limit) && log_resort::nobody_hears_stderr() {
        let failed = if global.log == LogTarget::Syslog { Way::Syslog } else { Way::Stderr };
        lines.iter().for_each(|line| log_resort::tell(Some(failed), line));
    }
}

fn write_unstarted(global: &Global, lines: &[&str], limit: Duration) -> bool {
    let Some(mut sink) = Sink::new(global).ok().filter(|_| global.log != LogTarget::Stderr) else { return false };
    let mut records = Vec::new();
    for line in lines {
        records.extend(utc::rfc3339(utc::seconds(SystemTime::now())));
        records.extend(b" [ERROR] ");
        text::escape_into(&mut records, line.as_bytes(), LINE_LIMIT);
        records.push(b'\n');
    }
    // A thread, because a FIFO that nobody reads and a dead disk make it wait for ever.
    let writer = std::thread::Builder::new().spawn(move || sink.write(&records).is_ok());
    let (Ok(writer), started) = (writer, Instant::now()) else { return false };
    while !writer.is_finished() && started.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.is_finished() && writer.join().unwrap_or(false)
}

/// Waits until everything is written, at most `limit`; false if something is left.
pub(crate) fn flush(limit: Duration) -> bool {
    LOG.get().map_or(true, |shared| shared.flush(limit))
}

/// Keeps these lines below the log on a terminal; none takes them away. They must fit its width.
pub(crate) fn show_below(lines: &[String]) {
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
pub(crate) struct ChildLog {
    shared: Option<Arc<Shared>>,
    level: Level,
    /// ` job: child: `
    prefix: Vec<u8>,
    lines: Vec<u8>,
    /// What the children of the job have said before, where that bounds what this one may say.
    memory: Option<Arc<Mutex<Memory>>>,
    said: Said,
    left_out: u64,
}

impl ChildLog {
    /// Lines of a child of `job` are logged at `level`; `child` is `rsync` or the hook's key.
    pub(crate) fn new(level: Level, job: &str, child: &str) -> ChildLog {
        ChildLog::into(LOG.get().cloned(), level, job, child)
    }

    fn into(shared: Option<Arc<Shared>>, level: Level, job: &str, child: &str) -> ChildLog {
        let mut prefix = b" ".to_vec();
        text::escape_into(&mut prefix, job.as_bytes(), LINE_LIMIT);
        prefix.extend_from_slice(b": ");
        prefix.extend_from_slice(child.as_bytes());
        prefix.extend_from_slice(b": ");
        ChildLog { shared, level, prefix, lines: Vec::new(), memory: None, said: Said::default(), left_out: 0 }
    }

    /// From now on what is logged is bounded, in view of what the job's children have said before.
    pub(crate) fn bound_by(&mut self, memory: &Arc<Mutex<Memory>>) {
        self.memory = Some(Arc::clone(memory));
    }

    /// Adds a line to the batch; nothing is done if its level is not logged.
    pub(crate) fn line(&mut self, record: &Record) {
        if self.level > log::max_level() || self.shared.is_none() {
            return;
        }
        let level = match &self.memory {
            None => self.level,
            Some(memory) => match lock(memory).judge(record.bytes, &mut self.said, clock::now()) {
                Verdict::Log => self.level,
                Verdict::Repeats => self.level.max(Level::Debug),
                Verdict::TooMuch => {
                    self.left_out += 1;
                    Level::Trace
                }
            },
        };
        if level <= log::max_level() {
            let _ = write!(self.lines, "[{level}]");
            self.lines.extend_from_slice(&self.prefix);
            text::escape_record(&mut self.lines, record, LINE_LIMIT);
            self.lines.push(b'\n');
        }
    }

    /// The child says no more: logs how much was left out.
    pub(crate) fn end(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        let Some(memory) = self.memory.as_ref().filter(|_| left_out > 0) else { return };
        let told = format!("{left_out} more lines of it are not logged");
        // As a rule the child says as much the next time.
        let news = lock(memory).is_news([&self.prefix, told.as_bytes()].concat().as_slice(), clock::now());
        let level = if news { self.level } else { Level::Debug };
        if level <= log::max_level() {
            let _ = write!(self.lines, "[{level}]");
            self.lines.extend_from_slice(&self.prefix);
            let _ = writeln!(self.lines, "{told}");
            self.commit();
        }
    }

    /// Logs the batch: call it after each read.
    pub(crate) fn commit(&mut self) {
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
    /// The last write took longer than `PATIENCE`.
    slow: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    patience: Duration,
    /// Something to write, or a new sink.
    filled: Condvar,
    /// The writer has finished a batch.
    written: Condvar,
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs what irsync says of a job, at `debug` if it was logged within the hour.
pub(crate) fn say(memory: &Mutex<Memory>, level: Level, text: &str) {
    let news = lock(memory).is_news(text.as_bytes(), clock::now());
    log::log!(if news { level } else { level.max(Level::Debug) }, "{text}");
}

/// Lets everything be news again.
pub(crate) fn forget(memory: &Mutex<Memory>) {
    lock(memory).forget();
}

fn now() -> u64 {
    utc::seconds(SystemTime::now())
}

impl Shared {
    fn new(patience: Duration) -> Shared {
        Shared { state: Mutex::default(), patience, filled: Condvar::new(), written: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, lines: &[u8]) {
        let mut state = self.lock();
        let mut rest = state.queue.append(now(), lines);
        while !rest.is_empty() && !state.slow {
            // Not unlocked before the wait, or the end of a write might be missed.
            state.writer_waits = false;
            self.filled.notify_one();
            let timeout;
            (state, timeout) = self.written.wait_timeout(state, self.patience).unwrap_or_else(PoisonError::into_inner);
            state.slow |= timeout.timed_out();
            rest = state.queue.append(now(), rest);
        }
        state.queue.append_or_lose(now(), rest);
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
        let mut writer = Writer::new(sink);
        let (mut batch, mut below) = (Vec::new(), Vec::new());
        loop {
            self.next_batch(&mut writer, &mut batch, &mut below);
            let began = Instant::now();
            writer.hide();
            if !batch.is_empty() {
                writer.write(&batch);
            }
            writer.show(&below);
            batch.clear();
            let mut state = self.lock();
            state.slow = began.elapsed() > self.patience;
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
                writer.change(sink);
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
#[path = "logging_tests.rs"]
mod tests;
