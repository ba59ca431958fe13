//! The man pages are made of what the program knows. `IRSYNC_BLESS=1 cargo test --test house` writes them anew.

use irsync::config::keys::{Preset, Scope, KEYS};
use irsync::job::{Outcome, Time};
use irsync::os::watchdog::Facts;
use irsync::report::board::{JobStatus, Kind, LastRun, Progress, Stamp, State};
use irsync::report::snapshot::{Daemon, Snapshot, Watchdog};
use irsync::report::status::{self, sections};
use irsync::report::{json, metrics};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// When what the pages say was last changed.
const DATE: &str = "2026-11-30";

/// Keys of the status file's first section.
const OWN_KEYS: &[(&str, &str)] = &[
    ("version", "irsync's version"),
    ("pid", "its process id"),
    ("state", "`running` or `stopping`"),
    ("started, started_mono", "when it started"),
    ("written, written_mono", "when this file was written"),
    ("watchdog_device", "the configured watchdog"),
    ("watchdog_identity", "its driver's name, if it could be opened"),
    ("watchdog_timeout", "seconds without a kick until the board is reset"),
    ("watchdog_disarms", "`yes` if a clean stop of irsync disarms it"),
    ("watchdog_fed", "`yes` while it is being fed"),
    ("boot_cause", "how the last boot ended, as far as that can be told (with `state_dir`)"),
    ("boot_id", "the kernel's id of the boot in which the file was written"),
];

/// Keys of a job's section.
const JOB_KEYS: &[(&str, &str)] = &[
    ("state", "`disabled`, `waiting`, `paused`, `syncing`, `hook`, `stopping`, `unkillable` (it hangs in the kernel) or `stopped`"),
    ("step", "what runs while the state is `hook`: the hook's key"),
    ("since, since_mono", "when that state began"),
    ("next_run, next_run_mono", "when the next sync starts"),
    ("next_run_in", "the same in seconds from when the file was written"),
    ("started, started_mono", "when the job was started"),
    ("pid", "process id of rsync or the hook"),
    ("progress_percent", "of the running transfer; of the files known so far"),
    ("progress_bytes", "bytes of file data so far"),
    ("progress_rate", "bytes per second"),
    ("progress_seconds", "seconds left; at a file's end seconds elapsed"),
    ("progress_files", "files transferred so far"),
    ("progress_to_check", "files left to check"),
    ("progress_known", "files known so far"),
    ("progress_list_growing", "`yes` while rsync still finds more"),
    ("current_file", "the file that rsync named last"),
    ("last_outcome", "how the last sync ended: `success`, `warning`, `partial`, `held`, `busy`, `transient`, `permanent`, `disk`, `stalled` or `skipped`"),
    ("last_code", "rsync's exit code"),
    ("last_reason", "the code's name, the signal, or the key that refused the sync"),
    ("last_kind", "what a sync was partial for: `times`, `links`, `owners`, `names`, `unreadable`, `busy`, `too_large` or `other`"),
    ("last_why", "after a sync that was no success: rsync's own most telling line, or else what irsync knows"),
    ("last_ended, last_ended_mono", "when it ended"),
    ("last_duration", "seconds that rsync ran"),
    ("last_files", "files transferred"),
    ("last_bytes", "bytes sent and received"),
    ("last_fetched", "bytes of file data that came over the link (literal data)"),
    ("last_resumed", "bytes of file data that an interrupted sync had left here"),
    ("last_success, last_success_mono", "end of the last sync with the outcome `success` or `warning`"),
    ("stale_after", "`stale_after` in seconds"),
    ("failures", "syncs in a row without success"),
    ("runs", "finished syncs since irsync started"),
    ("rolled_back", "`yes` after `irsync rollback`: no sync starts until `irsync resume`"),
    ("held", "deletions that wait for `irsync allow`"),
    ("stalls", "of them ended because of a limit"),
    ("kills", "SIGKILLs sent because SIGTERM was not enough"),
    ("files_total, bytes_total", "files and bytes transferred by all of them"),
    ("repaired_total", "files whose content was wrong here, although size and time were right; see `verify_every`"),
    ("runs_success, runs_warning, runs_partial, runs_held, runs_busy, runs_transient, runs_permanent, runs_disk, runs_stalled, runs_skipped", "finished syncs by outcome"),
    ("rsync_version", "the version of rsync in use"),
];

fn at(seconds: u64) -> Stamp {
    Stamp { mono: Time(Duration::from_secs(seconds)), wall: UNIX_EPOCH }
}

