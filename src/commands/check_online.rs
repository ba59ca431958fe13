//! `irsync check --online`: whether each job's server would serve it, and what a sync would do.

use super::{complain, say};
use crate::config::mask::masked;
use crate::config::values;
use crate::config::{Arguments, Job};
use crate::report::human::Bytes;
use crate::worker::{Answer, Scout, Would};
use std::fmt::Write;
use std::path::Path;

/// Asks the source, and each fallback, of each job; false if one of them would not serve.
pub(super) fn ask(path: &Path, jobs: &[&Job]) -> bool {
    let scout = match Scout::new() {
        Ok(scout) => scout,
        Err(error) => {
            complain(&format!("irsync: cannot ask any server: {error}\n"));
            return false;
        }
    };
    let mut all = true;
    for job in jobs {
        for source in 0..=job.fallback.len() {
            let asked = Job { arguments: job.arguments_for(source), ..(*job).clone() };
            let answer = scout.ask(&asked);
            let key = if source == 0 { "source" } else { "fallback" };
            let failure = answer.failure.as_ref();
            // Each as soon as it is known. Who does not read it has seen enough.
            if say(&format!("[{}] {}: {}\n", job.name, there(&asked), told(&answer))).is_err() {
                return false;
            }
            if let Some(failure) = failure {
                all = false;
                let stage = answer.stopped.map_or(String::new(), |stage| format!("{stage}: "));
                complain(&masked(&format!("{}: [{}] {key}: {stage}{failure}\n", path.display(), job.name)));
            }
        }
    }
    all
}

/// The side that is asked.
fn there(job: &Job) -> String {
    let Arguments::Ini { source, destination, .. } = &job.arguments else { return String::new() };
    let words: Vec<String> = match job.arguments.local_destination() {
        Some(_) => source.iter().map(|word| values::quote(word)).collect(),
        None => vec![values::quote(destination)],
    };
    masked(&words.join(" "))
}

fn told(answer: &Answer) -> String {
    let passed = (!answer.passed.is_empty()).then(|| format!("{}: ok", answer.passed));
    let failed = answer.failure.as_ref().map(|_| match answer.stopped {
        Some(stage) => format!("{stage}: FAILED"),
        None => "FAILED".into(),
    });
    let parts = [passed, answer.would.as_ref().map(words), failed];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a sync would do.
fn words(would: &Would) -> String {
    let Some(counts) = &would.counts else {
        return match would.cut_short {
            true => "its list takes longer than this look, so nothing was counted".into(),
            false => "rsync's options hide what it would do".into(),
        };
    };
    let files = counts.files.unwrap_or(0);
    let size = Bytes(counts.transferred_size.unwrap_or(0));
    let mut text = match (files, would.changes) {
        (0, Some(0)) => "would copy nothing".into(),
        (0, Some(n)) => format!("would copy no file and change {n} other things"),
        _ => format!("would copy {files} file{} ({size})", if files == 1 { "" } else { "s" }),
    };
    if let Some(listed) = counts.listed {
        let _ = write!(text, " of {}", listed.saturating_sub(counts.listed_folders.unwrap_or(0)));
    }
    if would.deletions > 0 {
        let _ = write!(text, " and delete {}", would.deletions);
    }
    if let Some(held) = &would.held {
        let _ = write!(text, ": {held}");
    }
    text
}
