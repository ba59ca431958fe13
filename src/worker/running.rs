//! A running child: its pipes are read, its lines are logged, and once it has exited, what it left behind is ended.

use super::said::Said;
use crate::job::{Step, Time};
use crate::os::child::{self, Child};
use crate::os::clock;
use crate::os::mark;
use crate::os::reaper;
use crate::os::sampler::{Connection, Sampler};
use crate::report::log_bounds::Memory;
use crate::report::logging::ChildLog;
use crate::rsync::asked::{self, Stage};
use crate::rsync::names::decoded;
use crate::rsync::outcome::Exit;
use crate::text::{LineSplitter, Record};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How much is read at once at first, into a buffer on the stack. Most syncs say less than this.
const SMALL: usize = 2 * 1024;
/// How much is read at once from a child that has filled the small buffer. A pipe holds less (64 KiB), and memory
/// allocators map a buffer of this size separately, so that its pages go back to the kernel when the child has ended.
const CHUNK: usize = 128 * 1024;
/// After so many reads from one pipe the worker looks at its clock and its orders again.
const READS: usize = 8;
/// While something that the child left behind still lives, it is looked for again after this time, which doubles from the
/// first to the last.
const LEFTOVERS_FIRST: Duration = Duration::from_micros(500);
const LEFTOVERS_LAST: Duration = Duration::from_secs(1);
/// The longest such wait while they may still put a partial file aside: nobody rings when that is done.
const LEFTOVERS_PATIENT: Duration = Duration::from_millis(50);

/// An rsync that shows no progress and has read so many bytes has very probably moved file data: few lists are as large,
/// and the programs and libraries that are loaded are mapped, not read.
const MORE_THAN_A_LIST: u64 = 1024 * 1024;

/// A child and what it has said.
#[derive(Debug)]
pub(super) struct Running {
    /// What it is for.
    pub step: Step,
    /// Its process, process group and session.
    pub pid: i32,
    /// How the process itself has exited; what it started may still live.
    pub exit: Option<Exit>,
    /// What was understood of its output.
    pub said: Said,
    child: Child,
    /// The marker in the environment of rsync and of all that it starts. Hooks have none: a daemon that a hook has started
    /// in a session of its own may outlive the hook.
    run: Option<String>,
    sampler: Sampler,
    /// Source or destination is on another machine.
    remote: bool,
    /// The hash of the password it was given.
    pub secret: Option<u64>,
    /// What it was doing when nothing moved any more and it was told to end.
    pub stalled: Option<String>,
    stdout: Pipe,
    stderr: Pipe,
    /// Of [`CHUNK`] bytes for a child that says much; empty for every other.
    buffer: Vec<u8>,
    /// Set once the child has exited: when to look for what it left behind.
    leftovers_in: Option<Duration>,
    /// When the child itself has exited.
    exited_at: Time,
    /// SIGTERM was sent, and the state machine counts the time until SIGKILL.
    terminated: bool,
    /// SIGKILL was sent: what still lives gets no more time.
    killed: bool,
}

/// Between which machines a sync copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// Source or destination is on another machine.
    pub remote: bool,
    /// It is the destination.
    pub sends: bool,
    /// It is reached by a remote shell.
    pub by_shell: bool,
}

#[derive(Debug)]
struct Pipe {
    fd: Option<OwnedFd>,
    lines: LineSplitter,
    log: ChildLog,
}

impl Running {
    /// Takes care of a child that was just started. `out` and `err` log its lines.
    pub(super) fn new(
        step: Step,
        mut child: Child,
        run: Option<String>,
        program: &str,
        ways: Ways,
        out: ChildLog,
        err: ChildLog,
    ) -> Running {
        let pid = child.pid;
        Running {
            step,
            pid,
            exit: None,
            said: Said::new(ways.by_shell),
            run,
            sampler: Sampler::new(pid, program, ways.sends),
            remote: ways.remote,
            secret: None,
            stalled: None,
            stdout: Pipe { fd: child.stdout.take(), lines: LineSplitter::default(), log: out },
            stderr: Pipe { fd: child.stderr.take(), lines: LineSplitter::default(), log: err },
            buffer: Vec::new(),
            leftovers_in: None,
            exited_at: Time::default(),
            terminated: false,
            killed: false,
            child,
        }
    }

    /// What it writes to the log is bounded, but for what the owner has asked for: rsync's standard output, shown at
    /// `debug`, or at `info` where irsync stands in for rsync on a command line.
    pub(super) fn bound_log(&mut self, memory: &Arc<Mutex<Memory>>) {
        self.stderr.log.bound_by(memory);
        if self.step != Step::Rsync {
            self.stdout.log.bound_by(memory);
        }
    }

