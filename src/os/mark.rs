//! The mark by which a run's processes are found again, in whatever session and under whatever name.
//!
//! A run is named `PID.START.N.`, and all runs of one irsync by the beginning `PID.START.` of that. Each process of a run
//! is marked twice. A variable in its environment says the name, and after it the number of the destination that the run
//! writes to: if the folder of the locks was removed, nothing else tells two irsyncs of each other. Programs may clean their environment or write their title
//! over it, as ssh's ControlPersist master does, so that a number stands for the name as well: the soft limit
//! RLIMIT_LOCKS, which every descendant inherits and which Linux has not looked at since 2.4 (see getrlimit(2)).
#![forbid(unsafe_code)]

use super::procfs;
use nix::libc;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::io::{self, BufRead, BufReader};

/// The variable that says the name of the run.
pub(crate) const VARIABLE: &str = "IRSYNC_RUN";
/// The limit of a process that is not marked: none.
pub(crate) const NONE: u64 = u64::MAX;
/// The line of `/proc/PID/limits` with RLIMIT_LOCKS.
const LIMIT: &str = "Max file locks";

/// The number of a run: above it that of its irsync. None for what is no whole name.
pub(crate) fn number(run: &str) -> Option<u64> {
    let (runs, n) = split(run)?;
    // Never "unlimited", which is what unmarked processes have.
    Some(of_irsync(runs) | u64::from(n?.wrapping_add(1)))
}

fn of_irsync(runs: &str) -> u64 {
    (u64::from(fnv(runs.as_bytes())) & 0x3fff_ffff | 0x4000_0000) << 32
}

/// `PID.START.` and, in the name of one run, N.
fn split(run: &str) -> Option<(&str, Option<u32>)> {
    let mut dots = run.match_indices('.').map(|(at, _)| at + 1).skip(1);
    let second = dots.next()?;
    match dots.next() {
        Some(third) => Some((&run[..second], Some(run[second..third - 1].parse().ok()?))),
        None => Some((&run[..second], None)),
    }
}

fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Process id and start of the irsync that gave this mark, to a run or to all of its runs. None for anything else: the
/// beginning of nothing would be that of every mark.
pub(crate) fn irsync(run: &str) -> Option<(i32, u64)> {
    let (runs, _) = split(run)?;
    let (pid, start) = runs.strip_suffix('.')?.split_once('.')?;
    let rest = &run[runs.len()..];
    let is_run = || rest.strip_suffix('.').is_some_and(|n| n.parse::<u32>().is_ok());
    (rest.is_empty() || is_run()).then_some((pid.parse().ok()?, start.parse().ok()?))
}

/// Whether the irsync of this mark runs now; a pid may have been given anew. In a container it has another pid for us than
/// for itself.
pub(crate) fn lives(run: &str) -> bool {
    let Some((pid, start)) = irsync(run) else { return false };
    let began_then = |&pid: &i32| procfs::stat(pid).is_some_and(|stat| stat.start == start && stat.state != 'Z');
    began_then(&pid) || procfs::pids().filter(began_then).any(|other| procfs::innermost_pid(other) == Some(pid))
}

/// The value of [`VARIABLE`] for a run that writes to the destination of this number.
pub(crate) fn value(run: &str, destination: u64) -> String {
    format!("{run}{destination:016x}")
}

/// The processes that write to the destination of this number for an irsync, each with its run's name; not those of `own`
/// runs. Only processes of these users count: anybody can write a mark into his own environment. None: descriptors ran out, or
/// `/proc` cannot be read, and nobody knows. A machine without `/proc` has nobody to be seen.
pub(crate) fn writers(destination: u64, own: &str, users: &[u32]) -> Option<Vec<(i32, String)>> {
    let entry = format!("{VARIABLE}=");
    let end = format!("{destination:016x}");
    let mut found = Vec::new();
    let pids = match procfs::all_pids() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(found),
        pids => pids.ok()?,
    };
    for pid in pids {
        let value = match procfs::environ(pid, entry.as_bytes()) {
            Err(error) if is_blind(&error) => return None,
            value => value.ok().flatten().and_then(|value| String::from_utf8(value).ok()),
        };
        let Some(run) = value.as_deref().and_then(|value| value.strip_suffix(&end)) else { continue };
        let counts = irsync(run).is_some() && !run.starts_with(own);
        if counts && procfs::uid(pid).is_some_and(|uid| users.contains(&uid)) && is_there(pid) {
            found.push((pid, run.to_owned()));
        }
    }
    Some(found)
}

