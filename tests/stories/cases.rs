//! Public reports, each by its name on GitHub, with the smallest input that shows what it is about. Each stands for its
//! kind. What the lines on stderr say was seen with rsync 3.5.0.

use crate::common::{daemon, is_root, remove_folder, skipped, wait_until, Rig};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::{fs, thread};

/// A job `media` of the fake rsync; `keys` are lines of its section.
fn fake(rig: &Rig, source: &str, keys: &str) {
    rig.ini(&format!("interval = 50ms\n[media]\nsource = {source}\ndestination = DIR/dest\n{keys}\n"));
}

/// A hook that leaves a line in `DIR/hooks`.
const HOOK: &str = "run_on_change = sh -c 'echo $IRSYNC_CHANGED >>DIR/hooks'";

fn hooks(rig: &Rig) -> usize {
    rig.read("hooks").lines().count()
}

/// rsync#383, duplicacy#540: rsync ends well and has copied nothing.
#[test]
fn rsync_383_a_list_of_modules_or_half_of_the_statistics_is_no_success() {
    for behaviour in ["lists-modules", "half-statistics"] {
        let rig = Rig::new("case-no-proof");
        fake(&rig, &format!("/{behaviour} /until-go"), HOOK);
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("sync transient: code 0 (RERR_OK), rsync ended well, but copied nothing");
        assert!(!irsync.log_has("sync success"), "{}", irsync.log());
        rig.write("dest/go", "");
        irsync.wait_log("sync success");
        assert_eq!(hooks(&rig), 0);
        irsync.stop();
    }
}

