//! `irsync now`: lets the running irsync sync at once.

use super::complain;
use super::run::read;
use crate::config::Loader;
use crate::supervisor::{ask, control_path};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long the running irsync may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks for the named jobs, or for all.
pub fn now(path: &Path, names: &[String]) -> ExitCode {
    let config = match read(&mut Loader::new(path)) {
        Ok(loaded) => loaded.config,
        Err(code) => return code,
    };
    let socket = control_path(&config.global.status_file);
    match ask(&socket, names, LIMIT) {
        Ok(answer) if answer == "ok" => return ExitCode::SUCCESS,
        Ok(answer) => complain(&format!("irsync: {answer}\n")),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                complain(&format!("irsync: not running: nobody listens at {}\n", socket.display()));
            }
            ErrorKind::WouldBlock => complain(&format!("irsync: it does not answer within {}s\n", LIMIT.as_secs())),
            _ => complain(&format!("irsync: cannot ask at {}: {error}\n", socket.display())),
        },
    }
    ExitCode::FAILURE
}
