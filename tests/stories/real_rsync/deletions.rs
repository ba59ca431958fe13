//! Deletions are counted before they are made: what empties or shrinks the set is held, everything else goes on.

use super::{media, real};
use crate::common::mount::Tmpfs;
use crate::common::{is_root, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::fs;

/// `count` files in a folder of the story.
fn fill(rig: &Rig, folder: &str, count: usize) {
    (0..count).for_each(|n| drop(rig.write(&format!("{folder}/file-{n}"), format!("{folder} {n}"))));
}

fn files(rig: &Rig, folder: &str) -> usize {
    fs::read_dir(rig.path(folder)).map_or(0, |entries| entries.flatten().count())
}

/// In one moment: a sync that sees it half empty would be right to delete the other half.
fn empty(rig: &Rig, folder: &str) {
    let gone = rig.path("gone");
    let _ = fs::remove_dir_all(&gone);
    fs::rename(rig.path(folder), gone).unwrap();
    fs::create_dir(rig.path(folder)).unwrap();
}

fn sync_again(irsync: &mut Irsync, rig: &Rig, outcome: &str) {
    let before: u64 = rig.status("media", "runs").unwrap().parse().unwrap();
    irsync.signal(Signal::SIGUSR1);
    wait_until("one more sync", || rig.status("media", "runs").and_then(|n| n.parse().ok()) > Some(before));
    assert_eq!(rig.status("media", "last_outcome").as_deref(), Some(outcome), "{}", irsync.log());
}

/// A device that has 50 files of its server.
fn device(story: &'static str, options: &str, keys: &str) -> Option<(Rig, crate::common::daemon::Daemon, Irsync)> {
    let rig = real(story)?;
    let daemon = rig.daemon("read only = yes");
    fill(&rig, "served", 50);
    media(&rig, &daemon.url(), "DIR/dest/", &format!("options = -rlt {options}\n{keys}"));
    let irsync = rig.start(&["run"]);
    wait_until("the first sync", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    assert_eq!(files(&rig, "dest"), 50);
    Some((rig, daemon, irsync))
}

#[test]
fn an_emptied_server_deletes_nothing_however_often_it_is_asked() {
    for options in ["--delete", "--delete --max-delete=5", "--delete-before", "--del --max-delete=1000"] {
        let Some((rig, _daemon, mut irsync)) = device("held-emptied", options, "interval = 10ms") else { return };
        empty(&rig, "served");
        wait_until("many syncs", || rig.status("media", "runs_held").and_then(|n| n.parse().ok()) > Some(20));
        assert_eq!(files(&rig, "dest"), 50, "{options}");
        assert_eq!(rig.status("media", "held").as_deref(), Some("50"));
        let told = irsync.log().lines().filter(|line| line.contains("[WARN]") && line.contains("are held")).count();
        assert_eq!(told, 1, "told once, not at every sync:\n{}", irsync.log());
        let status = rig.run(&["status"]);
        assert_eq!(status.status.code(), Some(1));
        let shown = String::from_utf8_lossy(&status.stdout);
        assert!(
            shown.contains("50 deletions are held")
                && shown.contains("; only if the deletions are meant: irsync allow media"),
            "{shown}"
        );

        // The server is in order again.
        fill(&rig, "served", 50);
        wait_until("success", || rig.status("media", "last_outcome").as_deref() == Some("success"));
        assert_eq!(rig.status("media", "held").as_deref(), Some("0"));
        irsync.stop();
    }
}

/// A slow `rm -rf` on the server: each sync sees a few files less.
#[test]
fn a_server_that_is_emptied_step_by_step_is_held_and_rotation_is_not() {
    let Some((rig, daemon, mut irsync)) = device("held-slowly", "--delete", "") else { return };
    // First all names change, a few at a time.
    for n in (0..50).step_by(10) {
        (n..n + 10).for_each(|n| {
            fs::rename(rig.path(&format!("served/file-{n}")), rig.path(&format!("served/other-{n}"))).unwrap();
        });
        sync_again(&mut irsync, &rig, "success");
    }
    for n in (0..45).step_by(5) {
        (n..n + 5).for_each(|n| fs::remove_file(rig.path(&format!("served/other-{n}"))).unwrap());
        sync_again(&mut irsync, &rig, "success");
    }
    assert_eq!(files(&rig, "dest"), 5);
    // A change of something else is no other set.
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --delete\nhook_timeout = 7s");
    let runs = rig.status("media", "runs");
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("0 jobs added, 1 changed");
    wait_until("a sync after the reload", || rig.status("media", "runs") > runs);
    // Of five files three are more than a tenth, and of fifty they are not.
    (45..47).for_each(|n| fs::remove_file(rig.path(&format!("served/other-{n}"))).unwrap());
    sync_again(&mut irsync, &rig, "held");
    irsync.wait_log(
        "2 deletions are held (fewer files would be left than max_shrink allows of those there were within a day)",
    );
    assert_eq!(files(&rig, "dest"), 5);
    fs::remove_dir_all(rig.path("served")).unwrap();
    fs::create_dir(rig.path("served")).unwrap();
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest"), 5);
    fill(&rig, "served", 50);
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(files(&rig, "dest"), 50);
    irsync.stop();
}

#[test]
fn deletions_within_the_limits_are_made_and_new_files_come_all_the_same() {
    let Some((rig, _daemon, mut irsync)) = device("held-fit", "--delete --max-delete=10", "") else { return };
    (0..10).for_each(|n| fs::remove_file(rig.path(&format!("served/file-{n}"))).unwrap());
    rig.write("served/new", "new");
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(files(&rig, "dest"), 41);
    assert_eq!(rig.read("dest/new"), "new");
    assert!(irsync.log().contains("10 deleted"), "{}", irsync.log());

    // One more than the owner's limit: all of them wait, and the rest goes on.
    (10..21).for_each(|n| fs::remove_file(rig.path(&format!("served/file-{n}"))).unwrap());
    rig.write("served/newer", "newer");
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest"), 42);
    assert_eq!(rig.read("dest/newer"), "newer");
    irsync.stop();
}

#[test]
fn a_swapped_set_goes_through_and_nested_folders_are_deleted_whole() {
    let Some((rig, _daemon, mut irsync)) = device("held-swap", "--delete", "") else { return };
    empty(&rig, "served");
    fill(&rig, "served/a/b", 25);
    fill(&rig, "served/c", 25);
    sync_again(&mut irsync, &rig, "success");
    assert_eq!((files(&rig, "dest/a/b"), files(&rig, "dest/c"), files(&rig, "dest")), (25, 25, 2));
    // A tree of folders goes, more than a tenth is left.
    fs::remove_dir_all(rig.path("served/a")).unwrap();
    sync_again(&mut irsync, &rig, "success");
    assert!(!rig.path("dest/a").exists());
    assert_eq!(files(&rig, "dest/c"), 25);
    // 25 files in a folder, which is counted as well: only empty folders are left.
    empty(&rig, "served/c");
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest/c"), 25);
    irsync.stop();
}

#[test]
fn a_file_takes_the_place_of_a_folder() {
    let Some((rig, _daemon, mut irsync)) = device("held-place", "--delete", "") else { return };
    fill(&rig, "served/thing", 3);
    sync_again(&mut irsync, &rig, "success");
    fs::remove_dir_all(rig.path("served/thing")).unwrap();
    rig.write("served/thing", "now a file");
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(rig.read("dest/thing"), "now a file");
    irsync.stop();
}

#[test]
fn the_owner_allows_what_is_held_and_no_more() {
    let Some((rig, _daemon, mut irsync)) = device("held-allow", "--delete", "") else { return };
    let refused = rig.run(&["allow", "media"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no deletions are held"), "{refused:?}");

    (4..50).for_each(|n| fs::remove_file(rig.path(&format!("served/file-{n}"))).unwrap());
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(rig.status("media", "held").as_deref(), Some("46"));
    // Before he says so, one more goes.
    fs::remove_file(rig.path("served/file-3")).unwrap();
    assert_eq!(rig.run(&["allow", "media"]).status.code(), Some(0));
    wait_until("47 to be held", || rig.status("media", "held").as_deref() == Some("47"));
    assert_eq!(files(&rig, "dest"), 50);

    assert_eq!(rig.run(&["allow", "media"]).status.code(), Some(0));
    wait_until("success", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    assert_eq!(files(&rig, "dest"), 3);
    // It was used up.
    empty(&rig, "served");
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest"), 3);
    irsync.stop();
}

#[test]
fn max_shrink_off_never_holds_and_the_owners_own_limit_still_does() {
    let Some((rig, _daemon, mut irsync)) = device("held-off", "--delete", "max_shrink = off") else { return };
    empty(&rig, "served");
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(files(&rig, "dest"), 0);
    irsync.stop();
    let keys = "max_shrink = off";
    let Some((rig, _daemon, mut irsync)) = device("held-off-limit", "--delete --max-delete=49", keys) else { return };
    empty(&rig, "served");
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest"), 50);
    irsync.stop();
}

#[test]
fn a_sync_without_deletions_costs_one_pass() {
    let Some((rig, _daemon, mut irsync)) = device("held-cost", "--delete", "") else { return };
    let passes = || rig.read("rsyncd.log").lines().filter(|line| line.contains("rsync on ")).count();
    assert_eq!(passes(), 1, "{}", rig.read("rsyncd.log"));
    rig.write("served/new", "new");
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(passes(), 2, "{}", rig.read("rsyncd.log"));
    fs::remove_file(rig.path("served/new")).unwrap();
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(passes(), 4, "{}", rig.read("rsyncd.log"));
    irsync.stop();
}

#[test]
fn a_full_card_deletes_first() {
    if !is_root("a_full_card_deletes_first") {
        return;
    }
    let Some(rig) = real("held-full") else { return };
    let daemon = rig.daemon("read only = yes");
    let _card = Tmpfs::new(&rig.path("card"), "4m");
    for n in 0..3 {
        rig.write(&format!("served/old-{n}"), vec![1u8; 1 << 20]);
    }
    media(&rig, &daemon.url(), "DIR/card/set/", "options = -rlt --delete");
    let mut irsync = rig.start(&["run"]);
    wait_until("the first sync", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    // The new set fits only where the old one was.
    for n in 0..3 {
        fs::remove_file(rig.path(&format!("served/old-{n}"))).unwrap();
        rig.write(&format!("served/new-{n}"), vec![2u8; 1 << 20]);
    }
    sync_again(&mut irsync, &rig, "success");
    let mut names: Vec<_> = fs::read_dir(rig.path("card/set")).unwrap().flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["new-0", "new-1", "new-2"]);

    // Where nothing is there to delete, what is told is that the card is full, not that counting went well.
    rig.write("served/new-3", vec![3u8; 2 << 20]);
    sync_again(&mut irsync, &rig, "disk");
    let told = (rig.status("media", "last_code"), rig.status("media", "last_why").unwrap_or_default());
    assert!(told.0.as_deref() == Some("11") && told.1.contains("No space left on device"), "{told:?}");
    let line = irsync.line("sync disk").unwrap();
    assert!(line.contains("code 11") && line.contains("no space left on the destination"), "{line}");
    assert!(!line.contains(" files") && !line.contains(" bytes"), "rsync did not say how much it transferred: {line}");
    irsync.stop();
}

#[test]
fn a_set_that_changes_as_a_whole_is_not_emptied_either() {
    let Some((rig, _daemon, mut irsync)) = device("held-atomic", "--delete", "atomic = yes") else { return };
    empty(&rig, "served");
    sync_again(&mut irsync, &rig, "held");
    assert_eq!(files(&rig, "dest"), 50);
    assert_eq!(rig.status("media", "held").as_deref(), Some("50"));
    assert_eq!(rig.run(&["allow", "media"]).status.code(), Some(0));
    wait_until("success", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    assert_eq!(files(&rig, "dest"), 0);
    // A tree that fits, and a file in the place of a folder.
    fill(&rig, "served/tree", 5);
    fill(&rig, "served", 5);
    sync_again(&mut irsync, &rig, "success");
    fs::remove_dir_all(rig.path("served/tree")).unwrap();
    rig.write("served/tree", "now a file");
    sync_again(&mut irsync, &rig, "success");
    assert_eq!(rig.read("dest/tree"), "now a file");
    irsync.stop();
}
