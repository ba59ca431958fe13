//! What a worker shows of its job on the board, where the main thread reads it.

use super::log_lines;
use super::said::Said;
use super::sync_report::SyncReport;
use crate::job::Conclusion;
use crate::job::{Outcome, Step, Time};
use crate::report::board::{LastRun, Stamp, State};
use crate::report::slot::Slot;
use std::sync::Arc;
use std::time::Duration;

/// However much a child writes, the board shows it at most this often.
const PERIOD: Duration = Duration::from_secs(1);

/// A job's place on the board.
#[derive(Debug)]
pub(super) struct Show {
    slot: Arc<Slot>,
    /// When progress was shown last.
    shown: Time,
    /// The version of rsync that is shown.
    version: Option<String>,
}

impl Show {
    /// Nothing is shown yet.
    pub(super) fn new(slot: Arc<Slot>, now: Time) -> Show {
        Show { slot, shown: now, version: None }
    }

    /// The job waits for its next sync, or for its owner.
    pub(super) fn waiting(&self, next: Option<Time>, paused: bool) {
        let state = if paused { State::Paused } else { State::Waiting };
        let status = self.slot.read();
        if status.state == state && status.next_run.map(|stamp| stamp.mono) == next {
            return;
        }
        let (next, now) = (next.map(Stamp::at), Stamp::now());
        self.slot.update(|s| {
            s.since = if s.state == state { s.since.or(Some(now)) } else { Some(now) };
            s.state = state;
            s.step = None;
            s.next_run = next;
            s.pid = None;
            s.progress = None;
            s.current_file = None;
        });
    }

    /// A child runs.
    pub(super) fn running(&self, step: Step, pid: i32) {
        let since = Some(Stamp::now());
        self.slot.update(|s| {
            // While it is flushed and tidied up, the sync is not over.
            let syncs = matches!(step, Step::Rsync | Step::Flush | Step::Publish | Step::Tidy | Step::Rollback);
            s.state = if syncs { State::Syncing } else { State::Hook };
            s.step = (step != Step::Rsync).then_some(step.name());
            s.since = since;
            s.next_run = None;
            s.pid = Some(pid);
            s.progress = None;
            s.current_file = None;
        });
    }

    /// How far rsync has come.
    pub(super) fn progress(&mut self, said: &Said, now: Time) {
        if now.since(self.shown) < PERIOD {
            return;
        }
        self.shown = now;
        let (progress, line) = (said.progress.clone(), &said.last_line);
        let file = (!line.is_empty()).then(|| log_lines::escaped(line));
        self.slot.update(|s| {
            s.progress = progress.or(s.progress.take());
            s.current_file = file.or(s.current_file.take());
        });
    }

    /// The child got SIGTERM.
    pub(super) fn stopping(&self) {
        self.slot.update(|s| s.state = State::Stopping);
    }

    /// The child got SIGKILL.
    pub(super) fn killed(&self) {
        self.slot.update(|s| s.kills += 1);
    }

    /// The child does not die of SIGKILL.
    pub(super) fn unkillable(&self) {
        self.slot.update(|s| s.state = State::Unkillable);
    }

    /// A sync is over.
    pub(super) fn concluded(&self, report: SyncReport, conclusion: &Conclusion) {
        let stamp = Stamp::now();
        let (files, bytes, repaired) = (report.files.unwrap_or(0), report.bytes.unwrap_or(0), report.repaired);
        let run = LastRun {
            ended: stamp,
            outcome: conclusion.outcome,
            code: report.code,
            kind: report.kind,
            why: log_lines::why(&report, conclusion),
            reason: report.reason,
            duration: report.duration,
            files: report.files,
            bytes: report.bytes,
            fetched: report.fetched,
            resumed: report.resumed,
        };
        self.slot.keep(&run, conclusion.changed || !conclusion.outcome.is_success());
        self.slot.update(|s| {
            s.runs += 1;
            s.failures = conclusion.failures;
            s.held = conclusion.held.map_or(0, |held| held.count);
            let index = Outcome::ALL.iter().position(|o| *o == conclusion.outcome);
            s.outcomes[index.unwrap_or(0)] += 1;
            s.stalls += u64::from(conclusion.outcome == Outcome::Stalled);
            s.files_total = s.files_total.saturating_add(files);
            s.bytes_total = s.bytes_total.saturating_add(bytes);
            s.repaired_total = s.repaired_total.saturating_add(repaired);
            if conclusion.outcome.is_success() {
                s.last_success = Some(stamp);
            }
            s.last = Some(run);
        });
    }

    /// The set before is shown: of the history, because it is another set from now on.
    pub(super) fn rolled_back(&self) {
        let run = LastRun {
            ended: Stamp::now(),
            outcome: Outcome::Skipped,
            code: None,
            reason: Step::Rollback.name().to_owned(),
            kind: None,
            why: Some("the set before is shown again".to_owned()),
            duration: Duration::ZERO,
            files: None,
            bytes: None,
            fetched: None,
            resumed: None,
        };
        self.slot.keep(&run, true);
    }

    /// Whether the owner has rolled the set back.
    pub(super) fn rollback(&self, rolled_back: bool) {
        self.slot.update(|s| s.rolled_back = rolled_back);
    }

    /// Which rsync it is. Each sync says so, and nearly always it is the one that is shown.
    pub(super) fn version(&mut self, version: Option<&str>) {
        if self.version.as_deref() != version {
            self.version = version.map(str::to_owned);
            self.slot.update(|s| s.rsync_version.clone_from(&self.version));
        }
    }

    /// `stale_after` has changed.
    pub(super) fn stale_after(&self, stale_after: Option<Duration>) {
        self.slot.update(|s| s.stale_after = stale_after);
    }

    /// The job is over. `left_behind` is a process that could not be killed.
    pub(super) fn stopped(&self, left_behind: Option<i32>) {
        self.slot.update(|s| {
            s.state = State::Stopped;
            s.next_run = None;
            s.pid = left_behind;
        });
    }
}
