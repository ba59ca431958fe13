//! What the supervisor is told from outside: a new configuration, what is asked on the control socket, the question how it is doing.

use super::control::{Answer, Control, Request, Verb};
use super::status_line::status_line;
use super::{surroundings, Supervisor, STOP_SLACK};
use crate::config::{show, Config};
use crate::os::clock;
use crate::report::board::State;
use crate::report::logging;
use crate::worker::Handle;
use std::sync::Arc;

/// What a command exits with where the configuration is in error, see sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// Of a job in the queue.
const WAITS: &str = "waits for the end of a sync from before the reload";

impl Supervisor {
    /// Reads the configuration again.
    ///
    /// # Errors
    /// What is wrong with it, in lines; the old one is kept. The log has it too.
    pub(super) fn reload(&mut self) -> Result<String, String> {
        let Some(reload) = &mut self.reload else {
            log::info!("SIGHUP: there is no configuration file to read");
            return Err("there is no configuration file to read".into());
        };
        if self.stop_by.is_some() {
            return Err("irsync is stopping".into());
        }
        self.heart.reloading(clock::now());
        let done = match reload() {
            Ok(config) => Ok(self.apply(config)),
            Err(errors) => {
                for line in errors.lines() {
                    log::error!("{line}");
                }
                log::error!("SIGHUP: the configuration is in error, the old one is kept");
                Err(format!("{}\nthe old configuration is kept", errors.trim_end()))
            }
        };
        self.heart.ready();
        done
    }

    fn reload_answer(&mut self) -> Answer {
        match self.reload() {
            Ok(text) => Answer::done(text),
            Err(text) => Answer { code: BAD_CONFIGURATION, text },
        }
    }

    /// Gives what has changed, for people.
    fn apply(&mut self, mut config: Config) -> String {
        if let Err(error) = logging::reconfigure(&config.global) {
            log::error!("{error}");
        }
        if config.global.log != self.global.log {
            logging::complain_if_unheard(&config.global);
        }
        let waiting = show::needs_restart(&self.started_with, &config.global);
        let waiting = match waiting.is_empty() {
            true => String::new(),
            false => format!("a new value waits until irsync is restarted: {}", waiting.join(", ")),
        };
        if !waiting.is_empty() {
            log::warn!("SIGHUP: {waiting}");
        }
        if config.global.lock_memory != self.global.lock_memory {
            surroundings::lock_memory(config.global.lock_memory);
        }
        self.heart.limit_reboots(config.global.reboot_limit, clock::now());
        // An update may have replaced what a wrapper script runs, which nothing else would tell.
        self.shared.versions.doubt_all();
        // Whoever has changed the file waits for what comes of it.
        self.manner.spread = false;
        let (mut added, mut changed, mut removed) = (0, 0, 0);
        let mut jobs = super::jobs(&mut config, self.manner);
        for handle in self.handles.iter_mut().filter(|handle| !handle.is_leaving()) {
            match jobs.iter_mut().find(|job| job.name == handle.job().name && job.enabled) {
                // The copy that the worker has anyway.
                Some(job) if *job == *handle.job() => *job = Arc::clone(handle.job()),
                Some(job) => {
                    changed += 1;
                    handle.reload(Arc::clone(job));
                }
                None => {
                    removed += 1;
                    handle.leave();
                }
            }
        }
        let queue = std::mem::take(&mut self.queue);
        removed += queue.iter().filter(|old| !jobs.iter().any(|job| job.name == old.name && job.enabled)).count();
        for job in jobs.iter().filter(|job| job.enabled) {
            if !self.handles.iter().any(|h| h.job().name == job.name && !h.is_leaving()) {
                match queue.iter().find(|old| old.name == job.name) {
                    Some(old) => changed += usize::from(old != job),
                    None => added += 1,
                }
                self.queue.push_back(Arc::clone(job));
            }
        }
        self.start_next();
        self.queue.iter().for_each(|job| log::info!("{}: {WAITS}", job.name));
        self.outlook.configure(&config.global);
        (self.global, self.jobs) = (config.global, jobs);
        self.watch_secrets();
        self.shared.news.spread();
        let read = format!("configuration read: {added} jobs added, {changed} changed, {removed} removed");
        log::info!("SIGHUP: {read}");
        if waiting.is_empty() {
            read
        } else {
            format!("{read}; {waiting}")
        }
    }

    /// Has every job synced that is not paused.
    pub(super) fn sync_all(&self) {
        self.handles.iter().filter(|handle| handle.status().state != State::Paused).for_each(Handle::sync_now);
    }

    pub(super) fn serve_control(&mut self) {
        while let Some(request) = self.control.as_ref().and_then(Control::next) {
            let answer = match (self.too_early(request.verb, &request.jobs), request.verb) {
                (Some(refused), _) => refused,
                (None, Verb::Rollback) => match self.roll_back(&request.jobs) {
                    Ok(ticket) => {
                        self.pending.push((ticket, request));
                        continue;
                    }
                    Err(refused) => refused,
                },
                (None, verb) => self.obey(verb, &request.jobs),
            };
            self.answer(&request, &answer);
        }
    }

    fn answer(&self, request: &Request, answer: &Answer) {
        if let Some(control) = &self.control {
            control.answer(request, answer);
        }
    }

