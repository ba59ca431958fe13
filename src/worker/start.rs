//! Starting a job's children: with which arguments and environment, as whom, and with which secret.

use super::hours;
use super::permission::check_preconditions;
use super::place::{destination, Place};
use super::running::{Running, Ways};
use super::shared::Shared;
use super::tidying::Tidying;
use super::{locale, run_as, secret, verifying};
use crate::config::expand::has_variables;
use crate::config::keys::Id;
use crate::config::{Job, RunAs};
use crate::job::deletions::Pass;
use crate::job::{Outcome, Step};
use crate::os::account::Account;
use crate::os::child::{Child, Spec};
use crate::os::flush::FLUSH;
use crate::os::publish::{Places, PUBLISH, STAGE};
use crate::os::rollback::{RESUME, ROLLBACK};
use crate::os::sys::execute::SELF;
use crate::os::sys::Setup;
use crate::os::writing::{INSIDE, WRITE};
use crate::os::{lock, mark};
use crate::report::logging::ChildLog;
use crate::rsync::argv::{self, Additions, Printed};
use crate::rsync::version::Version;
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// When memory runs out, the kernel kills a process with a high score first: rsync, and not irsync.
const OOM_SCORE_OF_CHILDREN: i16 = 500;
/// Variables by which the service manager speaks to irsync alone, and one that would override rsync's locale.
const HIDDEN: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", locale::OVERRIDING];
/// The same for hooks, which have no need of the password either, and may leave daemons behind that are nobody's rsync: not
/// even where irsync itself was started by another irsync's rsync.
const HIDDEN_FROM_HOOKS: &[&str] =
    &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RSYNC_PASSWORD", mark::VARIABLE];

/// Why a step was not started.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A precondition of the owner does not hold: its key, and what was found.
    Precondition(Id, String),
    /// It cannot be started: the message, and what that means for the sync.
    Failed(String, Outcome),
}

/// What a hook finds in its environment about the sync.
#[derive(Clone, Debug, Default)]
pub(super) struct HookFacts {
    /// `IRSYNC_RESULT`; None before the sync.
    pub outcome: Option<Outcome>,
    /// `IRSYNC_EXIT_CODE`
    pub code: Option<i32>,
    /// `IRSYNC_CHANGED`
    pub changed: bool,
    /// `IRSYNC_FAILURES`
    pub failures: u32,
    /// `IRSYNC_HELD`: deletions that wait for the owner
    pub held: u64,
    /// A new set lacks so many files and folders of the live one; hooks are not told.
    pub lacks: u64,
    /// The sync compares contents; hooks are not told.
    pub verify: bool,
    /// Nothing is to be copied, only to be looked at; there are no hooks.
    pub look: bool,
}

/// Starts a child of the job. `pass` is of rsync alone.
///
/// # Errors
/// See [`Refusal`]; nothing runs then.
///
/// Never inlined: a thread keeps for ever what its stack has once grown to.
#[inline(never)]
pub(super) fn start(
    step: Step,
    pass: Pass,
    job: &Job,
    shared: &Shared,
    place: &Place,
    facts: &HookFacts,
    tidying: &Tidying,
) -> Result<Box<Running>, Refusal> {
    let is_rsync = matches!(step, Step::Rsync | Step::Probe);
    // Who tidies up can see and remove what rsync can.
    let as_rsync = is_rsync || step == Step::Tidy;
    if step == Step::Rsync {
        check_preconditions(job)?;
    }
    let mut printed = Printed::default();
    let (program, mut arguments) = words(step, pass, job, shared, facts, tidying, &mut printed);
    let secret = if step == Step::Rsync { secret::of(job)? } else { None };
    let secret_hash = secret.as_deref().map(lock::hash);
    let mut environment = Vec::new();
    let run = is_rsync.then(|| shared.next_run());
    match &run {
        Some(run) => {
            environment = locale::of_rsync(|name| std::env::var_os(name));
            environment.push((mark::VARIABLE, mark::value(run, place.number()).into()));
        }
        None => environment.extend(hook_environment(step, job, facts)),
    }
    let mut setup = Setup {
        inherit: if as_rsync { place.turn.as_ref().map(|turn| turn.fd) } else { None },
        oom_score_adj: Some(OOM_SCORE_OF_CHILDREN),
        open_files: shared.open_files,
        umask: Some(shared.umask),
        parent_death: Some(Signal::SIGTERM),
        mark: run.as_deref().map_or(Some(mark::NONE), mark::number),
        ..Setup::default()
    };
    if as_rsync {
        let home = run_as::apply(&job.run_as, &mut setup);
        environment.extend(home.map_err(|message| Refusal::Failed(message, Outcome::Permanent))?);
        if step == Step::Rsync && program == SELF {
            arguments[2] = Account::take_from(&mut setup).to_word();
        }
    }
    let spec = Spec {
        program: OsStr::new(&program),
        arguments: &arguments,
        environment,
        hidden: if is_rsync { HIDDEN } else { HIDDEN_FROM_HOOKS },
        secret,
        may_leave_daemons: !is_rsync,
        setup,
    };
    let child = Child::start(&spec).map_err(|error| {
        let what = if is_rsync { "rsync" } else { step.name() };
        // Nothing says which system call has failed: it may be one of those that these keys ask for.
        let hint = match is_rsync && job.run_as != RunAs::default() {
            true => " (program, user, group, nice or io_class)",
            false => "",
        };
        Refusal::Failed(format!("cannot start {what} {program:?}: {error}{hint}"), Outcome::Transient)
    })?;
    // Of a drop-in no proof is asked: its owner has chosen every word.
    printed.stats &= job.arguments.may_be_added_to();
    let mut running = running(step, pass, job, shared.rsync_stdout, child, run, &program, printed);
    running.secret = secret_hash;
    Ok(running)
}

