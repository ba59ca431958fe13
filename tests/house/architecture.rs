//! ARCHITECTURE.md and CONTRIBUTING.md name only what exists: files, types and their functions, modules, tests.
//!
//! Words in backticks are looked at. A path under a folder of the repository has to be there. `Type::word` has to be in a
//! file of `src`, `module::word` in the file of that module of `src`, `tests/stories` or `tests/house`, and so has `word()`.

use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];
/// What paths begin with; `src` alone is a word of prose.
const FOLDERS: [&str; 8] = ["src/", "tests/", "scripts/", "docs/", "benches/", "examples/", "buildroot/", "yocto/"];
/// Where modules are looked for, with the unit tests of `src` first.
const ROOTS: [&str; 3] = ["src", "tests/stories", "tests/house"];

/// Not ours, so that they are in no source.
const SYSTEM_CALLS: [&str; 1] = ["poll"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder of the repository, with its text.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![repository().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("cannot read a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("cannot read a source");
                found.push((path, text));
            }
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

/// Whether the text declares a function or type of this name, or hands one on.
fn declares(text: &str, name: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines.any(|line| {
        let hands_on = line.starts_with("pub") && line.contains(" use ") && has_word(line, name);
        let kinds = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];
        hands_on || kinds.iter().any(|kind| has_word(line, &format!("{kind} {name}")))
    })
}

/// Whether the text is of this type (declares it, or implements something of it) and has the word in it.
fn has_member(text: &str, of: &str, word: &str) -> bool {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let heads = |line: &str| ["struct ", "enum ", "trait ", "impl"].iter().any(|head| line.contains(head));
    text.lines().filter(code).any(|line| heads(line) && has_word(line, of))
        && text.lines().filter(code).any(|l| has_word(l, word))
}

/// The texts of a module: `a/b.rs` or `a/b/mod.rs` and, for its unit tests, `a/b_tests.rs` or `a/b/tests.rs`.
fn module(root: &str, names: &[&str]) -> Vec<String> {
    let base = names.iter().fold(repository().join(root), |path, name| path.join(name));
    let beside = |end: &str| base.with_file_name(format!("{}{end}", names.last().unwrap_or(&"")));
    let paths = [beside(".rs"), base.join("mod.rs"), beside("_tests.rs"), base.join("tests.rs")];
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// Whether `a::b::word` is there: a module's function or type, or a module itself.
fn is_there(names: &[&str]) -> bool {
    let (word, path) = names.split_last().expect("a path has words");
    let path: Vec<&str> = path.iter().copied().filter(|name| *name != "tests").collect();
    ROOTS.iter().any(|root| {
        let of_module = module(root, &path).iter().any(|text| declares(text, word));
        of_module || !module(root, &[&path[..], &[*word]].concat()).is_empty()
    })
}

/// What a word in backticks names that does not exist.
fn is_wrong(word: &str, sources: &[(PathBuf, String)]) -> bool {
    if let Some(folder) = FOLDERS.iter().find(|folder| word.starts_with(*folder)) {
        let path = word.split_whitespace().next().unwrap_or_default();
        // The package for crates.io has some of the folders only.
        return repository().join(folder).is_dir() && !repository().join(path).exists();
    }
    if let Some(name) = word.strip_suffix("()").filter(|name| is_name(name) && !SYSTEM_CALLS.contains(name)) {
        return !sources.iter().any(|(_, text)| declares(text, name));
    }
    let names: Vec<&str> = word.split("::").collect();
    if names.len() < 2 || !names.iter().all(|name| is_name(name)) {
        return false;
    }
    if names[0].starts_with(|c: char| c.is_ascii_uppercase()) {
        return !sources.iter().any(|(_, text)| has_member(text, names[0], names[1]));
    }
    !is_there(&names) && !names_in(&names, sources)
}

/// `feeding_event::weigh`, as the code itself says it: the last module of the path is enough.
fn names_in(names: &[&str], sources: &[(PathBuf, String)]) -> bool {
    let [file, word] = names else { return false };
    sources.iter().any(|(path, text)| path.file_stem().is_some_and(|stem| stem == *file) && declares(text, word))
}

fn words(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    // Not the blocks of three.
    let prose: String = text.split("```").step_by(2).collect();
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_pages_for_newcomers_name_only_what_exists() {
    let sources = files("src");
    for page in PAGES {
        let words = words(page);
        assert!(words.len() > 10, "{page}: nothing was read");
        let wrong: Vec<&String> = words.iter().filter(|word| is_wrong(word, &sources)).collect();
        assert!(wrong.is_empty(), "{page} names what is not there (renamed? then say the new name there): {wrong:#?}");
    }
}

#[test]
fn every_promise_has_a_test() {
    let page = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("cannot read the page");
    let table = page.split("| promise | held by |").nth(1).expect("the table of promises");
    for number in 1..=14 {
        let row = table.lines().find(|line| line.starts_with(&format!("| {number}. ")));
        let row = row.unwrap_or_else(|| panic!("promise {number} is not in the table"));
        assert!(row.contains("::"), "promise {number} is held by no test");
    }
}

#[test]
fn a_name_that_is_not_there_is_seen() {
    let sources = files("src");
    for right in [
        "src/lib.rs",
        "scripts/test quick",
        "Evidence::scan",
        "Action::Kick",
        "classify()",
        "feeding_event::weigh",
        "job::feeding::tests::every_order_of_events_keeps_the_promises",
        "lifecycle::stop::sigkill_leaves_nothing",
        "house::is_prose but not a path",
        "poll()",
        "word",
    ] {
        assert!(!is_wrong(right, &sources), "{right}");
    }
    for wrong in [
        "src/nothing.rs",
        "scripts/tset quick",
        "Evidence::scann",
        "Evidenze::scan",
        "classifi()",
        "feeding_event::weight",
        "job::feeding::tests::no_order_of_events_keeps_the_promises",
        "lifecycle::stop::sigkill_leaves_all",
        "lifecicle::stop::sigkill_leaves_nothing",
    ] {
        assert!(is_wrong(wrong, &sources), "{wrong}");
    }
}
