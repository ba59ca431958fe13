//! Orders that would destroy something, or that copy nothing: refused with the reason, one job at a time.

use crate::common::{daemon, wait_until, Rig};
use std::fs;

/// A job that must not run beside one that must.
fn refused(story: &'static str, source: &str, destination: &str, options: &str, reason: &str) {
    let rig = Rig::new(story);
    rig.write("tree/keep/file", "precious");
    rig.write("good/file", "good");
    let ini = format!(
        "rsync = rsync\ninterval = 1h\n[bad]\nsource = {source}\ndestination = {destination}\noptions = {options}\n\
         [good]\nsource = DIR/good/\ndestination = DIR/copy\n"
    );
    rig.ini(&ini);
    let check = rig.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(78), "{said}");
    assert!(said.contains("[bad]") && said.contains(reason), "{said}");

    let mut irsync = rig.start(&["run"]);
    wait_until("the good job to succeed and the bad one to be refused", || {
        rig.status("good", "last_outcome").as_deref() == Some("success")
            && rig.status("bad", "last_outcome").as_deref() == Some("permanent")
    });
    assert!(irsync.log().contains(reason), "the log gives the reason");
    irsync.stop();
    assert_eq!(fs::read_to_string(rig.path("tree/keep/file")).unwrap(), "precious");
    assert_eq!(rig.read("copy/file"), "good");
}

#[test]
fn a_source_inside_its_destination_is_not_wiped() {
    refused("orders-inside", "DIR/tree/keep/", "DIR/tree", "-a --delete", "holds its own source");
}

#[test]
fn a_destination_inside_its_source_is_refused() {
    refused("orders-around", "DIR/tree/", "DIR/tree/keep/copy", "-a", "lies inside its own source");
}

#[test]
fn a_destination_that_is_its_source_by_way_of_a_link_is_refused() {
    let rig = Rig::new("orders-link");
    rig.write("tree/file", "precious");
    std::os::unix::fs::symlink("tree", rig.path("link")).unwrap();
    rig.ini("rsync = rsync\n[bad]\nsource = DIR/tree/\ndestination = DIR/link\noptions = -a --delete\n");
    let once = rig.run(&["once"]);
    assert_eq!(once.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&once.stderr).contains("is its own source"));
    assert_eq!(rig.read("tree/file"), "precious");
}

#[test]
fn a_mirror_into_a_system_folder_is_refused() {
    for folder in ["/", "/etc", "/usr", "/var/lib", "/proc/self"] {
        let rig = Rig::new("orders-system");
        rig.ini(&format!("rsync = rsync\n[bad]\nsource = DIR/empty/\ndestination = {folder}\noptions = -a --delete\n"));
        fs::create_dir(rig.path("empty")).unwrap();
        let check = rig.run(&["check"]);
        assert_eq!(check.status.code(), Some(78), "{folder}");
        assert!(String::from_utf8_lossy(&check.stderr).contains("holds the system"), "{folder}");
    }
}

#[test]
fn orders_that_copy_nothing_are_no_success() {
    for (source, options, reason) in [
        ("rsync://127.0.0.1/", "-a", "names no module"),
        ("DIR/tree/", "-a --list-only", "--list-only"),
        ("DIR/tree/", "-an", "--dry-run"),
        ("DIR/tree/", "-V", "--version"),
        ("DIR/tree/", "-a --help", "--help"),
        ("DIR/tree/", "-lt", "is a folder"),
        ("DIR/tree/", "-a --files-from=-", "--files-from=-"),
        ("https://example.com/x/", "-a", "does not speak https"),
        ("rsync://fe80::1/m/", "-a", "in brackets"),
        ("DIR/tree/", "-a ; all", "a comment stands on a line of its own"),
    ] {
        refused("orders-nothing", source, "DIR/dest", options, reason);
    }
}

/// rsync itself is asked, and moves nothing; at a sync it refuses in the same words.
#[test]
fn options_that_the_installed_rsync_does_not_know_are_refused() {
    if !daemon::has_rsync("orders-unknown") {
        return;
    }
    for (options, reason) in [
        ("-rlt --delet-before", "--delet-before: unknown option"),
        ("-rltQ", "-rltQ: unknown option"),
        ("-rlt --info=progres2", "Unknown --info item"),
        ("-rlt --bwlimit=fast", "--bwlimit=fast is invalid"),
        ("-rlt --log-file=DIR/log --frobnicate", "--frobnicate: unknown option"),
    ] {
        refused("orders-unknown", "DIR/tree/", "DIR/dest", options, reason);
    }
}

#[test]
fn asking_rsync_for_its_options_moves_nothing_writes_nothing_and_ends() {
    let rig = Rig::new("orders-ask");
    rig.write("tree/file", "one");
    let ini = |keys: &str| rig.ini(&format!("[media]\nsource = DIR/tree/\ndestination = DIR/dest\n{keys}\n"));
    let check = || {
        let check = rig.run(&["check"]);
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert_eq!(check.status.code(), Some(0), "{said}");
        assert!(!rig.path("dest").exists() && !rig.path("log").exists());
        assert_eq!(rig.read("tree/file"), "one");
        said
    };
    if daemon::has_rsync("orders-ask") {
        ini("rsync = rsync\noptions = -rlt --log-file=DIR/log --remove-source-files --exclude-from=DIR/absent");
        let said = check();
        assert!(said.contains("warning: [media] options: rsync refuses them"), "the file may come: {said}");
    }
    // A program that does something else than to say its version, and has a child.
    ini("rsync = sh\noptions = -a -c 'echo asked >&2; sleep 1000 & wait'");
    let said = check();
    assert!(!said.contains("refuses them"), "{said}");
    rig.wait_nothing_left();
}

#[test]
fn a_drop_in_is_held_to_what_is_dangerous_and_to_nothing_else() {
    let rig = Rig::new("orders-dropin");
    rig.write("tree/keep/file", "precious");
    let (source, destination) = (rig.path("tree/keep/"), rig.path("tree"));
    let words = ["--irsync-interval-seconds=3600", "-a", "--delete"];
    let paths = [format!("{}/", source.display()), destination.display().to_string()];
    let words: Vec<&str> = words.into_iter().chain(paths.iter().map(String::as_str)).collect();
    let mut irsync = rig.start(&words);
    wait_until("the refusal", || irsync.log().contains("holds its own source"));
    irsync.stop();
    assert_eq!(rig.read("tree/keep/file"), "precious");
}
