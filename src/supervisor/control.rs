//! `irsync now`: a datagram socket beside the status file. Only its owner may write to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest message, either way.
const LONGEST: usize = 64 * 1024;

/// The supervisor's end.
#[derive(Debug)]
pub struct Control {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Where the socket is for this status file.
pub fn path(status_file: &Path) -> PathBuf {
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
    pub fn bind(path: PathBuf) -> io::Result<Control> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Control { socket, path })
    }

    /// Answers every request that waits: `answer` is given the job names (none: all jobs).
    pub fn serve(&self, mut answer: impl FnMut(&[&str]) -> String) {
        let mut buffer = vec![0; LONGEST];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..n]);
            let names: Vec<&str> = text.lines().collect();
            // A client that has gone, or does not read, is not waited for.
            let _ = self.socket.send_to_addr(answer(&names).as_bytes(), &from);
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The client's side: asks for these jobs and gives the answer, `ok` or what is wrong.
///
/// # Errors
/// NotFound or ConnectionRefused: no irsync runs there. WouldBlock: it does not answer within `limit`.
pub fn ask(path: &Path, names: &[String], limit: Duration) -> io::Result<String> {
    // An address of our own to answer to, without a file that could be left behind.
    let own = SocketAddr::from_abstract_name(format!("irsync-now-{}", std::process::id()))?;
    let socket = UnixDatagram::bind_addr(&own)?;
    socket.set_read_timeout(Some(limit))?;
    socket.send_to(names.join("\n").as_bytes(), path)?;
    let mut buffer = vec![0; LONGEST];
    let n = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}
