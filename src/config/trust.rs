//! Who else could write what irsync reads, and where it keeps its files.
//!
//! As root irsync obeys files: whoever can write one of them, or put another in its place, is root. So it reads only what
//! root owns and nobody else may write. Root's own group counts as root. In a user namespace the owner of `/` may be shown as
//! somebody else; whoever that is, everything is his.

use super::Global;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `S_ISVTX`: in such a folder each removes and renames only what is his own.
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// Why the owner of a file or folder is not to be trusted by root.
fn owner_fault(found: &Metadata) -> Option<String> {
    let trusted = !is_root() || found.uid() == 0 || fs::metadata("/").is_ok_and(|root| root.uid() == found.uid());
    (!trusted).then(|| format!("it belongs to user {}: chown root it", found.uid()))
}

/// Why root should not read this file or folder.
pub(crate) fn fault(found: &Metadata) -> Option<String> {
    let group = found.mode() & GROUP_WRITES != 0 && found.gid() != 0;
    if is_root() && (group || found.mode() & OTHERS_WRITE != 0) {
        return Some(format!("others may write to it (mode {:04o}): chmod go-w it", found.mode() & 0o7777));
    }
    owner_fault(found)
}

/// Why irsync cannot keep locks, its socket or its record in this folder: others could put links and files of theirs in its
/// way. A sticky folder keeps them from nothing of that.
pub(crate) fn folder_fault(folder: &Path) -> Option<String> {
    let told = |path: &Path, what: String| Some(format!("{}: {what}", path.display()));
    let mut above: Vec<PathBuf> = real(folder).ancestors().map(Path::to_owned).collect();
    above.reverse();
    let own = above.pop()?;
    for path in above {
        let Ok(found) = fs::metadata(&path) else { continue };
        if found.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE {
            return told(&path, format!("others may write there (mode {:04o}): chmod go-w it", found.mode() & 0o7777));
        }
        if let Some(fault) = owner_fault(&found) {
            return told(&path, fault);
        }
    }
    let Ok(found) = fs::metadata(&own) else { return None };
    if found.mode() & OTHERS_WRITE != 0 {
        let mode = found.mode() & 0o7777;
        return told(&own, format!("others may write there (mode {mode:04o}): take a folder that is irsync's alone"));
    }
    fault(&found).and_then(|fault| told(&own, fault))
}

/// With links resolved as far as it exists.
fn real(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find_map(|path| Some((path, fs::canonicalize(path).ok()?)));
    match existing {
        Some((path, real)) => {
            folder.strip_prefix(path).map_or(real.clone(), |rest| match rest.as_os_str().is_empty() {
                true => real.clone(),
                false => real.join(rest),
            })
        }
        None => folder.to_owned(),
    }
}

/// The folders that must be irsync's alone, each with its key.
pub(crate) fn folders(global: &Global) -> Vec<(&'static str, PathBuf)> {
    let status = global.status_file.parent().map(|folder| ("status_file", folder.to_owned()));
    let state = global.state_dir.clone().map(|folder| ("state_dir", folder));
    status.into_iter().chain(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink, PermissionsExt};

    #[test]
    fn only_folders_that_nobody_else_may_write_are_trusted() {
        if !is_root() {
            return;
        }
        let dir = std::env::temp_dir().join(format!("irsync-trust-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("mid/run")).unwrap();
        symlink(dir.join("mid/run"), dir.join("link")).unwrap();
        let set = |name: &str, mode: u32, uid: u32, gid: u32| {
            chown(dir.join(name), Some(uid), Some(gid)).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        for (mid, run, trusted) in [
            ((0o755, 0, 0), (0o755, 0, 0), true),
            ((0o755, 0, 0), (0o775, 0, 0), true),
            ((0o755, 0, 0), (0o775, 0, 50), false),
            ((0o755, 0, 0), (0o777, 0, 0), false),
            ((0o755, 0, 0), (0o1777, 0, 0), false),
            ((0o755, 0, 0), (0o700, 1000, 0), false),
            ((0o1777, 0, 0), (0o755, 0, 0), true),
            ((0o777, 0, 0), (0o755, 0, 0), false),
            ((0o755, 1000, 0), (0o755, 0, 0), false),
        ] {
            set("mid", mid.0, mid.1, mid.2);
            set("mid/run", run.0, run.1, run.2);
            for name in ["mid/run", "link", "mid/run/../run/"] {
                let fault = folder_fault(&dir.join(name));
                assert_eq!(fault.is_none(), trusted, "{mid:?} {run:?} {name}: {fault:?}");
            }
        }
        set("mid", 0o755, 0, 0);
        assert_eq!(folder_fault(&dir.join("mid/not/yet")), None);
        fs::remove_dir_all(dir).unwrap();
    }
}
