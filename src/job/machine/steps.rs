//! The way of a sync from one child to the next.

use super::*;

impl Job {
    pub(super) fn begin(&mut self, now: Time) -> Action {
        self.phase = Phase::Beginning;
        self.sources.begin(now);
        self.again = false;
        self.before_ran = false;
        self.rsync_began = None;
        self.brought = false;
        self.spared = true;
        self.begin_passes();
        Action::Begin
    }

    pub(super) fn begin_passes(&mut self) {
        let rules = Rules { allowed: self.allowed, ..self.settings.deletions.unwrap_or_default() };
        self.deletions.begin_next(rules, self.settings.deletions.is_some());
    }

    pub(super) fn first_step(&mut self) -> Action {
        if self.settings.before {
            self.start(Step::Before)
        } else {
            self.start(Step::Rsync)
        }
    }

    pub(super) fn started(&mut self, step: Step, now: Time) -> Action {
        self.spared &= step != Step::Rsync;
        self.phase = Phase::Running { step, since: now, activity: now, sampled: now };
        if step == Step::Rsync {
            self.rsync_began.get_or_insert(now);
            self.ladder.started(now);
            self.let_go = false;
        }
        if self.stopping {
            self.terminate(step, Cause::Stop, now)
        } else if step == Step::Rsync && self.wants_rollback() {
            self.terminate(step, Cause::Rollback, now)
        } else {
            Action::Wait
        }
    }

    /// A child other than rsync has ended, or could not be started.
    pub(super) fn after_step(&mut self, step: Step, ok: bool, now: Time) -> Action {
        if self.stopping {
            return self.finish();
        }
        if self.gives_way(step) {
            return self.interrupt(Cause::Rollback, now);
        }
        match step {
            Step::Probe => self.first_step(),
            Step::Before if ok => {
                self.before_ran = true;
                self.start(Step::Rsync)
            }
            Step::Before => self.conclude(Outcome::Skipped, None, false, now),
            Step::Recover => self.rest(),
            Step::Rollback | Step::Resume => self.rolled(step, ok, now),
            Step::Flush if ok => {
                self.unflushed = false;
                self.show_set(now)
            }
            Step::BeforePublish if ok => self.start(Step::Publish),
            Step::Publish if ok => self.conclude(self.flushing, None, true, now),
            // Publishing fails where the server has lost files since it was looked at.
            Step::BeforePublish | Step::Publish => self.conclude(Outcome::Skipped, None, true, now),
            Step::Flush => self.conclude(Outcome::Disk, None, true, now),
            Step::Tidy => match self.tidying {
                (_, Some(cause)) if cause.is_no_failure() => self.interrupt(cause, now),
                (outcome, cause) => self.conclude(outcome, cause, true, now),
            },
            Step::Rsync | Step::OnChange | Step::OnFailure | Step::After => {
                if step == Step::OnChange {
                    self.owed.ended(ok, &self.settings.limits);
                }
                self.phase = Phase::Concluding;
                self.next_hook(now)
            }
        }
    }

    /// A list that takes long is silent, so the limit grows until the list is through. Where file data moved, the list was
    /// through, and the silence that followed is the link's: a longer limit would only make each such silence longer.
    pub(super) fn count_stall(&mut self, cause: Option<Cause>, moved: bool) {
        if moved {
            self.stalls = 0;
        } else if let Some(Cause::NoProgress(_)) = cause {
            self.stalls = self.stalls.saturating_add(1);
        }
    }
}
