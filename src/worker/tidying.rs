//! What a job's syncs may have left behind in its destination, and the order to remove it.
#![forbid(unsafe_code)]

use super::shared::Shared;
use crate::config::{Arguments, Job};
use crate::job::Outcome;
use crate::os::publish::Places;
use crate::os::tidy::Task;
use crate::os::{clock, paths};
use crate::rsync::leftovers::{partial_dir, Partials, Suspicion};
use crate::rsync::options;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A job's state in this.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    suspicion: Suspicion,
    /// What is to be done, as arguments of this program.
    words: Vec<OsString>,
    /// Where the other jobs know this one to write.
    place: Option<PathBuf>,
}

impl Tidying {
    /// Lets the other jobs know where this one writes; None: it is over.
    pub(super) fn write_to(&mut self, job: &str, place: Option<PathBuf>, shared: &Shared) {
        if self.place != place {
            shared.move_destination(job, self.place.take(), place.clone());
            self.place = place;
        }
    }

    /// rsync has ended, after `took`; `cut`: it, or a part of it, was killed. True: there is something to do.
    pub(super) fn after(&mut self, job: &Job, shared: &Shared, outcome: Outcome, cut: bool, took: Duration) -> bool {
        let now = clock::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let mut orders = self.suspicion.after(outcome, cut, now - took.as_secs() as i64, now);
        let Some(mut destination) = local_destination(job) else { return false };
        if job.atomic && outcome != Outcome::Success {
            // The set is not shown yet. A complete one will be when this is done.
            let Ok(places) = Places::of(&destination) else { return false };
            destination = places.staging;
        }
        let others = shared.other_destinations(&job.name);
        let words = match &job.arguments {
            Arguments::DropIn(words) => words.clone(),
            Arguments::Ini { options, .. } => options.iter().map(OsString::from).collect(),
        };
        let partial_dir = partial_dir(&options::analyse(&words));
        // Those of another job that writes here as well are none of ours.
        if partial_dir.is_none() || others.iter().any(|other| destination.starts_with(other)) {
            orders.partials = Partials::Keep;
        }
        let others = others.into_iter().filter(|other| other.starts_with(&destination)).collect();
        self.words = Task { destination, orders, partial_dir, others }.to_words();
        orders.is_something()
    }

    /// See [`crate::os::tidy::TIDY`].
    pub(super) fn words(&self) -> &[OsString] {
        &self.words
    }
}

/// Where the job writes on this machine, links resolved.
pub(super) fn local_destination(job: &Job) -> Option<PathBuf> {
    job.arguments.local_destination().map(|destination| paths::resolved(Path::new(&destination)))
}
