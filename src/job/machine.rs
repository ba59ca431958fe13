//! The state machine of one job: one event in, one action out.
//!
//! The worker performs the action and feeds what came of it back as the next event, until the action is
//! [`Action::Wait`]; then it sleeps until [`Job::deadline`] or until something happens.
//!
//! ```text
//!            +-------------------------------- wait over ------------------------------+
//!            v                                                                         |
//!  Waiting --> Begin --> [probe] --> [run_before] --> rsync --> Conclude --> [on_change] [on_failure] [after]
//!     |          | refused              | failed        |           ^
//!     |          +----------------------+---------------+-----------+ skipped, transient
//!     +--> [run_recover] --> Waiting                  (a sync that moves no file data for recover_after is ended for it)
//!
//!  any child:  Running --limit or stop--> Terminating --stop_timeout--> Killed --exit--> next step
//! ```

use super::backoff::{ceiling, fraction, Rng};
use super::ladder::{is_due, Ladder};
use super::{Outcome, Pace, Settings, Time};
use std::time::Duration;

/// The activity limit grows at least up to this (unless it is configured larger) before a job is given up as stalled.
const LIMIT_CAP: Duration = Duration::from_secs(2 * 60 * 60);
/// How often progress is looked for in `/proc` at most and at least while rsync is silent.
const SAMPLE_MIN: Duration = Duration::from_millis(20);
const SAMPLE_MAX: Duration = Duration::from_secs(1);
/// A process that outlives SIGKILL by this long hangs in the kernel.
const UNKILLABLE_AFTER: Duration = Duration::from_secs(5);

/// A child process of a job, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `rsync --version`, before the first sync and whenever its answer may have changed.
    Probe,
    /// `run_before`
    Before,
    /// rsync itself.
    Rsync,
    /// `run_on_change`
    OnChange,
    /// `run_on_failure`
    OnFailure,
    /// `run_after`
    After,
    /// `run_recover`
    Recover,
}

impl Step {
    /// The key of the hook, or `rsync`.
    pub fn name(self) -> &'static str {
        match self {
            Step::Probe => "rsync --version",
            Step::Before => "run_before",
            Step::Rsync => "rsync",
            Step::OnChange => "run_on_change",
            Step::OnFailure => "run_on_failure",
            Step::After => "run_after",
            Step::Recover => "run_recover",
        }
    }
}

/// Why a child was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No progress for `activity_timeout`, or for what it had grown to.
    NoProgress(Duration),
    /// It ran for `max_runtime`, or a hook for `hook_timeout`.
    TooLong(Duration),
    /// No success for `recover_after`, and in that time it has moved no data of files: `run_recover` is to run.
    NoSuccess(Duration),
    /// irsync or the job is stopping.
    Stop,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; a no-op before the deadline.
    Tick,
    /// Answer to [`Action::Begin`]: the lock is held.
    Began {
        /// The program has to be asked for its version before it is used.
        probe: bool,
    },
    /// Answer to [`Action::Begin`] or to `Start(Rsync)`: somebody else holds the destination, or a guard said no.
    Refused,
    /// Answer to [`Action::Start`]: the child runs.
    Started,
    /// Answer to [`Action::Start`]: it was not started; what that means for the sync if it was to be rsync.
    NotStarted(Outcome),
    /// The child wrote something.
    Activity,
    /// rsync has completed so many files and moved so many bytes of file data since its start.
    Moved {
        /// Files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Answer to [`Action::Sample`]: whether rsync has read anything since the last sample. Where file data can be told
    /// only by what rsync reads, [`Event::Moved`] goes before it.
    Sampled(bool),
    /// A hook or the probe has ended, and all it started is gone; true: with code 0.
    Exited(bool),
    /// rsync has ended, and all it started is gone.
    Synced {
        /// What its code and messages mean.
        outcome: Outcome,
        /// It transferred or deleted something.
        changed: bool,
        /// It moved file data, although it may not have finished a file.
        moved: bool,
    },
    /// Answer to [`Action::Conclude`].
    Concluded,
    /// Sync at once.
    SyncNow,
    /// Finish: end what runs. A second one ends it at once.
    Stop,
    /// New limits; the next sync uses them whole, what runs is measured by them from now on.
    Reconfigure(Settings),
}

/// What the worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sleep until the deadline or the next event.
    Wait,
    /// Take the destination's lock.
    Begin,
    /// Check the guards (before rsync) and start a child.
    Start(Step),
    /// Look for progress in `/proc`.
    Sample,
    /// SIGTERM to the child.
    Terminate(Cause),
    /// SIGKILL to the child and to all it started.
    Kill,
    /// Tell that the child outlived SIGKILL.
    ReportUnkillable,
    /// A sync is over: tell it, give the lock back.
    Conclude(Conclusion),
    /// The job is over; no child is left, or it cannot be killed.
    Exit,
}

