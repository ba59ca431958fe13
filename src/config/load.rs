//! The file and what it includes, put together so that one bad file in the folder does not keep the rest from running.
//!
//! A bad main file is refused as a whole: whoever edits it reads what is said of it. The folder is another matter. Programs write
//! there, power cuts end them halfway, and nobody is at the device. So a bad file there is left out, with its errors.
//!
//! While irsync runs, leaving it out could do harm: a file that only gives a job of the main file another source would, by being
//! broken, send that job to the wrong one, with `--delete`. So a reload takes what such a file said when it was last in order. At a
//! start nobody knows what it said: a job that it names waits until the file is right.

use super::error::{Error, Errors, Place, Warning};
use super::keys::Id;
use super::parse::assemble;
use super::read;
use super::sheet::{Page, Sheet};
use super::trust;
use super::values::Value;
use super::view::View;
use super::{Config, Global};
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A configuration that can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What to run.
    pub config: Config,
    /// What is odd.
    pub warnings: Vec<Warning>,
    /// What is wrong with included files, and for each of them what came of it. Empty: all is in order.
    pub left_out: Vec<Error>,
    /// Jobs that may be meant otherwise, each with the file that is in error and names it.
    pub doubts: Vec<(String, PathBuf)>,
}

impl Loaded {
    /// Makes the jobs wait that may be meant otherwise.
    #[must_use]
    pub fn held(mut self) -> Loaded {
        for (name, file) in std::mem::take(&mut self.doubts) {
            let message = "this job waits until the file is right: it may be meant otherwise".into();
            self.left_out.push(Error { section: Some(name.clone()), ..whole(&file, message) });
            self.config.jobs.iter_mut().filter(|job| job.name == name).for_each(|job| job.doubt = Some(file.clone()));
        }
        self
    }
}

/// Reads and checks a configuration with everything it includes, for the first time.
///
/// # Errors
/// See [`Loader::load`].
pub fn load(path: &Path) -> Result<Loaded, Errors> {
    Loader::new(path).load()
}

/// Reads a configuration again and again.
#[derive(Debug)]
pub struct Loader {
    path: PathBuf,
    /// The included files that were in force after the last success.
    known: Vec<Page>,
    /// The jobs of the last success.
    jobs: Vec<String>,
}

/// An included file.
struct Include {
    path: PathBuf,
    /// What counts; None: it is left out.
    page: Option<Page>,
    /// It was in force after the last success.
    known: bool,
    /// What it said then, until that is tried.
    before: Option<Page>,
}

impl Include {
    /// What is tried next where this is in error: what it said before, else nothing. The error says so. None: what it said before
    /// is in error as well, because of something else that has changed.
    fn step_back(&mut self) -> Option<Error> {
        self.page = self.before.take();
        let message = match (&self.page, self.known) {
            (Some(_), _) => "this file is in error: what it said before is kept",
            (None, false) => "this file is in error: it is left out, the rest is not",
            (None, true) => return None,
        };
        Some(whole(&self.path, message.into()))
    }
}

fn whole(path: &Path, message: String) -> Error {
    Error { place: Place { file: path.into(), line: 0 }, message, ..Error::default() }
}

impl Loader {
    /// Of this main file.
    pub fn new(path: &Path) -> Loader {
        Loader { path: path.into(), known: Vec::new(), jobs: Vec::new() }
    }

    /// Reads everything anew.
    ///
    /// # Errors
    /// The main file is in error; then all errors, each with its file and line.
    pub fn load(&mut self) -> Result<Loaded, Errors> {
        let main = Page::read(&self.path, false);
        let mut warnings = Vec::new();
        let mut untrusted = None;
        let includes = self.includes(&main, &mut warnings, &mut untrusted);
        self.take(&main, includes, warnings, untrusted)
    }

    /// The global keys of a file that is in error, as far as they can be read; for one that cannot, or is in doubt, its default.
    pub fn global_in_error(&self) -> Global {
        let main = Page::read(&self.path, false);
        let includes = self.includes(&main, &mut Vec::new(), &mut None);
        let in_order =
            includes.iter().filter_map(|include| include.page.as_ref()).filter(|page| page.errors.is_empty());
        let mut sheet = Sheet::lay(std::iter::once(&main).chain(in_order));
        sheet.global.entries.retain(|entry| {
            let name = Some(entry.key.name);
            let doubts =
                |error: &Error| error.section.is_none() && (error.key.as_deref() == name || error.nearest == name);
            !main.errors.iter().any(doubts)
        });
        Global::read(&View::global(&sheet))
    }

