//! Every command line in README and docs is executed by a test, or says why not. A fenced block of `sh` has one of these lines
//! before it, which no browser shows:
//!
//! - `<!-- run -->`: the story `documents` executes it, as written, in the files that the page gives;
//! - `<!-- run by FILE … -->` or `<!-- run by fn NAME -->`: that test does;
//! - `<!-- not run: WHY -->`.
//!
//! Blocks of `ini` are files that irsync accepts; `<!-- file: PATH -->` before one says where it stands.

use irsync::config;
use std::fs;
use std::path::{Path, PathBuf};

/// Shorter is no reason.
const SHORTEST_REASON: usize = 20;

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The pages that tell people what to type.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![repository("README.md"), repository("CONTRIBUTING.md")];
    for folder in ["docs", "docs/fleet"] {
        let entries = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// A fenced block: what it is, the line before it, and what it holds.
struct Block {
    language: String,
    mark: String,
    text: String,
}

/// The blocks of a page, and what is wrong with how they are given.
fn blocks(page: &str) -> (Vec<Block>, Vec<String>) {
    let (mut blocks, mut faults) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    let mut before = "";
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                if language.is_empty() {
                    faults.push("a block that does not say what it is".to_owned());
                }
                open = Some(Block { language: language.into(), mark: before.into(), text: String::new() });
            }
            (None, None) if line.starts_with("    ") && before.is_empty() => {
                faults.push(format!("an indented block cannot say whether it is run: {line}"));
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
        before = line;
    }
    (blocks, faults)
}

/// What is missing before a block of commands.
fn fault(mark: &str) -> Option<String> {
    let Some(said) = mark.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) else {
        return Some("no <!-- run -->, <!-- run by … --> or <!-- not run: … --> before it".into());
    };
    if let Some(why) = said.strip_prefix("not run: ") {
        return (why.len() < SHORTEST_REASON).then(|| format!("{why:?} is no reason"));
    }
    if let Some(name) = said.strip_prefix("run by fn ") {
        let tests = repository("tests/stories");
        return (!has(&tests, &format!("fn {name}() {{"))).then(|| format!("there is no test {name}"));
    }
    if let Some(who) = said.strip_prefix("run by ") {
        let file = who.split([' ', ',']).next().unwrap_or_default();
        return (!file.starts_with("tests/") || !repository(file).is_file()).then(|| format!("{file} is no test"));
    }
    (said != "run").then(|| format!("{said:?} says neither run nor not run"))
}

/// Whether a file under this folder has the text.
fn has(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => has(&path, text),
        false => fs::read_to_string(path).is_ok_and(|found| found.contains(text)),
    })
}

#[test]
fn every_command_line_is_run_or_says_why_not() {
    let (mut commands, mut faults) = (0, Vec::new());
    for path in pages() {
        let (blocks, wrong) = blocks(&fs::read_to_string(&path).unwrap());
        let found = blocks.iter().filter(|block| block.language == "sh");
        commands += found.clone().count();
        let wrong = found.filter_map(|block| fault(&block.mark)).chain(wrong);
        faults.extend(wrong.map(|what| format!("{}: {what}", path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(commands > 8, "{commands}");
}

#[test]
fn a_block_without_a_mark_or_with_a_poor_one_is_seen() {
    for mark in [
        "",
        "text",
        "<!-- file: x -->",
        "<!-- not run: hm -->",
        "<!-- run by fn nobody -->",
        "<!-- run by README.md -->",
        "<!-- run by tests/nothing.sh -->",
    ] {
        assert!(fault(mark).is_some(), "{mark}");
    }
    for page in ["```\nls\n```\n", "text\n\n    ls\n"] {
        assert_eq!(blocks(page).1.len(), 1, "{page}");
    }
    assert_eq!(fault("<!-- run -->"), None);
}

#[test]
fn every_ini_block_is_accepted() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("block-{}.ini", std::process::id()));
    let mut seen = 0;
    for path in pages() {
        let (blocks, _) = blocks(&fs::read_to_string(&path).unwrap());
        for block in blocks.iter().filter(|block| block.language == "ini" && !block.mark.contains("rsyncd")) {
            // Some show only what they are about.
            let job = if block.text.contains('[') { "" } else { "[job]\nsource = /a/\ndestination = /b\n" };
            fs::write(&file, format!("{}{job}", block.text)).unwrap();
            config::load(&file).unwrap_or_else(|errors| panic!("{}: {errors}\n{}", path.display(), block.text));
            seen += 1;
        }
    }
    fs::remove_file(file).unwrap();
    assert!(seen > 3, "{seen}");
}

/// The commands that text names between backticks.
#[test]
fn every_command_that_is_named_exists() {
    let grammar = irsync::grammar();
    let known = |word: &str| {
        ["help", "fleet"].contains(&word) || grammar.get_subcommands().any(|command| command.get_name() == word)
    };
    let mut seen = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for span in text.split('`').skip(1).step_by(2) {
            let Some(word) = span.strip_prefix("irsync ").and_then(|rest| rest.split_whitespace().next()) else {
                continue;
            };
            // "irsync is …" and "irsync with PID …" are messages.
            let is_message = ["is", "with"].contains(&word);
            if word.chars().all(|c| c.is_ascii_lowercase()) && !span.contains('\n') && !is_message {
                assert!(known(word), "{}: `{span}`", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
