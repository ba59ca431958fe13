//! Which of the irsyncs that run here a command is about.

use super::{complain, DEFAULT_CONFIG};
use crate::config::keys::Id;
use crate::config::load;
use crate::config::values::Value;
use crate::supervisor::{drop_ins, runs};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Where to look.
pub(super) struct Places {
    /// The status file of the irsync whose configuration it is.
    main: PathBuf,
    /// No file was named: the drop-ins that run are meant as well.
    wide: bool,
    /// There is a configuration, and an irsync that has it should run.
    expected: bool,
}

impl Places {
    /// Says on stderr what is wrong with the configuration, if anything is.
    pub(super) fn of(config: &Path) -> Places {
        Places::quietly(config, false)
    }

    /// Leaves that to whoever is asked, if `quiet`.
    pub(super) fn quietly(config: &Path, quiet: bool) -> Places {
        Places {
            main: status_file(config, quiet),
            wide: config == Path::new(DEFAULT_CONFIG),
            expected: config.exists(),
        }
    }

    /// What there is to see, now.
    pub(super) fn seen(&self) -> Vec<PathBuf> {
        let mut files = if self.wide { drop_ins(&self.main) } else { Vec::new() };
        if files.is_empty() || self.expected || runs(&self.main) != Some(false) {
            files.insert(0, self.main.clone());
        }
        files
    }

    /// Who is asked to do something: the irsync with the configuration if it runs, else all drop-ins.
    pub(super) fn asked(&self) -> Vec<PathBuf> {
        let main = vec![self.main.clone()];
        if !self.wide || runs(&self.main) != Some(false) {
            return main;
        }
        Some(drop_ins(&self.main)).filter(|files| !files.is_empty()).unwrap_or(main)
    }
}

/// Where the running irsync writes; in drop-in mode there is no configuration, and what it was started with may have been
/// broken since: then the default.
fn status_file(config: &Path, quiet: bool) -> PathBuf {
    let preset = || match Id::status_file.key().default_value() {
        Value::Path(path) => path,
        _ => PathBuf::new(),
    };
    match load(config) {
        Ok(loaded) => loaded.config.global.status_file,
        Err(errors) => {
            let file = written_down(config).unwrap_or_else(preset);
            if !quiet && fs::metadata(config).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true) {
                complain(&format!("{errors}\nirsync: {}\n", in_error(config, &file)));
            }
            file
        }
    }
}

/// What it means that the configuration is in error, whatever was asked, and what to do.
fn in_error(config: &Path, status_file: &Path) -> String {
    let (name, status) = (config.display(), status_file.display());
    let option = if config == Path::new(DEFAULT_CONFIG) { String::new() } else { format!(" --config {name}") };
    match runs(status_file) {
        Some(false) => format!(
            "no irsync runs (status file {status}), and none can start while {name} is in error: mend it; irsync \
             check{option} says whether it is right"
        ),
        _ => format!(
            "{name} is not in use while it is in error: the irsync that runs (status file {status}) goes on with the \
             configuration that it read last, and this is about that one. Mend the file, then: irsync reload{option}"
        ),
    }
}

/// As much of a configuration that is in error is looked at.
const LOOK_LIMIT: u64 = 1 << 20;

/// What a file that is in error says of the status file, where that can be read: the irsync that runs has read the file when it
/// was in order.
fn written_down(config: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    fs::File::open(config).ok()?.take(LOOK_LIMIT).read_to_string(&mut text).ok()?;
    let globals = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let values =
        globals.filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == Id::status_file.name());
    let value = values.map(|(_, value)| value.trim().trim_matches(['"', '\''])).last()?;
    Some(PathBuf::from(value)).filter(|path| path.is_absolute())
}