    /// The pipes that are still open, to be polled.
    pub(super) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [&self.stdout, &self.stderr].into_iter().filter_map(|pipe| pipe.fd.as_ref().map(AsFd::as_fd))
    }

    /// Reads what there is and logs the lines in it; true if there was anything. A pipe at its end is closed, because
    /// poll() would return at once for it, again and again.
    pub(super) fn drain(&mut self) -> bool {
        let step = self.step;
        let said = &mut self.said;
        let mut small = [0; SMALL];
        let out = self.stdout.drain(&mut small, &mut self.buffer, &mut |line| said.hear_stdout(step, line));
        let err = self.stderr.drain(&mut small, &mut self.buffer, &mut |line| said.hear_stderr(line));
        if out {
            said.hear_pending(self.stdout.lines.pending());
        }
        if err {
            said.hear_pending_stderr(self.stderr.lines.pending());
        }
        out || err
    }

    /// Reaps the child if it has exited, and reads what it said last; true from then on.
    pub(super) fn reap(&mut self) -> bool {
        if self.exit.is_none() {
            self.exit = self.child.try_wait();
            if self.exit.is_some() {
                self.child.let_writers_go();
                // One drain takes more than the pipes can hold. A second one would only read what a grandchild writes, which
                // may go on for ever.
                self.drain();
                let (step, said) = (self.step, &mut self.said);
                self.stdout.finish(&mut |line| said.hear_stdout(step, line));
                self.stderr.finish(&mut |line| said.hear_stderr(line));
                self.leftovers_in = Some(LEFTOVERS_FIRST);
                self.exited_at = clock::now();
                self.tell_leftovers_to_end();
            }
        }
        self.exit.is_some()
    }

    fn tell_leftovers_to_end(&self) {
        match &self.run {
            // An rsync that exits has told its own children to end. One that was killed has told nobody.
            run if matches!(self.exit, Some(Exit::Signal(_))) => child::terminate_orphans(self.pid, run.as_deref()),
            Some(run) if !self.went_well() && reaper::has_orphans() => child::terminate_strays(self.pid, run),
            _ => {}
        }
    }

    /// rsync, or a part of it, was killed: it could not remove what it was writing. Its generator says by these codes that the
    /// receiver is gone (errcode.h: stream, IPC, crashed, terminated, signal).
    pub(super) fn was_cut(&self) -> bool {
        match self.exit {
            Some(Exit::Signal(_)) => true,
            Some(Exit::Code(0 | 23..=25)) => false,
            Some(Exit::Code(12 | 14..=16 | 19)) => self.killed || self.has_moved_data(),
            _ => self.killed && self.has_moved_data(),
        }
    }

    /// rsync came to its own end: the connection, if there was one, was good.
    pub(super) fn went_well(&self) -> bool {
        !self.terminated && matches!(self.exit, Some(Exit::Code(0 | 23 | 24 | 25)))
    }

    /// How it ended is irsync's doing.
    pub(super) fn was_told_to_end(&self) -> bool {
        self.terminated
    }

    /// A hook that has done its work: what it has started, in whatever way, was meant to stay.
    fn may_leave_daemons(&self) -> bool {
        self.run.is_none() && self.exit == Some(Exit::Code(0)) && !self.terminated && !self.killed
    }

    /// The pipes that something which outlives the child still holds.
    pub(super) fn into_open_pipes(self) -> impl Iterator<Item = OwnedFd> {
        [self.stdout.fd, self.stderr.fd].into_iter().flatten()
    }

    /// Once the child has exited: ends what it left behind. True when nothing of it lives any more.
    ///
    /// When rsync exits, its receiver may still be moving the partial file to where the next sync resumes from it. It has
    /// the time for that until the state machine asks for SIGKILL, if rsync was told to end, and else `stop_timeout` from
    /// rsync's exit. After a success there is nothing to put aside.
    pub(super) fn end_leftovers(&mut self, stop_timeout: Duration) -> bool {
        let Some(again_in) = self.leftovers_in else { return false };
        if self.may_leave_daemons() {
            // Only to reap what has ended in it by now.
            reaper::reap_group(self.pid);
            return true;
        }
        let failed = self.exit != Some(Exit::Code(0));
        let has_time = self.terminated || (failed && clock::now() < self.exited_at + stop_timeout);
        let patient = has_time && !self.killed && self.run.is_some();
        let group_is_empty = reaper::reap_group(self.pid);
        if !group_is_empty && !patient {
            self.child.kill_group();
            self.killed |= self.run.is_some();
        }
        // A process that has left the session has lost its parent by now, and the kernel has given it to us: as long as we
        // have no orphans, no such process exists.
        let marked = match &self.run {
            Some(run) if reaper::has_orphans() && (group_is_empty || !patient) => self.strays(run),
            _ => Some(Vec::new()),
        };
        if !patient {
            marked.iter().flatten().for_each(|&pid| mark::send(pid, Signal::SIGKILL));
        }
        self.leftovers_in = Some((again_in * 2).min(if patient { LEFTOVERS_PATIENT } else { LEFTOVERS_LAST }));
        group_is_empty && marked.is_some_and(|marked| marked.is_empty())
    }

    /// What of this run is left, or None if that cannot be seen for want of descriptors: then nothing may be started beside it. An
    /// ssh master lives on after a good sync, to serve the next one.
    fn strays(&self, run: &str) -> Option<Vec<i32>> {
        let mut strays = mark::search(run)?;
        if self.went_well() {
            strays.retain(|&pid| !mark::is_master(pid));
        }
        Some(strays)
    }

    /// The name of this run, if an ssh master has survived it. To be asked when all else has ended.
    pub(super) fn run_with_master(&self) -> Option<&str> {
        let run = self.run.as_deref().filter(|_| self.went_well() && reaper::has_orphans())?;
        (!mark::masters(run).is_empty()).then_some(run)
    }

    /// When [`Running::end_leftovers`] is to be called again; None before the child has exited.
    pub(super) fn leftovers_in(&self) -> Option<Duration> {
        self.leftovers_in
    }

    /// SIGTERM; see [`Child::terminate`].
    pub(super) fn terminate(&mut self) {
        self.terminated = true;
        if self.exit.is_none() {
            self.child.terminate();
        }
    }

    /// SIGKILL to the child and to all that it has started.
    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.child.kill_group();
        if let Some(run) = &self.run {
            mark::kill_run(run);
        }
    }

    /// Whether anything has moved since the last call.
    pub(super) fn makes_progress(&mut self) -> bool {
        self.sampler.moved()
    }

    /// How far it has come, as the end of a sentence: what it does while nothing moves.
    pub(super) fn phase(&self) -> String {
        match (&self.said.progress, self.sampler.connection()) {
            (Some(progress), _) if progress.bytes > 0 => format!("after {} bytes of data", progress.bytes),
            (_, Connection::LookingUp) => "while connecting: the name server does not answer".into(),
            (_, Connection::None) if self.remote => "while connecting".into(),
            _ => "while building the list".into(),
        }
    }

    /// What an rsync that has heard nothing of its server waits for, and what that means.
    pub(super) fn waits_for(&self) -> (Stage, &'static str) {
        match self.sampler.connection() {
            Connection::LookingUp => (Stage::Name, asked::NO_NAME_SERVER),
            Connection::None => (Stage::Connection, asked::NO_ANSWER),
            Connection::Established => (Stage::Greeting, asked::SILENT),
        }
    }

    /// Whether it has moved file data: by its progress records, else by what it finished, else by what it has read.
    pub(super) fn has_moved_data(&self) -> bool {
        match &self.said.progress {
            Some(progress) => progress.bytes > 0,
            None => self.said.began_something() || self.sampler.read() >= MORE_THAN_A_LIST,
        }
    }

    /// Files completed and bytes of file data moved, as rsync's progress tells. An rsync that tells none (yet) is taken by
    /// the bytes that it has read, as of the last call of [`Running::makes_progress`].
    pub(super) fn moved(&self) -> (u64, u64) {
        match &self.said.progress {
            Some(progress) => (progress.transferred.unwrap_or(0), progress.bytes),
            None => (0, self.sampler.read()),
        }
    }
}

