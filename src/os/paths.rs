//! Paths as the file system has them now.
#![forbid(unsafe_code)]

use nix::libc;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// The path with symbolic links resolved as far as it exists, and without `.`, `..` and doubled slashes in the rest: two
/// ways to write the same place give the same path. A relative one begins at the working directory, or at `/` where there
/// is none.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    // std::path::absolute is younger than our Rust.
    let from = match path.is_absolute() {
        true => PathBuf::new(),
        false => std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
    };
    let absolute = from.join(path);
    // Nearly always all of it exists, and one question to the file system is enough.
    real(&absolute).unwrap_or_else(|_| resolved_as_far_as_it_exists(&absolute))
}

/// As realpath(3). In musl that takes 8 KiB of stack, which the thread of a job would keep for ever; so the kernel is asked for
/// the name of what it finds there.
fn real(path: &Path) -> io::Result<PathBuf> {
    let opened = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
    if let Ok(name) = opened.and_then(|file| fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))) {
        // What was removed, and what our root cannot reach, has no path.
        if name.is_absolute() && !name.as_os_str().as_encoded_bytes().ends_with(b" (deleted)") {
            return Ok(name);
        }
    }
    fs::canonicalize(path)
}

fn resolved_as_far_as_it_exists(absolute: &Path) -> PathBuf {
    let mut known = PathBuf::from("/");
    // So many of the last names in it do not exist: nothing can exist in them.
    let mut absent = 0_usize;
    for part in absolute.components() {
        match part {
            Component::Normal(name) => {
                known.push(name);
                let real = if absent > 0 { None } else { real(&known).ok() };
                match real {
                    Some(real) => known = real,
                    None => absent += 1,
                }
            }
            Component::ParentDir => {
                known.pop();
                absent = absent.saturating_sub(1);
            }
            _ => {}
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_far_as_there_are_any() {
        let dir = std::env::temp_dir().join(format!("irsync-paths-{}", std::process::id()));
        fs::create_dir_all(dir.join("real/inner")).unwrap();
        let _ = std::os::unix::fs::symlink("real", dir.join("link"));
        let real = fs::canonicalize(&dir).unwrap().join("real");
        for (path, rest) in [
            ("link", ""),
            ("link/inner/..", ""),
            ("./link//inner/", "inner"),
            ("link/absent/deeper", "absent/deeper"),
            ("link/absent/../other/./x", "other/x"),
            ("absent/../link/inner", "inner"),
            ("link/absent/deeper/../../../link/absent", "absent"),
        ] {
            assert_eq!(resolved(&dir.join(path)), real.join(rest).components().collect::<PathBuf>(), "{path}");
        }
        assert_eq!(resolved(Path::new("/")), Path::new("/"));
        assert_eq!(resolved(Path::new("/../..")), Path::new("/"));
        fs::remove_dir_all(dir).unwrap();
    }
}
