//! What the field sees: status file, `irsync status`, progress bars, metrics, guards, and how rsync runs.

mod file;
mod guards;
mod health;
mod history;
mod metrics;
mod progress;
pub mod pty;
mod run_as;
mod watch;

use crate::common::Rig;
use std::process::Output;

/// What `irsync status` says and its exit code.
fn look(rig: &Rig) -> (String, Option<i32>) {
    said(&rig.run(&["status"]))
}

fn said(output: &Output) -> (String, Option<i32>) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code())
}

/// The words of the job's line in the table, two blanks apart.
fn row<'a>(text: &'a str, job: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.starts_with(&format!("{job} ")));
    line.unwrap_or_default().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}