/// What a finished sync came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// How it ended.
    pub outcome: Outcome,
    /// Why irsync ended it, if it did.
    pub cause: Option<Cause>,
    /// Wait until the next sync; None: there is none.
    pub next: Option<Duration>,
    /// Syncs in a row without success.
    pub failures: u32,
    /// Something changed in it, or in failed ones before it that no `run_on_change` has followed yet.
    pub changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// `Begin` was asked for.
    Beginning,
    /// `Start` was asked for.
    Starting(Step),
    Running {
        step: Step,
        since: Time,
        activity: Time,
        sampled: Time,
    },
    Terminating {
        step: Step,
        cause: Cause,
        kill_at: Time,
    },
    Killed {
        step: Step,
        cause: Cause,
        report_at: Option<Time>,
    },
    /// `Conclude` was asked for, or a hook after a sync has ended; the next hook of `todo` follows.
    Concluding,
    Finished,
}

/// Hooks that still have to run after a sync, in this order.
#[derive(Clone, Copy, Debug, Default)]
struct Todo {
    on_change: bool,
    on_failure: bool,
    after: bool,
}

/// One job's state.
#[derive(Clone, Debug)]
pub struct Job {
    settings: Settings,
    phase: Phase,
    rng: Rng,
    /// When the next sync starts.
    next: Time,
    todo: Todo,
    /// `run_before` has run in this sync, so `run_after` has to.
    before_ran: bool,
    stopping: bool,
    /// A sync was asked for while one was running.
    again: bool,
    /// The settings changed while a sync was running: the next wait is a first wait.
    fresh: bool,
    failures: u32,
    backoff_step: u32,
    /// Stalls in a row without a success, or a run that moved file data, in between.
    stalls: u32,
    changed: bool,
    ladder: Ladder,
    /// The running sync has been looked at and does not hold the ladder any more.
    let_go: bool,
}

impl Job {
    /// A job that waits for its first sync. `phase` spreads the first syncs of a fleet: the same number for the same
    /// device and job each time, `u64` taken as a fraction of the jitter. `seed` makes all other waits random.
    pub fn new(settings: Settings, now: Time, seed: u64, phase: u64) -> Job {
        let first = if settings.repeat {
            fraction(settings.limits.jitter.span(settings.limits.interval), phase)
        } else {
            Duration::ZERO
        };
        Job {
            next: now + first,
            ladder: ladder(&settings, now),
            settings,
            phase: Phase::Waiting,
            rng: Rng::new(seed),
            todo: Todo::default(),
            before_ran: false,
            stopping: false,
            again: false,
            fresh: false,
            failures: 0,
            backoff_step: 0,
            stalls: 0,
            changed: false,
            let_go: false,
        }
    }

