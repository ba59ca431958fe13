//! The control socket: a datagram socket beside the status file, which only its owner may write to.
//!
//! A request is a verb and the names of jobs, one a line; the answer is the exit code for the asking command, and what it is to
//! say, in the lines that follow.

use crate::text::escape_into;
use nix::sys::socket::{bind, UnixAddr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest message, either way.
const LONGEST: usize = 64 * 1024;

/// What can be asked of a running irsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Sync at once.
    Now,
    /// Make the deletions that are held.
    Allow,
    /// Show the set before again, and take the job out of turn.
    Rollback,
    /// Take a job out of turn.
    Pause,
    /// Take it into turn again.
    Resume,
    /// Read the configuration again.
    Reload,
    /// Stop.
    Stop,
}

impl Verb {
    /// Every verb.
    pub(crate) const ALL: [Verb; 7] =
        [Verb::Now, Verb::Allow, Verb::Rollback, Verb::Pause, Verb::Resume, Verb::Reload, Verb::Stop];

    /// The command's name, which is also the word on the socket.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Now => "now",
            Verb::Allow => "allow",
            Verb::Rollback => "rollback",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Reload => "reload",
            Verb::Stop => "stop",
        }
    }
}

/// What somebody asks.
#[derive(Debug)]
pub(super) struct Request {
    /// What for.
    pub verb: Verb,
    /// Of which jobs; none: of all.
    pub jobs: Vec<String>,
    from: SocketAddr,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The exit code of the command that asked.
    pub code: u8,
    /// What it is to say; may be empty.
    pub text: String,
}

impl Answer {
    /// Done.
    pub(crate) fn done(text: String) -> Answer {
        Answer { code: 0, text }
    }

    /// Not done, and why.
    pub(crate) fn refused(text: String) -> Answer {
        Answer { code: 1, text }
    }

    /// As it goes over the socket.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{}\n{}", self.code, self.text);
        let end = (0..=text.len().min(LONGEST)).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text
    }

    /// An answer as it came; None: no irsync of this kind has written it. Whoever did, what he says goes to a terminal.
    pub(super) fn read(bytes: &[u8]) -> Option<Answer> {
        let text = String::from_utf8_lossy(bytes);
        let (code, text) = text.split_once('\n').unwrap_or((&text, ""));
        let code = code.parse().ok()?;
        let mut shown = Vec::new();
        for line in text.lines() {
            escape_into(&mut shown, line.as_bytes(), LONGEST);
            shown.push(b'\n');
        }
        Some(Answer { code, text: String::from_utf8_lossy(&shown).trim_end().to_owned() })
    }
}

/// A request as it goes over the socket.
pub(super) fn request(verb: Verb, jobs: &[String]) -> String {
    std::iter::once(verb.name()).chain(jobs.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
}

/// A request as it came; None: it is none of ours.
pub(super) fn understand(bytes: &[u8]) -> Option<(Verb, Vec<String>)> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().map(str::to_owned);
    let word = lines.next()?;
    let verb = Verb::ALL.into_iter().find(|verb| verb.name() == word)?;
    Some((verb, lines.collect()))
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Control {
    socket: UnixDatagram,
    path: PathBuf,
    /// Device and inode of what was bound there.
    id: Option<(u64, u64)>,
}

fn id(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Where the socket is for this status file.
pub(crate) fn path(status_file: &Path) -> PathBuf {
    // Named after it: another irsync may keep its status in the same folder.
    let mut name = status_file.file_name().unwrap_or_default().to_owned();
    name.push(".control");
    status_file.with_file_name(name)
}

impl Control {
    /// Binds the socket; one that a dead irsync has left is replaced. The caller holds the status file's lock.
    ///
    /// # Errors
    /// Those of bind(2), e.g. a path of more than 107 bytes.
    pub(super) fn bind(path: PathBuf) -> io::Result<Control> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Control { socket, id: id(&path), path })
    }

    /// Whether the socket is where others look for it: it may have been removed with its folder.
    pub(super) fn is_in_place(&self) -> bool {
        self.id.is_some() && id(&self.path) == self.id
    }

    /// Where it was bound.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The oldest request that waits; None: there is none. What is no request of ours is passed over.
    pub(super) fn next(&self) -> Option<Request> {
        let mut buffer = vec![0; LONGEST];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            if let Some((verb, jobs)) = understand(&buffer[..n]) {
                return Some(Request { verb, jobs, from });
            }
        }
        None
    }

    /// Answers a request. A client that has gone, or does not read, is not waited for.
    pub(super) fn answer(&self, request: &Request, answer: &Answer) {
        let _ = self.socket.send_to_addr(answer.to_text().as_bytes(), &request.from);
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Not that of another irsync which has come after us.
        if self.is_in_place() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The client's side: asks and gives the answer.
///
/// # Errors
/// NotFound or ConnectionRefused: no irsync runs there. WouldBlock: it does not answer within `limit`. InvalidData: what
/// answers is no irsync of this kind.
pub(crate) fn ask(path: &Path, verb: Verb, jobs: &[String], limit: Duration) -> io::Result<Answer> {
    let owner = std::fs::symlink_metadata(path)?.uid();
    let user = nix::unistd::Uid::effective();
    if owner != 0 && owner != user.as_raw() && !user.is_root() {
        return Err(io::Error::other(format!("it belongs to user {owner}")));
    }
    let socket = UnixDatagram::unbound()?;
    // To a socket that is connected only its peer can send. So it is connected before it has an address: nobody else's word
    // can be taken for the answer.
    socket.connect(path)?;
    // An address of our own to answer to, without a file that could be left behind.
    let own = UnixAddr::new_abstract(format!("irsync-control-{}", std::process::id()).as_bytes())?;
    bind(socket.as_raw_fd(), &own)?;
    socket.set_read_timeout(Some(limit))?;
    socket.send(request(verb, jobs).as_bytes())?;
    let mut buffer = vec![0; LONGEST];
    let n = socket.recv(&mut buffer)?;
    Answer::read(&buffer[..n]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
