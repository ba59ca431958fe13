//! The sample INI and the table of keys in docs/configuration.md are made of the key table.

use irsync::config;
use irsync::config::keys::{Effect, Key, Preset, Scope, KEYS};
use std::fs;
use std::path::{Path, PathBuf};

const SAMPLE_HEAD: &str = "\
; irsync.ini: keeps files on this device in step with an rsync server. See irsync.ini(5); test with `irsync check`.
;
; Global keys stand before the first section. Each section is a job. A job key given globally is the default of every job.
; Comments start with ; or # at the start of a line. Durations: digits with ms, s, m, h or d; bare digits are seconds.
; Sizes: digits with K, M or G. ${hostname}, ${machine_id}, ${serial}, ${mac} and ${date} expand at each sync, see irsync.ini(5).
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
fn sample_ini() -> String {
    let mut ini = String::from(SAMPLE_HEAD);
    for (scope, title) in
        [(Scope::Global, "global keys"), (Scope::Job, "job keys: here they would be the defaults of every job")]
    {
        ini += &format!("\n; ---- {title} ----\n");
        for key in KEYS.iter().filter(|key| key.scope == scope) {
            let restart =
                if key.effect == Effect::Restart { "\n;   a change takes effect when irsync is restarted" } else { "" };
            let default = match key.preset {
                Preset::Is(text) => format!(" {text}"),
                Preset::Derived(text) => format!("\n;   (default: {text})"),
                Preset::Nothing | Preset::Required => String::new(),
            };
            ini += &format!("\n; {}\n;   {}{restart}\n; {} ={default}\n", key.doc(), key.kind.accepts(), key.name);
        }
    }
    ini + SAMPLE_JOBS
}

/// The table of keys in docs/configuration.md.
fn markdown_table() -> String {
    let mut table =
        String::from("| key | default | accepts | a change takes effect | meaning |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let Key { name, kind, effect, .. } = key;
        let default = match key.preset {
            Preset::Is(text) => format!("`{text}`"),
            Preset::Derived(text) => text.into(),
            Preset::Nothing => "none".into(),
            Preset::Required => "required".into(),
        };
        let accepts = kind.accepts().replace('|', "\\|");
        table += &format!("| `{name}` | {default} | {accepts} | {} | {} |\n", effect.text(), key.doc());
    }
    table
}

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a file with what the key table makes of it, or writes it.
fn holds(name: &str, expected: &str) {
    let path = repository(name);
    if std::env::var_os("IRSYNC_BLESS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{name} differs from src/config/keys.rs: IRSYNC_BLESS=1 cargo test --test house writes it anew"
    );
}

#[test]
fn the_sample_ini_agrees_with_the_key_table() {
    holds("irsync.ini", &sample_ini());
    let config = config::load(&repository("irsync.ini")).unwrap().config;
    assert!(config.jobs.iter().all(|job| !job.enabled), "a sample must not copy anything by itself");
}

#[test]
fn the_page_of_keys_agrees_with_the_key_table() {
    const PAGE: &str = "docs/configuration.md";
    let page = fs::read_to_string(repository(PAGE)).unwrap();
    let (before, rest) = page.split_once("<!-- keys -->\n").expect("the page has the line <!-- keys -->");
    let (_, after) = rest.split_once("<!-- /keys -->").expect("the page has the line <!-- /keys -->");
    holds(PAGE, &format!("{before}<!-- keys -->\n{}<!-- /keys -->{after}", markdown_table()));
}

/// What somebody with ten minutes reads.
const README_LINES: usize = 130;

#[test]
fn the_readme_can_be_read_in_ten_minutes() {
    let lines = fs::read_to_string(repository("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines: what is more than a first look belongs into docs/");
}

/// The files that people read, from the top of the repository.
fn pages() -> Vec<String> {
    fn collect(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            match path.extension().is_some_and(|end| end == "md") {
                _ if path.is_dir() => collect(&path, found),
                true => found.push(path.strip_prefix(repository("")).unwrap().to_str().unwrap().to_owned()),
                false => {}
            }
        }
    }
    let mut found: Vec<String> = fs::read_dir(repository(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    for folder in ["docs", "tests", "yocto", "buildroot"] {
        collect(&repository(folder), &mut found);
    }
    found.sort_unstable();
    found
}

#[test]
fn every_link_leads_to_a_file() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(repository(&page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = repository(&page).parent().unwrap().join(target);
            assert!(file.exists(), "{page}: the link to {link} leads nowhere");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_drawings_are_what_the_script_draws() {
    match std::process::Command::new("python3").arg(repository("scripts/pictures")).arg("--check").output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => eprintln!("SKIPPED the_drawings_are_what_the_script_draws: no python3"),
    }
}

/// What rsync and the kernel say, and irsync only hands on.
const NOT_OURS: [&str; 2] = ["getaddrinfo", "Connection refused"];

/// All string literals under src/, those over several lines as one.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => text += &sources(&path),
            false => text += &fs::read_to_string(path).unwrap(),
        }
    }
    let lines = text.split("\\\n").enumerate();
    lines.map(|(at, part)| if at > 0 { part.trim_start() } else { part }).collect()
}

#[test]
fn every_message_of_the_troubleshooting_page_is_one_that_irsync_prints() {
    let (source, mut seen, mut unknown) = (sources(&repository("src")), 0, Vec::new());
    let page = fs::read_to_string(repository("docs/troubleshooting.md")).unwrap();
    for row in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let shown = row.split(" | ").next().unwrap_or_default();
        for span in shown.split('`').skip(1).step_by(2) {
            // `…` stands for what differs; the others are where texts are put together.
            let parts = ["; ", ": ", "(", ")"].iter().fold(span.to_owned(), |text, between| text.replace(between, "…"));
            for part in parts.split('…').map(str::trim).filter(|part| part.len() > 3) {
                let known = NOT_OURS.contains(&part) || source.contains(part);
                unknown.extend((!known).then(|| format!("{part:?} of `{span}`")));
                seen += 1;
            }
        }
    }
    assert!(unknown.is_empty(), "nowhere in src/: {}", unknown.join("\n"));
    assert!(seen > 50, "{seen}");
}
