//! A look at a job's server: rsync with `--dry-run`, as the job would run it. It takes no lock and runs no hook, so it works
//! beside a running irsync, and it ends in time.

use super::log_lines;
use super::masters::Masters;
use super::place::Place;
use super::running::Running;
use super::shared::{Folders, Shared};
use super::start::{start, HookFacts, Refusal};
use super::tidying::Tidying;
use crate::config::{Arguments, Job};
use crate::job::deletions::{Deletions, Held, Next, Pass, Rules};
use crate::job::{Outcome, Step, Time};
use crate::os::program::Identity;
use crate::os::wake::Waker;
use crate::os::{clock, procfs, reaper};
use crate::report::human::Span;
use crate::rsync::asked::{self, Stage, Way};
use crate::rsync::operand;
use crate::rsync::outcome::{classify, Exit};
use crate::rsync::stats::Counts;
use crate::rsync::version::Version;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A server that has not begun its list after this time, or after the job's `activity_timeout` if that is shorter, does not
/// answer.
const SILENT: Duration = Duration::from_secs(30);
/// A list that is not whole after this time is not waited for.
const LONG: Duration = Duration::from_secs(120);
/// What is told to end has so much time for it, and then again after SIGKILL.
const END: Duration = Duration::from_secs(5);
/// rsync's pipes wake us; this is for what does not.
const LOOK: Duration = Duration::from_millis(50);

/// What came of a look.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The stages that went well, by name.
    pub passed: String,
    /// The name of the one that did not; None: it cannot be told, or there is none.
    pub stopped: Option<&'static str>,
    /// Why the job would not succeed, and what helps.
    pub failure: Option<String>,
    /// What a sync would do.
    pub would: Option<Would>,
}

/// What a sync would do.
#[derive(Debug)]
pub(crate) struct Would {
    /// rsync's statistics; None if it printed none, or in time.
    pub counts: Option<Counts>,
    /// Changes in its list, deletions aside; None if it printed no list.
    pub changes: Option<u64>,
    /// Deletions.
    pub deletions: u64,
    /// Deletions that would wait for the owner, and why.
    pub held: Option<String>,
    /// The list was not whole in time.
    pub cut_short: bool,
}

/// Asks servers, one after the other.
pub(crate) struct Scout(Shared);

/// A run that has ended or was ended.
struct Ended {
    running: Box<Running>,
    /// What it was doing when its time was over.
    late: Option<(Stage, String)>,
}

impl Scout {
    /// # Errors
    /// EMFILE.
    pub(crate) fn new() -> io::Result<Scout> {
        // Our memory will hold passwords.
        let _ = nix::sys::prctl::set_dumpable(false);
        let pid = std::process::id() as i32;
        let runs = format!("{pid}.{}.", procfs::stat(pid).map_or(0, |stat| stat.start));
        reaper::adopt_orphans();
        let umask = Mode::S_IWGRP | Mode::S_IWOTH;
        let waker = Arc::new(Waker::new()?);
        Ok(Scout(Shared::new(waker, None, Folders::default(), runs, None, umask, log::Level::Debug)))
    }

