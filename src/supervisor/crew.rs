//! The workers: started in turn, and joined when they have finished.

use super::secrets::Secrets;
use super::Supervisor;
use crate::config::Job;
use crate::worker::{Handle, Terms};
use std::sync::Arc;

impl Supervisor {
    pub(super) fn start_all(&mut self) {
        log::info!(
            "irsync {} started, {} of {} jobs enabled",
            env!("CARGO_PKG_VERSION"),
            self.jobs.iter().filter(|j| j.enabled).count(),
            self.jobs.len()
        );
        self.watch_secrets();
        self.queue = self.jobs.iter().filter(|j| j.enabled).cloned().collect();
        if self.queue.is_empty() {
            // irsync goes on: an image may ship before its jobs do, and a watchdog that is armed wants to be fed.
            log::warn!("no job is enabled: waiting for SIGHUP and a better configuration");
        }
        self.start_next();
    }

    /// From now on these are the jobs whose passwords count.
    pub(super) fn watch_secrets(&mut self) {
        let jobs = self.jobs.iter().filter(|job| job.enabled && self.manner.repeat);
        self.secrets = Secrets::of(jobs.map(|job| &**job));
        // What has changed before they were watched, or was noticed by the watch before, which nobody asks any more.
        self.handles.iter().for_each(Handle::look_at_secret);
    }

    /// Starts the jobs of the queue that need not wait.
    pub(super) fn start_next(&mut self) {
        for job in std::mem::take(&mut self.queue) {
            // Where one cannot be started, the next has its turn.
            let waits = match self.manner.repeat {
                true => self.handles.iter().any(|handle| handle.goes_before(&job)),
                false => !self.handles.is_empty(),
            };
            if waits {
                self.queue.push_back(job);
            } else {
                self.start(job);
            }
        }
    }

    fn start(&mut self, job: Arc<Job>) {
        let name = job.name.clone();
        let phase = if self.manner.spread { self.surroundings.phase(&name) } else { 0 };
        let terms = Terms { repeat: self.manner.repeat, phase };
        match Handle::start(job, terms, &self.shared) {
            Ok(handle) => self.handles.push(handle),
            Err(error) => {
                log::error!("{name}: cannot start a worker: {error}; the job does not run until the next reload");
                // A stop that may come weeks later goes well all the same.
                self.all_succeeded &= self.manner.repeat;
            }
        }
    }

    /// Joins the workers that have finished: all of them at a stop, those of removed jobs, and each one that runs one time.
    pub(super) fn bury(&mut self) {
        let mut buried = false;
        let mut at = 0;
        while at < self.handles.len() {
            if !self.handles[at].has_finished() {
                at += 1;
                continue;
            }
            let status = self.handles.swap_remove(at).join();
            self.all_succeeded &= match self.manner.repeat {
                // A process id that is left is that of a process that hangs in the kernel.
                true => status.pid.is_none(),
                false => status.last.as_ref().is_some_and(|last| last.outcome.is_success()),
            };
            self.outlook.bury(status);
            buried = true;
        }
        if buried {
            self.start_next();
        }
    }
}
