//! What `fuzz/` calls: arbitrary bytes for everything that irsync reads, and arbitrary events for its machines. Each function
//! panics where something that has to hold does not. Each room's `fuzz` says what that is.
#![forbid(unsafe_code)]

use crate::cli::{self, Command, Stop};
use crate::config::Arguments;
use crate::{config, fleet, job, os, report, rsync, supervisor, worker};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// rsync's arguments, one a line.
pub fn argv(data: &[u8]) {
    rsync::fuzz::argv(data);
}

/// A boot record.
pub fn boot_record(data: &[u8]) {
    job::fuzz::boot_record(data);
}

/// Configurations with what they include, one after the other.
pub fn config(data: &[u8]) {
    config::fuzz::config(data);
}

/// A request and an answer on the control socket.
pub fn control(data: &[u8]) {
    supervisor::fuzz::control(data);
}

/// irsync's own command line, one argument a line. What is handed on to rsync is what was given, in order.
pub fn dropin(data: &[u8]) {
    let args: Vec<OsString> = data.split(|&byte| byte == b'\n').map(|arg| OsString::from_vec(arg.to_vec())).collect();
    match cli::parse(args.clone()) {
        Ok(Command::DropIn { config }) => {
            let Arguments::DropIn(given) = &config.jobs[0].arguments else { panic!("no drop-in: {config:?}") };
            let first = usize::from(args[0] == "--");
            let mut open = true;
            let expected = args[first..].iter().filter(|arg| {
                open &= *arg != "--";
                !(open && arg.as_bytes().starts_with(b"--irsync-"))
            });
            assert!(given.iter().eq(expected), "{args:?} became {given:?}");
            assert!(!given.is_empty());
        }
        Ok(_) => assert!(args[0] != "--", "{args:?}"),
        Err(Stop::Say(text) | Stop::Usage(text)) => assert!(text.ends_with('\n'), "{text:?}"),
    }
}

/// The machine that feeds the watchdog.
pub fn feeding(data: &[u8]) {
    job::feeding::world::fuzz(data);
}

/// A history file.
pub fn history(data: &[u8]) {
    report::fuzz::history(data);
}

/// A job's machine.
pub fn job(data: &[u8]) {
    job::machine::world::fuzz(data);
}

/// Lines on their way through the log.
pub fn log(data: &[u8]) {
    report::fuzz::log(data);
}

/// What `/proc`, environments and lock files say.
pub fn procfs(data: &[u8]) {
    os::fuzz::procfs(data);
}

/// Devices' reports.
pub fn report(data: &[u8]) {
    fleet::fuzz::report(data);
}

/// What rsync writes on stdout and stderr.
pub fn rsync_output(data: &[u8]) {
    worker::fuzz::rsync_output(data);
}

/// A status file.
pub fn status(data: &[u8]) {
    report::fuzz::status(data);
}
