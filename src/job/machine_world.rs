//! A world around the job's machine: what could happen next, and what must hold whatever happens. The unit tests lead the
//! machine through every order of events in it, and `fuzz/` through arbitrary ones.

use super::*;
use crate::job::{Conclusion, Counted, Pace};
#[cfg(feature = "fuzzing")]
use crate::job::{Jitter, Limits};

/// A world around the machine: what a worker and the kernel could say next.
#[derive(Clone)]
pub(super) struct World {
    pub(super) job: Job,
    pub(super) now: Time,
    /// What a reload brings.
    other: Settings,
    child: Option<Step>,
    asked: Option<Action>,
    stopped: bool,
    /// What rsync wrote is not on the disk.
    unflushed: bool,
    /// A new set is there that nobody has seen.
    staged: bool,
    /// The owner has taken the job out of turn.
    paused: bool,
    /// The owner has allowed what was held.
    allowed: bool,
    /// What rsync may have left behind is still there.
    untidy: bool,
    /// When the child was started.
    began: Time,
    /// When rsync was started first in this sync.
    rsync_began: Option<Time>,
    /// When rsync last showed that it lives.
    alive: Time,
    /// irsync has asked the child to end, and kills it from then on.
    kill_at: Option<Time>,
    killed: bool,
    stops: u32,
}

impl World {
    pub(super) fn new(job: Job, other: Settings, now: Time) -> World {
        World {
            job,
            now,
            other,
            child: None,
            asked: None,
            stopped: false,
            unflushed: false,
            staged: false,
            paused: false,
            allowed: false,
            untidy: false,
            began: now,
            rsync_began: None,
            alive: now,
            kill_at: None,
            killed: false,
            stops: 0,
        }
    }

    pub(super) fn possible(&self) -> Vec<Event> {
        let mut events = match self.asked {
            Some(Action::Begin) => vec![
                Event::Began { probe: false, verify: true },
                Event::Began { probe: true, verify: false },
                Event::Refused,
            ],
            Some(Action::Start(Step::Rsync)) => {
                vec![Event::Started, Event::NotStarted(Outcome::Transient), Event::Refused]
            }
            Some(Action::Start(_)) => vec![Event::Started, Event::NotStarted(Outcome::Permanent)],
            Some(Action::Conclude(_)) => vec![Event::Concluded],
            Some(Action::Sample) => vec![Event::Sampled(true), Event::Sampled(false)],
            _ => match self.child {
                Some(Step::Rsync) => vec![
                    Event::Synced {
                        outcome: Outcome::Success,
                        changed: true,
                        moved: false,
                        written: true,
                        counted: Counted::default(),
                    },
                    Event::Synced {
                        outcome: Outcome::Transient,
                        changed: false,
                        moved: false,
                        written: false,
                        counted: Counted::default(),
                    },
                    Event::Activity,
                    Event::Untidy,
                    Event::Asked,
                    Event::Moved { files: 1, bytes: 1 },
                ],
                Some(_) => vec![Event::Exited(true), Event::Exited(false)],
                None => vec![],
            },
        };
        if self.job.settings.deletions.is_some() {
            if self.child == Some(Step::Rsync) && self.asked.is_none() {
                events.extend([ended(Outcome::Held, 3), ended(Outcome::Held, 9), ended(Outcome::Disk, 0)]);
            }
            events.extend([Event::Pause(true), Event::Pause(false), Event::Allow]);
        }
        if self.job.settings.atomic {
            events.extend([Event::Rollback, Event::Resume]);
        }
        // From outside, at any time, expected or not.
        events.extend([
            Event::Tick,
            Event::Stop,
            Event::SyncNow,
            Event::Mended,
            Event::Reconfigure(self.other.clone()),
        ]);
        events
    }

