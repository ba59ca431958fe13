//! `irsync now`.

use std::path::Path;
use std::process::ExitCode;

/// Not built yet.
pub fn now(_config: &Path, _jobs: &[String]) -> ExitCode {
    super::complain("irsync: now is not built yet\n");
    ExitCode::FAILURE
}
