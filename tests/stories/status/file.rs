//! The status file and `irsync status`.

use super::{look, row, said};
use crate::common::{is_root, json::Json, mount::Tmpfs, wait_until, Rig};
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

fn seconds(rig: &Rig, job: &str, key: &str) -> Option<f64> {
    rig.status(job, key)?.parse().ok()
}

#[test]
fn each_job_is_told_in_table_and_file() {
    let rig = Rig::new("told");
    rig.ini(
        "[media]\nsource = /until-go\ndestination = DIR/media\n[logs]\nsource = /changed\ndestination = DIR/logs\n\
         [later]\nenabled = no\nsource = /ok\ndestination = DIR/later\n",
    );
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    wait_until("both jobs on the board", || {
        rig.status("media", "state").as_deref() == Some("syncing")
            && rig.status("logs", "last_outcome").as_deref() == Some("success")
    });
    let (text, code) = look(&rig);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(&format!("irsync {}, pid {}, up ", env!("CARGO_PKG_VERSION"), irsync.pid())), "{text}");
    assert!(text.contains(", rsync 3.2.7\n"), "{text}");
    assert_eq!(row(&text, "media")[1..3], ["new", "syncing"], "{text}");
    let logs = row(&text, "logs");
    assert_eq!(logs[1..3], ["ok", "waiting"], "{text}");
    assert!(logs[4].starts_with("in 59m") && logs[5].starts_with("success, 3 files, "), "{text}");
    assert!(logs[6].ends_with("s ago") && logs[7].ends_with("s ago"), "{text}");
    assert_eq!(row(&text, "later")[1..3], ["off", "disabled"], "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");

    assert_eq!(rig.status("media", "pid"), Some(rig.fake("media").pid().to_string()));
    assert_eq!(rig.status("logs", "pid"), None);
    for (key, value) in
        [("last_code", "0"), ("last_files", "3"), ("runs", "1"), ("runs_success", "1"), ("failures", "0")]
    {
        assert_eq!(rig.status("logs", key).as_deref(), Some(value), "{key}");
    }
    // The next run: relative, on the monotonic clock, and for people.
    let (next, ended) = (seconds(&rig, "logs", "next_run_mono"), seconds(&rig, "logs", "last_ended_mono"));
    assert!((next.unwrap() - ended.unwrap() - 3600.0).abs() < 5.0, "{next:?} {ended:?}");
    assert!(seconds(&rig, "logs", "next_run_in").is_some_and(|wait| wait > 3500.0 && wait <= 3600.0));
    assert!(rig.status("logs", "next_run").is_some_and(|at| at.len() == 20 && at.ends_with('Z')));
    assert_eq!(fs::metadata(rig.path("status")).unwrap().permissions().mode() & 0o7777, 0o644);
    assert!(!rig.path("status.tmp").exists());
    irsync.stop();
}

#[test]
fn a_failing_job_is_exit_code_1_and_a_busy_server_is_not() {
    let rig = Rig::new("failing");
    rig.ini(
        "backoff_initial = 1h\nbackoff_max = 1h\n[media]\nsource = /refused\ndestination = DIR/media\n\
         [queue]\nsource = /max-connections\ndestination = DIR/queue\n",
    );
    let mut irsync = rig.start(&["run"]);
    wait_until("both outcomes", || {
        rig.status("media", "last_outcome").is_some() && rig.status("queue", "last_outcome").is_some()
    });
    let (text, code) = look(&rig);
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(row(&text, "media")[1], "failing", "{text}");
    assert!(text.contains("  transient, code 10  ") && text.contains("media: rsync: "), "{text}");
    assert_eq!(row(&text, "queue")[1], "new", "{text}");
    assert_eq!(rig.status("queue", "last_outcome").as_deref(), Some("busy"));
    irsync.stop();
}

#[test]
fn a_job_without_success_becomes_stale_while_nothing_is_written() {
    let rig = Rig::new("stale");
    rig.ini("[media]\nstale_after = 3s\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the success", || rig.status("media", "last_success_mono").is_some());
    wait_until("the board to be at rest", || rig.status("media", "state").as_deref() == Some("waiting"));
    let before = rig.read("status");
    let mut text = String::new();
    wait_until("exit code 1", || {
        let (said, code) = look(&rig);
        text = said;
        code == Some(1)
    });
    assert_eq!(row(&text, "media")[1], "stale", "{text}");
    assert_eq!(rig.read("status"), before, "the file was written although nothing happened");
    irsync.stop();
}

