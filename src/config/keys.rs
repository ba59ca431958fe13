//! The one table of keys. Parser, reload, `irsync check`, the sample INI, the man page and docs/configuration.md are made of it.
//!
//! To add a key:
//! 1. Write its row here, where the documentation is to have it. A new kind of value goes into `values/`.
//! 2. Add a field for it to a struct of `config/mod.rs` (or to [`crate::job::Limits`], if the state machine needs it).
//! 3. Name it in `fields.rs`, among the fields of that struct: that reads it and shows it in `irsync check`.
//! 4. What it cannot be combined with goes into `rules.rs`; in a message about it write its name as `Id::name_of_key.name()`.
//! 5. `IRSYNC_BLESS=1 cargo test --test house` writes the documents anew.

use super::values::{self, Kind, Value};

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only before the first section.
    Global,
    /// In a section; before the first section it is the default of every job.
    Job,
}

/// When a changed value takes effect after the file was read again (SIGHUP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Whatever is decided from then on is decided with the new value; an rsync that runs is not ended for that.
    AtOnce,
    /// It is about how a sync starts: the next one is the first that has it.
    NextSync,
    /// irsync takes it once, when it starts.
    Restart,
}

impl Effect {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Effect::AtOnce => "at once",
            Effect::NextSync => "with the next sync",
            Effect::Restart => "with a restart",
        }
    }
}

