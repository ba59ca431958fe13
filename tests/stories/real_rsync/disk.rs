//! A destination that does not take what comes.

use super::{big_file, media, real, same};
use crate::common::is_root;
use crate::common::mount::Tmpfs;

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
