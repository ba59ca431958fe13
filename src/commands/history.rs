//! `irsync history`: the last syncs of each job of the running irsync.

use super::places::Places;
use super::seen::{not_running, NOT_RUNNING};
use super::{complain, say};
use crate::os::{clock, terminal};
use crate::report::board::Stamp;
use crate::report::history::{self, Past};
use crate::report::{json, utc};
use crate::supervisor::runs;
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
    if running.is_empty() {
        let text = if json { json::NOT_RUNNING.into() } else { not_running(&files[0]) + "\n" };
        return say(&text).err().unwrap_or(ExitCode::from(NOT_RUNNING));
    }
    let mut jobs = Vec::new();
    for file in running {
        match read(&history::path(file)) {
            Ok(more) => jobs.extend(more),
            Err(why) => {
                complain(&format!("irsync: {why}\n"));
                return ExitCode::FAILURE;
            }
        }
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
        true => json::history(&jobs, now),
        false => history::table(&jobs, now, local, terminal::wants_colours(stdout().as_fd())).join("\n") + "\n",
    };
    let missing = names.iter().any(|name| jobs.iter().all(|past| past.job != *name));
    say(&text).err().unwrap_or(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
