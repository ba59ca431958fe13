//! Whether the board's watchdog is fed: one event in, one action out.
//!
//! The main thread performs the action and hands in what came of it as the next event ([`Event::Tick`] where nothing can
//! come of it), until a tick is answered with [`Action::Wait`]. Then it sleeps until [`Feeding::deadline`] or until
//! something happens.
//!
//! ```text
//!   fed <--back, stuck--> not fed, because a worker is stuck
//!    |  ^
//!    |  +--- the write failed, or a success called it off ---+
//!    |                                                       |
//!    +-- a job asks, the budget allows it --> Write(reboot) -+-- durable --> Starve, and never fed again
//! ```
//!
//! The watchdog is fed while the record is being written: a card that hangs must not reset the board by itself. It starves
//! only after the record is on the disk, so that no reboot goes uncounted. The service manager is told that irsync is alive
//! while the watchdog starves: it would restart irsync, and the new one would feed the watchdog again.

use super::boot_record::{self, Budget, Found, Record};
pub(crate) use super::feeding_event::{weigh, Action, Event, News, Wish};
use super::Time;
use std::time::Duration;

/// While a worker is stuck, how often to look whether it goes on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After a reboot could not be recorded, how long to wait before trying again: the card is sick, and each try writes to it.
const RECORD_RETRY: Duration = Duration::from_secs(600);
/// How long the note of a clean stop may hold up the end of irsync.
const STOP_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
struct Device {
    every: Duration,
    real: bool,
    kick_at: Time,
    failing: bool,
}

#[derive(Clone, Debug)]
struct Log {
    boot: String,
    budget: Budget,
}

/// The record that is on its way to the disk. There is one at a time, so that the last one decided is the last one there.
#[derive(Clone, Debug)]
enum Writing {
    Note,
    Clean,
    Reboot { job: String, after: Duration, called_off: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// The clean stop has to be noted by then.
    By(Time),
    Over,
}

/// The state of it.
#[derive(Clone, Debug)]
pub(crate) struct Feeding {
    device: Option<Device>,
    /// The service manager's watchdog: how often to notify it, and when next.
    manager: Option<(Duration, Time)>,
    stuck: bool,
    starving: bool,
    limit: u32,
    /// None: there is no record, or it has not been read yet. Then there is no reboot either.
    log: Option<Log>,
    writing: Option<Writing>,
    /// What is on the disk is not what it should say.
    note_due: bool,
    ask_again: Time,
    end: End,
    clean_noted: bool,
    spent_told: bool,
    failure_told: bool,
}

impl Feeding {
    /// Nothing is armed yet. `notify_every`: how often the service manager wants to hear; None: it does not.
    pub(crate) fn new(limit: u32, notify_every: Option<Duration>, now: Time) -> Feeding {
        Feeding {
            device: None,
            manager: notify_every.map(|every| (every, now)),
            stuck: false,
            starving: false,
            limit,
            log: None,
            writing: None,
            note_due: false,
            ask_again: Time::default(),
            end: End::NotYet,
            clean_noted: false,
            spent_told: false,
            failure_told: false,
        }
    }

    /// When [`Event::Tick`] is due; None: only an event from outside goes on.
    pub(crate) fn deadline(&self, now: Time) -> Option<Time> {
        let end = match self.end {
            End::Over => return None,
            End::By(at) => Some(at),
            End::NotYet => None,
        };
        let kick = self.device.as_ref().filter(|_| !self.starving).map(|device| device.kick_at);
        let refresh = self.log.as_ref().filter(|_| self.may_note()).and_then(|log| log.budget.refresh_at(now));
        [kick, self.manager.map(|(_, at)| at), refresh, end].into_iter().flatten().min()
    }

    /// The device is kicked, and takes it.
    pub(crate) fn is_well(&self) -> bool {
        !self.starving && !self.stuck && self.device.as_ref().is_some_and(|device| !device.failing)
    }

