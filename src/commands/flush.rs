//! The process that a worker starts to have a destination flushed.

use super::{complain, EXIT_USAGE};
use crate::os::flush::flush;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// See [`crate::os::flush::FLUSH`].
pub(crate) fn run(destination: Option<&OsStr>) -> ExitCode {
    let Some(destination) = destination.map(Path::new) else { return ExitCode::from(EXIT_USAGE) };
    match flush(destination) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot bring {} to the disk: {error}\n", destination.display()));
            ExitCode::FAILURE
        }
    }
}
