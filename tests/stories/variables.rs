//! `${…}` has its value when a sync starts: not before the device has one, and never an old one.

use crate::common::{is_executable, is_root, skipped, wait_until, Irsync, Rig};
use std::process::Command;

/// An irsync whose host is called so, in a namespace of its own.
fn start_on(rig: &Rig, name: &str) -> Irsync {
    let mut command = Command::new("unshare");
    command.args(["--uts", "sh", "-c", "echo \"$0\" >/proc/sys/kernel/hostname; exec \"$@\"", name]);
    let irsync = rig.command(&["run"]);
    command.arg(irsync.get_program()).args(irsync.get_args()).current_dir(rig.path(""));
    command.envs(irsync.get_envs().filter_map(|(name, value)| Some((name, value?))));
    rig.start_command(command)
}

fn rename(irsync: &Irsync, name: &str) {
    let done = Command::new("nsenter")
        .args(["--uts", &format!("--target={}", irsync.pid()), "sh", "-c"])
        .args(["echo \"$0\" >/proc/sys/kernel/hostname", name])
        .status();
    assert!(done.expect("cannot run nsenter").success());
}

#[test]
fn a_job_waits_for_the_name_of_its_host_and_follows_it() {
    const STORY: &str = "a_job_waits_for_the_name_of_its_host_and_follows_it";
    if !is_root(STORY) {
        return;
    }
    if !is_executable("unshare") || !is_executable("nsenter") {
        skipped(STORY, "needs unshare and nsenter");
        return;
    }
    let rig = Rig::new("variables");
    rig.ini(
        "interval = 50ms\n[named]\nsource = /ok\ndestination = DIR/${hostname}\noptions = --log-file=/tmp/${hostname}\n\
         [other]\nsource = /ok /until-go\ndestination = DIR/other\n",
    );
    let mut irsync = start_on(&rig, "localhost");
    wait_until("the other job to succeed", || rig.status("other", "last_outcome").as_deref() == Some("success"));
    wait_until("the job to wait", || rig.status("named", "last_outcome").as_deref() == Some("skipped"));
    let line = irsync.line("named: sync skipped").unwrap();
    assert!(line.contains("${hostname} is not available"), "it names the variable: {line}");
    assert!(!rig.path("localhost").exists() && !rig.path("${hostname}").exists());

    rename(&irsync, "pi-7");
    rig.fake("pi-7").wait_runs(2);
    let log_file = "--log-file=/tmp/pi-7".to_owned();
    assert!(rig.fake("pi-7").arguments(1).contains(&log_file), "{:?}", rig.fake("pi-7").arguments(1));
    rename(&irsync, "pi-8");
    rig.fake("pi-8").wait_runs(1);

    // The lock has gone along: what the job has left is free, what it writes to now is not.
    for (name, code) in [("pi-7", 0), ("pi-8", 1)] {
        rig.ini_named("second.ini", &format!("[copy]\nsource = /ok\ndestination = DIR/{name}\n"));
        let second = rig.run(&["once", "--config", rig.path("second.ini").to_str().unwrap()]);
        assert_eq!(second.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&second.stderr));
    }
    irsync.stop();
}

#[test]
fn check_shows_what_variables_expand_to_now_and_which_have_no_value() {
    let rig = Rig::new("variables-check");
    rig.ini("[dated]\nsource = /ok\ndestination = DIR/${date}\n[none]\nsource = /ok\ndestination = DIR/${serial}\n");
    rig.set_env("TZ", "UTC");
    let check = rig.run(&["check"]);
    let (said, warned) = (String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert_eq!(check.status.code(), Some(0), "{warned}");
    let today = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().expect("cannot run date").stdout;
    let today = rig.path(String::from_utf8_lossy(&today).trim());
    assert!(said.contains(&format!("= {}", today.display())), "{said}");
    if !std::path::Path::new("/proc/device-tree/serial-number").exists() {
        assert!(warned.contains("[none] ${serial} is not available on this device: the job waits"), "{warned}");
    }
}
