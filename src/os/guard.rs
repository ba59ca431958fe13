//! The guard: a small process that ends irsync's children when irsync itself was killed (SIGKILL, out of memory).
//!
//! The kernel's parent-death signal reaches only the processes that irsync has started itself. rsync's receiver, or the ssh
//! beside it, would live on and write into the folder in which the next irsync starts an rsync of its own.
//!
//! The first guard is a copy of irsync that was forked before irsync had read its configuration: what the kernel and the C
//! library have prepared for a program, among it the pages with addresses, lies in memory one time for both. It reads a pipe
//! whose other end only irsync holds. irsync writes the process group of every child that it starts and of every child that has
//! ended, and [`DISMISSED`] before it exits. If the pipe ends without that, irsync was killed. If the guard is killed, the pipe
//! breaks: irsync sees that and starts another one. By then irsync has threads, and a copy would lack them: so the next guard is
//! this program executed anew ([`GUARD`]).
#![forbid(unsafe_code)]

mod watch;

pub(crate) use watch::watch;

use super::sys::execute::{be_apart, Plan, SELF};
use super::sys::{environment, fork_single_threaded};
use super::{clock, procfs, reaper};
use crate::job::Time;
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{access, AccessFlags, ForkResult, Pid};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// As irsync's first argument it makes it a guard; what the marks of the guarded irsync begin with follows.
pub(crate) const GUARD: &str = "@guard";
/// The guard's name does not begin with irsync's: somebody who calls `pkill irsync` does not mean the guard.
const NAME: &str = "sync-guard";
/// These are sent to irsync's whole group or cgroup at times. They are meant for irsync; the guard has to stay until the pipe
/// ends.
const IGNORED: &[Signal] = &[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
/// A secret that the guard does not need.
const HIDDEN: &str = "RSYNC_PASSWORD";

/// irsync exits and nothing of it runs any more. Every other number in the pipe is a process group: positive when its leader
/// was started, negative when all of it has ended.
const DISMISSED: i32 = 0;
/// What was said so far is void; the process groups that are there follow.
const START_ANEW: i32 = i32::MIN;

/// A guard that lived for less than this is replaced later each time.
const LONG_LIFE: Duration = Duration::from_secs(300);
/// The longest wait until a guard is replaced.
const LONGEST_WAIT: Duration = Duration::from_secs(256);

/// irsync's end of the pipe.
#[derive(Debug)]
pub(crate) struct Guard {
    runs: String,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    /// None: the guard was killed, and there is no other yet.
    pipe: Option<Arc<File>>,
    /// Those that run, for a guard that has to be told anew.
    groups: Vec<i32>,
    /// The guard was not told of everything: it stands still, and the pipe is full.
    is_behind: bool,
    /// When the guard was started, and how long irsync waits until it is replaced should it die soon.
    started: Time,
    wait: Duration,
    /// That no other one can be started was told.
    is_told: bool,
    /// The process that has forked the first guard, until it was waited for.
    between: Option<Pid>,
}

/// An irsync that has its guard and supervises nothing yet.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// What the marks of its runs begin with.
    pub(crate) runs: String,
    guard: Option<Guard>,
}

impl Guarded {
    /// Starts the guard. To be called while the process has one thread, and early: what irsync has in its memory by then, the
    /// guard keeps.
    ///
    /// # Errors
    /// Those of pipe(2) and fork(2).
    pub(crate) fn start() -> io::Result<Guarded> {
        let pid = std::process::id() as i32;
        let start = procfs::stat(pid).map_or(0, |stat| stat.start);
        let runs = format!("{pid}.{start}.");
        // When PID 1 ends, the kernel ends all others of its namespace.
        let guard = if pid == 1 { None } else { Some(Guard::start(&runs, clock::now())?) };
        Ok(Guarded { runs, guard })
    }

    /// The guard, for whoever starts children from now on; none beside PID 1.
    pub(crate) fn take(&mut self) -> Option<Guard> {
        let guard = self.guard.take();
        guard.iter().for_each(Guard::settle);
        guard
    }
}

impl Drop for Guarded {
    /// irsync exits before it has started anything.
    fn drop(&mut self) {
        self.guard.iter().for_each(Guard::dismiss);
    }
}

impl Guard {
    /// Starts the guard for the runs whose marker begins with `runs`.
    fn start(runs: &str, now: Time) -> io::Result<Guard> {
        let (read, write) = pipe()?;
        // Forked twice, so that the guard becomes a child of init: irsync's own children are rsyncs and hooks only, and the
        // question whether there are any has a plain answer. Everything else is done in the child, beside irsync's other work.
        match fork_single_threaded()? {
            ForkResult::Parent { child } => {
                let line = Line {
                    pipe: Some(Arc::new(write)),
                    groups: Vec::new(),
                    is_behind: false,
                    started: now,
                    wait: Duration::ZERO,
                    is_told: false,
                    between: Some(child),
                };
                Ok(Guard { runs: runs.to_owned(), line: Mutex::new(line) })
            }
            ForkResult::Child => {
                drop(write);
                if matches!(fork_single_threaded(), Ok(ForkResult::Child)) && be_apart(read.as_fd()).is_ok() {
                    // A drop-in has its passwords in memory by now, and irsync forbids its own dumps later.
                    let _ = nix::sys::prctl::set_dumpable(false);
                    environment::retitle(&[NAME, GUARD, runs], HIDDEN);
                    watch(runs);
                }
                exit(0)
            }
        }
    }

    /// Waits until the guard is a child of init. Call it before irsync adopts orphans, or it would adopt the guard, and before
    /// any other child is started. It is not part of `start`, because irsync has other work to do while the two fork.
    fn settle(&self) {
        if let Some(between) = self.lock().between.take() {
            let _ = waitpid(between, None);
        }
    }

