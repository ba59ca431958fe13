//! Files and folders that somebody else has prepared, or could write to.

use super::NOBODY;
use crate::common::{is_root, Rig};
use std::fs;
use std::os::unix::fs::{chown, symlink, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

fn set(path: &Path, mode: u32, user: u32) {
    chown(path, Some(user), None).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn make_fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn a_status_file_or_record_where_others_may_write_is_refused_and_nothing_is_written() {
    let story = "a_status_file_or_record_where_others_may_write_is_refused_and_nothing_is_written";
    if !is_root(story) {
        return;
    }
    for (key, kind, user) in [
        ("status_file = DIR/open/status", 0o777, 0),
        ("status_file = DIR/open/status", 0o1777, 0),
        ("status_file = DIR/open/status", 0o755, NOBODY),
        ("status_file = DIR/open/deeper/status", 0o777, 0),
        ("state_dir = DIR/open", 0o1777, 0),
    ] {
        let rig = Rig::new("open-folder");
        let open = rig.path("open");
        fs::create_dir(&open).unwrap();
        let victim = rig.write("victim", "untouched");
        for name in ["status.lock", "status.control", "status.tmp", "boot-record", "boot-record.new"] {
            symlink(&victim, open.join(name)).unwrap();
        }
        fs::remove_file(open.join("status.lock")).unwrap();
        make_fifo(&open.join("status.lock"));
        set(&open, kind, user);
        chown(open.join("status.lock"), Some(NOBODY), None).unwrap();
        rig.ini(&format!("{key}\n[media]\nsource = /ok\ndestination = DIR/media\n"));
        for command in ["check", "run", "once"] {
            let output = rig.run(&[command]);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{command} {key} {kind:o} {user}: {text}");
            assert!(text.contains("open: ") && text.contains(key.split(' ').next().unwrap()), "{text}");
        }
        assert_eq!(rig.read("victim"), "untouched");
        assert_eq!(fs::read_dir(&open).unwrap().count(), 5, "something was written");
    }
}

#[test]
fn a_log_in_everybodys_folder_follows_no_link_and_waits_for_no_fifo() {
    if !is_root("a_log_in_everybodys_folder_follows_no_link_and_waits_for_no_fifo") {
        return;
    }
    for kind in ["link", "fifo", "file"] {
        let rig = Rig::new("open-log");
        let (open, victim) = (rig.path("open"), rig.write("victim", "untouched"));
        fs::create_dir(&open).unwrap();
        set(&open, 0o1777, 0);
        let log = open.join("irsync.log");
        match kind {
            "link" => symlink(&victim, &log).unwrap(),
            "fifo" => make_fifo(&log),
            _ => fs::write(&log, "").unwrap(),
        }
        std::os::unix::fs::lchown(&log, Some(NOBODY), None).unwrap();
        rig.ini("log = DIR/open/irsync.log\ninterval = 50ms\n[media]\nsource = /ok\ndestination = DIR/media\n");
        let mut irsync = rig.start(&["run"]);
        rig.fake("media").wait_runs(3);
        fs::remove_file(&log).unwrap();
        rig.fake("media").wait_runs(5);
        crate::common::wait_until("the log to be irsync's own", || !rig.read("open/irsync.log").is_empty());
        assert_eq!(rig.read("victim"), "untouched", "{kind}");
        irsync.stop();
    }
}

#[test]
fn root_reads_no_configuration_that_somebody_else_may_write() {
    if !is_root("root_reads_no_configuration_that_somebody_else_may_write") {
        return;
    }
    let rig = Rig::new("open-ini");
    for (kind, user, says) in [(0o600, NOBODY, "chown root"), (0o666, 0, "chmod go-w"), (0o622, 0, "chmod go-w")] {
        let ini = rig.ini("[media]\nsource = /ok\ndestination = DIR/media\nrun_before = touch DIR/evil\n");
        set(&ini, kind, user);
        for command in ["check", "run", "once"] {
            let output = rig.run(&[command]);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(78) && text.contains(says), "{command} {kind:o} {user}: {text}");
        }
    }
    let output = super::as_nobody(rig.command(&["check"]).current_dir("/"));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("chown root"), "only as root: {output:?}");
    let evil = "[media]\nrun_before = touch DIR/evil\n".replace("DIR", rig.path("").to_str().unwrap());
    for (folder, file, owner) in [(0o777, 0o644, 0), (0o1777, 0o644, 0), (0o755, 0o644, NOBODY), (0o755, 0o666, 0)] {
        rig.ini("include = DIR/more\n[media]\nsource = /ok\ndestination = DIR/media\n");
        let included = rig.write("more/evil.ini", &evil);
        set(&included, file, owner);
        set(&rig.path("more"), folder, 0);
        let output = rig.run(&["check"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(78) && text.contains("more"), "{folder:o} {file:o} {owner}: {text}");
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("sync success");
        assert!(irsync.log_has("not read: "), "{}", irsync.log());
        assert!(!rig.path("evil").exists(), "{folder:o} {file:o} {owner}");
        irsync.stop();
    }
}

#[test]
fn a_umask_of_nothing_opens_nothing_of_irsyncs_and_stays_rsyncs() {
    let rig = Rig::new("umask");
    rig.ini(
        "status_file = DIR/run/status\nstate_dir = DIR/state\nlog = DIR/log\n[media]\nsource = /ok\n\
         destination = DIR/media\n",
    );
    for again in [false, true] {
        if again {
            fs::set_permissions(rig.path("state"), fs::Permissions::from_mode(0o777)).unwrap();
            fs::write(rig.path("run/status.old"), "").unwrap();
            fs::set_permissions(rig.path("run"), fs::Permissions::from_mode(0o777)).unwrap();
        }
        let mut command = Command::new("sh");
        let irsync = rig.command(&["run"]);
        command.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(irsync.get_program()).args(irsync.get_args());
        command.envs(irsync.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(rig.path(""));
        let mut irsync = rig.start_command(command);
        crate::common::wait_until("a success", || rig.read("run/status").contains("last_success"));
        crate::common::wait_until("the record", || rig.path("state/boot-record").exists());
        for (path, wanted) in [
            ("run", 0o755),
            ("run/status", 0o644),
            ("run/status.lock", 0o600),
            ("run/status.control", 0o600),
            ("state", 0o755),
            ("state/boot-record", 0o644),
            ("log", 0o640),
        ] {
            assert_eq!(format!("{:o}", mode(&rig.path(path))), format!("{wanted:o}"), "{path} {again}");
        }
        assert_eq!(mode(&rig.path("media")), 0o777, "what rsync makes is the owner's business");
        irsync.stop();
    }
}

#[test]
fn a_password_file_that_is_a_fifo_or_somebody_elses_is_refused_and_holds_nobody_up() {
    let rig = Rig::new("password-fifo");
    make_fifo(&rig.path("secret"));
    rig.ini("[media]\nsource = rsync://user@192.0.2.1/ok\ndestination = DIR/media\npassword_file = DIR/secret\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("it is a FIFO", 2);
    irsync.stop();
    assert_eq!(rig.run(&["check"]).status.code(), Some(78));
    if !is_root("a_password_file_that_is_a_fifo_or_somebody_elses_is_refused_and_holds_nobody_up") {
        return;
    }
    fs::remove_file(rig.path("secret")).unwrap();
    set(&rig.write("secret", "hunter2\n"), 0o600, NOBODY);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("it belongs to user");
    irsync.stop();
    assert_eq!(rig.run(&["check"]).status.code(), Some(78));
}
