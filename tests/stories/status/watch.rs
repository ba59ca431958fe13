//! `irsync status --watch`.

use super::pty;
use crate::common::{wait_until, Rig};
use nix::sys::signal::Signal;
use std::process::Stdio;
use std::time::{Duration, Instant};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

fn running(story: &'static str) -> (Rig, crate::common::Irsync) {
    let rig = Rig::new(story);
    rig.ini("[media]\nsource = /progress\ndestination = DIR/media\n[logs]\nsource = /ok\ndestination = DIR/logs\n");
    let irsync = rig.start(&["run"]);
    wait_until("progress", || rig.status("media", "progress_percent").is_some());
    (rig, irsync)
}

#[test]
fn watch_redraws_in_place_and_gives_the_terminal_back() {
    for end in ["ctrl-c", "SIGTERM"] {
        let (rig, mut irsync) = running("watch");
        let (mut watch, mut pty) = pty::start(&rig, &["status", "--watch"], 100);
        wait_until("three frames", || pty.text().matches("\x1b[J").count() >= 3);
        let screen = pty.screen();
        let lines: Vec<&str> = screen.lines().collect();
        assert!(lines[0].starts_with("irsync "), "{screen}");
        assert!(lines[2].starts_with("JOB    HEALTH  STATE    "), "{screen}");
        assert!(lines[3].starts_with("media  new     syncing  "), "{screen}");
        assert!(lines[4].starts_with("logs   ok      waiting  "), "{screen}");
        assert!(
            lines[6].starts_with("media  [############------------]    50%  1.0 MiB  1.0 MiB/s  9s left"),
            "{screen}"
        );
        assert_eq!(lines.len(), 7, "{screen}");
        assert!(pty.text().contains("\x1b[32mok\x1b[0m"), "no colours");
        match end {
            "ctrl-c" => pty.keys(b"\x03"),
            _ => watch.signal(Signal::SIGTERM),
        }
        assert_eq!(watch.wait().code(), Some(0), "{end}");
        wait_until("the terminal as it was", || pty.text().ends_with(LEAVE));
        assert!(pty.text().starts_with(ENTER));
        assert_eq!(pty.screen().trim_matches(|c: char| c.is_whitespace() || "^C".contains(c)), "", "{end}");
        irsync.stop();
    }
}

#[test]
fn watch_leaves_the_screen_while_it_is_suspended() {
    let (rig, mut irsync) = running("suspended");
    let (mut watch, pty) = pty::start(&rig, &["status", "--watch"], 100);
    wait_until("a frame", || pty.text().contains("\x1b[H"));
    watch.signal(Signal::SIGTSTP);
    wait_until("it to stop", || {
        std::fs::read_to_string(format!("/proc/{}/stat", watch.pid())).is_ok_and(|stat| stat.contains(") T "))
    });
    wait_until("the terminal as it was", || pty.text().ends_with(LEAVE));
    watch.signal(Signal::SIGCONT);
    wait_until("a frame again", || {
        let text = pty.text();
        text.matches(ENTER).count() == 2 && text.rsplit(ENTER).next().is_some_and(|last| last.contains("\x1b[H"))
    });
    watch.signal(Signal::SIGINT);
    watch.wait();
    wait_until("the terminal as it was again", || pty.text().matches(LEAVE).count() == 2);
    irsync.stop();
}

#[test]
fn narrow_terminal_gets_lines_that_fit() {
    let (rig, mut irsync) = running("narrow");
    let (mut watch, pty) = pty::start(&rig, &["status", "--watch"], 30);
    wait_until("a frame", || pty.text().contains("\x1b[J"));
    let screen = pty.screen();
    assert!(screen.lines().all(|line| line.chars().count() <= 30), "{screen}");
    assert!(screen.contains("\nmedia  new"), "{screen}");
    watch.signal(Signal::SIGINT);
    watch.wait();
    irsync.stop();
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (rig, mut irsync) = running("colours");
    let (mut status, pty) = pty::start(&rig, &["status"], 100);
    status.wait();
    wait_until("the table", || pty.text().contains("logs "));
    assert!(pty.text().contains("\x1b[1mJOB\x1b[0m"), "{:?}", pty.text());
    assert!(!pty.text().contains(ENTER));
    rig.set_env("NO_COLOR", "1");
    let (mut status, pty) = pty::start(&rig, &["status"], 100);
    status.wait();
    wait_until("the table", || pty.text().contains("logs "));
    assert!(!pty.text().contains('\x1b'), "{:?}", pty.text());
    irsync.stop();
}

#[test]
fn without_a_terminal_watch_prints_what_changes() {
    let rig = Rig::new("piped");
    rig.ini("[media]\nsource = /until-go /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("the sync", || rig.status("media", "state").as_deref() == Some("syncing"));
    let out = rig.path("out");
    let mut command = rig.command(&["status", "--watch"]);
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&out).unwrap()).stderr(Stdio::null());
    let mut watch = rig.spawn(command, out.clone());
    let blocks = || rig.read("out").matches("JOB ").count();
    wait_until("the first block", || blocks() == 1);
    // Time passes, and ages with it, but nothing happens.
    let since = Instant::now();
    wait_until("it to look again", || since.elapsed() > Duration::from_millis(3500));
    assert_eq!(blocks(), 1, "{}", rig.read("out"));
    rig.fake("media").go();
    wait_until("the change", || rig.read("out").contains("success"));
    assert!(blocks() <= 4, "{}", rig.read("out"));
    assert!(!rig.read("out").contains('\x1b'));
    // It lives on when irsync does not, and tells.
    irsync.stop();
    wait_until("the end to be told", || rig.read("out").contains("irsync is not running"));
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.wait().code(), Some(3));
}

#[test]
fn watch_ends_when_nobody_reads_it() {
    let (rig, mut irsync) = running("unread");
    let mut command = rig.command(&["status", "--watch"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    wait_until("it to end", || child.try_wait().unwrap().is_some());
    irsync.stop();
}
