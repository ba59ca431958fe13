//! How rsync runs, read back from `/proc`.

use crate::common::{is_executable, is_root, Rig};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn proc(pid: i32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_else(|error| panic!("{pid} {file}: {error}"))
}

fn field(pid: i32, name: &str) -> String {
    let status = proc(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn nice(pid: i32) -> i32 {
    let stat = proc(pid, "stat");
    // proc(5): the 19th field, the 17th after the name in parentheses.
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn rsync_is_nicer_than_irsync_and_dies_first() {
    let rig = Rig::new("nice");
    rig.ini("[media]\nnice = 7\nio_class = idle\nsource = /silent\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    let pid = rig.fake("media").pid();
    assert_eq!((nice(pid), nice(irsync.pid())), (nice(irsync.pid()) + 7, nice(std::process::id() as i32)));
    let score = |pid| proc(pid, "oom_score_adj").trim().parse::<i32>().unwrap();
    assert!(score(pid) > score(irsync.pid()), "{} {}", score(pid), score(irsync.pid()));
    if is_executable("ionice") {
        let class = |pid: i32| {
            let output = Command::new("ionice").arg("-p").arg(pid.to_string()).output().expect("cannot run ionice");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        assert_eq!(class(pid), "idle");
        assert_ne!(class(irsync.pid()), "idle");
    } else {
        eprintln!("SKIPPED rsync_is_nicer_than_irsync_and_dies_first (io_class): needs ionice");
    }
    irsync.stop();
}

#[test]
fn rsync_runs_as_its_user_without_our_groups() {
    if !is_root("rsync_runs_as_its_user_without_our_groups") {
        return;
    }
    for (keys, ids) in [
        ("user = nobody\n", (65534, 65534)),
        ("user = 12345\ngroup = 54321\n", (12345, 54321)),
        ("group = 54321\n", (0, 54321)),
    ] {
        let rig = Rig::new("run-as");
        rig.write("media/.keep", "");
        fs::set_permissions(rig.path("media"), fs::Permissions::from_mode(0o777)).unwrap();
        rig.ini(&format!("[media]\n{keys}source = /silent\ndestination = DIR/media\n"));
        let mut irsync = rig.start(&["run"]);
        rig.fake("media").wait_runs(1);
        let pid = rig.fake("media").pid();
        let (user, group) = ids;
        assert_eq!(field(pid, "Uid"), [user; 4].map(|id| id.to_string()).join(" "), "{keys}");
        assert_eq!(field(pid, "Gid"), [group; 4].map(|id| id.to_string()).join(" "), "{keys}");
        assert_eq!(field(pid, "Groups"), "", "{keys}");
        irsync.stop();
    }
}
