//! What a job's syncs may have left behind in its destination, and the order to remove it.
#![forbid(unsafe_code)]

use super::shared::Shared;
use crate::config::{Arguments, Job};
use crate::job::Outcome;
use crate::os::clock;
use crate::os::publish::Places;
use crate::os::tidy::Task;
use crate::rsync::leftovers::{partial_dir, Partials, Suspicion};
use crate::rsync::options;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// A job's state in this.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    suspicion: Suspicion,
    /// What is to be done, as arguments of this program.
    words: Vec<OsString>,
}

impl Tidying {
    /// rsync has ended that wrote to `destination`, after `took`; `cut`: it, or a part of it, was killed. True: there is
    /// something to do.
    pub(super) fn after(
        &mut self,
        job: &Job,
        mut destination: PathBuf,
        shared: &Shared,
        outcome: Outcome,
        cut: bool,
        took: Duration,
    ) -> bool {
        let now = clock::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let mut orders = self.suspicion.after(outcome, cut, now - took.as_secs() as i64, now);
        if !orders.is_something() {
            return false;
        }
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

#[cfg(test)]
mod tests {
    use super::super::shared::Folders;
    use super::*;
    use crate::config::Config;
    use crate::os::wake::Waker;
    use nix::sys::stat::Mode;
    use std::sync::Arc;

    #[test]
    fn a_pass_after_which_nothing_is_to_be_done_takes_back_no_order_of_the_one_before() {
        let main = Arc::new(Waker::new().unwrap());
        let shared = Shared::new(main, None, Folders::default(), "1.1.".into(), None, Mode::empty(), log::Level::Info);
        let config = Config::drop_in(vec!["here/".into(), "/there/".into()], Duration::from_secs(1), None);
        let mut tidying = Tidying::default();
        let after = |tidying: &mut Tidying| {
            tidying.after(&config.jobs[0], "/there".into(), &shared, Outcome::Success, false, Duration::ZERO)
        };
        assert!(after(&mut tidying), "nobody knows what was left before this irsync");
        let ordered = tidying.words().to_vec();
        assert!(!after(&mut tidying));
        assert_eq!(tidying.words(), ordered);
    }
}