    /// When [`Event::Tick`] is due; None: only an event from outside goes on.
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Waiting => Some(self.ladder.recover_at().map_or(self.next, |at| at.min(self.next))),
            Phase::Running { step: Step::Rsync, since, activity, sampled } => {
                let runtime = self.settings.limits.max_runtime.map(|limit| since + limit);
                let progress = self.activity_limit().map(|limit| {
                    let sample = activity.max(sampled) + sample_period(limit);
                    sample.min(activity + limit)
                });
                [runtime, progress, self.let_go_at(), self.ladder.recover_at()].into_iter().flatten().min()
            }
            Phase::Running { since, .. } => Some(since + self.settings.limits.hook_timeout),
            Phase::Terminating { kill_at, .. } => Some(kill_at),
            Phase::Killed { report_at, .. } => report_at,
            Phase::Beginning | Phase::Starting(_) | Phase::Concluding | Phase::Finished => None,
        }
    }

    /// When the next sync starts, while waiting for it.
    pub fn next_sync(&self) -> Option<Time> {
        (self.phase == Phase::Waiting).then_some(self.next)
    }

    /// When a reboot is due for this job's sake, see [`Ladder::reboot_at`], and whether what runs may still end in the
    /// success that makes it needless.
    pub fn reboot(&self) -> (Option<Time>, bool) {
        let held = match self.phase {
            Phase::Waiting | Phase::Killed { report_at: None, .. } => false,
            Phase::Running { step: Step::Rsync, .. } => !self.let_go,
            _ => true,
        };
        (self.ladder.reboot_at(), held)
    }

    /// When to look whether the running sync still holds the ladder.
    fn let_go_at(&self) -> Option<Time> {
        let until = self.ladder.held_until().filter(|_| !self.let_go)?;
        self.ladder.reboot_at().map(|at| at.max(until))
    }

    /// The limit without progress in force: `activity_timeout`, doubled for each time it struck since the last success.
    pub fn activity_limit(&self) -> Option<Duration> {
        let configured = self.settings.limits.activity_timeout?;
        Some(ceiling(configured, configured.max(LIMIT_CAP), self.stalls.saturating_add(1)))
    }

    /// One event in, one action out.
    pub fn handle(&mut self, event: Event, now: Time) -> Action {
        match event {
            Event::Tick => self.tick(now),
            Event::Stop => self.stop(now),
            Event::SyncNow => self.sync_now(),
            Event::Reconfigure(settings) => self.reconfigure(settings, now),
            Event::Activity => {
                if let Phase::Running { activity, .. } = &mut self.phase {
                    *activity = now;
                }
                Action::Wait
            }
            Event::Moved { files, bytes } => {
                self.ladder.moved(files, bytes, now);
                self.let_go &= self.ladder.asks_for_reboot(now);
                Action::Wait
            }
            Event::Sampled(grew) => self.sampled(grew, now),
            Event::Began { probe } => match self.phase {
                Phase::Beginning if self.stopping => self.finish(),
                Phase::Beginning if probe => self.start(Step::Probe),
                Phase::Beginning => self.first_step(),
                _ => Action::Wait,
            },
            Event::Refused => match self.phase {
                Phase::Beginning | Phase::Starting(Step::Rsync) => self.conclude(Outcome::Skipped, None, false, now),
                _ => Action::Wait,
            },
            Event::Started => match self.phase {
                Phase::Starting(step) => {
                    self.phase = Phase::Running { step, since: now, activity: now, sampled: now };
                    if step == Step::Rsync {
                        self.ladder.started(now);
                        self.let_go = false;
                    }
                    if self.stopping {
                        self.terminate(step, Cause::Stop, now)
                    } else {
                        Action::Wait
                    }
                }
                _ => Action::Wait,
            },
            Event::NotStarted(outcome) => match self.phase {
                Phase::Starting(Step::Rsync) => self.conclude(outcome, None, false, now),
                Phase::Starting(step) => self.after_step(step, false, now),
                _ => Action::Wait,
            },
            Event::Exited(ok) => match self.child() {
                Some((Step::Rsync, _)) | None => Action::Wait,
                Some((step, cause)) => self.after_step(step, ok && cause.is_none(), now),
            },
            Event::Synced { outcome, changed, moved } => match self.child() {
                Some((Step::Rsync, cause)) => {
                    self.changed |= changed;
                    self.count_stall(cause, moved);
                    self.synced(outcome, cause, now)
                }
                _ => Action::Wait,
            },
            Event::Concluded => match self.phase {
                Phase::Concluding => self.next_hook(now),
                _ => Action::Wait,
            },
        }
    }

    fn child(&self) -> Option<(Step, Option<Cause>)> {
        match self.phase {
            Phase::Running { step, .. } => Some((step, None)),
            Phase::Terminating { step, cause, .. } | Phase::Killed { step, cause, .. } => Some((step, Some(cause))),
            _ => None,
        }
    }

    fn tick(&mut self, now: Time) -> Action {
        match self.phase {
            // First, or waits that are shorter than the hooks would keep it away for ever.
            Phase::Waiting if is_due(self.ladder.recover_at(), now) => {
                self.ladder.recovering(now);
                self.start(Step::Recover)
            }
            Phase::Waiting if now >= self.next => self.begin(),
            Phase::Running { step: Step::Rsync, since, activity, sampled } => {
                if let Some(limit) = self.settings.limits.max_runtime {
                    if now >= since + limit {
                        return self.terminate(Step::Rsync, Cause::TooLong(limit), now);
                    }
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
            Phase::Running { step, since, .. } if now >= since + self.settings.limits.hook_timeout => {
                self.terminate(step, Cause::TooLong(self.settings.limits.hook_timeout), now)
            }
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
    fn sampled(&mut self, grew: bool, now: Time) -> Action {
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

    fn stop(&mut self, now: Time) -> Action {
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

    fn sync_now(&mut self) -> Action {
        match self.phase {
            Phase::Waiting => self.begin(),
            Phase::Finished => Action::Wait,
            // What runs may have looked at the files already: one more sync follows.
            _ => {
                self.again = true;
                Action::Wait
            }
        }
    }

    fn reconfigure(&mut self, settings: Settings, now: Time) -> Action {
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
            self.next = now + self.first_wait();
        } else {
            self.fresh = true;
        }
        Action::Wait
    }

    fn begin(&mut self) -> Action {
        self.phase = Phase::Beginning;
        self.again = false;
        self.before_ran = false;
        Action::Begin
    }

    fn start(&mut self, step: Step) -> Action {
        self.phase = Phase::Starting(step);
        Action::Start(step)
    }

    fn first_step(&mut self) -> Action {
        if self.settings.before {
            self.start(Step::Before)
        } else {
            self.start(Step::Rsync)
        }
    }

    /// A child other than rsync has ended, or could not be started.
    fn after_step(&mut self, step: Step, ok: bool, now: Time) -> Action {
        if self.stopping {
            return self.finish();
        }
        match step {
            Step::Probe => self.first_step(),
            Step::Before if ok => {
                self.before_ran = true;
                self.start(Step::Rsync)
            }
            Step::Before => self.conclude(Outcome::Skipped, None, false, now),
            Step::Recover => self.rest(),
            Step::Rsync | Step::OnChange | Step::OnFailure | Step::After => {
                self.phase = Phase::Concluding;
                self.next_hook(now)
            }
        }
    }

    /// A list that takes long is silent, so the limit grows until the list is through. Where file data moved, the list was
    /// through, and the silence that followed is the link's: a longer limit would only make each such silence longer.
    fn count_stall(&mut self, cause: Option<Cause>, moved: bool) {
        if moved {
            self.stalls = 0;
        } else if let Some(Cause::NoProgress(_)) = cause {
            self.stalls = self.stalls.saturating_add(1);
        }
    }

    fn synced(&mut self, outcome: Outcome, cause: Option<Cause>, now: Time) -> Action {
        match cause {
            Some(Cause::Stop) => self.finish(),
            // It may have ended by itself in the very moment it was told to: a success is a success.
            Some(_) if outcome.is_success() => self.conclude(outcome, None, true, now),
            Some(cause) => self.conclude(Outcome::Stalled, Some(cause), true, now),
            None => self.conclude(outcome, None, true, now),
        }
    }

    fn conclude(&mut self, outcome: Outcome, cause: Option<Cause>, ran: bool, now: Time) -> Action {
        if self.stopping {
            return self.finish();
        }
        if outcome.is_success() {
            self.failures = 0;
            self.stalls = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        self.ladder.finished(outcome, now);
        let wait = self.wait_after(outcome);
        self.next = now + wait;
        let complete = outcome.pace() == Pace::Interval;
        self.todo = Todo {
            on_change: self.settings.on_change && complete && self.changed,
            on_failure: self.settings.on_failure && !outcome.is_success(),
            after: self.settings.after && (ran || self.before_ran),
        };
        let conclusion = Conclusion {
            outcome,
            cause,
            next: self.settings.repeat.then_some(wait),
            failures: self.failures,
            changed: self.changed,
        };
        if complete {
            self.changed = false;
        }
        self.phase = Phase::Concluding;
        Action::Conclude(conclusion)
    }

    fn wait_after(&mut self, outcome: Outcome) -> Duration {
        let limits = &self.settings.limits;
        let pace = outcome.pace();
        self.backoff_step = if pace == Pace::Interval { 0 } else { self.backoff_step.saturating_add(1) };
        if std::mem::take(&mut self.fresh) {
            return self.first_wait();
        }
        if self.again {
            return Duration::ZERO;
        }
        let draw = self.rng.draw();
        match pace {
            Pace::Interval => limits.interval.saturating_add(fraction(limits.jitter.span(limits.interval), draw)),
            Pace::Backoff => fraction(ceiling(limits.backoff_initial, limits.backoff_max, self.backoff_step), draw),
            Pace::LongestBackoff => {
                limits.backoff_max.saturating_add(fraction(limits.jitter.span(limits.backoff_max), draw))
            }
        }
    }

    fn first_wait(&mut self) -> Duration {
        let limits = &self.settings.limits;
        fraction(limits.jitter.span(limits.interval), self.rng.draw())
    }

    fn next_hook(&mut self, now: Time) -> Action {
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

    fn rest(&mut self) -> Action {
        self.phase = Phase::Waiting;
        Action::Wait
    }

    fn terminate(&mut self, step: Step, cause: Cause, now: Time) -> Action {
        self.phase = Phase::Terminating { step, cause, kill_at: now + self.settings.limits.stop_timeout };
        Action::Terminate(cause)
    }

    fn kill(&mut self, step: Step, cause: Cause, now: Time) -> Action {
        self.phase = Phase::Killed { step, cause, report_at: Some(now + UNKILLABLE_AFTER) };
        Action::Kill
    }

    fn finish(&mut self) -> Action {
        self.phase = Phase::Finished;
        Action::Exit
    }
}

/// `irsync once` has no time to recover in: it runs one sync.
fn ladder(settings: &Settings, now: Time) -> Ladder {
    Ladder::new(settings.limits.recover_after.filter(|_| settings.repeat), settings.reboot_after, now)
}

/// How long after the last sign of life `/proc` is looked at: often enough that the limit is kept closely.
fn sample_period(limit: Duration) -> Duration {
    (limit / 8).clamp(SAMPLE_MIN, SAMPLE_MAX)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
