//! `irsync status`: what each job is doing now.

use super::places::Places;
use super::say;
use super::seen::Sight;
use crate::os::terminal;
use std::io::stdout;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// Shows what each job is doing, once. The exit code is of the same moment, however long nobody reads what is shown.
pub(crate) fn status(config: &Path, json: bool) -> ExitCode {
    let seen = Sight::now(&Places::of(config));
    let stdout = stdout();
    let (width, _) = terminal::size(stdout.as_fd());
    let text =
        if json { seen.json() } else { seen.lines(width, terminal::wants_colours(stdout.as_fd())).join("\n") + "\n" };
    say(&text).err().unwrap_or(seen.code())
}
