//! `irsync run` and drop-in mode.

use crate::config::Config;
use std::path::Path;
use std::process::ExitCode;

/// Not built yet.
pub fn run(_config: &Path) -> ExitCode {
    super::complain("irsync: run is not built yet\n");
    ExitCode::FAILURE
}

/// Not built yet.
pub fn drop_in(_config: Config) -> ExitCode {
    super::complain("irsync: drop-in mode is not built yet\n");
    ExitCode::FAILURE
}
