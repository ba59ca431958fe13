//! The end of a sync: its outcome, the wait until the next one, and the hooks that follow.

use super::{Job, Phase, Todo};
use crate::job::backoff::{self, ceiling, fraction};
use crate::job::deletions::{Counted, Next};
use crate::job::{Action, Cause, Conclusion, Outcome, Pace, Step, Time};
use std::time::Duration;

impl Job {
    pub(super) fn synced(
        &mut self,
        outcome: Outcome,
        cause: Option<Cause>,
        counted: &Counted,
        moved: bool,
        now: Time,
    ) -> Action {
        if cause == Some(Cause::Stop) || self.stopping {
            return self.finish();
        }
        let outcome = match cause {
            // rsync may have succeeded in the very moment in which it got SIGTERM: a success is a success.
            Some(_) if outcome.is_success() => outcome,
            Some(Cause::Asks) => Outcome::Permanent,
            Some(_) => Outcome::Stalled,
            None => outcome,
        };
        let cause = cause.filter(|_| !outcome.is_success());
        if let Some(cause) = cause.filter(Cause::is_no_failure) {
            return self.interrupt(cause, now);
        }
        let is_limit = matches!(cause, Some(Cause::TooLong(_) | Cause::NoSuccess(_)));
        if !is_limit && self.sources.ended(outcome, moved, now) {
            // Another server, another list: what was counted is of the one before.
            self.begin_passes();
            return self.start(Step::Rsync);
        }
        if cause.is_some() {
            return self.conclude(self.sources.verdict(outcome), cause, true, now);
        }
        // A set that changes as a whole cannot make room in itself first.
        let next = match self.settings.atomic && outcome == Outcome::Disk {
            true => Next::Done(outcome, None),
            false => self.deletions.ended(outcome, counted, now),
        };
        match next {
            Next::Run(_) => self.start(Step::Rsync),
            Next::Done(outcome, held) => {
                if held.is_some() || outcome.pace() == Pace::Interval {
                    self.held = held;
                }
                self.settle(self.sources.verdict(outcome), now)
            }
        }
    }

    /// rsync has brought the set as far as it could. Before anybody hears of that, it has to be on the disk.
    fn settle(&mut self, outcome: Outcome, now: Time) -> Action {
        let came_through = outcome.pace() == Pace::Interval;
        if came_through && self.must_flush(outcome) && !self.stopping {
            self.flushing = outcome;
            self.start(Step::Flush)
        } else {
            self.conclude(outcome, None, true, now)
        }
    }

    /// That contents were compared is noted on the disk as well.
    fn must_flush(&self, outcome: Outcome) -> bool {
        (self.settings.durable || self.staged) && self.unflushed || self.verifying && outcome.is_success()
    }

    /// Everything is on the disk: now a new set may be shown.
    pub(super) fn show_set(&mut self, now: Time) -> Action {
        if !self.staged {
            self.conclude(self.flushing, None, true, now)
        } else if self.settings.before_publish {
            self.start(Step::BeforePublish)
        } else {
            self.start(Step::Publish)
        }
    }

    /// A border of the owner's hours, or his wish to see the set before, has ended the sync, which is no failure. What it has moved lies in the partial
    /// folder, from which the next one resumes.
    pub(super) fn interrupt(&mut self, cause: Cause, now: Time) -> Action {
        if std::mem::take(&mut self.untidy) {
            self.tidying = (Outcome::Skipped, Some(cause));
            return self.start(Step::Tidy);
        }
        self.ladder.finished(Outcome::Skipped, now);
        self.next = now;
        self.todo = Todo { after: self.settings.after, ..Todo::default() };
        self.phase = Phase::Concluding;
        Action::Conclude(Conclusion {
            outcome: Outcome::Skipped,
            cause: Some(cause),
            next: self.settings.repeat.then(|| self.opens().unwrap_or(now).since(now)),
            failures: self.failures,
            changed: self.changed,
            held: self.held,
        })
    }

    pub(super) fn conclude(&mut self, outcome: Outcome, cause: Option<Cause>, ran: bool, now: Time) -> Action {
        let untidy = std::mem::take(&mut self.untidy);
        if self.stopping {
            return self.finish();
        }
        if untidy {
            self.tidying = (outcome, cause);
            return self.start(Step::Tidy);
        }
        // Once when an outage begins, and once when it ends.
        let outage = self.failures > 0;
        let news = outcome.is_success() == outage;
        if outcome.is_success() {
            self.failures = 0;
            self.stalls = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        self.ladder.finished(outcome, now);
        let wait = self.wait_after(outcome);
        self.next = now + wait;
        // Where a set changes as a whole, part of one is nothing.
        let complete = outcome.is_complete() && (!self.settings.atomic || outcome.is_success());
        if !self.settings.on_change {
            self.owed.forgive();
        }
        self.todo = Todo {
            on_change: self.settings.on_change && complete && self.owed.is_due(self.changed, now),
            on_failure: self.settings.on_failure && news,
            after: self.settings.after && (ran || self.before_ran),
        };
        let conclusion = Conclusion {
            outcome,
            cause,
            next: self.settings.repeat.then_some(wait),
            failures: self.failures,
            changed: self.changed,
            held: self.held,
        };
        if complete {
            self.changed = false;
            // What was allowed while the sync ran is for the next one, unless there is nothing left to allow.
            if self.deletions.allows() || self.held.is_none() {
                self.allowed = 0;
            }
        }
        self.phase = Phase::Concluding;
        Action::Conclude(conclusion)
    }

    fn wait_after(&mut self, outcome: Outcome) -> Duration {
        let limits = &self.settings.limits;
        let pace = outcome.pace();
        // The same files are refused each time, and some of them are fetched each time.
        let in_vain = outcome == Outcome::Partial && !self.brought;
        self.backoff_step = if pace == Pace::Interval && !in_vain { 0 } else { self.backoff_step.saturating_add(1) };
        // Whoever changed the file, or asked for a sync, is waiting for it.
        if std::mem::take(&mut self.fresh) || self.again {
            return Duration::ZERO;
        }
        let draw = self.rng.draw();
        match pace {
            Pace::Interval if in_vain => {
                let longest = limits.longest_backoff().max(limits.interval);
                let wait = ceiling(limits.interval, longest, self.backoff_step.saturating_add(1));
                wait.saturating_add(fraction(limits.jitter.span(wait), draw))
            }
            Pace::Interval => limits.interval.saturating_add(fraction(limits.jitter.span(limits.interval), draw)),
            Pace::Backoff => backoff::wait(limits, self.spared, self.backoff_step, draw),
            Pace::LongestBackoff => {
                let longest = limits.longest_backoff();
                longest.saturating_add(fraction(limits.jitter.span(longest), draw))
            }
        }
    }

    pub(super) fn next_hook(&mut self, now: Time) -> Action {
        let todo = &mut self.todo;
        if self.stopping {
            self.finish()
        } else if std::mem::take(&mut todo.on_change) {
            self.start(Step::OnChange)
        } else if std::mem::take(&mut todo.on_failure) {
            self.start(Step::OnFailure)
        } else if std::mem::take(&mut todo.after) {
            self.start(Step::After)
        } else if self.settings.repeat {
            if self.again {
                self.next = now;
            }
            self.rest()
        } else {
            self.finish()
        }
    }
}
