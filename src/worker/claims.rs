//! The destinations that this irsync has: each is locked against other irsyncs as long as a job writes to it, also between
//! syncs; jobs of our own with the same destination take turns.

use crate::os::lock::{Error, Holder, Lock};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All claims of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<String, Entry>>>);

#[derive(Debug)]
struct Entry {
    /// Unlocked only by [`Claims::give_up`]. What is left at the end of irsync stays with an rsync that hangs in the kernel.
    lock: ManuallyDrop<Lock>,
    /// The job that is syncing now.
    busy: Option<String>,
}

/// One job's turn to write to a destination; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    claims: Claims,
    key: String,
    /// The lock's descriptor, to be handed on to rsync.
    pub fd: RawFd,
    /// The lock was taken just now: what an earlier irsync has left may still write there.
    pub fresh: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(entry) = self.claims.entries().get_mut(&self.key) {
            entry.busy = None;
        }
    }
}

/// Why a job has to wait.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another job of this irsync is syncing.
    Job(String),
    /// See [`Error`].
    Lock(Error),
}

impl Claims {
    /// Takes the turn at destination `key`, and the lock in `dir` if it is not ours yet.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(crate) fn take(&self, dir: &Path, key: String, holder: &Holder) -> Result<Turn, Refused> {
        let mut entries = self.entries();
        let known = entries.get(&key);
        if let Some(job) = known.and_then(|entry| entry.busy.as_ref()) {
            return Err(Refused::Job(job.clone()));
        }
        // A lock file that was removed, with its folder perhaps, keeps nobody out.
        let fresh = !known.is_some_and(|entry| entry.lock.is_in_place());
        if fresh {
            match Lock::take(dir, &key, holder) {
                Ok(lock) => {
                    let entry = Entry { lock: ManuallyDrop::new(lock), busy: None };
                    if let Some(removed) = entries.insert(key.clone(), entry) {
                        drop(ManuallyDrop::into_inner(removed.lock));
                    }
                }
                // It cannot be made again. Among our own jobs the old one still tells whose turn it is.
                Err(Error::Io(_)) if known.is_some() => {}
                Err(error) => return Err(Refused::Lock(error)),
            }
        }
        let entry = entries.get_mut(&key).ok_or(Refused::Lock(Error::Held(None)))?;
        entry.busy = Some(holder.job.clone());
        Ok(Turn { claims: self.clone(), key, fd: entry.lock.fd(), fresh })
    }

    /// A job does not write there any more. Another one that does takes the lock again.
    pub(crate) fn give_up(&self, key: &str) {
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|entry| entry.busy.is_none()) {
            if let Some(entry) = entries.remove(key) {
                drop(ManuallyDrop::into_inner(entry.lock));
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_irsync_take_turns_and_others_wait_until_it_is_given_up() {
        let dir = std::env::temp_dir().join(format!("irsync-claims-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let holder = |job: &str| Holder { pid: 1, run: "1.1.".into(), job: job.into() };
        let (ours, others) = (Claims::default(), Claims::default());
        let turn = ours.take(&dir, "/media".into(), &holder("a")).unwrap();
        assert!(turn.fresh);
        match ours.take(&dir, "/media".into(), &holder("b")) {
            Err(Refused::Job(job)) => assert_eq!(job, "a"),
            other => panic!("{other:?}"),
        }
        ours.give_up("/media");
        drop(turn);
        // Between two syncs.
        match others.take(&dir, "/media".into(), &holder("c")) {
            Err(Refused::Lock(Error::Held(Some(who)))) => assert_eq!(who.job, "a"),
            other => panic!("{other:?}"),
        }
        let turn = ours.take(&dir, "/media".into(), &holder("b")).unwrap();
        assert!(!turn.fresh);
        drop(turn);
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::write(&dir, "in the way").unwrap();
        let turn = ours.take(&dir, "/media".into(), &holder("b")).unwrap();
        assert!(turn.fresh && matches!(ours.take(&dir, "/media".into(), &holder("a")), Err(Refused::Job(_))));
        drop(turn);
        std::fs::remove_file(&dir).unwrap();
        assert!(ours.take(&dir, "/media".into(), &holder("b")).unwrap().fresh, "the folder was removed");
        ours.give_up("/media");
        others.take(&dir, "/media".into(), &holder("c")).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
