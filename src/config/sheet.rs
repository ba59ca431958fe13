//! Files to pages, and pages to a sheet: which key has which value in which section, and on which line that stands.
//!
//! rust-ini decides what a line means, but gives no line numbers for what it accepts, so that it is fed line by line.

use super::error::{Error, Place};
use super::keys::{self, Id, Key, Scope};
use super::mask::masked;
use super::nearest;
use super::read;
use super::values::{self, Value};
use ini::{Ini, ParseOption};
use std::path::{Path, PathBuf};

/// One key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Which key.
    pub key: &'static Key,
    /// `Refused` where the text was bad.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// One section, or what stands before the first.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// The job; empty before the first section.
    pub name: String,
    /// Its header.
    pub place: Place,
    /// Its keys, each once.
    pub entries: Vec<Entry>,
}

impl Section {
    /// The entry of a key.
    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.id == id)
    }
}

/// One file as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// The file.
    pub path: PathBuf,
    /// What stands before the first section.
    pub global: Section,
    /// The jobs, in order.
    pub jobs: Vec<Section>,
    /// What is wrong with its lines.
    pub errors: Vec<Error>,
}

impl Page {
    /// Reads a file; `included`: it is not the main one.
    pub(super) fn read(path: &Path, included: bool) -> Page {
        match read::file(path) {
            Ok(content) => Page::of(path, &content, included),
            Err(message) => {
                let mut page = Page::empty(path);
                page.errors.push(Error { place: page.global.place.clone(), message, ..Error::default() });
                page
            }
        }
    }

    fn empty(path: &Path) -> Page {
        let mut page = Page { path: path.into(), ..Page::default() };
        page.global.place = Place { file: path.into(), line: 0 };
        page
    }

    /// What a file says that was read.
    pub(super) fn of(path: &Path, content: &read::Content, included: bool) -> Page {
        let page = Page::empty(path);
        let mut lines = Lines { page, included, current: Current::Global };
        let text = content.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content.bytes);
        for (i, line) in text.split(|byte| *byte == b'\n').enumerate() {
            lines.line(i + 1, line.strip_suffix(b"\r").unwrap_or(line));
        }
        let mut page = lines.page;
        if content.open_to_others() {
            let sections = std::iter::once(&page.global).chain(&page.jobs);
            page.errors.extend(sections.flat_map(|section| section.get(Id::password)).map(|entry| Error {
                place: entry.place.clone(),
                key: Some(Id::password.name().into()),
                message: format!(
                    "others can read this file (mode {:04o}): chmod o-rw it, or use password_file",
                    content.mode & 0o7777
                ),
                ..Error::default()
            }));
        }
        page
    }
}

/// Several pages laid over each other.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// What stands before the first section.
    pub global: Section,
    /// The jobs, in order.
    pub jobs: Vec<Section>,
}

impl Sheet {
    /// Of two pages with the same key in the same section the later one counts.
    pub(super) fn lay<'a>(pages: impl Iterator<Item = &'a Page>) -> Sheet {
        let mut sheet = Sheet::default();
        for page in pages {
            merge(&mut sheet.global, &page.global);
            for job in &page.jobs {
                match sheet.jobs.iter_mut().find(|known| known.name == job.name) {
                    Some(known) => merge(known, job),
                    None => sheet.jobs.push(job.clone()),
                }
            }
        }
        sheet
    }
}

fn merge(under: &mut Section, over: &Section) {
    for entry in &over.entries {
        under.entries.retain(|old| old.key.id != entry.key.id);
        under.entries.push(entry.clone());
    }
}

/// Where the next key belongs.
enum Current {
    Global,
    /// Index into `jobs`.
    Job(usize),
    /// A section that was refused: its keys are checked but go nowhere.
    Nowhere(Section),
}

/// One file while it is read.
struct Lines {
    page: Page,
    included: bool,
    current: Current,
}

/// What rust-ini makes of one line.
enum Meaning {
    Nothing,
    Header(String),
    Pair(String, String),
}

