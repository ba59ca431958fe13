//! `irsync check`: what a configuration comes to, and what in it will hurt in the field.

use super::check_online::Look;
use super::once::unknown_jobs;
use super::{check_job, check_online, check_watchdog, complain, say, EXIT_CONFIG, EXIT_USAGE};
use crate::config::expand::Variables;
use crate::config::keys::Effect;
use crate::config::mask::masked;
use crate::config::show::{self, Setting};
use crate::config::trust;
use crate::config::values::{self, Kind, Value};
use crate::config::{self, Arguments, Config, Global, Job, Loaded, LogTarget};
use crate::job::deletions::Pass;
use crate::os::publish::Places;
use crate::os::{paths, program};
use crate::report::log_resort;
use crate::rsync::argv::{self, Additions};
use crate::rsync::operand;
use crate::rsync::options;
use crate::rsync::orders::Finding;
use crate::rsync::shell_line;
use crate::worker;
use nix::unistd::{access, AccessFlags, Group, User};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// How what keeps a job from every sync on this machine is told. The file may be meant for another one: it is no error.
const HOPELESS: &str = "every sync would fail";

/// Validates a configuration, shows what in it differs from the defaults and each job's rsync command, and warns. `names`: only
/// these jobs. `all`: shows every setting. `online`: asks their servers as well. Errors give 78, a server that does not serve 1.
pub(crate) fn check(path: &Path, names: &[String], all: bool, online: bool) -> ExitCode {
    let Loaded { mut config, warnings, left_out, .. } = match config::load(path).map(Loaded::held) {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&format!("{errors}\n"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if let Some(message) = unknown_jobs(&config, names) {
        complain(&message);
        return ExitCode::from(EXIT_USAGE);
    }
    config.jobs.retain(|job| names.is_empty() || names.contains(&job.name));
    let mut warnings: Vec<String> = warnings.iter().map(|warning| warning.to_string()).collect();
    let mut refused = Vec::new();
    // Whose servers it makes no sense to ask.
    let mut unfit = Vec::new();
    let mut hopeless = Vec::new();
    let variables = Variables::of_this_device();
    for job in &mut config.jobs {
        match variables.expand_job(job) {
            Ok(expanded) => *job = expanded,
            Err(missing) => {
                unfit.push(job.name.clone());
                warnings.push(format!(
                    "{}: warning: [{}] {missing}: the job waits until it is",
                    path.display(),
                    job.name
                ));
            }
        }
    }
    for job in &config.jobs {
        let mut hints = Vec::new();
        let before = refused.len();
        refused
            .extend(check_job::password_fault(job).map(|fault| format!("{}: [{}] {fault}", path.display(), job.name)));
        let mut findings = worker::order_findings(job);
        for source in 1..=job.fallback.len() {
            let asked = Job { arguments: job.arguments_for(source), ..job.clone() };
            let of_source = worker::order_findings(&asked).into_iter().filter(|finding| finding.key == "source");
            findings.extend(of_source.map(|finding| Finding { key: "fallback", ..finding }));
        }
        for finding in findings {
            let text = masked(&format!("{}: {}", finding.key, finding.text));
            match finding.refused {
                true => refused.push(format!("{}: [{}] {text}", path.display(), job.name)),
                false => hints.push(text),
            }
        }
        refused.extend(atomic_fault(job).map(|fault| format!("{}: [{}] {fault}", path.display(), job.name)));
        match check_job::options_objection(job) {
            Some((true, text)) => refused.push(format!("{}: [{}] {text}", path.display(), job.name)),
            Some((false, text)) => hints.push(text),
            None => {}
        }
        unfit.extend((refused.len() > before).then(|| job.name.clone()));
        option_hints(job, &mut hints);
        check_job::hook_hints(job, &mut hints);
        hints.extend(check_job::password_hint(job));
        place_hints(job, &mut hints);
        hopeless.extend(hints.iter().any(|hint| hint.ends_with(HOPELESS)).then_some(job.name.as_str()));
        warnings.extend(hints.iter().map(|hint| format!("{}: warning: [{}] {hint}", path.display(), job.name)));
    }
    overlap_hints(&config, &mut warnings, path);
    let log = log_hint(&config.global);
    warnings.extend(log.map(|hint| format!("{}: warning: log: {hint}", path.display())));
    let folders = trust::folders(&config.global).into_iter();
    let faults = folders.filter_map(|(key, folder)| Some(format!("{key}: {}", trust::folder_fault(&folder)?)));
    refused.extend(faults.map(|fault| format!("{}: {fault}", path.display())));
    let (watchdog, hints) = check_watchdog::look(&config.global);
    warnings.extend(hints.iter().map(|hint| format!("{}: warning: {hint}", path.display())));
    let shown = match all {
        true => report_all(path, &config) + &watchdog,
        false if watchdog.is_empty() => report(&config),
        false => report(&config) + watchdog.trim_start() + "\n",
    };
    if let Err(code) = say(&shown) {
        return code;
    }
    refused.extend(left_out.iter().map(|error| error.to_string()));
    for line in warnings.iter().chain(&refused) {
        complain(&format!("{line}\n"));
    }
    let look = match online {
        true => {
            let asked = |job: &&Job| (job.enabled || !names.is_empty()) && !unfit.contains(&job.name);
            check_online::ask(path, &config.jobs.iter().filter(asked).collect::<Vec<_>>())
        }
        false => Look::default(),
    };
    match (refused.is_empty(), look.failed) {
        (true, false) => {
            say(&verdict(path, &config, warnings.len(), &hopeless, &look)).err().unwrap_or(ExitCode::SUCCESS)
        }
        (true, true) => ExitCode::FAILURE,
        (false, _) => ExitCode::from(EXIT_CONFIG),
    }
}

fn verdict(path: &Path, config: &Config, warnings: usize, hopeless: &[&str], look: &Look) -> String {
    let warnings = warnings + look.warnings;
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let warned = if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
    let held = match look.held.is_empty() {
        true => String::new(),
        false => format!("; a sync of {} would be held", look.held.join(", ")),
    };
    let fails = match hopeless.is_empty() {
        true => String::new(),
        false => format!("; but on this machine every sync of {} would fail", hopeless.join(", ")),
    };
    format!("{}: OK, {}{warned}{held}{fails}\n", path.display(), count(config.jobs.len(), "job"))
}

/// What differs from the defaults, and the commands.
fn report(config: &Config) -> String {
    let given = |settings: Vec<Setting>| settings.into_iter().filter(|setting| !setting.is_default).collect::<Vec<_>>();
    let mut text = String::new();
    let global = given(show::global(&config.global));
    if !global.is_empty() {
        table(&mut text, global, "  ");
        text.push('\n');
    }
    for job in &config.jobs {
        text += &format!("[{}]\n", job.name);
        table(&mut text, given(show::job(job)), "  ");
        text += &format!("  command: {}\n{}\n", command(job), first_pass(job));
    }
    text
}

/// Every setting.
fn report_all(path: &Path, config: &Config) -> String {
    let mut text = format!("{} (* differs from the default)\n\nglobal\n", path.display());
    let global = show::global(&config.global);
    let fixed = global.iter().filter(|setting| setting.key.effect == Effect::Restart).map(|setting| setting.key.name);
    let fixed = fixed.collect::<Vec<_>>().join(", ");
    table(&mut text, global, "* ");
    text += &format!("  (take effect {} of irsync: {fixed})\n", Effect::Restart.text());
    for job in &config.jobs {
        text += &format!("\n[{}]\n", job.name);
        table(&mut text, show::job(job), "* ");
        text += &format!("  command: {}\n{}", command(job), first_pass(job));
    }
    text
}

/// `mark` stands before what differs from the default.
fn table(text: &mut String, settings: Vec<Setting>, mark: &str) {
    let width = settings.iter().map(|setting| setting.key.name.len()).max().unwrap_or(0);
    for Setting { key, value, is_default } in settings {
        let mark = if is_default { "  " } else { mark };
        let value = masked(&value.to_string());
        *text += &format!("{mark}{:width$} = {value}\n", key.name);
    }
}

/// The command with everything irsync adds for an rsync that knows it.
fn command(job: &Job) -> String {
    let additions = Additions {
        stats: true,
        items: true,
        progress2: job.progress,
        fsync: job.durable && job.arguments.local_destination().is_some(),
        verify: false,
        look: false,
        bwlimit: None,
        password_stdin: job.password.is_some(),
    };
    let words = argv::compose(
        &job.arguments,
        &additions,
        if job.arguments.deletes().is_some() { Pass::Copy } else { Pass::Plain },
    );
    let quoted = words.iter().map(|word| values::quote(&word.to_string_lossy()));
    masked(&std::iter::once(values::quote(&job.rsync)).chain(quoted).collect::<Vec<_>>().join(" "))
}

/// What irsync's own limit in the command is for.
fn first_pass(job: &Job) -> &'static str {
    match job.arguments.deletes() {
        Some(_) => {
            "  --max-delete=0 only counts deletions; those that are allowed are made by a second run without it\n"
        }
        None => "",
    }
}

/// Whether the destination can change as a whole, found out by trying. A parent that is not there yet may come with a card.
fn atomic_fault(job: &Job) -> Option<String> {
    let destination = job.arguments.local_destination().filter(|_| job.atomic)?;
    let places = match Places::of(Path::new(&destination)) {
        Ok(places) if places.parent_is_there() => places,
        Ok(_) => return None,
        Err(why) => return Some(format!("atomic: {why}")),
    };
    places.try_out().err().map(|why| format!("atomic: {why}"))
}

/// Why nobody would read the log.
fn log_hint(global: &Global) -> Option<String> {
    match &global.log {
        LogTarget::Syslog => {
            let error = log_resort::reach_syslog().err()?;
            Some(format!("cannot reach syslog at {}: {error}: the log would be lost", log_resort::SYSLOG))
        }
        LogTarget::File(path) if path.is_dir() => {
            Some(format!("{} is a folder: the log would be lost", path.display()))
        }
        LogTarget::File(path) => {
            // An empty name stands for the working directory.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let place = if path.exists() { path.as_path() } else { folder };
            let error = io::Error::from(access(place, AccessFlags::W_OK).err()?);
            Some(format!("cannot write to {}: {error}: the log would be lost", place.display()))
        }
        LogTarget::Stderr => {
            // That of the irsync which runs: our own is somebody's terminal.
            let status = fs::read_to_string(&global.status_file).ok()?;
            let pid = status.lines().find_map(|line| line.strip_prefix("pid = "))?.trim().to_owned();
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            let stderr = fs::read_link(format!("/proc/{pid}/fd/2")).ok()?;
            (name.trim() == "irsync" && stderr == Path::new("/dev/null")).then(|| {
                format!("stderr of irsync {pid} is /dev/null: nobody can read its log; log = syslog or a file")
            })
        }
    }
}

fn option_hints(job: &Job, hints: &mut Vec<String>) {
    let Arguments::Ini { options, .. } = &job.arguments else { return };
    let words: Vec<OsString> = options.iter().map(OsString::from).collect();
    let analysis = options::analyse(&words);
    for (option, why) in [
        ("--inplace", "an interrupted sync leaves files that are half old, half new"),
        ("--append", "an interrupted sync leaves half files, and a changed file is never mended"),
        (
            "--quiet",
            "no output is left: no success is proved, nothing is counted, run_on_change never runs, and where /proc \
             cannot tell progress, activity_timeout kills a healthy rsync",
        ),
    ] {
        if analysis.has(option) {
            hints.push(format!("options: {option}: {why}"));
        }
    }
    if !analysis.talks() && !analysis.has("--quiet") {
        hints.push(
            "options: all that rsync says is taken for complaints: no success is proved, and nothing is counted".into(),
        );
    }
    if analysis.has("--partial") && !analysis.mentions("--partial-dir") {
        hints.push(
            "options: --partial without --partial-dir: an interrupted sync leaves half files under their final names"
                .into(),
        );
    }
    if analysis.deletes() && !analysis.mentions("--max-delete") {
        hints.push("options: --delete without --max-delete: an empty source deletes everything here".into());
    }
    if !analysis.operands.is_empty() {
        let word = &options[analysis.operands[0]];
        hints.push(format!("options: {:?} is no option, rsync takes it for a source", masked(word)));
    }
    fallback_hints(job, &analysis, hints);
    shell_hint(job, hints);
}

/// A fallback whose files would lie elsewhere.
fn fallback_hints(job: &Job, analysis: &options::Analysis, hints: &mut Vec<String>) {
    let Arguments::Ini { source, .. } = &job.arguments else { return };
    let laid =
        |words: &[String]| words.iter().map(|word| operand::laid_as(word).map(str::to_owned)).collect::<Vec<_>>();
    // Those lay whole paths.
    if analysis.has("--relative") || analysis.mentions("--files-from") {
        return;
    }
    for words in job.fallback.iter().filter(|words| laid(words) != laid(source)) {
        let words = masked(&words.join(" "));
        hints.push(format!(
            "fallback: {words} ends otherwise than source (with or without a slash, or in another name): rsync would lay its files \
             elsewhere in the destination"
        ));
    }
}

/// What the remote shell's line lacks.
fn shell_hint(job: &Job, hints: &mut Vec<String>) {
    if job.arguments.by_shell() {
        let shell =
            job.arguments.remote_shell().map_or_else(|| "ssh".into(), |shell| shell.to_string_lossy().into_owned());
        hints.extend(shell_line::hints(&shell).into_iter().map(|hint| format!("options: {hint}")));
    }
}

fn place_hints(job: &Job, hints: &mut Vec<String>) {
    let Arguments::Ini { destination, .. } = &job.arguments else { return };
    if program::find(&job.rsync).is_none() {
        hints.push(format!("rsync: cannot find {}: {HOPELESS}", job.rsync));
    }
    for Setting { key, value, .. } in show::job(job).into_iter().filter(|setting| setting.key.kind == Kind::Command) {
        let Value::Words(words) = value else { continue };
        if let Some(program) = words.first().filter(|program| program::find(program).is_none()) {
            hints.push(format!("{}: cannot find {program}", key.name));
        }
    }
    let unknown = |name: &&String| name.parse::<u32>().is_err();
    if let Some(user) = job.run_as.user.as_ref().filter(unknown) {
        if !matches!(User::from_name(user), Ok(Some(_))) {
            hints.push(format!("user: there is no user {user:?}: {HOPELESS}"));
        }
    }
    if let Some(group) = job.run_as.group.as_ref().filter(unknown) {
        if !matches!(Group::from_name(group), Ok(Some(_))) {
            hints.push(format!("group: there is no group {group:?}: {HOPELESS}"));
        }
    }
    if operand::is_remote(destination) {
        return;
    }
    let target = paths::resolved(Path::new(destination));
    if !target.exists() && !target.parent().map_or(true, Path::exists) {
        hints.push(format!(
            "destination: {} has no parent directory: rsync makes one directory, not two",
            target.display()
        ));
    }
}

fn overlap_hints(config: &Config, warnings: &mut Vec<String>, path: &Path) {
    let local = |job: &Job| match &job.arguments {
        Arguments::Ini { destination, .. } if job.enabled && !operand::is_remote(destination) => {
            Some(paths::resolved(Path::new(destination)))
        }
        _ => None,
    };
    for (i, job) in config.jobs.iter().enumerate() {
        for other in &config.jobs[..i] {
            if let (Some(a), Some(b)) = (local(job), local(other)) {
                if a.starts_with(&b) || b.starts_with(&a) {
                    warnings.push(format!(
                        "{}: warning: [{}] destination: overlaps that of [{}]: with --delete each removes what the other copied",
                        path.display(), job.name, other.name
                    ));
                }
            }
        }
    }
}
