//! What others ask a job, which changes nothing.

use super::*;

impl Job {
    /// When the next sync starts, while waiting for it.
    pub fn next_sync(&self) -> Option<Time> {
        let next = self.opens().map_or(self.next, |opens| opens.max(self.next));
        (self.phase == Phase::Waiting && !self.paused).then_some(next)
    }

    /// The owner has taken the job out of turn, and nothing of it runs.
    pub fn is_paused(&self) -> bool {
        self.phase == Phase::Waiting && self.paused
    }

    /// How rsync has to be run for [`Step::Rsync`].
    pub fn pass(&self) -> Pass {
        self.deletions.pass()
    }

    /// Which source rsync is to ask, by number; 0 is `source`.
    pub fn source(&self) -> usize {
        self.sources.current()
    }

    /// When a reboot is due for this job's sake, see [`Ladder::reboot_at`], and whether what runs may still end in the
    /// success that makes it needless.
    pub fn reboot(&self) -> (Option<Time>, bool) {
        if self.is_paused() || (self.phase == Phase::Waiting && self.opens().is_some()) {
            return (None, false);
        }
        let held = match self.phase {
            Phase::Waiting | Phase::Killed { report_at: None, .. } => false,
            Phase::Running { step: Step::Rsync, .. } => !self.let_go,
            _ => true,
        };
        (self.ladder.reboot_at(), held)
    }
}
