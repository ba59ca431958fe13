//! The sockets of other processes, from `/proc/PID/fd` and `/proc/PID/net`, see proc(5) and proc_net_tcp in the kernel's
//! documentation.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader};

/// TCP_ESTABLISHED of the kernel's tcp_states.h; a UDP socket that is connected has the same.
const ESTABLISHED: u8 = 1;
const PORT_OF_NAMES: u16 = 53;

/// A TCP or UDP socket over IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Names it as long as it lives.
    pub inode: u64,
    /// Bytes that were written to it and that the other side has not acknowledged.
    pub unacknowledged: u64,
    tcp: bool,
    state: u8,
    remote_port: u16,
}

impl Socket {
    /// A TCP connection that stands.
    pub(crate) fn is_established(&self) -> bool {
        self.tcp && self.state == ESTABLISHED
    }

    /// It waits for a name server.
    pub(crate) fn asks_for_name(&self) -> bool {
        self.remote_port == PORT_OF_NAMES
    }
}

/// The sockets of a process, seen in its own network namespace; none where we may not look.
pub(crate) fn of(pid: i32) -> Vec<Socket> {
    let inodes = inodes(pid);
    let mut found = Vec::new();
    if inodes.is_empty() {
        return found;
    }
    for (table, tcp) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
        let Ok(file) = fs::File::open(format!("/proc/{pid}/net/{table}")) else { continue };
        // A machine may have thousands of sockets: one line after the other.
        let sockets = BufReader::new(file).lines().map_while(Result::ok).filter_map(|line| parse(&line, tcp));
        found.extend(sockets.filter(|socket| inodes.contains(&socket.inode)));
    }
    found
}

fn inodes(pid: i32) -> Vec<u64> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inode = |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    folder.flatten().filter_map(|entry| inode(fs::read_link(entry.path()).ok()?)).collect()
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`; the first line, which
/// names the columns, is none.
pub(super) fn parse(line: &str, tcp: bool) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let (_, port) = words.next()?.rsplit_once(':')?;
    let remote_port = u16::from_str_radix(port, 16).ok()?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let (queue, _) = words.next()?.split_once(':')?;
    let unacknowledged = u64::from_str_radix(queue, 16).ok()?;
    let inode = words.nth(4)?.parse().ok()?;
    Some(Socket { inode, unacknowledged, tcp, state, remote_port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line =
            "   1: 0202A8C0:D431 0101A8C0:0369 01 0001F400:00000000 01:00000014 00000000     0        0 31337 2 0 20";
        let socket = parse(line, true).unwrap();
        assert_eq!((socket.inode, socket.unacknowledged, socket.remote_port), (31337, 128_000, 873));
        assert!(socket.is_established() && !socket.asks_for_name());
        let v6 =
            "  0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 \
                  00:00000000 00000000     0        0 4711 1 0 100";
        let socket = parse(v6, true).unwrap();
        assert_eq!((socket.inode, socket.state, socket.is_established()), (4711, 10, false));
        for broken in
            ["", "  sl  local_address rem_address   st tx_queue rx_queue tr", "1: A:1 B:zz 01", "1: A:1 B:1 01 1:1"]
        {
            assert_eq!(parse(broken, true), None, "{broken}");
        }
    }

    #[test]
    fn own_sockets_are_seen_with_what_waits_in_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _receiver = listener.accept().unwrap();
        let names = UdpSocket::bind("127.0.0.1:0").unwrap();
        names.connect("127.0.0.1:53").unwrap();
        sender.set_nonblocking(true).unwrap();
        // Nobody reads: the kernel's buffers fill up.
        while sender.write(&[0; 65536]).is_ok() {}
        let me = std::process::id() as i32;
        let link = fs::read_link(format!("/proc/self/fd/{}", sender.as_raw_fd())).unwrap();
        let inode = link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap();
        let sockets = of(me);
        let ours = sockets.iter().find(|socket| socket.inode == inode).expect("our own socket");
        assert!(ours.is_established() && ours.unacknowledged > 0, "{ours:?}");
        assert!(sockets.iter().any(Socket::asks_for_name), "{sockets:?}");
    }
}
