//! `irsync once`.

use std::path::Path;
use std::process::ExitCode;

/// Not built yet.
pub fn once(_config: &Path, _jobs: &[String]) -> ExitCode {
    super::complain("irsync: once is not built yet\n");
    ExitCode::FAILURE
}