    /// Has rsync look at what this job would do. Its variables are expanded already.
    pub(crate) fn ask(&self, job: &Job) -> Answer {
        // The set is looked at where it is, and what the list says is needed whether somebody wants to see progress or not.
        let job = Job { atomic: false, progress: true, ..job.clone() };
        let way = way(&job);
        let stopped = |stage: Option<Stage>, failure| Answer {
            passed: stage.map_or(String::new(), |stage| asked::passed(way, Some(stage))),
            stopped: stage.map(Stage::name),
            failure: Some(failure),
            would: None,
        };
        if let Err(failure) = self.learn_version(&job) {
            return stopped(None, failure);
        }
        let counts = self.0.versions.get(&job.rsync).is_some_and(|version| version.counts_deletions());
        let rules =
            job.arguments.deletes().map(|max_delete| Rules { max_delete, max_shrink: job.max_shrink, allowed: 0 });
        let mut deletions = Deletions::begin(rules.unwrap_or_default(), counts && rules.is_some());
        let limit = job.limits.activity_timeout.unwrap_or(SILENT).min(SILENT);
        let ended = match self.run(Step::Rsync, deletions.pass(), &job, limit) {
            Ok(ended) => ended,
            Err(failure) => return stopped(None, failure),
        };
        let said = &ended.running.said;
        if let Some((stage, phase)) = ended.late.as_ref().filter(|(stage, _)| *stage != Stage::Files) {
            return stopped(Some(*stage), phase.clone());
        }
        let exit = ended.running.exit.unwrap_or(Exit::Code(255));
        let verdict = classify(exit, &said.evidence, said.proof());
        let cut_short = ended.late.is_some();
        let went_well = matches!(verdict.outcome, Outcome::Success | Outcome::Warning | Outcome::Held) || cut_short;
        let line = said.evidence.telling();
        let at = line.as_deref().and_then(asked::stopped_at);
        let failure = (!went_well).then(|| {
            let helps = at.map(|(_, helps)| helps).filter(|helps| !helps.is_empty()).map(str::to_owned);
            let words = [line.clone(), helps.or(verdict.note)];
            let text = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
            if text.is_empty() {
                format!("rsync ended with {}", verdict.reason)
            } else {
                text
            }
        });
        // A list that has come, with something in it that could not be read, is worth its numbers.
        let at = at.map(|(stage, _)| stage);
        if let Some(failure) =
            failure.clone().filter(|_| verdict.outcome != Outcome::Partial || at == Some(Stage::Files))
        {
            return stopped(at, failure);
        }
        let code = match exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        };
        let counted = said.counted(code, job.arguments.roots());
        let held = match deletions.ended(verdict.outcome, &counted, clock::now()) {
            Next::Done(_, held) => held,
            Next::Run(_) => None,
        };
        let by_list = said.stats.counts().and_then(|counts| counts.deleted).unwrap_or(0);
        Answer {
            passed: asked::passed(way, cut_short.then_some(Stage::Files)),
            stopped: None,
            failure,
            would: Some(Would {
                counts: said.stats.counts(),
                changes: said.printed.items.then(|| said.changes.count()),
                deletions: counted.skipped.saturating_add(counted.folders).max(by_list),
                held: held.as_ref().map(|held: &Held| log_lines::held(held)),
                cut_short,
            }),
        }
    }

    /// Asks the job's rsync for its version, once for all jobs.
    fn learn_version(&self, job: &Job) -> Result<(), String> {
        let file = Identity::of(&job.rsync);
        if !self.0.versions.must_ask(&job.rsync, file) {
            return Ok(());
        }
        let ended = self.run(Step::Probe, Pass::Plain, job, SILENT)?;
        let answer = String::from_utf8_lossy(&ended.running.said.answer).into_owned();
        self.0.versions.learn(&job.rsync, file, Version::parse(&answer));
        match self.0.versions.get(&job.rsync) {
            Some(_) => Ok(()),
            None => Err(format!("{} --version does not answer as an rsync does", job.rsync)),
        }
    }

    /// Runs it to its end, which comes in time. Nothing of it is left then, an ssh master included.
    fn run(&self, step: Step, pass: Pass, job: &Job, limit: Duration) -> Result<Ended, String> {
        let facts = HookFacts { look: true, ..HookFacts::default() };
        let started = start(step, pass, job, &self.0, &Place::of(job), &facts, &Tidying::default());
        let mut running = started.map_err(|refusal| match refusal {
            Refusal::Precondition(key, found) => format!("{}: {found}", key.key().name),
            Refusal::Failed(message, _) => message,
        })?;
        let began = clock::now();
        let mut late = None;
        while !running.reap() {
            wait(&running);
            running.drain();
            let lists = running.said.lists || !running.said.changes.is_empty();
            late = match (running.said.evidence.asks(), lists) {
                (Some(helps), _) => Some((Stage::Login, helps.to_owned())),
                (None, false) if clock::now() >= began + limit => Some(silent(&running, limit)),
                (None, true) if clock::now() >= began + LONG => Some((Stage::Files, String::new())),
                _ => None,
            };
            if late.is_some() {
                break;
            }
        }
        if late.is_some() {
            running.terminate();
            let end = clock::now() + END;
            until(&mut running, end, |running| running.reap());
        }
        let end = clock::now() + END;
        if !running.reap() || !until(&mut running, end, |running| running.end_leftovers(END)) {
            running.kill();
            until(&mut running, end + END, |running| running.reap() && running.end_leftovers(Duration::ZERO));
        }
        // A master that ssh has left behind would go on for as long as its ControlPersist says.
        if let Some(run) = running.run_with_master() {
            let mut masters = Masters::default();
            masters.keep(run);
            masters.end_at_once();
        }
        Ok(Ended { running, late })
    }
}

/// Waits until this holds, but not longer than until the end; whether it holds.
fn until(running: &mut Running, end: Time, holds: impl Fn(&mut Running) -> bool) -> bool {
    while !holds(running) {
        if clock::now() >= end {
            return false;
        }
        wait(running);
        running.drain();
    }
    true
}

/// Until rsync says something, or a moment has passed.
fn wait(running: &Running) {
    let mut fds: Vec<PollFd<'_>> = running.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)).collect();
    let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(LOOK)), None);
}

/// What an rsync does that has heard nothing of its server.
fn silent(running: &Running, limit: Duration) -> (Stage, String) {
    let (stage, what) = running.waits_for();
    let awaited = match stage {
        Stage::Name => "the address of the host",
        Stage::Connection => "a connection",
        _ => "the server to begin its list of files",
    };
    (stage, format!("waited {} for {awaited}: {what}", Span(limit)))
}

fn way(job: &Job) -> Way {
    let daemon = match &job.arguments {
        Arguments::Ini { source, destination, .. } => {
            source.iter().chain([destination]).any(|operand| operand::is_daemon(operand))
        }
        Arguments::DropIn(_) => false,
    };
    Way { remote: job.arguments.is_remote(), shell: job.arguments.by_shell(), daemon, password: job.password.is_some() }
}
