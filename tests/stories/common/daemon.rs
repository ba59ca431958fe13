//! A real rsync daemon on loopback, which can be frozen, killed and brought back on the same port.

use super::{comes_true, is_executable, process, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The user and the password that `AUTH` lets in.
pub const USER: &str = "device";
pub const PASSWORD: &str = "s3cret-of-the-fleet";

/// Lines of rsyncd.conf for a module that wants a password.
pub const AUTH: &str = "auth users = device\nsecrets file = DIR/rsyncd.secrets\n";

/// A running daemon with one module, `data`, at `DIR/served`.
pub struct Daemon {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Whether the installed rsync can be used; says so where it cannot.
pub fn has_rsync(story: &str) -> bool {
    let found = is_executable("rsync");
    if !found {
        super::skipped(story, "needs rsync in PATH");
    }
    found
}

impl Rig {
    /// Starts a daemon; `module` adds lines to its module's section, `DIR` stands for the story's directory.
    pub fn daemon(&self, module: &str) -> Daemon {
        let dir = self.path("");
        fs::create_dir_all(dir.join("served")).expect("cannot make served");
        let secrets = self.write("rsyncd.secrets", format!("{USER}:{PASSWORD}\n"));
        fs::set_permissions(secrets, fs::Permissions::from_mode(0o600)).expect("cannot chmod");
        let mut daemon = Daemon { dir, port: 0, child: None };
        for _ in 0..20 {
            // Somebody else may take the port between this and the daemon's bind: then it ends, and we try another.
            daemon.port = free_port();
            self.write("rsyncd.conf", daemon.configuration(module));
            daemon.launch();
            if daemon.answers() {
                return daemon;
            }
        }
        panic!("cannot start an rsync daemon: {}", self.read("rsyncd.log"));
    }
}

impl Daemon {
    /// `rsync://127.0.0.1:PORT/data/`
    pub fn url(&self) -> String {
        format!("rsync://127.0.0.1:{}/data/", self.port)
    }

    /// The same with the user that the password is for.
    pub fn user_url(&self) -> String {
        format!("rsync://{USER}@127.0.0.1:{}/data/", self.port)
    }

    /// Stops the daemon and the process it forked for each connection; their sockets stay open.
    pub fn freeze(&self) {
        self.signal_group(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal_group(Signal::SIGCONT);
    }

    /// SIGKILL to all of it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            process::send(-(child.id() as i32), Signal::SIGKILL);
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.kill();
        // The port may still be held by what the kernel has not yet cleared away.
        let back = comes_true(|| {
            self.launch();
            self.answers()
        });
        assert!(back, "the rsync daemon did not come back");
    }

    /// Takes one of the module's connections and holds it for as long as the socket is kept.
    pub fn occupy(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("cannot connect");
        stream.write_all(b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\ndata\n").expect("cannot greet");
        stream.set_read_timeout(Some(super::limit())).expect("cannot set a timeout");
        let mut seen = Vec::new();
        let mut buffer = [0; 256];
        while !String::from_utf8_lossy(&seen).contains("@RSYNCD: OK") {
            let count = stream.read(&mut buffer).expect("cannot read");
            assert!(count > 0, "the daemon refused: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
        stream
    }

    fn configuration(&self, module: &str) -> String {
        // Root's daemon would serve as nobody, who cannot read the story's directory; others may not change at all.
        let account = if nix::unistd::geteuid().is_root() { "uid = 0\ngid = 0\n" } else { "" };
        let dir = self.dir.display();
        let text = format!(
            "address = 127.0.0.1\nport = {}\nuse chroot = no\n{account}reverse lookup = no\n\
             log file = DIR/rsyncd.log\nlock file = DIR/rsyncd.lock\n\n[data]\npath = DIR/served\n{module}\n",
            self.port
        );
        text.replace("DIR/", &format!("{}/", dir.to_string().trim_end_matches('/')))
    }

    fn launch(&mut self) {
        self.kill();
        let config = format!("--config={}", self.dir.join("rsyncd.conf").display());
        let mut command = Command::new("rsync");
        // A group of its own, so that one signal reaches the daemon and what it forks.
        command.args(["--daemon", "--no-detach", &config]).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("cannot start the rsync daemon"));
    }

    /// Waits until it greets; false once it has ended.
    fn answers(&mut self) -> bool {
        let port = self.port;
        let log = self.dir.join("rsyncd.log");
        let child = self.child.as_mut().expect("launched");
        let mut ended = false;
        // What greets may be the daemon of another story that has the port, while ours is about to fail for that.
        let is_ours = || fs::read_to_string(&log).is_ok_and(|log| log.contains("connect from"));
        comes_true(|| {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || (greets(port) && is_ours())
        }) && !ended
    }

    fn signal_group(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the daemon runs");
        process::send(-(child.id() as i32), signal);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut greeting = [0; 7];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"@RSYNCD"
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("cannot get a port").port()
}

/// The size of the file that rsync is writing in this folder under its temporary name (`.NAME.XXXXXX`).
pub fn temporary_size(folder: &Path) -> u64 {
    let is_temporary = |name: &str| name.starts_with('.') && name.matches('.').count() >= 2;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let temporary = entries.filter(|entry| is_temporary(&entry.file_name().to_string_lossy()));
    temporary.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
}
