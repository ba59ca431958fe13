//! Processes of a test, found by a marker in their environment rather than by name: whatever irsync starts inherits
//! it, also what leaves the process group and the session.

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub session: i32,
    pub command: String,
}

impl Process {
    /// None once it is gone or a zombie, which holds nothing but its number.
    pub fn of(pid: i32) -> Option<Process> {
        let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
        // proc(5): pid (comm) state ppid pgrp session …; comm may hold spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
        Some(Process { pid, session: fields.get(3)?.parse().ok()?, command })
    }

    /// Whether it runs this program, itself or through `IRSYNC_RUNNER`.
    pub fn runs(&self, program: &Path) -> bool {
        match std::env::var_os("IRSYNC_RUNNER") {
            Some(_) => self.command.contains(&*program.to_string_lossy()),
            None => fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|exe| exe == program),
        }
    }
}

/// Whether the process exists and is no zombie.
pub fn alive(pid: i32) -> bool {
    Process::of(pid).is_some()
}

/// Every live process whose environment holds `marker`, and every other one in the session of such a process, which
/// is how one that cleared its environment is found.
pub fn marked(marker: &str) -> Vec<Process> {
    let all: Vec<Process> = fs::read_dir("/proc")
        .expect("cannot read /proc")
        .flatten()
        .filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    let (mut found, others): (Vec<Process>, Vec<Process>) = all.into_iter().partition(|process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    });
    // Not the session that the tests themselves run in.
    let own = Process::of(std::process::id() as i32).map_or(0, |process| process.session);
    let sessions: Vec<i32> = found.iter().map(|process| process.session).filter(|session| *session != own).collect();
    found.extend(others.into_iter().filter(|process| sessions.contains(&process.session)));
    found
}

/// Ends every process found by the marker.
pub fn kill_marked(marker: &str) {
    for _ in 0..100 {
        let left = marked(marker);
        if left.is_empty() {
            return;
        }
        for process in left {
            send(process.pid, Signal::SIGKILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Sends a signal; a process that is gone already is no error.
pub fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Voluntary and other context switches of all threads of a process: what grows when any of them wakes up.
pub fn context_switches(pid: i32) -> u64 {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        for line in status.lines() {
            if let Some((name, value)) = line.split_once(':') {
                if name.ends_with("voluntary_ctxt_switches") {
                    sum += value.trim().parse::<u64>().unwrap_or(0);
                }
            }
        }
    }
    sum
}
