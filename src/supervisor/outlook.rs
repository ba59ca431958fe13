//! What the field sees of a running irsync: status file, metrics, progress bars, systemd's status line. All of it is made
//! from the board, when that has changed and at most once a second; files are written by [`Scribe`]'s thread.

use super::heart::Heart;
use crate::config::{Global, LogTarget};
use crate::job::Time;
use crate::os::terminal;
use crate::report::board::{JobStatus, News, Stamp};
use crate::report::scribe::Scribe;
use crate::report::status::{self, Daemon};
use crate::report::{logging, metrics, table};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at the board.
const PERIOD: Duration = Duration::from_secs(1);
/// Between two metrics files: as often as node_exporter is usually asked, and kinder to a card than every second.
const METRICS_PERIOD: Duration = Duration::from_secs(15);
/// How often to look whether the status file can be ours by now.
const OWN_PERIOD: Duration = Duration::from_secs(10);
/// How long a busy card may hold up the end of irsync.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Shows the board to the outside.
#[derive(Debug)]
pub struct Outlook {
    scribe: Option<Scribe>,
    status_file: PathBuf,
    /// The status file is ours to write.
    owner: bool,
    own_next: Time,
    metrics_file: Option<PathBuf>,
    watchdog_device: Option<PathBuf>,
    /// Somebody sits at the terminal that the log goes to.
    attended: bool,
    started: Time,
    stopping: bool,
    /// Whether the watchdog was fed when we last looked.
    fed: Option<bool>,
    /// The board is looked at no earlier.
    next: Time,
    metrics_next: Time,
    metrics_due: bool,
    /// What systemd was told.
    summary: String,
    /// Jobs that have ended since irsync was told to stop.
    ended: Vec<JobStatus>,
}

impl Outlook {
    /// `owns_status`: no other irsync writes the status file.
    pub fn new(global: &Global, owns_status: bool, now: Time) -> Outlook {
        let mut outlook = Outlook {
            scribe: None,
            status_file: global.status_file.clone(),
            owner: owns_status,
            own_next: now + OWN_PERIOD,
            metrics_file: None,
            watchdog_device: global.watchdog_device.clone(),
            attended: false,
            started: now,
            stopping: false,
            fed: None,
            next: now,
            metrics_next: now,
            metrics_due: false,
            summary: String::new(),
            ended: Vec::new(),
        };
        outlook.configure(global);
        outlook
    }

    /// Takes over the keys that may change while irsync runs.
    pub fn configure(&mut self, global: &Global) {
        self.attended = global.log == LogTarget::Stderr && terminal::is_attended();
        // As with the status file: of two irsyncs only one may write it.
        self.metrics_file = global.metrics_file.clone().filter(|_| self.owner);
        self.metrics_due = true;
        if self.scribe.is_none() && self.owner {
            self.scribe = match Scribe::start() {
                Ok(scribe) => Some(scribe),
                Err(error) => {
                    log::warn!("cannot start a thread for the status file: {error}; there is none");
                    None
                }
            };
        }
    }

    /// Whether to try once more to become the owner of the status file: its file system may be writable by now, or the
    /// irsync that had it gone.
    pub fn wants_to_own(&mut self, now: Time) -> bool {
        let wants = !self.owner && now >= self.own_next;
        if wants {
            self.own_next = now + OWN_PERIOD;
        }
        wants
    }

    /// The status file is ours from now on.
    pub fn own(&mut self, global: &Global) {
        log::info!("{} is written from now on", self.status_file.display());
        self.owner = true;
        self.configure(global);
    }

    /// irsync was told to stop.
    pub fn stopping(&mut self) {
        self.stopping = true;
    }

    /// A job has ended and is on the board no more.
    pub fn bury(&mut self, job: JobStatus) {
        if self.stopping {
            self.ended.push(job);
        }
    }

    /// When [`Outlook::look`] has something to do.
    pub fn deadline(&self, news: &News) -> Option<Time> {
        match news.unread() {
            true => Some(self.next),
            false => (self.metrics_due && self.metrics_file.is_some()).then_some(self.metrics_next),
        }
    }

    /// Shows what has changed. `read` copies the board.
    pub fn look(&mut self, now: Time, news: &News, heart: &Heart, read: impl FnOnce() -> Vec<JobStatus>) {
        let fed = heart.device().map(|(_, fed)| fed);
        let changed = now >= self.next && (news.unread() || fed != self.fed);
        let metrics = now >= self.metrics_next && (changed || self.metrics_due) && self.metrics_file.is_some();
        if !changed && !metrics {
            return;
        }
        self.fed = fed;
        self.next = now + PERIOD;
        // Before the board is read, so that nothing is missed.
        news.take();
        let mut jobs = read();
        jobs.extend_from_slice(&self.ended);
        self.write(&jobs, heart, metrics, now);
        self.metrics_due = !metrics;
        if metrics {
            self.metrics_next = now + METRICS_PERIOD;
        }
        let summary = table::summary(&jobs, now);
        if summary != self.summary {
            heart.status(&summary);
            self.summary = summary;
        }
        if self.attended {
            let (columns, rows) = terminal::size(std::io::stderr().as_fd());
            let mut bars = table::bars(&jobs, columns - 1);
            // More could not be taken away again.
            bars.truncate(rows / 2);
            logging::show_below(&bars);
        }
    }

    fn write(&self, jobs: &[JobStatus], heart: &Heart, metrics: bool, now: Time) {
        let Some(scribe) = &self.scribe else { return };
        let now = Stamp { mono: now, ..Stamp::now() };
        let daemon = self.daemon(heart);
        scribe.replace(&self.status_file, status::render(&daemon, jobs, now));
        if let (Some(path), true) = (&self.metrics_file, metrics) {
            scribe.replace(path, metrics::render(&daemon, jobs, now, true));
        }
    }

    fn daemon<'a>(&'a self, heart: &'a Heart) -> Daemon<'a> {
        Daemon {
            pid: std::process::id(),
            started: self.started,
            stopping: self.stopping,
            watchdog: self.watchdog_device.as_deref().map(|path: &Path| (path, heart.device())),
            boot_cause: heart.boot_cause(),
        }
    }

    /// The end: no status file is left, and metrics that say so.
    pub fn end(self, heart: &Heart, mut jobs: Vec<JobStatus>) {
        logging::show_below(&[]);
        let Some(scribe) = &self.scribe else { return };
        scribe.remove(&self.status_file);
        if let Some(path) = &self.metrics_file {
            jobs.extend_from_slice(&self.ended);
            scribe.replace(path, metrics::render(&self.daemon(heart), &jobs, Stamp::now(), false));
        }
        scribe.finish(LAST_WORDS);
    }
}
