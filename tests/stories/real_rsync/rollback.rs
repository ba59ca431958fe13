//! `irsync rollback`: the set before is shown again, and no sync undoes that before the owner says so.

use super::atomic::{atomic, contents, exchanges};
use super::{big_file, real, wait_mid_file};
use crate::common::{wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

const MARK: &str = "card/.media.irsync-rolled-back";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// An irsync that waits beside a good set and a bad one, which is shown.
fn with_two_sets(rig: &Rig, url: &str, keys: &str) -> Irsync {
    atomic(rig, url, keys);
    // Of different lengths: both may be made within one second.
    for text in ["good", "worse"] {
        rig.write("served/which", text);
        let once = rig.run(&["once"]);
        assert!(once.status.success(), "{}", said(&once));
        assert_eq!(rig.read("card/media/which"), text);
    }
    let irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    irsync
}

#[test]
fn the_set_before_is_shown_until_resume_and_a_restart_does_not_bring_the_bad_one_back() {
    let Some(rig) = real("rollback") else { return };
    let daemon = rig.daemon("read only = yes");
    let hook = "run_on_change = sh -c 'cat DIR/card/media/which >>DIR/told; echo >>DIR/told'";
    let mut irsync = with_two_sets(&rig, &daemon.url(), hook);
    assert_eq!(rig.read("told"), "good\nworse\n");
    let back = rig.run(&["rollback", "media"]);
    assert_eq!(back.status.code(), Some(0), "{}", said(&back));
    assert!(said(&back).contains("the set before is shown again; no sync starts until `irsync resume media`"));
    assert_eq!(rig.read("card/media/which"), "good");
    wait_until("the hook", || rig.read("told").ends_with("worse\ngood\n"));

    // Status, JSON, history and log tell it.
    wait_until("the status", || rig.status("media", "rolled_back").as_deref() == Some("yes"));
    let status = rig.run(&["status"]);
    assert!(status.status.success(), "a paused job is not stale");
    assert!(said(&status).contains("paused, rolled back"), "{}", said(&status));
    assert!(said(&rig.run(&["status", "--json"])).contains("\"rolled_back\":true"));
    let history = said(&rig.run(&["history", "media"]));
    assert!(history.contains("the set before is shown again"), "{history}");
    assert!(irsync.log_has("the set before is shown again"));

    for command in ["now", "allow"] {
        let refused = rig.run(&[command, "media"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("media is rolled back: `irsync resume media`"), "{}", said(&refused));
    }
    let syncs = irsync.count("sync success");
    irsync.signal(Signal::SIGUSR1);
    irsync.stop();
    assert_eq!(irsync.count("sync success"), syncs, "it synced although it was rolled back: {}", irsync.log());

    // Neither a restart nor `irsync once` knows of the pause but by the mark.
    let once = rig.run(&["once"]);
    assert_eq!(once.status.code(), Some(1));
    assert!(
        said(&once).contains("sync skipped: rollback, `irsync resume media` lets it sync again"),
        "{}",
        said(&once)
    );
    let mut irsync = rig.start(&["run"]);
    wait_until("the job to be paused", || rig.status("media", "state").as_deref() == Some("paused"));
    assert_eq!(rig.status("media", "rolled_back").as_deref(), Some("yes"));
    assert_eq!(rig.read("card/media/which"), "good");

    rig.write("served/which", "mended");
    assert_eq!(rig.run(&["resume", "media"]).status.code(), Some(0));
    wait_until("the mended set", || rig.read("card/media/which") == "mended");
    assert!(!rig.path(MARK).exists());
    wait_until("the good set to be the one before", || rig.read("card/.media.irsync-previous/which") == "good");
    irsync.stop();
}

#[test]
fn a_second_rollback_goes_forward_again_and_what_cannot_be_rolled_back_is_said() {
    let Some(rig) = real("rollback-twice") else { return };
    let daemon = rig.daemon("read only = yes");
    let other = format!(
        "[plain]\nsource = {}\ndestination = DIR/plain/\n[off]\nenabled = no\nsource = /x\ndestination = /y\n",
        daemon.url()
    );
    rig.write("served/which", "only");
    atomic(&rig, &daemon.url(), &other);
    assert!(rig.run(&["once"]).status.success());
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    for (job, why) in [
        ("media", "there is no set before that of"),
        ("plain", "plain is not atomic"),
        ("off", "off is disabled"),
        ("medai", "no such job: medai"),
    ] {
        let refused = rig.run(&["rollback", job]);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    assert_eq!(rig.run(&["rollback"]).status.code(), Some(2));
    // A refusal pauses nothing.
    rig.write("served/which", "second");
    wait_until("the second set", || rig.read("card/media/which") == "second");
    irsync.stop();
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    for shown in ["only", "second", "only"] {
        let back = rig.run(&["rollback", "media"]);
        assert_eq!(back.status.code(), Some(0), "{}", said(&back));
        assert_eq!(rig.read("card/media/which"), shown);
    }
    irsync.stop();
    let none = rig.run(&["rollback", "media"]);
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));
}

#[test]
fn a_sync_that_runs_gives_way_and_what_it_has_fetched_changes_neither_set() {
    let Some(rig) = real("rollback-busy") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/kept", "kept");
    let mut irsync = with_two_sets(&rig, &daemon.url(), "");
    irsync.stop();
    let slow = rig.read("irsync.ini").replace("-rltp", "-rltp --bwlimit=2000");
    fs::write(rig.path("irsync.ini"), slow).unwrap();
    rig.write("served/which", "the third");
    big_file(&rig, "served/big", 8000);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("card/.media.irsync-staging"));
    let back = rig.run(&["rollback", "media"]);
    assert_eq!(back.status.code(), Some(0), "{}", said(&back));
    irsync.wait_log("rsync: its owner wants to see the set before; ending it");
    let good = || BTreeSet::from(["good".to_owned(), "kept".to_owned()]);
    assert_eq!(contents(&rig.path("card/media")).unwrap(), good());
    assert!(rig.rsync_processes().is_empty(), "{:?}", rig.rsync_processes());

    // The third set goes on from what was fetched, and its files are none of the other two sets'.
    fs::write(rig.path("irsync.ini"), rig.read("irsync.ini").replace(" --bwlimit=2000", "")).unwrap();
    assert_eq!(rig.run(&["reload"]).status.code(), Some(0));
    let bad = rig.path("card/.media.irsync-previous/kept");
    let before = fs::metadata(&bad).unwrap();
    let chmod = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(rig.path("served/kept"), chmod).unwrap();
    assert_eq!(fs::read_dir(rig.path("card/.media.irsync-previous")).unwrap().count(), 2);
    assert_eq!(rig.run(&["resume"]).status.code(), Some(0));
    wait_until("the third set", || rig.read("card/media/which") == "the third");
    irsync.wait_count("sync success", 1);
    assert_eq!(
        before.mode() & 0o777,
        fs::metadata(rig.path("card/.media.irsync-previous/kept")).unwrap().mode() & 0o777
    );
    assert_eq!(contents(&rig.path("card/.media.irsync-previous")).unwrap(), good());
    irsync.stop();
}

