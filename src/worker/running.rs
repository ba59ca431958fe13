//! A running child: its pipes are drained, its lines understood and logged, and its end is the end of all it started.

use crate::job::Step;
use crate::os::child::{self, Child};
use crate::os::procfs::ReadSampler;
use crate::os::reaper;
use crate::report::logging::ChildLog;
use crate::rsync::outcome::{End, Evidence};
use crate::rsync::progress::{parse_progress, Progress};
use crate::rsync::stats::Stats;
use crate::text::{LineSplitter, Record};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// As much as is read at once, at first, on the stack: most syncs say less.
const SMALL: usize = 4 * 1024;
/// As much as is read at once of a child that says much: more than a pipe holds, and so large that allocators map it
/// separately and give back what was used of it.
const CHUNK: usize = 128 * 1024;
/// Reads from one pipe before the worker looks at its clock and its orders again.
const READS: usize = 8;
/// How often what lives on after the child is looked at, at first and at last.
const LINGER_FIRST: Duration = Duration::from_micros(500);
const LINGER_LAST: Duration = Duration::from_secs(1);
/// As much of a probe's answer as is kept.
const ANSWER_LIMIT: usize = 4096;

/// A child and what it has said.
#[derive(Debug)]
pub struct Running {
    /// What it is for.
    pub step: Step,
    /// Its process, process group and session.
    pub pid: i32,
    /// How the process itself has ended; what it started may still live.
    pub end: Option<End>,
    /// What was understood of its output.
    pub said: Said,
    child: Child,
    /// The marker of it and all it starts; None for hooks, whose daemons may outlive them.
    run: Option<String>,
    sampler: ReadSampler,
    stdout: Pipe,
    stderr: Pipe,
    /// Of a child that says much; else empty.
    buffer: Vec<u8>,
    linger: Option<Duration>,
}

/// What a child has said.
#[derive(Debug, Default)]
pub struct Said {
    /// On stderr.
    pub evidence: Evidence,
    /// On stdout, in numbers.
    pub stats: Stats,
    /// Its latest progress record.
    pub progress: Option<Progress>,
    /// The last line of stdout that is not progress.
    pub last_line: Vec<u8>,
    /// The beginning of its stdout, of a probe only.
    pub answer: Vec<u8>,
}

#[derive(Debug)]
struct Pipe {
    fd: Option<OwnedFd>,
    lines: LineSplitter,
    log: ChildLog,
}

impl Running {
    /// Takes care of a child that was just started. `out` and `err` log its lines.
    pub fn new(
        step: Step,
        mut child: Child,
        run: Option<String>,
        program: &str,
        out: ChildLog,
        err: ChildLog,
    ) -> Running {
        let pid = child.pid;
        Running {
            step,
            pid,
            end: None,
            said: Said::default(),
            run,
            sampler: ReadSampler::new(pid, program),
            stdout: Pipe { fd: child.stdout.take(), lines: LineSplitter::default(), log: out },
            stderr: Pipe { fd: child.stderr.take(), lines: LineSplitter::default(), log: err },
            buffer: Vec::new(),
            linger: None,
            child,
        }
    }