    pub(super) fn feed(&mut self, event: Event, path: &[Event]) {
        let answers = |asked: &Option<Action>, e: &Event| {
            matches!(
                (asked, e),
                (Some(Action::Begin), Event::Began { .. } | Event::Refused)
                    | (Some(Action::Start(_)), Event::Started | Event::NotStarted(_) | Event::Refused)
                    | (Some(Action::Conclude(_)), Event::Concluded)
                    | (Some(Action::Sample), Event::Sampled(_))
            )
        };
        let ends = matches!(event, Event::Synced { .. } | Event::Exited(_));
        if event == Event::Tick && self.asked.is_none() {
            if let Some(deadline) = self.job.deadline() {
                self.now = self.now.max(deadline);
            }
        }
        // That it cannot be removed must not hold up the job.
        self.untidy &= !matches!((self.asked, &event), (Some(Action::Start(Step::Tidy)), Event::NotStarted(_)));
        if answers(&self.asked, &event) {
            if let (Some(Action::Start(step)), Event::Started) = (self.asked, &event) {
                self.child = Some(step);
                (self.began, self.alive) = (self.now, self.now);
                if step == Step::Rsync {
                    self.rsync_began.get_or_insert(self.now);
                }
            }
            self.asked = None;
        }
        if ends {
            match (self.child, &event) {
                (Some(Step::Rsync), Event::Synced { written, changed, .. }) => {
                    self.unflushed |= *written;
                    self.staged = *changed;
                }
                (Some(Step::Publish), Event::Exited(true)) => self.staged = false,
                (Some(Step::Flush), Event::Exited(true)) => self.unflushed = false,
                (Some(Step::Tidy), _) => self.untidy = false,
                (Some(Step::Rollback), Event::Exited(true)) => self.paused = true,
                (Some(Step::Resume), Event::Exited(true)) => self.paused = false,
                _ => {}
            }
            self.child = None;
            (self.kill_at, self.killed) = (None, false);
        }
        self.stopped |= event == Event::Stop;
        self.stops += u32::from(event == Event::Stop);
        if matches!(event, Event::Activity | Event::Sampled(true)) {
            self.alive = self.now;
        }
        self.untidy |= event == Event::Untidy && self.child == Some(Step::Rsync);
        match event {
            Event::Pause(paused) => self.paused = paused,
            // What is allowed is what was held, nine of them.
            Event::Allow => self.allowed |= self.job.held.is_some(),
            _ => {}
        }
        let of_its_own = event == Event::Tick;
        let was_tick = event == Event::Tick && self.asked.is_none();
        let hurried = self.job.fresh || self.job.again;
        let limit = self.job.activity_limit();
        let told = matches!(event, Event::Tick | Event::Sampled(_)).then(|| event.clone());
        let action = self.job.handle(event, self.now);
        if let Some(event) = told {
            self.keeps_limits(&event, action, limit, path);
        }
        self.keeps_stops(action, path);
        if let Action::Conclude(conclusion) = action {
            self.keeps_waits(&conclusion, hurried, path);
        }
        match action {
            Action::Start(step) => {
                if let (Step::Rsync, Pass::Delete(most) | Pass::MakeRoom(most)) = (step, self.job.pass()) {
                    assert!(most <= 5 || self.allowed && most <= 9, "{most} deletions that nobody allowed: {path:?}");
                }
                assert_eq!(self.child, None, "two children: {path:?}");
                assert!(step != Step::Publish || !self.unflushed, "shown before it is on the disk: {path:?}");
                let set_back = self.job.wants_rollback();
                assert!(step != Step::Publish || !set_back, "shown although the set before was asked for: {path:?}");
            }
            Action::Terminate(_) | Action::Kill => assert!(self.child.is_some(), "nobody to kill: {path:?}"),
            Action::Conclude(c) if self.job.settings.durable && c.outcome.pace() == Pace::Interval => {
                assert!(!self.unflushed && self.child.is_none(), "told before it was true: {path:?}");
                assert!(!self.untidy, "told before it was tidied up: {path:?}");
                assert!(!self.job.settings.atomic || !self.staged, "told before it was shown: {path:?}");
            }
            Action::Conclude(_) if self.untidy => panic!("told before it was tidied up: {path:?}"),
            Action::Begin | Action::Conclude(_) => {
                assert_eq!(self.child, None, "child left: {path:?}");
                assert!(action != Action::Begin || !(of_its_own && self.paused), "not paused: {path:?}");
                // `max_runtime` is of one sync.
                self.rsync_began = None;
            }
            Action::Exit => assert!(
                self.child.is_none() || matches!(self.job.phase, Phase::Finished) && self.stopped,
                "left alone: {path:?}"
            ),
            Action::Wait | Action::Sample | Action::ReportUnkillable => {}
        }
        if was_tick && action == Action::Wait {
            let deadline = self.job.deadline();
            assert!(deadline.map_or(true, |d| d > self.now), "a deadline in the past would spin: {path:?}");
        }
        if matches!(action, Action::Begin | Action::Start(_) | Action::Conclude(_) | Action::Sample) {
            // Looking twice does no harm; beginning, starting or concluding twice would.
            let first = matches!(self.asked, None | Some(Action::Sample));
            assert!(first, "asked twice: {path:?}");
            self.asked = Some(action);
        }
    }

