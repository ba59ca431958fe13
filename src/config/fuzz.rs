//! Arbitrary configurations for what reads them.

use super::values::Value;
use super::{expand, show, Arguments, Config, Loader, Password};
use crate::job::Jitter;
use std::path::Path;

/// Generations are parted by a line `%%%%`, a file from those it includes by `%%%`. Each generation is a reload of the one before.
pub(crate) fn config(data: &[u8]) {
    let mut loader = Loader::new(Path::new("main.ini"));
    for generation in parts(data, b"\n%%%%\n").into_iter().take(4) {
        let pages = parts(generation, b"\n%%%\n");
        match loader.load_texts(pages[0], &pages[1..pages.len().min(6)]) {
            Ok(loaded) => {
                for told in loaded.left_out.iter().map(ToString::to_string) {
                    is_told(&told);
                }
                is_sound(&loaded.config);
            }
            Err(errors) => {
                assert!(!errors.0.is_empty(), "refused without a reason");
                errors.to_string().lines().for_each(is_told);
            }
        }
    }
}

fn parts<'d>(data: &'d [u8], border: &[u8]) -> Vec<&'d [u8]> {
    let (mut found, mut rest) = (Vec::new(), data);
    let begins = |rest: &[u8], at: usize| rest[at] == border[0] && rest[at..].starts_with(border);
    while let Some(at) = (0..rest.len()).find(|at| begins(rest, *at)) {
        found.push(&rest[..at]);
        rest = &rest[at + border.len()..];
    }
    found.push(rest);
    found
}

/// A line that names its file, and that a terminal can be shown.
fn is_told(line: &str) {
    assert!(line.contains(".ini:") || line.starts_with("(and "), "where? {line:?}");
    assert!(!line.chars().any(char::is_control), "{line:?}");
}

fn is_sound(config: &Config) {
    for setting in show::global(&config.global) {
        assert!(setting.value != Value::Refused, "{} was refused and nobody told", setting.key.name);
    }
    for (at, job) in config.jobs.iter().enumerate() {
        assert!(config.jobs[..at].iter().all(|other| other.name != job.name), "two jobs {}", job.name);
        assert!(!job.name.is_empty() && job.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
        assert!(!matches!(job.limits.jitter, Jitter::Percent(101..)), "{:?}", job.limits);
        for setting in show::job(job) {
            assert!(setting.value != Value::Refused, "{} was refused and nobody told", setting.key.name);
        }
        if let Some(Password::Text(secret)) = &job.password {
            assert!(
                !secret.contains('\n') && !format!("{:?}", job.password).contains(secret.as_str()) || secret.len() < 9
            );
        }
        let Arguments::Ini { options, source, destination } = &job.arguments else { panic!("{job:?}") };
        assert!(!source.is_empty() && !destination.is_empty(), "{job:?}");
        for word in options.iter().chain(source).chain([destination]).chain(job.fallback.iter().flatten()) {
            assert_eq!(expand::check(word), Ok(()), "{job:?}");
        }
        assert!(job.fallback.iter().all(|words| words.len() == source.len()), "{job:?}");
        for at in 0..=job.fallback.len() {
            let arguments = job.arguments_for(at);
            assert!(arguments.operands().len() == source.len() + 1);
            let _ = (arguments.deletes(), arguments.by_shell());
        }
        let variables =
            expand::Variables { hostname: Some("a".into()), date: Some("2026-11-25".into()), ..Default::default() };
        if let Ok(job) = variables.expand_job(job) {
            assert_eq!(job.arguments.operands().len(), source.len() + 1, "a value became two words: {job:?}");
        }
    }
    let _ = (config.report_job(), show::needs_restart(&config.global, &config.global));
}
