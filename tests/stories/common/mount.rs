//! Small file systems of the story's own; root only.

use std::cell::Cell;
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

/// An ext4 of 8 MiB in an image, for damage; gone when dropped.
pub struct Ext4 {
    path: PathBuf,
    /// Which image it is, of those that were made one of the other.
    image: Cell<u32>,
}

impl Ext4 {
    /// None, and said so, where this machine has none.
    pub fn new(story: &str, path: &Path) -> Option<Ext4> {
        let tools = ["mke2fs", "debugfs", "e2fsck"].iter().all(|tool| super::is_executable(tool));
        std::fs::create_dir_all(path).expect("cannot make a mount point");
        let ext4 = Ext4 { path: path.to_owned(), image: Cell::new(0) };
        std::fs::File::create(ext4.image()).and_then(|file| file.set_len(8 << 20)).expect("cannot make an image");
        let made = || ext4.at_rest("mke2fs", &["-q", "-F", "-t", "ext4", "-O", "^has_journal"]);
        if !tools || made() != Some(0) || !ext4.mount() {
            super::skipped(story, "needs mke2fs, debugfs and e2fsck (e2fsprogs), and ext4 on a loop device");
            return None;
        }
        Some(ext4)
    }

    /// Takes the folder's inode, as a power cut or a dying card does.
    pub fn damage(&self, folder: &str) {
        self.unmount();
        assert_eq!(self.at_rest("debugfs", &["-w", "-R", &format!("clri {folder}")]), Some(0));
        assert!(self.mount());
    }

    pub fn repair(&self) {
        self.unmount();
        // 1: errors were corrected.
        assert_eq!(self.at_rest("e2fsck", &["-f", "-y"]), Some(1));
        assert!(self.mount());
    }

    fn image(&self) -> PathBuf {
        self.path.with_extension(format!("image{}", self.image.get()))
    }

    fn at_rest(&self, program: &str, words: &[&str]) -> Option<i32> {
        let mut command = Command::new(program);
        command.args(words).arg(self.image()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().ok()?.code()
    }

    fn mount(&self) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", "loop"]).arg(self.image()).arg(&self.path);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// What is at rest then is a copy: whoever has unshared his mounts meanwhile, another story or a seed of chaos, has this one still
    /// mounted, and the kernel would show what it has in memory of it to whoever mounts the image again.
    fn unmount(&self) {
        run(Command::new("sync").arg("-f").arg(&self.path));
        run(Command::new("umount").arg(&self.path));
        let before = self.image();
        self.image.set(self.image.get() + 1);
        std::fs::copy(before, self.image()).expect("cannot copy the image");
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).stderr(Stdio::null()).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
