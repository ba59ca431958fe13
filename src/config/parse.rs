//! A sheet to a [`Config`].

use super::error::Error;
use super::expand;
use super::fields::{default_spread, default_stale_after};
use super::keys::Id;
use super::mask::masked;
use super::rules;
use super::sheet::{Section, Sheet};
use super::values::Value;
use super::view::View;
use super::{Arguments, Config, Global, Job};
use std::ffi::OsString;
use std::time::Duration;

impl Config {
    /// The configuration of drop-in mode: one job named `rsync`, everything else by default.
    pub fn drop_in(args: Vec<OsString>, interval: Duration, activity_timeout: Option<Duration>) -> Config {
        let sheet = Sheet { jobs: vec![Section { name: "rsync".into(), ..Section::default() }], ..Sheet::default() };
        let mut config = assemble(&sheet, &mut Vec::new());
        for job in &mut config.jobs {
            job.arguments = Arguments::DropIn(args.clone());
            job.limits.interval = interval;
            job.limits.spread = default_spread(interval);
            job.limits.activity_timeout = activity_timeout;
            job.stale_after = Some(default_stale_after(interval, activity_timeout));
            job.progress = false;
        }
        config
    }
}

/// What a sheet comes to; what is wrong with its jobs is added to the errors.
pub(super) fn assemble(sheet: &Sheet, errors: &mut Vec<Error>) -> Config {
    let mut jobs = Vec::new();
    for section in &sheet.jobs {
        let view = View::job(sheet, section);
        let arguments = arguments(&view, errors);
        let fallback = fallback(&view, &arguments, errors);
        let job = Job::read(&view, arguments, fallback);
        rules::check(&view, &job, errors);
        jobs.push(job);
    }
    Config { global: Global::read(&View::global(sheet)), jobs }
}

fn arguments(view: &View, errors: &mut Vec<Error>) -> Arguments {
    let source = words(view, Id::source, errors);
    let destination = words(view, Id::destination, errors).pop().unwrap_or_default();
    let options = words(view, Id::options, errors);
    Arguments::Ini { options, source, destination }
}

/// As many words for each as `source` has.
fn fallback(view: &View, arguments: &Arguments, errors: &mut Vec<Error>) -> Vec<Vec<String>> {
    let words = words(view, Id::fallback, errors);
    let Arguments::Ini { source, .. } = arguments else { return Vec::new() };
    let each = source.len().max(1);
    if words.len() % each != 0 {
        let message =
            format!("has {} words: {} has {each}, and each further one needs as many", words.len(), Id::source.name());
        errors.push(view.error(Id::fallback, message));
    }
    words.chunks(each).map(<[String]>::to_vec).collect()
}

/// Variables are expanded when a sync starts, after this: so no value can become two words.
fn words(view: &View, id: Id, errors: &mut Vec<Error>) -> Vec<String> {
    let Value::Words(words) = view.value(id) else {
        return Vec::new();
    };
    for word in &words {
        if let Err(message) = expand::check(word) {
            errors.push(Error { found: Some(masked(word)), ..view.error(id, message) });
        }
    }
    words
}
