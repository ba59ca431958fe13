//! `irsync check --online`: whether each job's server would serve it, and what a sync would do.

use super::{complain, say};
use crate::config::mask::masked;
use crate::config::values;
use crate::config::{Arguments, Job};
use crate::os::mounts::{self, Free};
use crate::report::human::Bytes;
use crate::worker::{Answer, Scout, Would};
use std::fmt::Write;
use std::path::Path;

/// What came of asking.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Somebody would not serve, or could not be asked.
    pub failed: bool,
    /// Warnings that were told.
    pub warnings: usize,
    /// The jobs of which a sync would be held.
    pub held: Vec<String>,
}

/// Asks the source, and each fallback, of each job.
pub(super) fn ask(path: &Path, jobs: &[&Job]) -> Look {
    let mut look = Look::default();
    let scout = match Scout::new() {
        Ok(scout) => scout,
        Err(error) => {
            complain(&format!("irsync: cannot ask any server: {error}\n"));
            look.failed = true;
            return look;
        }
    };
    for job in jobs {
        let mut hints = Vec::new();
        for source in 0..=job.fallback.len() {
            let asked = Job { arguments: job.arguments_for(source), ..(*job).clone() };
            let answer = scout.ask(&asked);
            let key = if source == 0 { "source" } else { "fallback" };
            let failure = answer.failure.as_ref();
            // Each as soon as it is known. Who does not read it has seen enough.
            if say(&format!("[{}] {}: {}\n", job.name, there(&asked), told(&answer))).is_err() {
                look.failed = true;
                return look;
            }
            if let Some(would) = &answer.would {
                hints.extend(room(&asked).and_then(|(place, free)| lack(would, &place, &free)));
                if let Some(held) = &would.held {
                    let name = &job.name;
                    look.held.push(name.clone());
                    hints.push(format!(
                        "{key}: {held}: put the server in order, or, if they are meant, say `irsync allow {name}` to the irsync that runs"
                    ));
                }
            }
            if let Some(failure) = failure {
                look.failed = true;
                let stage = answer.stopped.map_or(String::new(), |stage| format!("{stage}: "));
                complain(&masked(&format!("{}: [{}] {key}: {stage}{failure}\n", path.display(), job.name)));
            }
        }
        look.held.dedup();
        // A fallback has the same destination.
        hints.dedup();
        look.warnings += hints.len();
        hints.iter().for_each(|hint| complain(&format!("{}: warning: [{}] {hint}\n", path.display(), job.name)));
    }
    look
}

/// The file system that a sync would write to, if that is here.
fn room(job: &Job) -> Option<(String, Free)> {
    let destination = job.arguments.local_destination()?;
    let free = mounts::free(Path::new(&destination)).ok()?;
    Some((destination, free))
}

/// What of its room is too little.
fn lack(would: &Would, place: &str, free: &Free) -> Option<String> {
    let copies = would.changes.unwrap_or(0);
    let size = would.counts.as_ref().and_then(|counts| counts.transferred_size).unwrap_or(0);
    let mut text = match () {
        _ if free.read_only && copies + would.deletions > 0 => {
            return Some(format!("destination: {place} is read-only: mount it for writing"));
        }
        _ if free.size > 0 && size > free.bytes => {
            let (size, free) = (Bytes(size), Bytes(free.bytes));
            format!("destination: {place} has {free} free, and files of {size} are to come: make room")
        }
        _ if free.inodes.is_some_and(|left| left == 0) && copies > 0 => {
            format!("destination: {place} has room for bytes, but for no more files (inodes): remove some")
        }
        _ if free.size > 0 && free.bytes == 0 => format!("destination: {place} is full: make room"),
        _ => return None,
    };
    if would.deletions > 0 && would.held.is_none() {
        text += ", unless what is deleted first makes enough";
    }
    Some(text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rsync::stats::Counts;

    #[test]
    fn room_is_lacking_where_less_is_free_than_comes() {
        let would = |size, changes, deletions, held: bool| Would {
            counts: Some(Counts { transferred_size: Some(size), ..Counts::default() }),
            changes: Some(changes),
            deletions,
            held: held.then(String::new),
            cut_short: false,
        };
        let free = |bytes, inodes, read_only| Free { bytes, size: 100, inodes, read_only };
        for (would, free, says) in [
            (would(10, 1, 0, false), free(10, Some(1), false), None),
            (
                would(11, 1, 0, false),
                free(10, Some(1), false),
                Some("has 10 B free, and files of 11 B are to come: make room"),
            ),
            (
                would(11, 1, 2, false),
                free(10, Some(1), false),
                Some("make room, unless what is deleted first makes enough"),
            ),
            (would(11, 1, 2, true), free(10, Some(1), false), Some("are to come: make room")),
            (would(0, 0, 0, false), free(0, Some(1), false), Some("/d is full: make room")),
            (would(10, 1, 0, false), free(20, Some(0), false), Some("no more files (inodes): remove some")),
            (would(0, 0, 0, false), free(20, Some(0), false), None),
            (would(0, 1, 0, false), free(20, None, true), Some("is read-only: mount it for writing")),
            (would(0, 0, 1, false), free(20, None, true), Some("is read-only: mount it for writing")),
            (would(0, 0, 0, false), free(20, None, true), None),
            // It does not say how large it is.
            (would(11, 1, 0, false), Free { size: 0, ..free(0, None, false) }, None),
        ] {
            let told = lack(&would, "/d", &free);
            match says {
                Some(says) => {
                    assert!(told.as_ref().is_some_and(|told| told.ends_with(says)), "{would:?} {free:?}: {told:?}")
                }
                None => assert_eq!(told, None, "{would:?} {free:?}"),
            }
        }
    }
}
