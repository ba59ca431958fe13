//! The one table of keys. The parser, `irsync check`, the sample INI and README's table are made of it.

use super::values::{self, Kind, Value};

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only before the first section.
    Global,
    /// In a section; before the first section it is the default of every job.
    Job,
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
    /// As written in the file.
    pub name: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What holds without it.
    pub preset: Preset,
    /// What it accepts.
    pub kind: Kind,
    /// One sentence for its reader.
    pub doc: &'static str,
}

/// No duration is longer: beyond ten years a number is a slip of the keyboard.
const MAX: u64 = 3650 * 86_400_000;
/// No wait is shorter: a loop without one would starve the device.
const MIN: u64 = 10;

const fn key(name: &'static str, scope: Scope, preset: Preset, kind: Kind, doc: &'static str) -> Key {
    Key { name, scope, preset, kind, doc }
}

const fn span(off: bool) -> Kind {
    Kind::Duration { min: MIN, max: MAX, off }
}

use Kind as K;
use Preset::{Derived, Is, Nothing, Required};
use Scope::{Global, Job};

/// Every key, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("log", Global, Is("stderr"), K::Log, "where the log goes; a file is renamed to `.old` when it reaches `log_max_size`"),
    key("log_max_size", Global, Is("1M"), K::Size { min: 4096, max: 1 << 30, off: false }, "size at which a log file is renamed to `.old`, of which one is kept"),
    key("log_level", Global, Is("info"), K::Level, "least severity logged; rsync's stdout is logged at debug, its stderr at warn"),
    key("status_file", Global, Is("/run/irsync/status"), K::Path { off: false }, "what each job is doing, as INI, replaced by rename"),
    key("metrics_file", Global, Is("off"), K::Path { off: true }, "Prometheus text for node_exporter's textfile collector, replaced by rename, at most every 15 s; keep it in memory, not on flash"),
    key("state_dir", Global, Is("off"), K::Path { off: true }, "directory on lasting storage that keeps the reboot budget across boots; `reboot_after` needs it"),
    key("include", Global, Nothing, K::Path { off: true }, "directory whose `*.ini` files are read after this one, in order of their names; they may add jobs and override keys"),
    key("watchdog_device", Global, Is("off"), K::Path { off: true }, "hardware watchdog to feed, e.g. `/dev/watchdog`; under systemd `WatchdogSec=` is honoured without it"),
    key("watchdog_timeout", Global, Is("15s"), K::Seconds { min: 1, max: 65_535 }, "time without a kick after which the hardware resets the board; kicked at a third of it"),
    key("reboot_limit", Global, Is("1"), K::Number { min: 0, max: 100 }, "reboots per 24 h that `reboot_after` may cause, counted across boots"),
    key("lock_memory", Global, Is("no"), K::Bool, "lock irsync's memory (mlockall), so that a busy card does not starve the watchdog"),

    key("source", Job, Required, K::Words, "what to copy, as rsync takes it; several are separated by blanks and quoted as a shell would"),
    key("destination", Job, Required, K::Word, "where to, as rsync takes it; a local path must be absolute"),
    key("options", Job, Is("-rlt"), K::Words, "rsync options, quoted as a shell would"),
    key("rsync", Job, Is("rsync"), K::Program, "the rsync program, looked up in `PATH`"),
    key("enabled", Job, Is("yes"), K::Bool, "whether the job runs at all"),
    key("interval", Job, Is("30s"), K::Interval { min: MIN, max: MAX }, "wait from the end of one sync to the start of the next"),
    key("jitter", Job, Is("10%"), K::Jitter { max: MAX }, "uniform random addition to the first wait, to every interval and to the wait after permanent errors; back-off has its own"),
    key("activity_timeout", Job, Is("2h"), span(true), "an rsync that makes no progress for so long is killed and started again"),
    key("max_runtime", Job, Is("off"), span(true), "hard limit of one sync"),
    key("stop_timeout", Job, Is("5s"), K::Duration { min: MIN, max: 3_600_000, off: false }, "from SIGTERM to SIGKILL"),
    key("backoff_initial", Job, Is("5s"), span(false), "first wait after a failed sync; doubles with every further failure"),
    key("backoff_max", Job, Is("5m"), span(false), "longest wait after a failed sync"),
    key("stale_after", Job, Derived("3 × interval + activity_timeout"), span(true), "age of the last success at which the job counts as unhealthy (without an `activity_timeout` 2h is added instead)"),
    key("password_file", Job, Nothing, K::Path { off: true }, "file whose first line is the rsync daemon's password; refused if others can read it"),
    key("password", Job, Nothing, K::Secret, "the rsync daemon's password; an INI file that holds one is refused if others can read it"),
    key("progress", Job, Is("yes"), K::Bool, "add `--info=progress2` where this rsync knows it"),
    key("user", Job, Nothing, K::Account, "user rsync runs as; hooks run as irsync does"),
    key("group", Job, Nothing, K::Account, "group rsync runs as; without it the user's own"),
    key("nice", Job, Nothing, K::Number { min: -20, max: 19 }, "rsync's niceness"),
    key("io_class", Job, Nothing, K::IoClass, "rsync's I/O scheduling class"),
    key("require_mount", Job, Nothing, K::Path { off: true }, "do not sync unless this path is a mount point: an absent card must not fill the root file system"),
    key("min_free", Job, Is("off"), K::Size { min: 1, max: u64::MAX, off: true }, "do not start with less free space than this on the destination"),
    key("run_before", Job, Nothing, K::Command, "command before each sync, run without a shell; if it fails the sync is skipped"),
    key("run_after", Job, Nothing, K::Command, "command after each sync"),
    key("run_on_change", Job, Nothing, K::Command, "command after a sync that transferred or deleted something"),
    key("run_on_failure", Job, Nothing, K::Command, "command after a failed sync"),
    key("hook_timeout", Job, Is("60s"), span(false), "a command that runs longer is killed as rsync would be"),
    key("recover_after", Job, Is("off"), span(true), "run `run_recover` after so long without success, and again every such period"),
    key("run_recover", Job, Nothing, K::Command, "command that may repair things, e.g. restart Wi-Fi"),
    key("reboot_after", Job, Is("off"), span(true), "after so long without success let the watchdog reset the board, within `reboot_limit`; never for permanent errors"),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key whose name is nearest to a misspelt one, if any is near enough to be meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    closest(name, KEYS.iter().map(|key| key.name))
}

