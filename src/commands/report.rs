//! The process that writes the report which a device pushes (`report_to`): the status as it is now, with what else its owner
//! wants to know. It holds no secret, and of files no name but the current one's.

use super::{complain, EXIT_USAGE};
use crate::config::expand::Variables;
use crate::config::report::REPORT;
use crate::os::mounts;
use crate::report::board::{JobStatus, Stamp};
use crate::report::snapshot::Snapshot;
use crate::report::{scribe, status};
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// See [`crate::config::report::WRITE_REPORT`].
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let [file, folder, destinations @ ..] = args else { return ExitCode::from(EXIT_USAGE) };
    match write(Path::new(file), Path::new(folder), destinations) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&format!("irsync: no report: {why}\n"));
            ExitCode::FAILURE
        }
    }
}

fn write(file: &Path, folder: &Path, destinations: &[OsString]) -> Result<(), String> {
    let name = name()?;
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let (daemon, jobs) = status::read(&text)?;
    let now = Stamp::now();
    let free: Vec<(String, u64)> = destinations
        .iter()
        .filter_map(|word| {
            let text = word.to_string_lossy();
            let (job, path) = text.split_once('=')?;
            Some((job.to_owned(), mounts::free(Path::new(path)).ok()?.bytes))
        })
        .collect();
    let report = text_of(daemon, jobs, now, &free);
    let own = folder.join(format!("{name}.status"));
    scribe::replace(&own, report.as_bytes()).map_err(|error| format!("cannot write {}: {error}", own.display()))?;
    // The device was called otherwise before.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path() != own {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// What the device is called; one that was not told yet shares its name with others.
fn name() -> Result<String, String> {
    let variables = Variables::of_this_device();
    match variables.expand("${hostname}")? {
        name if name == "localhost" => Err("this device is called localhost: it has no name of its own yet".into()),
        name => Ok(name),
    }
}

fn text_of(
    mut daemon: crate::report::snapshot::Daemon,
    mut jobs: Vec<JobStatus>,
    now: Stamp,
    free: &[(String, u64)],
) -> String {
    daemon.written = now.mono;
    jobs.retain(|job| job.name != REPORT);
    for last in jobs.iter_mut().filter_map(|job| job.last.as_mut()) {
        last.why = last.why.take().map(|why| without_names(&why));
    }
    let mut text = status::render(&Snapshot::new(daemon, jobs, now));
    // Writing to a String cannot fail.
    let _ = write!(text, "\n[report]\nuptime = {}\n", status::seconds(now.mono.0));
    for (job, bytes) in free {
        let _ = writeln!(text, "free_{job} = {bytes}");
    }
    text
}

/// rsync puts names of files into quotes.
fn without_names(why: &str) -> String {
    let mut parts = why.split('"');
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let Some(_name) = parts.next() {
        text += "\"…\"";
        text += parts.next().unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_left_out() {
        for (why, left) in [
            (
                "rsync: open \"/srv/a/secret plan.mp4\" failed: Permission denied (13)",
                "rsync: open \"…\" failed: Permission denied (13)",
            ),
            ("a \"b\" c \"d\"", "a \"…\" c \"…\""),
            ("cut in a \"na", "cut in a \"…\""),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(without_names(why), left);
        }
    }
}
