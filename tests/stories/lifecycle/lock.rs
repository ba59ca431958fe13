//! Never two irsyncs on one destination, or beside one status file.

use crate::common::{is_emulated, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::fs;

/// Two irsyncs with the same destination, written in two ways; the second has been refused.
fn two(rig: &Rig) -> (Irsync, Irsync) {
    rig.ini("[media]\nsource = /silent\ndestination = DIR/dest\n");
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/./dest/\n");
    let first = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    let second = rig.start(&["run", "--config", rig.path("second.ini").to_str().unwrap()]);
    second.wait_log("sync skipped");
    assert!(second.log_has(&first.pid().to_string()), "it says who holds it: {}", second.log());
    assert_eq!(rig.fake("dest").runs(), 1);
    (first, second)
}

#[test]
fn second_irsync_on_a_destination_is_skipped_and_takes_over_at_the_end_of_the_first() {
    let rig = Rig::new("lock");
    let (mut first, mut second) = two(&rig);
    first.stop();
    second.wait_log("sync success");
    rig.fake("dest").assert_never_two();
    second.stop();
}

#[test]
fn second_irsync_takes_over_after_the_first_was_killed() {
    let rig = Rig::new("lock-killed");
    let (mut first, mut second) = two(&rig);
    first.kill();
    second.wait_log("sync success");
    rig.fake("dest").assert_never_two();
    second.stop();
}

#[test]
fn two_irsyncs_with_status_files_in_one_folder_do_not_disturb_each_other() {
    let rig = Rig::new("one-folder");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/copy\n");
    let second_ini = rig.path("second.ini");
    let second_ini = second_ini.to_str().unwrap();
    let mut first = rig.start(&["run"]);
    first.wait_log("sync success");
    let mut second = rig.start(&["run", "--config", second_ini]);
    second.wait_log("sync success");
    assert!(rig.run(&["now"]).status.success(), "the first one can no longer be asked");
    first.wait_count("sync success", 2);
    second.stop();
    assert!(rig.run(&["now"]).status.success(), "the first one can no longer be asked");
    first.wait_count("sync success", 3);
    first.stop();
}

#[test]
fn destination_stays_locked_between_syncs() {
    let rig = Rig::new("lock-between");
    rig.ini("[media]\nsource = /ok\ninterval = 1h\ndestination = DIR/dest\n");
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/dest\n");
    let mut first = rig.start(&["run"]);
    first.wait_log("sync success");
    let mut second = rig.start(&["run", "--config", rig.path("second.ini").to_str().unwrap()]);
    second.wait_log("sync skipped");
    assert!(second.log_has(&format!("irsync {} (job \"media\")", first.pid())), "{}", second.log());
    let once = rig.run(&["once"]);
    assert_eq!(once.status.code(), Some(1), "once is another irsync");
    assert_eq!(rig.fake("dest").runs(), 1);
    first.stop();
    second.wait_log("sync success");
    second.stop();
}

#[test]
fn jobs_of_one_irsync_with_one_destination_take_turns() {
    let rig = Rig::new("lock-turns");
    rig.ini("interval = 50ms\n[a]\nsource = /ok\ndestination = DIR/dest\n[b]\nsource = /ok\ndestination = DIR/dest/\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("a: sync success", 3);
    irsync.wait_count("b: sync success", 3);
    irsync.stop();
    rig.fake("dest").assert_never_two();
}

#[test]
fn removed_job_gives_its_destination_up() {
    let rig = Rig::new("lock-removed");
    let other = "[other]\nsource = /ok\ndestination = DIR/other\n";
    rig.ini(&format!("{other}[media]\nsource = /ok\ninterval = 1h\ndestination = DIR/dest\n"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    rig.ini(other);
    irsync.signal(nix::sys::signal::Signal::SIGHUP);
    irsync.wait_log("1 removed");
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/dest\n");
    let mut second = rig.start(&["run", "--config", rig.path("second.ini").to_str().unwrap()]);
    second.wait_log("copy: sync success");
    second.stop();
    irsync.stop();
}

/// Of an irsync: what another one beside it could spoil.
const BELONGINGS: &str =
    "log = DIR/log\nlog_level = info\nmetrics_file = DIR/metrics\nstate_dir = DIR/state\nwatchdog_device = DIR/dog\n";

#[test]
fn an_irsync_beside_the_one_that_runs_ends_and_disturbs_nothing() {
    // qemu-user makes up its own program's /proc/self/stat, so that irsync's mark has another start than others see.
    if is_emulated("twin") {
        return;
    }
    let rig = Rig::new("twin");
    rig.write("dog", "");
    rig.ini(&format!("{BELONGINGS}stop_timeout = 100ms\n[media]\nsource = /ok\ndestination = DIR/dest\n"));
    let mut first = rig.start(&["run"]);
    let record = || rig.read("state/boot-record");
    wait_until("all that the first one writes", || {
        rig.status("media", "state").as_deref() == Some("waiting")
            && rig.read("metrics").contains("success")
            && rig.read("status.history").contains("success")
            && record().contains("stop running")
    });
    let names = ["status", "status.history", "log", "metrics", "state/boot-record", "status.lock"];
    let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(rig.path(name)).unwrap());
    let before = names.map(|name| (name, inode(name), rig.read(name)));
    let socket = inode("status.control");
    let twin = rig.run(&["run"]);
    let said = String::from_utf8_lossy(&twin.stderr);
    assert_eq!(twin.status.code(), Some(1), "{said}");
    let (pid, file) = (first.pid(), rig.path("status"));
    let waits = format!("irsync: irsync with PID {pid} runs already: waiting for its end, at most ");
    let ends =
        format!("irsync: cannot start: irsync with PID {pid} runs already and has status_file {}", file.display());
    assert!(said.lines().next().is_some_and(|line| line.starts_with(&waits)), "{said}");
    assert!(said.lines().nth(1).is_some_and(|line| line.starts_with(&ends)) && said.lines().count() == 2, "{said}");
    assert_eq!(names.map(|name| (name, inode(name), rig.read(name))), before);
    assert_eq!(inode("status.control"), socket);
    assert!(rig.read("dog").bytes().all(|byte| byte != b'V'), "the watchdog was disarmed: {}", rig.read("dog"));
    // Beside it all that writes nothing there goes on as before.
    assert_eq!(rig.run(&["check"]).status.code(), Some(0));
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/copy\n");
    let mut second = rig.start(&["run", "--config", rig.path("second.ini").to_str().unwrap()]);
    second.wait_log("copy: sync success");
    second.stop();
    assert_eq!(rig.run(&["now"]).status.code(), Some(0));
    first.stop();
}

#[test]
fn an_irsync_waits_for_the_one_before_it_to_stop() {
    if is_emulated("twin-stops") {
        return;
    }
    let rig = Rig::new("twin-stops");
    // Its rsync has to be killed after a while.
    rig.ini(&format!("{BELONGINGS}stop_timeout = 1s\n[media]\nsource = /ignore-term /ok\ndestination = DIR/dest\n"));
    rig.write("dog", "");
    let mut first = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    wait_until("the boot record", || rig.read("state/boot-record").contains("stop running"));
    first.signal(Signal::SIGTERM);
    let mut second = rig.start(&["run"]);
    second.wait_log("runs already: waiting for its end");
    assert_eq!(first.wait().code(), Some(0));
    wait_until("the second one's sync", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    assert!(
        rig.read("log").contains("last boot: irsync was stopped cleanly earlier in this boot"),
        "{}",
        rig.read("log")
    );
    assert!(!rig.read("log").contains("somebody else"), "{}", rig.read("log"));
    rig.fake("dest").assert_never_two();
    second.stop();
}
