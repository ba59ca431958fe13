//! `irsync check`.

use std::path::Path;
use std::process::ExitCode;

/// Validates a configuration and shows what it comes to.
pub fn check(_config: &Path) -> ExitCode {
    ExitCode::FAILURE
}
