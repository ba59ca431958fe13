//! `irsync check --online`: what a look at the server tells.

use super::{big_file, media, real, wait_mid_file};
use crate::common::daemon::{free_port, AUTH, PASSWORD};
use crate::common::is_root;
use crate::common::mount::Tmpfs;
use std::net::TcpListener;
use std::process::Output;

fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_look_beside_a_running_sync_counts_and_touches_nothing() {
    let Some(rig) = real("online-beside") else { return };
    big_file(&rig, "served/big.bin", 3000);
    rig.write("served/small", "small");
    rig.write("dest/old", "not on the server any more");
    let daemon = rig.daemon("read only = yes");
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --delete --bwlimit=400\nmax_shrink = off");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    let output = rig.run(&["check", "--online"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let line = out.lines().find(|line| line.starts_with("[media] rsync://")).unwrap_or_else(|| panic!("{out}"));
    for says in ["name, connection, greeting, module, options on the server, list of files: ok", " of 2 and delete "] {
        assert!(line.contains(says), "{says}: {line}");
    }
    assert!(rig.path("dest/old").exists() && !rig.path("dest/big.bin").exists(), "the look has written");
    irsync.wait_log("sync success");
    assert!(!rig.path("dest/old").exists());
    assert!(!irsync.log_has("skipped"), "{}", irsync.log());
    irsync.stop();
    // A destination that is not there yet is not made.
    media(&rig, &daemon.url(), "DIR/new/", "");
    let (out, err) = words(&rig.run(&["check", "--online"]));
    assert!(out.contains("would copy 2 files (2.9 MiB) of 2"), "{out}{err}");
    assert!(!rig.path("new").exists());
    rig.assert_nothing_left();
}