/// The same kind: a server may end the connection with code 0, and its message of the day may say anything.
#[test]
fn a_server_that_says_good_bye_has_copied_nothing_whatever_its_message_says() {
    if !daemon::has_rsync("case-exit") {
        return;
    }
    const MESSAGE: &str = "Number of files: 6\nNumber of regular files transferred: 4\nTotal file size: 9 bytes\n\
        Total transferred file size: 9 bytes\nLiteral data: 9 bytes\nMatched data: 0 bytes\nFile list size: 0\n\
        Total bytes sent: 80\nTotal bytes received: 99\n\nsent 80 bytes  received 99 bytes  9.00 bytes/sec\n\
        total size is 9  speedup is 1.00\n@RSYNCD: EXIT\n";
    let rig = Rig::new("case-exit");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n");
            // Its greeting and the module.
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines.take(2).for_each(|line| drop(line.unwrap()));
            let _ = stream.write_all(MESSAGE.as_bytes());
        }
    });
    rig.ini(&format!(
        "rsync = rsync\n[media]\nsource = rsync://127.0.0.1:{port}/data/\ndestination = DIR/dest/\n{HOOK}\n"
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync transient: code 0 (RERR_OK), rsync ended well, but copied nothing");
    assert!(!irsync.log_has("sync success") && !irsync.log_has(" 4 files"), "{}", irsync.log());
    assert_eq!(hooks(&rig), 0);
    irsync.stop();
}

/// baur#491, containers/storage#2199: rsync's statistics count none of these changes.
#[test]
fn baur_491_every_change_of_the_set_runs_run_on_change_and_nothing_else_does() {
    if !daemon::has_rsync("case-changes") {
        return;
    }
    let rig = Rig::new("case-changes");
    rig.write("src/rel-1/film", "1");
    rig.write("src/rel-2/film", "2");
    rig.write("src/single", "x");
    rig.write("src/twin", "x");
    symlink("rel-1", rig.path("src/current")).unwrap();
    let keys = format!("options = -aH --delete\n{HOOK}");
    rig.ini(&format!("rsync = rsync\n[media]\nsource = DIR/src/\ndestination = DIR/dest/\n{keys}\n"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 1);
    let (mut syncs, mut expected) = (1, 1);
    let mut after = |what: &str, changes: usize, named: &str| {
        irsync.signal(Signal::SIGUSR1);
        syncs += 1;
        irsync.wait_count("sync success", syncs);
        expected += changes;
        wait_until(&format!("{expected} hooks after {what}: {}", rig.read("hooks")), || hooks(&rig) >= expected);
        assert_eq!(hooks(&rig), expected, "{what}");
        assert!(named.is_empty() || irsync.log_has(&format!("changed: {named}")), "{what}: {}", irsync.log());
    };
    after("nothing", 0, "");
    fs::remove_file(rig.path("src/current")).unwrap();
    symlink("rel-2", rig.path("src/current")).unwrap();
    after("a link that points elsewhere", 1, "current");
    fs::set_permissions(rig.path("src/rel-1/film"), fs::Permissions::from_mode(0o600)).unwrap();
    after("a mode", 1, "rel-1/film");
    fs::create_dir(rig.path("src/empty")).unwrap();
    after("a new folder", 1, "empty/");
    fs::remove_file(rig.path("src/twin")).unwrap();
    fs::hard_link(rig.path("src/single"), rig.path("src/twin")).unwrap();
    after("files that became one", 1, "twin");
    fs::remove_file(rig.path("src/rel-2/film")).unwrap();
    after("a deletion", 1, "deleted rel-2/film");
    after("nothing again", 0, "");
    assert_eq!(rig.read("hooks"), "1\n".repeat(expected), "IRSYNC_CHANGED");
    irsync.stop();
}

/// dehydrated#375, acme.sh#4845: a deploy hook that failed was never asked again.
#[test]
fn dehydrated_375_run_on_change_is_asked_again_until_it_succeeds() {
    let rig = Rig::new("case-hook");
    fake(&rig, "/changed /ok", "run_on_change = sh -c 'echo $IRSYNC_CHANGED >>DIR/hooks; test -e DIR/mended'");
    let mut irsync = rig.start(&["run"]);
    wait_until("three calls", || hooks(&rig) >= 3);
    rig.write("mended", "");
    let calls = || irsync.count("run_on_change exited with code 1");
    let syncs = rig.fake("dest").runs();
    rig.fake("dest").wait_runs(syncs + 8);
    let (failed, all) = (calls(), hooks(&rig));
    assert_eq!(all, failed + 1, "it succeeded once");
    rig.fake("dest").wait_runs(syncs + 12);
    assert_eq!(hooks(&rig), all, "and is not asked for any more");
    assert!(rig.read("hooks").lines().all(|changed| changed == "1"), "{}", rig.read("hooks"));
    irsync.stop();
}

/// osync#238, lipsync#38, rsync#113: all data is there, and the sync fails for ever.
#[test]
fn osync_238_what_the_owner_accepts_is_no_failure_and_what_he_does_not_is_told_by_its_kind() {
    let rig = Rig::new("case-accept");
    fake(&rig, "/no-times", HOOK);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync partial: code 23 (RERR_PARTIAL), trouble with times");
    irsync.wait_log("it said: rsync: [generator] failed to set times on \"/x/.\": Operation not permitted (1)");
    wait_until("the status", || rig.status("media", "last_kind").as_deref() == Some("times"));
    irsync.stop();

    fake(&rig, "/no-times", &format!("accept = owners, times\n{HOOK}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success: code 23 (RERR_PARTIAL), accepted: times", 3);
    assert!(rig.status("media", "last_kind").is_none());
    assert_eq!(hooks(&rig), 0, "nobody sees a difference");
    irsync.stop();

    fake(&rig, "/no-name", "accept = times");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync partial: code 23 (RERR_PARTIAL), trouble with names");
    irsync.stop();
}

/// The same with a folder of another's, and the installed rsync.
#[test]
fn osync_238_times_of_a_folder_that_is_anothers() {
    if !is_root("case-times") || !daemon::has_rsync("case-times") {
        return;
    }
    let rig = Rig::new("case-times");
    rig.write("src/film", "1");
    fs::create_dir(rig.path("dest")).unwrap();
    fs::set_permissions(rig.path("dest"), fs::Permissions::from_mode(0o777)).unwrap();
    let ini = |keys: &str| {
        rig.ini(&format!(
            "rsync = rsync\ninterval = 50ms\n[media]\nsource = DIR/src/\ndestination = DIR/dest/\nuser = nobody\n{keys}\n{HOOK}\n"
        ))
    };
    // The folder here is newer, or rsync has nothing to set.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(rig.path("src")).unwrap().set_modified(old).unwrap();
    ini("");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("trouble with times");
    assert!(rig.path("dest/film").exists());
    assert_eq!(hooks(&rig), 0, "not on a partial set");
    irsync.stop();
    ini("accept = times");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("accepted: times", 3);
    rig.write("src/film", "12");
    fs::File::open(rig.path("src")).unwrap().set_modified(old).unwrap();
    irsync.wait_log("changed: film");
    wait_until("the hook", || hooks(&rig) == 1);
    irsync.wait_count("accepted: times", 8);
    assert_eq!(hooks(&rig), 1, "once for the change, never for the times");
    irsync.stop();
}

/// rsync-bpc#31: a file that is refused anew each time is fetched each time, and no news.
#[test]
fn a_refused_file_is_no_change_but_what_comes_beside_it_is_and_in_vain_the_waits_grow() {
    let rig = Rig::new("case-refused");
    fake(&rig, "/no-name /no-name /no-name-but-news /no-name-but-news /no-name", &format!("accept = names\n{HOOK}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("accepted: names", 7);
    wait_until("two hooks", || hooks(&rig) >= 2);
    assert_eq!((hooks(&rig), irsync.count("changed: list")), (2, 2), "{}", irsync.log());
    irsync.stop();

    fs::remove_dir_all(rig.path("dest")).unwrap();
    rig.ini("interval = 40ms\n[media]\nsource = /no-name\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync partial", 3);
    let waits: Vec<u128> = irsync.durations("next in ").iter().map(|wait| wait.as_millis()).take(3).collect();
    assert_eq!(waits, [80, 100, 100], "twice the interval, up to backoff_max");
    irsync.stop();
}

/// A file system that does not keep a mode says nothing, and rsync sets it again at each sync.
#[test]
fn a_mode_that_is_not_kept_runs_run_on_change_once() {
    let rig = Rig::new("case-mode");
    fake(&rig, "/mode", HOOK);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 5);
    assert_eq!(hooks(&rig), 1);
    irsync.stop();
}

/// rsync#756, bootiso#80: it was fetched again and again.
#[test]
fn rsync_756_a_file_too_large_for_the_file_system_is_permanent_with_advice() {
    let rig = Rig::new("case-too-large");
    fake(&rig, "/too-large", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync permanent: code 11 (RERR_FILEIO), a file is larger than the file system here takes");
    irsync.wait_log("it said: rsync: [receiver] write failed on \"/x/big\": File too large (27)");
    assert!(!irsync.log_has("changed: "), "it came to nothing: {}", irsync.log());
    wait_until("the status", || rig.status("media", "last_kind").as_deref() == Some("too_large"));
    irsync.stop();
}

/// backuppc#534: `lost+found` on the server, and nothing is ever deleted here.
#[test]
fn backuppc_534_skipped_deletions_are_told_once() {
    let rig = Rig::new("case-skipped");
    fake(&rig, "/unreadable", "accept = unreadable");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("accepted: unreadable; nothing was deleted, because the server could not read everything", 4);
    assert_eq!(irsync.count("rsync deletes nothing"), 1, "{}", irsync.log());
    irsync.stop();
}

/// A server's banner may say anything.
#[test]
fn a_banner_about_a_full_disk_is_not_ours() {
    let rig = Rig::new("case-banner");
    fake(&rig, "/banner", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync transient: code 12");
    assert!(!irsync.log_has("sync disk"), "{}", irsync.log());
    irsync.stop();
}

/// Numbers that no disk can hold end nobody's count.
#[test]
fn totals_stop_at_the_largest_number() {
    let rig = Rig::new("case-huge");
    fake(&rig, "/huge", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync success", 3);
    wait_until("the totals", || rig.status("media", "bytes_total") == Some(u64::MAX.to_string()));
    irsync.assert_alive();
    irsync.stop();
}

/// rsync#1067, rsync#1088: rsync 3.5 follows no link of another user, and it was tried again and again without a word.
#[test]
fn rsync_1067_a_link_of_another_user_is_permanent_with_advice() {
    if !is_root("case-link") || !daemon::has_rsync("case-link") {
        return;
    }
    let rig = Rig::new("case-link");
    rig.write("src/film", "1");
    fs::create_dir(rig.path("card")).unwrap();
    symlink(rig.path("card"), rig.path("link")).unwrap();
    std::os::unix::fs::lchown(rig.path("link"), Some(65534), Some(65534)).unwrap();
    rig.ini("rsync = rsync\n[media]\nsource = DIR/src/\ndestination = DIR/link/\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the first sync", || rig.status("media", "last_outcome").is_some());
    if rig.path("card/film").exists() {
        skipped("case-link", "this rsync follows links of other users, as all before 3.5 do");
    } else {
        irsync.wait_log(
            "sync permanent: code 3 (RERR_FILESELECT), a symbolic link on the way to the destination belongs to",
        );
    }
    irsync.stop();
}

/// E3dcGui#9, mirrorbits#68: no repair of the board mends a file that the server may not read.
#[test]
fn e3dcgui_9_no_repair_is_tried_for_what_none_could_mend() {
    if !is_root("case-repair") || !daemon::has_rsync("case-repair") {
        return;
    }
    let rig = Rig::new("case-repair");
    rig.write("src/a", "1");
    rig.write("src/b", "2");
    fs::set_permissions(rig.path("src/b"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::create_dir(rig.path("dest")).unwrap();
    fs::set_permissions(rig.path("dest"), fs::Permissions::from_mode(0o777)).unwrap();
    // An order that fails for want of a server shows when a repair is due.
    rig.ini(
        "interval = 20ms\nrecover_after = 300ms\nrun_recover = sh -c 'echo $IRSYNC_JOB >>DIR/repairs'\n\
         [media]\nrsync = rsync\nsource = DIR/src/\ndestination = DIR/dest/\nuser = nobody\n\
         [gone]\nsource = /refused\ndestination = DIR/gone\n",
    );
    let mut irsync = rig.start(&["run"]);
    let repairs = || rig.read("repairs");
    wait_until("five repairs of the other", || repairs().lines().count() >= 5);
    irsync.wait_count("media: sync partial", 3);
    assert!(repairs().lines().all(|job| job == "gone"), "{}", repairs());
    irsync.stop();
}

/// grunt-rsync#22, rsync4j#24: no shell expands it.
#[test]
fn grunt_rsync_22_a_glob_is_told() {
    let rig = Rig::new("case-glob");
    rig.write("src/film.mp4", "1");
    rig.ini("[media]\nsource = DIR/src/*.mp4\ndestination = DIR/dest/\n");
    let check = rig.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        said.contains("warning: [media] source:") && said.contains("*.mp4 does not exist: no shell expands it"),
        "{said}"
    );
}

/// The run folder of a cautious owner, or of a `tmpfiles.d` that cleans up.
#[test]
fn a_run_folder_that_was_removed_comes_back() {
    let rig = Rig::new("case-run");
    rig.ini("status_file = DIR/run/status\n[media]\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    wait_until("the status", || rig.run(&["status"]).status.code() == Some(0));
    remove_folder(&rig.path("run"));
    wait_until("the status to be back", || rig.run(&["status"]).status.code() == Some(0));
    wait_until("the socket to be back", || rig.run(&["now"]).status.success());
    irsync.wait_count("sync success", 2);
    irsync.stop();
}
