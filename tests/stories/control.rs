//! What can be asked of a running irsync on its control socket.

use crate::common::{wait_until, Rig};
use std::fs;

const MEDIA: &str = "[media]\nsource = /ok\ndestination = DIR/dest\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_paused_job_is_out_of_turn_until_it_is_resumed_and_a_reload_does_not_change_that() {
    let rig = Rig::new("pause");
    let ini = |other: &str| {
        format!("interval = 20ms\n{MEDIA}stale_after = 50ms\n[other]\nsource = /ok\ndestination = DIR/other{other}\n")
    };
    rig.ini(&ini(""));
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_ends(1);
    let paused = rig.run(&["pause", "media"]);
    assert_eq!(paused.status.code(), Some(0));
    assert_eq!(text(&paused.stdout), "paused until irsync resume: media; a sync that runs goes on\n");
    wait_until("the job to be paused", || rig.status("media", "state").as_deref() == Some("paused"));
    let runs = rig.fake("dest").ends().len();
    let others = rig.fake("other").ends().len();
    rig.fake("other").wait_ends(others + 5);
    assert_eq!(rig.run(&["status"]).status.code(), Some(0), "a paused job is not stale");

    rig.ini(&ini("2"));
    assert_eq!(rig.run(&["reload"]).status.code(), Some(0));
    rig.fake("other2").wait_ends(5);
    let now = rig.run(&["now"]);
    assert_eq!(now.status.code(), Some(0), "all that are not paused");
    assert_eq!(text(&now.stdout), "syncing at once: all jobs that are not paused\n");
    let others = rig.fake("other2").ends().len();
    rig.fake("other2").wait_ends(others + 5);
    assert_eq!(rig.fake("dest").ends().len(), runs, "it has synced although it was paused");

    assert_eq!(rig.run(&["now", "media"]).status.code(), Some(0), "by name it syncs once");
    rig.fake("dest").wait_ends(runs + 1);
    assert_eq!(text(&rig.run(&["resume", "media"]).stdout), "no longer paused: media\n");
    rig.fake("dest").wait_ends(runs + 4);
    irsync.stop();
}

#[test]
fn reload_says_in_the_terminal_what_is_wrong_and_keeps_the_old_configuration() {
    let rig = Rig::new("control-reload");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_ends(1);
    let good = rig.run(&["reload"]);
    assert_eq!(good.status.code(), Some(0));
    assert!(text(&good.stdout).contains("configuration read: 0 jobs added"), "{good:?}");

    rig.ini(&format!("{MEDIA}intervall = 1\n"));
    let bad = rig.run(&["reload"]);
    let said = text(&bad.stderr);
    assert_eq!(bad.status.code(), Some(78), "{said}");
    assert!(said.contains("intervall") && said.contains("the old configuration is kept"), "{said}");
    assert_eq!(said.matches("intervall").count(), 1, "told twice: {said}");
    assert_eq!(rig.run(&["now", "media"]).status.code(), Some(0), "it is found although its file is in error");
    rig.fake("dest").wait_ends(2);
    irsync.stop();
}

#[test]
fn stop_returns_when_irsync_has_stopped() {
    let rig = Rig::new("control-stop");
    rig.ini("[media]\nsource = /ignore-term\ndestination = DIR/dest\nstop_timeout = 200ms\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_runs(1);
    let stop = rig.run(&["stop"]);
    assert_eq!(stop.status.code(), Some(0));
    assert_eq!(text(&stop.stdout), format!("irsync has stopped (process {})\n", irsync.pid()));
    assert!(!crate::common::process::alive(irsync.pid()), "it says that it has stopped, and has not");
    irsync.wait();
    rig.assert_nothing_left();
    for command in [&["stop"][..], &["reload"], &["now"], &["pause"], &["allow", "media"]] {
        let none = rig.run(command);
        assert_eq!(none.status.code(), Some(3), "{command:?} {none:?}");
        assert!(text(&none.stderr).contains("not running"), "{none:?}");
    }
}

#[test]
fn an_unknown_or_disabled_job_is_named() {
    let rig = Rig::new("control-names");
    rig.ini(&format!("{MEDIA}[off]\nenabled = no\nsource = /ok\ndestination = DIR/off\n"));
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_ends(1);
    for command in ["now", "pause", "resume", "allow"] {
        let unknown = rig.run(&[command, "medai"]);
        assert_eq!(unknown.status.code(), Some(1));
        assert!(text(&unknown.stderr).contains("no such job: medai; the jobs are: media"), "{unknown:?}");
        let off = rig.run(&[command, "off"]);
        assert!(text(&off.stderr).contains("off is disabled"), "{off:?}");
    }
    irsync.stop();
    assert!(fs::metadata(rig.path("status.control")).is_err(), "the socket is gone");
}
