//! What the log is told: an hour of syncs, compressed, and children that say too much.

use crate::common::{Irsync, Rig};

/// The lines at `info` and above since the first sync, without those of a stop.
fn told(irsync: &Irsync) -> Vec<String> {
    irsync.log().lines().filter(|line| line.contains("] media: ")).map(str::to_owned).collect()
}

#[test]
fn an_hour_of_syncs_that_change_nothing_is_one_line() {
    let rig = Rig::new("quiet-idle");
    rig.ini("log_level = info\ninterval = 10ms\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    // As many as there are in an hour at 30 s.
    rig.fake("dest").wait_ends(120);
    let told = told(&irsync);
    assert_eq!(told.iter().filter(|line| line.contains("sync success")).count(), 1, "{told:#?}");
    assert!(told.len() <= 2, "rsync's version, and the first sync: {told:#?}");
    irsync.stop();
}

#[test]
fn a_sync_that_changes_something_or_was_asked_for_is_told() {
    let rig = Rig::new("quiet-changed");
    rig.ini("log_level = info\ninterval = 1h\n[media]\nsource = /ok /changed /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    for run in 1..=3 {
        irsync.wait_count("sync success", run);
        assert!(rig.run(&["now"]).status.success());
    }
    irsync.wait_count("sync success", 4);
    assert_eq!(irsync.count("3 files"), 1, "{}", irsync.log());
    irsync.stop();
}

#[test]
fn the_same_complaint_is_told_once_and_the_recovery_at_once() {
    let rig = Rig::new("quiet-complaint");
    let failures = "/refused ".repeat(20);
    rig.ini(&format!(
        "log_level = info\nbackoff_initial = 10ms\nbackoff_max = 20ms\n[media]\nsource = {failures} /exit-12 /refused /ok\n\
         destination = DIR/dest\nrun_after = sh -c 'echo to no avail >&2; exit 3'\n"
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(irsync.count("sync transient: code 10"), 1, "{}", irsync.log());
    assert_eq!(irsync.count("sync transient: code 12"), 1, "another kind is told at once: {}", irsync.log());
    assert_eq!(
        irsync.count("rsync: rsync: [Receiver] failed to connect"),
        1,
        "nor does rsync repeat itself: {}",
        irsync.log()
    );
    irsync.wait_log("run_after exited with code 3");
    assert_eq!(irsync.count("run_after exited with code 3"), 1, "nor a hook: {}", irsync.log());
    assert_eq!(irsync.count("to no avail"), 1, "{}", irsync.log());
    irsync.stop();
}

#[test]
fn what_one_child_says_is_bounded_and_the_rest_counted() {
    let rig = Rig::new("quiet-flood");
    rig.ini(
        "log_level = debug\ninterval = 10ms\nbackoff_initial = 10ms\nbackoff_max = 20ms\n[media]\nsource = /flood-of-errors\n\
         destination = DIR/dest\nrun_after = sh -c 'yes \"$0\" | head -n 3000 | nl' \"a hook says\"\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync partial", 3);
    let count = |level: &str, text: &str| {
        irsync.log().lines().filter(|line| line.contains(level) && line.contains(text)).count()
    };
    assert_eq!(count("WARN", "media: rsync: rsync: [sender] send_files"), 100, "of 2,000 a run");
    assert_eq!(count("WARN", "more lines of it are not logged"), 1);
    assert!(irsync.log_has("rsync: 1901 more lines of it are not logged"), "{}", irsync.log());
    assert!(count("DEBUG", "media: rsync: rsync: [sender]") >= 200, "what repeats is for debug");
    assert!(
        count("", "media: rsync: rsync: [sender]") <= 100 * irsync.count("sync partial") + 100,
        "and bounded there, too"
    );
    irsync.wait_log("run_after: 2900 more lines of it are not logged");
    assert!(count("INFO", "a hook says") <= 100);
    irsync.stop();
}
