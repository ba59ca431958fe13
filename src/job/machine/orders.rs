//! What is ordered from outside: stop, sync at once, new limits, and the hours that the owner allows.

use super::*;

impl Job {
    pub(super) fn stop(&mut self, now: Time) -> Action {
        let again = std::mem::replace(&mut self.stopping, true);
        match self.phase {
            Phase::Waiting => self.finish(),
            Phase::Running { step, .. } => self.terminate(step, Cause::Stop, now),
            Phase::Terminating { step, cause, .. } if again => self.kill(step, cause, now),
            Phase::Terminating { step, cause, kill_at } => {
                let kill_at = kill_at.min(now + self.settings.limits.stop_timeout);
                self.phase = Phase::Terminating { step, cause, kill_at };
                Action::Wait
            }
            // It was reported before and still hangs: nothing more can be done for it.
            Phase::Killed { report_at: None, .. } => self.finish(),
            _ => Action::Wait,
        }
    }

    pub(super) fn sync_now(&mut self, now: Time) -> Action {
        self.owed.hurry();
        match self.phase {
            Phase::Waiting => {
                self.by_owner = true;
                self.begin(now)
            }
            Phase::Finished => Action::Wait,
            // What runs may have looked at the files already: one more sync follows.
            _ => {
                self.again = true;
                Action::Wait
            }
        }
    }

    /// The wait is over; whether a sync may start is for the next tick to say.
    pub(super) fn mended(&mut self, now: Time) -> Action {
        if self.phase == Phase::Waiting {
            self.next = self.next.min(now);
        }
        Action::Wait
    }

    /// It is another set from now on: how large the one before was says nothing of it.
    pub fn forget_set(&mut self) {
        self.deletions.forget();
    }

    pub(super) fn reconfigure(&mut self, settings: Settings, now: Time) -> Action {
        if settings.sources != self.settings.sources {
            self.sources = Sources::new(settings.sources);
        }
        self.settings = settings;
        self.failures = 0;
        self.backoff_step = 0;
        self.stalls = 0;
        self.ladder = ladder(&self.settings, now);
        self.let_go = false;
        if matches!(self.child(), Some((Step::Rsync, _))) {
            self.ladder.started(now);
        }
        if self.phase == Phase::Waiting {
            self.next = now;
        } else {
            self.fresh = true;
        }
        Action::Wait
    }

    /// The window is closed; when it opens. `irsync once` runs at any time.
    pub(super) fn opens(&self) -> Option<Time> {
        self.gate.filter(|gate| !gate.open && self.settings.repeat).map(|gate| gate.opens)
    }

    pub(super) fn clock(&mut self, gate: Option<Gate>, slower: bool, now: Time) -> Action {
        let was_closed = self.opens().is_some();
        self.gate = gate;
        if was_closed && self.opens().is_none() {
            // The hours in which nothing was tried say nothing of the board.
            self.ladder.reopened(now);
        }
        match self.phase {
            Phase::Running { step: Step::Rsync, .. } if self.opens().is_some() && !self.by_owner => {
                self.terminate(Step::Rsync, Cause::Window, now)
            }
            Phase::Running { step: Step::Rsync, .. } if slower => self.terminate(Step::Rsync, Cause::Slower, now),
            _ => Action::Wait,
        }
    }
}
