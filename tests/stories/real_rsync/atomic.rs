//! `atomic`: the set changes as a whole or not at all.

use super::{big_file, real, wait_mid_file};
use crate::common::mount::Tmpfs;
use crate::common::{is_root, wait_until, Rig};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(super) fn atomic(rig: &Rig, source: &str, keys: &str) {
    rig.ini(&format!(
        "rsync = rsync\n[media]\nsource = {source}\ndestination = DIR/card/media/\noptions = -rltp --delete\natomic = yes\n\
         interval = 50ms\n{keys}\n"
    ));
    fs::create_dir_all(rig.path("card")).unwrap();
}

/// Names in the folder beside the live set, without the live set.
pub(super) fn beside(rig: &Rig) -> BTreeSet<String> {
    let entries = fs::read_dir(rig.path("card")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "media").collect()
}

/// What a player that opens the folder once finds in its files: the different contents.
pub(super) fn contents(folder: &Path) -> Option<BTreeSet<String>> {
    let opened = fs::File::open(folder).ok()?;
    let inside = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let names = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name());
    let files = names.filter(|name| !name.as_bytes().starts_with(b"."));
    Some(files.map(|name| fs::read_to_string(inside.join(name)).expect("a file of the set is gone")).collect())
}

/// How often sets change places under the eyes of a reader; `IRSYNC_TEST_EXCHANGES=10000` for a campaign.
pub(super) fn exchanges(without: usize) -> usize {
    std::env::var("IRSYNC_TEST_EXCHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(without)
}

#[test]
fn a_reader_sees_the_old_set_or_the_new_one_and_nothing_else() {
    let Some(rig) = real("atomic-reader") else { return };
    let daemon = rig.daemon("read only = yes");
    // Of different lengths: two versions may be made within one second.
    let text = |version: usize| "x".repeat(version % 100 + 1);
    let last = exchanges(5);
    let serve = |version: usize| {
        for n in 0..20 {
            // Written beside and renamed, so that the server itself never has half a file.
            rig.write("next", text(version));
            fs::rename(rig.path("next"), rig.path(&format!("served/{n}"))).unwrap();
        }
    };
    serve(0);
    atomic(&rig, &daemon.url(), "enabled = yes");
    assert!(rig.run(&["once"]).status.success());
    let (done, looks, live) = (AtomicBool::new(false), AtomicUsize::new(0), rig.path("card/media"));
    std::thread::scope(|scope| {
        let (done, looks, live) = (&done, &looks, &live);
        let reader = scope.spawn(move || {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::SeqCst) {
                let found = contents(live).expect("the live set is gone");
                assert_eq!(found.len(), 1, "half old, half new: {found:?}");
                seen.extend(found);
                looks.fetch_add(1, Ordering::SeqCst);
            }
            seen
        });
        for version in 1..=last {
            serve(version);
            let output = rig.run(&["once"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // The set before is kept for a reader that is in it, until the next exchange and no longer. The second look from
            // now on began after this exchange.
            let before = looks.load(Ordering::SeqCst);
            wait_until("the reader", || looks.load(Ordering::SeqCst) > before + 1 || reader.is_finished());
        }
        done.store(true, Ordering::SeqCst);
        let (seen, looks) = (reader.join().expect("the reader saw a mixture"), looks.load(Ordering::SeqCst));
        assert!(looks >= 2 * last && seen.len() >= last.min(100), "{looks} looks, {seen:?}");
    });
    assert_eq!(contents(&rig.path("card/media")).unwrap(), BTreeSet::from([text(last)]));
    assert_eq!(contents(&rig.path("card/.media.irsync-previous")).unwrap(), BTreeSet::from([text(last - 1)]));
    assert_eq!(beside(&rig), BTreeSet::from([".media.irsync-previous".to_owned()]));
}

#[test]
fn a_sync_with_nothing_new_writes_nothing_and_what_is_the_same_is_shared() {
    let Some(rig) = real("atomic-same") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/same", "same");
    rig.write("served/other", "old");
    atomic(&rig, &daemon.url(), "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let look = |path: &str| {
        let file = fs::metadata(rig.path(path)).unwrap();
        (file.ino(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec())
    };
    let before = (look("card"), look("card/media"), look("card/media/same"));
    irsync.wait_count("sync success", 4);
    assert_eq!((look("card"), look("card/media"), look("card/media/same")), before);
    rig.write("served/other", "newer");
    wait_until("the new set", || rig.read("card/media/other") == "newer");
    assert_eq!(look("card/media/same").0, before.2 .0, "not copied");
    assert_eq!(fs::metadata(rig.path("card/media/same")).unwrap().nlink(), 2);
    irsync.stop();
}

#[test]
fn a_changed_mode_never_reaches_the_set_that_is_shown() {
    let Some(rig) = real("atomic-mode") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/file", "content");
    fs::set_permissions(rig.path("served/file"), fs::Permissions::from_mode(0o644)).unwrap();
    // It refuses the second set, whose folder stays: what is in it must not be shared with the live one.
    let refuse = "sh -c 'test ! -e DIR/refuse'";
    atomic(
        &rig,
        &daemon.url(),
        &format!("run_before_publish = {refuse}\nbackoff_max = 100ms\nbackoff_initial = 100ms"),
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    rig.write("refuse", "");
    rig.write("served/more", "more");
    irsync.wait_count("sync skipped: run_before_publish", 1);
    for mode in [0o600, 0o640] {
        fs::set_permissions(rig.path("served/file"), fs::Permissions::from_mode(mode)).unwrap();
        irsync.wait_count("sync skipped: run_before_publish", irsync.count("sync skipped") + 2);
        let mode = fs::metadata(rig.path("card/media/file")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "the live set was changed");
        assert!(!rig.path("card/media/more").exists());
    }
    fs::remove_file(rig.path("refuse")).unwrap();
    wait_until("the new set", || rig.path("card/media/more").exists());
    let mode = fs::metadata(rig.path("card/media/file")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    irsync.stop();
}

#[test]
fn an_interrupted_set_is_continued_and_never_shown() {
    let Some(rig) = real("atomic-continued") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a", "old");
    atomic(&rig, &daemon.url(), "");
    assert!(rig.run(&["once"]).status.success());
    rig.write("served/a", "newer");
    big_file(&rig, "served/b", 3000);
    big_file(&rig, "served/c", 3000);
    let slow = rig.read("irsync.ini").replace("-rltp", "-rltp --bwlimit=4000");
    fs::write(rig.path("irsync.ini"), slow).unwrap();
    let mut irsync = rig.start(&["run"]);
    wait_until("one big file", || rig.path("card/.media.irsync-staging/b").exists());
    wait_mid_file(&rig.path("card/.media.irsync-staging"));
    irsync.signal(Signal::SIGKILL);
    irsync.wait();
    assert_eq!(rig.read("card/media/a"), "old");
    let fetched = fs::metadata(rig.path("card/.media.irsync-staging/b")).unwrap().ino();
    // What the killed one has left is ended first.
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    assert_eq!(rig.read("card/media/a"), "newer");
    assert_eq!(fs::metadata(rig.path("card/media/b")).unwrap().ino(), fetched, "fetched twice");
    irsync.stop();
}

#[test]
fn rsync_as_another_user_needs_no_right_to_the_parent_folder() {
    if !is_root("rsync_as_another_user_needs_no_right_to_the_parent_folder") {
        return;
    }
    let Some(rig) = real("atomic-user") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/same", "same");
    rig.write("served/which", "old");
    atomic(&rig, &daemon.url(), "user = 65534");
    for text in ["old", "newer", "newest"] {
        rig.write("served/which", text);
        let once = rig.run(&["once"]);
        assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
        assert_eq!(rig.read("card/media/which"), text);
        for name in ["", "which", "same"] {
            assert_eq!(fs::metadata(rig.path("card/media").join(name)).unwrap().uid(), 65534, "{name}");
        }
    }
    assert_eq!(fs::metadata(rig.path("card")).unwrap().uid(), 0);
    assert!(fs::metadata(rig.path("card/media/same")).unwrap().nlink() > 1, "shared with the set before");
    assert_eq!(beside(&rig), BTreeSet::from([".media.irsync-previous".to_owned()]));
}

#[test]
fn a_destination_that_cannot_be_exchanged_is_refused_by_check_and_by_the_sync() {
    if !is_root("a_destination_that_cannot_be_exchanged_is_refused_by_check_and_by_the_sync") {
        return;
    }
    let Some(rig) = real("atomic-mount") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a", "a");
    atomic(&rig, &daemon.url(), "");
    let card = Tmpfs::new(&rig.path("card/media"), "1m");
    let check = rig.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(78), "{said}");
    assert!(said.contains("is a mount point, which cannot be exchanged"), "{said}");
    let once = rig.run(&["once"]);
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(said.contains("sync permanent") && said.contains("is a mount point"), "{said}");
    assert!(!rig.path("card/media/a").exists());
    drop(card);
    assert!(rig.run(&["check"]).status.success());
    assert_eq!(beside(&rig), BTreeSet::new(), "check left something behind");
}

#[test]
fn deletions_are_judged_before_a_new_set_is_built_and_a_full_disk_shows_no_part_of_one() {
    if !is_root("deletions_are_judged_before_a_new_set_is_built_and_a_full_disk_shows_no_part_of_one") {
        return;
    }
    let Some(rig) = real("atomic-deletions") else { return };
    let daemon = rig.daemon("read only = yes");
    for n in 0..10 {
        rig.write(&format!("served/{n}"), "old");
    }
    let card = Tmpfs::new(&rig.path("card"), "400k");
    atomic(&rig, &daemon.url(), "backoff_initial = 100ms\nbackoff_max = 100ms");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    fs::remove_file(rig.path("served/9")).unwrap();
    wait_until("the new set", || !rig.path("card/media/9").exists());
    assert_eq!(contents(&rig.path("card/media")).unwrap(), BTreeSet::from(["old".to_owned()]));
    rig.write("served/0", "newer");
    fs::remove_file(rig.path("served/8")).unwrap();
    irsync.wait_log(", 1 file, ");
    assert_eq!(irsync.count(", 2 files, "), 0, "what was looked at counts as fetched: {}", irsync.log());
    rig.write("served/8", "old");
    wait_until("the new set", || rig.path("card/media/8").exists());
    for n in 0..9 {
        fs::rename(rig.path(&format!("served/{n}")), rig.path(&format!("kept-{n}"))).unwrap();
    }
    irsync.wait_count("sync held", 1);
    assert_eq!(fs::read_dir(rig.path("card/media")).unwrap().count(), 9);
    for n in 0..9 {
        fs::rename(rig.path(&format!("kept-{n}")), rig.path(&format!("served/{n}"))).unwrap();
    }
    irsync.wait_count("sync success", irsync.count("sync success") + 1);
    fs::remove_file(rig.path("served/8")).unwrap();
    big_file(&rig, "served/big", 600);
    irsync.wait_count("sync disk", 3);
    assert_eq!(fs::read_dir(rig.path("card/media")).unwrap().count(), 9, "the old set, whole");
    card.remount("size=4m");
    wait_until("the new set", || rig.path("card/media/big").exists());
    assert_eq!(fs::read_dir(rig.path("card/media")).unwrap().count(), 9);
    irsync.stop();
}

#[test]
fn jobs_beside_one_another_have_sets_of_their_own() {
    let Some(rig) = real("atomic-jobs") else { return };
    let daemon = rig.daemon("read only = yes");
    let serve = |text: &str| {
        rig.write("next", text);
        fs::rename(rig.path("next"), rig.path("served/a")).unwrap();
    };
    serve("old");
    atomic(&rig, &daemon.url(), "");
    let ini = rig.read("irsync.ini");
    let other = ini[ini.find("[media]").unwrap()..].replace("[media]", "[films]").replace("card/media/", "card/films/");
    fs::write(rig.path("irsync.ini"), ini + &other).unwrap();
    let mut irsync = rig.start(&["run"]);
    for text in ["old", "newer", "newest"] {
        serve(text);
        for set in ["media", "films"] {
            wait_until("the set", || contents(&rig.path("card").join(set)) == Some(BTreeSet::from([text.to_owned()])));
        }
    }
    // It is refused until the new set is shown for good.
    wait_until("the rollback", || rig.run(&["rollback", "media"]).status.success());
    assert_eq!((rig.read("card/media/a").as_str(), rig.read("card/films/a").as_str()), ("newer", "newest"));
    irsync.stop();
    let names: BTreeSet<String> = beside(&rig).into_iter().filter(|name| name.ends_with("-previous")).collect();
    assert_eq!(names, BTreeSet::from([".films.irsync-previous".to_owned(), ".media.irsync-previous".to_owned()]));
}

#[test]
fn no_new_set_is_begun_where_there_is_less_room_than_min_free() {
    if !is_root("no_new_set_is_begun_where_there_is_less_room_than_min_free") {
        return;
    }
    let Some(rig) = real("atomic-room") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/a", "a");
    let card = Tmpfs::new(&rig.path("card"), "1m");
    atomic(&rig, &daemon.url(), "min_free = 2M\nbackoff_initial = 100ms\nbackoff_max = 100ms");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync skipped: min_free, ");
    assert_eq!(fs::read_dir(rig.path("card")).unwrap().count(), 0);
    card.remount("size=8m");
    wait_until("the set", || rig.path("card/media/a").exists());
    card.remount("size=1m");
    rig.write("served/a", "newer");
    irsync.wait_count("sync skipped: min_free", irsync.count("sync skipped: min_free") + 1);
    assert_eq!(rig.read("card/media/a"), "a");
    assert_eq!(beside(&rig), BTreeSet::new());
    irsync.stop();
}
