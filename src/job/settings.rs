//! The limits and waits one job's decisions are made with.

use super::deletions::Rules;
use std::time::Duration;

/// Nine times out of a job's keys: the parser fills them, the state machine decides with them, and nobody copies them in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `interval`: end of one sync to start of the next.
    pub interval: Duration,
    /// `jitter`: random addition to waits.
    pub jitter: Jitter,
    /// `spread`: the first sync comes somewhere within so much of the start; zero: at once.
    pub spread: Duration,
    /// `activity_timeout`: rsync that makes no progress for this long is ended; None: never.
    pub activity_timeout: Option<Duration>,
    /// `max_runtime`: rsync is ended this long after it was started first in a sync; None: no limit.
    pub max_runtime: Option<Duration>,
    /// `stop_timeout`: from SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// `backoff_initial`: longest wait after the first failure; None: see [`super::backoff`].
    pub backoff_initial: Option<Duration>,
    /// `backoff_max`: longest wait after a failure; None: see [`super::backoff`].
    pub backoff_max: Option<Duration>,
    /// `hook_timeout`: a hook that runs this long is ended.
    pub hook_timeout: Duration,
    /// `recover_after`: run `run_recover` after this long without success, and every such period again; None: never.
    pub recover_after: Option<Duration>,
}

/// What a job's state machine needs to know of its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When to do what.
    pub limits: Limits,
    /// False for `irsync once`: the job ends after one sync.
    pub repeat: bool,
    /// Ask for a reboot after this long without success; None: never.
    pub reboot_after: Option<Duration>,
    /// What was changed has to be on the disk before a sync is over: `durable`, and the destination is on this machine.
    pub durable: bool,
    /// `atomic`: a new set is built beside the live one, and has to be published.
    pub atomic: bool,
    /// `run_before_publish` is set.
    pub before_publish: bool,
    /// How many sources there are: `source` and those of `fallback`.
    pub sources: usize,
    /// The options delete: what the owner allows.
    pub deletions: Option<Rules>,
    /// `run_before` is set.
    pub before: bool,
    /// `run_on_change` is set.
    pub on_change: bool,
    /// `run_on_failure` is set.
    pub on_failure: bool,
    /// `run_after` is set.
    pub after: bool,
}

/// A uniform random addition to waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Percent of the wait it is added to, 0 to 100.
    Percent(u8),
    /// At most this long.
    Duration(Duration),
}

impl Jitter {
    /// The longest addition to a wait of this length.
    pub fn span(self, wait: Duration) -> Duration {
        match self {
            Jitter::Percent(percent) => wait.saturating_mul(u32::from(percent)) / 100,
            Jitter::Duration(span) => span,
        }
    }
}