    /// The pipes that are still open, to be polled.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [&self.stdout, &self.stderr].into_iter().filter_map(|pipe| pipe.fd.as_ref().map(AsFd::as_fd))
    }

    /// Reads what is there; true if there was anything. A pipe at its end is closed, or poll() would spin on it.
    pub fn drain(&mut self) -> bool {
        let step = self.step;
        let said = &mut self.said;
        let out = self.stdout.drain(&mut self.buffer, &mut |record| said.hear_stdout(step, record));
        let err = self.stderr.drain(&mut self.buffer, &mut |record| said.hear_stderr(record));
        // A progress record begins with \r: the newest one has no end yet.
        if let (true, Some(progress)) = (out, parse_progress(self.stdout.lines.pending())) {
            said.progress = Some(progress);
        }
        out || err
    }

    /// Reaps the child if it has ended, and reads what it said last.
    pub fn look_for_end(&mut self) {
        if self.end.is_none() {
            self.end = self.child.try_wait();
            if self.end.is_some() {
                // Once is enough: a pipe holds less than one drain takes, and a grandchild may go on for ever.
                self.drain();
                let (step, said) = (self.step, &mut self.said);
                self.stdout.finish(&mut |record| said.hear_stdout(step, record));
                self.stderr.finish(&mut |record| said.hear_stderr(record));
                self.linger = Some(LINGER_FIRST);
            }
        }
    }

    /// After the end of the child: ends what it left behind; true when nothing of it is left.
    pub fn is_gone(&mut self) -> bool {
        let Some(linger) = &mut self.linger else { return false };
        let group_gone = reaper::reap_group(self.pid);
        if !group_gone {
            self.child.kill_group();
        }
        // A process that left the session is an orphan by now and so given to us: without orphans there is none.
        let marked = match &self.run {
            Some(run) if reaper::has_orphans() => child::kill_marked(run),
            _ => 0,
        };
        *linger = (*linger * 2).min(LINGER_LAST);
        group_gone && marked == 0
    }

    /// When to look again whether all is gone.
    pub fn linger(&self) -> Option<Duration> {
        self.linger
    }

    /// SIGTERM; see [`Child::terminate`].
    pub fn terminate(&self) {
        if self.end.is_none() {
            self.child.terminate();
        }
    }

    /// SIGKILL to all of it.
    pub fn kill(&self) {
        self.child.kill_group();
        if let Some(run) = &self.run {
            child::kill_marked(run);
        }
    }

    /// Whether rsync has read anything since the last call.
    pub fn has_read(&mut self) -> bool {
        self.sampler.grew()
    }
}

impl Said {
    /// Takes note of a line; false if it is not for the log.
    fn hear_stdout(&mut self, step: Step, record: &Record<'_>) -> bool {
        match step {
            Step::Rsync => {
                if let Some(progress) = parse_progress(record.bytes) {
                    self.progress = Some(progress);
                    return false;
                }
                self.stats.scan(record.bytes);
                self.last_line.clear();
                self.last_line.extend_from_slice(record.bytes);
            }
            Step::Probe => {
                let room = ANSWER_LIMIT.saturating_sub(self.answer.len());
                self.answer.extend_from_slice(&record.bytes[..record.bytes.len().min(room)]);
                self.answer.push(b'\n');
                return false;
            }
            _ => {}
        }
        true
    }

    fn hear_stderr(&mut self, record: &Record<'_>) -> bool {
        self.evidence.scan(record.bytes);
        true
    }

    /// Whether rsync changed something: by what it counted, else by what it was seen to finish.
    pub fn changed(&self) -> bool {
        let seen = self.progress.as_ref().and_then(|p| p.transferred).unwrap_or(0) > 0;
        self.stats.changed().unwrap_or(seen)
    }
}

impl Pipe {
    fn drain(&mut self, buffer: &mut Vec<u8>, hear: &mut dyn FnMut(&Record<'_>) -> bool) -> bool {
        let mut active = false;
        let mut small = [0; SMALL];
        for _ in 0..READS {
            let Some(fd) = &self.fd else { break };
            let room = if buffer.is_empty() { &mut small[..] } else { &mut buffer[..] };
            match nix::unistd::read(fd, room) {
                Ok(0) => self.fd = None,
                Ok(n) => {
                    active = true;
                    let log = &mut self.log;
                    self.lines.push(&room[..n], &mut |record| {
                        if hear(&record) {
                            log.line(&record);
                        }
                    });
                    // After each read: what several of them hold would not fit into the log's queue.
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

    /// The last line, if it has no end.
    fn finish(&mut self, hear: &mut dyn FnMut(&Record<'_>) -> bool) {
        let log = &mut self.log;
        self.lines.finish(&mut |record| {
            if hear(&record) {
                log.line(&record);
            }
        });
        self.log.commit();
    }
}
