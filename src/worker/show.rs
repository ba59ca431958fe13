//! What a worker shows on the board and tells in the log.

use super::tell;
use super::worker::Worker;
use crate::job::machine::Conclusion;
use crate::job::{Outcome, Step};
use crate::os::clock;
use crate::report::board::{LastRun, Stamp, State};
use crate::report::human::Span;
use std::time::Duration;

/// A flood of output is shown on the board this often.
const BOARD_PERIOD: Duration = Duration::from_secs(1);

impl Worker {
    /// With a long interval the first sync may be many minutes away: say so rather than look dead.
    pub(super) fn tell_first_wait(&self) {
        if let Some(next) = self.machine.next_sync() {
            let wait = next.since(clock::now());
            if wait >= BOARD_PERIOD {
                log::info!("{}: first sync in {}", self.config.name, Span(wait));
            }
        }
    }

    pub(super) fn conclude(&mut self, conclusion: Conclusion) {
        self.turn = None;
        let ended = std::mem::take(&mut self.ended);
        self.told.outcome = Some(conclusion.outcome);
        self.told.failures = conclusion.failures;
        self.told.changed = conclusion.changed;
        self.ladder.finished(conclusion.outcome, clock::now());
        tell::finished(&self.config.name, &ended, &conclusion);
        let stamp = Stamp::now();
        self.slot.update(|s| {
            s.runs += 1;
            s.failures = conclusion.failures;
            let index = Outcome::ALL.iter().position(|o| *o == conclusion.outcome);
            s.outcomes[index.unwrap_or(0)] += 1;
            s.stalls += u64::from(conclusion.outcome == Outcome::Stalled);
            s.files_total += ended.files.unwrap_or(0);
            s.bytes_total += ended.bytes.unwrap_or(0);
            if conclusion.outcome.is_success() {
                s.last_success = Some(stamp);
            }
            s.last = Some(LastRun {
                ended: stamp,
                outcome: conclusion.outcome,
                code: ended.code,
                reason: ended.reason,
                duration: ended.duration,
                files: ended.files,
                bytes: ended.bytes,
            });
        });
    }

    pub(super) fn show_running(&self, step: Step, pid: i32) {
        // Not in the middle of a transfer that may be a success: the question is asked between syncs.
        self.pulse.ask_for_reboot_at(None);
        let since = Some(Stamp::now());
        self.slot.update(|s| {
            s.state = if step == Step::Rsync { State::Syncing } else { State::Hook };
            s.step = (step != Step::Rsync).then_some(step.name());
            s.since = since;
            s.next_run = None;
            s.pid = Some(pid);
            s.progress = None;
            s.current_file = None;
        });
    }

    pub(super) fn show_waiting(&self) {
        self.pulse.ask_for_reboot_at(self.ladder.reboot_at());
        let next = self.machine.next_sync();
        let status = self.slot.read();
        if status.state == State::Waiting && status.next_run.map(|stamp| stamp.mono) == next {
            return;
        }
        let (next, now) = (next.map(Stamp::at), Stamp::now());
        self.slot.update(|s| {
            s.since = if s.state == State::Waiting { s.since.or(Some(now)) } else { Some(now) };
            s.state = State::Waiting;
            s.step = None;
            s.next_run = next;
            s.pid = None;
            s.progress = None;
            s.current_file = None;
        });
    }

    pub(super) fn show_progress(&mut self) {
        let Some(running) = &self.running else { return };
        let now = clock::now();
        if running.step != Step::Rsync || now.since(self.shown) < BOARD_PERIOD {
            return;
        }
        self.shown = now;
        let (progress, line) = (running.said.progress.clone(), &running.said.last_line);
        let file = (!line.is_empty()).then(|| tell::escaped(line));
        self.slot.update(|s| {
            s.progress = progress.or(s.progress.take());
            s.current_file = file.or(s.current_file.take());
        });
    }

    pub(super) fn show_version(&self) {
        let version = self.shared.version(&self.config.rsync).flatten().map(|v| v.text().to_owned());
        self.slot.update(|s| s.rsync_version = version);
    }
}