/// Descriptors ran out: what was to be opened may be there.
fn is_blind(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Whether a process lives, as far as that can be seen.
fn is_there(pid: i32) -> bool {
    procfs::stat(pid).map_or_else(|| kill(Pid::from_raw(pid), None).is_ok(), |stat| stat.state != 'Z')
}

/// The live processes of a run, or of all runs of an irsync, as far as they can be seen.
pub(crate) fn of_run(run: &str) -> Vec<i32> {
    search(run).unwrap_or_default()
}

/// The same. None: descriptors ran out, and nobody knows.
pub(crate) fn search(run: &str) -> Option<Vec<i32>> {
    if irsync(run).is_none() {
        return Some(Vec::new());
    }
    let entry = format!("{VARIABLE}={run}");
    let mut found = Vec::new();
    for pid in procfs::all_pids().ok()? {
        let carries = match limit(pid) {
            Ok(found) => found.is_some_and(|found| is_of(found, run)),
            Err(error) if is_blind(&error) => return None,
            Err(_) => false,
        };
        let is_marked = match procfs::environ(pid, entry.as_bytes()) {
            _ if carries => true,
            Err(error) if is_blind(&error) => return None,
            value => matches!(value, Ok(Some(_))),
        };
        if is_marked && is_there(pid) {
            found.push(pid);
        }
    }
    Some(found)
}

/// Whether a run, or an irsync, has this number.
fn is_of(found: u64, run: &str) -> bool {
    match split(run) {
        Some((_, Some(_))) => number(run) == Some(found),
        Some((runs, None)) => found >> 32 == of_irsync(runs) >> 32,
        None => false,
    }
}

/// The process's soft RLIMIT_LOCKS, unless it has none.
fn limit(pid: i32) -> io::Result<Option<u64>> {
    Ok(parse_limit(BufReader::with_capacity(512, fs::File::open(format!("/proc/{pid}/limits"))?)))
}

pub(super) fn parse_limit(limits: impl BufRead) -> Option<u64> {
    let lines = limits.lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with(LIMIT))?;
    line[LIMIT.len()..].split_ascii_whitespace().next()?.parse().ok()
}

/// SIGKILL to every process of a run, or of all runs of an irsync; gives how many there were.
pub(crate) fn kill_run(run: &str) -> usize {
    let marked = of_run(run);
    marked.iter().for_each(|&pid| send(pid, Signal::SIGKILL));
    marked.len()
}

/// Those of a run that serve ssh's later calls (ControlPersist), by the title that OpenSSH's ssh.c gives them.
pub(crate) fn masters(run: &str) -> Vec<i32> {
    of_run(run).into_iter().filter(|&pid| is_master(pid)).collect()
}

/// `ssh: CONTROLPATH [mux]`
pub(crate) fn is_master(pid: i32) -> bool {
    let Ok(title) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let end = title.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    title.starts_with(b"ssh: ") && title[..end].ends_with(b" [mux]")
}

/// A signal to one process; that it has gone is no error.
pub(crate) fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::sys::environment::Environment;
    use crate::os::sys::{set_up, Setup};
    use std::process::{Command, Stdio};

    #[test]
    fn numbers_tell_runs_and_irsyncs_apart() {
        let (one, other) = (number("42.7000.3.").unwrap(), number("42.7000.4.").unwrap());
        assert_ne!(one, other);
        assert_eq!(one >> 32, of_irsync("42.7000.") >> 32);
        assert_ne!(one >> 32, number("43.7000.3.").unwrap() >> 32);
        assert_eq!((number("42.7000."), number("42"), number("42.7000.x.")), (None, None, None));
        assert!(one < u64::MAX >> 1, "rlim_t is signed here and there");
        assert_eq!((irsync("42.7000."), irsync("42.7000.3.")), (Some((42, 7000)), Some((42, 7000))));
        for none in ["", ".", "..", "42", "42.7000", "42.7000.x.", "42..", ".7000.", "42.7000.3.4."] {
            assert_eq!((irsync(none), of_run(none)), (None, vec![]), "{none}");
        }
    }

    #[test]
    fn a_process_that_cleans_its_environment_and_leaves_its_session_is_found() {
        let run = format!("{}.1.5.", std::process::id());
        let mut command = Command::new("env");
        command.args(["-i", "setsid", "sleep", "60"]).stdout(Stdio::null());
        let environment = Environment::new(&[], &[]).unwrap();
        set_up(&mut command, Setup { mark: number(&run), ..Setup::default() }, environment);
        let mut child = command.spawn().unwrap();
        let runs = format!("{}.1.", std::process::id());
        // setsid(1) forks if it leads a group; whatever sleeps in the end is found.
        let sleeps = |pid: &i32| procfs::stat(*pid).is_some_and(|stat| stat.comm == b"sleep");
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let found = loop {
            match of_run(&run).into_iter().find(sleeps) {
                Some(found) => break found,
                None => assert!(std::time::Instant::now() < limit, "not found"),
            }
        };
        assert!(of_run(&runs).contains(&found));
        assert!(!of_run(&format!("{}.1.50.", std::process::id())).contains(&found));
        assert!(!is_master(found));
        assert!(kill_run(&runs) > 0);
        child.wait().unwrap();
    }
}
