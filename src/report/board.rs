//! What stands on the board about a job: what it is doing now, and how its last sync ended. See [`super::slot`] for who
//! writes and who reads it.

use crate::job::{Outcome, Time};
use crate::os::clock;
pub use crate::rsync::complaint::Kind;
pub use crate::rsync::progress::Progress;
use std::time::{Duration, SystemTime};

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// `enabled = no`
    Disabled,
    /// Waiting for its next run.
    #[default]
    Waiting,
    /// Its owner has taken it out of turn (`irsync pause`).
    Paused,
    /// rsync runs.
    Syncing,
    /// A hook runs (its key is in `JobStatus::step`).
    Hook,
    /// rsync or a hook was told to end and has not ended yet.
    Stopping,
    /// It was killed and has not ended yet: it hangs in the kernel (D state).
    Unkillable,
    /// The job has ended: irsync is stopping.
    Stopped,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Disabled,
        State::Waiting,
        State::Paused,
        State::Syncing,
        State::Hook,
        State::Stopping,
        State::Unkillable,
        State::Stopped,
    ];

    /// The name in the status file.
    pub fn name(self) -> &'static str {
        match self {
            State::Disabled => "disabled",
            State::Waiting => "waiting",
            State::Paused => "paused",
            State::Syncing => "syncing",
            State::Hook => "hook",
            State::Stopping => "stopping",
            State::Unkillable => "unkillable",
            State::Stopped => "stopped",
        }
    }
}

/// A moment for people and for arithmetic: wall clock to show, monotonic to count with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// CLOCK_MONOTONIC
    pub mono: Time,
    /// For display; may be years off.
    pub wall: SystemTime,
}

/// How the last sync ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// When it ended.
    pub ended: Stamp,
    /// What it came to.
    pub outcome: Outcome,
    /// rsync's exit code; None when it was not started or died of a signal.
    pub code: Option<i32>,
    /// The code's name, the signal's, or what refused the run, e.g. `RERR_SOCKETIO`, `SIGKILL`, `require_mount`.
    pub reason: String,
    /// What a partial sync was about.
    pub kind: Option<Kind>,
    /// Why it was no success, for people: rsync's own most telling line where there is one. None after a success.
    pub why: Option<String>,
    /// How long rsync ran.
    pub duration: Duration,
    /// Regular files transferred, where rsync said.
    pub files: Option<u64>,
    /// Bytes sent and received, where rsync said.
    pub bytes: Option<u64>,
    /// Bytes of file data that had to come over the link, where rsync said.
    pub fetched: Option<u64>,
    /// Bytes of file data that an interrupted sync had left here.
    pub resumed: Option<u64>,
}

/// One job as seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// The section's name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// The key of the running hook (`run_before`, …), when `state` is `Hook`.
    pub step: Option<&'static str>,
    /// Since when.
    pub since: Option<Stamp>,
    /// When the next run starts, while waiting.
    pub next_run: Option<Stamp>,
    /// Process id of rsync or the hook.
    pub pid: Option<i32>,
    /// The running transfer.
    pub progress: Option<Progress>,
    /// The file rsync named last (with `-v` or `-i`).
    pub current_file: Option<String>,
    /// How the last sync ended.
    pub last: Option<LastRun>,
    /// The last success.
    pub last_success: Option<Stamp>,
    /// When the job was started, to count `stale_after` from before the first success.
    pub started: Option<Stamp>,
    /// `stale_after`
    pub stale_after: Option<Duration>,
    /// Deletions that wait for the owner.
    pub held: u64,
    /// The owner has rolled the set back (`irsync rollback`): no sync starts until he resumes.
    pub rolled_back: bool,
    /// Syncs in a row without success (`success` or `warning`).
    pub failures: u32,
    /// Syncs finished since irsync started, skipped ones included.
    pub runs: u64,
    /// Finished syncs by outcome, in the order of `Outcome::ALL`.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Syncs killed for a limit (`stalled`).
    pub stalls: u64,
    /// SIGKILLs sent because SIGTERM was not enough.
    pub kills: u64,
    /// Files transferred by all finished syncs.
    pub files_total: u64,
    /// Files that were repaired by all finished syncs.
    pub repaired_total: u64,
    /// Bytes sent and received by all finished syncs.
    pub bytes_total: u64,
    /// The version of rsync in use.
    pub rsync_version: Option<String>,
}

impl Stamp {
    /// This moment.
    pub fn now() -> Stamp {
        Stamp { mono: clock::now(), wall: clock::wall() }
    }

    /// A moment that lies ahead, or back, on the monotonic clock.
    pub fn at(mono: Time) -> Stamp {
        let now = Stamp::now();
        let wall = now.wall.checked_add(mono.since(now.mono)).and_then(|w| w.checked_sub(now.mono.since(mono)));
        Stamp { mono, wall: wall.unwrap_or(now.wall) }
    }
}
