//! Orders that must not be carried out: those that would destroy the source or the system, and those that copy nothing.
//!
//! Pure: what only the file system knows (links, what exists) is handed in as [`Places`]. A finding that refuses stops
//! its job alone; one that warns is told by `irsync check`.

use super::operand;
use super::options::Analysis;
use std::path::PathBuf;

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The key to mend: `source`, `destination` or `options`.
    pub(crate) key: &'static str,
    /// True: the job must not run like this. False: it may, but it is unwise.
    pub(crate) refused: bool,
    /// What was found and what to do, for people.
    pub(crate) text: String,
}

/// A local operand, as the file system has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The operand as the owner wrote it.
    pub(crate) word: String,
    /// Its path with symbolic links resolved as far as it exists, without `.` and `..`.
    pub(crate) real: PathBuf,
    /// Something is there.
    pub(crate) exists: bool,
    /// A folder is there.
    pub(crate) is_folder: bool,
}

/// The local operands of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The local ones among the sources.
    pub(crate) sources: Vec<Place>,
    /// The destination, if it is local.
    pub(crate) destination: Option<Place>,
}

/// Schemes of other tools. rsync would take the word before the colon for the name of a host.
const FOREIGN: &[&str] = &[
    "http", "https", "ftp", "ftps", "sftp", "ssh", "scp", "file", "smb", "nfs", "dav", "davs", "webdav", "s3", "git",
    "rsyncs",
];

/// Folders that hold the system, or what every user and service keeps. `/usr/bin` and the like stand here because
/// `/bin` is a link to it on most images.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
];

/// Views of the kernel: nothing inside them is anybody's to mirror into.
const KERNEL: &[&str] = &["/proc", "/sys"];

/// Options under which rsync copies nothing, and what it does instead.
const COPIES_NOTHING: &[(&str, &str)] = &[
    ("--list-only", "it only lists the files"),
    ("--dry-run", "nothing is ever copied"),
    ("--version", "it only prints its version"),
    ("--help", "it only prints its help"),
    ("--daemon", "it would serve files instead of copying any"),
    ("--server", "it is rsync's own word for the other side of a connection"),
    ("--only-write-batch", "it writes a batch file instead of the destination"),
];

/// Options that may keep a destination inside its source out of the copy.
const SELECTS: &[&str] = &[
    "--exclude",
    "--exclude-from",
    "--filter",
    "--include-from",
    "--cvs-exclude",
    "-F",
    "--files-from",
    "--one-file-system",
];

/// Judges what is dangerous wherever it comes from: it holds for a drop-in command line too.
pub(crate) fn dangers(given: &Analysis, places: &Places) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Some(destination) = &places.destination else { return findings.0 };
    let deletes = given.deletes();
    let selects = SELECTS.iter().any(|option| given.mentions(option));
    for source in &places.sources {
        let (word, to) = (&source.word, &destination.word);
        if source.real == destination.real {
            findings.refuse("destination", format!("{to} is its own source {word}"));
        } else if source.real.starts_with(&destination.real) {
            let what =
                if deletes { "deletions would remove the source" } else { "the copy would overwrite the source" };
            findings.refuse("destination", format!("{to} holds its own source {word}: {what}"));
        } else if destination.real.starts_with(&source.real) {
            let text = format!("{to} lies inside its own source {word}: every sync would copy the copies");
            // A backup of `/` with what is mounted elsewhere left out is an honest order.
            match selects {
                true => findings.warn("destination", format!("{text}, unless the options leave it out")),
                false => findings.refuse("destination", text),
            }
        }
    }
    // Byte by byte: it is resolved, and so written in one way only.
    let real = destination.real.as_os_str().as_encoded_bytes();
    let is = |path: &&str| path.as_bytes() == real;
    let inside = |path: &&str| destination.real.starts_with(path);
    if SYSTEM.iter().any(is) || KERNEL.iter().any(inside) {
        let real = destination.real.display();
        match deletes {
            true => findings.refuse(
                "destination",
                format!("{real} holds the system: deletions would remove it; name a folder of its own"),
            ),
            false => findings.warn("destination", format!("{real} holds the system: name a folder of its own")),
        }
    }
    findings.0
}

