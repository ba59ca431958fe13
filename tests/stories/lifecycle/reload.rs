//! SIGHUP.

use crate::common::{process, wait_until, Rig};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

#[test]
fn changed_job_goes_on_with_its_new_settings_and_the_unchanged_ones_are_undisturbed() {
    let rig = Rig::new("reload");
    // One that is syncing, and one that waits for its next sync.
    let steady = "[steady]\nsource = /silent\ndestination = DIR/steady\n[calm]\nsource = /ok\ndestination = DIR/calm\n";
    rig.ini(&format!("{steady}[media]\nsource = /ok\ndestination = DIR/old\n"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    irsync.wait_log("calm: sync success");
    rig.fake("steady").wait_runs(1);
    let pid = rig.fake("steady").pid();

    for (n, new) in ["new", "newer"].iter().enumerate() {
        rig.ini(&format!("{steady}[media]\nsource = /ok\ndestination = DIR/{new}\n"));
        irsync.signal(Signal::SIGHUP);
        rig.fake(new).wait_runs(1);
        irsync.wait_count("media: sync success", n + 2);
    }
    assert!(process::alive(pid), "the rsync of the unchanged job was disturbed");
    assert_eq!(rig.fake("steady").runs(), 1);
    assert_eq!(rig.fake("calm").runs(), 1, "the wait of the unchanged job was disturbed");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn bad_file_is_refused_with_its_line_and_the_old_one_stays() {
    let rig = Rig::new("reload-bad");
    let good = "[media]\nsource = /ok\ndestination = DIR/dest\n";
    rig.ini(good);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let path = rig.ini(&format!("{good}intervall = 5\n"));
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().position(|line| line.starts_with("intervall")).unwrap() + 1;
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log(&format!("irsync.ini:{line}"));
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success", 2);
    // And a file that is not there at all.
    std::fs::remove_file(&path).unwrap();
    irsync.signal(Signal::SIGHUP);
    wait_until("the missing file to be noted", || {
        irsync.log().rsplit("sync success").next().unwrap().contains("irsync.ini")
    });
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success", 3);
    irsync.stop();
}

/// An owner comments a job out and in again, or gives it another name, while its rsync takes its time to end.
#[test]
fn job_that_comes_back_waits_for_its_old_rsync_and_nothing_is_told_as_a_failure() {
    let rig = Rig::new("reload-back");
    let keys = "stop_timeout = 10m\ninterval = 1h\n";
    let media = "source = /ok\ndestination = DIR/dest\nrun_on_failure = touch DIR/failed\n";
    rig.ini(&format!("{keys}[media]\n{}", media.replace("/ok", "/ignore-term")));
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    for (section, read, names) in [
        (format!("[media]\nenabled = no\n{media}"), "0 jobs added, 0 changed, 1 removed", "media"),
        (format!("[media]\n{media}"), "1 jobs added, 0 changed, 0 removed", "media"),
        // The one that waits is another one now, and is written in another way.
        (
            format!("[films]\n{}", media.replace("DIR/dest", "DIR/dest/")),
            "1 jobs added, 0 changed, 1 removed",
            "media, films",
        ),
        (format!("[films]\nnice = 3\n{media}"), "0 jobs added, 1 changed, 0 removed", "media, films"),
    ] {
        rig.ini(&format!("{keys}{section}"));
        let output = rig.run(&["reload"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(read), "{output:?}");
        let unknown = rig.run(&["now", "medai"]);
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(said.trim_end().ends_with(&format!("the jobs are: {names}")), "{said}");
        wait_until("status to show the one that ends, once", || {
            rig.read("status").matches("[job:media]").count() == 1
                && rig.status("media", "state").as_deref() == Some("stopping")
        });
    }
    wait_until("status to show it", || rig.status("films", "state").as_deref() == Some("waiting"));
    let output = rig.run(&["pause", "films"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ask again"), "{output:?}");
    assert!(rig.run(&["now", "films"]).status.success(), "a job that waits is known");
    assert!(irsync.log_has("films: waits for the end of a sync"), "{}", irsync.log());
    assert_eq!(rig.fake("dest").runs(), 1);
    let _ = kill(Pid::from_raw(rig.fake("dest").pid()), Signal::SIGKILL);
    irsync.wait_log("films: sync success");
    assert!(!irsync.log_has("skipped"), "{}", irsync.log());
    assert!(!irsync.log_has("media: sync success"), "it was gone again before it could start: {}", irsync.log());
    assert!(!rig.path("failed").exists(), "run_on_failure has run");
    rig.fake("dest").assert_never_two();
    assert_eq!(rig.fake("dest").runs(), 2);
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn added_job_runs_and_removed_job_is_stopped() {
    let rig = Rig::new("reload-jobs");
    let media = "[media]\nsource = /silent-with-children\ndestination = DIR/media\n";
    rig.ini(media);
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    rig.ini(&format!("{media}[added]\nsource = /ok\ndestination = DIR/added\n"));
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("added: sync success");
    assert_eq!(rig.fake("media").runs(), 1);
    rig.ini("[added]\nsource = /ok\ndestination = DIR/added\n");
    irsync.signal(Signal::SIGHUP);
    wait_until("the removed job's rsync to be gone", || rig.rsync_processes().is_empty());
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("added: sync success", 2);
    assert_eq!(rig.fake("media").runs(), 1, "the removed job does not run again");
    irsync.stop();
}

#[test]
fn change_during_a_sync_is_taken_over_by_the_next_one() {
    let rig = Rig::new("reload-running");
    let job = |source: &str| format!("[media]\nsource = /until-go /ok\ndestination = DIR/dest\noptions = {source}\n");
    rig.ini(&job("-a"));
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(1);
    rig.ini(&job("-rz"));
    irsync.signal(Signal::SIGHUP);
    // Whether the running sync is ended or awaited is irsync's choice; both end here.
    fake.go();
    fake.wait_runs(2);
    assert!(fake.arguments(2).contains(&"-rz".to_owned()), "{:?}", fake.arguments(2));
    fake.assert_never_two();
    irsync.stop();
}

#[test]
fn file_without_an_enabled_job_is_waited_on_until_a_reload_brings_one() {
    let rig = Rig::new("none-enabled");
    rig.ini("[media]\nenabled = no\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("no job is enabled: waiting for SIGHUP");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/dest\n");
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn reload_names_exactly_the_changed_keys_that_need_a_restart() {
    const WAITS: &str = "waits until irsync is restarted: ";
    let rig = Rig::new("reload-restart");
    let media = "[media]\nsource = /ok\ndestination = DIR/dest\n";
    rig.ini(&format!("state_dir = DIR/state\n{media}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    let reload = |n: usize, globals: &str| {
        rig.ini(&format!("{globals}{media}"));
        irsync.signal(Signal::SIGHUP);
        irsync.wait_count("SIGHUP: configuration read", n);
        let log = irsync.log();
        let all: Vec<&str> = log.lines().filter_map(|line| line.split_once(WAITS)).map(|(_, keys)| keys).collect();
        all.iter().map(|keys| keys.trim().to_owned()).collect::<Vec<_>>()
    };
    let told = reload(1, "state_dir = DIR/elsewhere\nwatchdog_timeout = 20s\nreboot_limit = 5\nmetrics_file = DIR/m\n");
    assert_eq!(told, ["state_dir, watchdog_timeout"]);
    // Nothing new, but irsync still runs with what it was started with.
    let told = reload(2, "state_dir = DIR/state\nwatchdog_timeout = 20s\n");
    assert_eq!(told[1..], ["watchdog_timeout"]);
    assert_eq!(reload(3, "state_dir = DIR/state\nlock_memory = yes\nlog_max_size = 2M\n").len(), 2);
    irsync.stop();
}

#[test]
fn memory_is_locked_and_let_go_by_a_reload() {
    let rig = Rig::new("reload-memory");
    let media = "[media]\nsource = /ok\ndestination = DIR/dest\n";
    rig.ini(media);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    let locked = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap_or_default();
        line.split_ascii_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("VmLck")
    };
    assert_eq!(locked(irsync.pid()), 0);
    rig.ini(&format!("lock_memory = yes\n{media}"));
    irsync.signal(Signal::SIGHUP);
    irsync.wait_count("SIGHUP: configuration read", 1);
    // Without the right to lock so much, it says so.
    assert!(locked(irsync.pid()) > 0 || irsync.log().contains("cannot lock memory"), "{}", irsync.log());
    rig.ini(media);
    irsync.signal(Signal::SIGHUP);
    irsync.wait_count("SIGHUP: configuration read", 2);
    assert_eq!(locked(irsync.pid()), 0);
    irsync.stop();
}

#[test]
fn one_bad_file_in_the_folder_keeps_nothing_else_from_running() {
    const BAD: [&str; 3] =
        ["10.ini:1: this line is neither", "20.ini: cannot read", "30.ini: cannot read: it is a directory"];
    let rig = Rig::new("reload-include");
    rig.write("d/10.ini", "nonsense\n");
    std::os::unix::fs::symlink("absent", rig.path("d/20.ini")).unwrap();
    std::fs::create_dir(rig.path("d/30.ini")).unwrap();
    rig.write("d/40.ini", format!("[late]\nsource = /ok\ndestination = {}\n", rig.path("late").display()));
    rig.ini("include = DIR/d\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let check = rig.run(&["check"]);
    assert_eq!(check.status.code(), Some(78), "{check:?}");
    let tells = |said: &[u8]| BAD.iter().all(|line| String::from_utf8_lossy(said).contains(line));
    assert!(tells(&check.stderr), "{check:?}");
    let once = rig.run(&["once"]);
    assert_eq!(once.status.code(), Some(1), "a job that is left out did not succeed: {once:?}");
    assert!(tells(&once.stderr), "{once:?}");

    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    irsync.wait_log("late: sync success");
    for line in BAD {
        irsync.wait_log(line);
    }
    // A file that was in order and is no more: its job goes on as it was, and what else has changed is applied.
    rig.write("d/40.ini", "[late]\nsource = /ok\n");
    rig.write("d/10.ini", format!("[new]\nsource = /ok\ndestination = {}\n", rig.path("new").display()));
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("new: sync success");
    irsync.wait_log("40.ini: this file is in error: what it said before is kept");
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("late: sync success", 2);
    // Its owner removes it.
    std::fs::remove_file(rig.path("d/40.ini")).unwrap();
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("0 jobs added, 0 changed, 1 removed");
    irsync.stop();
}

/// What the file would have said of a job is not known: the main file's source may be the wrong one, with `--delete`.
#[test]
fn at_a_start_a_job_that_a_bad_file_names_waits_until_the_file_is_right() {
    let rig = Rig::new("reload-doubt");
    rig.write("d/10.ini", "[media]\nsource = /changed\n[med");
    rig.ini(
        "include = DIR/d\n[media]\nsource = /ok\ndestination = DIR/dest\n[other]\nsource = /ok\ndestination = DIR/o\n",
    );
    let says = "10.ini: [media] this job waits";
    for command in ["check", "once"] {
        let told = rig.run(&[command]);
        assert_ne!(told.status.code(), Some(0), "{command}");
        assert!(String::from_utf8_lossy(&told.stderr).contains(says), "{command}: {told:?}");
    }
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log(says);
    irsync.wait_log("other: sync success");
    irsync.wait_log("media: sync skipped: include");
    let why = || rig.status("media", "last_why").unwrap_or_default();
    wait_until("the status", || why().contains("10.ini is in error, and names this job"));
    // Asked for, and read again with the file as bad as before: it has not run, so that it still waits.
    assert!(rig.run(&["now"]).status.success());
    assert_eq!(rig.run(&["reload"]).status.code(), Some(0));
    irsync.wait_count("media: sync skipped: include", 2);
    assert!(!rig.path("dest").exists(), "{}", irsync.log());

    rig.write("d/10.ini", "[media]\nsource = /changed\n");
    assert!(rig.run(&["reload"]).status.success());
    irsync.wait_log("media: sync success");
    assert!(rig.fake("dest").arguments(1).contains(&"/changed".to_owned()), "{:?}", rig.fake("dest").arguments(1));
    // It has run: a file that is broken now changes nothing.
    let syncs = irsync.count("media: sync success");
    rig.write("d/10.ini", "[media");
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("what it said before is kept");
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("media: sync success", syncs + 1);
    irsync.stop();
}
