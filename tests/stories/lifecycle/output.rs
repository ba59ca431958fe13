//! Whatever rsync prints, it is never blocked and the log stays a log.

use crate::common::{wait_until, Rig};
use std::process::Stdio;

#[test]
fn flood_never_blocks_though_nobody_reads_the_log() {
    let rig = Rig::new("flood");
    rig.ini("log_level = trace\n[media]\nsource = /flood /until-go\ninterval = 50ms\ndestination = DIR/dest\n");
    let mut command = rig.command(&["run"]);
    // A pipe that is never read: full after 64 KiB.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut irsync = rig.spawn(command, rig.path("unread.log"));
    let fake = rig.fake("dest");
    fake.wait_ends(1);
    fake.wait_runs(2);
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn every_record_is_one_clean_line() {
    let rig = Rig::new("clean-log");
    rig.ini(
        "[control]\nsource = /control-characters\ndestination = DIR/controls\n\
         [long]\nsource = /long-line\ndestination = DIR/long\n\
         [cut]\nsource = /no-newline\ndestination = DIR/cut\n\
         [carriage]\nsource = /progress-done\ndestination = DIR/carriage\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 4);
    irsync.stop();
    let log = std::fs::read(rig.path("irsync-1.log")).unwrap();
    let log = String::from_utf8(log).expect("the log is UTF-8");
    assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "control characters reached the log: {log:?}");
    assert!(log.contains("red"), "the text around them did not: {log}");
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 20_000, "a line of {longest} bytes");
    assert!(log.contains("long:xxxx"), "its beginning is there");
    assert!(log.contains("the end without a newline"));
}

#[test]
fn stderr_is_logged_as_a_warning_with_the_job_before_it() {
    let rig = Rig::new("stderr-level");
    rig.ini("log_level = info\n[media]\nsource = /refused\ndestination = DIR/dest\nbackoff_initial = 1h\nbackoff_max = 1h\n[other]\nsource = /changed\ndestination = DIR/other\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync transient");
    irsync.wait_log("other: sync success");
    let line = irsync.line("Connection refused").expect("rsync's stderr is logged");
    assert!(line.contains("WARN") && line.contains("media"), "{line}");
    assert!(!irsync.log_has("f+++++++++"), "rsync's stdout is for debug");
    irsync.stop();
}

#[test]
fn finished_sync_says_files_bytes_and_the_code_by_name() {
    let rig = Rig::new("finished-line");
    rig.ini(
        "[media]\nsource = /changed\ndestination = DIR/dest\n[broken]\nsource = /refused\ndestination = DIR/other\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    irsync.wait_log("broken: sync transient");
    let line = irsync.line("media: sync success").unwrap();
    // --stats of the fake: 3 files, 80 bytes sent and 10240 received.
    assert!(line.contains("3 files") && (line.contains("10320") || line.contains("10240")), "{line}");
    let line = irsync.line("broken: sync transient").unwrap();
    assert!(line.contains("10 (RERR_SOCKETIO)"), "{line}");
    irsync.stop();
}

#[test]
fn rsync_that_closes_its_pipes_is_waited_for_without_spinning() {
    let rig = Rig::new("closed-pipes");
    rig.ini("[media]\nsource = /close-pipes\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(1);
    // Whoever polls a pipe at its end is never asleep, however little of the processor a busy machine gives him.
    let stat = format!("/proc/{}/task/{}/stat", irsync.pid(), irsync.thread("media"));
    let is_asleep = || std::fs::read_to_string(&stat).unwrap_or_default().contains(") S ");
    let (mut asleep, mut looks) = (0, 0);
    crate::common::wait_until("fifty looks at the worker", || {
        asleep += usize::from(is_asleep());
        looks += 1;
        looks >= 50
    });
    assert!(asleep > 25, "the worker slept in {asleep} of 50 looks at it");
    fake.go();
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn a_log_that_was_torn_in_mid_record_goes_on_with_a_line_of_its_own() {
    let rig = Rig::new("log-torn");
    rig.ini("log = DIR/log\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let before = "2026-12-01T00:00:00Z [INFO] whole\n2026-12-01T00:00:01Z [INFO] tor";
    rig.write("log", before);
    let mut irsync = rig.start(&["run"]);
    wait_until("the sync", || rig.read("log").contains("sync success"));
    irsync.stop();
    let first = rig.read("log");
    let (log, started) = (first.as_str(), "[INFO] irsync ");
    let added = log.strip_prefix(before).unwrap_or_else(|| panic!("{log}"));
    assert!(added.starts_with('\n') && added.lines().nth(1).is_some_and(|line| line.contains(started)), "{log}");
    // One that ends with a record gets no empty line.
    let mut irsync = rig.start(&["run"]);
    wait_until("the next start", || rig.read("log").matches(started).count() > log.matches(started).count());
    irsync.stop();
    assert!(rig.read("log").lines().all(|line| line.starts_with("20")), "{}", rig.read("log"));
}
