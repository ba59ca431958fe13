//! What the field sees of a running irsync: status file, metrics, progress bars, systemd's status line. All of it is made
//! from the board, when that has changed and at most once a second; files are written by [`Scribe`]'s thread. A job's
//! health also changes when nothing happens: for that moment the main thread is woken once, and metrics and systemd's line
//! are made anew. The status file is not: who reads it judges the jobs himself.

use super::heart::Heart;
use crate::config::{Global, LogTarget};
use crate::job::Time;
use crate::os::{state, terminal};
use crate::report::board::{JobStatus, Stamp};
use crate::report::scribe::Scribe;
use crate::report::slot::News;
use crate::report::snapshot::{Daemon, Snapshot, Watchdog};
use crate::report::{bars, history, logging, metrics, status, table};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at the board.
const PERIOD: Duration = Duration::from_secs(1);
/// Between two metrics files: as often as node_exporter is usually asked, and kinder to a card than every second.
const METRICS_PERIOD: Duration = Duration::from_secs(15);
/// Syncs that changed nothing wait to appear in the history's file, a second for each so many bytes that it has: as soon as in the
/// status file where it is short, and on a device of many jobs it is not written for each of them.
const HISTORY_PACE: usize = 4096;
/// They wait so long at most.
const HISTORY_PERIOD: Duration = Duration::from_secs(60);
/// How often to look whether the status file can be ours by now.
const OWN_PERIOD: Duration = Duration::from_secs(10);
/// How long a busy card may hold up the end of irsync.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Shows the board to the outside.
#[derive(Debug)]
pub(super) struct Outlook {
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
    boot_id: Option<String>,
    stopping: bool,
    /// Whether the watchdog was fed when we last looked.
    fed: Option<bool>,
    /// The board is looked at no earlier.
    next: Time,
    metrics_next: Time,
    metrics_due: bool,
    history_file: PathBuf,
    history_next: Time,
    /// When the health of a job will change if nothing happens.
    health_changes: Option<Time>,
    /// What systemd was told.
    summary: String,
    /// Jobs that have ended since irsync was told to stop.
    ended: Vec<JobStatus>,
}

impl Outlook {
    /// `owns_status`: no other irsync writes the status file.
    pub(super) fn new(global: &Global, owns_status: bool, now: Time) -> Outlook {
        let mut outlook = Outlook {
            scribe: None,
            status_file: global.status_file.clone(),
            owner: owns_status,
            own_next: now + OWN_PERIOD,
            metrics_file: None,
            watchdog_device: global.watchdog_device.clone(),
            attended: false,
            started: now,
            boot_id: Some(state::boot_id()).filter(|id| !id.is_empty()),
            stopping: false,
            fed: None,
            next: now,
            metrics_next: now,
            metrics_due: false,
            history_file: history::path(&global.status_file),
            history_next: now,
            health_changes: None,
            summary: String::new(),
            ended: Vec::new(),
        };
        outlook.configure(global);
        outlook
    }

