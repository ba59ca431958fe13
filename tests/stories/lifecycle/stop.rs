//! No way to end irsync leaves anything of its syncs behind.

use crate::common::{wait_until, Rig};
use nix::sys::signal::Signal;

/// Starts irsync with an rsync of each kind, waits until all of them run, and ends irsync with the signal.
fn end_by(signal: Signal) {
    let rig = Rig::new("stop");
    // The stopped one and the one that ignores SIGTERM need SIGKILL or SIGCONT.
    let kinds = ["silent", "silent-with-children", "chatty", "ignore-term", "stop-self", "leave-grandchild"];
    let sections = kinds.iter().map(|kind| format!("[{kind}]\nsource = /{kind}\ndestination = DIR/{kind}\n"));
    rig.ini(&format!("stop_timeout = 500ms\n{}", sections.collect::<String>()));
    let mut irsync = rig.start(&["run"]);
    kinds.iter().for_each(|kind| rig.fake(kind).wait_runs(1));
    wait_until("the children", || !rig.fake("silent-with-children").others().is_empty());
    wait_until("one to be stopped", || state_of(rig.fake("stop-self").pid()) == Some('T'));
    assert!(rig.rsync_processes().len() >= 6);
    irsync.signal(signal);
    let status = irsync.wait();
    if signal == Signal::SIGKILL {
        rig.wait_nothing_left();
    } else {
        // When irsync has ended there must be nothing left to wait for.
        rig.assert_nothing_left();
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn sigterm_leaves_nothing() {
    end_by(Signal::SIGTERM);
}

#[test]
fn sigint_leaves_nothing() {
    end_by(Signal::SIGINT);
}

#[test]
fn sigkill_leaves_nothing() {
    end_by(Signal::SIGKILL);
}

#[test]
fn sigterm_gives_the_receiver_the_time_to_put_its_partial_file_aside() {
    let rig = Rig::new("stop-receiver");
    rig.ini("stop_timeout = 20s\n[media]\nsource = /slow-receiver\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the receiver", || !rig.fake("dest").others().is_empty());
    irsync.stop();
    assert!(rig.path("dest/kept").exists(), "the receiver was killed the moment rsync itself had gone");
    rig.assert_nothing_left();
}

#[test]
fn sigterm_gives_rsync_the_time_to_clean_up() {
    let rig = Rig::new("stop-gently");
    rig.ini("stop_timeout = 1s\n[media]\nsource = /note-term\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    irsync.stop();
    assert_eq!(rig.fake("dest").terms(), 1, "SIGTERM before SIGKILL");
    rig.assert_nothing_left();
}

#[test]
fn stop_while_waiting_is_immediate() {
    let rig = Rig::new("stop-waiting");
    // stop_timeout is longer than the tests wait for anything.
    rig.ini(
        "stop_timeout = 1h\nbackoff_initial = 1h\nbackoff_max = 1h\n\
         [interval]\nsource = /ok\ndestination = DIR/interval\n\
         [backoff]\nsource = /auth-failed\ndestination = DIR/backoff\n\
         [first]\nsource = /ok\nspread = 3650d\ndestination = DIR/first\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("interval: sync success");
    irsync.wait_log("backoff: sync permanent");
    irsync.stop();
    assert_eq!(rig.fake("first").runs(), 0);
}

#[test]
fn started_again_after_sigkill_it_syncs() {
    let rig = Rig::new("stop-again");
    rig.ini("[media]\nsource = /silent-with-children /ok\ndestination = DIR/dest\n");
    let mut first = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    first.kill();
    let mut second = rig.start(&["run"]);
    second.wait_log("sync success");
    rig.fake("dest").assert_never_two();
    second.stop();
}
