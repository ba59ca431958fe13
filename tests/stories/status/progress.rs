//! Progress of running transfers.

use super::{look, pty};
use crate::common::{daemon, wait_until, Rig};
use nix::sys::signal::Signal;

#[test]
fn a_real_transfer_shows_percent_rate_and_time_left() {
    if !daemon::has_rsync("a_real_transfer_shows_percent_rate_and_time_left") {
        return;
    }
    let rig = Rig::new("real-progress");
    rig.write("source/film.bin", vec![7; 4 << 20]);
    rig.ini(
        "rsync = rsync\n[media]\nsource = DIR/source/\ndestination = DIR/media/\n\
         options = -rltv --bwlimit=500 --whole-file\n",
    );
    let mut irsync = rig.start(&["run"]);
    let percent = || rig.status("media", "progress_percent").and_then(|percent| percent.parse::<u8>().ok());
    wait_until("rsync to be in the middle", || percent().is_some_and(|percent| percent > 5));
    let (text, code) = look(&rig);
    assert_eq!(code, Some(0), "{text}");
    let bar = text.lines().find(|line| line.starts_with("media  [#")).unwrap_or_else(|| panic!("no bar in {text}"));
    for part in ["%  ", "iB  ", "/s  ", " left", "film.bin"] {
        assert!(bar.contains(part), "{part:?} is not in {bar}");
    }
    assert!(bar.chars().count() <= 80, "{bar}");
    let before = percent().unwrap();
    wait_until("it to go on", || percent().is_some_and(|percent| percent > before));
    wait_until("its end", || rig.status("media", "last_outcome").as_deref() == Some("success"));
    assert_eq!(rig.status("media", "progress_percent"), None);
    assert_eq!(rig.status("media", "last_files").as_deref(), Some("1"));
    assert!(!look(&rig).0.contains('['));
    irsync.stop();
}

const BAR: &str = "media  [############------------]    50%  1.0 MiB  1.0 MiB/s  9s left";

#[test]
fn bars_stand_below_the_log_at_a_terminal_and_vanish_at_the_end() {
    for command in ["run", "once"] {
        let rig = Rig::new("bars");
        rig.ini("log_level = info\n[media]\nsource = /progress\ndestination = DIR/media\n");
        let (mut irsync, mut pty) = pty::start(&rig, &[command], 100);
        wait_until("the bar", || pty.screen().contains(BAR));
        if command == "run" {
            // A line of the log comes in between.
            irsync.signal(Signal::SIGUSR2);
            wait_until("the log to go on above", || {
                let screen = pty.screen();
                screen.find("media: syncing for").is_some_and(|log| screen.find(BAR).is_some_and(|bar| log < bar))
            });
        }
        let screen = pty.screen();
        assert_eq!(screen.matches("media  [").count(), 1, "{screen}");
        assert!(screen.trim_end().ends_with(BAR), "{screen}");
        pty.keys(b"\x03");
        irsync.wait();
        wait_until("the last line", || pty.text().contains("] stopped"));
        let screen = pty.screen();
        assert!(!screen.contains("media  ["), "{screen}");
        assert!(screen.trim_end().ends_with("[INFO] stopped"), "{screen}");
        // Every line of the log is whole, but for what the terminal shows of the keys.
        for line in screen.lines().map(|line| line.trim_start_matches("^C")).filter(|line| !line.is_empty()) {
            assert!(line.contains("Z ["), "{line:?} in {screen}");
        }
        rig.wait_nothing_left();
    }
}

#[test]
fn no_bars_where_nobody_sits() {
    let rig = Rig::new("no-bars");
    rig.ini("[media]\nsource = /progress\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("progress", || rig.status("media", "progress_percent").is_some());
    irsync.stop();
    assert!(!irsync.log().contains('\x1b') && !irsync.log_has("media  ["), "{}", irsync.log());
}
