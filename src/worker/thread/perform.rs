//! What the state machine asks for, done.

use super::super::hours;
use super::super::log_lines;
use super::super::permission;
use super::super::start::{self, HookFacts, Refusal};
use super::super::sync_report::SyncReport;
use super::super::variables::expanded;
use super::Worker;
use crate::config;
use crate::config::keys::Id;
use crate::job::Conclusion;
use crate::job::{Action, Cause, Event, Outcome, Pace, Step};
use crate::os::clock;
use crate::report::human::Span;
use crate::report::logging;
use std::sync::Arc;

impl Worker {
    /// Does what the machine asks for and gives what came of it.
    ///
    /// The machine and the worker each know whether there is a child; the assertions hold them to the same opinion.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Wait => None,
            Action::Begin => Some(self.begin()),
            Action::Start(step) => Some(self.start(step)),
            Action::Sample => {
                debug_assert!(self.child.is_some(), "nothing runs that could make progress");
                let moves = self.child.as_mut().is_some_and(|child| child.makes_progress());
                self.show_moved();
                Some(Event::Sampled(moves))
            }
            Action::Terminate(cause) => {
                debug_assert!(self.child.is_some(), "nothing runs that could be terminated");
                if let Some(child) = &mut self.child {
                    child.stalled = match (child.step, cause) {
                        (Step::Rsync, Cause::NoProgress(_)) => Some(child.phase()),
                        (Step::Rsync, Cause::Asks) => child.said.evidence.asks().map(str::to_owned),
                        _ => None,
                    };
                    let stalled = child.stalled.as_deref();
                    log_lines::log_termination(&self.memory, &self.job.name, child.step, cause, stalled);
                    child.terminate();
                }
                self.show.stopping();
                None
            }
            Action::Kill => {
                debug_assert!(self.child.is_some(), "nothing runs that could be killed");
                if let Some(child) = &mut self.child {
                    let text =
                        format!("{}: {} did not end after SIGTERM, killing it", self.job.name, child.step.name());
                    logging::say(&self.memory, log::Level::Warn, &text);
                    child.kill();
                }
                self.show.killed();
                None
            }
            Action::ReportUnkillable => {
                debug_assert!(self.child.is_some(), "nothing runs that could hang");
                let pid = self.child.as_ref().map_or(0, |child| child.pid);
                log::error!(
                    "{}: process {pid} does not die of SIGKILL: it hangs in the kernel (a dead card or file server?); \
                     no second one is started beside it",
                    self.job.name
                );
                self.show.unkillable();
                None
            }
            Action::Conclude(conclusion) => {
                self.conclude(conclusion);
                Some(Event::Concluded)
            }
            Action::Exit => {
                self.exit();
                None
            }
        }
    }

    /// A sync begins: takes the turn at the destination.
    #[inline(never)]
    fn begin(&mut self) -> Event {
        debug_assert!(self.place.turn.is_none(), "the turn of the sync before was kept");
        self.report = SyncReport::default();
        self.secret = None;
        self.heard.begin();
        self.hook_facts = HookFacts { failures: self.hook_facts.failures, ..HookFacts::default() };
        if let Some(file) = &self.template.doubt {
            let note = format!("{} is in error, and names this job: it may be meant otherwise", file.display());
            self.report = SyncReport::of_refusal(Id::include.name(), note);
            return Event::Refused;
        }
        match expanded(&self.template) {
            Ok(job) => self.adopt(job),
            Err(missing) => {
                self.report = SyncReport::of_refusal("variable", missing);
                return Event::Refused;
            }
        }
        if self.notice_rollback() {
            let name = &self.job.name;
            self.report = SyncReport::of_refusal("rollback", format!("`irsync resume {name}` lets it sync again"));
            return Event::Refused;
        }
        match permission::take_turn(&self.job, &self.place, &self.shared) {
            Ok(turn) => {
                self.place.turn = turn;
                let verify = self.verifying.begin(&self.job, self.shared.state_dir.as_deref(), clock::now());
                self.hook_facts.verify = verify;
                Event::Began { probe: self.must_probe(), verify }
            }
            Err(reason) => {
                self.report = SyncReport::of_refusal("lock", reason);
                Event::Refused
            }
        }
    }

    /// The job as the source that is to be asked makes it.
    fn job_for(&mut self, step: Step) -> Arc<config::Job> {
        let source = self.machine.source();
        if step != Step::Rsync || self.job.fallback.is_empty() {
            return Arc::clone(&self.job);
        }
        let job = config::Job { arguments: self.job.arguments_for(source), ..(*self.job).clone() };
        if std::mem::replace(&mut self.asked, source) != source && !self.report.reason.is_empty() {
            let report = std::mem::take(&mut self.report);
            log_lines::log_fallback(&self.memory, &job.name, &report, &job.arguments);
        } else if source > 0 {
            log::debug!("{}: going on with fallback {source}", job.name);
        }
        Arc::new(job)
    }

    #[inline(never)]
    fn start(&mut self, step: Step) -> Event {
        debug_assert!(self.child.is_none(), "a second child beside the one that runs");
        if !self.takes_turn_for(step) {
            return Event::NotStarted(Outcome::Skipped);
        }
        let job = self.job_for(step);
        if step == Step::Rsync {
            self.note_unknown();
            self.bwlimit = hours::bwlimit(&job);
        }
        let shared = Arc::clone(&self.shared);
        let _spawning = shared.reaper.spawning();
        let judged = match step {
            Step::Rsync => self.is_as_asked().and_then(|()| self.judged.check(&job)),
            _ => Ok(()),
        };
        let started = judged.and_then(|()| {
            let pass = self.pass(step);
            start::start(step, pass, &job, &self.shared, &self.place, &self.hook_facts, &self.tidying)
        });
        match started {
            Ok(mut child) => {
                if self.job.arguments.may_be_added_to() {
                    child.bound_log(&self.memory);
                }
                self.shared.reaper.enrol(child.pid, Arc::clone(&self.inbox.waker));
                self.shared.guard.iter().for_each(|guard| guard.enter(child.pid));
                // It may have exited before it was enrolled; then nobody rings for it any more.
                self.inbox.waker.ring();
                self.child_since = clock::now();
                self.secret = child.secret.or(self.secret);
                self.show.running(step, child.pid);
                self.child = Some(child);
                Event::Started
            }
            Err(Refusal::Precondition(key, found)) => {
                self.report = SyncReport::of_refusal(key.name(), found);
                Event::Refused
            }
            Err(Refusal::Failed(message, outcome)) => {
                match step {
                    Step::Rsync => {
                        self.shared.versions.doubt(&self.job.rsync);
                        self.report = SyncReport::of_refusal("not started", message);
                    }
                    // What is wrong with it will be said when rsync itself is started.
                    Step::Probe => {}
                    Step::Rollback | Step::Resume => self.not_turned(step, &message),
                    _ => {
                        logging::say(&self.memory, log::Level::Error, &format!("{}: {message}", self.job.name));
                        match step {
                            Step::Before | Step::BeforePublish | Step::Publish => {
                                self.report = SyncReport::of_refusal(step.name(), message)
                            }
                            Step::Flush => self.report.spoil_by_flush(&message),
                            _ => {}
                        }
                    }
                }
                Event::NotStarted(outcome)
            }
        }
    }

    #[inline(never)]
    fn conclude(&mut self, conclusion: Conclusion) {
        debug_assert!(self.child.is_none(), "the sync is over, but a child of it runs");
        self.place.turn = None;
        let mut report = std::mem::take(&mut self.report);
        if conclusion.outcome == Outcome::Disk {
            report.tell_of_failed();
        }
        self.verifying.end(conclusion.outcome.is_success(), clock::now());
        self.hook_facts.outcome = Some(conclusion.outcome);
        self.hook_facts.failures = conclusion.failures;
        self.hook_facts.changed = conclusion.changed;
        let told = conclusion.held.is_some() && conclusion.held == self.held;
        self.held = conclusion.held;
        self.hook_facts.held = conclusion.held.map_or(0, |held| held.count);
        if !self.job.arguments.may_be_added_to() {
            // What stands in for rsync on a command line says all that it did.
            self.narrator.listen();
        }
        let (job, narrator) = (&self.job, &mut self.narrator);
        let aloud = log_lines::log_conclusion(job, &report, &conclusion, told, narrator, clock::now());
        // What a sync began with that came to nothing is no change yet.
        if conclusion.outcome.pace() == Pace::Interval {
            log_lines::log_news(&job.name, &report.news, aloud);
        }
        self.show.concluded(report, &conclusion);
    }

    fn exit(&mut self) {
        if let Some(child) = &self.child {
            log::error!("{}: leaving process {} behind, it hangs in the kernel", self.job.name, child.pid);
        } else if !self.report.reason.is_empty() {
            log::info!("{}: stopped in mid-sync, after {}", self.job.name, Span(self.report.duration));
        }
        self.exiting = true;
    }
}
