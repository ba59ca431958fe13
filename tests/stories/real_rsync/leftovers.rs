//! What rsync leaves behind in a destination, and what irsync does about it.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::mount::{Exfat, Tmpfs};
use crate::common::{is_root, process, wait_until};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;

/// The names in a folder, sorted.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn card_that_a_partial_has_filled_recovers_by_itself() {
    if !is_root("card_that_a_partial_has_filled_recovers_by_itself") {
        return;
    }
    let Some(rig) = real("leftovers-card") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/too-big.bin", 8 << 10);
    let tmpfs = Tmpfs::new(&rig.path("card"), "4m");
    media(&rig, &daemon.url(), "DIR/card/", "options = -rlt --partial-dir=.partial");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync disk: code 11", 1);
    irsync.wait_log("card/.partial/too-big.bin, 4.0 MiB, which a sync has left behind");
    // The owner of the server sees that it was too much.
    big_file(&rig, "served/fits.bin", 3 << 10);
    std::fs::remove_file(rig.path("served/too-big.bin")).unwrap();
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/fits.bin", "card/fits.bin"));
    assert_eq!(names(&rig.path("card")), ["fits.bin"]);
    irsync.stop();
    drop(tmpfs);
}

#[test]
fn the_half_file_of_a_killed_rsync_is_put_aside_and_nothing_else() {
    let Some(rig) = real("leftovers-strays") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/sub/big.bin", 4000);
    // A file of the set with such a name, and one of an rsync that another program runs.
    rig.write("served/sub/.settings.x86a64", "content");
    std::fs::set_permissions(rig.path("served/sub/.settings.x86a64"), std::fs::Permissions::from_mode(0o600)).unwrap();
    rig.write("dest/.other.bin.aB3dEf", "half");
    std::fs::set_permissions(rig.path("dest/.other.bin.aB3dEf"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let other = std::fs::File::open(rig.path("dest/.other.bin.aB3dEf")).unwrap();
    media(
        &rig,
        &daemon.url(),
        "DIR/dest/",
        "options = -rlpt --bwlimit=1000 --partial-dir=.partial\nbackoff_initial = 1h\nbackoff_max = 1h",
    );
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest/sub"));
    for process in rig.rsync_processes().iter().filter(|process| !process.command.contains("--daemon")) {
        process::send(process.pid, Signal::SIGKILL);
    }
    irsync.wait_log("sync transient");
    let names = names(&rig.path("dest/sub"));
    assert!(!names.iter().any(|name| name.starts_with(".big.bin.")), "{names:?}: {}", irsync.log());
    assert_eq!(irsync.count("which a sync has left behind: the next one goes on from it"), 1, "{}", irsync.log());
    let aside = std::fs::metadata(rig.path("dest/sub/.partial/big.bin")).expect("it is put aside").len();
    assert!(aside > 64 << 10, "{aside}");
    assert!(rig.path("dest/.other.bin.aB3dEf").exists(), "somebody has it open");
    drop(other);
    assert!(rig.run(&["now"]).status.success());
    irsync.wait_log("sync success");
    // The server's last block is shorter than the partial's, and is fetched again.
    let log = irsync.log();
    let resumed = log.split("resumed from ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(resumed.is_some_and(|bytes| bytes <= aside && aside - bytes < 8 << 10), "{resumed:?} of {aside}: {log}");
    assert!(same(&rig, "served/sub/.settings.x86a64", "dest/sub/.settings.x86a64"));
    assert!(same(&rig, "served/sub/big.bin", "dest/sub/big.bin"));
    irsync.stop();
}

#[test]
fn what_earlier_irsyncs_have_left_goes_with_the_first_success_and_is_not_looked_for_again() {
    let Some(rig) = real("leftovers-old") else { return };
    let daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    for name in ["dest/sub/.gone.bin.aB3dEf", "dest/sub/.partial/gone.bin", "dest/.partial/gone.too", "dest/kept"] {
        let path = rig.write(name, "half");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // The inode of the stray has to be older than what may be at work: only the clock can do that.
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --partial-dir=.partial\ninterval = 50ms");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 3);
    assert_eq!(irsync.count("which a sync has left behind"), 2, "{}", irsync.log());
    assert!(!rig.path("dest/.partial").exists() && !rig.path("dest/sub/.partial").exists());
    assert!(rig.path("dest/kept").exists());
    assert!(rig.path("dest/sub/.gone.bin.aB3dEf").exists(), "too young to be sure of");
    // Made behind irsync's back: no reason to look.
    rig.write("dest/.partial/later", "half");
    let before = irsync.count("sync success");
    irsync.wait_count("sync success", before + 3);
    assert!(rig.path("dest/.partial/later").exists(), "{}", irsync.log());
    irsync.stop();
}

#[test]
fn the_stray_of_a_single_file_is_removed() {
    let Some(rig) = real("leftovers-single") else { return };
    let daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", 4000);
    std::fs::create_dir(rig.path("card")).unwrap();
    let keys = "options = -lpt --bwlimit=100\nbackoff_initial = 1h\nbackoff_max = 1h";
    media(&rig, &format!("{}big.bin", daemon.url()), "DIR/card/film.bin", keys);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("card"));
    for process in rig.rsync_processes().iter().filter(|process| !process.command.contains("--daemon")) {
        process::send(process.pid, Signal::SIGKILL);
    }
    irsync.wait_log("sync transient");
    assert_eq!(names(&rig.path("card")), [""; 0], "{}", irsync.log());
    irsync.stop();
}

/// rsync#113, lipsync#38: names and links that the card has no room for, and what a killed sync leaves there.
#[test]
fn exfat_takes_all_but_some_names_and_links_and_is_kept_clean() {
    const STORY: &str = "exfat_takes_all_but_some_names_and_links_and_is_kept_clean";
    if !is_root(STORY) {
        return;
    }
    let Some(rig) = real("leftovers-exfat") else { return };
    let Some(_card) = Exfat::new(STORY, &rig.path("card")) else { return };
    let daemon = rig.daemon("read only = yes");
    for name in ["a:b", "what?", "plain"] {
        rig.write(&format!("served/{name}"), name);
    }
    let ini = |keys: &str| media(&rig, &daemon.url(), "DIR/card/set/", &format!("options = -rlt {keys}"));
    ini("");
    std::os::unix::fs::symlink("plain", rig.path("served/link")).unwrap();
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync partial: code 23 (RERR_PARTIAL), trouble with links, names");
    wait_until("the status", || rig.status("media", "last_kind").as_deref() == Some("names"));
    irsync.stop();
    assert_eq!(names(&rig.path("card/set")), ["plain"]);

    const ACCEPTED: &str = "--partial-dir=.partial\naccept = names, links\nbackoff_initial = 1h\nbackoff_max = 1h";
    ini(&format!("--bwlimit=100 {ACCEPTED}"));
    big_file(&rig, "served/sub/big.bin", 4000);
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("card/set/sub"));
    for process in rig.rsync_processes().iter().filter(|process| !process.command.contains("--daemon")) {
        process::send(process.pid, Signal::SIGKILL);
    }
    irsync.wait_log("sync transient");
    let left = names(&rig.path("card/set/sub"));
    assert!(!left.iter().any(|name| name.starts_with(".big.bin.")), "{left:?}: {}", irsync.log());
    ini(ACCEPTED);
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("accepted: links, names");
    assert!(same(&rig, "served/sub/big.bin", "card/set/sub/big.bin"));
    assert_eq!(names(&rig.path("card/set/sub")), ["big.bin"]);
    irsync.stop();
}
