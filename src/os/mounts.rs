//! Mount points and free space: what the preconditions look at before rsync may write.
#![forbid(unsafe_code)]

use nix::sys::statvfs::FsFlags;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether `path` is a mount point now, by `/proc/self/mountinfo` (bind mounts included), or without `/proc` by its device
/// number differing from its parent's.
///
/// # Errors
/// `path` does not exist or cannot be reached.
pub(crate) fn is_mount_point(path: &Path) -> io::Result<bool> {
    let real = fs::canonicalize(path)?;
    if let Ok(text) = fs::read("/proc/self/mountinfo") {
        let listed = text.split(|&b| b == b'\n').filter_map(|line| line.split(|&b| b == b' ').nth(4));
        let real = real.as_os_str().as_bytes();
        return Ok(listed.into_iter().any(|field| field == real || field.contains(&b'\\') && unescape(field) == real));
    }
    match real.parent() {
        None => Ok(true),
        Some(parent) => Ok(fs::metadata(&real)?.dev() != fs::metadata(parent)?.dev()),
    }
}

/// Where other file systems are mounted somewhere below `folder`.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let (Ok(real), Ok(text)) = (fs::canonicalize(folder), fs::read("/proc/self/mountinfo")) else { return Vec::new() };
    let fields = text.split(|&b| b == b'\n').filter_map(|line| line.split(|&b| b == b' ').nth(4));
    let points = fields.map(|field| PathBuf::from(OsString::from_vec(unescape(field))));
    points.filter(|point| *point != real && point.starts_with(&real)).collect()
}

/// mountinfo writes space, tab, newline and backslash as three octal digits, see proc(5).
pub(super) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Free space where a destination is, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    /// Bytes an ordinary user may still write.
    pub bytes: u64,
    /// Bytes that it has in all; 0: it does not say, and the free ones mean nothing.
    pub size: u64,
    /// Files that may still be made; None where the file system has no such limit.
    pub inodes: Option<u64>,
    /// Nobody may write there now.
    pub read_only: bool,
}

/// Free space at `path`, or at the nearest parent that exists.
///
/// # Errors
/// Those of statvfs(3).
pub(crate) fn free(path: &Path) -> io::Result<Free> {
    let mut existing = PathBuf::from(path);
    while !existing.exists() && existing.pop() {}
    if existing.as_os_str().is_empty() {
        existing.push(".");
    }
    let stat = nix::sys::statvfs::statvfs(&existing)?;
    // The fields' width differs between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let (all, blocks, size, files, left) = (
        stat.blocks() as u64,
        stat.blocks_available() as u64,
        stat.fragment_size() as u64,
        stat.files() as u64,
        stat.files_available() as u64,
    );
    Ok(Free {
        bytes: blocks.saturating_mul(size),
        size: all.saturating_mul(size),
        inodes: (files > 0).then_some(left),
        read_only: stat.flags().contains(FsFlags::ST_RDONLY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_a_mount_point_and_its_folders_are_not() {
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(is_mount_point(Path::new("/")).unwrap());
        assert!(!is_mount_point(Path::new("/proc/self/fd")).unwrap());
        assert!(is_mount_point(Path::new("/no/such/folder")).is_err());
        assert_eq!(unescape(b"/a\\040b\\134c\\9"), b"/a b\\c\\9");
    }

    #[test]
    fn free_space_is_that_of_the_nearest_parent() {
        let here = free(Path::new("/")).unwrap();
        assert!(here.bytes > 0);
        assert!(free(Path::new("/no/such/folder")).unwrap().bytes > 0);
        assert!(free(Path::new("relative")).is_ok());
    }
}
