//! Paths as the file system has them now.
#![forbid(unsafe_code)]

use std::fs;
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
    fs::canonicalize(&absolute).unwrap_or_else(|_| resolved_as_far_as_it_exists(&absolute))
}

fn resolved_as_far_as_it_exists(absolute: &Path) -> PathBuf {
    let mut known = PathBuf::from("/");
    // So many of the last names in it do not exist: nothing can exist in them.
    let mut absent = 0_usize;
    for part in absolute.components() {
        match part {
            Component::Normal(name) => {
                known.push(name);
                let real = if absent > 0 { None } else { fs::canonicalize(&known).ok() };
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
