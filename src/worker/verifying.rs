//! Whether a job's syncs compare contents (`verify_every`), and where that is noted.

use crate::config::Job;
use crate::job::verify::Verify;
use crate::job::Time;
use crate::os::{clock, verified};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A job's decision, and what it was about the sync that runs.
#[derive(Debug)]
pub(super) struct Verifying {
    decision: Option<(Duration, Verify)>,
    phase: u64,
    /// Of `irsync once`, which knows nothing of the syncs before it and so never verifies.
    never: bool,
    /// The sync that runs compares contents.
    pub on: bool,
}

impl Verifying {
    pub(super) fn new(phase: u64, never: bool) -> Verifying {
        Verifying { decision: None, phase, never, on: false }
    }

    /// A sync begins: whether it has to compare contents.
    pub(super) fn begin(&mut self, job: &Job, state_dir: Option<&Path>, now: Time) -> bool {
        self.on = self.is_due(job, state_dir, now);
        if self.on {
            log::info!("{}: this sync compares the contents of all files", job.name);
        }
        self.on
    }

    fn is_due(&mut self, job: &Job, state_dir: Option<&Path>, now: Time) -> bool {
        let Some(every) = job.verify_every.filter(|_| !self.never && job.arguments.may_be_added_to()) else {
            self.decision = None;
            return false;
        };
        if self.decision.as_ref().map(|(for_this, _)| *for_this) != Some(every) {
            let noted = note(job, state_dir).and_then(|file| verified::read(&file));
            self.decision = Some((every, Verify::new(every, noted, self.phase, now)));
        }
        self.decision.as_mut().is_some_and(|(_, decision)| decision.is_due(now, clock::wall_if_set()))
    }

    /// The sync is over.
    pub(super) fn end(&mut self, success: bool, now: Time) {
        if let (true, true, Some((_, decision))) = (self.on, success, &mut self.decision) {
            decision.done(now);
        }
        self.on = false;
    }
}

/// Where it is noted.
pub(super) fn note(job: &Job, state_dir: Option<&Path>) -> Option<PathBuf> {
    state_dir.map(|folder| verified::file(folder, &job.name))
}
