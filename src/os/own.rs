//! Files that irsync keeps for itself, opened so that nobody can put something else in their place.
#![forbid(unsafe_code)]

use nix::libc;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Opens a file that must be ours: a regular one with one name that belongs to our user. Follows no link in the last part of
/// the path, and waits for no FIFO.
///
/// # Errors
/// Those of open(2), and in words what else lies there.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = options.custom_flags(flags).open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a symbolic link"),
        // open(2) of a FIFO that nobody reads, or of a socket.
        Some(libc::ENXIO) => io::Error::other("it is not a regular file"),
        _ => error,
    })?;
    let found = file.metadata()?;
    let ours = nix::unistd::Uid::effective().as_raw();
    let fault = match () {
        _ if !found.is_file() => "it is not a regular file".into(),
        _ if found.uid() != ours => format!("it belongs to user {}, not to {ours}", found.uid()),
        // A name elsewhere may be that of somebody's secret. None: it was removed just now.
        _ if found.nlink() > 1 => "it has other names (hard links)".into(),
        _ => return Ok(file),
    };
    Err(io::Error::other(fault))
}

/// Like [`open`], for reading and writing: a file that only we can open, made if there is none.
///
/// # Errors
/// See [`open`].
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let file = open(path, OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600))?;
    if file.metadata()?.mode() & 0o777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Makes a new file; one of that name, or a link that somebody has put there, is removed. The mode is as given, whatever the
/// umask is.
///
/// # Errors
/// Those of unlink(2) and open(2).
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// Takes from others the right to write into a folder of ours, as an irsync that was started with a umask of 0 has made it:
/// one in which everything is ours. True: it was taken from them.
pub(crate) fn narrow(folder: &Path) -> bool {
    let ours = nix::unistd::Uid::effective().as_raw();
    let Ok(found) = fs::metadata(folder) else { return false };
    if found.uid() != ours || found.mode() & 0o1022 == 0 || found.mode() & 0o1000 != 0 {
        return false;
    }
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let owners: Vec<bool> =
        entries.flatten().map(|entry| entry.metadata().is_ok_and(|found| found.uid() == ours)).collect();
    let is_ours_alone = !owners.is_empty() && owners.iter().all(|ours| *ours);
    is_ours_alone && fs::set_permissions(folder, fs::Permissions::from_mode(found.mode() & 0o7755)).is_ok()
}

/// Makes a folder, and what is missing above it, in which everybody may look and only we may write.
///
/// # Errors
/// Those of mkdir(2), but not that it is there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Whether `path` is the name of this open file still.
pub(crate) fn is_named(file: &File, path: &Path) -> bool {
    let id = |found: &fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata(), fs::symlink_metadata(path)), (Ok(file), Ok(named)) if id(&file) == id(&named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_of_ours_is_opened() {
        let dir = std::env::temp_dir().join(format!("irsync-own-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let victim = dir.join("victim");
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, dir.join("link")).unwrap();
        fs::hard_link(&victim, dir.join("other-name")).unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        nix::unistd::mkfifo(&dir.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixDatagram::bind(dir.join("socket")).unwrap();
        for name in ["link", "other-name", "folder", "fifo", "socket"] {
            assert!(open_private(&dir.join(name)).is_err(), "{name}");
        }
        let path = dir.join("new");
        let file = open_private(&path).unwrap();
        assert!(is_named(&file, &path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open_private(&path).unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
        assert!(!is_named(&file, &path));
        open_private(&path).unwrap();
        assert!(!is_named(&file, &path), "another one of that name");
        if nix::unistd::Uid::effective().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            assert!(open_private(&path).is_err(), "somebody else's");
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        fs::remove_dir_all(dir).unwrap();
    }
}
