//! Whoever can open a lock file can lock it: nobody else can, and how irsync is doing is seen in another way.

use super::{as_nobody, irsync_as_nobody};
use crate::common::{is_root, process, Irsync, Rig};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

fn lock_files(rig: &Rig) -> Vec<PathBuf> {
    let files = fs::read_dir(rig.path("")).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().contains("lock")).collect()
}

#[test]
fn no_other_user_can_open_a_lock_and_status_is_told_all_the_same() {
    let story = "no_other_user_can_open_a_lock_and_status_is_told_all_the_same";
    if !is_root(story) {
        return;
    }
    let rig = Rig::new("locks-of-root");
    let ini = rig.ini("[media]\nsource = /ok\ndestination = DIR/media\n");
    fs::set_permissions(ini, fs::Permissions::from_mode(0o644)).unwrap();
    // As irsync 0.1.0 made it.
    let old = rig.write("status.lock", "");
    fs::set_permissions(old, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(as_nobody(Command::new("ls").arg(rig.path("irsync.ini"))).status.code(), Some(0), "the rig is closed");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let locks = lock_files(&rig);
    assert_eq!(locks.len(), 2, "{locks:?}");
    for lock in &locks {
        assert!(!as_nobody(Command::new("cat").arg(lock)).status.success(), "{lock:?} is open to everybody");
    }
    let (code, text) = irsync_as_nobody(&rig, &["status"]);
    assert!(code == Some(0) && text.contains("media"), "{code:?} {text}");
    let (code, text) = irsync_as_nobody(&rig, &["now"]);
    assert!(code == Some(1) && text.contains("ermission denied"), "{code:?} {text}");
    irsync.kill();
    rig.wait_nothing_left();
    let (code, text) = irsync_as_nobody(&rig, &["status"]);
    assert!(code == Some(1) && text.contains("cannot tell"), "{code:?} {text}");
    assert_eq!(rig.run(&["status"]).status.code(), Some(3), "its own user knows");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    irsync.stop();
    let (code, text) = irsync_as_nobody(&rig, &["status"]);
    assert!(code == Some(3) && text.contains("not running"), "{code:?} {text}");
}

#[test]
fn a_lock_that_names_no_whole_mark_makes_irsync_kill_nobody() {
    let rig = Rig::new("empty-mark");
    rig.ini("backoff_initial = 10ms\nbackoff_max = 20ms\n[media]\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    irsync.stop();
    let lock = lock_files(&rig).pop().expect("the destination's lock stays");
    let mut bystander = Command::new("sleep").arg("1000").env("IRSYNC_RUN", "1.1.1.").spawn().unwrap();
    let held = nix::fcntl::Flock::lock(File::open(&lock).unwrap(), nix::fcntl::FlockArg::LockExclusive).unwrap();
    for text in ["999999999  media\n", "999999999 . media\n", "999999999 1. media\n", "7 1.1. media\n"] {
        fs::write(&lock, text).unwrap();
        let mut irsync = rig.start(&["run"]);
        irsync.wait_count("has the same destination", 3);
        irsync.stop();
        assert!(process::alive(bystander.id() as i32), "killed for {text:?}");
    }
    drop(held);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn rsync_cannot_write_to_the_lock_and_its_user_gains_nothing_by_set_uid_programs() {
    if !is_root("rsync_cannot_write_to_the_lock_and_its_user_gains_nothing_by_set_uid_programs") {
        return;
    }
    let rig = Rig::new("lock-descriptor");
    rig.write("media/.keep", "");
    fs::set_permissions(rig.path("media"), fs::Permissions::from_mode(0o777)).unwrap();
    rig.ini("[media]\nuser = nobody\nsource = /silent\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("media").wait_runs(1);
    let pid = rig.fake("media").pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let lock = lock_files(&rig).into_iter().find(|path| !path.ends_with("status.lock")).unwrap();
    let inode = fs::metadata(lock).unwrap().ino();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let handed: Vec<_> =
        descriptors.filter(|fd| fs::metadata(fd.path()).is_ok_and(|file| file.ino() == inode)).collect();
    assert_eq!(handed.len(), 1, "the lock is to outlive irsync with rsync");
    let info = format!("/proc/{pid}/fdinfo/{}", handed[0].file_name().to_string_lossy());
    let info = fs::read_to_string(info).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    assert_eq!(u32::from_str_radix(flags, 8).unwrap() & 0o3, 0, "not only for reading: {info}");
    irsync.stop();
}

#[test]
fn a_password_in_a_url_is_in_no_lock_file_and_no_status() {
    let rig = Rig::new("lock-secret");
    let secret = format!("hun/{}", std::process::id());
    rig.set_env("PATH", &rig.fake_path());
    rig.set_env("XDG_RUNTIME_DIR", rig.path("").to_str().unwrap());
    let url = format!("rsync://user:{secret}@192.0.2.1/media");
    let mut irsync = rig.start(&["--irsync-interval-seconds=3600", "/ok", &url]);
    irsync.wait_log("sync success");
    let folders = [rig.path("irsync"), PathBuf::from("/run/irsync")];
    let files = || folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    // Another irsync's file may have gone by now.
    let texts: Vec<String> = files().filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
    assert!(texts.iter().any(|text| text.contains(&irsync.pid().to_string())), "no lock: {texts:?}");
    for text in texts.iter().chain([&irsync.log()]) {
        assert!(!text.contains(&secret), "{text}");
    }
    irsync.stop();
}

#[test]
fn a_password_under_a_wrong_key_is_not_repeated() {
    let rig = Rig::new("wrong-key");
    for line in [
        "pasword = hun/ter2",
        "password_file = hun/ter2",
        "report_password_file = hun/ter2",
        "sorce = rsync://u:hun/ter2@h/m/",
        "interval = rsync://u:hun/ter2@h/m/",
        "password hun/ter2",
    ] {
        let (global, job) = if line.starts_with("report") { (line, "") } else { ("", line) };
        rig.ini(&format!("{global}\n[media]\nsource = h::m\ndestination = DIR/media\n{job}\n"));
        for command in ["check", "run", "once"] {
            let output = rig.run(&[command]);
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(78), "{command} {line}: {text}");
            assert!(!text.contains("ter2"), "{command} {line}: {text}");
        }
    }
}

/// Root's name on a plain user's files in /proc is there only because the process cannot be dumped.
fn start_as_plain_user(rig: &Rig) -> Irsync {
    let ini = rig.ini("[media]\nsource = /silent\ndestination = DIR/media\n");
    for path in [rig.path(""), ini] {
        std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
    }
    let mut command = rig.command(&["run"]);
    std::os::unix::process::CommandExt::uid(&mut command, 12345);
    std::os::unix::process::CommandExt::gid(&mut command, 12345);
    rig.start_command(command)
}

#[test]
fn irsync_leaves_no_core_dump_and_what_it_starts_does_as_before() {
    if !is_root("irsync_leaves_no_core_dump_and_what_it_starts_does_as_before") {
        return;
    }
    let rig = Rig::new("no-dump");
    let mut irsync = start_as_plain_user(&rig);
    rig.fake("media").wait_runs(1);
    let pid = rig.fake("media").pid();
    let owner = |pid: i32| fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    assert_eq!((owner(irsync.pid()), owner(pid)), (0, 12345), "a process that cannot be dumped is root's in /proc");
    let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    assert_eq!(score.trim(), "500");
    irsync.stop();
}

/// The guard is a copy of irsync: of a drop-in it has the password of a URL in its memory.
#[test]
fn the_guard_leaves_no_core_dump_either() {
    if !is_root("the_guard_leaves_no_core_dump_either") {
        return;
    }
    let rig = Rig::new("no-dump-of-the-guard");
    let mut irsync = start_as_plain_user(&rig);
    let owner = fs::metadata(format!("/proc/{}/environ", rig.guard())).unwrap().uid();
    assert_eq!(owner, 0, "a process that cannot be dumped is root's in /proc");
    irsync.stop();
}
