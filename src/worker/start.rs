//! Starting a job's children: who may, as whom, with which arguments, environment and secret.

use super::claims::{Refused, Turn};
use super::running::Running;
use super::shared::Shared;
use crate::config::keys::Id;
use crate::config::{Arguments, IoClass, Job, Password, RunAs};
use crate::job::{Outcome, Step};
use crate::os::child::{Child, Spec, RUN_VARIABLE};
use crate::os::lock::{self, Holder};
use crate::os::sys::Setup;
use crate::os::{child, mounts};
use crate::report::human::Bytes;
use crate::report::logging::ChildLog;
use crate::rsync::argv::{self, Additions};
use crate::rsync::{operand, options};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Group, Uid, User};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Under memory pressure the kernel ends rsync before irsync.
const OOM_SCORE_OF_CHILDREN: i16 = 500;
/// rsync reads at most so much of a password, see authenticate.c.
const PASSWORD_LIMIT: u64 = 511;
/// What concerns irsync alone.
const HIDDEN: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Hooks have no need of the password either.
const HIDDEN_FROM_HOOKS: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RSYNC_PASSWORD"];

/// Why a step was not started.
#[derive(Debug)]
pub enum Refusal {
    /// A guard said no: its key, and what it found.
    Guard(Id, String),
    /// It cannot be started: the message, and whether that may pass by itself.
    Failed(String, Outcome),
}

/// What hooks are told of the sync.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// `IRSYNC_RESULT`; None before the sync.
    pub outcome: Option<Outcome>,
    /// `IRSYNC_EXIT_CODE`
    pub code: Option<i32>,
    /// `IRSYNC_CHANGED`
    pub changed: bool,
    /// `IRSYNC_FAILURES`
    pub failures: u32,
}

/// Takes the job's turn at its destination. `Ok(None)`: it has none, or there is nowhere to put locks.
///
/// # Errors
/// The reason, for people, when somebody else has it.
pub fn take_turn(job: &Job, shared: &Shared) -> Result<Option<Turn>, String> {
    let (Some(dir), Some(key)) = (&shared.lock_dir, lock_key(job)) else { return Ok(None) };
    let holder = Holder { pid: std::process::id() as i32, run: shared.runs.clone(), job: job.name.clone() };
    match shared.claims.take(dir, key.clone(), &holder) {
        Ok(turn) => Ok(Some(turn)),
        Err(Refused::Job(other)) => Err(format!("job {other:?} is syncing to the same destination")),
        Err(Refused::Lock(lock::Error::Held(Some(who)))) if who.lives() => {
            Err(format!("irsync {} (job {:?}) has the same destination", who.pid, who.job))
        }
        Err(Refused::Lock(lock::Error::Held(Some(who)))) => Err(match child::kill_marked(&who.run) {
            0 => format!("irsync {} (job {:?}), not seen from here, has the same destination", who.pid, who.job),
            n => format!(
                "irsync {} was killed and left {n} processes of its rsync behind; they were killed now",
                who.pid
            ),
        }),
        Err(Refused::Lock(lock::Error::Held(None))) => Err("another irsync has the same destination".into()),
        Err(Refused::Lock(lock::Error::Io(error))) => {
            log::warn!("{}: cannot lock {key:?}: {error}; another irsync may sync to it as well", job.name);
            Ok(None)
        }
    }
}

/// The name of the job's destination among the locks.
pub fn lock_key(job: &Job) -> Option<String> {
    destination(job).map(|(destination, remote)| lock::key(&destination, remote))
}

/// Where the job writes, and whether that is on another machine.
pub fn destination(job: &Job) -> Option<(String, bool)> {
    let destination = match &job.arguments {
        Arguments::Ini { destination, .. } => destination.clone(),
        Arguments::DropIn(words) => options::analyse(words).destination?.to_string_lossy().into_owned(),
    };
    let remote = operand::is_remote(&destination);
    Some((destination, remote))
}

