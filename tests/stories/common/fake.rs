//! What the fake rsync left behind in its destination.

use super::{process, wait_until, Rig};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake-rsync");

/// The records of one destination.
pub struct Fake {
    dir: PathBuf,
}

/// A start or an end.
#[derive(Clone)]
pub struct Record {
    pub pid: i32,
    /// Since boot, in steps of 10 ms.
    pub at: Duration,
    /// The behaviour, or the exit code.
    what: String,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} (pid {}, {:?} after boot)", self.what, self.pid, self.at)
    }
}

impl Rig {
    /// What the fake rsync left in this destination of the story's directory.
    pub fn fake(&self, destination: &str) -> Fake {
        Fake { dir: self.path(destination) }
    }
}

impl Fake {
    pub fn runs(&self) -> usize {
        self.starts().len()
    }

    /// Waits until it has been started this many times.
    #[track_caller]
    pub fn wait_runs(&self, count: usize) {
        wait_until(&format!("run {count} of the fake rsync in {}", self.dir.display()), || self.runs() >= count);
    }

    /// Waits until it has ended by itself this many times.
    #[track_caller]
    pub fn wait_ends(&self, count: usize) {
        wait_until(&format!("end {count} of the fake rsync in {}", self.dir.display()), || self.ends().len() >= count);
    }

    pub fn starts(&self) -> Vec<Record> {
        self.records("runs")
    }

    pub fn ends(&self) -> Vec<Record> {
        self.records("ends")
    }

    /// The process id of the last run.
    pub fn pid(&self) -> i32 {
        self.starts().last().expect("it ran").pid
    }

    /// What it started and left behind.
    pub fn others(&self) -> Vec<i32> {
        self.lines("others").iter().filter_map(|line| line.parse().ok()).collect()
    }

    /// SIGTERMs noted.
    pub fn terms(&self) -> usize {
        self.lines("terms").len()
    }

    /// The arguments of run N, counted from 1.
    pub fn arguments(&self, run: usize) -> Vec<String> {
        self.lines(&format!("argv.{run}"))
    }

    /// A variable in the environment of run N.
    pub fn variable(&self, run: usize, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        self.lines(&format!("env.{run}")).iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    /// Lets a run of the behaviours that wait for it end.
    pub fn go(&self) {
        fs::write(self.dir.join("go"), "").expect("cannot write go");
    }

    /// Promise 3: never two rsyncs of one job.
    #[track_caller]
    pub fn assert_never_two(&self) {
        assert!(!self.dir.join("overlap").exists(), "two at a time: {:?}", self.starts());
        let alive = self.starts().iter().filter(|run| process::alive(run.pid)).count();
        assert!(alive <= 1, "{alive} alive: {:?}", self.starts());
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&fs::read(self.dir.join(name)).unwrap_or_default()).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    fn records(&self, name: &str) -> Vec<Record> {
        let record = |line: &String| {
            let mut words = line.split(' ');
            let pid = words.next()?.parse().ok()?;
            let at = Duration::from_secs_f64(words.next()?.parse().ok()?);
            Some(Record { pid, at, what: words.next()?.to_owned() })
        };
        self.lines(name).iter().filter_map(record).collect()
    }
}
