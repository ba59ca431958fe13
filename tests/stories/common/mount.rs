//! Small file systems of the story's own; root only.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs, gone when dropped.
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one of `size` (as mount takes it) at a new folder.
    pub fn new(path: &Path, size: &str) -> Tmpfs {
        std::fs::create_dir_all(path).expect("cannot make a mount point");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "irsync-test"])
            .arg(path));
        Tmpfs { path: path.to_owned() }
    }

    /// `ro` or `rw`
    pub fn remount(&self, mode: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{mode}")]).arg(&self.path));
    }

    /// Writes until there is no room; gives the file that took it.
    pub fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = std::fs::File::create(&path).expect("cannot make the filler");
        for size in [64 << 10, 4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![b'x'; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
