//! A password that was refused, and is another one by now.
#![forbid(unsafe_code)]

use super::super::secret;
use super::Worker;
use crate::job::{Event, Outcome};
use crate::os::lock;

impl Worker {
    /// Where the job waits because its password was refused or could not be read, and the file holds another one now, the wait is
    /// over. While a sync runs, the question is kept for its end: it may have been started with the old one.
    pub(super) fn look_at_secret(&mut self) {
        if !self.secret_may_be_new || self.machine.next_sync().is_none() {
            return;
        }
        self.secret_may_be_new = false;
        let refused = match self.hook_facts.outcome {
            Some(Outcome::Permanent) => true,
            Some(outcome) => !outcome.is_success() && self.secret.is_none(),
            None => false,
        };
        let Some(new) = secret::of(&self.job).ok().flatten().filter(|_| refused) else { return };
        if self.secret != Some(lock::hash(&new)) {
            log::info!("{}: there is another password in password_file: syncing now", self.job.name);
            self.listen();
            self.feed(Event::Mended);
        }
    }
}
