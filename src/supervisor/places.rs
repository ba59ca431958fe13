//! Where irsync keeps its status, and beside it lock, socket and history: the file that the configuration names, or for a
//! drop-in, of which several may run, a file of its own.
#![forbid(unsafe_code)]

use crate::os::lock::{self, Lock};
use crate::os::{clock, own as files};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the status goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the configuration says. irsync does not start beside another one that has it.
    Configured,
    /// Into the first file that no other drop-in has.
    DropIn,
    /// There is no status, and no socket for `irsync now`.
    Nowhere,
}

/// What the status files of drop-ins are called, before their number.
const DROP_IN: &str = "drop-in-";
/// So many drop-ins of one user have a status.
const MOST: usize = 64;

/// Whoever has the lock and is no irsync that lives may have it so long: a command that looks, or what a killed one has left.
const GLANCE: Duration = Duration::from_secs(1);

/// Takes the lock beside the status file, and says in it by its mark which irsync has it.
pub(super) fn own(status_file: &Path, mark: &str) -> io::Result<Lock> {
    let (lock, mut text) = Lock::take_file(&lock_path(status_file))?;
    // Only for the message to others: a full disk must not cost us the lock.
    let _ = text.set_len(0).and_then(|()| text.write_all(mark.as_bytes()));
    Ok(lock)
}

/// Like [`own`], but an irsync that has it may take `patience` to stop: init starts the next one at once. What keeps us from the
/// lock otherwise is the inner error.
///
/// # Errors
/// An irsync has it still. Beside that we would write into its log and its boot record, and wait for its destinations.
pub(super) fn own_alone(status_file: &Path, mark: &str, patience: Duration) -> io::Result<io::Result<Lock>> {
    let began = clock::now();
    let mut waits = false;
    loop {
        let owned = own(status_file, mark);
        if !matches!(&owned, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            return Ok(owned);
        }
        let holder = lock::living_holder(&lock_path(status_file));
        let waited = clock::now().since(began);
        match holder {
            Some(pid) if waited >= patience => {
                return Err(io::Error::other(format!(
                    "irsync with PID {pid} runs already and has status_file {}; a second one needs a file with another status_file",
                    status_file.display()
                )))
            }
            Some(pid) if !waits => {
                waits = true;
                let wait = patience.as_secs();
                let _ = writeln!(io::stderr(), "irsync: irsync with PID {pid} runs already: waiting for its end, at most {wait}s");
            }
            None if waited >= GLANCE => return Ok(owned),
            _ => {}
        }
        std::thread::sleep(GLANCE / 20);
    }
}

/// Takes the first status file of a drop-in that nobody has, and puts its name in the place of the default one.
pub(super) fn own_drop_in(status_file: &mut PathBuf, mark: &str) -> io::Result<Lock> {
    if let Some(folder) = folder(status_file) {
        *status_file = folder.join("status");
    }
    let mut number = 1;
    loop {
        // The default one stays free for an irsync that has a configuration, also if ours has to be tried again later.
        status_file.set_file_name(format!("{DROP_IN}{number}"));
        match own(status_file, mark) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && number < MOST => number += 1,
            result => return result,
        }
    }
}

/// The status files of the drop-ins that run now: those beside the default one, and this user's own.
pub(crate) fn drop_ins(default: &Path) -> Vec<PathBuf> {
    let own = Some(own_folder()).filter(|folder| is_ours(folder));
    let folders = default.parent().map(Path::to_owned).into_iter().chain(own);
    let files = folders.flat_map(|folder| (1..=MOST).map(move |number| folder.join(format!("{DROP_IN}{number}"))));
    files.filter(|file| lock_path(file).exists() && runs(file) == Some(true)).collect()
}

/// Whether that is the status file of a drop-in.
pub(crate) fn is_drop_in(status_file: &Path) -> bool {
    status_file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DROP_IN))
}

/// Whether an irsync runs that owns this status file. None: that is not for us to know.
pub(crate) fn runs(status_file: &Path) -> Option<bool> {
    lock::is_held(&lock_path(status_file))
}

/// The lock beside the status file.
pub(crate) fn lock_path(status_file: &Path) -> PathBuf {
    let mut name = status_file.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    status_file.with_file_name(name)
}

/// Where locks go: beside the status file, or for a user who may not write there into a folder of his own.
pub(super) fn folder(status_file: &Path) -> Option<PathBuf> {
    let beside = status_file.parent()?;
    let _ = files::make_folder(beside);
    if is_writable(beside) {
        return Some(beside.to_owned());
    }
    let own = own_folder();
    let _ = fs::DirBuilder::new().mode(0o700).create(&own);
    (is_ours(&own) && is_writable(&own)).then_some(own)
}

/// The folder of a user who may not write to the default one.
fn own_folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let uid = nix::unistd::Uid::effective();
    runtime.map_or_else(|| PathBuf::from(format!("/tmp/irsync-{uid}")), |dir| dir.join("irsync"))
}

/// In /tmp anybody may have made it, or a link of that name, before us.
fn is_ours(folder: &Path) -> bool {
    let uid = nix::unistd::Uid::effective().as_raw();
    fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == uid)
}

fn is_writable(dir: &Path) -> bool {
    use nix::unistd::{access, AccessFlags};
    dir.is_dir() && access(dir, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}