    /// Takes over the keys that may change while irsync runs.
    pub(super) fn configure(&mut self, global: &Global) {
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
    pub(super) fn wants_to_own(&mut self, now: Time) -> bool {
        let wants = !self.owner && now >= self.own_next;
        if wants {
            self.own_next = now + OWN_PERIOD;
        }
        wants
    }

    /// Whether to look if lock and socket are in place still: now and then, while something happens. Where they are only hidden,
    /// by what was mounted over them, nobody tells.
    pub(super) fn doubts(&mut self, now: Time) -> bool {
        let doubts = self.owner && now >= self.own_next;
        if doubts {
            self.own_next = now + OWN_PERIOD;
        }
        doubts
    }

    /// The status file is not ours any more; at once it is tried to make it so again.
    pub(super) fn lose(&mut self, now: Time) {
        (self.owner, self.own_next) = (false, now);
    }

    /// The status file is ours from now on.
    pub(super) fn own(&mut self, global: &Global) {
        log::info!("{} is written from now on", self.status_file.display());
        self.owner = true;
        self.configure(global);
    }

    /// irsync was told to stop.
    pub(super) fn stopping(&mut self) {
        self.stopping = true;
    }

    /// A job has ended and is on the board no more.
    pub(super) fn bury(&mut self, job: JobStatus) {
        if self.stopping {
            self.ended.push(job);
        }
    }

    /// When [`Outlook::look`] has something to do.
    pub(super) fn deadline(&self, news: &News) -> Option<Time> {
        let news = news.unread().then_some(self.next);
        let metrics = (self.metrics_due && self.metrics_file.is_some()).then_some(self.metrics_next);
        // What is written for the news includes these metrics, a second later at most.
        news.or(metrics).into_iter().chain(self.health_changes).min()
    }

    /// Shows what has changed. `read` copies the board.
    pub(super) fn look(&mut self, now: Time, news: &News, heart: &Heart, read: impl FnOnce() -> Vec<JobStatus>) {
        let fed = heart.device().map(|(_, fed)| fed);
        let changed = now >= self.next && (news.unread() || fed != self.fed);
        let aged = self.health_changes.is_some_and(|at| now >= at);
        self.metrics_due |= changed || aged;
        let metrics = now >= self.metrics_next && self.metrics_due && self.metrics_file.is_some();
        if !changed && !metrics && !aged {
            return;
        }
        if changed {
            self.fed = fed;
            self.next = now + PERIOD;
            // Before the board is read, so that nothing is missed.
            news.take();
        }
        let mut jobs = read();
        jobs.extend_from_slice(&self.ended);
        let snapshot = Snapshot::new(self.daemon(heart, now), jobs, Stamp { mono: now, ..Stamp::now() });
        self.health_changes = snapshot.changes;
        if let Some(scribe) = self.scribe.as_ref().filter(|_| self.owner) {
            if changed {
                scribe.replace(&self.status_file, status::render(&snapshot));
                if let Some(text) = news.history.to_write(now >= self.history_next, &snapshot) {
                    self.history_next = now + history_pause(text.len());
                    scribe.replace(&self.history_file, text);
                }
            }
            if let (Some(path), true) = (&self.metrics_file, metrics) {
                scribe.replace(path, metrics::render(&snapshot, true));
            }
        }
        if metrics {
            self.metrics_due = false;
            self.metrics_next = now + METRICS_PERIOD;
        }
        let summary = table::summary(&snapshot);
        if summary != self.summary {
            heart.status(&summary);
            self.summary = summary;
        }
        if self.attended {
            let (columns, rows) = terminal::size(std::io::stderr().as_fd());
            let mut bars = bars::bars(&snapshot, columns - 1);
            // More could not be taken away again.
            bars.truncate(rows / 2);
            logging::show_below(&bars);
        }
    }

    fn daemon(&self, heart: &Heart, now: Time) -> Daemon {
        Daemon {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            stopping: self.stopping,
            started: self.started,
            written: now,
            watchdog: self.watchdog_device.as_deref().map(|path| Watchdog::new(path, heart.device())),
            boot_cause: heart.boot_cause().map(str::to_owned),
            boot_id: self.boot_id.clone(),
        }
    }

    /// The end: no status file is left, and metrics that say so.
    pub(super) fn end(self, heart: &Heart, mut jobs: Vec<JobStatus>) {
        logging::show_below(&[]);
        let Some(scribe) = self.scribe.as_ref().filter(|_| self.owner) else { return };
        scribe.remove(&self.status_file);
        scribe.remove(&self.history_file);
        if let Some(path) = &self.metrics_file {
            jobs.extend_from_slice(&self.ended);
            let now = Stamp::now();
            let snapshot = Snapshot::new(self.daemon(heart, now.mono), jobs, now);
            scribe.replace(path, metrics::render(&snapshot, false));
        }
        scribe.finish(LAST_WORDS);
    }
}

/// How long syncs that changed nothing wait after a history of so many bytes was written.
fn history_pause(bytes: usize) -> Duration {
    (PERIOD * u32::try_from(bytes / HISTORY_PACE).unwrap_or(u32::MAX)).min(HISTORY_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_history_is_written_at_once_and_the_longest_once_a_minute() {
        let pauses =
            [0, 4095, 4096, 50_000, 245_760, 10_000_000, usize::MAX].map(|bytes| history_pause(bytes).as_secs());
        assert_eq!(pauses, [0, 0, 1, 12, 60, 60, 60]);
    }
}
