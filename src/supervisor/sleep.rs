//! What wakes the main thread, and the guard process, whose death does.

use super::Supervisor;
use crate::job::Time;
use crate::os::clock;
use crate::os::guard::Guard;
use crate::worker::Handle;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;

/// What has ended the main thread's sleep, besides what is looked at in any case.
pub(super) struct Woken {
    /// Somebody has written to the control socket.
    pub asked: bool,
    /// The control socket or the lock of the status file was removed, or something else about them was changed.
    pub removed: bool,
    /// The guard process has died.
    pub unguarded: bool,
    /// Something has changed where the jobs' passwords are.
    pub secrets: bool,
}

impl Supervisor {
    pub(super) fn sleep(&self) -> Woken {
        let main = self.shared.main.as_fd();
        let control = self.control.as_ref().map_or(main, |control| control.as_fd());
        let removals = self.surroundings.removals();
        let guard = self.shared.guard.as_ref().and_then(Guard::pipe);
        let secrets = self.secrets.events();
        let fds = [self.signals.as_fd(), main, control, removals.unwrap_or(main), secrets.unwrap_or(main)];
        let [signals, main, control, removed, changed] = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // Nothing is asked of it but whether it is broken, which is always told.
        let guard_fd = guard.as_ref().map_or(self.signals.as_fd(), |pipe| pipe.as_fd());
        let mut fds = [signals, main, control, removed, PollFd::new(guard_fd, PollFlags::empty()), changed];
        let timeout = self.deadline().map(|at| TimeSpec::from_duration(at.since(clock::now())));
        // EINTR and the like: everything is looked at in any case, and nothing of it blocks.
        let _ = ppoll(&mut fds, timeout, None);
        let woken_by = |at: usize| fds[at].any().unwrap_or(true);
        Woken {
            asked: self.control.is_some() && woken_by(2),
            removed: removals.is_some() && woken_by(3),
            unguarded: guard.is_some() && woken_by(4),
            secrets: secrets.is_some() && woken_by(5),
        }
    }

    fn deadline(&self) -> Option<Time> {
        let now = clock::now();
        let wishes = self.handles.iter().filter_map(Handle::reboot);
        let reboot = wishes.filter(|(at, held)| !held && *at > now).map(|(at, _)| at).min();
        let outlook = self.outlook.deadline(&self.shared.news);
        let guard = self.shared.guard.as_ref().and_then(Guard::replace_at);
        [self.heart.deadline(now), self.stop_by, reboot, outlook, guard].into_iter().flatten().min()
    }

    /// Has a guard that was killed replaced.
    pub(super) fn keep_guard(&self, now: Time, lost: bool) {
        let Some(guard) = &self.shared.guard else { return };
        if !lost && guard.replace_at().map_or(true, |at| at > now) {
            return;
        }
        match guard.replace(now) {
            Some(Ok(())) => log::warn!("the guard process was killed, and a new one was started"),
            Some(Err(error)) => log::warn!(
                "the guard process was killed, and no new one can be started: {error}; should irsync be killed as well, an \
                 rsync may be left behind"
            ),
            None => {}
        }
    }
}
