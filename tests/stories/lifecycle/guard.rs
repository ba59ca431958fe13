//! The guard process: small, replaced when it is killed, and holding nothing but its pipe.

use crate::common::mount::Tmpfs;
use crate::common::{binary, is_emulated, is_root, process, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;

const HANGING: &str = "[media]\nsource = /silent-with-children\ndestination = DIR/media\n";
const REPLACED: &str = "the guard process was killed, and a new one was started";

/// The story's environment with another program than the binary under test.
fn command(rig: &Rig, program: &str, arguments: &[&str]) -> Command {
    let usual = rig.command(&["run"]);
    let mut command = Command::new(program);
    command.args(arguments).args(usual.get_args()).current_dir(rig.path(""));
    command.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Kills the guard and waits for another one.
fn kill_guard(rig: &Rig, irsync: &Irsync, times: usize) -> i32 {
    let old = rig.guard();
    process::send(old, Signal::SIGKILL);
    irsync.wait_count(REPLACED, times);
    wait_until("the old guard's end", || !process::alive(old));
    rig.guard()
}

#[test]
fn a_guard_that_was_killed_is_replaced_and_that_is_told() {
    let rig = Rig::new("guard-replaced");
    rig.ini(HANGING);
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    // The second one is a child of irsync, which has to reap it.
    let second = kill_guard(&rig, &irsync, 1);
    let third = kill_guard(&rig, &irsync, 2);
    assert_ne!(second, third);
    wait_until("the dead one to be reaped", || !Path::new(&format!("/proc/{second}")).exists());
    let warned = irsync.line(REPLACED).unwrap_or_default();
    assert!(warned.contains("WARN"), "{warned}");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn a_new_guard_ends_what_was_started_before_it() {
    let rig = Rig::new("guard-knows");
    rig.ini("[media]\nsource = /ignore-term\ndestination = DIR/media\n[other]\nsource = /silent-with-children\ndestination = DIR/other\n[hook]\nrun_before = sh -c 'sleep 1000 & sleep 1000'\nsource = /ok\ndestination = DIR/hook\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    wait_until("the children", || !rig.fake("other").others().is_empty());
    wait_until("the hook", || {
        rig.rsync_processes().iter().any(|process| process.command == "sh -c sleep 1000 & sleep 1000")
    });
    kill_guard(&rig, &irsync, 1);
    irsync.kill();
    rig.wait_nothing_left();
}

#[test]
fn the_signals_that_a_group_is_sent_do_not_end_it() {
    let rig = Rig::new("guard-signals");
    rig.ini(HANGING);
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    let guard = rig.guard();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
        process::send(guard, signal);
    }
    assert!(process::alive(guard), "{}", irsync.log());
    irsync.kill();
    rig.wait_nothing_left();
}

#[test]
fn it_holds_its_pipe_and_no_secret() {
    if is_emulated("guard-holds") {
        return;
    }
    let rig = Rig::new("guard-holds");
    rig.set_env("RSYNC_PASSWORD", "hunter2");
    rig.ini(HANGING);
    // A careless script has left a descriptor open.
    let script = format!("exec 7</; exec {} \"$@\"", binary().display());
    let mut irsync = rig.start_command(command(&rig, "bash", &["-c", &script, "sh"]));
    rig.fake("media").wait_runs(1);
    for _ in 0..2 {
        let guard = rig.guard();
        let folder = format!("/proc/{guard}");
        let descriptors = || {
            let all = fs::read_dir(format!("{folder}/fd")).into_iter().flatten().flatten();
            let mut all: Vec<_> = all.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
            all.dedup();
            all
        };
        let name = || fs::read_to_string(format!("{folder}/comm")).unwrap_or_default();
        wait_until("its name and one descriptor", || name() == "sync-guard\n" && descriptors().len() == 1);
        assert!(descriptors()[0].to_string_lossy().starts_with("pipe:"), "{:?}", descriptors());
        assert_eq!(fs::read_link(format!("{folder}/cwd")).unwrap(), Path::new("/"));
        let environment = fs::read(format!("{folder}/environ")).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains("hunter2"));
        let words = fs::read_to_string(format!("{folder}/cmdline")).unwrap();
        assert!(words.starts_with("sync-guard\0@guard\0"), "whoever looks for irsync finds the guard: {words:?}");
        process::send(guard, Signal::SIGKILL);
        irsync.wait_log(REPLACED);
    }
    irsync.stop();
}

#[test]
fn a_guard_is_replaced_after_the_binary_was() {
    // An emulator knows its program by the path alone.
    if is_emulated("guard-upgrade") {
        return;
    }
    let rig = Rig::new("guard-upgrade");
    rig.ini(HANGING);
    let copy = rig.path("irsync");
    fs::copy(binary(), &copy).unwrap();
    let mut irsync = rig.start_command(command(&rig, copy.to_str().unwrap(), &[]));
    rig.fake("media").wait_runs(1);
    fs::remove_file(&copy).unwrap();
    kill_guard(&rig, &irsync, 1);
    irsync.kill();
    rig.wait_nothing_left();
}

#[test]
fn where_it_cannot_be_executed_that_is_told_and_tried_again() {
    if !is_root("guard-noexec") || is_emulated("guard-noexec") {
        return;
    }
    let rig = Rig::new("guard-noexec");
    let tmpfs = Tmpfs::new(&rig.path("card"), "64m");
    let copy = rig.path("card/irsync");
    fs::copy(binary(), &copy).unwrap();
    rig.ini(HANGING);
    let mut irsync = rig.start_command(command(&rig, copy.to_str().unwrap(), &[]));
    rig.fake("media").wait_runs(1);
    tmpfs.remount("noexec");
    process::send(rig.guard(), Signal::SIGKILL);
    irsync.wait_log("no new one can be started: Permission denied");
    tmpfs.remount("exec");
    irsync.wait_log(REPLACED);
    irsync.kill();
    rig.wait_nothing_left();
}

#[test]
fn without_proc_there_is_a_guard_too() {
    if !is_root("guard-no-proc") || is_emulated("guard-no-proc") {
        return;
    }
    let rig = Rig::new("guard-no-proc");
    rig.ini("[media]\nsource = /ignore-term\ndestination = DIR/media\n");
    // The fake rsync wants to know how long the system is up.
    let script = format!(
        "cp /proc/uptime uptime && mount -t tmpfs none /proc && cp uptime /proc && exec {} \"$@\"",
        binary().display()
    );
    let mut irsync = rig.start_command(command(&rig, "unshare", &["--mount", "sh", "-c", &script, "sh"]));
    rig.fake("media").wait_runs(1);
    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", rig.guard())).unwrap(), "sync-guard\n");
    irsync.kill();
    rig.wait_nothing_left();
}
