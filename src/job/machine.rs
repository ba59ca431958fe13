//! The state machine of one job: one event in, one action out.
//!
//! The worker performs the action and feeds what came of it back as the next event, until the action is
//! [`Action::Wait`]; then it sleeps until [`Job::deadline`] or until something happens.
//!
//! ```text
//!            +---------------------------------------- wait over ----------------------------------+
//!            v                                                                                     |
//!  Waiting --> Begin --> [probe] --> [run_before] --> rsync* --> [flush] --> [tidy] --> Conclude --> [on_change] [on_failure] [after]
//!     |          | refused              | failed        |          | failed     ^
//!     |          +----------------------+---------------+----------+------------+ skipped, transient, disk
//!     +--> [run_recover] --> Waiting                  (a sync that moves no file data for recover_after is ended for it)
//!
//!  *: more than one pass where deletions are counted first, see `deletions`
//!
//!  any child:  Running --limit or stop--> Terminating --stop_timeout--> Killed --exit--> next step
//! ```

mod conclude;
mod limits;
mod orders;
mod queries;
mod rollback;
mod steps;

use super::backoff::{fraction, Rng};
use super::calendar::Gate;
use super::deletions::{Deletions, Held, Pass, Rules};
use super::ladder::Ladder;
use super::owed::Owed;
use super::sources::Sources;
use super::{Action, Cause, Event, Outcome, Settings, Step, Time};
use std::time::Duration;

/// A process that outlives SIGKILL by this long hangs in the kernel.
const UNKILLABLE_AFTER: Duration = Duration::from_secs(5);

/// What the job is doing.
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
    /// The owner has taken the job out of turn: it climbs no ladder either.
    paused: bool,
    /// What the owner has asked for as soon as nothing runs: [`Step::Rollback`] or [`Step::Resume`].
    wanted: Option<Step>,
    /// A sync was asked for while one was running.
    again: bool,
    /// The settings changed while a sync was running: the next one follows at once.
    fresh: bool,
    /// What runs has cost the server nothing so far.
    spared: bool,
    failures: u32,
    backoff_step: u32,
    /// Stalls in a row without a success, or a run that moved file data, in between.
    stalls: u32,
    /// Something changed in this sync, or in failed ones before it.
    changed: bool,
    /// Something changed in this sync.
    brought: bool,
    /// `run_on_change`
    owed: Owed,
    ladder: Ladder,
    /// When rsync was started first in this sync.
    rsync_began: Option<Time>,
    /// The running sync has been looked at and does not hold the ladder any more.
    let_go: bool,
    /// Something may have been written that no [`Step::Flush`] has followed. True at first: nobody knows what an irsync
    /// before this one has left.
    unflushed: bool,
    /// What the sync comes to if the flush that runs succeeds.
    flushing: Outcome,
    /// This sync has built a new set that is not shown yet.
    staged: bool,
    sources: Sources,
    /// What the clock last said of `window`.
    gate: Option<Gate>,
    /// Somebody asked for this sync: the window does not keep it.
    by_owner: bool,
    /// The passes of rsync in this sync.
    deletions: Deletions,
    /// Deletions that wait for the owner.
    held: Option<Held>,
    /// So many deletions the owner has allowed; kept until a sync has come so far as to make them.
    allowed: u64,
    /// This sync compares contents.
    verifying: bool,
    /// Before the sync is concluded, what it has left behind is to be removed.
    untidy: bool,
    /// What the sync comes to after that: outcome, and why irsync has ended it.
    tidying: (Outcome, Option<Cause>),
}

