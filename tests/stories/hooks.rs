//! The commands around a sync.

use crate::common::{is_executable, process, skipped, wait_until, Rig};
use nix::sys::signal::Signal;

/// An INI value: a command that appends what it was told and the line `END` to a file of the story's directory.
fn note(file: &str) -> String {
    format!("sh -c '{{ env | grep ^IRSYNC_; echo END; }} >>DIR/{file}'")
}

/// The variable in the N-th (from 0) block that a [`note`] command has written.
fn variable(rig: &Rig, file: &str, block: usize, name: &str) -> Option<String> {
    let text = rig.read(file);
    let prefix = format!("{name}=");
    text.split("END\n").nth(block)?.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
}

fn blocks(rig: &Rig, file: &str) -> usize {
    rig.read(file).matches("END\n").count()
}

#[test]
fn hooks_run_around_a_sync_and_are_told_how_it_went() {
    let rig = Rig::new("hooks");
    rig.ini(&format!(
        "interval = 50ms\n[media]\nsource = /ok /changed /exit-10 /exit-12 /ok /until-go\ndestination = DIR/dest\n\
         run_before = {}\nrun_after = {}\nrun_on_change = {}\nrun_on_failure = {}\n",
        note("before"),
        note("after"),
        note("change"),
        note("failure")
    ));
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(6);
    let get = |file: &str, block: usize, name: &str| {
        variable(&rig, file, block, name).unwrap_or_else(|| panic!("{file} {block} {name}"))
    };

    assert_eq!(blocks(&rig, "before"), 6);
    assert_eq!(get("before", 0, "IRSYNC_JOB"), "media");
    assert_eq!(blocks(&rig, "after"), 5, "after each finished sync");
    for (n, (result, code, changed, failures)) in [
        ("success", "0", "0", "0"),
        ("success", "0", "1", "0"),
        ("transient", "10", "0", "1"),
        ("transient", "12", "0", "2"),
        ("success", "0", "0", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(get("after", n, "IRSYNC_JOB"), "media");
        assert_eq!(get("after", n, "IRSYNC_RESULT"), result, "sync {n}");
        assert_eq!(get("after", n, "IRSYNC_EXIT_CODE"), code, "sync {n}");
        assert_eq!(get("after", n, "IRSYNC_CHANGED"), changed, "sync {n}");
        assert_eq!(get("after", n, "IRSYNC_FAILURES"), failures, "sync {n}");
    }
    assert_eq!(blocks(&rig, "change"), 1, "only after the sync that transferred something");
    assert_eq!(get("change", 0, "IRSYNC_CHANGED"), "1");
    assert_eq!(blocks(&rig, "failure"), 2, "once when an outage begins, once when it ends");
    for (n, (result, code)) in [("transient", "10"), ("success", "0")].into_iter().enumerate() {
        assert_eq!(get("failure", n, "IRSYNC_RESULT"), result);
        assert_eq!(get("failure", n, "IRSYNC_EXIT_CODE"), code);
    }
    irsync.stop();
}

#[test]
fn how_a_hook_ended_that_irsync_told_to_end_is_no_warning() {
    let rig = Rig::new("hook-told");
    let keys = "source = /ok\nrun_before = sh -c 'echo >>DIR/before; exec sleep 1000'";
    rig.ini(&format!(
        "backoff_initial = 1h\nbackoff_max = 1h\n[slow]\n{keys}\ndestination = DIR/slow\nhook_timeout = 100ms\n\
         [stopped]\n{keys}\ndestination = DIR/stopped\n[bad]\nsource = /ok\ndestination = DIR/bad\nrun_before = sh -c 'kill $$'\n"
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("[WARN] slow: run_before: it has run for 100ms (hook_timeout); ending it");
    irsync.wait_log("[DEBUG] slow: run_before was ended by signal 15, as irsync had told it to end");
    irsync.wait_log("[WARN] bad: run_before was ended by signal 15");
    wait_until("both hooks", || rig.read("before").lines().count() == 2);
    irsync.stop();
    irsync.wait_log("[DEBUG] stopped: run_before was ended by signal 15, as irsync had told it to end");
    for name in ["slow", "stopped"] {
        assert!(!irsync.log_has(&format!("[WARN] {name}: run_before was ended")), "{}", irsync.log());
    }
}

#[test]
fn failed_run_before_skips_the_sync() {
    let rig = Rig::new("hook-guard");
    // It lets the sync pass once the file is there.
    rig.ini("[media]\nsource = /ok\ndestination = DIR/dest\nrun_before = test -e DIR/ready\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync skipped");
    assert!(irsync.line("sync skipped").unwrap().contains("run_before"), "it says why");
    assert_eq!(rig.fake("dest").runs(), 0);
    rig.write("ready", "");
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn hook_that_cannot_be_started_is_a_failed_hook() {
    let rig = Rig::new("hook-missing");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/dest\nrun_after = DIR/no-such-program\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    irsync.wait_log("no-such-program");
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn hook_that_hangs_is_killed_with_its_children() {
    let rig = Rig::new("hook-timeout");
    rig.ini(
        "hook_timeout = 300ms\nstop_timeout = 300ms\ninterval = 50ms\n[media]\nsource = /ok /until-go\ndestination = DIR/dest\n\
         run_after = sh -c 'trap \"\" TERM; sleep 1000 & echo $! >DIR/child; sleep 1000'\n",
    );
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(2);
    assert!(irsync.log_has("hook_timeout") || irsync.log_has("run_after"), "{}", irsync.log());
    let child: i32 = rig.read("child").trim().parse().unwrap();
    assert!(!process::alive(child), "the hook's child in its group lives on");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn stop_during_a_hook_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let rig = Rig::new("hook-stop");
        rig.ini(
            "stop_timeout = 300ms\n[media]\nsource = /ok\ndestination = DIR/dest\n\
             run_before = sh -c 'trap \"\" TERM; sleep 1000 & echo $! >DIR/child; sleep 1000'\n",
        );
        let mut irsync = rig.start(&["run"]);
        wait_until("the hook", || !rig.read("child").is_empty());
        irsync.signal(signal);
        irsync.wait();
        if signal == Signal::SIGKILL {
            rig.wait_nothing_left();
        } else {
            rig.assert_nothing_left();
        }
        assert_eq!(rig.fake("dest").runs(), 0);
    }
}

#[test]
fn service_that_a_hook_started_survives_the_hook_but_nothing_of_rsync_does() {
    let rig = Rig::new("hook-service");
    // What an init script does: a new session, detached from the pipes.
    rig.ini(
        "interval = 50ms\n[media]\nsource = /leave-daemon /leave-grandchild /until-go\ndestination = DIR/dest\n\
         run_on_failure = false\n\
         run_after = sh -c 'test -e DIR/service || { setsid sh -c \"echo \\$\\$ >DIR/service; exec sleep 1000\" </dev/null >/dev/null 2>&1 & }; until test -s DIR/service; do sleep 0.02; done'\n",
    );
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(3);
    let service: i32 = rig.read("service").trim().parse().unwrap();
    let others = fake.others();
    assert_eq!(others.len(), 2);
    wait_until("what rsync left to be gone", || !others.iter().any(|pid| process::alive(*pid)));
    assert!(process::alive(service), "the service was killed");
    irsync.stop();
    assert!(process::alive(service), "the service was killed at the end of irsync");
}

#[test]
fn run_recover_comes_after_a_time_without_success_and_again() {
    let rig = Rig::new("hook-recover");
    rig.ini(
        "recover_after = 400ms\n[media]\nsource = /refused\ndestination = DIR/dest\nrun_recover = sh -c 'env | grep ^IRSYNC_ >DIR/env; echo END >>DIR/recover'\n",
    );
    let mut irsync = rig.start(&["run"]);
    wait_until("two recoveries", || blocks(&rig, "recover") >= 2);
    assert!(rig.read("env").contains("IRSYNC_JOB=media"));
    let failures = rig.read("env").lines().find_map(|line| line.strip_prefix("IRSYNC_FAILURES=")?.parse::<u32>().ok());
    assert!(failures.unwrap_or(0) >= 1, "{}", rig.read("env"));
    irsync.stop();
}

#[test]
fn run_recover_does_not_come_while_syncs_succeed() {
    let rig = Rig::new("hook-no-recover");
    rig.ini("recover_after = 10s\ninterval = 50ms\n[media]\nsource = /ok\ndestination = DIR/dest\nrun_recover = touch DIR/recovered\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 5);
    assert!(!rig.path("recovered").exists());
    irsync.stop();
}

#[test]
fn server_that_only_drips_does_not_keep_run_recover_away() {
    let rig = Rig::new("hook-recover-drip");
    rig.ini("recover_after = 1s\n[media]\nsource = /chatty\ndestination = DIR/dest\nrun_recover = sh -c 'echo END >>DIR/recover'\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("two recoveries", || blocks(&rig, "recover") >= 2);
    assert!(irsync.log_has("no success for 1s, and no data of files moved"), "{}", irsync.log());
    assert!(rig.fake("dest").runs() >= 2, "the sync that dripped was not ended");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn sync_that_moves_file_data_is_not_ended_for_run_recover() {
    let rig = Rig::new("hook-recover-moving");
    rig.ini("recover_after = 5s\n[media]\nsource = /moving /ok\ndestination = DIR/dest\nrun_recover = touch DIR/recovered\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(rig.fake("dest").runs(), 1, "it was ended");
    assert!(!rig.path("recovered").exists());
    irsync.stop();
}

/// A hook that starts 8 daemons one way, and the word that the daemons are found by. Each writes to what it has inherited, waits
/// until the hook has long ended, writes again, and tells that it has survived that.
fn daemons_started(story: &'static str, how: &str) {
    let rig = Rig::new(story);
    let daemon = rig.write(
        "daemon",
        "#!/bin/sh\necho $$ >>$1/pids\necho hello\nuntil test -e $1/write; do sleep 0.05; done\n\
         i=0; while test $i -lt 5; do echo line; echo line >&2; i=$((i+1)); done\necho $$ >>$1/survivors\n\
         until test -e $1/again; do sleep 0.05; done\n\
         head -c 300000 /dev/zero; echo line; echo line >&2\necho $$ >>$1/outlived\nexec sleep 1000\n",
    );
    rig.write("start", format!("for i in 1 2 3 4 5 6 7 8; do {}\ndone\n", how.replace("DAEMON", "sh $1/daemon $1")));
    assert!(daemon.exists());
    rig.ini("[media]\nsource = /ok\ndestination = DIR/dest\nrun_after = sh DIR/start DIR\n");
    let mut irsync = rig.start(&["run"]);
    let lines = |name: &str| rig.read(name).lines().count();
    wait_until("the 8 daemons", || lines("pids") == 8);
    wait_until("the hook's end", || rig.status("media", "state").as_deref() == Some("waiting"));
    rig.write("write", "");
    wait_until("all 8 to write and live on", || lines("survivors") == 8);
    irsync.stop();
    rig.write("again", "");
    wait_until("all 8 to outlive irsync and what they write then", || lines("outlived") == 8);
    let pids: Vec<i32> = rig.read("pids").lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| process::alive(*pid)), "{pids:?}");
}

#[test]
fn daemons_in_the_background_live_on() {
    daemons_started("hook-background", "DAEMON &");
}

#[test]
fn daemons_in_a_session_of_their_own_live_on() {
    daemons_started("hook-setsid", "setsid DAEMON &");
}

#[test]
fn daemons_that_daemonize_themselves_live_on() {
    // As daemon(3) does with `noclose`: a child in a session of its own, whose parent ends at once.
    daemons_started("hook-daemon", "(setsid sh -c 'exec \"$@\"' - DAEMON &)");
}

#[test]
fn daemons_of_start_stop_daemon_live_on() {
    if !is_executable("start-stop-daemon") {
        skipped("daemons_of_start_stop_daemon_live_on", "needs start-stop-daemon");
        return;
    }
    daemons_started("hook-ssd", "start-stop-daemon -S -b -C -p $1/pid.$i -m -x /bin/sh -- $1/daemon $1");
}

#[test]
fn what_a_failed_hook_leaves_in_its_group_is_ended() {
    let rig = Rig::new("hook-failed-left");
    rig.ini(
        "[media]\nsource = /ok\ndestination = DIR/dest\n\
         run_after = sh -c 'sleep 1000 & echo $! >DIR/child; exit 3'\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("run_after exited with code 3");
    let child: i32 = rig.read("child").trim().parse().unwrap();
    assert!(!process::alive(child), "the hook's child in its group lives on");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn once_says_that_a_hook_failed_and_exits_by_its_sync() {
    let rig = Rig::new("hooks-once");
    rig.ini("log_level = info\n[media]\nsource = /ok\ndestination = DIR/dest\nrun_after = sh -c 'exit 3'\n");
    let output = rig.run(&["once"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("[WARN] media: run_after exited with code 3"), "{said}");
}
