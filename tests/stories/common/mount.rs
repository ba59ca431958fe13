//! Small file systems of the story's own; root only.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// An exFAT of 64 MiB in an image, by the kernel or by FUSE; gone when dropped.
pub struct Exfat {
    path: PathBuf,
}

impl Exfat {
    /// None, and said so, where this machine has none.
    pub fn new(story: &str, path: &Path) -> Option<Exfat> {
        let by_kernel = std::fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("\texfat\n"));
        let by_fuse = super::is_executable("mount.exfat-fuse") && Path::new("/dev/fuse").exists();
        if !super::is_executable("mkfs.exfat") || !(by_kernel || by_fuse) {
            super::skipped(story, "needs mkfs.exfat, and exFAT in the kernel or mount.exfat-fuse");
            return None;
        }
        std::fs::create_dir_all(path).expect("cannot make a mount point");
        let image = path.with_extension("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("cannot make an image");
        run(Command::new("mkfs.exfat").arg(&image).stdout(Stdio::null()).stderr(Stdio::null()));
        let mut mount = Command::new("mount");
        mount.args(["-t", if by_kernel { "exfat" } else { "exfat-fuse" }, "-o", "loop"]).arg(&image).arg(path);
        run(mount.stdout(Stdio::null()).stderr(Stdio::null()));
        Some(Exfat { path: path.to_owned() })
    }
}

impl Drop for Exfat {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