    /// Answers what workers have done meanwhile.
    pub(super) fn answer_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        for (ticket, result) in self.shared.replies() {
            if let Some(at) = self.pending.iter().position(|(number, _)| *number == ticket) {
                let (_, request) = self.pending.swap_remove(at);
                self.answer(&request, &result.map_or_else(Answer::refused, Answer::done));
            }
        }
    }

    /// Has a worker show the set before. Gives the number by which it will answer.
    fn roll_back(&mut self, jobs: &[String]) -> Result<u64, Answer> {
        let asked = self.asked(jobs)?;
        let (Some(handle), 1) = (asked.first(), jobs.len()) else {
            return Err(Answer::refused("rollback wants the name of one job".into()));
        };
        if !handle.job().atomic {
            let text = format!("{} is not atomic (atomic = yes): it keeps no set before its own", handle.job().name);
            return Err(Answer::refused(text));
        }
        let ticket = self.tickets;
        handle.roll_back(ticket);
        log::info!("irsync rollback: {}", handle.job().name);
        self.tickets += 1;
        Ok(ticket)
    }

    /// The jobs of these names, all if there are none.
    fn asked(&self, jobs: &[String]) -> Result<Vec<&Handle>, Answer> {
        let running = self.handles.iter().map(Handle::job);
        let mut names: Vec<&str> = Vec::new();
        for job in running.chain(&self.queue) {
            // One that waits may have the name of one that is ending.
            if !names.contains(&job.name.as_str()) {
                names.push(&job.name);
            }
        }
        let known = |name: &&String| names.contains(&name.as_str());
        let off = |name: &&String| self.jobs.iter().any(|job| job.name == **name && !job.enabled);
        let unknown: Vec<&str> = jobs.iter().filter(|name| !known(name)).map(String::as_str).collect();
        if let Some(disabled) = jobs.iter().find(|name| !known(name) && off(name)) {
            return Err(Answer::refused(format!("{disabled} is disabled (enabled = no)")));
        }
        if !unknown.is_empty() {
            let text = format!("no such job: {}; the jobs are: {}", unknown.join(", "), names.join(", "));
            return Err(Answer::refused(text));
        }
        let asked = |handle: &&Handle| jobs.is_empty() || jobs.contains(&handle.job().name);
        Ok(self.handles.iter().filter(asked).collect())
    }

    /// Refuses what is not for the worker that is ending, where the job's next one has not been started yet.
    fn too_early(&self, verb: Verb, jobs: &[String]) -> Option<Answer> {
        let later = matches!(verb, Verb::Pause | Verb::Allow | Verb::Rollback);
        let job = self.queue.iter().find(|job| later && (jobs.is_empty() || jobs.contains(&job.name)))?;
        Some(Answer::refused(format!("{}: {WAITS}; ask again", job.name)))
    }

    /// Does what was asked for on the control socket.
    fn obey(&mut self, verb: Verb, jobs: &[String]) -> Answer {
        let asked = match self.asked(jobs) {
            Ok(asked) => asked,
            Err(refused) => return refused,
        };
        let whom = if jobs.is_empty() { "all jobs".to_owned() } else { jobs.join(", ") };
        let syncs = matches!(verb, Verb::Now | Verb::Allow) && !jobs.is_empty();
        if let Some(handle) = asked.iter().find(|handle| syncs && handle.status().rolled_back) {
            let name = &handle.job().name;
            return Answer::refused(format!("{name} is rolled back: `irsync resume {name}` lets it sync again"));
        }
        match verb {
            Verb::Reload => return self.reload_answer(),
            Verb::Stop => {
                let longest =
                    self.handles.iter().map(|handle| handle.job().limits.stop_timeout).max().unwrap_or_default();
                self.stop("irsync stop");
                // For the client: whose end to wait for, and how long that may take.
                return Answer::done(format!("{} {}", std::process::id(), (longest + STOP_SLACK).as_secs()));
            }
            Verb::Now if jobs.is_empty() => self.sync_all(),
            Verb::Now => asked.iter().for_each(|handle| handle.sync_now()),
            // Answered when it is done.
            Verb::Rollback => {}
            Verb::Pause => asked.iter().for_each(|handle| handle.pause(true)),
            Verb::Resume => asked.iter().for_each(|handle| handle.pause(false)),
            Verb::Allow => {
                let held: Vec<_> = asked.iter().filter(|handle| handle.status().held > 0).collect();
                if held.is_empty() {
                    return Answer::refused(format!("no deletions are held: {whom}"));
                }
                held.iter().for_each(|handle| handle.allow());
            }
        }
        log::info!("irsync {}: {whom}", verb.name());
        Answer::done(done(verb, jobs))
    }

    pub(super) fn log_status(&self) {
        let now = clock::now();
        for handle in &self.handles {
            log::info!("{}", status_line(&handle.status(), now));
        }
    }
}

/// What somebody at a terminal is told of what was done.
fn done(verb: Verb, jobs: &[String]) -> String {
    let whom = if jobs.is_empty() { "all jobs".to_owned() } else { jobs.join(", ") };
    match verb {
        Verb::Now if jobs.is_empty() => "syncing at once: all jobs that are not paused".into(),
        Verb::Now => format!("syncing at once: {whom}"),
        Verb::Allow => format!("syncing at once, with the deletions that are held: {whom}"),
        Verb::Pause => format!("paused until irsync resume: {whom}; a sync that runs goes on"),
        Verb::Resume => format!("no longer paused: {whom}"),
        // These answer for themselves.
        Verb::Rollback | Verb::Reload | Verb::Stop => String::new(),
    }
}
