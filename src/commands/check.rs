//! `irsync check`: what a configuration comes to, and what in it will hurt in the field.

use super::check_hints::{self, Hint};
use super::check_online::Look;
use super::once::unknown_jobs;
use super::{check_job, check_online, check_watchdog, complain, say, EXIT_CONFIG, EXIT_USAGE};
use crate::config::expand::Variables;
use crate::config::keys::Effect;
use crate::config::mask::masked;
use crate::config::show::{self, Setting};
use crate::config::trust;
use crate::config::values;
use crate::config::{self, Config, Job, Loaded};
use crate::job::deletions::Pass;
use crate::os::publish::Places;
use crate::rsync::argv::{self, Additions};
use crate::rsync::orders::Finding;
use crate::worker;
use std::path::Path;
use std::process::ExitCode;

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
                false => hints.push(Hint::Unwise(text)),
            }
        }
        refused.extend(atomic_fault(job).map(|fault| format!("{}: [{}] {fault}", path.display(), job.name)));
        match check_job::options_objection(job) {
            Some((true, text)) => refused.push(format!("{}: [{}] {text}", path.display(), job.name)),
            Some((false, text)) => hints.push(Hint::Unwise(text)),
            None => {}
        }
        unfit.extend((refused.len() > before).then(|| job.name.clone()));
        check_hints::option_hints(job, &mut hints);
        check_job::hook_hints(job, &mut hints);
        hints.extend(check_job::password_hint(job).map(Hint::Unwise));
        check_hints::place_hints(job, &mut hints);
        hopeless.extend(hints.iter().any(Hint::is_hopeless).then_some(job.name.as_str()));
        warnings.extend(hints.iter().map(|hint| format!("{}: warning: [{}] {hint}", path.display(), job.name)));
    }
    check_hints::overlap_hints(&config, &mut warnings, path);
    let log = check_hints::log_hint(&config.global);
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
