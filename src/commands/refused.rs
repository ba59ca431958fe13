//! An irsync that refuses its configuration says why where its log is looked for, too: init may have thrown stderr away, and after
//! a reboot nobody is there to read it.

use crate::config::{trust, Global, LogTarget};
use crate::os::{own, terminal};
use crate::report::logging;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The same refusal is told once in this time: an init that starts irsync anew every second would fill the card.
const AGAIN: Duration = Duration::from_secs(3600);
/// How long the log may hold up the end of irsync.
const LOG_SLACK: Duration = Duration::from_secs(2);

/// Tells it in the log, unless whoever typed the command reads it now.
pub(super) fn tell(global: &Global, why: &str) {
    let note = Note::beside(&global.status_file);
    if terminal::was_typed() || note.as_ref().is_some_and(|note| note.is_there(why)) {
        return;
    }
    if let Some(note) = note {
        note.write(why);
    }
    // The journal has what was written to stderr.
    if global.log == LogTarget::Syslog && std::env::var_os("JOURNAL_STREAM").is_some() {
        return;
    }
    let said = why.lines().map(|line| line.strip_prefix("irsync: ").unwrap_or(line));
    let lines: Vec<&str> = said.chain(["irsync is not started: mend this, then start it again"]).collect();
    logging::tell_unstarted(global, &lines, LOG_SLACK);
}

/// The next refusal is a new one, whatever it says.
pub(super) fn forget(global: &Global) {
    if let Some(Note(path)) = Note::beside(&global.status_file) {
        let _ = std::fs::remove_file(path);
    }
}

/// A file beside the status file: what was told last.
struct Note(PathBuf);

impl Note {
    /// None: others could put something in its place.
    fn beside(status_file: &Path) -> Option<Note> {
        let folder = status_file.parent()?;
        let mut name = status_file.file_name()?.to_owned();
        name.push(".refused");
        trust::folder_fault(folder).is_none().then(|| Note(folder.join(name)))
    }

    /// Whether it says the same, and is not old. A clock that jumps makes it old.
    fn is_there(&self, why: &str) -> bool {
        let Ok(mut file) = own::open(&self.0, OpenOptions::new().read(true)) else { return false };
        let Ok(written) = file.metadata().and_then(|found| found.modified()) else { return false };
        let now = SystemTime::now();
        let age = now.duration_since(written).unwrap_or_else(|ahead| ahead.duration());
        let mut text = String::new();
        age < AGAIN && file.read_to_string(&mut text).is_ok() && text == why
    }

    /// Nothing depends on it.
    fn write(&self, why: &str) {
        let folder = self.0.parent().map(own::make_folder);
        if folder.is_some_and(|made| made.is_ok()) {
            let _ = own::create(&self.0, 0o600).and_then(|mut file| file.write_all(why.as_bytes()));
        }
    }
}
