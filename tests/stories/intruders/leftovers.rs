//! What an irsync that was killed has left is found by its mark: under whatever name, and when the locks are gone.

use crate::common::{process, wait_until, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};

/// The kernel cuts it after 15 bytes, in the middle of a letter.
const NAME: &str = "rsync-für-Gerät";

#[test]
fn a_stray_whose_name_is_no_text_is_ended_with_its_sync() {
    let rig = Rig::new("name-no-text");
    let sleep = format!("{}/{NAME}", rig.path("").display());
    symlink("/bin/sleep", &sleep).unwrap();
    let script = format!("#!/bin/sh\nexport IRSYNC_TEST=\"$IRSYNC_TEST\"\nsetsid '{sleep}' 1000 </dev/null >/dev/null 2>&1 &\nsleep 0.2\nexit 12\n");
    let script = rig.write("rsync", script);
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    rig.ini("rsync = DIR/rsync\nstop_timeout = 100ms\nbackoff_initial = 1h\nbackoff_max = 1h\n[media]\nsource = rsync://192.0.2.1/m\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("next in");
    let left: Vec<_> = rig.rsync_processes();
    assert!(left.is_empty(), "{left:?}");
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn a_hook_does_not_bear_the_mark_that_irsync_was_started_with() {
    let rig = Rig::new("inherited-mark");
    rig.set_env("IRSYNC_RUN", "1.1.1.");
    let look = "sh -c 'env >DIR/env; cat /proc/self/limits >DIR/limits'";
    rig.ini(&format!("[media]\nsource = /ok\ndestination = DIR/media\nrun_before = {look}\n"));
    // As if it had been started by an rsync of another irsync, from a remote shell's script perhaps.
    let mut command = std::process::Command::new("prlimit");
    let irsync = rig.command(&["run"]);
    command.arg("--locks=4611686018427387905:").arg(irsync.get_program()).args(irsync.get_args());
    command.envs(irsync.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(rig.path(""));
    let mut irsync = rig.start_command(command);
    irsync.wait_log("sync success");
    assert!(!rig.read("env").contains("IRSYNC_RUN"), "{}", rig.read("env"));
    let limits = rig.read("limits");
    let locks = limits.lines().find(|line| line.starts_with("Max file locks")).unwrap();
    assert!(locks.contains("unlimited            unlimited"), "{locks}");
    irsync.stop();
}

#[test]
fn status_lock_and_socket_come_back_when_their_folder_was_removed() {
    let rig = Rig::new("run-folder-removed");
    rig.ini("status_file = DIR/run/status\n[media]\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    wait_until("the status", || rig.run(&["status"]).status.code() == Some(0));
    for what in ["run", "run/status.lock", "run/status.control"] {
        let path = rig.path(what);
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
        // The next sync is an hour away: nothing else happens.
        wait_until("all of it to come back", || {
            ["status", "status.lock", "status.control"].iter().all(|name| rig.path("run").join(name).exists())
        });
        assert_eq!(rig.run(&["status"]).status.code(), Some(0), "{what}");
        assert_eq!(rig.run(&["now"]).status.code(), Some(0), "{what}");
        let twin = rig.start(&["run"]);
        twin.wait_log(&format!("irsync with PID {} runs already", irsync.pid()));
    }
    irsync.stop();
    assert!(fs::read_dir(rig.path("run"))
        .unwrap()
        .flatten()
        .all(|file| { file.file_name().to_string_lossy().starts_with("lock-") }));
}

fn remove_locks(rig: &Rig) {
    for entry in fs::read_dir(rig.path("")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("lock") || name.starts_with("status") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn an_rsync_that_irsync_guard_and_locks_were_taken_from_is_ended_before_the_next_one() {
    for locks in [true, false] {
        let rig = Rig::new("all-killed");
        rig.ini("[media]\nsource = /ignore-term /ok\ndestination = DIR/media\n");
        let mut irsync = rig.start(&["run"]);
        rig.fake("media").wait_runs(1);
        let left = rig.fake("media").pid();
        // Both at once, or irsync would start another one.
        irsync.signal(Signal::SIGSTOP);
        process::send(rig.guard(), Signal::SIGKILL);
        irsync.kill();
        assert!(process::alive(left), "nobody is there to end it");
        if !locks {
            remove_locks(&rig);
        }
        let mut next = rig.start(&["run"]);
        next.wait_log("were killed now");
        next.wait_log("sync success");
        rig.fake("media").assert_never_two();
        next.stop();
    }
}

#[test]
fn two_irsyncs_whose_locks_were_removed_keep_off_the_same_destination() {
    let rig = Rig::new("locks-removed");
    rig.ini("[media]\nsource = /until-go /ok\ndestination = DIR/media\n");
    rig.ini_named("second.ini", "status_file = DIR/status2\n[copy]\nsource = /ok\ndestination = DIR/./media/\n");
    let mut first = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    remove_locks(&rig);
    let mut second = rig.start(&["run", "--config", rig.path("second.ini").to_str().unwrap()]);
    second.wait_log("is syncing to the same destination");
    assert!(second.log_has(&first.pid().to_string()), "{}", second.log());
    rig.fake("media").go();
    first.wait_log("sync success");
    second.wait_log("sync success");
    rig.fake("media").assert_never_two();
    second.stop();
    first.stop();
}
