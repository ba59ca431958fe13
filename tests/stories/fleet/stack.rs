//! A whole fleet: a real daemon, real irsyncs that each have a name of their own, and their owner's view.

use crate::common::daemon::has_rsync;
use crate::common::{comes_true, is_emulated, is_root, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Devices that are well; `IRSYNC_FLEET` says how many there are to be.
fn well() -> usize {
    std::env::var("IRSYNC_FLEET").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// Starts a device that is called so: in a UTS namespace of its own.
fn device(rig: &Rig, name: &str, report_to: &str, job: &str) -> Irsync {
    let ini = format!(
        "rsync = rsync\nstatus_file = DIR/{name}/status\nreport_to = {report_to}\nreport_every = 4s\ninterval = 5s\n\
         backoff_initial = 5s\nbackoff_max = 5s\n[media]\ndestination = DIR/{name}/media\n{job}\n"
    );
    let ini = rig.ini_named(&format!("{name}.ini"), &ini);
    let inner = rig.command(&["run", "--config", ini.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    let named = format!("echo {name} >/proc/sys/kernel/hostname && exec \"$@\"");
    command.args(["--uts", "sh", "-c", &named, "sh"]).arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    rig.start_command(command)
}

#[test]
fn the_owner_sees_who_is_well_failing_stale_held_and_gone() {
    if !has_rsync("fleet-stack") || !is_root("fleet-stack") || is_emulated("fleet-stack") {
        return;
    }
    let rig = Rig::new("fleet-stack");
    for n in 0..20 {
        rig.write(&format!("served/{n}"), "film");
        rig.write(&format!("shrinks/{n}"), "film");
    }
    fs::create_dir_all(rig.path("reports")).unwrap();
    let daemon = rig.daemon(
        "[shrinks]\npath = DIR/shrinks\n[reports]\npath = DIR/reports\nread only = no\nwrite only = yes\n\
         refuse options = times delete*\nfilter = + /*.status - *",
    );
    let (data, server) = (daemon.url(), daemon.url().replace("data/", ""));
    let reports = format!("{server}reports/");
    let good = format!("source = {data}");
    let mut devices: Vec<Irsync> = (0..well()).map(|n| device(&rig, &format!("pi-{n}"), &reports, &good)).collect();
    devices.push(device(&rig, "fails", &reports, &format!("source = {server}absent/")));
    let nobody = crate::common::daemon::free_port();
    devices.push(device(&rig, "late", &reports, &format!("source = rsync://127.0.0.1:{nobody}/x/\nstale_after = 1s")));
    devices.push(device(&rig, "holds", &reports, &format!("source = {server}shrinks/\noptions = -rlt --delete")));
    let lost = device(&rig, "lost", &reports, &good);

    // A device is gone when it has missed six reports; two processors may be late with some.
    let stale = "25s";
    let view = || {
        std::thread::sleep(Duration::from_millis(200));
        let output = rig.run(&["fleet", "reports", "--stale", stale]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let health = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    // A job's first report may come before its first sync.
    wait_until("all to report", || fs::read_dir(rig.path("reports")).unwrap().count() >= well() + 4);
    wait_until("the set that is to shrink", || rig.path("holds/media/19").exists());
    for n in 0..20 {
        fs::remove_file(rig.path(&format!("shrinks/{n}"))).unwrap();
    }
    lost.signal(Signal::SIGKILL);
    let mut seen = String::new();
    let mut all_seen = || {
        let (code, text) = view();
        seen = text;
        let expected = [("fails", "failing"), ("late", "stale"), ("holds", "held"), ("lost", "gone"), ("pi-0", "ok")];
        code == Some(1) && expected.iter().all(|(name, mark)| health(&seen, name) == *mark)
    };
    let came = (0..3).any(|_| comes_true(&mut all_seen));
    assert!(came, "not each of them is seen as it is: {seen}");
    assert!(seen.contains("Unknown module 'absent'") || seen.contains("Unknown module \"…\""), "the reason: {seen}");
    assert!(seen.lines().nth(2).is_some_and(|line| line.starts_with("lost")), "who hurts most comes first: {seen}");
    let json = rig.run(&["fleet", "reports", "--stale", stale, "--json"]);
    let free = String::from_utf8_lossy(&json.stdout).matches("\"free\":").count();
    assert!(free >= 2 * (well() + 3), "each device tells its free space, and each job: {free}");
    assert!(rig.path("holds/media/19").exists(), "what is held is not deleted");
    wait_until("the others to be well", || (0..well()).all(|n| health(&view().1, &format!("pi-{n}")) == "ok"));
}
