//! `irsync history`: the last syncs of each job of the running irsync, or of one that was killed.

use super::places::Places;
use super::seen::{not_running, NOT_RUNNING};
use super::{complain, say};
use crate::os::{clock, terminal};
use crate::report::board::Stamp;
use crate::report::history::{self, Past};
use crate::report::{json, utc};
use crate::supervisor::{runs, Remains};
use std::fs;
use std::io::{stdout, ErrorKind};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// 2026-01-01: a clock that shows less was not set since the board has power.
const OLDEST_CLOCK: u64 = 1_767_225_600;

/// Shows the syncs of the named jobs, or of all.
pub(crate) fn history(config: &Path, names: &[String], json: bool) -> ExitCode {
    let files = Places::of(config).seen();
    let running: Vec<_> = files.iter().filter(|file| runs(file) != Some(false)).collect();
    let mut jobs = Vec::new();
    for file in &running {
        match read(&history::path(file)) {
            Ok(more) => jobs.extend(more),
            Err(why) => {
                complain(&format!("irsync: {why}\n"));
                return ExitCode::FAILURE;
            }
        }
    }
    let mut head = String::new();
    if running.is_empty() {
        let file = &files[0];
        head = not_running(file) + "\n";
        // Its times count from the boot in which they were written down.
        let of_this_boot = Remains::of(file, clock::now()).is_some_and(|left| left.age.is_some());
        jobs = if of_this_boot { read(&history::path(file)).unwrap_or_default() } else { Vec::new() };
        if jobs.is_empty() {
            let text = if json { json::NOT_RUNNING } else { &head };
            return say(text).err().unwrap_or(ExitCode::from(NOT_RUNNING));
        }
        head += "\nThese are the last syncs of the irsync that no longer runs:\n\n";
    }
    for name in names.iter().filter(|name| jobs.iter().all(|past| past.job != **name)) {
        complain(&format!("irsync: no sync of a job {name:?} has ended since irsync started\n"));
    }
    let wanted = |past: &Past| names.is_empty() || names.contains(&past.job);
    let jobs: Vec<Past> = jobs.into_iter().filter(wanted).collect();
    let now = Stamp::now();
    let right = utc::seconds(now.wall) >= OLDEST_CLOCK;
    let local =
        |at: u64| clock::local_offset(at).filter(|_| right).map(|ahead| utc::plain(at.saturating_add_signed(ahead)));
    let text = match json {
        true => json::history(!running.is_empty(), &jobs, now),
        false => {
            let paint = terminal::wants_colours(stdout().as_fd());
            head + &history::table(&jobs, now, local, paint).join("\n") + "\n"
        }
    };
    let missing = names.iter().any(|name| jobs.iter().all(|past| past.job != *name));
    let code = match () {
        _ if running.is_empty() => ExitCode::from(NOT_RUNNING),
        _ if missing => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    };
    say(&text).err().unwrap_or(code)
}

/// The file; before the first sync has ended there is none.
fn read(file: &Path) -> Result<Vec<Past>, String> {
    match fs::read(file) {
        Ok(bytes) => history::read(&String::from_utf8_lossy(&bytes))
            .map_err(|line| format!("{} cannot be understood: {line}; who else writes there?", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}
