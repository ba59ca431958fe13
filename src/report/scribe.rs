//! Replaces small files by rename, in a thread of its own: the main thread feeds the watchdog, and a card that is busy or
//! dying must not keep it from that.

use crate::os::own;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What could not be written is tried again this often, or when there is something newer.
const RETRY: Duration = Duration::from_secs(10);

/// Takes the files to be written. Never waits for them.
#[derive(Debug)]
pub(crate) struct Scribe(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    papers: Mutex<Papers>,
    came: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    /// At most one for each path, the newest.
    waiting: Vec<Paper>,
    /// The thread is writing.
    busy: bool,
}

#[derive(Debug)]
struct Paper {
    path: PathBuf,
    /// None: the file is to be removed.
    text: Option<String>,
}

impl Scribe {
    /// Starts the thread.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM.
    pub(crate) fn start() -> io::Result<Scribe> {
        let desk = Arc::new(Desk::default());
        let own = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("scribe".into()).stack_size(64 * 1024);
        thread.spawn(move || own.work())?;
        Ok(Scribe(desk))
    }

    /// Has the file replaced; what waits for the same path is forgotten.
    pub(crate) fn replace(&self, path: &Path, text: String) {
        self.0.put(path, Some(text));
    }

    /// Has the file removed.
    pub(crate) fn remove(&self, path: &Path) {
        self.0.put(path, None);
    }

    /// Waits until all is done, at most `limit`; what failed is not waited for.
    pub(crate) fn finish(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut papers = self.0.lock();
        while papers.busy || !papers.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            papers = self.0.done.wait_timeout(papers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, path: &Path, text: Option<String>) {
        let mut papers = self.lock();
        papers.waiting.retain(|paper| paper.path != path);
        papers.waiting.push(Paper { path: path.to_owned(), text });
        drop(papers);
        self.came.notify_one();
    }

    fn work(&self) {
        let mut failed: Vec<Paper> = Vec::new();
        let mut complained: Vec<PathBuf> = Vec::new();
        loop {
            for paper in self.next(&mut failed) {
                match paper.write() {
                    Ok(()) => complained.retain(|path| *path != paper.path),
                    Err(error) => {
                        if !complained.contains(&paper.path) {
                            let path = paper.path.display();
                            log::warn!("cannot write {path}: {error}; it is out of date until that works");
                            complained.push(paper.path.clone());
                        }
                        failed.push(paper);
                    }
                }
            }
            self.lock().busy = false;
            self.done.notify_all();
        }
    }

    /// Sleeps until there is something new, or until it is time to try again what failed; without either for ever.
    fn next(&self, failed: &mut Vec<Paper>) -> Vec<Paper> {
        let retry = Instant::now() + RETRY;
        let mut papers = self.lock();
        while papers.waiting.is_empty() {
            if failed.is_empty() {
                papers = self.came.wait(papers).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = retry.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            papers = self.came.wait_timeout(papers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        papers.busy = true;
        let mut next = std::mem::take(&mut papers.waiting);
        failed.retain(|old| next.iter().all(|new| new.path != old.path));
        next.append(failed);
        next
    }
}

impl Paper {
    fn write(&self) -> io::Result<()> {
        match &self.text {
            Some(text) => replace(&self.path, text.as_bytes()),
            None => gone(fs::remove_file(&self.path)),
        }
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file of that name in one step: a reader sees the old one or the new one, never a part.
///
/// # Errors
/// Those of open(2), write(2) and rename(2); then the old one is still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not ending as the file does: node_exporter reads every *.prom.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A new file each time: in a folder that others may write to, the old one may be a link of theirs. Everybody may know how
    // the jobs are.
    let mut file = match own::create(path, 0o644) {
        // /run was emptied, or mounted anew.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            own::make_folder(path.parent().unwrap_or(Path::new("/")))?;
            own::create(path, 0o644)?
        }
        opened => opened?,
    };
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const LIMIT: Duration = Duration::from_secs(60);

    fn dir(test: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("irsync-scribe-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_file_is_replaced_and_removed_and_nothing_else_is_left() {
        let dir = dir("replace");
        let path = dir.join("deeper/status");
        let scribe = Scribe::start().unwrap();
        for text in ["one", "two"] {
            scribe.replace(&path, text.into());
            scribe.finish(LIMIT);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        scribe.remove(&path);
        scribe.remove(&path);
        scribe.finish(LIMIT);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let dir = dir("link");
        let (path, victim) = (dir.join("status"), dir.join("victim"));
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, dir.join("status.tmp")).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_failed_is_written_when_something_newer_comes() {
        let dir = dir("failed");
        let path = dir.join("status");
        fs::create_dir(&path).unwrap();
        let scribe = Scribe::start().unwrap();
        scribe.replace(&path, "old".into());
        scribe.finish(LIMIT);
        fs::remove_dir(&path).unwrap();
        scribe.replace(&dir.join("other"), "x".into());
        scribe.finish(LIMIT);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        fs::remove_dir_all(dir).unwrap();
    }
}
