//! A destination that does not take what comes.

use super::{big_file, media, real, same};
use crate::common::mount::{Ext4, Tmpfs};
use crate::common::{is_executable, is_root, skipped, wait_until};
use std::process::Command;

#[test]
fn full_destination_is_disk_until_there_is_room() {
    if !is_root("full_destination_is_disk_until_there_is_room") {
        return;
    }
    let Some(rig) = real("disk-full") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", 1000);
    let tmpfs = Tmpfs::new(&rig.path("card"), "200k");
    media(&rig, &daemon.url(), "DIR/card/", "");
    let mut irsync = rig.start(&["run"]);
    // "11 - Error in file I/O"; "No space left on device (28)"
    irsync.wait_count("sync disk: code 11", 2);
    tmpfs.remount("size=4m");
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/big.bin", "card/big.bin"));
    irsync.stop();
    drop(tmpfs);
}

#[test]
fn read_only_destination_is_disk_until_it_is_writable() {
    if !is_root("read_only_destination_is_disk_until_it_is_writable") {
        return;
    }
    let Some(rig) = real("disk-read-only") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    let tmpfs = Tmpfs::new(&rig.path("card"), "1m");
    tmpfs.remount("ro");
    media(&rig, &daemon.url(), "DIR/card/", "interval = 100ms");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync disk: code 23", 2);
    assert!(irsync.log().contains("have fsck run before it is mounted"), "{}", irsync.log());
    tmpfs.remount("rw");
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/one.txt", "card/one.txt"));
    irsync.stop();
    drop(tmpfs);
}

#[test]
fn a_damaged_destination_is_disk_until_fsck_has_run() {
    if !is_root("a_damaged_destination_is_disk_until_fsck_has_run") {
        return;
    }
    let Some(rig) = real("disk-damaged") else { return };
    let Some(card) = Ext4::new("disk-damaged", &rig.path("card")) else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/sub/one.txt", "one");
    rig.write("card/set/sub/one.txt", "old");
    card.damage("/set/sub");
    let keys = "options = -rlt --delete\ninterval = 100ms";
    media(&rig, &daemon.url(), "DIR/card/set/", keys);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync disk: code 23 (RERR_PARTIAL), the file system of the destination is damaged", 2);
    irsync.wait_log("have fsck run before it is mounted");
    assert!(!irsync.log_has("the server could not"), "{}", irsync.log());
    irsync.stop();
    card.repair();
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/sub/one.txt", "card/set/sub/one.txt"));
    irsync.stop();
}

#[test]
fn a_damaged_disk_of_the_server_is_the_servers() {
    if !is_root("a_damaged_disk_of_the_server_is_the_servers") {
        return;
    }
    let Some(rig) = real("disk-damaged-there") else { return };
    let Some(disk) = Ext4::new("disk-damaged-there", &rig.path("served")) else { return };
    rig.write("served/sub/one.txt", "one");
    rig.write("served/two.txt", "two");
    disk.damage("/sub");
    let daemon = rig.daemon("read only = yes");
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --delete --exclude=/lost+found\ninterval = 100ms");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync partial: code 23 (RERR_PARTIAL), the file system of the source is damaged", 2);
    irsync.wait_log("because the server could not read everything");
    assert!(same(&rig, "served/two.txt", "dest/two.txt") && !irsync.log_has("destination is"), "{}", irsync.log());
    irsync.stop();
}

#[test]
fn missing_parent_of_the_destination_is_retried_until_it_is_there() {
    // "By default, rsync will create only the final component of the destination path if it does not exist. If any other
    // component does not exist that is an error"
    let Some(rig) = real("disk-no-parent") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    media(&rig, &daemon.url(), "DIR/card/deeper/", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync transient: code 11", 2);
    std::fs::create_dir(rig.path("card")).unwrap();
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/one.txt", "card/deeper/one.txt"));
    irsync.stop();
}

/// rsync#756: `prlimit --fsize` makes a real EFBIG.
#[test]
fn a_file_that_is_too_large_is_permanent_with_advice_and_what_waits_behind_it_is_told() {
    if !is_executable("prlimit") {
        skipped("disk-too-large", "needs prlimit in PATH");
        return;
    }
    let Some(rig) = real("disk-too-large") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a.txt", "before");
    big_file(&rig, "served/b-large.bin", 3000);
    rig.write("served/c.txt", "behind");
    let keys = "options = -rlt --delete --partial-dir=.partial\nbackoff_initial = 1h\nbackoff_max = 1h";
    media(&rig, &daemon.url(), "DIR/dest/", keys);
    let irsync = rig.command(&["run"]);
    let mut command = Command::new("prlimit");
    command.arg("--fsize=2000000").arg(irsync.get_program()).args(irsync.get_args());
    command.envs(irsync.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(rig.path(""));
    let mut irsync = rig.start_command(command);
    irsync.wait_log("sync permanent: code 11 (RERR_FILEIO), a file is larger than the file system here takes");
    irsync.wait_log(
        "leave it out with --max-size, or use exfat or ext4; what follows it in the list has to wait for that",
    );
    irsync.wait_log("/b-large.bin\": File too large (27)");
    let status = |key: &str| rig.status("media", key);
    wait_until("the status", || status("last_kind").as_deref() == Some("too_large"));
    assert!(!irsync.log_has("changed: b-large.bin"), "{}", irsync.log());
    assert_eq!((rig.read("dest/a.txt").as_str(), rig.path("dest/c.txt").exists()), ("before", false));
    // The owner of the server takes it away. The partial goes, and the rest comes.
    std::fs::remove_file(rig.path("served/b-large.bin")).unwrap();
    assert!(rig.run(&["now"]).status.success());
    irsync.wait_log("sync success");
    assert_eq!(rig.read("dest/c.txt"), "behind");
    wait_until("the partial to go", || !rig.path("dest/.partial").exists());
    irsync.stop();
}
