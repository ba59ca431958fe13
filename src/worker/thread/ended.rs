//! What the end of a child means.

use super::super::log_lines;
use super::super::running::Running;
use super::super::said::Said;
use super::super::sync_report::SyncReport;
use super::Worker;
use crate::job::{Action, Event, Outcome, Step};
use crate::os::clock;
use crate::report::human::Span;
use crate::report::logging;
use crate::rsync::outcome::{classify, Exit};
use std::time::Duration;

impl Worker {
    /// Once the child has exited and nothing that it has left behind lives any more, the machine is told.
    pub(super) fn look_after_child(&mut self) {
        // What the machine asks for then has the whole stack.
        if let Some(event) = self.bury_child() {
            self.feed(event);
        }
    }

    #[inline(never)]
    fn bury_child(&mut self) -> Option<Event> {
        let child = self.child.as_mut()?;
        if !child.reap() || !child.end_leftovers(self.job.limits.stop_timeout) {
            return None;
        }
        let mut child = self.child.take()?;
        self.shared.reaper.forget(child.pid);
        self.shared.guard.iter().for_each(|guard| guard.leave(child.pid));
        self.shared.reaper.look();
        let exit = child.exit?;
        let event = match child.step {
            Step::Rsync => self.rsync_exited(&mut child, exit),
            Step::Probe => self.probe_exited(&child),
            Step::Rollback | Step::Resume => {
                self.turned(child.step, &child.said, exit);
                Event::Exited(exit == Exit::Code(0))
            }
            hook => self.hook_exited(hook, exit, child.was_told_to_end()),
        };
        if !matches!(child.step, Step::Rsync | Step::Probe) {
            self.daemons.keep(child.into_open_pipes());
        }
        Some(event)
    }

    fn rsync_exited(&mut self, child: &mut Running, exit: Exit) -> Event {
        match child.run_with_master() {
            Some(run) => self.masters.keep(run),
            None if !child.went_well() && self.job.arguments.by_shell() => self.masters.end(&self.shared.runs),
            None => {}
        }
        let said = &child.said;
        let mut verdict = classify(exit, &said.evidence, said.proof());
        let unknown = verdict.outcome.is_success() && self.was_another();
        if unknown {
            verdict.outcome = Outcome::Transient;
            let text =
                format!("{} has been replaced, and nobody knows what it changed: the next sync asks", self.job.rsync);
            verdict.note = Some(text);
        }
        if verdict.refused_option {
            self.shared.versions.doubt(&self.job.rsync);
        }
        self.tell_of_skipped_deletions(said, verdict.outcome);
        let outcome = verdict.outcome;
        let code = if let Exit::Code(code) = exit { Some(code) } else { None };
        let news = self.heard.news(said, outcome, code);
        // What was built beside the live set is thrown away.
        let changed = news.count > 0 || (unknown && said.staged.is_none());
        let duration = clock::now().since(self.child_since);
        let mut report = SyncReport::of_rsync(exit, verdict, said, news, duration);
        report.repaired = said.repaired;
        log_lines::log_repairs(&self.job.name, said);
        report.stalled = child.stalled.clone();
        let matched = said.stats.counts().and_then(|counts| counts.matched);
        report.resumed = matched.filter(|matched| self.interrupted && *matched > 0);
        // What was moved and not finished lies in the partial folder; the next sync resumes from it.
        self.interrupted = !child.went_well() && (self.interrupted || child.has_moved_data());
        self.report = report.after(std::mem::take(&mut self.report));
        self.hook_facts.lacks = said.lacks;
        self.hook_facts.code = self.report.code;
        self.suspect(child.was_cut(), outcome, duration);
        if !said.evidence.reached() {
            self.feed(Event::Unreached);
        }
        let (moved, written) = (child.has_moved_data(), child.said.may_have_written());
        let counted = said.counted(code, self.job.arguments.roots());
        self.heard.remember(std::mem::take(&mut child.said));
        Event::Synced { outcome, changed, moved, written, counted }
    }

    /// Once per outage: what is gone from the server stays here until somebody mends that.
    fn tell_of_skipped_deletions(&mut self, said: &Said, outcome: Outcome) {
        if let Some(why) = said.evidence.skipped_deletions() {
            if !std::mem::replace(&mut self.told_of_skipped_deletions, true) {
                log::warn!(
                    "{}: rsync deletes nothing, because {why} (IO error encountered -- skipping file \
                     deletion): what is gone from the server stays here",
                    self.job.name
                );
            }
        } else if outcome.is_success() {
            self.told_of_skipped_deletions = false;
        }
    }

    /// Has what rsync may have left behind removed, while nobody else can be writing there.
    fn suspect(&mut self, cut: bool, outcome: Outcome, took: Duration) {
        let Some(destination) = self.place.local.clone() else { return };
        let suspects = self.tidying.after(&self.job, destination, &self.shared, outcome, cut, took);
        if suspects && self.place.turn.is_some() {
            let action = self.machine.handle(Event::Untidy, clock::now());
            debug_assert_eq!(action, Action::Wait, "the sync is not over yet");
        }
    }

    /// `told`: irsync has told it to end, and said why.
    fn hook_exited(&mut self, hook: Step, exit: Exit, told: bool) -> Event {
        let ok = exit == Exit::Code(0);
        if ok && hook == Step::Flush {
            let took = Span(clock::now().since(self.child_since));
            log::debug!("{}: what was written is on the disk, after {took}", self.job.name);
        }
        if !ok {
            let note = format!("{} {}", hook.name(), log_lines::exit(exit));
            match told {
                true => log::debug!("{}: {note}, as irsync had told it to end", self.job.name),
                false => logging::say(&self.memory, log::Level::Warn, &format!("{}: {note}", self.job.name)),
            }
            match hook {
                Step::Before | Step::BeforePublish | Step::Publish => {
                    self.report = SyncReport::of_refusal(hook.name(), note)
                }
                Step::Flush => self.report.spoil_by_flush(&note),
                _ => {}
            }
        }
        Event::Exited(ok)
    }
}
