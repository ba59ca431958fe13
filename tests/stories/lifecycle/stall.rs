//! An rsync that makes no progress, and what counts as progress.

use crate::common::{process, wait_until, Rig};
use nix::sys::signal::Signal;
use std::time::Duration;

/// The fake rsync's clock goes in steps of 10 ms, read at both ends of a span.
const STEP: Duration = Duration::from_millis(20);

#[test]
fn silent_rsync_is_killed_and_tried_again_with_a_growing_limit() {
    let rig = Rig::new("stall");
    rig.ini("activity_timeout = 500ms\n[media]\nsource = /silent /silent /silent /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let fake = rig.fake("dest");
    let starts = fake.starts();
    assert_eq!(starts.len(), 4, "{starts:?}");
    assert_eq!(irsync.count("sync stalled"), 3);
    for (n, pair) in starts.windows(2).enumerate() {
        let (lived, limit) = (pair[1].at - pair[0].at, Duration::from_millis(500 << n));
        assert!(lived + STEP >= limit, "run {n} had {lived:?} of {limit:?}");
    }
    fake.assert_never_two();
    irsync.stop();
}

#[test]
fn success_takes_the_grown_limit_back() {
    let rig = Rig::new("stall-reset");
    rig.ini("activity_timeout = 500ms\ninterval = 50ms\n[media]\nsource = /silent /silent /ok /silent /until-go\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync stalled", 3);
    let limits = irsync.durations("sync stalled: no progress for ");
    let expected = [500, 1000, 500].map(Duration::from_millis);
    assert_eq!(limits[..3], expected, "{}", irsync.log());
    irsync.stop();
}

#[test]
fn one_that_ignores_sigterm_is_killed_after_stop_timeout() {
    let rig = Rig::new("stall-kill");
    rig.ini("activity_timeout = 300ms\nstop_timeout = 300ms\n[media]\nsource = /note-term /ignore-term /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let fake = rig.fake("dest");
    assert_eq!(fake.terms(), 1, "SIGTERM comes first, once");
    assert_eq!(irsync.count("sync stalled"), 2);
    fake.assert_never_two();
    assert_eq!(rig.rsync_processes(), []);
    irsync.stop();
}

#[test]
fn stopped_one_is_woken_to_die() {
    let rig = Rig::new("stall-stopped");
    // It must die of SIGTERM: the long stop_timeout leaves no time for SIGKILL.
    rig.ini("activity_timeout = 300ms\nstop_timeout = 10m\n[media]\nsource = /stop-self /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(rig.fake("dest").terms(), 1);
    irsync.stop();
}

#[test]
fn one_that_stops_in_mid_line_is_killed_and_the_line_logged() {
    let rig = Rig::new("stall-half-line");
    rig.ini("activity_timeout = 500ms\n[media]\nsource = /half-line /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(irsync.count("sync stalled"), 1);
    assert!(irsync.log_has("half a li"));
    irsync.stop();
}

#[test]
fn bytes_without_newlines_are_progress() {
    let rig = Rig::new("progress-bytes");
    // Each would be killed after 3 s if it counted as silent; max_runtime ends them later than that.
    rig.ini(
        "activity_timeout = 3s\nmax_runtime = 7s\n\
         [dots]\nsource = /dots /ok\ndestination = DIR/dots\n\
         [records]\nsource = /progress /ok\ndestination = DIR/records\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    for job in ["dots", "records"] {
        let starts = rig.fake(job).starts();
        let lived = starts[1].at - starts[0].at;
        assert!(lived + STEP >= Duration::from_secs(7), "{job} lived {lived:?}");
    }
    irsync.stop();
}

#[test]
fn max_runtime_ends_a_busy_sync() {
    let rig = Rig::new("max-runtime");
    rig.ini("max_runtime = 700ms\n[media]\nsource = /chatty /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let starts = rig.fake("dest").starts();
    assert!(starts[1].at - starts[0].at + STEP >= Duration::from_millis(700), "{starts:?}");
    assert_eq!(irsync.count("sync stalled"), 1);
    irsync.stop();
}

#[test]
fn killing_a_stalled_sync_takes_its_children_along() {
    let rig = Rig::new("stall-children");
    rig.ini("activity_timeout = 500ms\n[media]\nsource = /silent-with-children /until-go\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(2);
    let others = fake.others();
    assert_eq!(others.len(), 1);
    assert!(!process::alive(others[0]), "what left the session lives on");
    let left: Vec<_> =
        rig.rsync_processes().into_iter().filter(|process| process.command.contains("sleep 1000")).collect();
    assert!(left.is_empty(), "{left:#?}");
    irsync.stop();
}

#[test]
fn end_is_noticed_while_a_grandchild_holds_the_pipes() {
    let rig = Rig::new("grandchild");
    rig.ini("interval = 50ms\n[media]\nsource = /leave-grandchild /leave-daemon /until-go\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 2);
    let fake = rig.fake("dest");
    fake.wait_runs(3);
    let others = fake.others();
    assert_eq!(others.len(), 2);
    wait_until("what they left to be gone", || !others.iter().any(|pid| process::alive(*pid)));
    irsync.stop();
}

#[test]
fn rsync_killed_by_somebody_else_is_a_failure_and_leaves_nothing() {
    let rig = Rig::new("rsync-killed");
    rig.ini("[media]\nsource = /silent-with-children /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(1);
    wait_until("its children", || !fake.others().is_empty());
    process::send(fake.pid(), Signal::SIGKILL);
    irsync.wait_log("sync success");
    let line = irsync.line("sync transient").expect("a transient failure");
    assert!(line.contains("SIGKILL"), "{line}");
    wait_until("its children to be gone", || rig.rsync_processes().is_empty());
    irsync.stop();
}
