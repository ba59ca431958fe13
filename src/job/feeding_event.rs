//! The events that the feeding machine takes, and the actions that it answers with.

use super::boot_record::{Found, Record};
use super::{ladder, Time};
use std::time::Duration;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// Time has passed; a no-op before the deadline.
    Tick,
    /// The device was opened, and counts down from now on.
    Armed {
        /// How often to kick it; not zero.
        every: Duration,
        /// It can reset the board. False for a plain file that stands in for a device.
        real: bool,
    },
    /// Answer to [`Action::Kick`].
    Kicked,
    /// Answer to [`Action::Kick`]: the device did not take it.
    KickFailed,
    /// A worker has not turned its loop in time. May be said again and again.
    Stuck,
    /// No worker is stuck. May be said again and again.
    Back,
    /// A job has been without success for `after` and asks for a reboot. May be said again and again.
    Asked {
        /// Its name.
        job: &'a str,
        /// Its `reboot_after`.
        after: Duration,
    },
    /// No job has been without success for too long. May be said again and again.
    Content,
    /// The boot record was read.
    Opened {
        /// What was found.
        found: &'a Found,
        /// The kernel's id of this boot; empty where it cannot be read.
        boot: &'a str,
    },
    /// Answer to [`Action::Write`], perhaps much later: whether the record is on the disk.
    Recorded(bool),
    /// `reboot_limit` has changed.
    Limit(u32),
    /// irsync ends: all jobs have been stopped.
    Stop,
}

/// What the main thread has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Sleep until the deadline or the next event.
    Wait,
    /// Kick the device.
    Kick,
    /// Tell the service manager that irsync is alive.
    Notify,
    /// Have the record written. Do not wait for it.
    Write(Record),
    /// The device is not kicked any more: it will reset the board for this job's sake. Bring files to the disk meanwhile.
    Starve {
        /// The job that asked.
        job: String,
        /// Its `reboot_after`.
        after: Duration,
    },
    /// Say so in the log.
    Tell(News),
    /// The end: close the device so that it does not reset the board, if it can be closed so.
    Disarm,
    /// The end: leave the device armed. It resets the board unless somebody feeds it in time.
    LeaveArmed,
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A worker is stuck, so nothing is fed any more.
    Stuck,
    /// The worker goes on.
    Back,
    /// The device does not take kicks.
    KickFails,
    /// A job asks for a reboot, and the budget does not allow it.
    Spent {
        /// The job.
        job: String,
        /// Its `reboot_after`.
        after: Duration,
        /// Own reboots that count.
        spent: usize,
        /// `reboot_limit`
        limit: u32,
    },
    /// A reboot for this job could not be recorded, so there is none.
    RebootNotRecorded(String),
    /// While a reboot for this job was being recorded it was no longer needed or no longer allowed.
    CalledOff(String),
    /// `reboot_limit` is another one now.
    Limit(u32),
    /// The record could not be written.
    NotNoted,
    /// The clean stop could not be noted.
    StopNotNoted,
}

/// What a job's ladder says of a reboot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// The job's name.
    pub job: &'a str,
    /// Its `reboot_after`.
    pub after: Duration,
    /// When its reboot is due, see [`ladder::Ladder::reboot_at`].
    pub at: Time,
    /// Something runs that may end in a success: not now.
    pub held: bool,
}

/// What all jobs together say; None: somebody wishes for a reboot, but not now.
pub(crate) fn weigh<'a>(wishes: impl Iterator<Item = Wish<'a>>, now: Time) -> Option<Event<'a>> {
    let mut content = true;
    for wish in wishes.filter(|wish| ladder::is_due(Some(wish.at), now)) {
        if !wish.held {
            return Some(Event::Asked { job: wish.job, after: wish.after });
        }
        content = false;
    }
    content.then_some(Event::Content)
}
