//! The process that a worker starts to have a destination flushed.

use super::{complain, EXIT_USAGE};
use crate::os::fault;
use crate::os::flush::flush;
use crate::os::verified;
use crate::os::writing::Mark;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// See [`crate::os::flush::FLUSH`]. The destination follows (empty: none), and for a sync that compared contents the file
/// in which that is noted.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let [destination, rest @ ..] = args else { return ExitCode::from(EXIT_USAGE) };
    let place = Path::new(destination);
    if !destination.is_empty() && !fault::leaves_out("syncfs-before-exchange") {
        if let Err(error) = flush(place) {
            complain(&format!("cannot bring {} to the disk: {error}\n", place.display()));
            return ExitCode::FAILURE;
        }
        if let Some(error) = Mark::of(place).and_then(|mark| mark.remove().err()) {
            // It will be found after a power cut, and cost a comparison that was not needed.
            complain(&format!("cannot remove the mark of what was written to {}: {error}\n", place.display()));
        }
    }
    if let Some(error) = rest.first().and_then(|file| verified::note(Path::new(file)).err()) {
        // The next boot verifies earlier than it had to: no reason to call this sync a failure.
        complain(&format!("cannot note that contents were compared in {:?}: {error}\n", rest[0]));
    }
    ExitCode::SUCCESS
}
