//! A child process in a session of its own, and how all of it is ended.
#![forbid(unsafe_code)]

use super::pipe::{self, Lasting};
use super::sys::environment::Environment;
use super::sys::{self, Setup};
use super::{mark, procfs, reaper};
use crate::rsync::outcome::Exit;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::{kill, killpg, Signal};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

/// What to start.
#[derive(Debug)]
pub(crate) struct Spec<'a> {
    /// The program, looked up in PATH.
    pub program: &'a OsStr,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Variables to set.
    pub environment: Vec<(&'static str, OsString)>,
    /// Variables to remove.
    pub hidden: &'static [&'static str],
    /// Handed over on stdin; without it stdin is `/dev/null`.
    pub secret: Option<Vec<u8>>,
    /// What it starts may outlive it, and us, and go on writing to its standard output and error.
    pub may_leave_daemons: bool,
    /// Between fork and exec.
    pub setup: Setup,
}

/// A running child. It leads its session and process group.
#[derive(Debug)]
pub(crate) struct Child {
    /// Process, process group and session id.
    pub pid: i32,
    /// Its standard output, not blocking, until somebody takes it.
    pub stdout: Option<OwnedFd>,
    /// Its standard error, likewise.
    pub stderr: Option<OwnedFd>,
    /// The other ends of both where it may leave daemons; see [`Lasting`].
    writers: Vec<OwnedFd>,
}

impl Child {
    /// Starts it. The calling thread must live as long as the child: the parent-death signal follows the thread.
    ///
    /// # Errors
    /// Those of fork(2) and execve(2), e.g. ENOENT when there is no such program.
    pub(crate) fn start(spec: &Spec<'_>) -> io::Result<Child> {
        let mut command = Command::new(spec.program);
        command.args(spec.arguments);
        command.stdin(if spec.secret.is_some() { Stdio::piped() } else { Stdio::null() });
        let lasting = match spec.may_leave_daemons {
            true => Some((Lasting::new()?, Lasting::new()?)),
            false => None,
        };
        match &lasting {
            Some((out, err)) => command.stdout(out.writer.try_clone()?).stderr(err.writer.try_clone()?),
            None => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        };
        sys::set_up(&mut command, spec.setup.clone(), Environment::new(spec.hidden, &spec.environment)?);
        let mut child = command.spawn()?;
        if let (Some(secret), Some(mut stdin)) = (&spec.secret, child.stdin.take()) {
            // It fits into the pipe's buffer (a password has at most 511 bytes), so this cannot block. If rsync has
            // died already, its exit code tells more than EPIPE.
            let _ = stdin.write_all(secret);
        }
        let pid = child.id() as i32;
        if let Some((out, err)) = lasting {
            let writers = vec![out.writer, err.writer];
            return Ok(Child { pid, stdout: Some(out.reader), stderr: Some(err.reader), writers });
        }
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (stdout, stderr) = (OwnedFd::from(stdout), OwnedFd::from(stderr));
        for pipe in [&stdout, &stderr] {
            fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Child { pid, stdout: Some(stdout), stderr: Some(stderr), writers: Vec::new() })
    }

    /// The child has ended: whoever has inherited its standard output and error keeps them, and we do no longer.
    pub(crate) fn let_writers_go(&mut self) {
        self.writers.drain(..).for_each(pipe::let_go);
    }

    /// Reaps the child if it has ended.
    pub(crate) fn try_wait(&self) -> Option<Exit> {
        match reaper::try_wait(self.pid)? {
            WaitStatus::Exited(_, code) => Some(Exit::Code(code)),
            WaitStatus::Signaled(_, signal, _) => Some(Exit::Signal(signal as i32)),
            _ => None,
        }
    }

    /// SIGTERM to the leader, which tells its own children; SIGCONT to all, because a stopped process cannot die.
    pub(crate) fn terminate(&self) {
        terminate(self.pid);
    }

    /// SIGKILL to the whole group.
    pub(crate) fn kill_group(&self) {
        let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

/// See [`Child::terminate`].
pub(crate) fn terminate(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    let _ = killpg(Pid::from_raw(pid), Signal::SIGCONT);
}

/// SIGTERM to those of a run whose parent in it has died: they tell their own children. Of a run are those in the
/// session of `leader`, and those that carry the marker.
pub(crate) fn terminate_orphans(leader: i32, run: Option<&str>) {
    let marked = run.map(mark::of_run).unwrap_or_default();
    let is_ours = |pid: i32, stat: &procfs::Stat| stat.session == leader || marked.contains(&pid);
    let ours = |pid: i32| procfs::stat(pid).filter(|stat| stat.state != 'Z' && is_ours(pid, stat));
    for pid in procfs::pids() {
        if ours(pid).is_some_and(|stat| ours(stat.ppid).is_none()) {
            mark::send(pid, Signal::SIGTERM);
            mark::send(pid, Signal::SIGCONT);
        }
    }
}

/// SIGTERM to those of a run that have left the session of `leader`: nobody of the run tells them to end, and those in it
/// are told by their parents.
pub(crate) fn terminate_strays(leader: i32, run: &str) {
    for pid in mark::of_run(run) {
        if procfs::stat(pid).is_some_and(|stat| stat.session != leader) {
            mark::send(pid, Signal::SIGTERM);
        }
    }
}
