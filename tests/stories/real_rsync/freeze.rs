//! A server that stops in mid-file while its connections stay open: what `--timeout` does not notice on a pull, and
//! where a pushing rsync ignores SIGTERM.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::{wait_until, Rig};

/// 4 s at 500 KiB/s: long enough to freeze it in the middle.
const KIB: usize = 2000;
const KEYS: &str = "options = -rlt --bwlimit=500\nactivity_timeout = 2s\nstop_timeout = 1s";

#[test]
fn pull_from_a_daemon_frozen_in_mid_file_is_killed_and_finished_later() {
    let Some(rig) = real("freeze-pull") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", KIB);
    media(&rig, &daemon.url(), "DIR/dest/", KEYS);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    assert!(rig.rsync_processes().len() >= 2, "generator and receiver");
    daemon.freeze();
    irsync.wait_log("sync stalled");
    assert!(!rig.path("dest/big.bin").exists(), "half a file was put in place");
    assert_one_sync(&rig);
    daemon.thaw();
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/big.bin", "dest/big.bin"));
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn pull_with_rsyncs_own_timeout_is_judged_by_what_it_reads() {
    // Its keepalives are written, not read: they must not count as progress.
    let Some(rig) = real("freeze-timeout") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", KIB);
    media(
        &rig,
        &daemon.url(),
        "DIR/dest/",
        "options = -rlt --bwlimit=500 --timeout=2\nactivity_timeout = 4s\nstop_timeout = 1s",
    );
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    daemon.freeze();
    wait_until("the sync to end", || irsync.log_has("sync stalled") || irsync.log_has("sync transient"));
    daemon.thaw();
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn push_to_a_daemon_frozen_in_mid_file_is_killed_and_finished_later() {
    let Some(rig) = real("freeze-push") else { return };
    let daemon = rig.daemon("read only = no");
    big_file(&rig, "outbox/big.bin", KIB);
    media(&rig, "DIR/outbox/", &daemon.url(), KEYS);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("served"));
    daemon.freeze();
    irsync.wait_log("sync stalled");
    assert_one_sync(&rig);
    daemon.thaw();
    irsync.wait_log("sync success");
    assert!(same(&rig, "outbox/big.bin", "served/big.bin"));
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn slow_transfer_of_one_big_file_is_not_a_stall() {
    // With `-v` alone rsync prints the name and then nothing for the whole length of the file.
    let Some(rig) = real("slow-file") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", 1500);
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rltv --bwlimit=250\nprogress = no\nactivity_timeout = 3s");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(irsync.count("sync stalled"), 0);
    assert!(irsync.durations("took ")[0].as_secs() >= 3, "it lasts longer than the limit: {}", irsync.log());
    irsync.stop();
}

/// All live rsync processes belong to one sync: they share a session.
fn assert_one_sync(rig: &Rig) {
    let processes = rig.rsync_processes();
    let mut sessions: Vec<i32> = processes.iter().map(|process| process.session).collect();
    sessions.dedup();
    assert!(sessions.len() <= 1, "{processes:#?}");
}
