//! `irsync status`.

use std::path::Path;
use std::process::ExitCode;

/// Not built yet.
pub fn status(_config: &Path, _watch: bool) -> ExitCode {
    super::complain("irsync: status is not built yet\n");
    ExitCode::FAILURE
}
