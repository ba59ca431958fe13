//! Where a job writes, and its turn there.

use super::claims::Turn;
use crate::config::Job;
use crate::os::{lock, paths};
use crate::rsync::operand;
use std::path::{Path, PathBuf};

/// The place as the file system has it when a sync begins: links come and go.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Its name among the locks: of a remote destination as it is given, of a local one as far as it exists, so that two ways
    /// to write the same folder meet.
    pub key: Option<String>,
    /// On this machine, links resolved.
    pub local: Option<PathBuf>,
    /// The job's turn to write there, from the beginning of a sync until rsync is over.
    pub turn: Option<Turn>,
}

impl Place {
    /// That of a job that has no turn there yet.
    pub(super) fn of(job: &Job) -> Place {
        match destination(job) {
            Some((remote, true)) => {
                let trimmed = remote.trim_end_matches('/');
                Place { key: Some(if trimmed.is_empty() { "/" } else { trimmed }.to_owned()), ..Place::default() }
            }
            Some((local, false)) => {
                let local = paths::resolved(Path::new(&local));
                Place { key: Some(local.to_string_lossy().into_owned()), local: Some(local), turn: None }
            }
            None => Place::default(),
        }
    }

    /// The number by which the processes that write there are found.
    pub(super) fn number(&self) -> u64 {
        self.key.as_ref().map_or(0, |key| lock::hash(key.as_bytes()))
    }
}

/// Where the job writes, and whether that is on another machine.
pub(super) fn destination(job: &Job) -> Option<(String, bool)> {
    let destination = job.arguments.destination()?;
    let remote = operand::is_remote(&destination);
    Some((destination, remote))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::fs;
    use std::time::Duration;

    fn key(destination: &str) -> String {
        let config = Config::drop_in(vec!["source".into(), destination.into()], Duration::from_secs(1), None);
        Place::of(&config.jobs[0]).key.unwrap()
    }

    #[test]
    fn different_ways_to_write_a_folder_have_one_key() {
        let dir = std::env::temp_dir().join(format!("irsync-place-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        std::os::unix::fs::symlink(&dir, dir.join("link")).unwrap();
        let plain = key(&format!("{}/new/folder", dir.display()));
        for other in ["{}/new/folder/", "{}/link/new/folder", "{}/./new/folder//", "{}/link/link/new/folder"] {
            assert_eq!(key(&other.replace("{}", dir.to_str().unwrap())), plain, "{other}");
        }
        assert_eq!(key("/"), "/");
        assert_eq!(key("host::mod/"), "host::mod");
        fs::remove_dir_all(dir).unwrap();
    }
}
