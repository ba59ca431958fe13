//! `irsync once`: each job one time.

use super::run::{exit_code, guarded, read, show_warnings};
use super::{complain, EXIT_USAGE};
use crate::config::{Config, Loaded, Loader, LogTarget};
use crate::supervisor::{supervise, Finish, Manner};
use std::path::Path;
use std::process::ExitCode;

/// Runs the named jobs, disabled ones too, or all enabled ones, one after the other in the order of the file.
pub(crate) fn once(path: &Path, names: &[String]) -> ExitCode {
    let guarded = match guarded() {
        Ok(guarded) => guarded,
        Err(code) => return code,
    };
    let Loaded { mut config, warnings, left_out, .. } = match read(&mut Loader::new(path)) {
        Ok(read) => read,
        Err(code) => return code,
    };
    if let Some(message) = unknown_jobs(&config, names) {
        complain(&message);
        return ExitCode::from(EXIT_USAGE);
    }
    if names.is_empty() && config.jobs.iter().all(|job| !job.enabled) {
        complain(&format!("irsync: no job is enabled in {}; name the jobs to run\n", path.display()));
        return ExitCode::from(EXIT_USAGE);
    }
    show_warnings(&warnings);
    if !names.is_empty() {
        config.jobs.retain(|job| names.contains(&job.name));
        config.jobs.iter_mut().for_each(|job| job.enabled = true);
    }
    // Whoever runs this, a person or a script, wants to see what comes of it.
    config.global.log = LogTarget::Stderr;
    // The watchdog is not armed for a moment's run: a clean end could leave it armed for good (nowayout).
    config.global.watchdog_device = None;
    config.global.state_dir = None;
    // A job that is left out did not succeed.
    let finish = supervise(config, Manner::ONCE, &left_out, None, guarded);
    exit_code(if names.is_empty() && !left_out.is_empty() { finish.map(|_| Finish::Badly) } else { finish })
}

/// What is wrong with the names of jobs on the command line.
pub(super) fn unknown_jobs(config: &Config, names: &[String]) -> Option<String> {
    let known: Vec<&str> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    let message = || format!("irsync: no such job: {}; the jobs are: {}\n", unknown.join(", "), known.join(", "));
    (!unknown.is_empty()).then(message)
}
