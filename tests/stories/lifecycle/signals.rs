//! Asking the running irsync for something.

use crate::common::Rig;
use nix::sys::signal::Signal;

const TWO_JOBS: &str =
    "[media]\nsource = /ok\ndestination = DIR/media\n[other]\nsource = /ok\ndestination = DIR/other\n";

#[test]
fn sigusr1_syncs_all_jobs_at_once() {
    let rig = Rig::new("usr1");
    rig.ini(TWO_JOBS);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    irsync.signal(Signal::SIGUSR1);
    rig.fake("media").wait_runs(2);
    rig.fake("other").wait_runs(2);
    irsync.stop();
}

#[test]
fn sigusr1_ends_a_back_off() {
    let rig = Rig::new("usr1-backoff");
    rig.ini("backoff_initial = 1h\nbackoff_max = 1h\n[media]\nsource = /auth-failed /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync permanent");
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn now_syncs_all_jobs_or_the_named_one() {
    let rig = Rig::new("now");
    rig.ini(TWO_JOBS);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    let all = rig.run(&["now"]);
    assert!(all.status.success(), "{all:?}");
    irsync.wait_count("sync success", 4);
    let one = rig.run(&["now", "media"]);
    assert!(one.status.success(), "{one:?}");
    rig.fake("media").wait_runs(3);
    irsync.wait_count("media: sync success", 3);
    let again = rig.run(&["now", "media"]);
    assert!(again.status.success(), "{again:?}");
    rig.fake("media").wait_runs(4);
    assert_eq!(rig.fake("other").runs(), 2, "a job that was not named");
    irsync.stop();
}

#[test]
fn now_says_what_is_wrong() {
    let rig = Rig::new("now-wrong");
    rig.ini(TWO_JOBS);
    let none = rig.run(&["now"]);
    assert!(!none.status.success(), "nothing runs: {none:?}");
    assert!(!none.stderr.is_empty());
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    let unknown = rig.run(&["now", "medai"]);
    assert!(!unknown.status.success(), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("medai"), "{unknown:?}");
    irsync.stop();
}

#[test]
fn sigusr2_logs_what_every_job_does() {
    let rig = Rig::new("usr2");
    rig.ini(TWO_JOBS);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    let before = (irsync.count("media"), irsync.count("other"));
    irsync.signal(Signal::SIGUSR2);
    crate::common::wait_until("a line for each job", || {
        irsync.count("media") > before.0 && irsync.count("other") > before.1
    });
    irsync.stop();
}