/// Tells the reader to end, also where a story fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_reader_sees_one_set_or_the_other_while_they_change_places() {
    let Some(rig) = real("rollback-reader") else { return };
    let daemon = rig.daemon("read only = yes");
    atomic(&rig, &daemon.url(), "");
    for text in ["good", "worse"] {
        (0..20).for_each(|n| drop(rig.write(&format!("served/{n}"), text)));
        assert!(rig.run(&["once"]).status.success());
    }
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let (done, live) = (AtomicBool::new(false), rig.path("card/media"));
    std::thread::scope(|scope| {
        let end = End(&done);
        let reader = scope.spawn(|| {
            let (mut seen, mut looks) = (BTreeSet::new(), 0);
            while !done.load(Ordering::SeqCst) {
                let found = contents(&live).expect("the live set is gone");
                assert_eq!(found.len(), 1, "half of one set, half of the other: {found:?}");
                seen.extend(found);
                looks += 1;
            }
            (seen, looks)
        });
        for _ in 0..exchanges(6) {
            let back = rig.run(&["rollback", "media"]);
            assert_eq!(back.status.code(), Some(0), "{}", said(&back));
        }
        drop(end);
        let (seen, looks) = reader.join().expect("the reader saw a mixture");
        assert!(seen.len() == 2 && looks > 10, "{looks} looks, {seen:?}");
    });
    irsync.stop();
}
