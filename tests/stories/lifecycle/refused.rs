//! A configuration with which irsync does not start: why stands where its log is looked for.

use crate::common::{is_root, Rig};
use std::fs;
use std::os::unix::fs::{chown, symlink, MetadataExt, PermissionsExt};

const JOB: &str = "[media]\nsource = /ok\ndestination = DIR/media\n";
const ADVICE: &str = "irsync is not started: mend this, then start it again";

fn refused(rig: &Rig, text: &str) {
    rig.ini(text);
    let output = rig.run(&["run"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(!output.stderr.is_empty() && !String::from_utf8_lossy(&output.stderr).contains(ADVICE), "{output:?}");
}

#[test]
fn errors_of_the_file_are_in_the_log_that_it_names() {
    let rig = Rig::new("refused-log");
    let broken = |keys: &str| format!("log = DIR/irsync.log\n{keys}{JOB}intervall = 5m\ninterval = 1x\n");
    refused(&rig, &broken(""));
    let log = rig.read("irsync.log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("Z [ERROR] ") && lines[0].contains("intervall: unknown key; did you mean"), "{log}");
    assert!(lines[1].contains("interval = 1x: ") && lines[2].ends_with(ADVICE), "{log}");
    assert_eq!(fs::metadata(rig.path("status.refused")).unwrap().mode() & 0o777, 0o600);

    // An init that starts it anew every second must not fill a card; something else that is wrong is told.
    refused(&rig, &broken(""));
    assert_eq!(rig.read("irsync.log"), log, "told twice");
    refused(&rig, &broken("log_max_size = much\nstatus_file = relative\n"));
    assert!(rig.read("irsync.log").contains("log_max_size = much"), "{}", rig.read("irsync.log"));
    let log = rig.read("irsync.log");
    assert_eq!(log.matches(ADVICE).count(), 2, "{log}");
    assert!(!rig.path("irsync.log.old").exists(), "a size that cannot be read is the default");

    // After it has run, the same refusal is a new one.
    rig.ini(&format!("log = DIR/irsync.log\n{JOB}"));
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_ends(1);
    irsync.stop();
    refused(&rig, &broken(""));
    assert_eq!(rig.read("irsync.log").matches(ADVICE).count(), 3, "{}", rig.read("irsync.log"));
}

#[test]
fn a_log_that_is_in_doubt_is_not_written() {
    for log in ["log = DIR/a.log\nlog = DIR/b.log", "logg = DIR/a.log", "log = a.log", "[media\nlog DIR/a.log"] {
        let rig = Rig::new("refused-doubt");
        refused(&rig, &format!("{log}\n{JOB}intervall = 5m\n"));
        for name in ["a.log", "b.log"] {
            assert!(!rig.path(name).exists(), "{log}: {}", rig.read(name));
        }
    }
    // What an included file says counts, unless it is left out.
    for (included, logged) in [("log = DIR/b.log\n", "b.log"), ("log = DIR/b.log\nlogg = x\n", "a.log")] {
        let rig = Rig::new("refused-include");
        let dir = rig.path("").display().to_string();
        let file = rig.write("more/site.ini", included.replace("DIR", dir.trim_end_matches('/')));
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        refused(&rig, &format!("log = DIR/a.log\ninclude = DIR/more\n{JOB}intervall = 5m\n"));
        assert!(rig.read(logged).contains("intervall"), "{included}: {logged}");
    }
}

#[test]
fn where_others_may_write_no_link_is_followed_and_a_refused_folder_is_told_in_the_log() {
    if !is_root("where_others_may_write_no_link_is_followed_and_a_refused_folder_is_told_in_the_log") {
        return;
    }
    let rig = Rig::new("refused-open");
    let (open, victim) = (rig.path("open"), rig.write("victim", "untouched"));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    let theirs = |name: &str| {
        symlink(&victim, open.join(name)).unwrap();
        std::os::unix::fs::lchown(open.join(name), Some(65534), None).unwrap();
    };
    theirs("irsync.log");
    theirs("status.refused");
    refused(&rig, &format!("log = DIR/open/irsync.log\nstatus_file = DIR/open/status\n{JOB}intervall = 5m\n"));
    refused(&rig, &format!("log = DIR/irsync.log\nstatus_file = DIR/open/status\n{JOB}"));
    assert_eq!(rig.read("victim"), "untouched");
    assert!(fs::symlink_metadata(open.join("status.refused")).unwrap().is_symlink());
    let log = rig.read("irsync.log");
    assert!(log.contains("[ERROR] status_file: ") && log.contains(ADVICE), "{log}");
    // A file that root should not read says nothing of where the log goes.
    let ini = rig.ini(&format!("log = DIR/evil.log\n{JOB}"));
    chown(&ini, Some(65534), None).unwrap();
    assert_eq!(rig.run(&["run"]).status.code(), Some(78));
    assert!(!rig.path("evil.log").exists());
}
