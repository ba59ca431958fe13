//! One job's thread: it sleeps in `poll()` on its child's pipes and its waker, feeds the state machine, and does what that says.

use super::claims::Turn;
use super::running::Running;
use super::shared::{Inbox, Order, Pulse, Shared};
use super::start::{self, Refusal, Told};
use super::tell;
use crate::config;
use crate::job::ladder::Ladder;
use crate::job::{Action, Event, Job, Outcome, Settings, Step, Time};
use crate::os::{clock, sys};
use crate::report::board::{Slot, State};
use crate::report::human::Span;
use crate::rsync::outcome::{classify, Verdict};
use crate::rsync::version::Version;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// What a finished sync came to, as far as it is known before the state machine has judged it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    pub code: Option<i32>,
    pub reason: String,
    pub note: Option<String>,
    pub duration: Duration,
    pub files: Option<u64>,
    pub bytes: Option<u64>,
}

/// A job's thread. It must be the one that starts the children: the parent-death signal follows it.
pub struct Worker {
    pub(super) config: Arc<config::Job>,
    pub(super) machine: Job,
    pub(super) ladder: Ladder,
    pub(super) shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) slot: Arc<Slot>,
    pub(super) running: Option<Running>,
    pub(super) turn: Option<Turn>,
    started: Time,
    pub(super) shown: Time,
    pub(super) ended: Ended,
    pub(super) told: Told,
    exiting: bool,
}

/// What the state machine needs to know of a job's keys.
pub fn settings(job: &config::Job, repeat: bool) -> Settings {
    let drop_in = matches!(job.arguments, config::Arguments::DropIn(_));
    debug_assert!(
        job.limits.recover_after.is_none() || job.hooks.recover.is_some(),
        "config/rules.rs refuses recover_after without run_recover"
    );
    Settings {
        limits: job.limits.clone(),
        repeat,
        probe: !drop_in,
        before: job.hooks.before.is_some(),
        on_change: job.hooks.on_change.is_some(),
        on_failure: job.hooks.on_failure.is_some(),
        after: job.hooks.after.is_some(),
    }
}

impl Worker {
    /// A worker that has not started yet. `phase`: see [`Job::new`].
    pub fn new(
        config: Arc<config::Job>,
        repeat: bool,
        phase: u64,
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        pulse: Arc<Pulse>,
        slot: Arc<Slot>,
    ) -> Worker {
        let now = clock::now();
        Worker {
            ladder: Ladder::new(config.reboot_after, now),
            machine: Job::new(settings(&config, repeat), now, clock::seed(), phase),
            config,
            shared,
            inbox,
            pulse,
            slot,
            running: None,
            turn: None,
            started: now,
            shown: now,
            ended: Ended::default(),
            told: Told::default(),
            exiting: false,
        }
    }

    /// The thread's whole life.
    pub fn run(mut self: Box<Self>) {
        self.show_waiting();
        self.tell_first_wait();
        while !self.exiting {
            self.sleep();
            self.pulse.busy(clock::now());
            super::fault::strike(&self.config.name);
            self.wake();
        }
        let left = self.running.as_ref().map(|running| running.pid);
        if left.is_some() {
            // It hangs in the kernel. The lock stays with it, so that no other irsync starts a second one.
            std::mem::forget(self.turn.take());
        } else {
            self.turn = None;
            self.leave_destination();
        }
        self.slot.update(|s| {
            s.state = State::Stopped;
            s.next_run = None;
            s.pid = left;
        });
        self.pulse.end();
        self.shared.main.ring();
    }

