//! A job's thread. It sleeps in `poll()` on its child's pipes and its waker, hands what happened to the state machine, and
//! performs what that asks for.

mod asking;
mod credential;
mod ended;
mod perform;
mod rollback;
mod settings;

use super::daemons::Daemons;
use super::handle::Terms;
use super::heard::Heard;
use super::hours;
use super::inbox::{Inbox, Order};
use super::masters::Masters;
use super::order::Judged;
use super::place::Place;
use super::pulse::Pulse;
use super::running::Running;
use super::shared::Shared;
use super::show::Show;
use super::start::HookFacts;
use super::sync_report::SyncReport;
use super::tidying::Tidying;
use super::variables::expanded;
use super::verifying::Verifying;
use crate::config;
use crate::job::deletions::Held;
use crate::job::narrator::{Narrator, HOUR};
use crate::job::{Action, Event, Job, Step, Time};
use crate::os::clock;
use crate::os::program::Identity;
use crate::report::human::Span;
use crate::report::log_bounds::Memory;
use crate::report::logging;
use crate::report::slot::Slot;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use settings::settings;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A first sync that starts sooner than this is not announced.
const SOON: Duration = Duration::from_secs(1);

/// A job's worker. The children are started by its thread and by no other: the kernel sends them the parent-death signal
/// when the thread that has started them ends.
pub(super) struct Worker {
    /// As it was read.
    template: Arc<config::Job>,
    /// With its variables expanded; as it was read before the first sync that knows them.
    job: Arc<config::Job>,
    machine: Job,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    pulse: Arc<Pulse>,
    show: Show,
    /// The child that runs, or whose leftovers are being ended.
    child: Option<Box<Running>>,
    /// When the child was started.
    child_since: Time,
    masters: Masters,
    /// What the sync before has said of its changes.
    heard: Heard,
    /// It was told that nothing is deleted, because the server cannot read everything.
    told_of_skipped_deletions: bool,
    /// The sync before was interrupted after it had moved file data.
    interrupted: bool,
    daemons: Daemons,
    place: Place,
    judged: Judged,
    /// What rsync was when this sync began.
    rsync_file: Option<Identity>,
    /// It was asked for its version in this sync.
    probed: bool,
    /// It runs with nothing added, as it has given no version.
    unknown: bool,
    verifying: Verifying,
    report: SyncReport,
    hook_facts: HookFacts,
    /// The source that rsync was last started with, by number.
    asked: usize,
    /// The deletions that were held after the sync before.
    held: Option<Held>,
    /// The owner was told that deletions are not counted first.
    told_of_no_guard: bool,
    /// What the log was told of the job's syncs.
    narrator: Narrator,
    /// What the log was told by the job's children.
    memory: Arc<Mutex<Memory>>,
    /// What the job's syncs may have left behind.
    tidying: Tidying,
    /// The `bwlimit` that rsync was last started with.
    bwlimit: Option<u64>,
    /// The hash of the password that rsync was last given; None: there is none, or it could not be read.
    secret: Option<u64>,
    /// The file with the password may have changed.
    secret_may_be_new: bool,
    /// When to look at the clock again for `window` and `bwlimit`.
    look_at: Time,
    /// The owner has rolled the set back.
    rolled_back: bool,
    /// The number of the request for a rollback that waits for an answer.
    ticket: Option<u64>,
    /// The state machine has said that the job is over.
    exiting: bool,
}

impl Worker {
    /// A worker whose thread has not started yet.
    pub(super) fn new(
        template: Arc<config::Job>,
        terms: Terms,
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        pulse: Arc<Pulse>,
        slot: Arc<Slot>,
    ) -> Worker {
        let now = clock::now();
        Worker {
            machine: Job::new(settings(&template, terms.repeat), now, clock::seed(), terms.phase),
            job: expanded(&template).unwrap_or_else(|_| Arc::clone(&template)),
            template,
            shared,
            inbox,
            pulse,
            show: Show::new(slot, now),
            child: None,
            child_since: now,
            masters: Masters::default(),
            heard: Heard::default(),
            told_of_skipped_deletions: false,
            interrupted: false,
            daemons: Daemons::default(),
            place: Place::default(),
            judged: Judged::default(),
            rsync_file: None,
            probed: false,
            unknown: false,
            verifying: Verifying::new(terms.phase, !terms.repeat),
            report: SyncReport::default(),
            hook_facts: HookFacts::default(),
            asked: 0,
            held: None,
            told_of_no_guard: false,
            narrator: Narrator::new(HOUR, now),
            memory: Arc::default(),
            tidying: Tidying::default(),
            bwlimit: None,
            secret: None,
            secret_may_be_new: false,
            look_at: Time::default(),
            rolled_back: false,
            ticket: None,
            exiting: false,
        }
    }

    /// The thread's whole life.
    pub(super) fn run(mut self: Box<Self>) {
        self.notice_rollback();
        self.show.waiting(self.machine.next_sync(), self.machine.is_paused());
        self.show_ladder();
        self.announce_first_sync();
        self.adopt(Arc::clone(&self.job));
        while !self.exiting {
            self.sleep();
            self.pulse.busy(clock::now());
            crate::os::fault::strike(&self.job.name);
            self.wake();
        }
        self.masters.end_at_once();
        self.shared.move_destination(&self.job.name, self.place.local.take(), None);
        let left_behind = self.child.as_ref().map(|child| child.pid);
        if left_behind.is_some() {
            // It hangs in the kernel. The lock stays with it, so that no other irsync starts a second one.
            std::mem::forget(self.place.turn.take());
        } else {
            self.place.turn = None;
            self.give_up_destination();
        }
        self.reply(Err(format!("{}: the job is stopping", self.job.name)));
        self.show.stopped(left_behind);
        self.pulse.finish();
        self.shared.main.ring();
    }