fn meaning(line: &[u8]) -> Result<Meaning, String> {
    if line.contains(&0) {
        return Err("has a NUL byte".into());
    }
    let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?.trim();
    if line.contains('\r') {
        let how = "end each line with a line feed, as dos2unix or an editor does that is told to write Unix files";
        return Err(format!("has a carriage return in its middle: {how}"));
    }
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    // Its message may repeat the line, which may hold a password.
    let ini = Ini::load_from_str_opt(line, options).map_err(|_| "is neither key = value, [job] nor a comment")?;
    let mut found = Meaning::Nothing;
    for (section, properties) in ini.iter() {
        match (&found, section, properties.iter().next()) {
            (_, None, None) => {}
            (Meaning::Nothing, Some(name), None) => found = Meaning::Header(name.to_string()),
            (Meaning::Nothing, None, Some((key, value))) => {
                found = Meaning::Pair(key.trim().to_string(), value.to_string())
            }
            _ => return Err("holds more than one thing".into()),
        }
    }
    Ok(found)
}

impl Lines {
    fn line(&mut self, number: usize, line: &[u8]) {
        let place = Place { file: self.page.path.clone(), line: number };
        match meaning(line) {
            Ok(Meaning::Nothing) => {}
            Ok(Meaning::Header(name)) => self.header(name, place),
            Ok(Meaning::Pair(key, value)) => self.pair(key, &value, place),
            Err(why) => self.page.errors.push(Error { place, message: format!("this line {why}"), ..Error::default() }),
        }
    }

    fn header(&mut self, name: String, place: Place) {
        let earlier = self.page.jobs.iter().find(|job| job.name == name);
        let bad = match (name_fault(&name), earlier) {
            (Some(fault), _) => Some(fault.to_string()),
            (None, Some(job)) => Some(format!("this job is there already, on line {}", job.place.line)),
            (None, None) => None,
        };
        let section = Section { name, place, entries: Vec::new() };
        if let Some(message) = bad {
            self.page.errors.push(Error {
                place: section.place.clone(),
                section: Some(section.name.clone()),
                message,
                ..Error::default()
            });
            self.current = Current::Nowhere(section);
            return;
        }
        self.current = Current::Job(self.page.jobs.len());
        self.page.jobs.push(section);
    }

    fn pair(&mut self, name: String, text: &str, place: Place) {
        let in_job = !matches!(self.current, Current::Global);
        let section = match &mut self.current {
            Current::Global => &mut self.page.global,
            Current::Job(index) => &mut self.page.jobs[*index],
            Current::Nowhere(section) => section,
        };
        let mut error = Error {
            place: place.clone(),
            section: in_job.then(|| section.name.clone()),
            key: Some(name.clone()),
            ..Error::default()
        };
        let Some(key) = keys::find(&name) else {
            error.message = "unknown key".into();
            error.nearest = nearest::key(&name);
            self.page.errors.push(error);
            return;
        };
        let earlier = section.get(key.id).map(|entry| entry.place.line);
        let value = if let Some(line) = earlier {
            error.message = format!("given already, on line {line}");
            Err(error)
        } else if in_job && key.scope == Scope::Global {
            error.message = "a global key: it belongs before the first section".into();
            Err(error)
        } else if self.included && key.id == Id::include {
            error.message = "an included file cannot include others".into();
            Err(error)
        } else {
            values::parse(&key.kind, text).map_err(|message| {
                // Somebody may have put the password itself where the name of its file belongs.
                let is_secret = matches!(key.id, Id::password | Id::password_file | Id::report_password_file);
                error.found = (!is_secret).then(|| masked(text));
                error.accepted = Some(key.kind.accepts());
                error.message = message;
                error
            })
        };
        let value = value.unwrap_or_else(|error| {
            self.page.errors.push(error);
            Value::Refused
        });
        if earlier.is_none() {
            section.entries.push(Entry { key, value, place });
        }
    }
}

/// What is wrong with a job's name. It is typed in a shell and stands in the status file, in labels and in log lines.
fn name_fault(name: &str) -> Option<&'static str> {
    let sane = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() {
        return Some("a job needs a name");
    }
    if name.eq_ignore_ascii_case("global") {
        return Some("this is not a job's name: global keys stand before the first section");
    }
    if name.len() > 64 {
        return Some("a job's name has at most 64 characters");
    }
    if !name.bytes().all(sane) || name.starts_with(['-', '.']) {
        return Some("a job's name is made of letters, digits, '.', '_' and '-', and starts with none of '.' and '-'");
    }
    None
}
