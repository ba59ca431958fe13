//! How rsync runs, read back from `/proc`.

use crate::common::{is_executable, is_root, skipped, Rig};
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
    assert_eq!((nice(pid), nice(irsync.pid())), (7, nice(std::process::id() as i32)));
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
    // The groups of a user are those of getgrouplist(3), which knows the primary one as well.
    for (keys, ids, groups) in [
        ("user = nobody\n", (65534, 65534), "65534"),
        ("user = 12345\ngroup = 54321\n", (12345, 54321), ""),
        ("group = 54321\n", (0, 54321), ""),
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
        assert_eq!(field(pid, "Groups"), groups, "{keys}");
        assert_eq!(field(pid, "NoNewPrivs"), "1", "{keys}");
        let home = rig.fake("media").variable(1, "HOME");
        assert_eq!(home.as_deref() == Some("/"), user == 12345, "{keys}: {home:?}");
        irsync.stop();
    }
}

/// A user of the system that is in a group of its own, for as long as this lives.
struct Player {
    name: String,
}

impl Player {
    /// None where it cannot be made.
    fn new() -> Option<Player> {
        let name = format!("irsync-t{}", std::process::id());
        let did = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
        };
        let made = did("groupadd", &[&format!("{name}-g")])
            && did("useradd", &["-M", "-d", "/var/empty", "-s", "/bin/false", "-G", &format!("{name}-g"), &name]);
        let player = Player { name };
        made.then_some(player)
    }

    fn id(&self, what: &str) -> String {
        let output = Command::new("id").args([what, &self.name]).output().expect("cannot run id");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).output();
        let _ = Command::new("groupdel").arg(format!("{}-g", self.name)).output();
    }
}

#[test]
fn a_user_keeps_its_groups_and_finds_itself_at_home() {
    const STORY: &str = "a_user_keeps_its_groups_and_finds_itself_at_home";
    if !is_root(STORY) {
        return;
    }
    let Some(player) = Player::new() else {
        skipped(STORY, "needs useradd and groupadd");
        return;
    };
    let (uid, gid) = (player.id("-u"), player.id("-g"));
    let sorted = |text: &str| {
        let mut ids: Vec<u32> = text.split_whitespace().map(|id| id.parse().unwrap()).collect();
        ids.sort();
        ids
    };
    let groups = sorted(&player.id("-G"));
    assert_eq!(groups.len(), 2, "its own, and another");
    let others: Vec<u32> = groups.iter().copied().filter(|id| id.to_string() != gid).collect();
    for (keys, gid, groups) in [
        (format!("user = {}\n", player.name), gid.clone(), groups.clone()),
        (format!("user = {uid}\n"), gid, groups),
        (format!("user = {}\ngroup = 54321\n", player.name), "54321".into(), [&others[..], &[54321]].concat()),
    ] {
        let rig = Rig::new("run-as-player");
        rig.write("media/.keep", "");
        fs::set_permissions(rig.path("media"), fs::Permissions::from_mode(0o777)).unwrap();
        rig.ini(&format!("[media]\n{keys}source = /silent\ndestination = DIR/media\n"));
        let mut irsync = rig.start(&["run"]);
        let fake = rig.fake("media");
        fake.wait_runs(1);
        let pid = fake.pid();
        assert_eq!(field(pid, "Uid").split(' ').next(), Some(uid.as_str()), "{keys}");
        assert_eq!(field(pid, "Gid").split(' ').next(), Some(gid.as_str()), "{keys}");
        assert_eq!(
            sorted(&field(pid, "Groups")),
            sorted(&groups.iter().map(|id| format!("{id} ")).collect::<String>()),
            "{keys}"
        );
        assert_eq!(fake.variable(1, "HOME").as_deref(), Some("/var/empty"), "{keys}");
        for name in ["USER", "LOGNAME"] {
            assert_eq!(fake.variable(1, name).as_deref(), Some(player.name.as_str()), "{keys}");
        }
        irsync.stop();
    }
}
