//! `durable`: what is told is on the disk. That it is there after a power cut is what `tests/powercut` shows.

use super::real;

/// What the log says of each flush.
const FLUSHED: &str = "what was written is on the disk";

#[test]
fn a_change_is_flushed_before_it_is_told_and_no_change_costs_no_flush() {
    let Some(rig) = real("durable") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    rig.ini(&format!(
        "log_level = debug\nrsync = rsync\n[media]\nsource = {}\ndestination = DIR/dest/\ninterval = 50ms\n",
        daemon.url()
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 4);
    assert_eq!(irsync.count(FLUSHED), 1, "{}", irsync.log());
    let log = irsync.log();
    assert!(log.find(FLUSHED) < log.find("sync success"), "{log}");
    rig.write("served/two.txt", "two");
    irsync.wait_count(FLUSHED, 2);
    irsync.wait_count("sync success", 6);
    assert_eq!(irsync.count(FLUSHED), 2, "{}", irsync.log());
    irsync.stop();
}

#[test]
fn durable_can_be_switched_off_and_a_push_has_none() {
    let Some(rig) = real("durable-off") else { return };
    let daemon = rig.daemon("read only = no");
    rig.write("here/one.txt", "one");
    rig.ini(&format!(
        "log_level = debug\nrsync = rsync\n[off]\nsource = DIR/here/\ndestination = DIR/dest/\ndurable = no\n\
         [push]\nsource = DIR/here/\ndestination = {}\n",
        daemon.url()
    ));
    let done = rig.run(&["once"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("off: sync success") && said.contains("push: sync success"), "{said}");
    assert!(!said.contains(FLUSHED), "{said}");
    let checked = String::from_utf8_lossy(&rig.run(&["check"]).stdout).into_owned();
    assert!(!checked.contains("--fsync"), "{checked}");
}