    /// [`Action::Disarm`] or [`Action::LeaveArmed`] was said: nothing follows.
    pub(crate) fn is_over(&self) -> bool {
        self.end == End::Over
    }

    /// One event in, one action out.
    pub(crate) fn handle(&mut self, event: Event<'_>, now: Time) -> Action {
        if self.is_over() {
            return Action::Wait;
        }
        match event {
            Event::Tick => return self.tick(now),
            Event::Armed { every, real } => {
                debug_assert!(!every.is_zero(), "a kick that is always due");
                self.device = Some(Device { every, real, kick_at: now, failing: false });
            }
            Event::Kicked => self.set_failing(false),
            Event::KickFailed => {
                let known = self.device.as_ref().map_or(true, |device| device.failing);
                self.set_failing(true);
                if !known {
                    return Action::Tell(News::KickFails);
                }
            }
            Event::Stuck => {
                if !std::mem::replace(&mut self.stuck, true) && self.feeds_something() {
                    return Action::Tell(News::Stuck);
                }
            }
            Event::Back => {
                if std::mem::replace(&mut self.stuck, false) && self.feeds_something() {
                    self.feed_at(now);
                    return Action::Tell(News::Back);
                }
            }
            Event::Asked { job, after } => return self.asked(job, after, now),
            Event::Content => {
                self.spent_told = false;
                if let Some(Writing::Reboot { called_off, .. }) = &mut self.writing {
                    *called_off = true;
                }
            }
            Event::Opened { found, boot } => return self.opened(found, boot, now),
            Event::Recorded(durable) => return self.recorded(durable, now),
            Event::Limit(limit) => {
                if std::mem::replace(&mut self.limit, limit) != limit {
                    self.spent_told = false;
                    return Action::Tell(News::Limit(limit));
                }
            }
            Event::Stop => {
                if self.end == End::NotYet {
                    self.end = End::By(now + STOP_LIMIT);
                }
            }
        }
        Action::Wait
    }

    fn feeds_something(&self) -> bool {
        self.device.is_some() || self.manager.is_some()
    }

    fn set_failing(&mut self, failing: bool) {
        if let Some(device) = &mut self.device {
            device.failing = failing;
        }
    }

    fn feed_at(&mut self, at: Time) {
        if let Some(device) = &mut self.device {
            device.kick_at = at;
        }
        if let Some((_, next)) = &mut self.manager {
            *next = at;
        }
    }

    fn tick(&mut self, now: Time) -> Action {
        if self.stuck {
            if self.device.as_ref().is_some_and(|device| device.kick_at <= now)
                || self.manager.is_some_and(|(_, at)| at <= now)
            {
                self.feed_at(now + LOOK_AGAIN);
            }
        } else if let Some(action) = self.feed(now) {
            return action;
        }
        match self.end {
            End::By(by) => self.finish(by, now),
            _ if self.may_note() && self.wants_note(now) => {
                self.note_due = false;
                self.write(Writing::Note, boot_record::Stop::Running, now)
            }
            _ => Action::Wait,
        }
    }

    fn feed(&mut self, now: Time) -> Option<Action> {
        match &mut self.device {
            Some(device) if !self.starving && device.kick_at <= now => {
                device.kick_at = now + device.every;
                return Some(Action::Kick);
            }
            _ => {}
        }
        match &mut self.manager {
            Some((every, at)) if *at <= now => {
                *at = now + *every;
                Some(Action::Notify)
            }
            _ => None,
        }
    }

    fn may_note(&self) -> bool {
        self.writing.is_none() && !self.starving && self.end == End::NotYet
    }

    fn wants_note(&self, now: Time) -> bool {
        self.log.as_ref().is_some_and(|log| self.note_due || log.budget.wants_refresh(now))
    }

