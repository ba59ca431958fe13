//! `irsync rollback`: the owner wants to see the set before again, and no other one until he says so.

use super::*;

impl Job {
    /// Whether a rollback can be asked for now. While a new set is being shown nobody knows which one the owner has seen.
    pub fn may_roll_back(&self) -> bool {
        let shows = matches!(self.child(), Some((Step::Publish, _))) || self.phase == Phase::Starting(Step::Publish);
        self.settings.atomic && !shows && !self.stopping && self.phase != Phase::Finished
    }

    /// A rollback of an irsync before this one keeps syncs away. `irsync once` waits for nobody: its sync is refused.
    pub fn take_out_of_turn(&mut self) {
        self.paused = self.settings.repeat;
    }

    /// Rollback or resume: at once where nothing runs, and else when what runs has ended. A sync is ended for a rollback; what
    /// it has fetched stays for the next one.
    pub(super) fn want(&mut self, step: Step, now: Time) -> Action {
        match self.phase {
            Phase::Waiting => self.start(step),
            Phase::Finished => Action::Wait,
            Phase::Running { step: Step::Rsync, .. } if step == Step::Rollback => {
                self.wanted = Some(step);
                self.terminate(Step::Rsync, Cause::Rollback, now)
            }
            _ => {
                self.wanted = Some(step);
                Action::Wait
            }
        }
    }

    pub(super) fn wants_rollback(&self) -> bool {
        self.wanted == Some(Step::Rollback)
    }

    /// Whether what would follow this step is left out, because the set before is to be shown instead.
    pub(super) fn gives_way(&self, step: Step) -> bool {
        let leads_on = match step {
            Step::Probe | Step::Before | Step::BeforePublish => true,
            Step::Flush => self.staged,
            _ => false,
        };
        leads_on && self.wants_rollback()
    }

    /// The set before is shown, or nothing keeps syncs away any more; or, if not `ok`, all is as it was.
    pub(super) fn rolled(&mut self, step: Step, ok: bool, now: Time) -> Action {
        if ok {
            self.paused = step == Step::Rollback;
        }
        // Who reads the set has to know that it is another one.
        let on_change = ok && self.paused && self.settings.on_change && self.owed.is_due(true, now);
        self.todo = Todo { on_change, ..Todo::default() };
        self.phase = Phase::Concluding;
        self.next_hook(now)
    }
}
