//! What keeps a sync from starting, and how that is told.

use super::{look, row};
use crate::common::{is_root, mount::Tmpfs, wait_until, Rig};

#[test]
fn an_absent_card_does_not_fill_the_root() {
    let rig = Rig::new("require-mount");
    rig.write("card/.keep", "");
    rig.ini("[media]\nrequire_mount = DIR/card\nsource = /ok\ndestination = DIR/card/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the refusal", || rig.status("media", "last_outcome").as_deref() == Some("skipped"));
    assert_eq!(rig.status("media", "last_reason").as_deref(), Some("require_mount"));
    assert!(!rig.path("card/media").exists(), "rsync was started");
    let card = rig.path("card");
    irsync.wait_log("media: sync skipped: require_mount, ");
    let line = irsync.line("sync skipped: require_mount").unwrap();
    assert!(line.contains(card.to_str().unwrap()), "{line}");
    let (text, code) = look(&rig);
    assert_eq!(code, Some(1), "{text}");
    assert!(row(&text, "media").iter().any(|cell| cell.starts_with("skipped, require_mount")), "{text}");
    if is_root("an_absent_card_does_not_fill_the_root (the card comes)") {
        let _mounted = Tmpfs::new(&card, "1m");
        wait_until("a success", || rig.status("media", "last_outcome").as_deref() == Some("success"));
        assert_eq!(rig.fake("card/media").runs(), 1);
        irsync.stop();
    }
}

#[test]
fn a_destination_without_room_for_another_file_is_full() {
    if !is_root("a_destination_without_room_for_another_file_is_full") {
        return;
    }
    let rig = Rig::new("inodes");
    let _disk = Tmpfs::new(&rig.path("disk"), "4m,nr_inodes=2");
    std::fs::write(rig.path("disk/last"), "").unwrap();
    rig.ini("[media]\nmin_free = 1M\nsource = /ok\ndestination = DIR/disk/media\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync skipped: min_free, ");
    let line = irsync.line("sync skipped: min_free").unwrap();
    assert!(line.contains("(inodes)"), "{line}");
    irsync.stop();
}

#[test]
fn a_full_destination_is_not_filled_further() {
    if !is_root("a_full_destination_is_not_filled_further") {
        return;
    }
    let rig = Rig::new("min-free");
    let disk = Tmpfs::new(&rig.path("disk"), "4m");
    rig.ini("[media]\nmin_free = 2M\nsource = /ok\ndestination = DIR/disk/media\n");
    let filler = disk.fill();
    let mut irsync = rig.start(&["run"]);
    wait_until("the refusal", || rig.status("media", "last_outcome").as_deref() == Some("skipped"));
    assert_eq!(rig.status("media", "last_reason").as_deref(), Some("min_free"));
    irsync.wait_log("media: sync skipped: min_free, ");
    let line = irsync.line("sync skipped: min_free").unwrap();
    assert!(line.contains("less than the 2.0 MiB of min_free"), "{line}");
    assert!(!rig.path("disk/media").exists(), "rsync was started");
    std::fs::remove_file(filler).unwrap();
    wait_until("a success", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    irsync.stop();
}
