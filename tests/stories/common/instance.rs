//! A running irsync.

use super::{parse_duration, process, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// A running irsync; killed when dropped.
pub struct Irsync {
    child: Child,
    log: PathBuf,
}

impl Irsync {
    pub(super) fn new(child: Child, log: PathBuf) -> Irsync {
        Irsync { child, log }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The number of a job's thread, of which there must be one.
    #[track_caller]
    pub fn thread(&self, job: &str) -> String {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs").flatten();
        let is_named =
            |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == job);
        let thread = tasks.into_iter().find(is_named).expect("the job has a thread");
        thread.file_name().into_string().expect("a number")
    }

    /// Everything it has said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn log_has(&self, text: &str) -> bool {
        self.log().contains(text)
    }

    /// How many lines hold the text.
    pub fn count(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// The first line with the text.
    pub fn line(&self, text: &str) -> Option<String> {
        self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
    }

    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        wait_until(&format!("the log to say {text:?}"), || self.log_has(text));
    }

    #[track_caller]
    pub fn wait_count(&self, text: &str, count: usize) {
        wait_until(&format!("the log to say {text:?} {count} times"), || self.count(text) >= count);
    }

    /// What follows `before` in each line that has it, as a duration: `durations("next in ")`.
    pub fn durations(&self, before: &str) -> Vec<Duration> {
        let after = |line: &str| {
            let rest = line.split_once(before)?.1;
            let end = rest.find([',', ';', ')']).unwrap_or(rest.len());
            // The rest may go on in words: take what reads as a duration.
            rest[..end].split_whitespace().next().and_then(parse_duration)
        };
        self.log().lines().filter_map(after).collect()
    }

    #[track_caller]
    pub fn assert_alive(&mut self) {
        let status = self.child.try_wait().expect("cannot wait for irsync");
        assert!(status.is_none(), "irsync ended: {status:?}");
    }

    pub fn signal(&self, signal: Signal) {
        process::send(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("irsync to end", || {
            status = self.child.try_wait().expect("cannot wait for irsync");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// SIGTERM, and it must end with code 0.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "irsync ended with {status}");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Irsync {
    fn drop(&mut self) {
        self.kill();
    }
}
