use super::super::options::analyse;
use super::*;
use std::ffi::OsString;
use std::path::Path;

/// What is where: `real` of a word is the word itself, unless it is given.
fn place(word: &str, real: &str, exists: bool) -> Place {
    let real = Path::new(real).components().collect();
    Place { word: word.into(), real, exists, is_folder: exists }
}

/// Local operands exist, as folders, at their own names.
fn judged(options: &str, source: &[&str], destination: &str) -> Vec<Finding> {
    let local = |word: &str| !operand::is_remote(word);
    let places = Places {
        sources: source.iter().filter(|word| local(word)).map(|word| place(word, word, true)).collect(),
        destination: local(destination).then(|| place(destination, destination, true)),
    };
    judged_at(options, source, destination, &places)
}

fn judged_at(options: &str, source: &[&str], destination: &str, places: &Places) -> Vec<Finding> {
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let source: Vec<String> = source.iter().map(|word| (*word).to_owned()).collect();
    let given = analyse(&options.iter().map(OsString::from).collect::<Vec<_>>());
    judge(&options, &given, &source, destination, places)
}

fn refusal(options: &str, source: &str, destination: &str) -> Option<String> {
    judged(options, &[source], destination)
        .into_iter()
        .find(|found| found.refused)
        .map(|found| format!("{}: {}", found.key, found.text))
}

#[test]
fn honest_orders_are_not_complained_of() {
    for (options, source, destination) in [
        ("-rlt", "rsync://server/media/", "/srv/media"),
        ("-rlt --delete", "server::media", "/srv/media/"),
        ("-a", "rsync://[fe80::1]:873/m/", "/srv/m"),
        ("-a", "pi@[2001:db8::1]:/srv/", "/srv/m"),
        ("-a --delete", "server:/etc/", "/etc/app"),
        ("-a", "/srv/L\u{2019}\u{c9}t\u{e9}/", "/mnt/card"),
        ("-a", "cafe::media/", "/srv/m"),
        ("-a", "server:/srv/*.mp4", "/srv/m"),
        ("-d", "rsync://server/media/", "/srv/m"),
        ("-a --existing --ignore-existing --delete", "server::media/", "/srv/m"),
        ("", "rsync://server/media/one-file", "/srv/m"),
        ("--files-from=/etc/list", "rsync://server/media/", "/srv/m"),
        ("-a", "/srv/media", "/srv/media-copy"),
    ] {
        assert_eq!(judged(options, &[source], destination), [], "{options} {source} {destination}");
    }
}

#[test]
fn a_comment_behind_the_options_is_no_source() {
    for options in ["-rlt ; fast", "-rlt # fast", "-rlt #fast", "-rlt ;"] {
        let text = refusal(options, "/srv/a/", "/srv/b").unwrap();
        assert!(text.starts_with("options: ") && text.contains("a comment stands on a line of its own"), "{text}");
    }
    assert_eq!(refusal("-rlt -f ; --exclude # --exclude=#x", "/srv/a/", "/srv/b"), None);
}

#[test]
fn source_and_destination_inside_one_another_are_refused() {
    for (source, destination, part) in [
        ("/srv/a/", "/srv/a", "is its own source"),
        ("/srv/a/b/", "/srv/a", "holds its own source"),
        ("/srv/a", "/srv", "holds its own source"),
        ("/srv/a/", "/srv/a/b/c", "lies inside its own source"),
    ] {
        for options in ["-a", "-a --delete"] {
            let found = refusal(options, source, destination).unwrap_or_default();
            assert!(found.contains(part), "{options} {source} {destination}: {found:?}");
        }
    }
    // By way of a link.
    let places =
        Places { sources: vec![place("/link/", "/srv/a/b", true)], destination: Some(place("/srv/a", "/srv/a", true)) };
    assert!(judged_at("-a", &["/link/"], "/srv/a", &places).iter().any(|found| found.refused));
    // Neighbours whose names begin alike are not inside one another.
    assert_eq!(refusal("-a --delete", "/srv/ab/", "/srv/a"), None);
}

#[test]
fn a_backup_that_leaves_its_own_folder_out_is_only_warned_of() {
    for options in ["-a --exclude=/mnt", "-ax", "-a --filter=-_/mnt"] {
        let found = judged(options, &["/"], "/mnt/card");
        assert!(!found.is_empty() && found.iter().all(|found| !found.refused), "{options}: {found:?}");
    }
    assert!(refusal("-a", "/", "/mnt/card").is_some());
}

