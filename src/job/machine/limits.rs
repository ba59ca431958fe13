//! What passing time brings: when the next deadline is, and what is done when it has come.

use super::{Job, Phase};
use crate::job::backoff::ceiling;
use crate::job::ladder::is_due;
use crate::job::{Action, Cause, Step, Time};
use std::time::Duration;

/// The activity limit grows at least up to this (unless it is configured larger) before a job is given up as stalled.
const LIMIT_CAP: Duration = Duration::from_secs(2 * 60 * 60);
/// While rsync is silent, progress is looked for in `/proc`: at most once in the shorter of these, at least once in the longer.
const SAMPLE_MIN: Duration = Duration::from_millis(20);
const SAMPLE_MAX: Duration = Duration::from_secs(1);

impl Job {
    /// When [`Event::Tick`] is due; None: only an event from outside goes on.
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Waiting if self.paused => None,
            Phase::Waiting if self.opens().is_some() => self.gate.map(|gate| gate.again),
            Phase::Waiting => Some(self.ladder.recover_at().map_or(self.next, |at| at.min(self.next))),
            Phase::Running { step: Step::Rsync, activity, sampled, .. } => {
                let runtime = self.runtime_limit().map(|(at, _)| at);
                let progress = self.activity_limit().map(|limit| {
                    let sample = activity.max(sampled) + sample_period(limit);
                    sample.min(activity + limit)
                });
                let border = self.gate.map(|gate| gate.again);
                [runtime, progress, border, self.let_go_at(), self.ladder.recover_at()].into_iter().flatten().min()
            }
            Phase::Running { step, since, .. } => self.step_limit(step).map(|limit| since + limit),
            Phase::Terminating { kill_at, .. } => Some(kill_at),
            Phase::Killed { report_at, .. } => report_at,
            Phase::Beginning | Phase::Starting(_) | Phase::Concluding | Phase::Finished => None,
        }
    }

    /// When to look whether the running sync still holds the ladder.
    fn let_go_at(&self) -> Option<Time> {
        let until = self.ladder.held_until().filter(|_| !self.let_go)?;
        self.ladder.reboot_at().map(|at| at.max(until))
    }

    /// `max_runtime`, and when it strikes: it is of the whole sync, with all its passes and whichever sources it asks.
    fn runtime_limit(&self) -> Option<(Time, Duration)> {
        let limit = self.settings.limits.max_runtime?;
        Some((self.rsync_began? + limit, limit))
    }

    /// The limit without progress in force: `activity_timeout`, doubled for each time it struck since the last success.
    pub fn activity_limit(&self) -> Option<Duration> {
        let mut configured = self.settings.limits.activity_timeout?;
        if self.verifying {
            // A server that reads all its files sends nothing meanwhile: rsync has no sign of life for that.
            configured = configured.max(LIMIT_CAP);
        }
        Some(ceiling(configured, configured.max(LIMIT_CAP), self.stalls.saturating_add(1)))
    }

    /// How long a child that is not rsync may run. Only of a flush may that be long: a slow card takes minutes for a
    /// gigabyte, and whether it still makes progress nobody can see.
    fn step_limit(&self, step: Step) -> Option<Duration> {
        match step {
            Step::Flush | Step::Publish => self.settings.limits.activity_timeout,
            _ => Some(self.settings.limits.hook_timeout),
        }
    }

    pub(super) fn tick(&mut self, now: Time) -> Action {
        match self.phase {
            Phase::Waiting if self.paused || self.opens().is_some() => Action::Wait,
            // First, or waits that are shorter than the hooks would keep it away for ever.
            Phase::Waiting if is_due(self.ladder.recover_at(), now) => {
                self.ladder.recovering(now);
                self.start(Step::Recover)
            }
            Phase::Waiting if now >= self.next => {
                self.by_owner = false;
                self.begin(now)
            }
            Phase::Running { step: Step::Rsync, activity, sampled, .. } => {
                if let Some((_, limit)) = self.runtime_limit().filter(|(at, _)| now >= *at) {
                    return self.terminate(Step::Rsync, Cause::TooLong(limit), now);
                }
                if is_due(self.let_go_at(), now) || is_due(self.ladder.recover_at(), now) {
                    return Action::Sample;
                }
                match self.activity_limit() {
                    Some(limit) if now >= activity.max(sampled) + sample_period(limit) || now >= activity + limit => {
                        Action::Sample
                    }
                    _ => Action::Wait,
                }
            }
            Phase::Running { step, since, .. } => match self.step_limit(step) {
                Some(limit) if now >= since + limit => self.terminate(step, Cause::TooLong(limit), now),
                _ => Action::Wait,
            },
            Phase::Terminating { step, cause, kill_at } if now >= kill_at => self.kill(step, cause, now),
            Phase::Killed { step, cause, report_at: Some(at) } if now >= at => {
                self.phase = Phase::Killed { step, cause, report_at: None };
                if self.stopping {
                    self.finish()
                } else {
                    Action::ReportUnkillable
                }
            }
            _ => Action::Wait,
        }
    }

    /// Only here do the activity limit and the ladder strike: right after a look at `/proc`, never on old knowledge.
    pub(super) fn sampled(&mut self, grew: bool, now: Time) -> Action {
        let limit = self.activity_limit();
        if let Phase::Running { step: Step::Rsync, activity, sampled, .. } = &mut self.phase {
            *sampled = now;
            if grew {
                *activity = now;
            }
            let activity = *activity;
            if let Some(limit) = limit {
                if now >= activity + limit {
                    return self.terminate(Step::Rsync, Cause::NoProgress(limit), now);
                }
            }
            self.let_go |= self.ladder.asks_for_reboot(now);
            if let Some(after) = self.settings.limits.recover_after.filter(|_| is_due(self.ladder.recover_at(), now)) {
                return self.terminate(Step::Rsync, Cause::NoSuccess(after), now);
            }
        }
        Action::Wait
    }
}

/// How long after the last sign of life `/proc` is looked at: often enough that the limit is kept closely.
fn sample_period(limit: Duration) -> Duration {
    (limit / 8).clamp(SAMPLE_MIN, SAMPLE_MAX)
}
