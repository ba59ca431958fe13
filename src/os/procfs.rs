//! What `/proc` tells of other processes, see proc(5). Everything here is a snapshot that may be old when it is used.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Read};

/// Fields of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// File name of the program, at most 15 bytes: the kernel may have cut it in the middle of a letter.
    pub comm: Vec<u8>,
    /// `R`, `S`, `D` (hangs in the kernel), `T` (stopped), `Z` (dead, not reaped), …
    pub state: char,
    /// Parent.
    pub ppid: i32,
    /// Session.
    pub session: i32,
    /// Start, in clock ticks since boot: with the pid it names a process for ever.
    pub start: u64,
}

/// The process ids there are now; empty without `/proc`.
pub(crate) fn pids() -> impl Iterator<Item = i32> {
    all_pids().into_iter().flatten()
}

/// The same for whoever must know that he has seen them.
///
/// # Errors
/// EMFILE.
pub(crate) fn all_pids() -> io::Result<impl Iterator<Item = i32>> {
    Ok(fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// A process and all that descends from it; None where the kernel does not tell (CONFIG_PROC_CHILDREN).
pub(crate) fn family(leader: i32) -> Option<Vec<i32>> {
    let mut found = vec![leader];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        match fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
            Ok(children) => found.extend(children.split_ascii_whitespace().filter_map(|word| word.parse::<i32>().ok())),
            Err(_) if at == 0 => return None,
            Err(_) => {}
        }
        at += 1;
    }
    Some(found)
}

/// None if it has gone, or without `/proc`.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name stands in parentheses and may itself contain any of them, spaces, and what is no text.
pub(super) fn parse_stat(line: &[u8]) -> Option<Stat> {
    let (open, close) = (line.iter().position(|&b| b == b'(')?, line.iter().rposition(|&b| b == b')')?);
    let fields: Vec<&str> = std::str::from_utf8(line.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
    Some(Stat {
        comm: line.get(open + 1..close)?.to_owned(),
        state: fields.first()?.chars().next()?,
        ppid: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// Bytes the process has asked to read so far; None where the kernel does not count (CONFIG_TASK_IO_ACCOUNTING) or
/// does not let us see it.
pub(crate) fn rchar(pid: i32) -> Option<u64> {
    parse_rchar(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?)
}

pub(super) fn parse_rchar(text: &str) -> Option<u64> {
    text.lines().next()?.strip_prefix("rchar: ")?.trim().parse().ok()
}

/// The command line of a process, each word with a zero byte after it.
pub(crate) fn command_line(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty())
}

/// What of `entry` on stands in the environment the process was started with: for `NAME=` the value, cut at
/// [`LONGEST_VALUE`]. None: no variable begins so. Read piece by piece: environments are large, hold other people's secrets,
/// and are none of what our memory should keep.
///
/// # Errors
/// EACCES for what is not ours, ENOENT for what has gone, EMFILE.
pub(crate) fn environ(pid: i32, entry: &[u8]) -> io::Result<Option<Vec<u8>>> {
    Ok(variable(&mut fs::File::open(format!("/proc/{pid}/environ"))?, entry))
}

pub(super) fn variable(environ: &mut dyn Read, entry: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = [0; 1024];
    // How much of `entry` the current variable has matched; None: it is another one.
    let mut matched = Some(0);
    let mut value = Vec::new();
    while let Ok(n @ 1..) = environ.read(&mut buffer) {
        for &byte in &buffer[..n] {
            matched = match matched {
                Some(at) if at == entry.len() && (byte == 0 || value.len() == LONGEST_VALUE) => return Some(value),
                Some(at) if at == entry.len() => {
                    value.push(byte);
                    matched
                }
                _ if byte == 0 => Some(0),
                Some(at) if entry[at] == byte => Some(at + 1),
                _ => None,
            };
        }
    }
    (matched == Some(entry.len())).then_some(value)
}

/// Longer than any of ours.
pub(super) const LONGEST_VALUE: usize = 128;

/// The pid by which a process knows itself, in the innermost of its PID namespaces. None where the kernel does not tell.
pub(crate) fn innermost_pid(pid: i32) -> Option<i32> {
    parse_innermost(&fs::read(format!("/proc/{pid}/status")).ok()?)
}

pub(super) fn parse_innermost(status: &[u8]) -> Option<i32> {
    let line = status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().last()?.parse().ok()
}

/// The user that a process runs as.
pub(crate) fn uid(pid: i32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|folder| std::os::unix::fs::MetadataExt::uid(&folder))
}

/// Whether orphans were given to us, as child subreaper or PID 1; None where the kernel does not tell
/// (CONFIG_PROC_CHILDREN). A child belongs to the thread that started it, and the main thread starts none: what it has
/// are orphans, see find_new_reaper() in the kernel; all but `guard`.
pub(crate) fn has_orphans(guard: i32) -> Option<bool> {
    let pid = std::process::id();
    let mut children = fs::File::open(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    // Room for a pid, its space, and the beginning of another.
    let mut list = [0; 12];
    let n = children.read(&mut list).ok()?;
    let list = std::str::from_utf8(&list[..n]).unwrap_or_default();
    Some(n > 0 && list.trim_end().parse() != Ok(guard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_any_program_name() {
        let text = "42 (a) b (c)) S 7 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31337 1000 200";
        let stat = parse_stat(text.as_bytes()).unwrap();
        assert_eq!(stat.comm, b"a) b (c)");
        assert_eq!((stat.state, stat.ppid, stat.session, stat.start), ('S', 7, 40, 31337));
        for broken in ["", "42", "42 (x", "42 (x) S", ")(", "42 (x) S 1 2 3"] {
            assert_eq!(parse_stat(broken.as_bytes()), None, "{broken:?}");
        }
        // Cut by the kernel after 15 bytes, in the middle of a letter.
        let line = [b"42 (rsync-f\xc3\xbcr-Ger\xc3) ", &text.as_bytes()[text.find("S 7").unwrap()..]].concat();
        assert_eq!(parse_stat(&line).map(|stat| stat.session), Some(40));
    }

    #[test]
    fn a_family_is_a_process_and_its_descendants() {
        use std::process::{Command, Stdio};
        let Some(_) = family(std::process::id() as i32) else { return };
        // The shell has a child of its own, which is ours as well.
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.take().unwrap()), &mut line).unwrap();
        let (leader, sleeper) = (shell.id() as i32, line.trim().parse().unwrap());
        assert_eq!(family(leader), Some(vec![leader, sleeper]));
        shell.kill().unwrap();
        shell.wait().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeper), nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    #[test]
    fn own_process_is_seen() {
        let me = std::process::id() as i32;
        assert!(pids().any(|pid| pid == me));
        assert!(stat(me).unwrap().start > 0);
        assert_eq!(environ(me, b"IRSYNC_NO_SUCH_VARIABLE=").unwrap(), None);
        let path = std::env::var_os("PATH").unwrap().into_encoded_bytes();
        assert_eq!(environ(me, b"PATH=").unwrap().unwrap(), path[..path.len().min(LONGEST_VALUE)]);
        assert_eq!(environ(me, b"ATH=").unwrap(), None, "only from the beginning of a variable");
    }
}
