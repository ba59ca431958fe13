//! An rsync without `--fsync` (before 3.2.4) gives files their size and time before their content is on the disk: a mark says
//! so while it writes, and what was being written when the power went is compared by content.

use super::atomic::{atomic, beside};
use super::{big_file, real, same, wait_mid_file};
use crate::common::mount::Tmpfs;
use crate::common::{is_root, wait_until, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rsync-3.2.3");

fn old(rig: &Rig, source: &str, destination: &str, options: &str) {
    rig.ini(&format!(
        "rsync = {OLD}\n[media]\nsource = {source}\ndestination = {destination}\noptions = {options}\ninterval = 50ms\n"
    ));
}

/// What a power cut leaves of a file that was being written: zeros of the right size and time.
fn lose(rig: &Rig, name: &str) {
    let file = fs::OpenOptions::new().write(true).open(rig.path(name)).unwrap();
    let found = file.metadata().unwrap();
    file.write_all_at(&vec![0; found.len() as usize], 0).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(found.modified().unwrap())).unwrap();
}

/// The mark as it is found after a start of the machine.
fn start_anew(rig: &Rig, mark: &str) {
    let text = rig.read(mark);
    let (_, rest) = text.split_once(' ').expect("a mark names the boot first");
    fs::write(rig.path(mark), format!("another-boot {rest}")).unwrap();
}

#[test]
fn a_mark_is_there_while_an_rsync_without_fsync_writes_and_a_sync_of_nothing_writes_nothing() {
    let Some(rig) = real("mark") else { return };
    let daemon = rig.daemon("read only = yes");
    fs::create_dir(rig.path("card")).unwrap();
    big_file(&rig, "served/big", 3000);
    old(&rig, &daemon.url(), "DIR/card/media/", "-rlt --delete --bwlimit=3000");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("card/media"));
    assert!(rig.path("card/.media.irsync-writing").exists());
    irsync.wait_count("sync success", 1);
    assert_eq!(beside(&rig).len(), 0, "removed when all is on the disk: {:?}", beside(&rig));
    let look = || {
        let folder = fs::metadata(rig.path("card")).unwrap();
        (folder.mtime(), folder.mtime_nsec(), fs::metadata(rig.path("card/media")).unwrap().ctime_nsec())
    };
    let before = look();
    irsync.wait_count("sync success", 4);
    assert_eq!(look(), before, "a sync that changed nothing has written something");
    assert!(same(&rig, "served/big", "card/media/big"));
    irsync.stop();
}

#[test]
fn what_was_being_written_when_the_power_went_is_compared_by_content() {
    let Some(rig) = real("mark-cut") else { return };
    let daemon = rig.daemon("read only = yes");
    fs::create_dir(rig.path("card")).unwrap();
    for name in ["a", "b"] {
        rig.write(&format!("served/{name}"), "content");
    }
    big_file(&rig, "served/c", 3000);
    old(&rig, &daemon.url(), "DIR/card/media/", "-rlt --delete --bwlimit=1000");
    let mut irsync = rig.start(&["run"]);
    wait_until("the first files", || rig.path("card/media/b").exists());
    wait_mid_file(&rig.path("card/media"));
    irsync.signal(Signal::SIGKILL);
    irsync.wait();
    wait_until("its rsync to be ended", || rig.rsync_processes().is_empty());
    lose(&rig, "card/media/a");

    // The machine was on all the time: what is in memory is right, and nothing is compared.
    old(&rig, &daemon.url(), "DIR/card/media/", "-rlt --delete");
    let once = rig.run(&["once"]);
    assert!(once.status.success());
    assert_eq!(rig.read("card/media/a").as_bytes(), [0; 7], "nothing but its content tells that it is wrong");
    assert_eq!(beside(&rig).len(), 0);

    // A sync was under way when the power went.
    lose(&rig, "card/media/b");
    fs::write(rig.path("card/.media.irsync-writing"), "another-boot 1\n").unwrap();
    let once = rig.run(&["once"]);
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(once.status.success() && said.contains("3 files are compared by content"), "{said}");
    assert_eq!((rig.read("card/media/a"), rig.read("card/media/b")), ("content".into(), "content".into()));
    assert!(same(&rig, "served/c", "card/media/c"));
    assert_eq!(beside(&rig).len(), 0);
}

#[test]
fn on_a_mount_point_the_mark_lies_inside_and_is_neither_deleted_nor_sent() {
    if !is_root("on_a_mount_point_the_mark_lies_inside_and_is_neither_deleted_nor_sent") {
        return;
    }
    let Some(rig) = real("mark-inside") else { return };
    let daemon = rig.daemon("read only = no");
    let _card = Tmpfs::new(&rig.path("card"), "20m");
    big_file(&rig, "served/big", 3000);
    rig.write("card/gone", "gone");
    let options = "-rlt --delete-before --delete-excluded --bwlimit=2000";
    old(&rig, &daemon.url(), "DIR/card/", options);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("card"));
    assert!(rig.path("card/.irsync-writing").exists(), "deleted by its own rsync");
    // Whoever sends the folder leaves it out.
    fs::create_dir(rig.path("other")).unwrap();
    rig.ini_named(
        "push.ini",
        "status_file = DIR/push.status\nrsync = rsync\n[push]\nsource = DIR/card/\ndestination = DIR/other/\n",
    );
    assert!(rig.run(&["once", "--config", rig.path("push.ini").to_str().unwrap()]).status.success());
    assert!(rig.path("other").read_dir().unwrap().count() > 0 && !rig.path("other/.irsync-writing").exists());
    irsync.wait_count("sync success", 1);
    wait_until("the mark to go", || !rig.path("card/.irsync-writing").exists());
    wait_until("the deletion", || !rig.path("card/gone").exists());
    assert!(irsync.log_has(", 1 deleted") && !irsync.log_has(", 2 deleted"), "its mark was deleted: {}", irsync.log());
    assert!(!rig.path("served/.irsync-writing").exists());
    irsync.stop();
}

#[test]
fn a_new_set_that_was_being_built_when_the_power_went_is_compared_by_content() {
    let Some(rig) = real("mark-atomic") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a", "content");
    big_file(&rig, "served/b", 3000);
    atomic(&rig, &daemon.url(), "");
    let ini = rig.read("irsync.ini").replace("rsync = rsync", &format!("rsync = {OLD}"));
    fs::write(rig.path("irsync.ini"), ini.replace("-rltp", "-rltp --bwlimit=1000")).unwrap();
    let mut irsync = rig.start(&["run"]);
    wait_until("the first file", || rig.path("card/.media.irsync-staging/a").exists());
    wait_mid_file(&rig.path("card/.media.irsync-staging"));
    irsync.signal(Signal::SIGKILL);
    irsync.wait();
    wait_until("its rsync to be ended", || rig.rsync_processes().is_empty());
    lose(&rig, "card/.media.irsync-staging/a");
    start_anew(&rig, "card/.media.irsync-writing");
    fs::write(rig.path("irsync.ini"), ini).unwrap();
    let once = rig.run(&["once"]);
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(once.status.success() && said.contains("of its files are compared by content"), "{said}");
    assert_eq!(rig.read("card/media/a"), "content");
    assert!(same(&rig, "served/b", "card/media/b"));
    assert_eq!(beside(&rig).len(), 0, "{:?}", beside(&rig));
}
