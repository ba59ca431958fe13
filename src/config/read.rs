//! Reading a configuration file, whatever lies in its place.

use super::trust;
use nix::libc;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// No configuration is longer; what is was put there by mistake.
const MAX_BYTES: u64 = 1 << 20;

/// A file's bytes and its mode.
#[derive(Debug)]
pub(crate) struct Content {
    /// Everything in it.
    pub bytes: Vec<u8>,
    /// `st_mode`
    pub mode: u32,
}

impl Content {
    /// Others may read or write it: the same test that rsync makes of a password file (authenticate.c).
    pub(crate) fn open_to_others(&self) -> bool {
        self.mode & 0o006 != 0
    }
}

/// Reads a regular file of at most 1 MiB that, for root, nobody else may write. Never blocks on a FIFO or a device.
///
/// # Errors
/// `cannot read: …` or `not read: …`, to be prefixed with the file's name.
pub(crate) fn file(path: &Path) -> Result<Content, String> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match fs::metadata(path) {
            // open(2) calls a socket "no such device".
            Ok(metadata) if metadata.file_type().is_socket() => not_regular(metadata.file_type()),
            _ => cannot(error),
        })?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(not_regular(metadata.file_type()));
    }
    if let Some(fault) = trust::fault(&metadata) {
        return Err(format!("not read: {fault}"));
    }
    let mode = metadata.mode();
    let bytes = bounded(file).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("cannot read: it is larger than 1 MiB".into());
    }
    Ok(Content { bytes, mode })
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot(error: io::Error) -> String {
    format!("cannot read: {error}")
}

fn not_regular(kind: FileType) -> String {
    let what = match () {
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    format!("cannot read: it is {what}, not a file")
}