impl Pipe {
    /// `hear` is given each line and says whether it is for the log.
    fn drain(&mut self, small: &mut [u8], buffer: &mut Vec<u8>, hear: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let mut active = false;
        for _ in 0..READS {
            let Some(fd) = &self.fd else { break };
            let room = if buffer.is_empty() { &mut *small } else { &mut buffer[..] };
            match nix::unistd::read(fd, room) {
                Ok(0) => self.fd = None,
                Ok(n) => {
                    active = true;
                    let log = &mut self.log;
                    self.lines.push(&room[..n], &mut |record| log_heard(log, &record, hear));
                    // After each read: the lines of several reads together would not fit into the log's queue.
                    log.commit();
                    if n == SMALL {
                        buffer.resize(CHUNK, 0);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => self.fd = None,
            }
        }
        active
    }

    /// Takes the last line, if nothing has ended it.
    fn finish(&mut self, hear: &mut dyn FnMut(&[u8]) -> bool) {
        let log = &mut self.log;
        self.lines.finish(&mut |record| log_heard(log, &record, hear));
        self.log.commit();
        self.log.end();
    }
}

fn log_heard(log: &mut ChildLog, record: &Record<'_>, hear: &mut dyn FnMut(&[u8]) -> bool) {
    let bytes = decoded(record.bytes);
    if hear(&bytes) {
        log.line(&Record { bytes: &bytes, ..*record });
    }
}
