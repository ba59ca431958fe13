//! The commands.
#![forbid(unsafe_code)]

pub(crate) mod atomic;
pub(crate) mod check;
mod check_hints;
mod check_job;
mod check_online;
mod check_watchdog;
pub(crate) mod control;
#[cfg(feature = "fleet")]
pub(crate) mod fleet;
pub(crate) mod flush;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod once;
mod places;
mod refused;
pub(crate) mod report;
pub(crate) mod run;
mod seen;
pub(crate) mod status;
pub(crate) mod tidy;
pub(crate) mod watch;
pub(crate) mod writing;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The configuration, unless another is named.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/irsync.ini";
/// Bad command line.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Bad configuration, `EX_CONFIG` of sysexits.h.
pub(crate) const EXIT_CONFIG: u8 = 78;

/// Writes to stdout. A reader that has gone (`irsync check | head`) has seen enough: that is no failure.
///
/// # Errors
/// Says on stderr what is wrong and gives the exit code for it.
pub(crate) fn say(text: &str) -> Result<(), ExitCode> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("irsync: cannot write to stdout: {error}\n"));
            Err(ExitCode::FAILURE)
        }
        _ => Ok(()),
    }
}

/// Writes to stderr; nobody is left to hear of it if that fails.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