#[test]
fn a_destination_that_holds_the_system_is_refused_with_deletions_and_warned_of_without() {
    for destination in SYSTEM.iter().chain(&["/proc/sys", "/sys/x", "/etc/"]) {
        assert!(refusal("-a --delete", "h::m/", destination).is_some(), "{destination}");
        assert!(refusal("-a --del", "h::m/", destination).is_some(), "{destination}");
        let found = judged("-a", &["h::m/"], destination);
        assert!(found.iter().any(|found| found.key == "destination" && !found.refused), "{destination}: {found:?}");
    }
    for destination in ["/etc/app", "/usr/share/x", "/dev/shm/x", "/home/pi", "/opt", "/srv"] {
        assert_eq!(judged("-a --delete", &["h::m/"], destination), [], "{destination}");
    }
}

#[test]
fn orders_that_copy_nothing_are_refused() {
    for (options, source) in [
        ("-a --list-only", "h::m/"),
        ("-an", "h::m/"),
        ("-a --dry-run", "h::m/"),
        ("-V", "h::m/"),
        ("--version", "h::m/"),
        ("--help", "h::m/"),
        ("--daemon", "h::m/"),
        ("-a --existing --ignore-existing", "h::m/"),
        ("-a --files-from=-", "h::m/"),
        ("-a --files-from -", "h::m/"),
        ("-lt", "h::m/"),
        ("-lt", "h::m"),
        ("-lt", "rsync://h/m"),
        ("-lt", "h:/srv/x/"),
        ("-a --no-r", "h:/srv/x/"),
        ("-lt", "/srv/x"),
        ("-a", "rsync://h"),
        ("-a", "rsync://h/"),
        ("-a", "h::"),
        ("-a", "rsync://u@h:873//"),
    ] {
        assert!(refusal(options, source, "/dst").is_some(), "{options} {source}");
    }
    assert_eq!(refusal("-an --no-dry-run", "h::m/", "/dst"), None, "the later one decides");
    let found = judged("-lt", &["h:/a/", "h:/b"], "/dst");
    assert!(found.len() == 1 && !found[0].refused, "one of two is copied: {found:?}");
}

#[test]
fn an_option_that_would_swallow_the_limit_on_deletions_is_refused() {
    for options in ["-rlt --delete --exclude", "-a --temp-dir", "-ave", "-rlt --max-delete"] {
        let refused = refusal(options, "h::media", "/srv/media");
        assert!(refused.as_ref().is_some_and(|text| text.contains("needs a value")), "{options}: {refused:?}");
    }
    assert_eq!(refusal("-rlt --delete --exclude a -e ssh", "h::media", "/srv/media"), None);
}

#[test]
fn addresses_of_other_kinds_are_refused_with_the_right_form() {
    for (source, part) in [
        ("https://h/m/", "rsync://"),
        ("FTP://h/m/", "rsync://"),
        ("file:///srv/x/", "rsync://"),
        ("rsync://fe80::1/m/", "[fe80::1]"),
        ("rsync://u@2001:db8::1:873/m/", "[2001:db8::1:873]"),
        ("2001:db8::1:/srv/", "[2001:db8::1]"),
        ("pi@fe80::1:/srv/", "[fe80::1]"),
        ("fe80::1::m/", "[fe80::1]"),
    ] {
        let found = refusal("-a", source, "/dst").unwrap_or_default();
        assert!(found.contains(part), "{source}: {found:?}");
    }
}

#[test]
fn typographic_dashes_and_quotes_are_refused_at_the_ends_of_words() {
    for options in
        ["\u{2013}a", "\u{2014}delete", "-a --exclude=\u{201c}x\u{201d}", "-a \u{2212}t", "-a --exclude=\u{ab}x\u{bb}"]
    {
        assert!(refusal(options, "h::m/", "/dst").is_some_and(|found| found.starts_with("options")), "{options}");
    }
    assert!(refusal("-a", "\u{201c}h::m/\u{201d}", "/dst").is_some_and(|found| found.starts_with("source")));
}

#[test]
fn what_a_shell_would_have_expanded_is_warned_of() {
    for (options, source, part) in [
        ("-a", "/srv/$HOME/x/", "$HOME"),
        ("-a --exclude-from=$HOME/list", "h::m/", "$HOME"),
        ("-a --exclude=${hostname}$ --exclude-from=$XDG/list", "h::m/", "$XDG"),
        ("-a --exclude-from=~/list", "h::m/", "~"),
    ] {
        let found = judged(options, &[source], "/dst");
        assert!(found.len() == 1 && !found[0].refused && found[0].text.contains(part), "{options} {source}: {found:?}");
    }
    assert_eq!(judged("-a --exclude=100$", &["h::m/"], "/dst"), []);
    for (word, part) in [("/srv/*.mp4", "--include"), ("/srv/absent", "does not exist now")] {
        let places = Places { sources: vec![place(word, word, false)], destination: None };
        let found = judged_at("-a", &[word], "h::m/", &places);
        assert!(found.len() == 1 && found[0].text.contains(part), "{word}: {found:?}");
    }
}
