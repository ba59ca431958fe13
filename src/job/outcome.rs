//! How a sync ended, and what that means for the next one.

/// The outcome of one finished sync. `rsync::outcome` derives it from rsync's exit code and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Code 0.
    Success,
    /// Code 24: files vanished on the sender while rsync ran. There is nothing to repair.
    Warning,
    /// Codes 23 and 25: some files were not transferred, or the deletion limit was reached.
    Partial,
    /// Everything the server has is here; deletions wait for the owner (`max_shrink`, `--max-delete`).
    Held,
    /// The daemon has no free connection (`max connections`).
    Busy,
    /// The network, the server or a process failed in a way that may heal by itself.
    Transient,
    /// Usage, authentication, unknown module: every sync will fail until somebody changes something.
    Permanent,
    /// No space left on the destination.
    Disk,
    /// Killed by irsync because of a limit.
    Stalled,
    /// rsync was not started: a precondition did not hold, another job had the lock, or `run_before` failed.
    Skipped,
}

/// What follows a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Wait for the interval.
    Interval,
    /// Wait for the exponential back-off.
    Backoff,
    /// Wait for the longest back-off at once.
    LongestBackoff,
}

impl Outcome {
    /// Every outcome, in the order of the documentation.
    pub const ALL: [Outcome; 10] = [
        Outcome::Success,
        Outcome::Warning,
        Outcome::Partial,
        Outcome::Held,
        Outcome::Busy,
        Outcome::Transient,
        Outcome::Permanent,
        Outcome::Disk,
        Outcome::Stalled,
        Outcome::Skipped,
    ];

    /// The name in logs, status file and `IRSYNC_RESULT`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Warning => "warning",
            Outcome::Partial => "partial",
            Outcome::Held => "held",
            Outcome::Busy => "busy",
            Outcome::Transient => "transient",
            Outcome::Permanent => "permanent",
            Outcome::Disk => "disk",
            Outcome::Stalled => "stalled",
            Outcome::Skipped => "skipped",
        }
    }

    /// Success and warning: the destination is in step with the source.
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Success | Outcome::Warning)
    }

    /// Every file that the server has, or that the owner asks for, is here.
    pub fn is_complete(self) -> bool {
        self.is_success() || self == Outcome::Held
    }

    /// When the next sync follows. A partial one that brought nothing new is another matter: see `job::machine::conclude`.
    pub fn pace(self) -> Pace {
        match self {
            Outcome::Success | Outcome::Warning | Outcome::Partial | Outcome::Held => Pace::Interval,
            Outcome::Busy | Outcome::Transient | Outcome::Disk | Outcome::Stalled | Outcome::Skipped => Pace::Backoff,
            Outcome::Permanent => Pace::LongestBackoff,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
