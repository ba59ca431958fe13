//! What the supervisor is told from outside: a new configuration, `irsync now`, the question how it is doing.

use super::status_line::status_line;
use super::{surroundings, Supervisor};
use crate::config::{self, show, Config};
use crate::os::clock;
use crate::report::logging;
use std::sync::Arc;

impl Supervisor {
    pub(super) fn reload(&mut self) {
        let Some(reload) = &mut self.reload else {
            log::info!("SIGHUP: there is no configuration file to read");
            return;
        };
        if self.stop_by.is_some() {
            return;
        }
        self.heart.reloading(clock::now());
        match reload() {
            Ok(config) => self.apply(config),
            Err(errors) => {
                for line in errors.lines() {
                    log::error!("{line}");
                }
                log::error!("SIGHUP: the configuration is in error, the old one is kept");
            }
        }
        self.heart.ready();
    }

    fn apply(&mut self, config: Config) {
        if let Err(error) = logging::reconfigure(&config.global) {
            log::error!("{error}");
        }
        let waiting = show::needs_restart(&self.started_with, &config.global);
        if !waiting.is_empty() {
            log::warn!("SIGHUP: a new value waits until irsync is restarted: {}", waiting.join(", "));
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
        let mut jobs: Vec<Arc<config::Job>> = config.jobs.into_iter().map(Arc::new).collect();
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
        for job in jobs.iter().filter(|job| job.enabled) {
            if !self.handles.iter().any(|h| h.job().name == job.name && !h.is_leaving()) {
                added += 1;
                self.start(Arc::clone(job));
            }
        }
        self.outlook.configure(&config.global);
        (self.global, self.jobs) = (config.global, jobs);
        self.shared.news.spread();
        log::info!("SIGHUP: configuration read: {added} jobs added, {changed} changed, {removed} removed");
    }

    /// Gives the names that are no job's.
    pub(super) fn sync_now(&self, names: &[&str]) -> Vec<String> {
        let known = |name: &str| self.handles.iter().any(|h| h.job().name == name);
        let unknown: Vec<String> = names.iter().filter(|n| !known(n)).map(|n| (*n).to_owned()).collect();
        if unknown.is_empty() {
            for handle in &self.handles {
                if names.is_empty() || names.contains(&handle.job().name.as_str()) {
                    handle.sync_now();
                }
            }
        }
        unknown
    }

    pub(super) fn serve_control(&self) {
        let Some(control) = &self.control else { return };
        control.serve(|names| {
            let unknown = self.sync_now(names);
            if unknown.is_empty() {
                log::info!(
                    "irsync now: syncing {}",
                    if names.is_empty() { "all jobs".into() } else { names.join(", ") }
                );
                return "ok".into();
            }
            let jobs: Vec<&str> = self.handles.iter().map(|h| h.job().name.as_str()).collect();
            format!("no such job: {}; the jobs are: {}", unknown.join(", "), jobs.join(", "))
        });
    }

    pub(super) fn log_status(&self) {
        let now = clock::now();
        for handle in &self.handles {
            log::info!("{}", status_line(&handle.status(), now));
        }
    }
}