#[test]
fn who_does_not_run_is_exit_code_3() {
    let rig = Rig::new("stopped");
    rig.ini("[media]\nsource = /until-go\ndestination = DIR/media\n");
    let not_running = |why: &str| {
        let (text, code) = look(&rig);
        assert_eq!(code, Some(3), "{why}: {text}");
        assert!(text.starts_with("irsync is not running"), "{why}: {text}");
    };
    not_running("never started");
    let mut irsync = rig.start(&["run"]);
    wait_until("the status file", || rig.path("status").exists());
    irsync.stop();
    assert!(!rig.path("status").exists(), "left behind by a clean stop");
    not_running("stopped");

    let mut irsync = rig.start(&["run"]);
    assert!(!irsync.log_has("did not stop cleanly"), "{}", irsync.log());
    wait_until("the status file", || rig.path("status").exists());
    irsync.kill();
    assert!(rig.path("status").exists());
    not_running("killed");
    rig.wait_nothing_left();
}

#[test]
fn an_irsync_that_was_killed_is_told_by_status_history_and_the_next_start() {
    let rig = Rig::new("remains");
    rig.ini("state_dir = DIR/state\n[media]\nsource = /changed /until-go\ndestination = DIR/media\n");
    let mut first = rig.start(&["run"]);
    wait_until("the boot record", || rig.read("state/boot-record").contains("stop running"));
    wait_until("a sync in the history", || rig.read("status.history").contains("\nsync = "));
    assert!(!first.log_has("did not stop cleanly"), "{}", first.log());
    first.kill();
    let left = format!("did not stop cleanly (pid {}, its last status is ", first.pid());
    let (text, code) = look(&rig);
    assert!(code == Some(3) && text.contains(&format!("irsync is not running: it {left}")), "{code:?} {text}");
    assert!(text.contains("Start it again") && !text.contains("holds"), "{text}");
    let (text, code) = said(&rig.run(&["history"]));
    assert!(code == Some(3) && text.contains(&left) && text.contains("of the irsync that no longer runs"), "{text}");
    assert!(row(&text, "media").contains(&"success"), "{text}");
    let (json, code) = said(&rig.run(&["history", "--json"]));
    let json = Json::parse(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!((json.get("running"), code), (Some(&Json::Bool(false)), Some(3)));
    assert_eq!(json.at("jobs.0.syncs.0.outcome").and_then(Json::text), Some("success"));

    let mut second = rig.start(&["run"]);
    second.wait_log(&format!("[WARN] the irsync that had {} before {left}", rig.path("status").display()));
    wait_until("its own status", || rig.read("status").contains(&format!("\npid = {}\n", second.pid())));
    // Once is enough, and its syncs are not those of the irsync that runs.
    second.wait_log("last boot: irsync ended without a clean stop");
    assert!(!second.log_has("[INFO] last boot"), "{}", second.log());
    let (text, code) = said(&rig.run(&["history"]));
    assert!(code == Some(0) && !text.contains("success"), "{text}");
    second.stop();
    // Neither a clean stop nor the end of a boot is a crash.
    let mut third = rig.start(&["run"]);
    wait_until("the third one's status", || rig.read("status").contains("\nboot_id = "));
    third.kill();
    let text = rig.read("status");
    let id = text.lines().find(|line| line.starts_with("boot_id = ")).unwrap().to_owned();
    rig.write("status", text.replace(&id, "boot_id = another"));
    let (text, _) = look(&rig);
    assert!(text.contains(&format!("did not stop cleanly (pid {}, before the last boot)", third.pid())), "{text}");
    let (text, code) = said(&rig.run(&["history"]));
    assert!(code == Some(3) && !text.contains("JOB"), "its times cannot be told: {text}");
    let mut fourth = rig.start(&["run"]);
    wait_until("the fourth one's status", || rig.read("status").contains(&format!("\npid = {}\n", fourth.pid())));
    fourth.stop();
    for log in [third.log(), fourth.log()] {
        assert!(!log.contains("did not stop cleanly"), "{log}");
    }
}

#[test]
fn a_running_irsync_without_its_file_is_not_called_healthy() {
    let rig = Rig::new("blind");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the status file", || rig.status("media", "last_outcome").is_some());
    let old = rig.read("status");
    fs::remove_file(rig.path("status")).unwrap();
    let (text, code) = look(&rig);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is missing or out of date"), "{text}");
    // One that a dead irsync has left, and that the new one could not replace.
    rig.write("status", old.replace(&format!("pid = {}\n", irsync.pid()), "pid = 4194305\n"));
    assert_eq!(look(&rig).1, Some(1));
    irsync.stop();
}

#[test]
fn a_broken_configuration_is_told_whole_with_whose_status_is_shown_and_what_to_do() {
    let rig = Rig::new("default-place");
    const GOOD: &str = "status_file = DIR/status\n[media]\nsource = /ok\ndestination = DIR/media\n";
    rig.ini(GOOD);
    let mut irsync = rig.start(&["run"]);
    wait_until("the success", || rig.status("media", "last_outcome").is_some());
    rig.ini(&format!("nonsense = 1\n{GOOD}intervall = 1m\n"));
    let (text, code) = look(&rig);
    assert_eq!(code, Some(0), "the irsync that runs is well: {text}");
    assert!(text.contains("nonsense") && text.contains("intervall"), "both errors: {text}");
    let place = rig.path("status");
    let running = format!("the irsync that runs (status file {}) goes on with the configuration", place.display());
    assert!(text.contains("is not in use while it is in error") && text.contains(&running), "{text}");
    assert!(text.contains("Mend the file, then: irsync reload --config ") && row(&text, "media")[1] == "ok", "{text}");
    irsync.stop();
    let (text, code) = look(&rig);
    assert_eq!(code, Some(3), "{text}");
    let stopped = format!("no irsync runs (status file {}), and none can start while", place.display());
    assert!(text.contains(&stopped) && !text.contains("goes on"), "{text}");
    // Where the file does not say where to look.
    rig.ini("status_file = elsewhere\nnonsense = 1\n");
    let (text, _) = look(&rig);
    assert!(text.contains("elsewhere") && text.contains("(status file /run/irsync/status)"), "{text}");
}

#[test]
fn json_says_the_same() {
    let rig = Rig::new("json");
    rig.ini("[media]\nsource = /changed\ndestination = DIR/media\n");
    let (text, code) = said(&rig.run(&["status", "--json"]));
    assert_eq!((text.as_str(), code), ("{\"running\":false}\n", Some(3)));
    let mut irsync = rig.start(&["run"]);
    wait_until("the outcome", || rig.status("media", "last_outcome").is_some());
    let (text, code) = said(&rig.run(&["status", "--json"]));
    assert_eq!(code, Some(0), "{text}");
    for part in
        ["{\"running\":true,\"irsync\":{\"version\":\"", "\"name\":\"media\",\"health\":\"ok\"", "\"last_files\":3,"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    irsync.stop();
}

#[test]
fn the_file_is_written_once_a_second_at_most_and_the_last_change_is_not_lost() {
    let rig = Rig::new("pace");
    rig.ini("[media]\ninterval = 20ms\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    let written = || -> Option<f64> {
        let text = rig.read("status");
        text.lines().find_map(|line| line.strip_prefix("written_mono = "))?.parse().ok()
    };
    let mut seen: Vec<f64> = Vec::new();
    wait_until("five versions of the file", || {
        if let Some(at) = written().filter(|at| seen.last() != Some(at)) {
            seen.push(at);
        }
        seen.len() >= 5
    });
    assert!(rig.fake("media").runs() > 5, "there was too little to tell");
    for pair in seen.windows(2) {
        assert!(pair[1] - pair[0] > 0.998, "{seen:?}");
    }
    // Nothing changes any more after this, and that is told although a second had not passed.
    rig.ini("[media]\ninterval = 1h\nsource = /until-go\ndestination = DIR/media\n");
    irsync.signal(nix::sys::signal::Signal::SIGHUP);
    wait_until("the last state", || {
        rig.status("media", "state").as_deref() == Some("syncing") && {
            let pid = rig.status("media", "pid");
            pid == Some(rig.fake("media").pid().to_string())
        }
    });
    irsync.stop();
}

#[test]
fn a_full_folder_is_one_warning_until_it_works_again() {
    if !is_root("a_full_folder_is_one_warning_until_it_works_again") {
        return;
    }
    let rig = Rig::new("full-run");
    let run = Tmpfs::new(&rig.path("run"), "64k");
    rig.ini("status_file = DIR/run/status\n[media]\ninterval = 50ms\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    let read = || fs::read_to_string(rig.path("run/status")).unwrap_or_default();
    wait_until("the status file", || read().contains("last_outcome = success"));
    const WARNING: &str = "run/status: No space left on device";
    for round in 1..=2 {
        let filler = run.fill();
        irsync.wait_count(WARNING, round);
        // More failures follow, each second one, and none of them is told.
        let runs = rig.fake("media").runs();
        let until = std::time::Instant::now() + Duration::from_millis(2500);
        wait_until("more changes", || rig.fake("media").runs() > runs + 10 && std::time::Instant::now() > until);
        assert_eq!(irsync.count(WARNING), round);
        assert!(!rig.path("run/status.tmp").exists() || fs::metadata(rig.path("run/status.tmp")).is_err());
        fs::remove_file(filler).unwrap();
        let old = read();
        wait_until("the file to be written again", || read() != old && !read().is_empty());
        irsync.assert_alive();
    }
    irsync.stop();
}

#[test]
fn a_folder_that_vanishes_is_made_again() {
    let rig = Rig::new("vanished-run");
    rig.ini("status_file = DIR/run/status\n[media]\ninterval = 50ms\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the status file", || rig.path("run/status").exists());
    fs::rename(rig.path("run"), rig.path("gone")).unwrap();
    wait_until("the status file again", || rig.path("run/status").exists());
    irsync.stop();
}

#[test]
fn systemd_is_told_in_one_line() {
    let rig = Rig::new("systemd-line");
    let name = format!("irsync-test-status-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    manager.set_read_timeout(Some(crate::common::limit())).unwrap();
    rig.set_env("NOTIFY_SOCKET", &format!("@{name}"));
    rig.ini(
        "stop_timeout = 1s\n[media]\nsource = /progress /ok\ndestination = DIR/media\n\
         [logs]\nsource = /ok\ndestination = DIR/logs\n",
    );
    let mut irsync = rig.start(&["run"]);
    let mut heard = Vec::new();
    let mut hear = |wanted: &str| loop {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}: {heard:?}"));
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if heard.last().is_some_and(|last| last == wanted) {
            return;
        }
    };
    hear("STATUS=2 jobs: 1 syncing");
    // The board changes each second and this line does not.
    let mut versions = std::collections::BTreeSet::new();
    wait_until("the file to be written again and again", || {
        versions.insert(rig.read("status"));
        versions.len() > 3
    });
    crate::common::process::send(rig.fake("media").pid(), nix::sys::signal::Signal::SIGKILL);
    hear("STATUS=2 jobs");
    irsync.stop();
    assert_eq!(heard.iter().filter(|message| *message == "STATUS=2 jobs: 1 syncing").count(), 1, "{heard:?}");
}

#[test]
fn the_status_file_is_taken_over_when_whoever_had_its_lock_has_gone() {
    let rig = Rig::new("takeover");
    rig.ini("[logs]\ninterval = 50ms\nsource = /ok\ndestination = DIR/logs\n");
    // Not what an irsync that runs has written: a mark of one that has gone, and nothing.
    for mark in ["1.1.", ""] {
        let runs = rig.fake("logs").runs();
        let other = fs::File::options().write(true).open(rig.write("status.lock", mark)).unwrap();
        let other = nix::fcntl::Flock::lock(other, nix::fcntl::FlockArg::LockExclusive).unwrap();
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("somebody else has the lock");
        rig.fake("logs").wait_runs(runs + 3);
        assert_eq!(rig.status("logs", "state"), None, "two write one file");
        drop(other);
        wait_until("its status", || rig.status("logs", "last_outcome").is_some());
        assert_eq!(look(&rig).1, Some(0));
        assert!(rig.run(&["now"]).status.success());
        irsync.stop();
    }
}