    /// A child was started that leads this process group: it has to end with irsync.
    pub(crate) fn enter(&self, group: i32) {
        let mut line = self.lock();
        line.groups.push(group);
        line.send(group);
    }

    /// This process group has ended.
    pub(crate) fn leave(&self, group: i32) {
        let mut line = self.lock();
        line.groups.retain(|&g| g != group);
        line.send(-group);
    }

    /// irsync exits, and nothing that it has started runs any more.
    pub(crate) fn dismiss(&self) {
        self.lock().send(DISMISSED);
    }

    /// To be polled: an error of this pipe is the death of the guard. None while there is no guard.
    pub(crate) fn pipe(&self) -> Option<Arc<File>> {
        self.lock().pipe.clone()
    }

    /// When [`Guard::replace`] has something to do, while there is no guard.
    pub(crate) fn replace_at(&self) -> Option<Time> {
        let line = self.lock();
        line.pipe.is_none().then(|| line.started + line.wait)
    }

    /// The guard has died: has another one started, at once or, if that happens again and again, at [`Guard::replace_at`]. None:
    /// that has not come yet, or fails as before. The new one is a child of the calling thread, which must be the main thread.
    pub(crate) fn replace(&self, now: Time) -> Option<io::Result<()>> {
        let mut line = self.lock();
        if line.pipe.take().is_some() {
            line.wait = wait(line.wait, now.since(line.started));
        }
        if now < line.started + line.wait {
            return None;
        }
        line.started = now;
        let result = self.start_another(&mut line);
        let was_told = std::mem::replace(&mut line.is_told, result.is_err());
        if result.is_err() {
            line.wait = wait(line.wait, Duration::ZERO);
        }
        (result.is_ok() || !was_told).then_some(result)
    }

    fn start_another(&self, line: &mut Line) -> io::Result<()> {
        if let Some(error) = fault() {
            return Err(error);
        }
        let (read, write) = pipe()?;
        let pid = plan(&self.runs).start(read.as_fd())?;
        reaper::except(pid);
        line.pipe = Some(Arc::new(write));
        line.is_behind = true;
        line.send(START_ANEW);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A guard that stands still holds nobody up: it is told everything anew once it reads again.
    fn send(&mut self, record: i32) {
        let Some(pipe) = &self.pipe else { return };
        let mut records = vec![record];
        if self.is_behind {
            records = vec![START_ANEW];
            records.extend(&self.groups);

            records.extend((record == DISMISSED).then_some(DISMISSED));
        }
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.to_ne_bytes()).collect();
        // That it was killed is learnt from the pipe by the main thread.
        self.is_behind = pipe.as_ref().write(&bytes).ok() != Some(bytes.len());
    }
}

/// Why no guard can be executed: no /proc, or a file system that is mounted noexec by now.
fn fault() -> Option<io::Error> {
    access(SELF, AccessFlags::X_OK).err().map(|error: Errno| error.into())
}

/// The guard's end, and ours, which never blocks.
fn pipe() -> io::Result<(OwnedFd, File)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, File::from(write)))
}

fn plan(runs: &str) -> Plan {
    let text = |text: Vec<u8>| CString::new(text).unwrap_or_default();
    let environment = std::env::vars_os().filter(|(name, _)| name != HIDDEN).map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        text(name.into_vec())
    });
    let words = [NAME, GUARD, runs].map(|word| text(OsString::from(word).into_vec()));
    Plan::of_self(words.into(), environment.collect(), IGNORED)
}

/// How long after the start of a guard that lived so long the next one may start.
fn wait(last: Duration, lived: Duration) -> Duration {
    match lived >= LONG_LIFE {
        true => Duration::ZERO,
        false => (last * 2).clamp(Duration::from_secs(1), LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_guard_that_stands_still_holds_nobody_up_and_is_told_everything_anew() {
        let (read, write) = pipe().unwrap();
        let line = Line {
            pipe: Some(Arc::new(write)),
            groups: Vec::new(),
            is_behind: false,
            started: Time::default(),
            wait: Duration::ZERO,
            is_told: false,
            between: None,
        };
        let guard = Guard { runs: "1.1.".into(), line: Mutex::new(line) };
        guard.enter(7);
        // More than any pipe holds unless it was asked to.
        for group in 1000..100_000 {
            guard.enter(group);
            guard.leave(group);
        }
        guard.enter(8);
        let mut read = File::from(read);
        let mut records = Vec::new();
        let mut next = || {
            let mut record = [0; 4];
            read.read_exact(&mut record).unwrap();
            records.push(i32::from_ne_bytes(record));
            *records.last().unwrap()
        };
        assert_eq!((next(), next(), next()), (7, 1000, -1000));
        // Reads what has piled up, and a page of room is enough for the news.
        for _ in 0..4096 {
            next();
        }
        guard.leave(8);
        while next() != START_ANEW {}
        assert_eq!(next(), 7);
        guard.dismiss();
        assert_eq!(next(), DISMISSED, "everything that was said before is void");
    }

    #[test]
    fn a_guard_that_dies_again_and_again_is_replaced_later_each_time() {
        let day = Duration::from_secs(86_400);
        assert_eq!(wait(Duration::ZERO, day), Duration::ZERO, "the first is replaced at once");
        let mut last = Duration::ZERO;
        let waits: Vec<u64> = (0..10)
            .map(|_| {
                last = wait(last, Duration::ZERO);
                last.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        assert_eq!(wait(last, LONG_LIFE), Duration::ZERO, "a long life is no sign of trouble");
    }
}
