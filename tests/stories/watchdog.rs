//! The watchdog as far as a machine without one can show it: a plain file takes the bytes that a device would get. Boards
//! with a device are in `tests/vm`.

use crate::common::{wait_until, Rig};

const MEDIA: &str = "watchdog_device = DIR/dog\nwatchdog_timeout = 1s\n[media]\nsource = /ok\ndestination = DIR/dest\n";

#[test]
fn plain_file_is_warned_of_kicked_and_closed_by_magic_on_a_clean_stop() {
    let rig = Rig::new("dog");
    rig.write("dog", "");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("is a plain file, not a device: nothing will reset the board");
    wait_until("three kicks", || rig.read("dog").len() >= 3);
    wait_until("the status", || rig.read("status").contains("watchdog_identity = plain file"));
    assert!(rig.read("status").contains("watchdog_fed = no"), "nothing is kept alive by a file");
    irsync.stop();
    let written = rig.read("dog");
    assert!(written.trim_start_matches('\0') == "V", "kicks, then the magic close: {written:?}");
}

#[test]
fn killed_irsync_does_not_disarm_the_watchdog() {
    let rig = Rig::new("dog-killed");
    rig.write("dog", "");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    wait_until("a kick", || !rig.read("dog").is_empty());
    irsync.kill();
    assert!(!rig.read("dog").contains('V'), "nobody would notice that irsync is gone");
}

#[test]
fn missing_or_wrong_device_is_told_and_does_not_keep_irsync_from_its_work() {
    for device in ["/dev/null", "/no/such/watchdog"] {
        let rig = Rig::new("no-dog");
        rig.ini(&MEDIA.replace("DIR/dog", device));
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("sync success");
        assert!(irsync.log_has(device) && irsync.log_has("trying again every 1m"), "{}", irsync.log());
        irsync.stop();
    }
}