    /// What was read, judged as a whole.
    fn take(
        &mut self,
        main: &Page,
        mut includes: Vec<Include>,
        mut warnings: Vec<Warning>,
        untrusted: Option<Error>,
    ) -> Result<Loaded, Errors> {
        let (config, mut left_out) = self.settle(main, &mut includes)?;
        left_out.extend(untrusted);
        if config.jobs.is_empty() && left_out.is_empty() {
            let place = Place { file: self.path.clone(), line: 1 };
            let message = "there is no job: add a [section]".into();
            return Err(Errors(vec![Error { place, message, ..Error::default() }]));
        }
        if config.jobs.iter().all(|job| !job.enabled) {
            let place = Place { file: self.path.clone(), line: 1 };
            let message = "no job is enabled: irsync run only waits for SIGHUP and a better file".into();
            warnings.push(Warning { place, message });
        }
        let doubts = self.doubts(&includes, &config);
        self.known = includes.into_iter().filter_map(|include| include.page).collect();
        let is_known = |name: &String| !doubts.iter().any(|(doubtful, _)| doubtful == name);
        self.jobs = config.jobs.iter().map(|job| job.name.clone()).filter(is_known).collect();
        Ok(Loaded { config, warnings, left_out: bounded(self.sorted(left_out).0), doubts })
    }

    /// The same with texts in place of files, which are named by their numbers.
    #[cfg(feature = "fuzzing")]
    pub(super) fn load_texts(&mut self, main: &[u8], includes: &[&[u8]]) -> Result<Loaded, Errors> {
        let page = |path: &Path, text: &[u8], included| {
            Page::of(path, &super::read::Content { bytes: text.to_vec(), mode: 0o100_600 }, included)
        };
        let main = page(&self.path, main, false);
        let include = |(n, text): (usize, &&[u8])| {
            let path = PathBuf::from(format!("{n}.ini"));
            let before = self.known.iter().find(|page| page.path == path).cloned();
            Include { page: Some(page(&path, text, true)), known: before.is_some(), before, path }
        };
        let includes = includes.iter().enumerate().map(include).collect();
        self.take(&main, includes, Vec::new(), None)
    }

    /// Leaves out what has to be left out: each round takes something away, so that it ends.
    fn settle(&self, main: &Page, includes: &mut [Include]) -> Result<(Config, Vec<Error>), Errors> {
        let mut without: Vec<String> = Vec::new();
        let (mut told, mut consequences) = (Vec::new(), Vec::new());
        loop {
            let (config, errors) = put_together(main, includes, &without);
            if errors.is_empty() {
                told.extend(consequences);
                return Ok((config, told));
            }
            if !main.errors.is_empty() {
                told.extend(errors);
                return Err(self.sorted(told));
            }
            let (own, of_includes): (Vec<Error>, Vec<Error>) =
                errors.into_iter().partition(|error| error.place.file == self.path);
            let is_guilty = |include: &Include| of_includes.iter().any(|error| error.place.file == include.path);
            let guilty: Vec<usize> = match of_includes.is_empty() {
                false => (0..includes.len()).filter(|&i| is_guilty(&includes[i])).collect(),
                true => culprit(main, includes, &without).into_iter().collect(),
            };
            let jobs: Vec<String> = own.iter().filter_map(|error| error.section.clone()).collect();
            let nothing_left_out = told.is_empty();
            told.extend(if of_includes.is_empty() { own } else { of_includes });
            for index in &guilty {
                match includes[*index].step_back() {
                    Some(consequence) => consequences.push(consequence),
                    None => return Err(self.sorted(told)),
                }
            }
            if guilty.is_empty() {
                // A job of the main file may need what stood in a file that is left out. Where it was running, the file was in order
                // then, and it is the main file that has changed.
                if nothing_left_out || jobs.iter().any(|job| self.jobs.contains(job)) {
                    return Err(self.sorted(told));
                }
                without.extend(jobs);
            }
        }
    }

    /// What of the jobs may be meant otherwise. One that has run goes on as it was.
    fn doubts(&self, includes: &[Include], config: &Config) -> Vec<(String, PathBuf)> {
        let mut doubts = Vec::new();
        for include in includes.iter().filter(|include| include.page.is_none()) {
            let Ok(content) = read::file(&include.path) else { continue };
            let of_this = config.jobs.iter().filter(|job| !self.jobs.contains(&job.name));
            let named = of_this.filter(|job| names(&content.bytes, &job.name));
            doubts.extend(named.map(|job| (job.name.clone(), include.path.clone())));
        }
        doubts
    }

