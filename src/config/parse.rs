//! A sheet to a [`Config`], or every error at once.

use super::error::{Error, Errors, Place, Warning};
use super::expand::Variables;
use super::fields::default_stale_after;
use super::keys::Id;
use super::mask::masked;
use super::rules;
use super::sheet::{self, Section, Sheet};
use super::values::Value;
use super::view::View;
use super::{Arguments, Config, Global, Job};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// Reads and checks a configuration with everything it includes.
///
/// # Errors
/// All of them, each with its file and line.
pub fn load(path: &Path, variables: &Variables) -> Result<(Config, Vec<Warning>), Errors> {
    let mut sheet = sheet::read(path);
    let mut errors = std::mem::take(&mut sheet.errors);
    let config = assemble(&sheet, variables, &mut errors);
    let top = Place { file: path.into(), line: 1 };
    if sheet.jobs.is_empty() && errors.is_empty() {
        errors.push(Error {
            place: top.clone(),
            message: "there is no job: add a [section]".into(),
            ..Error::default()
        });
    }
    if !errors.is_empty() {
        // Included files come after the main one; within a file the lines in order.
        errors.sort_by_key(|error| (error.place.file != path, error.place.file.clone(), error.place.line));
        return Err(Errors(errors));
    }
    if config.jobs.iter().all(|job| !job.enabled) {
        let message = "no job is enabled: irsync run only waits for SIGHUP and a better file".into();
        sheet.warnings.push(Warning { place: top, message });
    }
    Ok((config, sheet.warnings))
}

impl Config {
    /// The configuration of drop-in mode: one job named `rsync`, everything else by default.
    pub fn drop_in(args: Vec<OsString>, interval: Duration, activity_timeout: Option<Duration>) -> Config {
        let sheet = Sheet { jobs: vec![Section { name: "rsync".into(), ..Section::default() }], ..Sheet::default() };
        let mut config = assemble(&sheet, &Variables::default(), &mut Vec::new());
        for job in &mut config.jobs {
            job.arguments = Arguments::DropIn(args.clone());
            job.limits.interval = interval;
            job.limits.activity_timeout = activity_timeout;
            job.stale_after = Some(default_stale_after(interval, activity_timeout));
            job.progress = false;
        }
        config
    }
}

fn assemble(sheet: &Sheet, variables: &Variables, errors: &mut Vec<Error>) -> Config {
    let mut jobs = Vec::new();
    for section in &sheet.jobs {
        let view = View::job(sheet, section);
        let arguments = arguments(&view, variables, errors);
        let job = Job::read(&view, arguments);
        rules::check(&view, &job, errors);
        jobs.push(job);
    }
    Config { global: Global::read(&View::global(sheet)), jobs }
}

fn arguments(view: &View, variables: &Variables, errors: &mut Vec<Error>) -> Arguments {
    let source = words(view, Id::source, variables, errors);
    let destination = words(view, Id::destination, variables, errors).pop().unwrap_or_default();
    let options = words(view, Id::options, variables, errors);
    Arguments::Ini { options, source, destination }
}

/// Expanded after they were split, so that no value can become two words.
fn words(view: &View, id: Id, variables: &Variables, errors: &mut Vec<Error>) -> Vec<String> {
    let Value::Words(words) = view.value(id) else {
        return Vec::new();
    };
    let mut expanded = Vec::with_capacity(words.len());
    for word in &words {
        match variables.expand(word) {
            Ok(word) => expanded.push(word),
            Err(message) => errors.push(Error { found: Some(masked(word)), ..view.error(id, message) }),
        }
    }
    expanded
}
