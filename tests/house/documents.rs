//! The sample INI and the README's table of keys are made of the key table.

use irsync::config::expand::Variables;
use irsync::config::{self, keys};
use std::fs;
use std::path::{Path, PathBuf};

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
    holds("irsync.ini", &keys::sample_ini());
    let (config, _) = config::load(&repository("irsync.ini"), &Variables::default()).unwrap();
    assert!(config.jobs.iter().all(|job| !job.enabled), "a sample must not copy anything by itself");
}

#[test]
fn the_readme_agrees_with_the_key_table() {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let (before, rest) = readme.split_once("<!-- keys -->\n").expect("README.md has the line <!-- keys -->");
    let (_, after) = rest.split_once("<!-- /keys -->").expect("README.md has the line <!-- /keys -->");
    holds("README.md", &format!("{before}<!-- keys -->\n{}<!-- /keys -->{after}", keys::markdown_table()));
}