    fn includes(&self, main: &Page, warnings: &mut Vec<Warning>, untrusted: &mut Option<Error>) -> Vec<Include> {
        let Some(entry) = main.global.get(Id::include) else { return Vec::new() };
        let Value::Path(folder) = &entry.value else { return Vec::new() };
        if let Some(fault) = fs::metadata(folder).ok().and_then(|found| trust::fault(&found)) {
            let (kept, result) = self.kept(folder);
            let message = format!("{} is not read: {fault}; {result}", folder.display());
            let key = Some(Id::include.name().into());
            *untrusted = Some(Error { place: entry.place.clone(), key, message, ..Error::default() });
            return kept;
        }
        match ini_files(folder) {
            Ok(paths) => paths
                .into_iter()
                .map(|path| {
                    let before = self.known.iter().find(|page| page.path == path).cloned();
                    Include { page: Some(Page::read(&path, true)), known: before.is_some(), before, path }
                })
                .collect(),
            // On a reload, an overlay that is not mounted looks like this.
            Err(error) => {
                let (kept, result) = self.kept(folder);
                let message = format!("cannot read {}: {error}; {result}", folder.display());
                warnings.push(Warning { place: entry.place.clone(), message });
                kept
            }
        }
    }

    /// What the files of a folder that cannot be read now said before, and what to say of it.
    fn kept(&self, folder: &Path) -> (Vec<Include>, &'static str) {
        let known = self.known.iter().filter(|page| page.path.parent() == Some(folder)).cloned();
        let kept: Vec<Include> = known
            .map(|page| Include { path: page.path.clone(), page: Some(page), known: true, before: None })
            .collect();
        let result = if kept.is_empty() { "nothing is included" } else { "what its files said before is kept" };
        (kept, result)
    }

    /// Included files come after the main one; within a file the lines are in order.
    fn sorted(&self, mut errors: Vec<Error>) -> Errors {
        errors.sort_by_key(|error| (error.place.file != self.path, error.place.file.clone(), error.place.line));
        Errors(errors)
    }
}

/// Whether a text that is no configuration has the header of a job, or what may be the beginning of one that was cut off.
fn names(text: &[u8], job: &str) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let line = String::from_utf8_lossy(line);
        let Some(header) = line.trim_matches(['\u{feff}', '\0', ' ', '\t']).strip_prefix('[') else { return false };
        match header.split_once(']') {
            Some((name, _)) => name.trim() == job,
            None => job.starts_with(header.trim()),
        }
    })
}

/// A file that is no configuration at all would fill a log.
const LISTED: usize = 20;

/// At most so many errors of each file; they are sorted by file.
fn bounded(errors: Vec<Error>) -> Vec<Error> {
    let mut kept: Vec<Error> = Vec::new();
    let mut of_this_file = 0;
    for error in errors {
        let same = kept.last().is_some_and(|last| last.place.file == error.place.file);
        of_this_file = if same { of_this_file + 1 } else { 1 };
        match of_this_file.cmp(&(LISTED + 1)) {
            Ordering::Less => kept.push(error),
            Ordering::Equal => kept.push(whole(&error.place.file, "there are more errors".into())),
            Ordering::Greater => {}
        }
    }
    kept
}

/// The configuration of all pages that count, without some jobs, and all that is wrong with it.
fn put_together(main: &Page, includes: &[Include], without: &[String]) -> (Config, Vec<Error>) {
    let pages = || std::iter::once(main).chain(includes.iter().filter_map(|include| include.page.as_ref()));
    let mut errors: Vec<Error> = pages().flat_map(|page| page.errors.clone()).collect();
    let mut sheet = Sheet::lay(pages());
    sheet.jobs.retain(|job| !without.contains(&job.name));
    let config = assemble(&sheet, &mut errors);
    (config, errors)
}

/// The included file without which the main one would be in order: it has overridden a key that another needs.
fn culprit(main: &Page, includes: &mut [Include], without: &[String]) -> Option<usize> {
    (0..includes.len()).rev().find(|&suspect| {
        let Some(page) = includes[suspect].page.take() else { return false };
        let (_, errors) = put_together(main, includes, without);
        includes[suspect].page = Some(page);
        !errors.iter().any(|error| error.place.file == main.path)
    })
}

/// The files of the folder that are configurations, in the order of their names.
fn ini_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    // A hidden file is an editor's.
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".ini") && !name.starts_with('.')
    });
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_in_what_is_no_configuration() {
        for text in [
            "[media]\nnonsense",
            "x\r\n[media] ; comment\r\n",
            "\u{feff}  [ media ]",
            "nonsense\n[medi",
            "[",
            "\0\0[media]\n\0\0",
        ] {
            assert!(names(text.as_bytes(), "media"), "{text:?}");
        }
        for text in ["", "nonsense", "media", "source = [media]", "[media2]", "[med]", "[mediä", "; [media]", "\0\0"] {
            assert!(!names(text.as_bytes(), "media"), "{text:?}");
        }
    }
}
