//! `verify_every`: what rots is found, mended, named and counted.

use super::real;
use crate::common::{wait_until, Rig};
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

/// Flips a byte of a file and gives it its old time back.
fn rot(rig: &Rig, name: &str) {
    let path = rig.path(name);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_at(b"#", 1).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn a_flipped_byte_is_repaired_named_counted_and_told_to_run_on_change() {
    let Some(rig) = real("verify") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a file", "content");
    rig.write("served/other", "content");
    fs::create_dir(rig.path("state")).unwrap();
    let ini = |every: &str| {
        rig.ini(&format!(
            "rsync = rsync\nstate_dir = DIR/state\nmetrics_file = DIR/metrics\n[media]\nsource = {}\ndestination = DIR/dest/\n\
             options = -rlt --delete\ninterval = 50ms\nverify_every = {every}\nrun_on_change = sh -c 'echo >>DIR/changes'\n",
            daemon.url()
        ))
    };
    ini("off");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    rot(&rig, "dest/a file");
    irsync.wait_count("sync success", irsync.count("sync success") + 3);
    assert_eq!(rig.read("dest/a file"), "c#ntent", "nothing but --checksum sees it");
    let changes = rig.read("changes").lines().count();
    // Many syncs, also on a slow machine.
    ini("3s");
    irsync.signal(nix::sys::signal::Signal::SIGHUP);
    irsync.wait_log("repaired a file: its content had changed");
    irsync.wait_log(", 1 repaired");
    assert_eq!(rig.read("dest/a file"), "content");
    wait_until("run_on_change", || rig.read("changes").lines().count() == changes + 1);
    wait_until("the note", || rig.read("state/verified-media").ends_with('\n'));
    // Each time it is due again, and only then.
    let (verified, all) = (irsync.count("compares the contents"), irsync.count("sync success"));
    irsync.wait_count("compares the contents", verified + 2);
    assert!(irsync.count("sync success") >= all + 4, "every sync verifies: {}", irsync.log());
    irsync.stop();
    assert!(
        rig.read("metrics").contains("irsync_job_repaired_files_total{job=\"media\"} 1\n"),
        "{}",
        rig.read("metrics")
    );
    assert_eq!(irsync.count("repaired other"), 0);
}

#[test]
fn what_was_verified_before_a_restart_is_not_verified_again_until_it_is_due() {
    let Some(rig) = real("verify-restart") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a", "content");
    fs::create_dir(rig.path("state")).unwrap();
    let start = |every: &str, ago: u64| {
        rig.ini(&format!(
            "rsync = rsync\nstate_dir = DIR/state\n[media]\nsource = {}\ndestination = DIR/dest/\ninterval = 50ms\n\
             verify_every = {every}\n",
            daemon.url()
        ));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        rig.write("state/verified-media", format!("{}\n", now - ago));
        rig.start(&["run"])
    };
    let mut irsync = start("1d", 60);
    irsync.wait_count("sync success", 3);
    assert_eq!(irsync.count("compares the contents"), 0, "{}", irsync.log());
    irsync.stop();
    // Devices that are late wait for their moment within a tenth of the period.
    let mut irsync = start("10s", 3600);
    irsync.wait_log("compares the contents");
    irsync.stop();
}

#[test]
fn what_rots_in_a_set_that_changes_as_a_whole_is_repaired_in_a_new_one() {
    let Some(rig) = real("verify-atomic") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/rotten", "content");
    rig.write("served/sound", "content");
    fs::create_dir(rig.path("card")).unwrap();
    rig.ini(&format!(
        "rsync = rsync\n[media]\nsource = {}\ndestination = DIR/card/media/\noptions = -rlt --delete\ninterval = 50ms\n\
         atomic = yes\nverify_every = 300ms\n",
        daemon.url()
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    rot(&rig, "card/media/rotten");
    irsync.wait_log("repaired rotten: its content had changed");
    irsync.wait_log(", 1 repaired");
    wait_until("the new set", || rig.read("card/media/rotten") == "content");
    assert_eq!(rig.read("card/.media.irsync-previous/rotten"), "c#ntent");
    assert_eq!(irsync.count("repaired sound"), 0);
    irsync.stop();
}