/// A job of which everything is known.
fn full_job() -> JobStatus {
    JobStatus {
        name: "media".into(),
        state: State::Hook,
        step: Some("run_before"),
        since: Some(at(1)),
        next_run: Some(at(2)),
        pid: Some(3),
        progress: Some(Progress { transferred: Some(1), to_check: Some((1, 2)), ..Progress::default() }),
        current_file: Some("f".into()),
        last: Some(LastRun {
            ended: at(1),
            outcome: Outcome::Success,
            code: Some(0),
            reason: "RERR_OK".into(),
            kind: Some(Kind::Names),
            why: Some("rsync: no".into()),
            duration: Duration::ZERO,
            files: Some(1),
            bytes: Some(1),
            fetched: Some(1),
            resumed: Some(1),
        }),
        last_success: Some(at(1)),
        started: Some(at(1)),
        rolled_back: true,
        stale_after: Some(Duration::ZERO),
        rsync_version: Some("3.2.7".into()),
        ..JobStatus::default()
    }
}

/// An irsync of which everything is known, with this job.
fn full() -> Snapshot {
    let facts = Facts::default();
    let daemon = Daemon {
        version: "1".into(),
        pid: 1,
        stopping: false,
        started: at(1).mono,
        written: at(9).mono,
        watchdog: Some(Watchdog::new(Path::new("/dev/watchdog"), Some((&facts, true)))),
        boot_cause: Some("power".into()),
        boot_id: Some("c0ffee".into()),
    };
    Snapshot::new(daemon, vec![full_job()], at(9))
}

/// Name and help of every family of metrics.
fn families() -> Vec<(String, String)> {
    let text = metrics::render(&full(), true);
    let help = |line: &str| {
        line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).map(|(a, b)| (a.into(), b.into()))
    };
    text.lines().filter_map(help).collect()
}

#[test]
fn every_key_of_the_status_file_is_documented_and_no_other() {
    let text = status::render(&full());
    let read = sections(&text);
    let json = json::render(&full());
    for (section, table) in read.iter().zip([OWN_KEYS, JOB_KEYS]) {
        let mut documented: Vec<&str> = table.iter().flat_map(|(names, _)| names.split(", ")).collect();
        let mut written: Vec<&str> = section.pairs.iter().map(|(key, _)| *key).collect();
        documented.sort_unstable();
        written.sort_unstable();
        assert_eq!(written, documented, "[{}]", section.name);
        for key in written {
            assert!(json.contains(&format!("\"{key}\":")), "{key} is not in {json}");
        }
    }
}

#[test]
fn every_word_that_a_key_may_hold_is_documented() {
    let outcomes = Outcome::ALL.map(Outcome::name);
    let (states, kinds) = (State::ALL.map(State::name), Kind::ALL.map(Kind::name));
    for (key, words) in [("state", &states[..]), ("last_outcome", &outcomes), ("last_kind", &kinds)] {
        let (_, text) = JOB_KEYS.iter().find(|(name, _)| *name == key).unwrap();
        let mut told: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let mut words = words.to_vec();
        told.sort_unstable();
        words.sort_unstable();
        assert_eq!(told, words, "{key}");
    }
}

#[test]
fn no_escape_of_the_pages_is_shown_as_it_is() {
    for page in [irsync_8(), ini_5()] {
        let shown: Vec<&str> = page.lines().filter(|line| line.contains("\\ef")).collect();
        assert!(shown.is_empty(), "{shown:?}");
    }
}

/// Text for roff: `…` becomes bold, hyphens are to be copied and pasted.
fn roff(text: &str) -> String {
    let mut out = String::new();
    let mut bold = false;
    for c in text.chars() {
        match c {
            '`' => {
                bold = !bold;
                out += if bold { "\\fB" } else { "\\fR" };
            }
            '\\' => out += "\\e",
            '-' => out += "\\-",
            '\'' => out += "\\(aq",
            '×' => out += "\\(mu",
            '…' => out += "\\&...",
            c => out.push(c),
        }
    }
    out
}

fn item(page: &mut String, term: &str, text: &str) {
    *page += &format!(".TP\n{}\n{}\n", roff(term), roff(text));
}

fn table(page: &mut String, rows: &[(&str, &str)]) {
    for (names, doc) in rows {
        let names: Vec<String> = names.split(", ").map(|name| format!("`{name}`")).collect();
        item(page, &names.join(", "), doc);
    }
}

