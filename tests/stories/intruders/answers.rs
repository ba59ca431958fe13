//! What a command that asks takes for irsync's answer.

use crate::common::{wait_until, Rig};
use nix::sys::signal::Signal;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;

#[test]
fn only_irsync_can_answer_a_command_that_asks_it() {
    let rig = Rig::new("forged-answer");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    irsync.signal(Signal::SIGSTOP);
    let asking = rig.command(&["now"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let address = SocketAddr::from_abstract_name(format!("irsync-control-{}", asking.id())).unwrap();
    let stranger = UnixDatagram::unbound().unwrap();
    let forged = b"7\nforged";
    wait_until("the command to have an address", || match stranger.send_to_addr(forged, &address) {
        Err(error) => error.kind() != ErrorKind::ConnectionRefused,
        Ok(_) => true,
    });
    irsync.signal(Signal::SIGCONT);
    let output = asking.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn an_answer_cannot_draw_on_the_terminal() {
    for code in ["0", "1"] {
        let rig = Rig::new("answer-escapes");
        rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
        let socket = UnixDatagram::bind(rig.path("status.control")).unwrap();
        let server = std::thread::spawn(move || {
            let (_, from) = socket.recv_from(&mut [0; 1000]).unwrap();
            socket.send_to_addr(format!("{code}\n\x1b[2Jgone \u{9b}31m\nsecond\u{202e}").as_bytes(), &from).unwrap();
        });
        let output = rig.run(&["now"]);
        server.join().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("gone") && text.contains("second"), "{text:?}");
        assert!(!text.contains(['\x1b', '\u{9b}', '\u{202e}']), "{text:?}");
    }
}
