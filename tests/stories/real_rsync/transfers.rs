//! What a working server gives.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::wait_until;
use nix::sys::signal::Signal;
use std::fs;

#[test]
fn first_sync_nothing_to_do_change_and_deletion() {
    let Some(rig) = real("transfers") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    rig.write("served/folder/two.txt", "two");
    big_file(&rig, "served/three.bin", 100);
    // "This tells rsync to delete extraneous files from the receiving side (those that don't exist on the sending side)"
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --delete");
    let mut irsync = rig.start(&["run"]);

    irsync.wait_count("sync success: code 0", 1);
    assert!(same(&rig, "served/one.txt", "dest/one.txt"));
    assert!(same(&rig, "served/folder/two.txt", "dest/folder/two.txt"));
    assert!(same(&rig, "served/three.bin", "dest/three.bin"));
    assert!(irsync.line("sync success").unwrap().contains("3 files"), "{:?}", irsync.line("sync success"));

    // "Rsync finds files that need to be transferred using a "quick check" algorithm (by default) that looks for files
    // that have changed in size or in last-modified time."
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success: code 0", 2);
    let log = irsync.log();
    let second = log.lines().filter(|line| line.contains("sync success")).nth(1).unwrap();
    assert!(second.contains("0 files"), "{second}");

    rig.write("served/one.txt", "one, changed");
    fs::remove_file(rig.path("served/three.bin")).unwrap();
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success: code 0", 3);
    assert!(same(&rig, "served/one.txt", "dest/one.txt"));
    assert!(!rig.path("dest/three.bin").exists());
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn push_arrives() {
    let Some(rig) = real("push") else { return };
    let daemon = rig.daemon("read only = no");
    rig.write("outbox/reading.csv", "1;2;3");
    media(&rig, "DIR/outbox/", &daemon.url(), "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert!(same(&rig, "outbox/reading.csv", "served/reading.csv"));
    irsync.stop();
}

#[test]
fn push_to_a_read_only_module_fails() {
    // "If "read only" is true then any attempted uploads will fail."
    let Some(rig) = real("push-read-only") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("outbox/reading.csv", "1;2;3");
    media(&rig, "DIR/outbox/", &daemon.url(), "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync ");
    assert!(!irsync.log_has("sync success"), "{}", irsync.log());
    irsync.stop();
}

#[test]
fn deletion_limit_is_held_and_the_next_sync_follows_after_the_interval() {
    let Some(rig) = real("max-delete") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/kept.txt", "kept");
    for n in 0..3 {
        rig.write(&format!("dest/old{n}"), "old");
    }
    // "If that limit is exceeded, all further deletions are skipped through the end of the transfer. At the end, rsync
    // outputs a warning (including a count of the skipped deletions) and exits with an error code of 25"
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --delete --max-delete=1\ninterval = 2h");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync held: code 25");
    assert!(same(&rig, "served/kept.txt", "dest/kept.txt"));
    assert_eq!((0..3).filter(|n| rig.path(&format!("dest/old{n}")).exists()).count(), 3, "all of them wait");
    assert!(irsync.durations("next in ")[0].as_secs() >= 7000, "the interval, not the back-off");
    irsync.stop();
}

#[test]
fn file_that_vanishes_on_the_server_is_a_warning() {
    let Some(rig) = real("vanished") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/a.bin", 1024);
    rig.write("served/z.txt", "soon gone");
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --bwlimit=400");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    fs::remove_file(rig.path("served/z.txt")).unwrap();
    // "24 - Partial transfer due to vanished source files"
    irsync.wait_log("sync warning: code 24");
    assert!(same(&rig, "served/a.bin", "dest/a.bin"));
    irsync.stop();
}

#[test]
fn source_that_is_gone_is_partial_until_it_is_back() {
    let Some(rig) = real("source-gone") else { return };
    let daemon = rig.daemon("read only = yes");
    media(&rig, &format!("{}folder/", daemon.url()), "DIR/dest/", "interval = 100ms");
    let mut irsync = rig.start(&["run"]);
    // "23 - Partial transfer due to error"
    irsync.wait_count("sync partial: code 23", 2);
    rig.write("served/folder/one.txt", "one");
    irsync.wait_log("sync success");
    wait_until("the file", || same(&rig, "served/folder/one.txt", "dest/one.txt"));
    irsync.stop();
}

#[test]
fn names_are_readable_in_every_locale_and_hooks_run_in_that_of_the_owner() {
    for (variable, value) in [("LC_ALL", "C"), ("LC_ALL", ""), ("LC_ALL", "C.UTF-8"), ("LANG", "C.UTF-8")] {
        let Some(rig) = real("locale") else { return };
        rig.write("served/Größe.mp4", "big");
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().for_each(|name| rig.set_env(name, ""));
        rig.set_env(variable, value);
        // Only a locale of the owner's tells rsync in which letters the names are.
        let iconv = if value == "C.UTF-8" { " --iconv=." } else { "" };
        let keys = format!("options = -rltv{iconv}\nrun_after = sh -c 'echo \"${variable}\" >DIR/hook'");
        media(&rig, "DIR/served/", "DIR/dest/", &keys);
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("next in");
        assert!(irsync.log_has("sync success: code 0"), "{variable}={value}: {}", irsync.log());
        assert!(irsync.log_has("rsync: >f+++++++++ Größe.mp4"), "{variable}={value}: {}", irsync.log());
        assert!(same(&rig, "served/Größe.mp4", "dest/Größe.mp4"));
        wait_until("the hook", || !rig.read("hook").is_empty());
        assert_eq!(rig.read("hook").trim(), value, "{variable}");
        irsync.stop();
    }
}