fn ini_5() -> String {
    let mut page = roff_head("IRSYNC.INI", 5, "File formats");
    page += include_str!("man/ini-head.roff");
    for (scope, title) in [(Scope::Global, "GLOBAL KEYS"), (Scope::Job, "JOB KEYS")] {
        page += &format!(".SH {title}\n");
        for key in KEYS.iter().filter(|key| key.scope == scope) {
            let default = match key.preset {
                Preset::Is(text) => format!("default: `{text}`"),
                Preset::Derived(text) => format!("default: {text}"),
                Preset::Nothing => "default: none".into(),
                Preset::Required => "required".into(),
            };
            item(&mut page, &format!("`{}` ({default})", key.name), &format!("{}.", capital(key.doc())));
            page += &format!("Accepts: {}.\n", roff(&key.kind.accepts()));
            page += &format!("A change takes effect: {}.\n", key.effect.text());
        }
    }
    page + include_str!("man/ini-tail.roff")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    // Names of programs stay as they are.
    let first = chars.next().unwrap_or_default();
    match text.starts_with("rsync") {
        true => text.to_owned(),
        false => first.to_uppercase().chain(chars).collect(),
    }
}

fn irsync_8() -> String {
    let mut page = roff_head("IRSYNC", 8, "System administration");
    page += include_str!("man/irsync-head.roff");
    page += ".SH STATUS FILE\n";
    page += include_str!("man/status.roff");
    page += ".SS [irsync]\n";
    table(&mut page, OWN_KEYS);
    page += ".SS [job:NAME]\n";
    table(&mut page, JOB_KEYS);
    page += ".SH METRICS\n";
    page += include_str!("man/metrics.roff");
    for (name, help) in families() {
        item(&mut page, &format!("`{name}`"), &help);
    }
    page + include_str!("man/irsync-tail.roff")
}

fn roff_head(name: &str, section: u8, title: &str) -> String {
    format!(
        ".\\\" Made by tests/house/man.rs; IRSYNC_BLESS=1 cargo test --test house writes it anew.\n\
         .TH {name} {section} {DATE} \"irsync {}\" \"{title}\"\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)
}

#[test]
fn the_pages_are_up_to_date() {
    for (name, page) in [("irsync.8", irsync_8()), ("irsync.ini.5", ini_5())] {
        if std::env::var_os("IRSYNC_BLESS").is_some() {
            fs::write(path(name), &page).unwrap();
        }
        let found = fs::read_to_string(path(name)).unwrap_or_default();
        assert!(found == page, "man/{name} is out of date: IRSYNC_BLESS=1 cargo test --test house writes it anew");
    }
}

/// Feeds a page to a program and gives what it complains about; None where there is no such program.
fn complaints(program: &str, arguments: &[&str], page: &str) -> Option<String> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(_) => {
            eprintln!("SKIPPED the_pages_render_without_a_warning ({program}): it is not installed");
            return None;
        }
    };
    child.stdin.take().expect("piped").write_all(page.as_bytes()).expect("cannot write");
    let output = child.wait_with_output().expect("cannot wait");
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_pages_render_without_a_warning() {
    for page in [irsync_8(), ini_5()] {
        for (program, arguments) in
            [("groff", &["-man", "-Tutf8", "-ww", "-k"][..]), ("mandoc", &["-Tlint", "-Wwarning"])]
        {
            if let Some(complaints) = complaints(program, arguments, &page) {
                assert_eq!(complaints, "", "{program}");
            }
        }
    }
    // It can complain.
    assert_ne!(complaints("groff", &["-man", "-Tutf8", "-ww"], ".TH A 1\n.nonsense\n").unwrap_or("skipped".into()), "");
}

/// The blocks that stand as they are.
fn examples(page: &str) -> Vec<String> {
    let plain = |text: &str| text.replace("\\-", "-").replace("\\(aq", "'");
    page.split(".EX\n").skip(1).filter_map(|rest| rest.split(".EE").next()).map(plain).collect()
}

#[test]
fn every_example_of_the_file_is_accepted() {
    let examples = examples(&ini_5());
    assert!(examples.len() > 2, "{examples:?}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("example-{}.ini", std::process::id()));
    for example in examples {
        fs::write(&file, &example).unwrap();
        let loaded = irsync::config::load(&file).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        assert!(loaded.warnings.is_empty(), "{:?}\n{example}", loaded.warnings);
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn every_option_and_command_of_the_help_is_in_the_page() {
    let output = Command::new(env!("CARGO_BIN_EXE_irsync")).arg("--help").output().expect("cannot run irsync");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let page = irsync_8().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "");
    let words = help
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2);
    let words: Vec<&str> = words.collect();
    assert!(words.len() > 5, "{help}");
    for word in words.iter().copied().chain(["run", "check", "once", "status", "now", "TERM", "HUP", "USR1", "USR2"]) {
        assert!(page.contains(word), "{word} is not in irsync(8)");
    }
}