/// Whether rsync may start now: `require_mount`, `min_free`.
fn check_guards(job: &Job) -> Result<(), Refusal> {
    if let Some(path) = &job.require_mount {
        let found = match mounts::is_mount_point(path) {
            Ok(true) => None,
            Ok(false) => Some(format!("{} is not a mount point: nothing is mounted there", path.display())),
            Err(error) => Some(format!("{} is not a mount point: {error}", path.display())),
        };
        if let Some(found) = found {
            return Err(Refusal::Guard(Id::require_mount, found));
        }
    }
    let (Some(min), Some((destination, false))) = (job.min_free, destination(job)) else { return Ok(()) };
    match mounts::free(Path::new(&destination)) {
        Ok(free) if free.bytes < min => {
            let (free, min) = (Bytes(free.bytes), Bytes(min));
            let found = format!("{destination} has {free} free, less than the {min} of min_free");
            Err(Refusal::Guard(Id::min_free, found))
        }
        Ok(free) if free.inodes == Some(0) => Err(Refusal::Guard(
            Id::min_free,
            format!("{destination} has room for bytes, but for no more files (inodes)"),
        )),
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Refusal::Guard(Id::min_free, format!("cannot ask for the free space of {destination}: {error}")))
        }
    }
}

/// Starts a child of the job.
///
/// # Errors
/// See [`Refusal`]; nothing runs then.
pub fn start(step: Step, job: &Job, shared: &Shared, turn: Option<&Turn>, told: &Told) -> Result<Running, Refusal> {
    let is_rsync = matches!(step, Step::Rsync | Step::Probe);
    if step == Step::Rsync {
        check_guards(job)?;
    }
    let (program, arguments) = words(step, job, shared);
    let secret = match (&job.password, step) {
        (Some(password), Step::Rsync) => Some(read_password(password)?),
        _ => None,
    };
    let mut environment = Vec::new();
    let run = is_rsync.then(|| shared.next_run());
    match &run {
        Some(run) => environment.push((RUN_VARIABLE, run.into())),
        None => environment.extend(hook_environment(job, told)),
    }
    let mut setup = Setup {
        inherit: if is_rsync { turn.map(|turn| turn.fd) } else { None },
        oom_score_adj: Some(OOM_SCORE_OF_CHILDREN),
        open_files: shared.open_files,
        parent_death: Some(Signal::SIGTERM),
        ..Setup::default()
    };
    if is_rsync {
        as_whom(&job.run_as, &mut setup).map_err(|message| Refusal::Failed(message, Outcome::Permanent))?;
    }
    let spec = Spec {
        program: OsStr::new(&program),
        arguments: &arguments,
        environment,
        hidden: if is_rsync { HIDDEN } else { HIDDEN_FROM_HOOKS },
        secret,
        setup,
    };
    let child = Child::start(&spec).map_err(|error| {
        let what = if is_rsync { "rsync" } else { step.name() };
        // The system call that failed is not told apart: it may be one that these keys asked for.
        let hint = match is_rsync && job.run_as != RunAs::default() {
            true => " (program, user, group, nice or io_class)",
            false => "",
        };
        Refusal::Failed(format!("cannot start {what} {program:?}: {error}{hint}"), Outcome::Transient)
    })?;
    let stdout = match step {
        Step::Rsync | Step::Probe if !shared.chatty || step == Step::Probe => log::Level::Debug,
        _ => log::Level::Info,
    };
    let name = if step == Step::Probe { "rsync --version" } else { step.name() };
    let out = ChildLog::new(stdout, &job.name, name);
    let err = ChildLog::new(log::Level::Warn, &job.name, name);
    Ok(Running::new(step, child, run, &program, out, err))
}

/// Program and arguments of a step.
pub fn words(step: Step, job: &Job, shared: &Shared) -> (String, Vec<OsString>) {
    let hook = match step {
        Step::Probe => return (job.rsync.clone(), vec!["--version".into()]),
        Step::Rsync => {
            let version = shared.version(&job.rsync).flatten();
            // An rsync that did not tell its version is given nothing it might not know, but for the secret, which has
            // no other safe way.
            let additions = Additions {
                stats: version.as_ref().is_some_and(|v| v.knows_stats()),
                progress2: job.progress && version.as_ref().is_some_and(|v| v.knows_progress2()),
                password_stdin: job.password.is_some(),
            };
            return (job.rsync.clone(), argv::compose(&job.arguments, &additions));
        }
        Step::Before => &job.hooks.before,
        Step::OnChange => &job.hooks.on_change,
        Step::OnFailure => &job.hooks.on_failure,
        Step::After => &job.hooks.after,
        Step::Recover => &job.hooks.recover,
    };
    let mut words = hook.clone().unwrap_or_default().into_iter();
    (words.next().unwrap_or_default(), words.map(OsString::from).collect())
}

