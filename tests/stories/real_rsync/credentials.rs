//! The daemon's password.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::daemon::{Daemon, AUTH, PASSWORD};
use crate::common::Rig;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A daemon that wants a password, and a file that takes long enough to look at rsync meanwhile.
fn served(rig: &Rig) -> Daemon {
    big_file(rig, "served/big.bin", 800);
    // "If "auth users" is set then the client will be challenged to supply a username and password"
    rig.daemon(&format!("read only = yes\n{AUTH}"))
}

/// Writes a file that nobody but the owner can read.
fn private(rig: &Rig, name: &str, text: &str) -> PathBuf {
    let file = rig.write(name, text);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// Runs the sync and looks for the password where it must not be.
fn arrives_without_a_trace(rig: &Rig, daemon: &Daemon, keys: &str) {
    media(rig, &daemon.user_url(), "DIR/dest/", &format!("options = -rlt --bwlimit=400\n{keys}"));
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    let processes = rig.rsync_processes();
    assert!(processes.len() >= 2, "{processes:#?}");
    for process in &processes {
        for part in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{}/{part}", process.pid)).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(PASSWORD), "in {part} of {process:?}");
        }
    }
    irsync.wait_log("sync success");
    assert!(same(rig, "served/big.bin", "dest/big.bin"));
    assert!(!irsync.log_has(PASSWORD), "in the log");
    assert!(!rig.read("status").contains(PASSWORD), "in the status file");
    irsync.stop();
}

#[test]
fn password_in_the_ini_reaches_rsync_and_nobody_else() {
    // "This option allows you to provide a password for accessing an rsync daemon via a file or via standard input if
    // FILE is -."
    let Some(rig) = real("password") else { return };
    let daemon = served(&rig);
    arrives_without_a_trace(&rig, &daemon, &format!("password = {PASSWORD}"));
}

#[test]
fn password_file_reaches_rsync_and_nobody_else() {
    let Some(rig) = real("password-file") else { return };
    let daemon = served(&rig);
    // "The file should contain just the password on the first line (all other lines are ignored)."
    private(&rig, "secret", &format!("{PASSWORD}\na comment\n"));
    arrives_without_a_trace(&rig, &daemon, "password_file = DIR/secret");
}

#[test]
fn wrong_password_is_permanent_and_the_right_one_ends_it() {
    let Some(rig) = real("password-wrong") else { return };
    let daemon = served(&rig);
    let file = private(&rig, "secret", "wrong-password\n");
    media(&rig, &daemon.user_url(), "DIR/dest/", "password_file = DIR/secret");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync permanent: code 5", 2);
    assert!(!irsync.log_has("wrong-password"));
    // The file is read again for each sync.
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    irsync.wait_log("sync success");
    irsync.stop();
}

/// Whoever puts the right password in place is not there to say `irsync now`, and a back-off may last for hours.
#[test]
fn a_password_that_is_put_right_ends_the_wait_and_one_that_is_not_ends_none() {
    let Some(rig) = real("password-mended") else { return };
    let daemon = served(&rig);
    let wait = "backoff_initial = 1h\nbackoff_max = 1h\npassword_file = DIR/secret";
    let right = format!("{PASSWORD}\n");
    // How the file is wrong at first, what the log says of it, and how it is put right.
    for (before, told, by_rename) in [
        (Some(("wrong\n", 0o600)), "sync permanent: code 5", true),
        (Some(("wrong\n", 0o600)), "sync permanent: code 5", false),
        (Some((right.as_str(), 0o644)), "others can read or write it", false),
        (None, "cannot use password_file", false),
    ] {
        let _ = fs::remove_file(rig.path("secret"));
        if let Some((text, mode)) = before {
            let file = rig.write("secret", text);
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        }
        media(&rig, &daemon.user_url(), "DIR/dest/", wait);
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log(told);
        irsync.wait_log("next in");
        if before.is_some_and(|(text, _)| text != right) {
            // The same password once more, and a file beside it: only an order of its own shows that nothing follows.
            private(&rig, "secret", "wrong\n");
            private(&rig, "beside", "");
            assert_eq!(rig.run(&["now"]).status.code(), Some(0));
            irsync.wait_count(told, 2);
        }
        if by_rename {
            fs::rename(private(&rig, "new", &right), rig.path("secret")).unwrap();
        } else {
            private(&rig, "secret", &right);
        }
        irsync.wait_log("there is another password in password_file: syncing now");
        irsync.wait_log("sync success");
        assert_eq!(irsync.count(told), if told.starts_with("sync") { 2 } else { 1 });
        assert_eq!(irsync.count("there is another password"), 1);
        assert!(!irsync.log_has(PASSWORD));
        irsync.stop();
    }
}

