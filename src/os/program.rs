//! Programs by name, as execvp(3) finds them.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a program is: a name with a slash is a path, any other is looked up in PATH. None: there is none that could be
/// executed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let runs =
        |path: &Path| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| runs(path));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| runs(path))
}

/// Which file a program is. It differs after an update: package managers replace the file (another inode), `cp` writes
/// into it (another time of modification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Identity {
    /// That of the program [`find`] finds, symbolic links followed. Costs a stat(2) for each folder of PATH.
    pub(crate) fn of(name: &str) -> Option<Identity> {
        let file = fs::metadata(find(name)?).ok()?;
        Some(Identity {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        let sh = find("sh").expect("there is a shell");
        assert!(sh.is_absolute());
        assert_eq!(find(sh.to_str().unwrap()), Some(sh));
        for none in ["no-such-program-of-irsync", "/no/such/program", "/etc", "/etc/passwd"] {
            assert_eq!(find(none), None, "{none}");
        }
        assert_eq!(Identity::of("sh"), Identity::of(find("sh").unwrap().to_str().unwrap()));
    }

    #[test]
    fn a_program_that_was_replaced_or_rewritten_is_another_one() {
        let dir = std::env::temp_dir().join(format!("irsync-program-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("program");
        let write = |text: &str, to: &Path| {
            fs::write(to, text).unwrap();
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let identity = || Identity::of(path.to_str().unwrap());
        assert_eq!(identity(), None);
        write("one", &path);
        let first = identity();
        assert!(first.is_some() && first == identity());
        write("two", &dir.join("new"));
        fs::rename(dir.join("new"), &path).unwrap();
        let replaced = identity();
        assert_ne!(replaced, first);
        write("more", &path);
        assert_ne!(identity(), replaced);
        fs::remove_dir_all(dir).unwrap();
    }
}
