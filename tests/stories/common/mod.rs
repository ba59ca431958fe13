//! The rig: a directory per story, an INI file, the real binary, waiting for conditions, a full account on failure,
//! and nothing left running.
//!
//! `IRSYNC_BIN` names another binary to test, `IRSYNC_RUNNER` a program to run it with (`qemu-arm`).
//! Timings come from the INI file; a test waits for what must happen and never for time to pass.

pub mod daemon;
pub mod fake;
mod instance;
pub mod json;
pub mod mount;
pub mod process;
pub mod xattr;

pub use instance::Irsync;

use process::Process;
use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for what must happen: long enough for an emulated processor on a busy machine, unless
/// `IRSYNC_TEST_LIMIT` says how many seconds it is to be.
pub fn limit() -> Duration {
    let seconds = std::env::var("IRSYNC_TEST_LIMIT").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Set before the first section unless the story sets them: quick, and without chance.
const DEFAULTS: [(&str, &str); 10] = [
    ("status_file", "DIR/status"),
    ("log_level", "debug"),
    ("rsync", "FAKE"),
    ("interval", "1h"),
    ("jitter", "0"),
    ("spread", "0"),
    ("activity_timeout", "10m"),
    ("stop_timeout", "20s"),
    ("backoff_initial", "50ms"),
    ("backoff_max", "100ms"),
];

/// One story: its directory and everything that runs for it.
pub struct Rig {
    story: &'static str,
    dir: PathBuf,
    marker: (String, String),
    environment: RefCell<Vec<(String, String)>>,
    started: RefCell<Vec<Started>>,
}

struct Started {
    command: String,
    log: PathBuf,
    pid: i32,
}

impl Rig {
    pub fn new(story: &'static str) -> Rig {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{story}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = base().join(&unique);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&dir).expect("cannot make the story's directory");
        Rig {
            story,
            dir,
            marker: ("IRSYNC_TEST".into(), unique),
            environment: RefCell::default(),
            started: RefCell::default(),
        }
    }

    /// A path in the story's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file in the story's directory, with the folders it needs, and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a path in the directory has a parent")).expect("cannot make a folder");
        fs::write(&path, content).expect("cannot write a file");
        path
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// Writes `irsync.ini`. `DIR` stands for the story's directory, `FAKE` for the fake rsync; keys of [`DEFAULTS`]
    /// that the story does not set before its first section are added. Only its owner can read it.
    pub fn ini(&self, text: &str) -> PathBuf {
        self.ini_named("irsync.ini", text)
    }

    pub fn ini_named(&self, name: &str, text: &str) -> PathBuf {
        let globals = if text.starts_with('[') { "" } else { text.split("\n[").next().unwrap_or_default() };
        let given = |key: &str| globals.lines().any(|line| line.split('=').next().map(str::trim) == Some(key));
        let mut whole = String::new();
        for (key, value) in DEFAULTS.iter().filter(|(key, _)| !given(key)) {
            whole.push_str(&format!("{key} = {value}\n"));
        }
        whole.push_str(text);
        let whole = whole.replace("DIR", self.dir.to_str().expect("UTF-8")).replace("FAKE", fake::PROGRAM);
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("cannot write the INI");
        file.write_all(whole.as_bytes()).expect("cannot write the INI");
        path
    }

    /// A variable for every irsync started from now on.
    pub fn set_env(&self, name: &str, value: &str) {
        self.environment.borrow_mut().push((name.into(), value.into()));
    }

    /// A PATH on which `rsync` is the fake one.
    pub fn fake_path(&self) -> String {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).expect("cannot make bin");
        let _ = std::os::unix::fs::symlink(fake::PROGRAM, bin.join("rsync"));
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
    }

    /// The command that runs irsync with these arguments in the story's directory; `irsync.ini` is its configuration
    /// where the first argument is a subcommand and names no other.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = irsync();
        if [
            "run", "check", "once", "now", "status", "history", "allow", "rollback", "pause", "resume", "reload",
            "stop",
        ]
        .contains(arguments.first().unwrap_or(&""))
            && !arguments.contains(&"--config")
        {
            command.arg("--config").arg(self.path("irsync.ini"));
        }
        command.args(arguments).current_dir(&self.dir).env(&self.marker.0, &self.marker.1).env_remove("RSYNC_PASSWORD");
        command.envs(self.environment.borrow().iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts irsync; what it says goes to a file.
    pub fn start(&self, arguments: &[&str]) -> Irsync {
        self.start_command(self.command(arguments))
    }

    /// Starts a command that becomes irsync; where it set no standard error of its own, [`Irsync::log`] reads it.
    pub fn start_command(&self, mut command: Command) -> Irsync {
        let log = self.path(&format!("irsync-{}.log", self.started.borrow().len() + 1));
        command.stdin(Stdio::null()).stdout(open(&log)).stderr(open(&log));
        self.spawn(command, log)
    }

    /// Starts a command whose standard output and error the story has chosen; `log` is where they are to be read.
    pub fn spawn(&self, mut command: Command, log: PathBuf) -> Irsync {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let started = Started { command: format!("{command:?}"), log: log.clone(), pid: child.id() as i32 };
        self.started.borrow_mut().push(started);
        Irsync::new(child, log)
    }

    /// Runs irsync to its end, which must come within [`limit`].
    pub fn run(&self, arguments: &[&str]) -> Output {
        let count = self.started.borrow().len() + 1;
        let (out, err) = (self.path(&format!("run-{count}.out")), self.path(&format!("run-{count}.err")));
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(open(&out)).stderr(open(&err));
        let mut irsync = self.spawn(command, err.clone());
        let status = irsync.wait();
        Output { status, stdout: fs::read(out).unwrap_or_default(), stderr: fs::read(err).unwrap_or_default() }
    }

    /// The value of a key in a job's section of the status file.
    pub fn status(&self, job: &str, key: &str) -> Option<String> {
        let text = self.read("status");
        let section =
            text.split("\n[").find(|part| part.trim_start_matches('[').starts_with(&format!("job:{job}]")))?;
        let value =
            |line: &str| line.split_once('=').filter(|(name, _)| name.trim() == key).map(|(_, v)| v.trim().to_owned());
        section.lines().find_map(value)
    }

    /// Every live process of this story but irsync itself: rsync, hooks, and whatever these started.
    pub fn rsync_processes(&self) -> Vec<Process> {
        let binary = binary();
        self.leftovers().into_iter().filter(|process| !process.runs(&binary)).collect()
    }

    /// Every live process of this story but the irsyncs that the story itself started: what must be empty after them.
    pub fn leftovers(&self) -> Vec<Process> {
        let started = self.started.borrow();
        let ours = |process: &Process| started.iter().any(|one| one.pid == process.pid);
        process::marked(&self.marker()).into_iter().filter(|process| !ours(process)).collect()
    }

    /// The guard process of the irsync that runs, once it bears its name.
    pub fn guard(&self) -> i32 {
        let name = |pid: i32| fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let mut found = None;
        wait_until("the guard", || {
            found = self.leftovers().iter().map(|process| process.pid).find(|&pid| name(pid) == b"sync-guard\n");
            found.is_some()
        });
        found.expect("waited for")
    }

    pub fn marker(&self) -> String {
        format!("{}={}", self.marker.0, self.marker.1)
    }

    /// Fails at once if anything that irsync started is alive; its own helper may take a moment more.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left = self.rsync_processes();
        assert!(left.is_empty(), "left running: {left:#?}");
        self.wait_nothing_left();
    }

    /// For ends that irsync cannot order: the kernel does it, a moment later.
    #[track_caller]
    pub fn wait_nothing_left(&self) {
        wait_until("nothing of irsync's to be left", || self.leftovers().is_empty());
    }

    fn account(&self) -> String {
        let mut text = format!("\n==== {}: {}\n", self.story, self.dir.display());
        for one in self.started.borrow().iter() {
            text.push_str(&format!("---- {} (pid {})\n{}\n", one.command, one.pid, tail(&one.log)));
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".ini") || name == "status" || name == "rsyncd.log" || name == "rsyncd.conf" {
                text.push_str(&format!("---- {name}\n{}\n", tail(&entry.path())));
            }
        }
        text.push_str(&format!("---- processes\n{:#?}\n---- files\n", process::marked(&self.marker())));
        list(&self.dir, &mut text);
        text
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            eprintln!("{}", self.account());
        }
        process::kill_marked(&self.marker());
        if !failed {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Where the stories' directories are: as root irsync obeys no files below a folder of somebody else, and a checkout may be
/// somebody else's.
fn base() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let owner = |path: &Path| fs::metadata(path).map_or(0, |found| std::os::unix::fs::MetadataExt::uid(&found));
    match nix::unistd::geteuid().is_root() && target.ancestors().any(|path| owner(path) != 0) {
        true => std::env::temp_dir(),
        false => target.to_owned(),
    }
}