#[test]
fn a_paused_job_is_not_started_by_another_password() {
    let Some(rig) = real("password-paused") else { return };
    let daemon = served(&rig);
    private(&rig, "secret", "wrong\n");
    let keys =
        format!("source = {}\nbackoff_initial = 1h\nbackoff_max = 1h\npassword_file = DIR/secret", daemon.user_url());
    rig.ini(&format!(
        "rsync = rsync\n[media]\n{keys}\ndestination = DIR/dest/\n[witness]\n{keys}\ndestination = DIR/other/\n"
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync permanent: code 5", 2);
    assert_eq!(rig.run(&["pause", "media"]).status.code(), Some(0));
    private(&rig, "secret", &format!("{PASSWORD}\n"));
    // It is told after the job before it.
    irsync.wait_log("witness: sync success");
    assert!(!irsync.log_has("media: there is another password") && !irsync.log_has("media: sync success"));
    assert_eq!(rig.run(&["resume", "media"]).status.code(), Some(0));
    irsync.wait_log("media: sync success");
    irsync.stop();
}

/// Both are there when irsync looks: the signal is heard first, and what was watched is watched anew.
#[test]
fn a_password_that_is_put_right_just_before_a_reload_ends_the_wait_too() {
    let Some(rig) = real("password-reload") else { return };
    let daemon = served(&rig);
    private(&rig, "secret", "wrong\n");
    let keys = "backoff_initial = 1h\nbackoff_max = 1h\npassword_file = DIR/secret";
    media(&rig, &daemon.user_url(), "DIR/dest/", keys);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync permanent: code 5");
    irsync.signal(Signal::SIGSTOP);
    private(&rig, "secret", &format!("{PASSWORD}\n"));
    irsync.signal(Signal::SIGHUP);
    irsync.signal(Signal::SIGCONT);
    irsync.wait_log("0 jobs added, 0 changed, 0 removed");
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn no_password_is_permanent_and_nobody_is_asked_for_one() {
    let Some(rig) = real("password-none") else { return };
    let daemon = served(&rig);
    media(&rig, &daemon.user_url(), "DIR/dest/", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync permanent: code 5", 2);
    irsync.stop();
}

#[test]
fn password_in_the_environment_works_for_drop_in() {
    let Some(rig) = real("password-environment") else { return };
    let daemon = served(&rig);
    rig.set_env("RSYNC_PASSWORD", PASSWORD);
    let mut irsync = rig.start(&["--irsync-interval-seconds=10", "-pvrt", "--delete", &daemon.user_url(), "dest/"]);
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/big.bin", "dest/big.bin"));
    assert!(!irsync.log_has(PASSWORD));
    irsync.stop();
}

/// openmediavault#1095, acepanel#1188: the quotes went to the server, and it refused them.
#[test]
fn quotes_around_a_password_are_no_part_of_it() {
    let Some(rig) = real("password-quoted") else { return };
    let daemon = served(&rig);
    media(&rig, &daemon.user_url(), "DIR/dest/", &format!("password = \"{PASSWORD}\""));
    let once = rig.run(&["once"]);
    assert_eq!(once.status.code(), Some(0), "{once:?}");
    assert!(same(&rig, "served/big.bin", "dest/big.bin"));
}

/// The same reports: what editors on Windows write around it, and the server's own form of a line.
#[test]
fn a_password_file_with_a_mark_is_read_and_one_with_the_users_name_is_refused() {
    let Some(rig) = real("password-forms") else { return };
    let daemon = served(&rig);
    let file = private(&rig, "secret", "");
    media(&rig, &daemon.user_url(), "DIR/dest/", "password_file = DIR/secret");
    for (content, code, says) in [
        (format!("\u{feff}{PASSWORD}\r\n"), 0, ""),
        (format!("device:{PASSWORD}\n"), 78, "its first line is USER:PASSWORD"),
        (format!("\"{PASSWORD}\"\n"), 0, "has quotes around it"),
        (format!("other:{PASSWORD}\n"), 0, "has a colon"),
    ] {
        fs::write(&file, &content).unwrap();
        let check = rig.run(&["check"]);
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert_eq!(check.status.code(), Some(code), "{content:?}: {said}");
        assert!(said.contains(says) && !said.contains(PASSWORD), "{content:?}: {said}");
        let once = rig.run(&["once"]);
        let said = String::from_utf8_lossy(&once.stderr).into_owned();
        assert_eq!(once.status.code(), Some(if says.is_empty() { 0 } else { 1 }), "{content:?}: {said}");
        assert_eq!(said.contains("its first line is USER:PASSWORD"), code == 78, "{said}");
    }
}
