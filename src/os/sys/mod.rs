//! The only unsafe code. Each function here is safe to call, and says why.
#![allow(unsafe_code)]

pub(crate) mod environment;
pub(crate) mod execute;
pub(crate) mod local_time;
pub(crate) mod relro;
pub(crate) mod terminal;
pub(crate) mod watchdog;

use environment::Environment;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Gid, Pid, Uid};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// How a child is set up between fork and exec. All of it is worked out before: nothing may be allocated there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// Handed on to the program, although it is close-on-exec in irsync.
    pub inherit: Option<RawFd>,
    /// oom_score_adj; None: as irsync's.
    pub oom_score_adj: Option<i16>,
    /// The soft limit of open files that irsync was started with; select(2) in old programs cannot cope with a larger one.
    pub open_files: Option<u64>,
    /// The umask that irsync was started with: what rsync makes is the owner's.
    pub umask: Option<Mode>,
    /// The soft limit RLIMIT_LOCKS, which means nothing to the kernel; see [`super::mark`].
    pub mark: Option<u64>,
    /// Nice value.
    pub nice: Option<i32>,
    /// ioprio_set(2) value.
    pub io_priority: Option<i32>,
    /// The group.
    pub gid: Option<Gid>,
    /// The supplementary groups, where there is a `gid` or a `uid`.
    pub groups: Vec<Gid>,
    /// The user.
    pub uid: Option<Uid>,
    /// The signal this child gets when the thread that started it ends.
    pub parent_death: Option<Signal>,
}

/// Makes `command` start in a session of its own and with this environment, set up as `setup` says.
pub(crate) fn set_up(command: &mut Command, setup: Setup, environment: Environment) {
    let parent = Pid::this();
    let prepare = move || {
        in_child(&setup, parent)?;
        environment.take_effect();
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe system calls are made; no memory is allocated, no lock taken.
    unsafe { command.pre_exec(prepare) };
}

fn in_child(setup: &Setup, parent: Pid) -> io::Result<()> {
    nix::unistd::setsid()?;
    // Its files in /proc are root's else, and what is written there below would be refused. exec(2) does the same a moment later.
    let _ = prctl::set_dumpable(true);
    if let Some(fd) = setup.inherit {
        // SAFETY: the descriptor is open in the parent and so in this copy of it.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) })?;
    }
    if let Some(score) = setup.oom_score_adj {
        // Before the user changes, afterwards the file is not ours. A kernel or container without it is no failure.
        let _ = write_oom_score(score);
    }
    if let Some(soft) = setup.open_files {
        let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, soft as libc::rlim_t, hard)?;
    }
    if let Some(umask) = setup.umask {
        nix::sys::stat::umask(umask);
    }
    if let Some(mark) = setup.mark {
        // Where a sandbox forbids it, the environment alone marks the process.
        let _ = set_mark(mark);
    }
    if let Some(nice) = setup.nice {
        // SAFETY: setpriority takes numbers only.
        check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    }
    if let Some(priority) = setup.io_priority {
        const IOPRIO_WHO_PROCESS: libc::c_int = 1;
        // SAFETY: ioprio_set takes numbers only.
        check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority) } as libc::c_int)?;
    }
    if setup.gid.is_some() || setup.uid.is_some() {
        if Uid::effective().is_root() {
            nix::unistd::setgroups(&setup.groups)?;
        }
        if let Some(gid) = setup.gid {
            nix::unistd::setgid(gid)?;
        }
        if let Some(uid) = setup.uid {
            nix::unistd::setuid(uid)?;
        }
        // Whoever gives rsync a user or a group takes rights away from it: no set-user-ID program gives them back. Neither rsync
        // nor ssh needs one. Linux 3.5 and up.
        let _ = prctl::set_no_new_privs();
    }
    // After the user has changed, which clears it; see prctl(2).
    if let Some(signal) = setup.parent_death {
        prctl::set_pdeathsig(signal)?;
        if Pid::parent() != parent {
            // irsync died before the line above: its death will not be signalled any more.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

/// By prlimit64(2) itself: rlim_t has 32 bits on some of our machines.
fn set_mark(mark: u64) -> io::Result<()> {
    // <linux/resource.h>: soft and hard limit, 64 bits each; RLIMIT_LOCKS is 10 on every architecture.
    const RLIMIT_LOCKS: libc::c_int = 10;
    let limits = [mark, u64::MAX];
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: `limits` is what the kernel reads as struct rlimit64; nothing is written.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, RLIMIT_LOCKS, limits.as_ptr(), none) } as libc::c_int)
}

fn write_oom_score(score: i16) -> nix::Result<()> {
    let mut digits = [0u8; 8];
    let mut at = digits.len();
    let mut rest = score.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if score < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    // SAFETY: the path is a C string; the descriptor is closed by the exec that follows.
    let fd = unsafe { libc::open(b"/proc/self/oom_score_adj\0".as_ptr().cast(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(nix::errno::Errno::last());
    }
    // SAFETY: pointer and length are those of the array's used part; fd was opened above.
    unsafe { libc::write(fd, digits[at..].as_ptr().cast(), digits.len() - at) };
    Ok(())
}

/// Ignores a signal from now on.
///
/// # Errors
/// EINVAL for SIGKILL and SIGSTOP.
pub(crate) fn ignore(signal: Signal) -> nix::Result<()> {
    // SAFETY: no handler is installed that could run at a bad moment.
    unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigIgn) }.map(drop)
}

/// Exchanges two entries of folders in one step: renameat2(2) with RENAME_EXCHANGE, which musl has no name for.
///
/// # Errors
/// EINVAL: this file system cannot do it. EBUSY, EXDEV: one is a mount point. ENOSYS: a kernel before 3.15.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    const RENAME_EXCHANGE: libc::c_uint = 2;
    let c_string = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
    let (one, other) = (c_string(one)?, c_string(other)?);
    // SAFETY: both are C strings that outlive the call, which only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            one.as_ptr(),
            libc::AT_FDCWD,
            other.as_ptr(),
            RENAME_EXCHANGE,
        )
    };
    check(result as libc::c_int)
}

/// What [`flock`] does with a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flock {
    /// Takes it, alone.
    Exclusive = (libc::LOCK_EX | libc::LOCK_NB) as isize,
    /// Takes it beside others of this kind.
    Shared = (libc::LOCK_SH | libc::LOCK_NB) as isize,
    /// Gives it back.
    Release = libc::LOCK_UN as isize,
}

/// flock(2), without waiting. Not nix's type: it panics where a lock cannot be given back, and brings the names of all errors along.
///
/// # Errors
/// EWOULDBLOCK when somebody has it; ENOLCK, and ENOSYS where a file system or kernel knows no such locks.
pub(crate) fn flock(file: &File, what: Flock) -> io::Result<()> {
    // SAFETY: the descriptor is the file's, which is open as long as it is borrowed.
    check(unsafe { libc::flock(file.as_raw_fd(), what as libc::c_int) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// fork(2), for a process that has one thread only.
///
/// # Errors
/// EAGAIN, ENOMEM.
pub(crate) fn fork_single_threaded() -> io::Result<ForkResult> {
    // Not in what is shipped: under qemu-user the emulator has a thread of its own, which it takes care of itself.
    #[cfg(debug_assertions)]
    assert_eq!(std::fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count()), 1, "a thread was started before");
    // SAFETY: with one thread the child is a whole process: no lock is held by a thread that it lacks. That there is
    // one is the caller's promise, which debug builds, and so the tests, hold it to.
    Ok(unsafe { nix::unistd::fork() }?)
}
