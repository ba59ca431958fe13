//! Whether a running rsync makes progress that its output does not show: what it reads and, when it sends, what the other
//! side has acknowledged.
#![forbid(unsafe_code)]

use super::procfs;
use super::sockets::{self, Socket};

/// What is acknowledged between two looks counts from this on: a keepalive of rsync (4 bytes) or ssh (some 100) is less.
const LEAST_ACKNOWLEDGED: u64 = 256;

/// How far a run has come with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// The name server has not answered yet.
    LookingUp,
    /// There is no connection yet.
    None,
    /// A connection stands.
    Established,
}

/// Looks at the processes of one run.
///
/// rsync alone is asked what it has read, because ssh reads its own keepalives while nothing moves. When it sends, what
/// it has written may sit in the kernel's buffers for minutes: then the send queues of its sockets, and of its remote
/// shell's, tell whether the other side takes anything.
#[derive(Debug)]
pub(crate) struct Sampler {
    leader: i32,
    program: Vec<u8>,
    sends: bool,
    known: Vec<(i32, u64)>,
    /// Send queues by inode, as they were last time.
    queues: Vec<(u64, u64)>,
    read: u64,
}

impl Sampler {
    /// Watches the session of `leader`: that process, and those named `rsync` or like `program`. `sends`: the destination
    /// is on another machine.
    pub(crate) fn new(leader: i32, program: &str, sends: bool) -> Sampler {
        let name = program.rsplit('/').next().unwrap_or(program);
        // As the kernel cuts it.
        let program = name.bytes().take(15).collect();
        Sampler { leader, program, sends, known: Vec::new(), queues: Vec::new(), read: 0 }
    }

    /// Whether anything has moved since the last call.
    pub(crate) fn moved(&mut self) -> bool {
        let read = self.has_read();
        (self.sends && self.was_acknowledged()) || read
    }

    /// Bytes that rsync's processes have read, as far as that was looked at. Programs and libraries are among them.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// How far it has come with its connection.
    pub(crate) fn connection(&self) -> Connection {
        let sockets: Vec<Socket> = self.family().into_iter().flat_map(sockets::of).collect();
        if sockets.iter().any(Socket::is_established) {
            Connection::Established
        } else if sockets.iter().any(Socket::asks_for_name) {
            Connection::LookingUp
        } else {
            Connection::None
        }
    }

    /// Others are looked for only when the ones known from last time have not read.
    fn has_read(&mut self) -> bool {
        let before = self.read;
        let read = &mut self.read;
        self.known.retain_mut(|(pid, last)| match procfs::rchar(*pid) {
            Some(now) => {
                *read = read.saturating_add(now.saturating_sub(*last));
                *last = now;
                true
            }
            None => false,
        });
        if self.read == before {
            self.find_new();
        }
        self.read > before
    }

    /// In the whole of `/proc` only where the kernel does not tell whose children there are.
    fn family(&self) -> Vec<i32> {
        let candidates = procfs::family(self.leader).unwrap_or_else(|| procfs::pids().collect());
        let of_session = |&pid: &i32| procfs::stat(pid).is_some_and(|stat| stat.session == self.leader);
        candidates.into_iter().filter(of_session).collect()
    }

    fn find_new(&mut self) {
        for pid in self.family() {
            if self.known.iter().any(|(known, _)| *known == pid) {
                continue;
            }
            let is_rsync = |comm: &[u8]| pid == self.leader || comm == b"rsync" || comm == self.program;
            if procfs::stat(pid).is_some_and(|stat| is_rsync(&stat.comm)) {
                if let Some(read) = procfs::rchar(pid) {
                    self.known.push((pid, read));
                    self.read = self.read.saturating_add(read);
                }
            }
        }
    }

    /// A send queue that has become shorter: the other side has acknowledged what is missing. That it grows says only
    /// that something was written.
    fn was_acknowledged(&mut self) -> bool {
        let before = std::mem::take(&mut self.queues);
        for socket in self.family().into_iter().flat_map(sockets::of).filter(Socket::is_established) {
            self.queues.push((socket.inode, socket.unacknowledged));
        }
        before.iter().any(|(inode, was)| {
            let now = self.queues.iter().find(|(other, _)| other == inode);
            now.is_some_and(|(_, now)| was.saturating_sub(*now) >= LEAST_ACKNOWLEDGED)
        })
    }
}
