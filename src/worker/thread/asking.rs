//! rsync is asked for its version, and what this job's rsync can do.
#![forbid(unsafe_code)]

use super::super::running::Running;
use super::super::start::Refusal;
use super::Worker;
use crate::job::deletions::Pass;
use crate::job::{Event, Outcome, Step};
use crate::os::program::Identity;
use crate::rsync::version::Version;

impl Worker {
    /// Whether rsync has to be asked for its version before it is used. It is not where nothing is added to its arguments.
    pub(super) fn must_probe(&mut self) -> bool {
        if !self.job.arguments.may_be_added_to() {
            return false;
        }
        self.rsync_file = Identity::of(&self.job.rsync);
        let probe = self.shared.versions.must_ask(&self.job.rsync, self.rsync_file);
        if !probe {
            self.show_version();
        }
        self.probed = probe;
        probe
    }

    /// What was asked for its version in this sync has to be what runs now: an update may have put it there, or another in its
    /// place, a moment ago, and of that nobody knows whether it can count deletions.
    pub(super) fn is_as_asked(&mut self) -> Result<(), Refusal> {
        if std::mem::take(&mut self.probed) && Identity::of(&self.job.rsync) != self.rsync_file {
            let text =
                format!("{} has changed since it was asked for its version: the next sync asks again", self.job.rsync);
            return Err(Refusal::Failed(text, Outcome::Transient));
        }
        Ok(())
    }

    /// What is about to be started, as far as that is known.
    pub(super) fn note_unknown(&mut self) {
        self.unknown = self.job.arguments.may_be_added_to() && self.shared.versions.get(&self.job.rsync).is_none();
    }

    /// Whether what has run was no program that gives a version, and is another one by now. It may have been put there between the
    /// last look at it and its start; then it was an rsync without a word of what it did.
    pub(super) fn was_another(&self) -> bool {
        self.unknown && Identity::of(&self.job.rsync) != self.rsync_file
    }

    fn show_version(&mut self) {
        let version = self.shared.versions.get(&self.job.rsync);
        self.show.version(version.as_ref().map(|version| version.text()));
    }

    /// How rsync is to be run: as the machine says, unless this rsync cannot count deletions before it makes them.
    pub(super) fn pass(&mut self, step: Step) -> Pass {
        let pass = self.machine.pass();
        if step != Step::Rsync || pass == Pass::Plain {
            return Pass::Plain;
        }
        let version = self.shared.versions.get(&self.job.rsync);
        if version.as_ref().is_some_and(Version::counts_deletions) {
            return pass;
        }
        if !std::mem::replace(&mut self.told_of_no_guard, true) {
            let name = self.job.name.as_str();
            log::warn!("{name}: this rsync cannot count deletions before it makes them: max_shrink is without effect");
        }
        Pass::Plain
    }

    pub(super) fn probe_exited(&mut self, child: &Running) -> Event {
        let answer = Version::parse(&String::from_utf8_lossy(&child.said.answer));
        if let Some(version) = &answer {
            log::info!("{}: using {}, version {}", self.job.name, self.job.rsync, version.text());
        }
        self.shared.versions.learn(&self.job.rsync, self.rsync_file, answer);
        self.show_version();
        Event::Exited(true)
    }
}