/// A command that runs irsync as it is: for stories that need no rig.
pub fn irsync() -> Command {
    match std::env::var_os("IRSYNC_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(binary());
            command
        }
        None => Command::new(binary()),
    }
}

/// The binary under test.
pub fn binary() -> PathBuf {
    let path =
        std::env::var_os("IRSYNC_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_irsync")), PathBuf::from);
    fs::canonicalize(&path).unwrap_or(path)
}

/// Polls until `condition` holds; fails after [`limit`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(comes_true(condition), "waited {:?} for {what}", limit());
}

/// Polls until `condition` holds or [`limit`] has passed.
pub fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let (started, limit) = (Instant::now(), limit());
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Removes a folder in which irsync may be writing: one that is no longer empty by then is removed once more.
#[track_caller]
pub fn remove_folder(path: &Path) {
    wait_until("a folder to be gone", || fs::remove_dir_all(path).is_ok());
}

/// Says that a story is left out, past the capture of a passing test's output: that must not happen in silence.
pub fn skipped(story: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {story}: {why}");
}

/// Whether the binary is run by an emulator (`IRSYNC_RUNNER`): then /proc tells of that.
pub fn is_emulated(story: &str) -> bool {
    let emulated = std::env::var_os("IRSYNC_RUNNER").is_some();
    if emulated {
        skipped(story, "the processor is emulated");
    }
    emulated
}

/// Whether the tests may mount file systems.
pub fn is_root(story: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(story, "needs root");
    }
    root
}

/// Whether PATH has this program.
pub fn is_executable(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `1.2s`, `350ms`, `1h 5m` or `1h5m` as irsync writes durations.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut sum = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + letters] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        sum += number * unit;
        rest = rest[digits + letters..].trim_start();
    }
    Some(Duration::from_secs_f64(sum))
}

fn open(path: &Path) -> fs::File {
    fs::OpenOptions::new().create(true).append(true).open(path).expect("cannot open a log")
}

/// The last 20 KiB of a file.
fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(20 << 10)..]).into_owned()
}

fn list(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        text.push_str(&format!("{size:>10} {}\n", entry.path().display()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), text);
        }
    }
}