    /// With a long interval the first sync may be many minutes away: say so, rather than look dead.
    fn announce_first_sync(&self) {
        if let Some(next) = self.machine.next_sync() {
            let wait = next.since(clock::now());
            if wait >= SOON {
                log::info!("{}: first sync in {}", self.job.name, Span(wait));
            }
        }
    }

    /// Tells the main thread when a reboot is due for the job's sake.
    fn show_ladder(&self) {
        let (at, held) = self.machine.reboot();
        if self.pulse.wish_reboot(at, held) {
            self.shared.main.ring();
        }
    }

    /// Tells the machine how much file data rsync has moved.
    fn show_moved(&mut self) {
        let Some(child) = self.child.as_ref().filter(|child| child.step == Step::Rsync) else { return };
        let (files, bytes) = child.moved();
        let action = self.machine.handle(Event::Moved { files, bytes }, clock::now());
        debug_assert_eq!(action, Action::Wait, "what was moved calls for nothing");
    }

    fn sleep(&self) {
        let deadline = self.deadline();
        self.pulse.asleep_until(deadline);
        let mut fds = vec![PollFd::new(self.inbox.waker.as_fd(), PollFlags::POLLIN)];
        if let Some(child) = &self.child {
            fds.extend(child.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        }
        fds.extend(self.daemons.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        let timeout = deadline.map(|at| TimeSpec::from_duration(at.since(clock::now())));
        // Whatever woke us, an error such as EINTR included: wake() looks at every source, and none of them blocks.
        let _ = ppoll(&mut fds, timeout, None);
    }

    fn deadline(&self) -> Option<Time> {
        let leftovers = self.child.as_ref().and_then(|child| child.leftovers_in()).map(|wait| clock::now() + wait);
        match (self.machine.deadline(), leftovers) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn wake(&mut self) {
        self.inbox.waker.clear();
        if let Some(child) = &mut self.child {
            if child.drain() {
                if child.step == Step::Rsync {
                    self.show.progress(&child.said, clock::now());
                }
                let asks = child.said.evidence.asks().is_some();
                self.feed(Event::Activity);
                self.show_moved();
                if asks {
                    self.feed(Event::Asked);
                }
            }
        }
        self.daemons.drain();
        self.look_after_child();
        while let Some(order) = self.inbox.next() {
            match order {
                Order::SyncNow => {
                    self.listen();
                    self.feed(Event::SyncNow);
                }
                Order::Allow => {
                    self.listen();
                    self.feed(Event::Allow);
                }
                Order::Pause(true) => self.feed(Event::Pause(true)),
                Order::Pause(false) => self.resume(),
                Order::Rollback(ticket) => self.roll_back(ticket),
                Order::Stop => self.feed(Event::Stop),
                Order::Secret => self.secret_may_be_new = true,
                Order::Reload(job) => self.reload(job),
            }
        }
        self.look_at_secret();
        self.look_at_clock();
        self.feed(Event::Tick);
        if self.child.is_none() && !self.exiting {
            self.show.waiting(self.machine.next_sync(), self.machine.is_paused());
        }
        self.show_ladder();
    }

    /// Lets the machine know what the owner's hours say, when they may say something new.
    fn look_at_clock(&mut self) {
        let now = clock::now();
        if now < self.look_at {
            return;
        }
        let gate = hours::gate(&self.job, now);
        self.look_at = gate.map_or(Time(Duration::MAX), |gate| gate.again);
        let slower = hours::is_slower(hours::bwlimit(&self.job), self.bwlimit);
        self.feed(Event::Clock { gate, slower });
    }

    fn reload(&mut self, template: Arc<config::Job>) {
        let before = Arc::clone(&self.job);
        self.adopt(expanded(&template).unwrap_or_else(|_| Arc::clone(&template)));
        if before.arguments != self.job.arguments {
            self.machine.forget_set();
        }
        self.template = template;
        self.listen();
        self.show.stale_after(self.job.stale_after);
        self.look_at = Time::default();
        self.feed(Event::Reconfigure(settings(&self.job, true)));
    }

    /// From now on this is the job. Another destination is another lock.
    fn adopt(&mut self, job: Arc<config::Job>) {
        let new = Place::of(&job);
        if new.key != self.place.key {
            self.give_up_destination();
        }
        if new.local != self.place.local {
            self.shared.move_destination(&job.name, self.place.local.take(), new.local.clone());
        }
        self.place = Place { turn: self.place.turn.take(), ..new };
        self.job = job;
    }

    /// Somebody is there, and wants to see what comes of the next sync.
    fn listen(&mut self) {
        self.narrator.listen();
        logging::forget(&self.memory);
    }

    /// Other irsyncs may write to the destination from now on. While a sync runs it keeps its turn, and the lock with it.
    fn give_up_destination(&self) {
        if let Some(key) = &self.place.key {
            self.shared.claims.give_up(key);
        }
    }

    /// Hands an event to the state machine, performs the action it answers with, hands on what came of that, and so on.
    fn feed(&mut self, event: Event) {
        let mut event = Some(event);
        while let Some(happened) = event.take() {
            let now = clock::now();
            self.pulse.busy(now);
            let action = self.machine.handle(happened, now);
            event = self.perform(action);
        }
    }
}