    /// A stop waits for what is being written, notes itself, and closes the device: all of it by `by`.
    fn finish(&mut self, by: Time, now: Time) -> Action {
        if !self.starving && now < by {
            if self.writing.is_some() {
                return Action::Wait;
            }
            // Without having read the record there is nothing to write: the ages in it would be lost.
            if self.log.is_some() && !std::mem::replace(&mut self.clean_noted, true) {
                return self.write(Writing::Clean, boot_record::Stop::Clean, now);
            }
        }
        self.end = End::Over;
        if self.starving || self.stuck {
            Action::LeaveArmed
        } else {
            Action::Disarm
        }
    }

    fn write(&mut self, writing: Writing, stop: boot_record::Stop, now: Time) -> Action {
        debug_assert!(self.writing.is_none(), "two records at once");
        let Some(log) = &mut self.log else { return Action::Wait };
        self.writing = Some(writing);
        Action::Write(log.budget.record(&log.boot, stop, now))
    }

    fn opened(&mut self, found: &Found, boot: &str, now: Time) -> Action {
        debug_assert!(self.log.is_none(), "the record was read twice");
        self.log = Some(Log { boot: boot.to_owned(), budget: Budget::new(found, boot, now) });
        // A crash loop must not write to the card once a second.
        let noted = matches!(found, Found::Record(Record { boot: noted, stop: boot_record::Stop::Running, .. })
            if noted == boot && !boot.is_empty());
        if noted || self.end != End::NotYet {
            return Action::Wait;
        }
        self.write(Writing::Note, boot_record::Stop::Running, now)
    }

    fn asked(&mut self, job: &str, after: Duration, now: Time) -> Action {
        if let Some(Writing::Reboot { called_off, .. }) = &mut self.writing {
            *called_off = false;
        }
        let resets = self.device.as_ref().is_some_and(|device| device.real);
        if !resets || self.stuck || !self.may_note() || now < self.ask_again {
            return Action::Wait;
        }
        let Some(log) = &self.log else { return Action::Wait };
        if !log.budget.allows(self.limit, now) {
            if std::mem::replace(&mut self.spent_told, true) {
                return Action::Wait;
            }
            let (spent, limit) = (log.budget.spent(now), self.limit);
            return Action::Tell(News::Spent { job: job.to_owned(), after, spent, limit });
        }
        // Spent on the disk only: nothing is decided after this reboot, and without it nothing is spent.
        let mut budget = log.budget.clone();
        budget.spend(now);
        let record = budget.record(&log.boot, boot_record::Stop::Reboot(job.to_owned()), now);
        self.writing = Some(Writing::Reboot { job: job.to_owned(), after, called_off: false });
        Action::Write(record)
    }

    fn recorded(&mut self, durable: bool, now: Time) -> Action {
        let writing = self.writing.take();
        debug_assert!(writing.is_some(), "an answer to nothing");
        match (writing, durable) {
            (Some(Writing::Reboot { job, after, called_off }), true) => {
                let Some(log) = self.log.as_ref().filter(|_| self.end == End::NotYet) else { return Action::Wait };
                // The limit may have been lowered meanwhile.
                if called_off || !log.budget.allows(self.limit, now) {
                    self.note_due = true;
                    return Action::Tell(News::CalledOff(job));
                }
                self.starving = true;
                Action::Starve { job, after }
            }
            (Some(Writing::Reboot { job, .. }), false) => {
                // Not counted: there was no reboot. Should it be on the disk all the same, the next boot is too careful.
                self.ask_again = now + RECORD_RETRY;
                match std::mem::replace(&mut self.failure_told, true) {
                    true => Action::Wait,
                    false => Action::Tell(News::RebootNotRecorded(job)),
                }
            }
            (Some(Writing::Note), false) => Action::Tell(News::NotNoted),
            (Some(Writing::Clean), false) => Action::Tell(News::StopNotNoted),
            (_, true) => {
                self.failure_told = false;
                Action::Wait
            }
            (None, false) => Action::Wait,
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
#[path = "feeding_world.rs"]
pub(crate) mod world;

#[cfg(test)]
#[path = "feeding_tests.rs"]
mod tests;