/// The candidate nearest to `word` in edits, if a third of its letters or fewer are wrong.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase().replace(['-', ' '], "_");
    candidates
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + changed).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

impl Key {
    /// Its default as a value; `Off` where it has none.
    pub fn default_value(&self) -> Value {
        match self.preset {
            Is(text) => values::parse(&self.kind, text).unwrap_or(Value::Off),
            Nothing | Derived(_) | Required => Value::Off,
        }
    }

    /// Its default as text for people.
    pub fn default_text(&self) -> &'static str {
        match self.preset {
            Is(text) | Derived(text) => text,
            Nothing => "none",
            Required => "required",
        }
    }
}

/// README's table of keys.
pub fn markdown_table() -> String {
    let mut table = String::from("| key | default | accepts | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = match key.preset {
            Is(text) => format!("`{text}`"),
            _ => key.default_text().to_string(),
        };
        table +=
            &format!("| `{}` | {default} | {} | {} |\n", key.name, key.kind.accepts().replace('|', "\\|"), key.doc);
    }
    table
}

const SAMPLE_HEAD: &str = "\
; irsync.ini: keeps files on this device in step with an rsync server. See irsync.ini(5); test with `irsync check`.
;
; Global keys stand before the first section. Each section is a job. A job key given globally is the default of every job.
; Comments start with ; or # at the start of a line. Durations: digits with ms, s, m, h or d; bare digits are seconds.
; Sizes: digits with K, M or G. ${hostname}, ${machine_id}, ${serial} and ${mac} expand in source, destination and options.
; Commented-out values are the defaults.
";

const SAMPLE_JOBS: &str = "
; ---- jobs: one section each ----

[media]
enabled = no
source = rsync://rsync.example.com/media/
destination = /srv/media
options = -rlt --delete --max-delete=1000 --partial-dir=.irsync-partial

; [logs]
; source = /var/log/player/
; destination = collector@rsync.example.com::logs/${hostname}/
; password_file = /etc/irsync.secret
; interval = 1h
; options = -rlt --exclude=*.tmp
";

/// The sample `irsync.ini`: every key with its default, and two jobs that are off.
pub fn sample_ini() -> String {
    let mut ini = String::from(SAMPLE_HEAD);
    for (scope, title) in [(Global, "global keys"), (Job, "job keys: here they would be the defaults of every job")] {
        ini += &format!("\n; ---- {title} ----\n");
        for key in KEYS.iter().filter(|key| key.scope == scope) {
            let default = match key.preset {
                Is(text) => format!(" {text}"),
                Derived(text) => format!("\n;   (default: {text})"),
                Nothing | Required => String::new(),
            };
            ini += &format!("\n; {}\n;   {}\n; {} ={default}\n", key.doc, key.kind.accepts(), key.name);
        }
    }
    ini + SAMPLE_JOBS
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
            assert!(!key.doc.is_empty() && !key.doc.contains('\n') && !key.doc.contains('|'), "{}", key.name);
        }
    }

    #[test]
    fn a_typo_finds_its_key_and_a_stranger_finds_none() {
        for (typo, meant) in [
            ("intervall", "interval"),
            ("itnerval", "interval"),
            ("activity-timeout", "activity_timeout"),
            ("Destination", "destination"),
            ("sorce", "source"),
            ("watchdog_devcie", "watchdog_device"),
        ] {
            assert_eq!(nearest(typo), Some(meant), "{typo}");
        }
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest(&"x".repeat(1_000_000)), None);
    }

    #[test]
    fn distance_counts_a_swap_as_one() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("check", "chekc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
