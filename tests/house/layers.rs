//! The house: a room of src/ imports only from lower floors, and a few words belong to a few files.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and their floors, as in lib.rs.
const FLOORS: [(&str, u32); 12] = [
    ("text", 0),
    ("job", 0),
    ("rsync", 1),
    ("config", 2),
    ("os", 3),
    ("report", 4),
    ("worker", 5),
    ("fleet", 5),
    ("supervisor", 6),
    ("commands", 7),
    ("cli", 8),
    ("fuzz_api", 9),
];

/// Rooms in which modules still need each other. None is to be added.
const CIRCULAR: [&str; 1] = ["worker"];

/// Words, and the beginnings of the paths that may use them.
const WORDS: [(&str, &[&str]); 9] = [
    ("unsafe", &["os/sys"]),
    ("Instant::now", &["os/", "report/", "worker/", "supervisor/", "commands/"]),
    ("SystemTime::now", &["os/", "report/", "worker/", "supervisor/", "commands/"]),
    ("thread::sleep", &["os/", "report/", "worker/", "supervisor/", "commands/"]),
    ("println!", &["commands/", "cli.rs"]),
    ("print!", &["commands/", "cli.rs"]),
    ("dbg!", &[]),
    // os/sys/environment.rs hands pointers into irsync's environment on.
    ("set_var", &[]),
    ("remove_var", &[]),
];

/// Every Rust file under src/, by its path there, without its comments and its tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("cannot read src").flatten() {
            let path: PathBuf = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("under src").display().to_string();
                if !name.ends_with("_tests.rs") && !name.ends_with("/tests.rs") {
                    found.push((name, code(&fs::read_to_string(&path).expect("cannot read a source"))));
                }
            }
        }
    }
    found
}

/// The text without comments, up to its unit tests, which stand last.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let statement = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        // Not the slashes of a URL.
        false => line.split(" //").next().unwrap_or_default().to_owned(),
    };
    text.lines().map(statement).collect::<Vec<_>>().join("\n")
}

fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

/// The names that follow a root: with `crate::`, those of `crate::ROOM` and `crate::{ROOM, …}`.
fn imports(text: &str, root: &str) -> Vec<String> {
    let first_word =
        |part: &str| part.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    let mut rooms = Vec::new();
    for (at, found) in text.match_indices(root) {
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                let mut start = 0;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' | ',' if depth == 0 => {
                            rooms.push(first_word(&list[start..i]));
                            start = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
            }
            None => rooms.push(first_word(rest)),
        }
    }
    rooms
}

#[test]
fn rooms_import_only_from_lower_floors() {
    let floors: HashMap<&str, u32> = FLOORS.into();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in sources() {
        let room = name.split(['/', '.']).next().unwrap_or_default();
        let Some(floor) = floors.get(room) else {
            assert!(["lib", "main"].contains(&room), "src/{name} is in no room: add it to lib.rs and here");
            continue;
        };
        for other in imports(&text, "crate::") {
            seen += 1;
            match floors.get(other.as_str()) {
                Some(other_floor) if other == room || other_floor < floor => {}
                _ => wrong.push(format!("src/{name} imports crate::{other}")),
            }
        }
    }
    assert!(seen > 5, "the test has read nothing");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where `unsafe` may stand is decided by file, not by review: a room forbids it at its door, os in each of its files but sys.
/// The modules of a room that one of its files names: `super::NAME` or `crate::ROOM::NAME`, alone or in a list. In a folder of the
/// room, `super` is another file of the folder.
fn neighbours(room: &str, name: &str, text: &str) -> Vec<String> {
    let mut words = imports(text, &format!("crate::{room}::"));
    if name.matches('/').count() == 1 {
        words.extend(imports(text, "super::"));
    }
    words
}

#[test]
fn no_two_modules_of_a_room_need_each_other() {
    let mut edges: HashMap<(String, String), Vec<String>> = HashMap::new();
    for (name, text) in sources() {
        let mut parts = name.trim_end_matches(".rs").split('/');
        if let (Some(room), Some(module)) = (parts.next(), parts.next()) {
            let found = neighbours(room, &name, &text);
            edges.entry((room.into(), module.into())).or_default().extend(found);
        }
    }
    let mut circles = Vec::new();
    for (room, start) in edges.keys().filter(|(room, _)| !CIRCULAR.contains(&room.as_str())) {
        let mut seen: Vec<&str> = Vec::new();
        let mut next: Vec<&str> = vec![start];
        while let Some(module) = next.pop() {
            // What stands in mod.rs is the room itself: its modules use that, and it names them all.
            for other in
                edges.get(&(room.clone(), module.into())).into_iter().flatten().filter(|other| *other != module)
            {
                if other == start {
                    circles.push(format!("src/{room}: {start} and {module}"));
                }
                if other != "mod" && !seen.contains(&other.as_str()) {
                    seen.push(other);
                    next.push(other);
                }
            }
        }
    }
    circles.sort();
    assert!(edges.values().flatten().count() > 50, "the test has read nothing");
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn every_room_forbids_unsafe_code_but_for_the_system_calls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (name, _) in sources() {
        let is_door = name.ends_with("/mod.rs") && name.matches('/').count() == 1;
        let is_room = name.matches('/').count() == 0 && !["lib.rs", "main.rs"].contains(&name.as_str());
        let is_os = name.starts_with("os/") && name.matches('/').count() == 1;
        let must = if is_os { name != "os/mod.rs" } else { is_door || is_room };
        let text = fs::read_to_string(root.join(&name)).expect("cannot read a source");
        if must && !text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "without #![forbid(unsafe_code)]: {wrong:?}");
}

#[test]
fn words_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (word, allowed) in WORDS {
            if has_word(&text, word) && !allowed.iter().any(|start| name.starts_with(start)) {
                wrong.push(format!("src/{name} says {word}"));
            }
        }
        for word in ["eprintln!", "eprint!"] {
            if has_word(&text, word) && !name.starts_with("commands/") && name != "cli.rs" {
                wrong.push(format!("src/{name} says {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readers_of_this_test_see_what_they_should() {
    assert_eq!(
        imports("use crate::{job::Time, os::{a, b}, config}; crate::report::x()", "crate::"),
        ["job", "os", "config", "report"]
    );
    assert_eq!(imports("use crate::job;", "crate::"), ["job"]);
    assert!(has_word("unsafe { x }", "unsafe") && !has_word("unsafe_code", "unsafe"));
    assert!(!has_word(&code("fn a() {} // unsafe\n#[cfg(test)]\nmod tests { unsafe {} }"), "unsafe"));
    assert!(!has_word("eprintln!()", "println!"));
}