/// The child that was started, looked after. Its own function, so that starting it needs no stack for this.
#[inline(never)]
#[allow(clippy::too_many_arguments)]
fn running(
    step: Step,
    pass: Pass,
    job: &Job,
    rsync_stdout: log::Level,
    child: Child,
    run: Option<String>,
    program: &str,
    printed: Printed,
) -> Box<Running> {
    let stdout = match step {
        Step::Probe => log::Level::Debug,
        Step::Rsync => rsync_stdout,
        _ => log::Level::Info,
    };
    let out = ChildLog::new(stdout, &job.name, step.name());
    let err = ChildLog::new(log::Level::Warn, &job.name, step.name());
    let ways = Ways {
        remote: job.arguments.is_remote(),
        sends: destination(job).is_some_and(|(_, remote)| remote),
        by_shell: step == Step::Rsync && job.arguments.by_shell(),
    };
    let mut running = Box::new(Running::new(step, child, run, program, ways, out, err));
    running.said.counting = matches!(pass, Pass::Copy | Pass::Count);
    if step == Step::Rsync {
        running.said = running.said.expecting(printed, job.accept, job.atomic);
    }
    running
}

/// Program and arguments of a step. `printed` is set for rsync alone.
fn words(
    step: Step,
    pass: Pass,
    job: &Job,
    shared: &Shared,
    facts: &HookFacts,
    tidying: &Tidying,
    printed: &mut Printed,
) -> (String, Vec<OsString>) {
    let hook = match step {
        Step::Probe => return (job.rsync.clone(), vec!["--version".into()]),
        Step::Rsync => {
            let version = shared.versions.get(&job.rsync);
            let mut additions = Additions::known_to(
                version.as_ref(),
                job.progress,
                job.password.is_some(),
                job.durable && job.arguments.local_destination().is_some(),
            );
            (additions.verify, additions.look) = (facts.verify, facts.look);
            additions.bwlimit = hours::bwlimit(job);
            let mut args;
            (args, *printed) = argv::composed(&job.arguments, &additions, pass);
            // That of another job which writes to the folder that this one sends.
            if job.arguments.local_sources().any(|source| Path::new(source).join(INSIDE).exists()) {
                args.insert(0, format!("--filter=H {INSIDE}").into());
            }
            let needs_mark = job.durable && version.as_ref().is_some_and(Version::needs_mark);
            let (true, Some(destination)) = (job.atomic || needs_mark, job.arguments.local_destination()) else {
                return (job.rsync.clone(), args);
            };
            let word = if job.atomic { STAGE } else { WRITE };
            // Who it runs as is filled in when that is looked up.
            args.splice(0..0, [word.into(), destination.into(), OsString::new(), OsString::from(&job.rsync)]);
            return (SELF.into(), args);
        }
        Step::Flush => {
            let destination = job.arguments.local_destination().filter(|_| job.durable || job.atomic);
            let note = verifying::note(job, shared.state_dir.as_deref()).filter(|_| facts.verify);
            let mut words = vec![FLUSH.into(), destination.unwrap_or_default().into()];
            words.extend(note.map(OsString::from));
            return (SELF.into(), words);
        }
        Step::Publish => {
            let destination = job.arguments.local_destination().unwrap_or_default();
            return (SELF.into(), vec![PUBLISH.into(), destination.into(), facts.lacks.to_string().into()]);
        }
        Step::Rollback | Step::Resume => {
            let word = if step == Step::Rollback { ROLLBACK } else { RESUME };
            return (SELF.into(), vec![word.into(), job.arguments.local_destination().unwrap_or_default().into()]);
        }
        Step::BeforePublish => &job.hooks.before_publish,
        Step::Tidy => return (SELF.into(), tidying.words().to_vec()),
        Step::Before => &job.hooks.before,
        Step::OnChange => &job.hooks.on_change,
        Step::OnFailure => &job.hooks.on_failure,
        Step::After => &job.hooks.after,
        Step::Recover => &job.hooks.recover,
    };
    let mut words = hook.clone().unwrap_or_default().into_iter();
    (words.next().unwrap_or_default(), words.map(OsString::from).collect())
}

fn hook_environment(step: Step, job: &Job, facts: &HookFacts) -> Vec<(&'static str, OsString)> {
    let mut environment = vec![
        ("IRSYNC_JOB", OsString::from(&job.name)),
        ("IRSYNC_FAILURES", facts.failures.to_string().into()),
        ("IRSYNC_HELD", facts.held.to_string().into()),
        ("IRSYNC_CHANGED", if facts.changed || step == Step::OnChange { "1" } else { "0" }.into()),
        ("IRSYNC_RESULT", facts.outcome.map_or("", Outcome::name).into()),
        ("IRSYNC_EXIT_CODE", facts.code.map(|code| code.to_string()).unwrap_or_default().into()),
    ];
    let live = job.arguments.local_destination().filter(|_| job.atomic);
    if let Some(places) = live.and_then(|live| Places::of(Path::new(&live)).ok()) {
        environment.push(("IRSYNC_STAGING", places.staging.into()));
    }
    // A sync that waits for a variable has no destination yet.
    if let Some((destination, _)) = destination(job).filter(|_| !has_variables(job)) {
        environment.push(("IRSYNC_DESTINATION", destination.into()));
    }
    environment
}
