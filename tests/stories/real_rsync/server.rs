//! A server that is away, busy, or something else altogether.

use super::{big_file, media, real, same, wait_mid_file};
use crate::common::daemon::free_port;
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
