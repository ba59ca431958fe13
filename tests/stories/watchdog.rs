//! The watchdog as far as a machine without one can show it: a plain file takes the bytes that a device would get. Boards
//! with a device are in `tests/vm`.

use crate::common::{is_emulated, is_executable, limit, skipped, wait_until, Rig};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MEDIA: &str = "watchdog_device = DIR/dog\nwatchdog_timeout = 1s\n[media]\nsource = /ok\ndestination = DIR/dest\n";

#[test]
fn plain_file_is_warned_of_kicked_and_closed_by_magic_on_a_clean_stop() {
    let rig = Rig::new("dog");
    rig.write("dog", "");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("is a plain file, not a device: nothing will reset the board");
    wait_until("three kicks", || rig.read("dog").len() >= 3);
    wait_until("the status", || rig.read("status").contains("watchdog_identity = plain file"));
    assert!(rig.read("status").contains("watchdog_fed = no"), "nothing is kept alive by a file");
    irsync.stop();
    let written = rig.read("dog");
    assert!(written.trim_start_matches('\0') == "V", "kicks, then the magic close: {written:?}");
}

#[test]
fn killed_irsync_does_not_disarm_the_watchdog() {
    let rig = Rig::new("dog-killed");
    rig.write("dog", "");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    wait_until("a kick", || !rig.read("dog").is_empty());
    irsync.kill();
    assert!(!rig.read("dog").contains('V'), "nobody would notice that irsync is gone");
}

/// Ends before irsync does: nobody else can bury a thread that is traced.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn for_a_worker_that_hangs_the_watchdog_is_not_fed() {
    const STORY: &str = "for_a_worker_that_hangs_the_watchdog_is_not_fed";
    if is_emulated(STORY) {
        return;
    }
    if !is_executable("strace") {
        return skipped(STORY, "needs strace");
    }
    let rig = Rig::new("dog-hang");
    rig.write("dog", "");
    rig.ini(&format!("interval = 100ms\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    // Stops this thread for an hour, as a system call that never comes back would, and no other.
    let hour = ["-o", "/dev/null", "-e", "trace=ppoll", "-e", "inject=ppoll:delay_enter=3600000000"];
    let mut strace = Command::new("strace");
    strace.args(["-p", &irsync.thread("media")]).args(hour).stdout(Stdio::null()).stderr(Stdio::null());
    let mut strace = Tracer(strace.spawn().expect("cannot start strace"));
    // irsync waits for a minute before it takes a worker for one that hangs.
    let began = Instant::now();
    while !irsync.log_has("a worker hangs: the watchdog is not fed any more") {
        if strace.0.try_wait().expect("cannot wait for strace").is_some() {
            return skipped(STORY, "strace may not hold a thread here");
        }
        assert!(began.elapsed() < Duration::from_secs(60) + limit(), "it is fed for a worker that hangs");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (fed, told) = (rig.read("dog").len(), Instant::now());
    wait_until("what a watchdog of one second does not wait for", || told.elapsed() > Duration::from_secs(2));
    assert_eq!(rig.read("dog").len(), fed, "it is fed for a worker that hangs");
    drop(strace);
    irsync.wait_log("the worker that hung goes on");
    wait_until("a kick", || rig.read("dog").len() > fed);
    irsync.stop();
}

#[test]
fn missing_or_wrong_device_is_told_and_does_not_keep_irsync_from_its_work() {
    for device in ["/dev/null", "/no/such/watchdog"] {
        let rig = Rig::new("no-dog");
        rig.ini(&MEDIA.replace("DIR/dog", device));
        let mut irsync = rig.start(&["run"]);
        irsync.wait_log("sync success");
        assert!(irsync.log_has(device) && irsync.log_has("trying again every 1m"), "{}", irsync.log());
        irsync.stop();
    }
}

/// Nobody reads the other end: who opens it to write or to read waits in the kernel, as on a card that has died.
fn fifo(path: &Path) {
    mkfifo(path, Mode::from_bits_truncate(0o600)).expect("cannot make a fifo");
}

#[test]
fn card_that_hangs_keeps_the_watchdog_from_nothing() {
    // In one the old record cannot be read, in the other the new one cannot be written.
    for name in ["boot-record", "boot-record.new"] {
        let rig = Rig::new("dog-card");
        rig.write("dog", "");
        std::fs::create_dir(rig.path("state")).unwrap();
        fifo(&rig.path("state").join(name));
        rig.ini(&format!("state_dir = DIR/state\n{MEDIA}"));
        let mut irsync = rig.start(&["run"]);
        wait_until("three kicks", || rig.read("dog").len() >= 3);
        irsync.wait_log("sync success");
        let told = Instant::now();
        irsync.stop();
        assert!(told.elapsed() < Duration::from_secs(30), "a stop waited {:?} for the card", told.elapsed());
        let written = rig.read("dog");
        assert!(written.trim_start_matches('\0') == "V", "kicks, then the magic close: {written:?}");
    }
}

#[test]
fn boot_record_is_written_when_the_card_comes_back_and_its_failure_is_told() {
    let rig = Rig::new("dog-card-back");
    rig.write("dog", "");
    std::fs::create_dir(rig.path("state")).unwrap();
    let new = rig.path("state/boot-record.new");
    // Where a folder stands no file can be written.
    std::fs::create_dir(&new).unwrap();
    rig.ini(&format!("state_dir = DIR/state\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("last boot: ");
    wait_until("three kicks", || rig.read("dog").len() >= 3);
    irsync.wait_log("cannot keep the boot record in");
    std::fs::remove_dir(&new).unwrap();
    irsync.stop();
    let record = rig.read("state/boot-record");
    assert!(record.contains("\nstop clean\n"), "{record}\n{}", irsync.log());
}

#[test]
fn reload_takes_over_a_new_reboot_limit() {
    let rig = Rig::new("dog-limit");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    rig.ini(&format!("reboot_limit = 3\n{MEDIA}"));
    irsync.signal(Signal::SIGHUP);
    irsync.wait_log("reboot_limit is 3 from now on");
    irsync.stop();
}
