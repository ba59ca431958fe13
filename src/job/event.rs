//! The events that a job's state machine takes, and the actions that it answers with.

use super::calendar::Gate;
use super::deletions::{Counted, Held};
use super::{Outcome, Settings};
use std::time::Duration;

/// A child process of a job, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `rsync --version`, before the first sync and whenever its answer may have changed.
    Probe,
    /// `run_before`
    Before,
    /// rsync itself.
    Rsync,
    /// syncfs(2): what rsync has written goes to the disk.
    Flush,
    /// `run_before_publish`
    BeforePublish,
    /// The new set takes the place of the live one.
    Publish,
    /// What rsync has left behind in the destination is removed.
    Tidy,
    /// `run_on_change`
    OnChange,
    /// `run_on_failure`
    OnFailure,
    /// `run_after`
    After,
    /// `run_recover`
    Recover,
    /// The set before takes the place of the live one again, and no sync follows until [`Step::Resume`].
    Rollback,
    /// What keeps syncs away after a [`Step::Rollback`] is removed.
    Resume,
}

impl Step {
    /// The key of the hook, or `rsync`.
    pub fn name(self) -> &'static str {
        match self {
            Step::Probe => "rsync --version",
            Step::Before => "run_before",
            Step::Rsync => "rsync",
            Step::Flush => "syncfs",
            Step::BeforePublish => "run_before_publish",
            Step::Publish => "publish",
            Step::Tidy => "tidying",
            Step::OnChange => "run_on_change",
            Step::OnFailure => "run_on_failure",
            Step::After => "run_after",
            Step::Recover => "run_recover",
            Step::Rollback => "rollback",
            Step::Resume => "resume",
        }
    }
}

/// Why irsync sends SIGTERM to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No progress for `activity_timeout`, or for what it had grown to.
    NoProgress(Duration),
    /// The sync ran for `max_runtime`, or a hook for `hook_timeout`.
    TooLong(Duration),
    /// No success for `recover_after`, and in that time it has moved no data of files: `run_recover` is to run.
    NoSuccess(Duration),
    /// Its remote shell asks something, and nobody is there to answer.
    Asks,
    /// The window has closed: the next sync resumes when it opens.
    Window,
    /// The owner's `bwlimit` has become lower than what rsync was started with: it is started again at once.
    Slower,
    /// The owner wants to see the set before again.
    Rollback,
    /// irsync or the job is stopping.
    Stop,
}

impl Cause {
    /// The owner's hours or his orders have ended the sync: that says nothing of the server or of this board.
    pub(super) fn is_no_failure(&self) -> bool {
        matches!(self, Cause::Window | Cause::Slower | Cause::Rollback)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; a no-op before the deadline.
    Tick,
    /// Answer to [`Action::Begin`]: the lock is held.
    Began {
        /// The program has to be asked for its version before it is used.
        probe: bool,
        /// This sync compares contents.
        verify: bool,
    },
    /// Answer to [`Action::Begin`] or to `Start(Rsync)`: somebody else holds the destination, or a precondition of the owner
    /// does not hold.
    Refused,
    /// Answer to [`Action::Start`]: the child runs.
    Started,
    /// Answer to [`Action::Start`]: it was not started; what that means for the sync if it was to be rsync.
    NotStarted(Outcome),
    /// The child wrote something.
    Activity,
    /// rsync's remote shell has asked something.
    Asked,
    /// What the clock says of `window`, and whether `bwlimit` is lower now than when rsync was started.
    Clock {
        /// None: syncs may run at any time, and nobody need look again.
        gate: Option<Gate>,
        /// The limit has fallen.
        slower: bool,
    },
    /// rsync has completed so many files and moved so many bytes of file data since its start.
    Moved {
        /// Files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Answer to [`Action::Sample`]: whether rsync has read anything since the last sample. Where file data can be told
    /// only by what rsync reads, [`Event::Moved`] goes before it.
    Sampled(bool),
    /// rsync has said that it could not ask its server: there is no network, no route or no name.
    Unreached,
    /// A hook or the probe has ended, and all it started is gone; true: with code 0.
    Exited(bool),
    /// rsync has ended and may have left something behind; [`Event::Synced`] follows.
    Untidy,
    /// rsync has ended, and all it started is gone.
    Synced {
        /// What its code and messages mean.
        outcome: Outcome,
        /// Something in the set is not as it was before it. A file that is refused anew each time is none of that.
        changed: bool,
        /// It moved file data, although it may not have finished a file.
        moved: bool,
        /// It may have written something: it changed something, or did not say.
        written: bool,
        /// What it said of deletions.
        counted: Counted,
    },
    /// Answer to [`Action::Conclude`].
    Concluded,
    /// Sync at once.
    SyncNow,
    /// What the server refused was mended: what waits need not wait any longer. The owner's hours hold.
    Mended,
    /// Sync at once, and make the deletions that are held.
    Allow,
    /// true: start no sync by itself until it is taken back. What runs goes on.
    Pause(bool),
    /// Show the set before again, and start no sync until [`Event::Resume`]. What runs is ended.
    Rollback,
    /// Go on after a rollback.
    Resume,
    /// Finish: end what runs. A second one ends it at once.
    Stop,
    /// New limits; the next sync uses them whole, what runs is measured by them from now on.
    Reconfigure(Settings),
}

/// What the worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sleep until the deadline or the next event.
    Wait,
    /// Take the destination's lock.
    Begin,
    /// Start a child; before rsync, check the owner's preconditions.
    Start(Step),
    /// Look for progress in `/proc`.
    Sample,
    /// SIGTERM to the child.
    Terminate(Cause),
    /// SIGKILL to the child and to all it started.
    Kill,
    /// Report that the child outlives SIGKILL.
    ReportUnkillable,
    /// A sync is over: log it, show it, and end the job's turn at the destination.
    Conclude(Conclusion),
    /// The job is over; no child is left, or it cannot be killed.
    Exit,
}

/// What a finished sync came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// How it ended.
    pub outcome: Outcome,
    /// Why irsync ended it, if it did.
    pub cause: Option<Cause>,
    /// Wait until the next sync; None: there is none.
    pub next: Option<Duration>,
    /// Syncs in a row without success.
    pub failures: u32,
    /// Something changed in it, or in failed ones before it that no `run_on_change` has followed yet.
    pub changed: bool,
    /// Deletions that wait for the owner, as far as is known.
    pub held: Option<Held>,
}
