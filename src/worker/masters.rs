//! ssh's ControlPersist masters that this job's syncs have started: they live from one good sync to the next, and no
//! longer.
#![forbid(unsafe_code)]

use crate::os::mark;
use nix::sys::signal::Signal;
use std::thread::sleep;
use std::time::Duration;

/// What a master gets at the end of the job, from SIGTERM to SIGKILL: it has nothing to put aside.
const GRACE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// The runs of a job that have left a master.
#[derive(Debug, Default)]
pub(super) struct Masters(Vec<String>);

impl Masters {
    /// A run that went well has left one.
    pub(super) fn keep(&mut self, run: &str) {
        self.0.retain(|run| !mark::masters(run).is_empty());
        self.0.push(run.to_owned());
    }

    /// The connection has failed: the next sync is to make a new one. If none of the masters is this job's, the sync may
    /// have hung in that of another job of this irsync (`all`), for which a new one costs no more than a handshake.
    pub(super) fn end(&mut self, all: &str) {
        let mut runs = std::mem::take(&mut self.0);
        if runs.is_empty() {
            runs.push(all.to_owned());
        }
        for pid in runs.iter().flat_map(|run| mark::masters(run)) {
            log::debug!("ending the ssh master {pid}");
            mark::send(pid, Signal::SIGTERM);
        }
    }

    /// The job is over: when this returns, none of its masters lives.
    pub(super) fn end_at_once(&mut self) {
        let runs = std::mem::take(&mut self.0);
        let living = || -> Vec<i32> { runs.iter().flat_map(|run| mark::masters(run)).collect() };
        living().into_iter().for_each(|pid| mark::send(pid, Signal::SIGTERM));
        let mut waited = Duration::ZERO;
        while waited < GRACE && !living().is_empty() {
            sleep(STEP);
            waited += STEP;
        }
        living().into_iter().for_each(|pid| mark::send(pid, Signal::SIGKILL));
    }
}
