//! When a sync follows.

use crate::common::{wait_until, Rig};
use crate::status::pty;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// The fake rsync's clock goes in steps of 10 ms, read at both ends of a span.
const STEP: Duration = Duration::from_millis(20);

#[test]
fn interval_counts_from_the_end_of_a_sync() {
    let rig = Rig::new("interval");
    // Longer than the interval: counted from the start, the next sync would be due at once.
    rig.ini("interval = 600ms\n[media]\nsource = /lasts-a-second\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(3);
    for (end, start) in fake.ends().iter().zip(fake.starts().iter().skip(1)) {
        let wait = start.at.saturating_sub(end.at);
        assert!(wait + STEP >= Duration::from_millis(600), "only {wait:?} between {end:?} and {start:?}");
    }
    fake.assert_never_two();
    irsync.stop();
}

#[test]
fn first_syncs_are_spread() {
    let rig = Rig::new("first-spread");
    let jobs: Vec<String> = (0..12).map(|n| format!("job{n}")).collect();
    let sections = jobs.iter().map(|job| format!("[{job}]\nsource = /ok\ndestination = DIR/{job}\n"));
    rig.ini(&format!("spread = 3s\n{}", sections.collect::<String>()));
    let mut irsync = rig.start(&["run"]);
    let fakes: Vec<_> = jobs.iter().map(|job| rig.fake(job)).collect();
    fakes.iter().for_each(|fake| fake.wait_runs(1));
    let starts: Vec<Duration> = fakes.iter().map(|fake| fake.starts()[0].at).collect();
    let spread = *starts.iter().max().unwrap() - *starts.iter().min().unwrap();
    // Twelve uniform draws from 3 s lie within a quarter of it once in 300,000 devices.
    assert!(spread > Duration::from_millis(750), "all within {spread:?}: {starts:?}");
    irsync.stop();
}

#[test]
fn without_spread_the_first_sync_starts_at_once_whatever_the_interval() {
    let rig = Rig::new("first-at-once");
    rig.ini("interval = 30d\njitter = 10%\nspread = 0\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    irsync.stop();
}

#[test]
fn failures_back_off_exponentially_with_full_jitter_and_success_resets() {
    let rig = Rig::new("backoff");
    let failures = "/exit-10 ".repeat(12);
    rig.ini(&format!(
        "backoff_initial = 100ms\nbackoff_max = 800ms\ninterval = 2h\n[media]\nsource = {failures} /ok\ndestination = DIR/dest\n"
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(irsync.count("sync transient"), 12);
    let waits = irsync.durations("next in ");
    assert_eq!(waits.len(), 13, "each sync says when the next one starts");
    // The log rounds to tenths of a second.
    let rounding = Duration::from_millis(60);
    for (n, wait) in waits[..12].iter().enumerate() {
        let limit = Duration::from_millis((100u64 << n.min(8)).min(800));
        assert!(*wait <= limit + rounding, "wait {n} is {wait:?}, over {limit:?}: {waits:?}");
    }
    // Nine waits are drawn from up to 800 ms: that all are below 200 ms happens once in 260,000 times.
    assert!(waits[..12].iter().any(|wait| *wait >= Duration::from_millis(200)), "it did not grow: {waits:?}");
    assert!(waits[..12].iter().any(|wait| *wait != waits[11]), "no jitter: {waits:?}");
    assert!(waits[12] >= Duration::from_secs(7000), "the interval after a success: {waits:?}");
    irsync.stop();
}

#[test]
fn permanent_failure_waits_for_the_longest_back_off_at_once() {
    let rig = Rig::new("permanent");
    rig.ini("backoff_initial = 50ms\nbackoff_max = 1h\ninterval = 1s\n[media]\nsource = /auth-failed\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync permanent");
    let waits = irsync.durations("next in ");
    assert!(waits[0] >= Duration::from_secs(3500), "{waits:?}");
    irsync.stop();
}

#[test]
fn outcome_comes_from_the_code_and_from_what_rsync_said() {
    let rig = Rig::new("outcomes");
    let expected = [
        ("ok", "success"),
        ("changed", "success"),
        ("vanished", "warning"),
        ("partial", "partial"),
        ("exit-25", "held"),
        ("max-connections", "busy"),
        ("refused", "transient"),
        ("captive-portal", "transient"),
        ("exit-12", "transient"),
        ("exit-30", "transient"),
        ("crash", "transient"),
        ("no-space", "disk"),
        ("usage", "permanent"),
        ("auth-failed", "permanent"),
        ("unknown-module", "permanent"),
    ];
    let sections = expected.iter().map(|(what, _)| format!("[j-{what}]\nsource = /{what}\ndestination = DIR/{what}\n"));
    rig.ini(&format!("backoff_initial = 1h\nbackoff_max = 1h\n{}", sections.collect::<String>()));
    let mut irsync = rig.start(&["run"]);
    for (what, _) in expected {
        irsync.wait_log(&format!("j-{what}: sync "));
    }
    for (what, outcome) in expected {
        let line = irsync.line(&format!("j-{what}: sync ")).unwrap();
        assert!(line.contains(&format!("sync {outcome}")), "{what} is to be {outcome}: {line}");
        assert!(line.contains("took ") && line.contains("next in "), "{line}");
    }
    irsync.stop();
}

#[test]
fn missing_rsync_is_waited_for() {
    let rig = Rig::new("missing-rsync");
    let program = rig.path("later");
    rig.ini("rsync = DIR/later\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("cannot start rsync");
    assert!(irsync.log_has(program.to_str().unwrap()), "it says which");
    irsync.assert_alive();
    symlink(crate::common::fake::PROGRAM, &program).unwrap();
    irsync.wait_log("sync success");
    std::fs::remove_file(&program).unwrap();
    irsync.signal(nix::sys::signal::Signal::SIGUSR1);
    wait_until("it to be missed again", || {
        irsync.log().rsplit("sync success").next().unwrap().contains("cannot start rsync")
    });
    symlink(crate::common::fake::PROGRAM, &program).unwrap();
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn a_run_that_was_typed_at_a_terminal_syncs_at_once() {
    let rig = Rig::new("typed");
    rig.ini("spread = 10h\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let (mut irsync, _terminal) = pty::start(&rig, &["run"], 80);
    rig.fake("dest").wait_runs(1);
    irsync.stop();
}

#[test]
fn a_changed_file_is_synced_at_once_however_long_the_spread() {
    let rig = Rig::new("spread-reload");
    let ini = |interval: &str, more: &str| {
        rig.ini(&format!("spread = 10h\ninterval = {interval}\n[media]\nsource = /ok\ndestination = DIR/dest\n{more}"));
    };
    ini("1h", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: first sync in ");
    ini("2h", "[more]\nsource = /ok\ndestination = DIR/more\n");
    irsync.signal(nix::sys::signal::Signal::SIGHUP);
    rig.fake("dest").wait_runs(1);
    rig.fake("more").wait_runs(1);
    irsync.stop();
}