/// Judges an order of the INI file: [`dangers`], what copies nothing, and what rsync would understand otherwise than it
/// was meant.
pub(crate) fn judge(
    options: &[String],
    given: &Analysis,
    source: &[String],
    destination: &str,
    places: &Places,
) -> Vec<Finding> {
    let mut findings = Findings(dangers(given, places));
    for (key, word) in source.iter().map(|word| ("source", word)).chain([("destination", &destination.to_owned())]) {
        typography(key, word, &mut findings);
        address(key, word, &mut findings);
    }
    options.iter().for_each(|word| typography("options", word, &mut findings));
    let mut operands = given.operands.iter().filter_map(|at| options.get(*at));
    if let Some(word) = operands.find(|word| word.starts_with([';', '#'])) {
        let text = format!("rsync would take {word:?} for a source: a comment stands on a line of its own");
        findings.refuse("options", text);
    }
    if let Some(option) = &given.value_missing {
        // What comes next is `--max-delete=0` where deletions are counted first: without it they would all be made.
        let text = format!("{option} needs a value, and rsync would take irsync's own next argument for it");
        findings.refuse("options", text);
    }
    for (option, why) in COPIES_NOTHING.iter().filter(|(option, _)| given.has(option)) {
        findings.refuse("options", format!("{option}: {why}"));
    }
    if given.has("--existing") | given.has("--ignore-non-existing")
        && given.has("--ignore-existing")
        && !given.deletes()
    {
        findings.refuse("options", "--existing with --ignore-existing: no file is ever copied".into());
    }
    if given.value("--files-from").is_some_and(|value| value == "-") {
        findings.refuse("options", "--files-from=-: irsync gives rsync no list on standard input; name a file".into());
    }
    folders(given, source, places, &mut findings);
    for place in &places.sources {
        let glob = place.word.contains(['*', '?', '[']);
        match place.exists {
            true => {}
            false if glob => findings.warn(
                "source",
                format!(
                    "{} does not exist: no shell expands it; give the folder, and --include/--exclude in options",
                    place.word
                ),
            ),
            false => findings.warn("source", format!("{} does not exist now", place.word)),
        }
    }
    let local = |word: &&String| !operand::is_remote(word);
    let words = source.iter().filter(local).map(|word| ("source", word.as_str()));
    let words = words.chain((!operand::is_remote(destination)).then_some(("destination", destination)));
    for (key, word) in words.chain(options.iter().map(|word| ("options", word.as_str()))) {
        if let Some(name) = shell_variable(word) {
            findings.warn(key, format!("{name} in {word:?} is taken as it stands: no shell expands it"));
        }
    }
    for value in options.iter().filter_map(|word| word.split_once('=')).filter(|(_, value)| value.starts_with("~/")) {
        findings.warn("options", format!("{}=~/…: no shell expands the ~; give the whole path", value.0));
    }
    findings.0
}

/// A folder needs one of the options that go into folders; without any rsync says "skipping directory", with code 0.
fn folders(given: &Analysis, source: &[String], places: &Places, findings: &mut Findings) {
    let archive = given.has("--archive") && !given.options.iter().any(|option| option.name == "--no-recursive");
    let enters = ["--recursive", "--dirs", "--old-dirs"].iter().any(|option| given.has(option));
    if archive || enters || given.mentions("--files-from") || given.mentions("--read-batch") {
        return;
    }
    let is_folder = |word: &&String| {
        let here = places.sources.iter().any(|place| place.word == **word && place.is_folder);
        here || word.ends_with('/') || word.ends_with("/.") || operand::is_module_root(word)
    };
    let skipped: Vec<&str> = source.iter().filter(is_folder).map(String::as_str).collect();
    let text = format!("{} is a folder, which rsync skips without -r (or -a, -d)", skipped.join(", "));
    match skipped.len() {
        0 => {}
        n if n == source.len() => findings.refuse("options", format!("nothing would be copied: {text}")),
        _ => findings.warn("options", text),
    }
}

/// Quotes and dashes that word processors and web pages put in place of the real ones.
fn typography(key: &'static str, word: &str, findings: &mut Findings) {
    const DASHES: [char; 4] = ['\u{2010}', '\u{2013}', '\u{2014}', '\u{2212}'];
    const QUOTES: [char; 8] =
        ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}', '\u{00ab}', '\u{00bb}'];
    if word.starts_with(DASHES) {
        findings.refuse(key, format!("{word:?} begins with a typographic dash: write -, or -- for a long option"));
    }
    // Inside a name they may be meant, at its ends they are quotes.
    let value = word.split_once('=').map_or(word, |(_, value)| value);
    if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
        findings.refuse(key, format!("{word:?} has typographic quotes: write \" or '"));
    }
}

/// Addresses that rsync would take for something else.
fn address(key: &'static str, word: &str, findings: &mut Findings) {
    if let Some((scheme, _)) = word.split_once("://") {
        if FOREIGN.contains(&scheme.to_ascii_lowercase().as_str()) {
            findings.refuse(
                key,
                format!("rsync does not speak {scheme}://; it takes rsync://HOST/MODULE/ or HOST:PATH (by ssh)"),
            );
            return;
        }
    }
    if let Some(found) = operand::bare_ipv6(word) {
        findings.refuse(key, format!("{found} is an IPv6 address: write it in brackets, [{found}]"));
    } else if operand::names_no_module(word) {
        findings.refuse(key, format!("{word} names no module: rsync would only list those there are"));
    }
}

/// `$NAME` in a word; of `${…}` irsync knows all that may stand there.
fn shell_variable(word: &str) -> Option<&str> {
    let is_name = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let at = word.match_indices('$').map(|(at, _)| at).find(|at| is_name(&word[at + 1..]))?;
    let rest = &word[at + 1..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&word[at..at + 1 + end])
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn refuse(&mut self, key: &'static str, text: String) {
        self.0.push(Finding { key, refused: true, text });
    }

    fn warn(&mut self, key: &'static str, text: String) {
        self.0.push(Finding { key, refused: false, text });
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
