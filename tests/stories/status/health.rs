//! Health depends on the time, and everybody who asks for it hears the same.

use super::{look, row, said};
use crate::common::{json::Json, wait_until, Rig};
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;

#[test]
fn systemd_hears_that_a_job_becomes_stale_while_nothing_happens() {
    let rig = Rig::new("stale-systemd");
    let name = format!("irsync-test-stale-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    manager.set_read_timeout(Some(crate::common::limit())).unwrap();
    rig.set_env("NOTIFY_SOCKET", &format!("@{name}"));
    rig.ini("[media]\nstale_after = 3s\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("STATUS=1 job: 1 stale") {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}: {heard:?}"));
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(heard.iter().any(|line| line == "STATUS=1 job"), "{heard:?}");
    let (text, code) = look(&rig);
    assert_eq!((row(&text, "media")[1], code), ("stale", Some(1)), "{text}");
    irsync.stop();
}

#[test]
fn metrics_tell_that_a_job_becomes_stale_while_nothing_happens() {
    let rig = Rig::new("stale-metrics");
    // Longer than the 15 s between two files, so that it is not the file written anyway that tells it.
    rig.ini("metrics_file = DIR/irsync.prom\n[media]\nstale_after = 16s\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    let healthy = |value: &str| {
        let line = format!("irsync_job_healthy{{job=\"media\"}} {value}");
        rig.read("irsync.prom").lines().any(|found| found == line)
    };
    wait_until("a healthy job", || healthy("1"));
    wait_until("a stale job", || healthy("0"));
    assert_eq!(look(&rig).1, Some(1));
    irsync.stop();
}

/// A pipe that takes nothing until it is read.
fn full_pipe() -> (std::fs::File, std::fs::File) {
    let (read, write) = nix::unistd::pipe().unwrap();
    let (read, write) = (std::fs::File::from(read), std::fs::File::from(write));
    let set = |flags| fcntl(write.as_fd(), FcntlArg::F_SETFL(flags)).unwrap();
    set(OFlag::O_NONBLOCK);
    for size in [4096, 1] {
        let full = loop {
            if let Err(error) = (&write).write(&[b'\n'; 4096][..size]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    set(OFlag::empty());
    (read, write)
}

#[test]
fn table_json_and_exit_code_are_of_one_moment() {
    for json in [false, true] {
        let rig = Rig::new("one-moment");
        rig.ini("[media]\nstale_after = 5s\nsource = /ok\ndestination = DIR/media\n");
        let mut irsync = rig.start(&["run"]);
        wait_until("the success", || rig.status("media", "last_success_mono").is_some());
        // It looks while the job is well, and can say so only when the job is stale.
        let (mut read, write) = full_pipe();
        let arguments = if json { &["status", "--json"][..] } else { &["status"] };
        let mut child = rig.command(arguments).stdin(Stdio::null()).stdout(write).spawn().unwrap();
        wait_until("the job to be stale", || look(&rig).1 == Some(1));
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            text
        });
        let code = child.wait().unwrap().code();
        let text = reader.join().unwrap();
        let stale = if json { text.contains("\"health\":\"stale\"") } else { row(&text, "media")[1] == "stale" };
        assert_eq!(code, Some(i32::from(stale)), "{}", text.trim());
        irsync.stop();
    }
}

#[test]
fn a_status_file_of_wrong_kind_is_an_error_that_says_so() {
    let rig = Rig::new("foreign");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the board to be at rest", || {
        rig.status("media", "last_outcome").is_some() && rig.status("media", "state").as_deref() == Some("waiting")
    });
    let good = rig.read("status");
    let cut = good.find("bytes_total").unwrap();
    for (text, word) in [
        (good.replace("runs = 1\n", "runs = 1e5\n"), "runs = 1e5"),
        (good.replace("runs = 1\n", "runs = -1\n"), "runs = -1"),
        (good.replace("failures = 0\n", "failures = \"\u{1}\n"), "failures = "),
        (good.replace("last_outcome = success", "last_outcome = triumph"), "last_outcome = triumph"),
        (good.replace("state = waiting", "state = \u{7}\\\u{1b}[31m"), "state = "),
        (good[..cut].to_owned(), "bytes_total"),
        (good[..cut + 7].to_owned(), "middle of a line: bytes_t"),
    ] {
        assert_ne!(text, good, "{word}");
        rig.write("status", &text);
        let (json, code) = said(&rig.run(&["status", "--json"]));
        assert_eq!(code, Some(1), "{word}: {json}");
        let json = Json::parse(&json).unwrap_or_else(|error| panic!("{word}: {error}: {json}"));
        assert_eq!(json.get("running"), Some(&Json::Bool(true)));
        assert!(json.get("error").and_then(Json::text).is_some_and(|error| error.contains(word)), "{json:?}");
        assert_eq!(json.get("jobs"), Some(&Json::List(Vec::new())));
    }
    let (text, code) = look(&rig);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("status cannot be understood: it ends in the middle of a line: "), "{text}");
    rig.write("status", good.replace("state = waiting", "state = \u{7}\\\u{1b}[31m"));
    let (text, _) = look(&rig);
    assert!(text.contains("[job:media] state = \\x07\\\\x1b[31m is no word that this irsync knows"), "{text:?}");
    // What reads as a number is printed as JSON has numbers, and what is not known to this irsync is passed over.
    rig.write("status", good.replace("runs = 1\n", "runs = 0001\nnovelty = 00\n"));
    let (json, code) = said(&rig.run(&["status", "--json"]));
    let json = Json::parse(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!((json.at("jobs.0.runs"), code), (Some(&Json::Number("1".into())), Some(0)));
    irsync.stop();
}
