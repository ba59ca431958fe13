//! Which rsync it is: asked before the first sync, and again whenever the answer may have changed.

use crate::common::{fake, wait_until, Rig};
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const JOB: &str = "[media]\nsource = /ok\ndestination = DIR/dest\n";

/// Makes the program `name` of the story's directory a link to one of the checked-in fakes, as an update does: by rename.
fn install(rig: &Rig, name: &str, fake: &str) -> PathBuf {
    let (new, path) = (rig.path(&format!("{name}.new")), rig.path(name));
    symlink(fake, &new).expect("cannot make a link");
    std::fs::rename(&new, &path).expect("cannot replace a link");
    path
}

fn old_rsync() -> String {
    format!("{}-3.0", fake::PROGRAM)
}

#[track_caller]
fn assert_added(rig: &Rig, run: usize, progress: bool) {
    let arguments = rig.fake("dest").arguments(run);
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    assert_eq!((has("--stats"), has("--info=progress2")), (true, progress), "run {run}: {arguments:?}");
}

#[test]
fn reload_of_an_unchanged_file_loses_nothing_that_is_known_of_rsync() {
    let rig = Rig::new("version-reload");
    rig.ini(JOB);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_added(&rig, 1, true);
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("configuration read");
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_count("sync success", 2);
    assert_added(&rig, 2, true);
    irsync.stop();
}

#[test]
fn rsync_that_is_installed_later_is_asked_for_its_version_then() {
    let rig = Rig::new("version-later");
    rig.ini(&format!("rsync = DIR/rsync\n{JOB}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("cannot start rsync");
    install(&rig, "rsync", fake::PROGRAM);
    irsync.wait_log("sync success");
    assert_added(&rig, 1, true);
    irsync.stop();
}

/// Between the question and the sync: run_before stands for the update.
#[test]
fn rsync_that_comes_after_it_was_asked_for_is_not_used_before_it_was_asked() {
    let rig = Rig::new("version-between");
    rig.ini(&format!(
        "rsync = DIR/rsync\n{JOB}options = -rlt --delete\nrun_before = ln -sf {} DIR/rsync\n",
        fake::PROGRAM
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("has changed since it was asked for its version");
    irsync.wait_log("sync success");
    assert_added(&rig, 1, true);
    assert!(!irsync.log().contains("max_shrink is without effect"), "nobody knew yet what it can do: {}", irsync.log());
    irsync.stop();
}

/// Between the last look at it and its start: what runs was told nothing, and does not say what it has changed. Here it is the
/// program itself, which gives no version, that puts the update in its place.
#[test]
fn rsync_that_took_the_place_of_what_gave_no_version_proves_nothing_and_its_changes_are_told() {
    let rig = Rig::new("version-raced");
    let (new, path) = (rig.path("rsync.new"), rig.path("rsync"));
    let replace = format!("ln -sf {} {new:?} && mv {new:?} {path:?}", fake::PROGRAM);
    let unknown = rig.write("unknown", format!("#!/bin/sh\n[ \"$1\" = --version ] || {{ {replace}; }}\n"));
    std::fs::set_permissions(&unknown, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    install(&rig, "rsync", unknown.to_str().unwrap());
    rig.ini(&format!("rsync = DIR/rsync\n{JOB}run_on_change = touch DIR/told\n"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync transient: code 0 (RERR_OK)");
    irsync.wait_log("has been replaced, and nobody knows what it changed");
    irsync.wait_log("sync success");
    assert_added(&rig, 1, true);
    // This sync itself has changed nothing.
    wait_until("run_on_change", || rig.path("told").exists());
    irsync.stop();
}

#[test]
fn replaced_rsync_is_asked_before_it_is_given_anything() {
    let rig = Rig::new("version-replaced");
    install(&rig, "rsync", fake::PROGRAM);
    rig.ini(&format!("rsync = DIR/rsync\n{JOB}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    for (run, fake, progress) in [(2, old_rsync(), false), (3, fake::PROGRAM.into(), true)] {
        install(&rig, "rsync", &fake);
        irsync.signal(Signal::SIGUSR1);
        irsync.wait_count("sync success", run);
        assert_added(&rig, run, progress);
    }
    assert!(!irsync.log().contains("unknown option"), "it was given an option that it does not know");
    irsync.stop();
}

#[test]
fn rsync_that_refuses_an_option_is_asked_again_although_its_file_is_the_same() {
    let rig = Rig::new("version-refused");
    let behind = install(&rig, "behind", fake::PROGRAM);
    rig.set_env("IRSYNC_TEST_RSYNC", behind.to_str().expect("UTF-8"));
    rig.ini(&format!("rsync = {}-wrapper\n{JOB}", fake::PROGRAM));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_added(&rig, 1, true);
    install(&rig, "behind", &old_rsync());
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_log("--info=progress2: unknown option");
    irsync.wait_count("sync success", 2);
    assert_added(&rig, 2, false);
    irsync.stop();
}