/// What holds where nobody gives the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This text, read as if it stood in the file.
    Is(&'static str),
    /// Nothing.
    Nothing,
    /// Worked out from other keys as the text says.
    Derived(&'static str),
    /// An error.
    Required,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// What the program calls it.
    pub id: Id,
    /// As written in the file.
    pub name: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// When a change takes effect.
    pub effect: Effect,
    /// What holds without it.
    pub preset: Preset,
    /// What it accepts.
    pub kind: Kind,
}

/// No duration is longer: beyond ten years a number is a slip of the keyboard.
const MAX: u64 = 3650 * 86_400_000;
/// No wait is shorter: a loop without one would starve the device.
const MIN: u64 = 10;

const fn span(off: bool) -> Kind {
    Kind::Duration { min: MIN, max: MAX, off }
}

macro_rules! table {
    ($($id:ident: $scope:ident, $effect:ident, $preset:expr, $kind:expr, $doc:literal;)*) => {
        /// A key. Spelt as in the file: so a name stands once in the whole source, and searching for it finds every use.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Id { $($id),* }

        /// Every key, in the order of the documentation and of [`Id`].
        pub static KEYS: &[Key] = &[$(Key {
            id: Id::$id,
            name: stringify!($id),
            scope: Scope::$scope,
            effect: Effect::$effect,
            preset: $preset,
            kind: $kind,
        }),*];

        /// One sentence on each key. Apart, because the program itself never says it: so a device need not store it.
        static DOCS: &[&str] = &[$($doc),*];
    };
}

use Kind::*;
use Preset::{Derived, Is, Nothing, Required};

#[rustfmt::skip]
table! {
    log: Global, AtOnce, Is("stderr"), Log, "where the log goes; a file is renamed to `.old` when it reaches `log_max_size`";
    log_max_size: Global, AtOnce, Is("1M"), Size { min: 4096, max: 1 << 30, off: false }, "size at which a log file is renamed to `.old`, of which one is kept";
    log_level: Global, AtOnce, Is("info"), Level, "least severity logged; rsync's stdout is logged at debug, its stderr at warn";
    status_file: Global, Restart, Is("/run/irsync/status"), Path { off: false }, "what each job is doing, as INI, replaced by rename";
    metrics_file: Global, AtOnce, Is("off"), Path { off: true }, "Prometheus text for node_exporter's textfile collector, replaced by rename, at most every 15 s; keep it in memory, not on flash";
    state_dir: Global, Restart, Is("off"), Path { off: true }, "directory on lasting storage that keeps the reboot budget across boots; `reboot_after` needs it";
    report_to: Global, AtOnce, Nothing, Remote, "where this device's own status is pushed, for `irsync fleet` on the server: as `${hostname}.status`, a job of irsync's own named `(report)`";
    report_every: Global, AtOnce, Is("15m"), Duration { min: 1000, max: MAX, off: false }, "how often the status is pushed";
    report_password_file: Global, AtOnce, Nothing, Path { off: true }, "file whose first line is the password for `report_to`; refused if others can read it";
    include: Global, AtOnce, Nothing, Path { off: true }, "directory whose `*.ini` files are read after this one, in order of their names; they may add jobs and override keys; one that is in error is left out (on a reload: counts as it was before), and `check` fails";
    watchdog_device: Global, Restart, Is("off"), Path { off: true }, "hardware watchdog to feed, e.g. `/dev/watchdog`; under systemd `WatchdogSec=` is honoured without it";
    watchdog_timeout: Global, Restart, Is("15s"), Seconds { min: 1, max: 65_535 }, "time without a kick after which the hardware resets the board; kicked at a third of it";
    reboot_limit: Global, AtOnce, Is("1"), Number { min: 0, max: 100 }, "reboots per 24 h that `reboot_after` may cause, counted across boots";
    lock_memory: Global, AtOnce, Is("no"), Bool, "lock irsync's memory (mlockall), so that a busy card does not starve the watchdog";

    source: Job, NextSync, Required, Words, "what to copy, as rsync takes it; several are separated by blanks and quoted as a shell would";
    fallback: Job, NextSync, Nothing, Words, "further sources in the form of `source`, asked in their order, at once, when the one before cannot be reached, is busy or refuses; the first is tried again every hour";
    destination: Job, NextSync, Required, Word, "where to, as rsync takes it; a local path must be absolute";
    options: Job, NextSync, Is("-rlt"), Words, "rsync options, quoted as a shell would";
    window: Job, AtOnce, Is("always"), Window, "when syncs may run, in local time; a sync that runs when the window closes is ended, and resumed when it opens again; while the clock has never been set, syncs may run at any time";
    bwlimit: Job, NextSync, Is("off"), Rates, "rsync's `--bwlimit` in bytes per second, by hours in local time; the first span that fits counts; a sync that runs is started again where the limit falls";
    rsync: Job, NextSync, Is("rsync"), Program, "the rsync program, looked up in `PATH`";
    enabled: Job, AtOnce, Is("yes"), Bool, "whether the job runs at all";
    interval: Job, AtOnce, Is("30s"), Interval { min: MIN, max: MAX }, "wait from the end of one sync to the start of the next";
    spread: Job, AtOnce, Derived("the interval, at most 15m"), span(true), "the first sync after a start comes at this device's own fixed moment within so much time; at once where somebody starts irsync at a terminal";
    jitter: Job, AtOnce, Is("10%"), Jitter { max: MAX }, "uniform random addition to every interval and to the wait after permanent errors; back-off has its own";
    activity_timeout: Job, AtOnce, Is("2h"), span(true), "an rsync that makes no progress for so long is killed and started again";
    max_runtime: Job, AtOnce, Is("off"), span(true), "hard limit of one sync: all passes of rsync and all sources of `fallback` together, hooks aside";
    accept: Job, NextSync, Is("none"), Complaints, "complaints of a sync that ends as `partial` which are no failure here: it is a success if it has no others";
    stop_timeout: Job, AtOnce, Is("5s"), Duration { min: MIN, max: 3_600_000, off: false }, "from SIGTERM to SIGKILL";
    backoff_initial: Job, AtOnce, Derived("5s; where the server was asked, the interval"), span(false), "longest wait after the first failed sync, drawn at random from 0 on; doubles with every further failure";
    backoff_max: Job, AtOnce, Derived("the larger of 5m and interval"), span(false), "longest wait after a failed sync, and the one after permanent errors; with neither of the two keys a server in trouble is asked every 1 to 1.5 intervals";
    max_shrink: Job, NextSync, Is("90%"), Percent, "deletions that would remove more than this share of the files that there are, or were within a day, or the last of them, are held until `irsync allow`; likewise those beyond the `--max-delete` of `options`";
    stale_after: Job, AtOnce, Derived("3 × interval + activity_timeout, and the longest time for which `window` is closed"), span(true), "age of the last success at which the job counts as unhealthy (without an `activity_timeout` 2h is added instead)";
    durable: Job, NextSync, Is("yes"), Bool, "what a sync has changed is on the disk before it is called a success: syncfs(2) of a local destination, and rsync's `--fsync`, or a mark for one that does not know that";
    verify_every: Job, NextSync, Is("off"), span(true), "so often a sync compares contents (`--checksum`), and not only sizes and times: cards rot; without `state_dir` only running time counts";
    atomic: Job, NextSync, Is("no"), Bool, "the set changes as a whole or not at all: it is built beside the destination, of hard links where nothing has changed, and exchanged with it in one step; `options` must delete";
    run_before_publish: Job, NextSync, Nothing, Command, "command that looks at the new set in `IRSYNC_STAGING` before it is shown (`atomic` only); if it fails, the old set stays";
    password_file: Job, NextSync, Nothing, Path { off: true }, "file whose first line is the rsync daemon's password; refused if others can read it; after a refused password a sync follows as soon as the file holds another";
    password: Job, NextSync, Nothing, Secret, "the rsync daemon's password; an INI file that holds one is refused if others can read it";
    progress: Job, NextSync, Is("yes"), Bool, "add `--info=progress2` where this rsync knows it";
    user: Job, NextSync, Nothing, Account, "user rsync runs as, with the groups it has, `HOME`, `USER` and `LOGNAME`; hooks run as irsync does";
    group: Job, NextSync, Nothing, Account, "group rsync runs as; without it the user's own; a user keeps the other groups it has";
    nice: Job, NextSync, Nothing, Number { min: -20, max: 19 }, "rsync's niceness";
    io_class: Job, NextSync, Nothing, IoClass, "rsync's I/O scheduling class";
    require_mount: Job, NextSync, Nothing, Path { off: true }, "do not sync unless this path is a mount point: an absent card must not fill the root file system";
    min_free: Job, NextSync, Is("off"), Size { min: 1, max: u64::MAX, off: true }, "do not start with less free space than this on the destination";
    run_before: Job, NextSync, Nothing, Command, "command before each sync, run without a shell; if it fails the sync is skipped";
    run_after: Job, AtOnce, Nothing, Command, "command after each sync";
    run_on_change: Job, AtOnce, Nothing, Command, "command after a sync with which something in a complete set has changed: content, links, modes, owners, deletions; again after later ones until it succeeds";
    run_on_failure: Job, AtOnce, Nothing, Command, "command when an outage begins, after its first failed sync, and when it ends (`IRSYNC_RESULT` tells which)";
    hook_timeout: Job, AtOnce, Is("60s"), span(false), "a command that runs longer is killed as rsync would be";
    recover_after: Job, AtOnce, Is("off"), span(true), "run `run_recover` after so long without success, and again every such period; not after failures that show that the board works";
    run_recover: Job, AtOnce, Nothing, Command, "command that may repair things, e.g. restart Wi-Fi";
    reboot_after: Job, AtOnce, Is("off"), span(true), "after so long without success let the watchdog reset the board, within `reboot_limit`; only for what a reboot may mend: no connection, no answer, stalls";
}

impl Id {
    /// Its row of the table.
    pub fn key(self) -> &'static Key {
        &KEYS[self as usize]
    }

    /// As written in the file.
    pub fn name(self) -> &'static str {
        self.key().name
    }
}

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl Key {
    /// Its default as a value; `Off` where it has none.
    pub fn default_value(&self) -> Value {
        match self.preset {
            Is(text) => values::parse(&self.kind, text).unwrap_or(Value::Off),
            Nothing | Derived(_) | Required => Value::Off,
        }
    }

    /// One sentence for its reader.
    pub fn doc(&self) -> &'static str {
        DOCS[self.id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_own_key_accepts() {
        for key in KEYS {
            if let Is(text) = key.preset {
                assert!(values::parse(&key.kind, text).is_ok(), "{} = {text}", key.name);
            }
        }
    }

    #[test]
    fn names_are_unique_snake_case_and_docs_are_one_line() {
        for (i, key) in KEYS.iter().enumerate() {
            assert!(key.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", key.name);
            assert!(KEYS[..i].iter().all(|other| other.name != key.name), "{} twice", key.name);
            assert!(!key.doc().is_empty() && !key.doc().contains('\n') && !key.doc().contains('|'), "{}", key.name);
        }
    }

    #[test]
    fn each_id_finds_its_own_row() {
        for key in KEYS {
            assert_eq!((key.id.key().id, key.id.name()), (key.id, key.name));
        }
        assert_eq!(Id::log.name(), "log");
        assert_eq!(Id::reboot_after.name(), "reboot_after");
    }

    /// rsync is started by a job's keys alone: none of them may need more than the next sync.
    #[test]
    fn no_job_needs_a_restart_of_irsync() {
        assert!(KEYS.iter().all(|key| key.scope == Scope::Global || key.effect != Effect::Restart));
    }

    #[test]
    fn hooks_are_called_by_their_keys() {
        use crate::job::Step;
        for step in [Step::Before, Step::OnChange, Step::OnFailure, Step::After, Step::Recover] {
            assert!(find(step.name()).is_some_and(|key| key.kind == Command), "{step:?}");
        }
    }
}