    fn sleep(&self) {
        let deadline = self.deadline();
        if self.running.is_none() {
            sys::stack::give_back();
        }
        self.pulse.asleep_until(deadline);
        let mut fds = vec![PollFd::new(self.inbox.waker.as_fd(), PollFlags::POLLIN)];
        if let Some(running) = &self.running {
            fds.extend(running.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        }
        let timeout = deadline.map(|at| TimeSpec::from_duration(at.since(clock::now())));
        // Whatever woke us, or an error such as EINTR: all sources are looked at, and none of them blocks.
        let _ = ppoll(&mut fds, timeout, None);
    }

    fn deadline(&self) -> Option<Time> {
        let linger = self.running.as_ref().and_then(Running::linger).map(|wait| clock::now() + wait);
        match (self.machine.deadline(), linger) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn wake(&mut self) {
        self.inbox.waker.clear();
        if let Some(running) = &mut self.running {
            if running.drain() {
                self.feed(Event::Activity);
                self.show_progress();
            }
        }
        self.look_for_end();
        while let Some(order) = self.inbox.next() {
            match order {
                Order::SyncNow => self.feed(Event::SyncNow),
                Order::Stop => self.feed(Event::Stop),
                Order::Reload(config) => {
                    if start::lock_key(&config) != start::lock_key(&self.config) {
                        self.leave_destination();
                    }
                    let settings = settings(&config, true);
                    self.config = config;
                    self.ladder = Ladder::new(self.config.reboot_after, clock::now());
                    let stale_after = self.config.stale_after;
                    self.slot.update(|s| s.stale_after = stale_after);
                    self.feed(Event::Reconfigure(settings));
                }
            }
        }
        self.feed(Event::Tick);
        if self.running.is_none() && !self.exiting {
            self.show_waiting();
        }
    }

    fn feed(&mut self, event: Event) {
        let mut event = Some(event);
        while let Some(happened) = event.take() {
            let now = clock::now();
            self.pulse.busy(now);
            let action = self.machine.handle(happened, now);
            event = self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Wait => None,
            Action::Begin => Some(self.begin()),
            Action::Start(step) => Some(self.start(step)),
            Action::Sample => Some(Event::Sampled(self.running.as_mut().is_some_and(Running::has_read))),
            Action::Terminate(cause) => {
                if let Some(running) = &self.running {
                    tell::ending(&self.config.name, running.step, cause);
                    running.terminate();
                }
                self.slot.update(|s| s.state = State::Stopping);
                None
            }
            Action::Kill => {
                if let Some(running) = &self.running {
                    log::warn!("{}: {} did not end after SIGTERM, killing it", self.config.name, running.step.name());
                    running.kill();
                }
                self.slot.update(|s| s.kills += 1);
                None
            }
            Action::ReportUnkillable => {
                let pid = self.running.as_ref().map_or(0, |r| r.pid);
                log::error!(
                    "{}: process {pid} does not die of SIGKILL: it hangs in the kernel (a dead card or file server?); \
                     no second one is started beside it",
                    self.config.name
                );
                self.slot.update(|s| s.state = State::Unkillable);
                self.pulse.ask_for_reboot_at(self.ladder.reboot_at());
                None
            }
            Action::Conclude(conclusion) => {
                self.conclude(conclusion);
                Some(Event::Concluded)
            }
            Action::Exit => {
                if let Some(running) = &self.running {
                    log::error!("{}: leaving process {} behind, it hangs in the kernel", self.config.name, running.pid);
                } else if !self.ended.reason.is_empty() {
                    log::info!("{}: stopped in mid-sync, after {}", self.config.name, Span(self.ended.duration));
                }
                self.exiting = true;
                None
            }
        }
    }

    /// Others may write there from now on; a sync that still runs keeps its turn, and the lock with it.
    fn leave_destination(&self) {
        if let Some(key) = start::lock_key(&self.config) {
            self.shared.claims.give_up(&key);
        }
    }

    fn begin(&mut self) -> Event {
        self.ended = Ended::default();
        self.told = Told { failures: self.told.failures, ..Told::default() };
        match start::take_turn(&self.config, &self.shared) {
            Ok(turn) => {
                self.turn = turn;
                Event::Began
            }
            Err(reason) => {
                self.ended.reason = "lock".into();
                self.ended.note = Some(reason);
                Event::Refused
            }
        }
    }

    fn start(&mut self, step: Step) -> Event {
        if step == Step::Probe && self.shared.version(&self.config.rsync).is_some() {
            // The answer is known, from another job or from before a reload.
            self.show_version();
            return Event::NotStarted(Outcome::Skipped);
        }
        let _spawning = self.shared.reaper.spawning();
        match start::start(step, &self.config, &self.shared, self.turn.as_ref(), &self.told) {
            Ok(running) => {
                self.shared.reaper.enrol(running.pid, Arc::clone(&self.inbox.waker));
                self.shared.guard_enter(running.pid);
                // It may have ended before it was enrolled; then nobody rings for it any more.
                self.inbox.waker.ring();
                self.started = clock::now();
                self.show_running(step, running.pid);
                self.running = Some(running);
                Event::Started
            }
            Err(Refusal::Guard(key, found)) => {
                self.ended.reason = key.name().into();
                self.ended.note = Some(found);
                Event::Refused
            }
            Err(Refusal::Failed(message, outcome)) => {
                if step == Step::Rsync {
                    self.ended.reason = "not started".into();
                    self.ended.note = Some(message);
                } else if step != Step::Probe {
                    log::error!("{}: {message}", self.config.name);
                    self.ended.reason = step.name().into();
                    self.ended.note = Some(message);
                }
                Event::NotStarted(outcome)
            }
        }
    }

    fn look_for_end(&mut self) {
        let Some(running) = &mut self.running else { return };
        running.look_for_end();
        if running.end.is_none() || !running.is_gone() {
            return;
        }
        let Some(running) = self.running.take() else { return };
        self.shared.reaper.forget(running.pid);
        self.shared.guard_leave(running.pid);
        self.shared.reaper.look();
        let duration = clock::now().since(self.started);
        match (running.step, running.end) {
            (Step::Rsync, Some(end)) => {
                let verdict = classify(end, &running.said.evidence);
                self.ended = tell::ended(&verdict, end, duration, &running.said.stats);
                let Verdict { outcome, .. } = verdict;
                self.told.code = self.ended.code;
                self.feed(Event::Synced { outcome, changed: running.said.changed() });
            }
            (Step::Probe, _) => {
                let version = Version::parse(&String::from_utf8_lossy(&running.said.answer));
                if let Some(version) = &version {
                    log::info!("{}: using {}, version {}", self.config.name, self.config.rsync, version.text());
                }
                self.shared.learn_version(&self.config.rsync, version);
                self.show_version();
                self.feed(Event::Exited(true));
            }
            (step, Some(end)) => {
                let ok = end == crate::rsync::outcome::End::Code(0);
                if !ok {
                    let note = format!("{} {}", step.name(), tell::end(end));
                    log::warn!("{}: {note}", self.config.name);
                    if step == Step::Before {
                        self.ended.reason = step.name().into();
                        self.ended.note = Some(note);
                    }
                }
                self.feed(Event::Exited(ok));
            }
            (_, None) => {}
        }
    }
}