    /// A child that overruns its limit is asked to end, and one that does not end is killed: at the first look after it.
    fn keeps_limits(&self, event: &Event, action: Action, limit: Option<Duration>, path: &[Event]) {
        let Some(step) = self.child else { return };
        if let Some(at) = self.kill_at {
            let overdue = *event == Event::Tick && self.now >= at && !self.killed;
            assert!(!overdue || action == Action::Kill, "it was to be killed: {path:?}");
            return;
        }
        if self.killed {
            return;
        }
        let limits = &self.job.settings.limits;
        let ends = matches!(action, Action::Terminate(_));
        let (began, longest) = match step {
            Step::Rsync => (self.rsync_began.unwrap_or(self.began), limits.max_runtime),
            Step::Flush | Step::Publish => (self.began, limits.activity_timeout),
            _ => (self.began, Some(limits.hook_timeout)),
        };
        if *event == Event::Tick && longest.is_some_and(|longest| self.now >= began + longest) {
            assert!(ends, "{step:?} runs too long: {path:?}");
        }
        if step == Step::Rsync && limit.is_some_and(|limit| self.now >= self.alive + limit) {
            let looks = *event == Event::Tick && action == Action::Sample;
            assert!(ends || looks, "a silence that is too long: {path:?}");
        }
    }

    /// SIGKILL follows SIGTERM, when its time has come or somebody stops irsync a second time.
    fn keeps_stops(&mut self, action: Action, path: &[Event]) {
        let by = self.now + self.job.settings.limits.stop_timeout;
        match action {
            Action::Terminate(_) => {
                assert!(self.kill_at.is_none() && !self.killed, "asked to end twice: {path:?}");
                self.kill_at = Some(by);
            }
            Action::Kill => {
                assert!(!self.killed, "killed twice: {path:?}");
                let due = self.kill_at.is_some_and(|at| self.now >= at);
                assert!(due || self.kill_at.is_some() && self.stops > 1, "killed too early: {path:?}");
                (self.kill_at, self.killed) = (None, true);
            }
            // A stop does not wait for as long as the limit that was in force before it.
            _ if self.stopped && path.last() == Some(&Event::Stop) => self.kill_at = self.kill_at.map(|at| at.min(by)),
            _ => {}
        }
    }

    /// No wait is longer than the owner allows, and a server in trouble is not asked sooner than in peace.
    fn keeps_waits(&self, conclusion: &Conclusion, hurried: bool, path: &[Event]) {
        let (limits, repeat) = (&self.job.settings.limits, self.job.settings.repeat);
        assert_eq!(conclusion.next.is_some(), repeat, "{path:?}");
        let Some(wait) = conclusion.next else { return };
        if hurried || matches!(conclusion.cause, Some(Cause::Window | Cause::Slower | Cause::Rollback)) {
            return;
        }
        assert_eq!(conclusion.failures == 0, conclusion.outcome.is_success(), "{path:?}");
        let longest = limits.longest_backoff();
        let by_key = limits.backoff_initial.is_some() || limits.backoff_max.is_some();
        let with_jitter = |wait: Duration| wait.saturating_add(limits.jitter.span(wait));
        let (least, most) = match conclusion.outcome.pace() {
            Pace::Interval => (limits.interval, with_jitter(longest.max(limits.interval))),
            Pace::Backoff if by_key => (Duration::ZERO, longest),
            Pace::Backoff if self.job.spared => (Duration::ZERO, longest.max(limits.interval * 3 / 2)),
            Pace::Backoff => (limits.interval, limits.interval * 3 / 2),
            Pace::LongestBackoff => (longest, with_jitter(longest)),
        };
        assert!((least..=most).contains(&wait), "{wait:?} is not within {least:?} and {most:?}: {path:?}");
    }