fn hook_environment(job: &Job, told: &Told) -> Vec<(&'static str, OsString)> {
    let mut environment = vec![
        ("IRSYNC_JOB", OsString::from(&job.name)),
        ("IRSYNC_FAILURES", told.failures.to_string().into()),
        ("IRSYNC_CHANGED", if told.changed { "1" } else { "0" }.into()),
        ("IRSYNC_RESULT", told.outcome.map_or("", Outcome::name).into()),
        ("IRSYNC_EXIT_CODE", told.code.map(|code| code.to_string()).unwrap_or_default().into()),
    ];
    if let Some((destination, _)) = destination(job) {
        environment.push(("IRSYNC_DESTINATION", destination.into()));
    }
    environment
}

fn read_password(password: &Password) -> Result<Vec<u8>, Refusal> {
    let mut secret = match password {
        Password::Text(text) => text.clone().into_bytes(),
        Password::File(path) => read_password_file(path)?,
    };
    secret.push(b'\n');
    Ok(secret)
}

fn read_password_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    let fail = |what: String, outcome| {
        Refusal::Failed(format!("cannot use password_file {}: {what}", path.display()), outcome)
    };
    let file = std::fs::File::open(path).map_err(|e| fail(e.to_string(), Outcome::Transient))?;
    let mode = file.metadata().map_err(|e| fail(e.to_string(), Outcome::Transient))?.permissions().mode();
    if mode & 0o006 != 0 {
        return Err(fail(
            format!("others can read or write it (mode {:04o}); chmod 0600", mode & 0o7777),
            Outcome::Permanent,
        ));
    }
    let mut text = Vec::new();
    file.take(PASSWORD_LIMIT + 2).read_to_end(&mut text).map_err(|e| fail(e.to_string(), Outcome::Transient))?;
    let line = text.split(|&b| b == b'\n' || b == b'\r').next().unwrap_or_default();
    match line.len() as u64 {
        0 => Err(fail("its first line is empty".into(), Outcome::Permanent)),
        n if n > PASSWORD_LIMIT => {
            Err(fail(format!("its first line is longer than {PASSWORD_LIMIT} bytes"), Outcome::Permanent))
        }
        _ => Ok(line.to_vec()),
    }
}

/// `user`, `group`, `nice`, `io_class`.
fn as_whom(run_as: &RunAs, setup: &mut Setup) -> Result<(), String> {
    if let Some(name) = &run_as.user {
        let user = match name.parse() {
            Ok(number) => {
                User::from_uid(Uid::from_raw(number)).map(|user| (Uid::from_raw(number), user.map(|u| u.gid)))
            }
            Err(_) => match User::from_name(name) {
                Ok(Some(user)) => Ok((user.uid, Some(user.gid))),
                Ok(None) => return Err(format!("cannot run rsync as user {name:?}: there is no such user")),
                Err(error) => Err(error),
            },
        };
        let (uid, gid) = user.map_err(|error| format!("cannot look up user {name:?}: {error}"))?;
        setup.uid = Some(uid);
        setup.gid = gid.or(Some(Gid::from_raw(uid.as_raw())));
    }
    if let Some(name) = &run_as.group {
        setup.gid = Some(match name.parse() {
            Ok(number) => Gid::from_raw(number),
            Err(_) => match Group::from_name(name) {
                Ok(Some(group)) => group.gid,
                Ok(None) => return Err(format!("cannot run rsync as group {name:?}: there is no such group")),
                Err(error) => return Err(format!("cannot look up group {name:?}: {error}")),
            },
        });
    }
    setup.nice = run_as.nice;
    // ioprio_set(2): the class in the upper bits, the level in the lower 13.
    setup.io_priority = run_as.io_class.map(|class| match class {
        IoClass::BestEffort(level) => 2 << 13 | i32::from(level),
        IoClass::Idle => 3 << 13,
    });
    Ok(())
}
