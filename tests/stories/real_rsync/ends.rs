//! The ends of irsync, and of one rsync process, while rsync runs as several.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::daemon::Daemon;
use crate::common::{process, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;

/// A pull of several MB that would last for half a minute, in mid-file.
fn in_mid_file(rig: &Rig) -> (Daemon, Irsync) {
    let daemon = rig.daemon("read only = yes");
    big_file(rig, "served/big.bin", 6000);
    media(rig, &daemon.url(), "DIR/dest/", "options = -rlt --bwlimit=200");
    let irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    let processes = rig.rsync_processes();
    assert!(processes.len() >= 2, "generator and receiver: {processes:#?}");
    (daemon, irsync)
}

fn end_by(story: &'static str, signal: Signal) {
    let Some(rig) = real(story) else { return };
    let (_daemon, mut irsync) = in_mid_file(&rig);
    irsync.signal(signal);
    let status = irsync.wait();
    if signal == Signal::SIGKILL {
        rig.wait_nothing_left();
    } else {
        rig.assert_nothing_left();
        assert_eq!(status.code(), Some(0), "{status}");
        // rsync had its time to clean up: no stray temporary file.
        assert_eq!(crate::common::daemon::temporary_size(&rig.path("dest")), 0);
    }
    assert!(!rig.path("dest/big.bin").exists(), "half a file was put in place");
}

#[test]
fn sigterm_in_mid_file_leaves_nothing() {
    end_by("end-term", Signal::SIGTERM);
}

#[test]
fn sigint_in_mid_file_leaves_nothing() {
    end_by("end-int", Signal::SIGINT);
}

#[test]
fn sigkill_in_mid_file_leaves_nothing() {
    end_by("end-kill", Signal::SIGKILL);
}

#[test]
fn sigkill_while_a_push_hangs_leaves_nothing() {
    // A push to a frozen daemon ignores SIGTERM, the parent-death signal included.
    let Some(rig) = real("end-kill-push") else { return };
    let daemon = rig.daemon("read only = no");
    big_file(&rig, "outbox/big.bin", 6000);
    media(&rig, "DIR/outbox/", &daemon.url(), "options = -rlt --bwlimit=200");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("served"));
    daemon.freeze();
    irsync.kill();
    rig.wait_nothing_left();
}

#[test]
fn receiver_does_not_outlive_a_killed_rsync() {
    // Seen: after SIGKILL of the main process the receiver downloads on and puts the file in place.
    let Some(rig) = real("end-of-rsync") else { return };
    let (_daemon, mut irsync) = in_mid_file(&rig);
    let before = rig.rsync_processes();
    let main = before.iter().find(|one| one.pid == one.session).expect("rsync leads its session").pid;
    process::send(main, Signal::SIGKILL);
    irsync.wait_log("sync transient");
    wait_until("the other processes of that sync to be gone", || !before.iter().any(|one| process::alive(one.pid)));
    wait_until("the next sync", || !rig.rsync_processes().is_empty());
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn local_copy_of_two_processes_is_stopped_as_well() {
    let Some(rig) = real("end-local") else { return };
    big_file(&rig, "from/big.bin", 6000);
    media(&rig, "DIR/from/", "DIR/dest/", "options = -rlt --bwlimit=200");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    assert!(rig.rsync_processes().len() >= 2);
    irsync.kill();
    rig.wait_nothing_left();
    assert!(!same(&rig, "from/big.bin", "dest/big.bin"));
}