    /// From here on the world is kind: answers are given, children die when killed. Stop must end the job.
    pub(super) fn stop_ends(mut self, path: &[Event]) {
        let mut killed = false;
        let mut event = Event::Stop;
        for _ in 0..20 {
            let action = self.job.handle(event, self.now);
            event = match action {
                Action::Exit => return,
                Action::Start(step) => {
                    self.child = Some(step);
                    Event::Started
                }
                Action::Begin => Event::Began { probe: false, verify: false },
                Action::Conclude(_) => Event::Concluded,
                Action::Sample => Event::Sampled(false),
                Action::Kill => {
                    killed = true;
                    Event::Tick
                }
                _ => match (self.asked.take(), self.child) {
                    (Some(Action::Begin), _) => Event::Began { probe: false, verify: false },
                    (Some(Action::Start(step)), _) => {
                        self.child = Some(step);
                        Event::Started
                    }
                    (Some(Action::Conclude(_)), _) => Event::Concluded,
                    (Some(Action::Sample), _) => Event::Sampled(false),
                    (_, Some(step)) if killed => {
                        self.child = None;
                        match step {
                            Step::Rsync => Event::Synced {
                                outcome: Outcome::Transient,
                                changed: false,
                                moved: false,
                                written: false,
                                counted: Counted::default(),
                            },
                            _ => Event::Exited(false),
                        }
                    }
                    _ => {
                        if let Some(deadline) = self.job.deadline() {
                            self.now = self.now.max(deadline);
                        }
                        killed |= matches!(self.job.phase, Phase::Killed { .. });
                        Event::Tick
                    }
                },
            };
        }
        panic!("stop does not end {:?} after {path:?}", self.job.phase);
    }
}

fn counted(skipped: u64) -> Counted {
    Counted { skipped, listed: Some(51), listed_folders: Some(1), roots: 1, limited: skipped > 0, ..Counted::default() }
}

/// A sync has ended that changed nothing and skipped so many deletions.
pub(super) fn ended(outcome: Outcome, skipped: u64) -> Event {
    Event::Synced { outcome, changed: false, moved: false, written: false, counted: counted(skipped) }
}

/// How long nothing may happen before an event: by its upper three bits.
#[cfg(feature = "fuzzing")]
const PAUSES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(100),
    Duration::from_secs(900),
    Duration::from_secs(3 * 3600),
];

/// Settings and events made of arbitrary bytes: an event each, as far as it is possible then.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next().unwrap_or(0);
    let (mut first, mut other) = (settings(&mut next), settings(&mut next));
    // A job that runs once does so for its whole life. What a sync has begun with, this world does not remember: whether its set
    // is built beside the live one, and has to be on the disk.
    other.repeat = first.repeat;
    (other.durable, other.atomic, other.before_publish) = (first.durable, first.atomic, first.before_publish);
    first.limits.spread = Duration::from_secs(u64::from(next()));
    let start = Time(Duration::from_secs(1_000_000));
    let mut world = World::new(Job::new(first, start, next().into(), u64::from(next()) << 56), other, start);
    let mut path = Vec::new();
    for byte in bytes.take(400) {
        let mut events = world.possible();
        let event = events.swap_remove(usize::from(byte & 31) % events.len());
        world.now = world.now + PAUSES[usize::from(byte >> 5)];
        path.push(event.clone());
        world.feed(event, &path);
        if world.job.phase == Phase::Finished {
            return;
        }
    }
    world.stop_ends(&path);
}

#[cfg(feature = "fuzzing")]
fn settings(next: &mut dyn FnMut() -> u8) -> Settings {
    const SPANS: [u64; 8] = [0, 1, 5, 10, 30, 100, 900, 7200];
    let span = |byte: u8| Duration::from_secs(SPANS[usize::from(byte & 7)]);
    let maybe = |byte: u8| (byte & 8 != 0).then(|| span(byte));
    let flags = next();
    let on = |bit: u8| flags & 1 << bit != 0;
    let limits = Limits {
        interval: span(next()),
        jitter: Jitter::Percent(next() % 101),
        spread: Duration::ZERO,
        activity_timeout: maybe(next()),
        max_runtime: maybe(next()),
        stop_timeout: span(next()),
        backoff_initial: maybe(next()),
        backoff_max: maybe(next()),
        hook_timeout: span(next()),
        recover_after: maybe(next()).filter(|after| !after.is_zero()),
    };
    let rules = Rules { max_delete: Some(5), max_shrink: Some(90), allowed: 0 };
    let more = next();
    Settings {
        limits,
        repeat: !on(0),
        reboot_after: maybe(next()).filter(|after| !after.is_zero()),
        durable: on(1),
        atomic: on(2),
        before_publish: on(3),
        sources: 1 + usize::from(more & 3),
        deletions: on(4).then_some(rules),
        before: on(5),
        on_change: on(6),
        on_failure: on(7),
        after: more & 4 != 0,
    }
}
