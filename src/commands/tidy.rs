//! The process that a worker starts to have a destination tidied up.

use super::{complain, say, EXIT_USAGE};
use crate::os::tidy::Task;
use crate::report::human::Bytes;
use std::ffi::OsString;
use std::process::ExitCode;

/// See [`crate::os::tidy::TIDY`].
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let Some(task) = Task::of_words(words) else { return ExitCode::from(EXIT_USAGE) };
    let mut told = |path: &std::path::Path, size: u64, kept: bool| {
        let (did, end) = if kept { ("put aside", ": the next one goes on from it") } else { ("removed", "") };
        // A reader that has gone is no reason to leave the rest.
        let _ = say(&format!("{did} {}, {}, which a sync has left behind{end}\n", path.display(), Bytes(size)));
    };
    match task.perform(&mut told) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot search {} for what rsync has left: {error}\n", task.destination.display()));
            ExitCode::FAILURE
        }
    }
}
