//! How a device waits.

use irsync::job::backoff::{fraction, Rng};
use irsync::job::{Action, Counted, Event, Jitter, Job, Limits, Outcome, Settings, Step, Time};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// `while :; do rsync ...; sleep INTERVAL; done`
    Loop,
    /// irsync as it comes.
    Irsync,
    /// What cannot be bettered: each calls once in its interval, evenly spread, and who does not get in stands in a
    /// queue until the server calls him.
    Queue,
}

/// A device's clock: when it calls next.
pub enum Waits {
    Simple { interval: Duration, next: Time },
    Machine(Box<Job>),
}

impl Waits {
    /// Of a device that starts now.
    pub fn new(manners: Manners, interval: Duration, seed: u64, now: Time) -> Waits {
        let phase = Rng::new(seed ^ 2).draw();
        match manners {
            Manners::Loop => Waits::Simple { interval, next: now },
            Manners::Queue => Waits::Simple { interval, next: now + fraction(interval, phase) },
            Manners::Irsync => Waits::Machine(Box::new(Job::new(settings(interval), now, seed, phase))),
        }
    }

    /// When it calls next.
    pub fn next(&self) -> Option<Time> {
        match self {
            Waits::Simple { next, .. } => Some(*next),
            Waits::Machine(job) => job.next_sync(),
        }
    }

    /// Time has come; true: it calls now.
    pub fn calls(&mut self, now: Time) -> bool {
        match self {
            Waits::Simple { next, .. } => now >= *next,
            Waits::Machine(job) => drive(job, Event::Tick, now),
        }
    }

    /// Its sync has ended; `reached`: the server was asked.
    pub fn ended(&mut self, outcome: Outcome, reached: bool, now: Time) {
        match self {
            Waits::Simple { interval, next } => *next = now + *interval,
            Waits::Machine(job) => {
                if !reached {
                    job.handle(Event::Unreached, now);
                }
                drive(
                    job,
                    Event::Synced {
                        outcome,
                        changed: false,
                        moved: false,
                        written: false,
                        counted: Counted::default(),
                    },
                    now,
                );
            }
        }
    }
}

/// What a worker does: perform the action, feed back what came of it, until there is nothing but to wait. True: rsync runs.
fn drive(job: &mut Job, event: Event, now: Time) -> bool {
    let (mut event, mut started) = (event, false);
    loop {
        event = match job.handle(event, now) {
            Action::Begin => Event::Began { probe: false, verify: false },
            Action::Start(Step::Rsync) => {
                started = true;
                Event::Started
            }
            Action::Conclude(_) => Event::Concluded,
            Action::Wait => return started,
            other => unreachable!("{other:?} is not asked for with these settings"),
        };
    }
}

/// irsync's defaults.
fn settings(interval: Duration) -> Settings {
    let limits = Limits {
        interval,
        jitter: Jitter::Percent(10),
        spread: interval.min(Duration::from_secs(15 * 60)),
        // Nothing stalls here, and looking for progress would only cost simulated events.
        activity_timeout: None,
        max_runtime: None,
        stop_timeout: Duration::from_secs(5),
        backoff_initial: None,
        backoff_max: None,
        hook_timeout: Duration::from_secs(60),
        recover_after: None,
    };
    Settings {
        sources: 1,
        deletions: None,
        limits,
        repeat: true,
        reboot_after: None,
        durable: false,
        atomic: false,
        before_publish: false,
        before: false,
        on_change: false,
        on_failure: false,
        after: false,
    }
}
