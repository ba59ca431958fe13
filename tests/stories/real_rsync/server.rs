//! A server that is away, busy, or something else altogether.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::daemon::{free_port, AUTH};
use crate::common::{json::Json, wait_until};
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn daemon_that_is_down_is_retried_until_it_is_back() {
    let Some(rig) = real("daemon-down") else { return };
    let mut daemon = rig.daemon("read only = yes");
    rig.write("served/one.txt", "one");
    daemon.kill();
    media(&rig, &daemon.url(), "DIR/dest/", "");
    let mut irsync = rig.start(&["run"]);
    // "10 - Error in socket I/O"
    irsync.wait_count("sync transient: code 10", 2);
    daemon.restart();
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/one.txt", "dest/one.txt"));
    irsync.stop();
}

#[test]
fn daemon_killed_in_mid_file_is_transient_and_the_file_arrives_later() {
    let Some(rig) = real("daemon-killed") else { return };
    let mut daemon = rig.daemon("read only = yes");
    big_file(&rig, "served/big.bin", 1500);
    media(&rig, &daemon.url(), "DIR/dest/", "options = -rlt --bwlimit=600");
    let mut irsync = rig.start(&["run"]);
    wait_mid_file(&rig.path("dest"));
    daemon.kill();
    irsync.wait_log("sync transient");
    daemon.restart();
    irsync.wait_log("sync success");
    assert!(same(&rig, "served/big.bin", "dest/big.bin"));
    irsync.stop();
}

#[test]
fn unknown_module_is_permanent() {
    let Some(rig) = real("unknown-module") else { return };
    let daemon = rig.daemon("read only = yes");
    media(&rig, &daemon.url().replace("/data/", "/dta/"), "DIR/dest/", "backoff_initial = 50ms\nbackoff_max = 1h");
    let mut irsync = rig.start(&["run"]);
    // "5 - Error starting client-server protocol"; "@ERROR: Unknown module"
    irsync.wait_log("sync permanent: code 5");
    assert!(irsync.durations("next in ")[0].as_secs() >= 3500, "the longest back-off at once");
    irsync.stop();
}

#[test]
fn full_server_is_busy_until_a_connection_is_free() {
    // "Any clients connecting when the maximum has been reached will receive a message telling them to try later."
    let Some(rig) = real("max-connections") else { return };
    let daemon = rig.daemon("read only = yes\nmax connections = 1");
    rig.write("served/one.txt", "one");
    let guest = daemon.occupy();
    media(&rig, &daemon.url(), "DIR/dest/", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync busy: code 5", 2);
    drop(guest);
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn listener_that_says_nothing_is_a_stall() {
    let Some(rig) = real("silent-listener") else { return };
    // The kernel accepts connections for it; no greeting ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rsync://127.0.0.1:{}/data/", listener.local_addr().unwrap().port());
    media(&rig, &url, "DIR/dest/", "activity_timeout = 1s");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync stalled", 2);
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn web_server_on_the_port_is_transient() {
    let Some(rig) = real("http") else { return };
    // A captive portal answers every connection; it goes away by itself when somebody logs in.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rsync://127.0.0.1:{}/data/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html></html>\r\n");
        }
    });
    media(&rig, &url, "DIR/dest/", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync transient", 2);
    irsync.stop();
}

#[test]
fn name_that_does_not_resolve_is_transient() {
    let Some(rig) = real("dns") else { return };
    // RFC 6761: ".invalid" never resolves.
    media(&rig, &format!("rsync://server.invalid:{}/data/", free_port()), "DIR/dest/", "");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync transient: code 10");
    irsync.stop();
}

#[test]
fn why_a_sync_failed_is_told_in_rsyncs_own_words() {
    let Some(rig) = real("why") else { return };
    let daemon = rig.daemon(&format!("read only = yes\n{AUTH}"));
    let (url, unknown) = (daemon.user_url(), daemon.url().replace("/data/", "/dta/"));
    let closed = format!("rsync://127.0.0.1:{}/data/", free_port());
    rig.ini(&format!(
        "rsync = rsync\nbackoff_initial = 1h\nbackoff_max = 1h\n\
         [password]\nsource = {url}\ndestination = DIR/a\npassword = wrong\n\
         [module]\nsource = {unknown}\ndestination = DIR/b\n\
         [refused]\nsource = {closed}\ndestination = DIR/c\n\
         [name]\nsource = rsync://no-such-host.invalid/data/\ndestination = DIR/d\n"
    ));
    let mut irsync = rig.start(&["run"]);
    let cases = [
        ("password", "@ERROR: auth failed on module data"),
        ("module", "@ERROR: Unknown module 'dta'"),
        ("refused", "rsync: [Receiver] failed to connect to 127.0.0.1 (127.0.0.1): Connection refused (111)"),
        ("name", "rsync: [Receiver] getaddrinfo: no-such-host.invalid 873: "),
    ];
    for (job, why) in cases {
        wait_until(job, || rig.status(job, "last_outcome").is_some());
        let said = rig.status(job, "last_why").unwrap_or_default();
        // Older ones do not say which of their processes speaks.
        let said = if said.contains("[Receiver]") { said } else { said.replace("rsync: ", "rsync: [Receiver] ") };
        assert!(said.starts_with(why), "{job}: {said}");
    }
    let output = rig.run(&["status"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let json = String::from_utf8_lossy(&rig.run(&["status", "--json"]).stdout).into_owned();
    let json = Json::parse(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    for (at, (job, _)) in cases.iter().enumerate() {
        let why = rig.status(job, "last_why").unwrap_or_default();
        // What helps may follow.
        assert!(text.lines().any(|line| line.starts_with(&format!("{job}: {why}"))), "{job}: {text}");
        assert_eq!(json.at(&format!("jobs.{at}.last_why")).and_then(Json::text), Some(&*why));
    }
    assert_eq!(output.status.code(), Some(1));
    irsync.stop();
}
