//! `irsync rollback` and the `irsync resume` that follows it: what the worker does beside the machine's decisions.

use super::super::log_lines;
use super::super::permission;
use super::super::said::Said;
use super::Worker;
use crate::job::{Event, Outcome, Step};
use crate::os::publish::Places;
use crate::rsync::outcome::Exit;
use std::path::Path;

impl Worker {
    /// Whether the owner has rolled the set back, an irsync before this one included. A job that he has is taken out of turn.
    pub(super) fn notice_rollback(&mut self) -> bool {
        let live = self.job.arguments.local_destination().filter(|_| self.job.atomic);
        let marked = live.is_some_and(|live| Places::of(Path::new(&live)).is_ok_and(|places| places.is_rolled_back()));
        if marked {
            self.machine.take_out_of_turn();
            self.show_rollback(true);
        }
        marked
    }

    /// Somebody asks for the set before; `ticket` is the number of his request.
    pub(super) fn roll_back(&mut self, ticket: u64) {
        if !self.machine.may_roll_back() {
            let why = "it is showing a new set right now, or stopping: look at it, and ask again";
            self.shared.reply(ticket, Err(format!("{}: {why}", self.job.name)));
        } else if self.ticket.is_some() {
            self.shared.reply(ticket, Err(format!("{}: that was asked for already", self.job.name)));
        } else {
            self.ticket = Some(ticket);
            self.feed(Event::Rollback);
        }
    }

    /// Syncs may start again.
    pub(super) fn resume(&mut self) {
        self.feed(if self.rolled_back { Event::Resume } else { Event::Pause(false) });
    }

    /// Nobody else may write to the destination meanwhile. False: somebody does.
    pub(super) fn takes_turn_for(&mut self, step: Step) -> bool {
        if !matches!(step, Step::Rollback | Step::Resume) {
            return true;
        }
        match permission::take_turn(&self.job, &self.place, &self.shared) {
            Ok(turn) => self.place.turn = turn,
            Err(why) => {
                self.not_turned(step, &why);
                return false;
            }
        }
        true
    }

    /// It could not be done.
    pub(super) fn not_turned(&mut self, step: Step, why: &str) {
        self.place.turn = None;
        log::error!("{}: {}: {why}", self.job.name, step.name());
        self.reply(Err(format!("{}: {why}", self.job.name)));
    }

    /// The process that was to do it has ended.
    pub(super) fn turned(&mut self, step: Step, said: &Said, exit: Exit) {
        if exit != Exit::Code(0) {
            let why = String::from_utf8_lossy(&said.answer).trim_end().to_owned();
            let why = if why.is_empty() { log_lines::exit(exit) } else { why };
            return self.not_turned(step, &why);
        }
        self.place.turn = None;
        let name = self.job.name.clone();
        self.show_rollback(step == Step::Rollback);
        if step == Step::Resume {
            return log::info!("{name}: resumed: syncs start again");
        }
        let text = format!("{name}: the set before is shown again; no sync starts until `irsync resume {name}`");
        log::warn!("{text}");
        self.hook_facts.outcome = Some(Outcome::Success);
        self.hook_facts.changed = true;
        self.show.rolled_back();
        self.reply(Ok(text));
    }

    /// Whoever waits for an answer gets it.
    pub(super) fn reply(&mut self, result: Result<String, String>) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.reply(ticket, result);
        }
    }

    fn show_rollback(&mut self, rolled_back: bool) {
        if self.rolled_back != rolled_back {
            self.rolled_back = rolled_back;
            self.show.rollback(rolled_back);
        }
    }
}
