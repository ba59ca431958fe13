//! `irsync run` and drop-in mode.

use super::{complain, refused, EXIT_CONFIG};
use crate::config::{trust, Config, Global, Loaded, Loader, Warning};
use crate::os::guard::Guarded;
use crate::os::own;
use crate::os::terminal;
use crate::supervisor::{supervise, Finish, Manner, Reload};
use std::path::Path;
use std::process::ExitCode;

/// Supervises every job of the file until stopped.
pub(crate) fn run(path: &Path) -> ExitCode {
    let guarded = match guarded() {
        Ok(guarded) => guarded,
        Err(code) => return code,
    };
    let mut loader = Loader::new(path);
    match load(&mut loader) {
        Ok(Loaded { config, warnings, left_out, .. }) => {
            refused::forget(&config.global);
            show_warnings(&warnings);
            let manner = Manner { spread: !terminal::was_typed(), ..Manner::RUN };
            exit_code(supervise(config, manner, &left_out, Some(reload(loader)), guarded))
        }
        Err(Refused { global, why }) => {
            complain(&why);
            refused::tell(&global, &why);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Supervises one job that was given on the command line.
pub(crate) fn drop_in(config: Config) -> ExitCode {
    let guarded = match guarded() {
        Ok(guarded) => guarded,
        Err(code) => return code,
    };
    match check_folders(&config.global) {
        Ok(()) => exit_code(supervise(config, Manner::DROP_IN, &[], None, guarded)),
        Err(why) => {
            complain(&why);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Starts the guard, or says why there is none.
pub(super) fn guarded() -> Result<Guarded, ExitCode> {
    Guarded::start().map_err(|error| exit_code(Err(error)))
}

/// Reads the file, or says what is wrong with it.
pub(super) fn read(loader: &mut Loader) -> Result<Loaded, ExitCode> {
    load(loader).map_err(|Refused { why, .. }| {
        complain(&why);
        ExitCode::from(EXIT_CONFIG)
    })
}

/// A configuration with which irsync does not start.
struct Refused {
    /// Its global keys, as far as they can be read.
    global: Box<Global>,
    /// Lines.
    why: String,
}

fn load(loader: &mut Loader) -> Result<Loaded, Refused> {
    match loader.load() {
        Ok(loaded) => match check_folders(&loaded.config.global) {
            Ok(()) => Ok(loaded.held()),
            Err(why) => Err(Refused { global: Box::new(loaded.config.global), why }),
        },
        Err(errors) => Err(Refused { global: Box::new(loader.global_in_error()), why: format!("{errors}\n") }),
    }
}

/// Refuses to keep irsync's files where others could put theirs; why, as a line.
fn check_folders(global: &Global) -> Result<(), String> {
    for (key, folder) in trust::folders(global) {
        if own::narrow(&folder) {
            complain(&format!(
                "irsync: {key}: others could write to {}: that right was taken from them\n",
                folder.display()
            ));
        }
        if let Some(fault) = trust::folder_fault(&folder) {
            return Err(format!("irsync: {key}: {fault}\n"));
        }
    }
    Ok(())
}

/// Says what is odd about the file, before anything starts.
pub(super) fn show_warnings(warnings: &[Warning]) {
    for warning in warnings {
        complain(&format!("{warning}\n"));
    }
}

/// The exit code of a supervisor that has finished.
pub(super) fn exit_code(result: std::io::Result<Finish>) -> ExitCode {
    match result {
        Ok(Finish::Well) => ExitCode::SUCCESS,
        Ok(Finish::Badly) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("irsync: cannot start: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn reload(mut loader: Loader) -> Reload {
    Box::new(move || match loader.load().map(Loaded::held) {
        Ok(Loaded { config, warnings, left_out, .. }) => {
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            left_out.iter().for_each(|error| log::error!("{error}"));
            Ok(config)
        }
        Err(errors) => Err(errors.to_string()),
    })
}