impl Job {
    /// A job that waits for its first sync. `phase` spreads the first syncs of a fleet: the same number for the same
    /// device and job each time, `u64` taken as a fraction of `spread`. `seed` makes all other waits random.
    pub fn new(settings: Settings, now: Time, seed: u64, phase: u64) -> Job {
        let first = if settings.repeat { fraction(settings.limits.spread, phase) } else { Duration::ZERO };
        Job {
            next: now + first,
            ladder: ladder(&settings, now),
            sources: Sources::new(settings.sources),
            gate: None,
            by_owner: false,
            settings,
            phase: Phase::Waiting,
            rng: Rng::new(seed),
            todo: Todo::default(),
            before_ran: false,
            stopping: false,
            paused: false,
            wanted: None,
            again: false,
            fresh: false,
            spared: true,
            failures: 0,
            backoff_step: 0,
            stalls: 0,
            changed: false,
            brought: false,
            owed: Owed::default(),
            rsync_began: None,
            let_go: false,
            unflushed: true,
            flushing: Outcome::Success,
            staged: false,
            deletions: Deletions::begin(Rules::default(), false),
            held: None,
            allowed: 0,
            verifying: false,
            untidy: false,
            tidying: (Outcome::Success, None),
        }
    }

    /// One event in, one action out.
    pub fn handle(&mut self, event: Event, now: Time) -> Action {
        match event {
            Event::Tick => self.tick(now),
            Event::Pause(paused) => {
                self.paused = paused;
                Action::Wait
            }
            Event::Stop => self.stop(now),
            Event::SyncNow => self.sync_now(now),
            Event::Mended => self.mended(now),
            Event::Rollback => self.want(Step::Rollback, now),
            Event::Resume => self.want(Step::Resume, now),
            Event::Allow => match self.held {
                Some(held) => {
                    self.allowed = held.count;
                    self.sync_now(now)
                }
                None => Action::Wait,
            },
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
            Event::Asked => match self.phase {
                Phase::Running { step: Step::Rsync, .. } => self.terminate(Step::Rsync, Cause::Asks, now),
                _ => Action::Wait,
            },
            Event::Untidy => {
                self.untidy |= matches!(self.child(), Some((Step::Rsync, _)));
                Action::Wait
            }
            Event::Clock { gate, slower } => self.clock(gate, slower, now),
            Event::Sampled(grew) => self.sampled(grew, now),
            Event::Unreached => {
                self.spared = true;
                Action::Wait
            }
            Event::Began { probe, verify } => {
                self.verifying = verify;
                match self.phase {
                    Phase::Beginning if self.stopping => self.finish(),
                    Phase::Beginning if probe => self.start(Step::Probe),
                    Phase::Beginning => self.first_step(),
                    _ => Action::Wait,
                }
            }
            Event::Refused => match self.phase {
                Phase::Beginning | Phase::Starting(Step::Rsync) => self.conclude(Outcome::Skipped, None, false, now),
                _ => Action::Wait,
            },
            Event::Started => match self.phase {
                Phase::Starting(step) => self.started(step, now),
                _ => Action::Wait,
            },
            Event::NotStarted(outcome) => match self.phase {
                Phase::Starting(Step::Rsync) => self.conclude(outcome, None, false, now),
                Phase::Starting(step) => self.after_step(step, false, now),
                _ => Action::Wait,
            },
            Event::Exited(ok) => match self.child() {
                Some((Step::Rsync, _)) | None => Action::Wait,
                // Sets that have changed places have done so, also where the limit has struck a moment before.
                Some((step @ (Step::Publish | Step::Rollback | Step::Resume), _)) => self.after_step(step, ok, now),
                Some((step, cause)) => self.after_step(step, ok && cause.is_none(), now),
            },
            Event::Synced { outcome, changed, moved, written, counted } => match self.child() {
                Some((Step::Rsync, cause)) => {
                    self.changed |= changed;
                    self.brought |= changed;
                    self.unflushed |= written;
                    self.staged = self.settings.atomic && changed && outcome.is_success();
                    self.count_stall(cause, moved);
                    // A full disk is as full in a moment, and to find that out costs the server the whole transfer again.
                    self.spared |= moved && outcome != Outcome::Disk;
                    self.synced(outcome, cause, &counted, moved, now)
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

    fn start(&mut self, step: Step) -> Action {
        self.phase = Phase::Starting(step);
        Action::Start(step)
    }

    fn rest(&mut self) -> Action {
        if let Some(step) = self.wanted.take() {
            return self.start(step);
        }
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

#[cfg(any(test, feature = "fuzzing"))]
#[path = "machine_world.rs"]
pub(crate) mod world;

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
