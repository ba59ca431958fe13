//! `report_to`: a device pushes its own status to a server.

use crate::common::daemon::{AUTH, PASSWORD};
use crate::common::{wait_until, Rig};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What is told a device is told by the file of its name.
fn report(rig: &Rig) -> String {
    let name = nix::unistd::gethostname().unwrap();
    rig.read(&format!("served/{}.status", name.to_string_lossy()))
}

#[test]
fn a_device_pushes_its_status_again_and_again_and_nothing_that_is_secret() {
    let rig = Rig::new("report");
    let daemon = rig.daemon(&format!("{AUTH}read only = no\nwrite only = yes\nlist = no"));
    rig.write("source/secret plan.mp4", "film");
    let password = rig.write("password", format!("{PASSWORD}\n"));
    fs::set_permissions(password, fs::Permissions::from_mode(0o600)).unwrap();
    rig.ini(&format!(
        "rsync = rsync\nreport_to = {}\nreport_every = 1s\nreport_password_file = DIR/password\n\
         [media]\nsource = DIR/source/\ndestination = DIR/dest\ninterval = 500ms\n\
         [broken]\nsource = DIR/absent.mp4\ndestination = DIR/broken\n",
        daemon.user_url()
    ));
    let mut irsync = rig.start(&["run"]);
    wait_until("the report", || report(&rig).contains("[report]\nuptime = "));
    wait_until("what has happened since", || {
        let text = report(&rig);
        text.contains("last_outcome = success")
            && text.contains("last_outcome = partial")
            && text.contains("free_media = ")
    });
    let text = report(&rig);
    assert!(!text.contains(PASSWORD) && !irsync.log_has(PASSWORD), "{text}");
    assert!(!text.contains("(report)") && !text.contains("absent.mp4") && !text.contains("plan.mp4"), "{text}");
    assert!(rig.status("(report)", "last_outcome").is_some(), "its state is in the status");
    assert!(!irsync.log_has("(report): sync success: code 0 (RERR_OK), took 0"), "no word of each at info");
    irsync.stop();
}

#[test]
fn reports_that_cannot_be_pushed_are_no_failure_of_any_job() {
    let rig = Rig::new("report-nowhere");
    rig.ini(&format!(
        "rsync = rsync\nreport_to = rsync://127.0.0.1:{}/reports\nreport_every = 1s\n\
         [media]\nsource = DIR/source/\ndestination = DIR/dest\ninterval = 200ms\n",
        crate::common::daemon::free_port()
    ));
    rig.write("source/a", "a");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("(report): sync transient");
    irsync.wait_count("media: sync success", 2);
    wait_until("the status to show it", || rig.status("(report)", "last_outcome").as_deref() == Some("transient"));
    let shown = rig.run(&["status"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.code() == Some(0) && text.contains("(report)") && !text.contains("failing"), "{text}");
    irsync.stop();
    // `once` is about the owner's jobs.
    let output = rig.run(&["once"]);
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("(report)"), "{output:?}");
    assert!(fs::metadata(rig.path("dest/a")).is_ok());
}