#[test]
fn each_failure_names_its_job_its_stage_and_what_helps() {
    let Some(rig) = real("online-failures") else { return };
    rig.write("served/file", "content");
    rig.write("served/sub/file", "content");
    let daemon = rig.daemon(&format!("read only = yes\nrefuse options = checksum\n{AUTH}"));
    let right = daemon.user_url();
    let password = format!("password = {PASSWORD}");
    let port = free_port();
    let job = |name: &str, source: &str, keys: &str| {
        format!("[{name}]\nsource = {source}\ndestination = DIR/{name}/\nactivity_timeout = 30s\n{keys}\n")
    };
    let cases = [
        ("secret", right.clone(), "password = wrong".to_owned(), "module: ok; credentials: FAILED", "secrets file"),
        (
            "module",
            right.replace("/data/", "/nomod/"),
            password.clone(),
            "greeting: ok; module: FAILED",
            "rsync rsync://HOST/",
        ),
        (
            "port",
            format!("rsync://127.0.0.1:{port}/data/"),
            String::new(),
            "name: ok; connection: FAILED",
            "is the port right",
        ),
        ("host", "rsync://no.such.invalid/data/".into(), String::new(), "options here: ok; name: FAILED", "name"),
        (
            "option",
            right.clone(),
            format!("{password}\noptions = -rltc"),
            "credentials: ok; options on the server: FAILED",
            "refuse options",
        ),
        (
            "folder",
            format!("{right}none/"),
            password.clone(),
            "options on the server: ok; list of files: FAILED",
            "no folder",
        ),
    ];
    let ini: String = cases.iter().map(|(name, source, keys, ..)| job(name, source, keys)).collect();
    let fine = job("fine", &right, &format!("{password}\nfallback = rsync://{}:{port}/data/", "127.0.0.1"));
    rig.ini(&format!("rsync = rsync\n{ini}{fine}"));
    let output = rig.run(&["check", "--online"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for (name, _, _, stage, helps) in &cases {
        let told = out.lines().find(|line| line.starts_with(&format!("[{name}] rsync://")));
        assert!(told.is_some_and(|line| line.ends_with(stage)), "{name}: {told:?}\n{err}");
        let why = err.lines().find(|line| line.contains(&format!("irsync.ini: [{name}] source: ")));
        assert!(why.is_some_and(|line| line.contains(helps)), "{name}: {why:?}\n{err}");
    }
    assert!(out.contains("would copy 2 files (14 B) of 2"), "{out}");
    assert!(err.contains("[fine] fallback: connection: "), "{err}");
    assert!(!out.contains(PASSWORD) && !err.contains(PASSWORD));
    // Only those that are named.
    let output = rig.run(&["check", "--online", "port"]);
    let (out, err) = words(&output);
    assert!(output.status.code() == Some(1) && !out.contains("[host]") && !err.contains("[host]"), "{out}{err}");
    assert_eq!(rig.run(&["check", "--online", "nobody"]).status.code(), Some(2));
    rig.assert_nothing_left();
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let Some(rig) = real("online-silent") else { return };
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    media(&rig, &format!("rsync://127.0.0.1:{port}/data/"), "DIR/dest/", "activity_timeout = 1s");
    let output = rig.run(&["check", "--online"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("connection: ok; greeting: FAILED"), "{out}");
    let why = "source: greeting: waited 1s for the server to begin its list of files: it has taken the connection and says nothing: \
               usually no rsync listens there, or one that hangs or is overloaded\n";
    assert!(err.contains(why), "{err}");
    rig.assert_nothing_left();
}

#[test]
fn a_full_or_small_or_read_only_destination_is_warned_of() {
    if !is_root("a_full_or_small_or_read_only_destination_is_warned_of") {
        return;
    }
    let Some(rig) = real("online-room") else { return };
    big_file(&rig, "served/big.bin", 300);
    let daemon = rig.daemon("read only = yes");
    let card = Tmpfs::new(&rig.path("card"), "200k");
    media(&rig, &daemon.url(), "DIR/card/media/", &format!("fallback = {}", daemon.url()));
    let warned = || {
        let output = rig.run(&["check", "--online"]);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(0), "{out}{err}");
        (out.lines().last().unwrap_or_default().to_owned(), err)
    };
    let (verdict, err) = warned();
    assert!(verdict.ends_with("OK, 1 job, 1 warning"), "{verdict}");
    let small = "[media] destination: ";
    assert!(err.contains(small) && err.contains("free, and files of 300.0 KiB are to come: make room"), "{err}");
    card.remount("size=1m");
    let (verdict, err) = warned();
    assert!(verdict.ends_with("OK, 1 job") && err.is_empty(), "{verdict}{err}");
    card.remount("ro");
    let (_, err) = warned();
    assert!(err.contains("is read-only: mount it for writing"), "{err}");
    card.remount("rw");
    card.fill();
    std::fs::remove_file(rig.path("served/big.bin")).unwrap();
    let (verdict, err) = warned();
    assert!(verdict.ends_with("OK, 1 job, 1 warning") && err.contains("is full: make room"), "{verdict}{err}");
}

#[test]
fn deletions_that_would_be_held_are_part_of_the_verdict() {
    let Some(rig) = real("online-held") else { return };
    rig.write("served/keep/me", "");
    let daemon = rig.daemon("read only = yes");
    let dest = |name: &str| (0..4).for_each(|n| drop(rig.write(&format!("{name}/file-{n}"), "")));
    dest("one");
    dest("two");
    let job = |name: &str, keys: &str| {
        format!("[{name}]\nsource = {}keep/\ndestination = DIR/{name}/\noptions = -rlt --delete {keys}\n", daemon.url())
    };
    rig.ini(&format!("rsync = rsync\n{}{}", job("one", "--max-delete=2"), job("two", "--max-delete=9")));
    let output = rig.run(&["check", "--online"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.lines().last().unwrap().ends_with("OK, 2 jobs, 1 warning; a sync of one would be held"), "{out}");
    assert!(err.contains("[one] source: ") && err.contains("irsync allow one"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}
