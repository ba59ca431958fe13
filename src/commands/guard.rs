//! The process that ends what irsync leaves when it is killed.

use super::EXIT_USAGE;
use crate::os::{guard, mark};
use std::ffi::OsString;
use std::process::ExitCode;

/// See [`crate::os::guard::GUARD`].
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let runs = match words {
        [runs] => runs.to_str().filter(|runs| mark::irsync(runs).is_some()),
        _ => None,
    };
    let Some(runs) = runs else { return ExitCode::from(EXIT_USAGE) };
    guard::watch(runs);
    ExitCode::SUCCESS
}
