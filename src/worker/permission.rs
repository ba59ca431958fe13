//! Whether a job may write to its destination now: its turn among the jobs, and the owner's preconditions.

use super::claims::{Refused, Turn};
use super::place::{destination, Place};
use super::run_as;
use super::shared::Shared;
use super::start::Refusal;
use crate::config::keys::Id;
use crate::config::Job;
use crate::os::lock::{self, Holder};
use crate::os::sys::Setup;
use crate::os::{mark, mounts};
use crate::report::human::Bytes;
use nix::unistd::Uid;
use std::path::Path;

/// Takes the job's turn at its destination. `Ok(None)`: it has none, or there is nowhere to put locks.
///
/// # Errors
/// The reason, for people, when somebody else has it.
pub(super) fn take_turn(job: &Job, place: &Place, shared: &Shared) -> Result<Option<Turn>, String> {
    let (Some(dir), Some(key)) = (&shared.lock_dir, &place.key) else { return Ok(None) };
    let holder = Holder { pid: std::process::id() as i32, run: shared.runs.clone(), job: job.name.clone() };
    match shared.claims.take(dir, key.clone(), &holder) {
        Ok(turn) => match turn.fresh {
            true => match alone(job, place, shared) {
                Ok(()) => Ok(Some(turn)),
                Err(why) => {
                    drop(turn);
                    // To be taken, and asked, anew.
                    shared.claims.give_up(key);
                    Err(why)
                }
            },
            false => Ok(Some(turn)),
        },
        Err(Refused::Job(other)) => Err(format!("job {other:?} is syncing to the same destination")),
        Err(Refused::Lock(lock::Error::Held(Some(who)))) if who.lives() => {
            Err(format!("irsync {} (job {:?}) has the same destination", who.pid, who.job))
        }
        Err(Refused::Lock(lock::Error::Held(Some(who)))) => Err(match mark::kill_run(&who.run) {
            0 => format!("irsync {} (job {:?}), not seen from here, has the same destination", who.pid, who.job),
            n => were_left(who.pid, n),
        }),
        Err(Refused::Lock(lock::Error::Held(None))) => Err("another irsync has the same destination".into()),
        Err(Refused::Lock(lock::Error::Io(error))) => {
            log::warn!("{}: cannot lock {key:?}: {error}; another irsync may sync to it as well", job.name);
            alone(job, place, shared).map(|()| None)
        }
    }
}

/// Makes sure that no rsync of another irsync writes to the destination. The lock does not tell when its folder was removed
/// under an irsync that runs, or under one that was killed together with its guard.
///
/// # Errors
/// Like those of [`take_turn`].
fn alone(job: &Job, place: &Place, shared: &Shared) -> Result<(), String> {
    let mut setup = Setup::default();
    let _ = run_as::apply(&job.run_as, &mut setup);
    let users: Vec<u32> = setup.uid.into_iter().chain([Uid::effective()]).map(Uid::as_raw).collect();
    let Some(writers) = mark::writers(place.number(), &shared.runs, &users) else {
        return Err("cannot see who else writes to the destination: /proc cannot be read".into());
    };
    let Some((pid, run)) = writers.first() else { return Ok(()) };
    let living = writers.iter().find(|(_, run)| mark::lives(run));
    let irsync = mark::irsync(living.map_or(run, |(_, run)| run)).map_or(*pid, |(irsync, _)| irsync);
    if living.is_some() {
        return Err(format!("irsync {irsync} is syncing to the same destination"));
    }
    for (_, run) in &writers {
        mark::kill_run(run);
    }
    Err(were_left(irsync, writers.len()))
}

fn were_left(pid: i32, count: usize) -> String {
    format!("irsync {pid} was killed and left {count} processes of its rsync behind; they were killed now")
}

/// Whether what the owner demands of the destination holds: `require_mount`, `min_free`.
///
/// # Errors
/// [`Refusal::Precondition`]
pub(super) fn check_preconditions(job: &Job) -> Result<(), Refusal> {
    if let Some(path) = &job.require_mount {
        let found = match mounts::is_mount_point(path) {
            Ok(true) => None,
            Ok(false) => Some(format!("{} is not a mount point: nothing is mounted there", path.display())),
            Err(error) => Some(format!("{} is not a mount point: {error}", path.display())),
        };
        if let Some(found) = found {
            return Err(Refusal::Precondition(Id::require_mount, found));
        }
    }
    let (Some(min), Some((destination, false))) = (job.min_free, destination(job)) else { return Ok(()) };
    match mounts::free(Path::new(&destination)) {
        Ok(free) if free.bytes < min => {
            let (free, min) = (Bytes(free.bytes), Bytes(min));
            let found = format!("{destination} has {free} free, less than the {min} of min_free");
            Err(Refusal::Precondition(Id::min_free, found))
        }
        Ok(free) if free.inodes == Some(0) => Err(Refusal::Precondition(
            Id::min_free,
            format!("{destination} has room for bytes, but for no more files (inodes)"),
        )),
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Refusal::Precondition(Id::min_free, format!("cannot ask for the free space of {destination}: {error}")))
        }
    }
}
