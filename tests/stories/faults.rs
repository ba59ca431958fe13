//! What a broken device does to a running irsync: nothing of it may end it.

use crate::common::fake::PROGRAM;
use crate::common::mount::Tmpfs;
use crate::common::{comes_true, is_root, process, remove_folder, wait_until, Irsync, Rig};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const MEDIA: &str = "[media]\nsource = /ok\ndestination = DIR/dest\n";

/// Asks for a sync until one more has been run.
fn syncs_again(rig: &Rig, irsync: &mut Irsync) {
    let fake = rig.fake("dest");
    let before = fake.ends().len();
    irsync.signal(Signal::SIGUSR1);
    fake.wait_ends(before + 1);
    irsync.assert_alive();
}

#[test]
fn standard_error_that_is_full_or_closed() {
    // sh opens what irsync inherits: a full device, none at all, a pipe whose reader has gone.
    for redirection in ["2>/dev/full", "2>&-", "2>&- >&- <&-"] {
        let rig = Rig::new("stderr");
        rig.ini(MEDIA);
        let command = through_shell(&rig.command(&["run"]), &format!("exec \"$0\" \"$@\" {redirection}"));
        let mut irsync = rig.start_command(command);
        rig.fake("dest").wait_ends(1);
        syncs_again(&rig, &mut irsync);
        irsync.stop();
    }
}

#[test]
fn reader_of_the_log_goes_away() {
    let rig = Rig::new("stderr-broken-pipe");
    rig.ini(MEDIA);
    let mut command = rig.command(&["run"]);
    let mut reader = Command::new("sh").args(["-c", "read -r line"]).stdin(Stdio::piped()).spawn().unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(reader.stdin.take().unwrap());
    let mut irsync = rig.spawn(command, rig.path("none.log"));
    rig.fake("dest").wait_ends(1);
    reader.wait().unwrap();
    syncs_again(&rig, &mut irsync);
    syncs_again(&rig, &mut irsync);
    irsync.stop();
}

#[test]
fn log_file_whose_folder_goes_and_comes_back() {
    let rig = Rig::new("log-folder");
    fs::create_dir(rig.path("logs")).unwrap();
    rig.ini(&format!("log = DIR/logs/irsync.log\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    wait_until("the log", || rig.read("logs/irsync.log").contains("sync success"));
    remove_folder(&rig.path("logs"));
    syncs_again(&rig, &mut irsync);
    fs::create_dir(rig.path("logs")).unwrap();
    wait_until("the log to come back", || {
        syncs_again(&rig, &mut irsync);
        rig.read("logs/irsync.log").contains("sync success")
    });
    irsync.stop();
}

#[test]
fn log_file_is_bounded() {
    let rig = Rig::new("log-bounded");
    rig.ini("log = DIR/irsync.log\nlog_max_size = 8K\nlog_level = trace\n[media]\nsource = /flood /ok\ninterval = 50ms\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_ends(2);
    wait_until("the rotated file", || rig.path("irsync.log.old").exists());
    irsync.stop();
    for name in ["irsync.log", "irsync.log.old"] {
        let size = fs::metadata(rig.path(name)).unwrap().len();
        assert!(size < 16 << 10, "{name} has {size} bytes");
    }
}

/// A limit of RLIMIT_FSIZE sends SIGXFSZ, which ends a process that does not take care of it.
#[test]
fn log_that_reaches_the_limit_of_a_files_size() {
    let rig = Rig::new("log-file-size");
    rig.ini(
        "log = DIR/irsync.log\nlog_level = trace\ninterval = 50ms\n[media]\nsource = /ok\ndestination = DIR/dest\n",
    );
    let run = rig.command(&["run"]);
    let mut irsync = rig.start_command(through_shell(&run, "exec prlimit --fsize=6000 \"$0\" \"$@\""));
    rig.fake("dest").wait_ends(1);
    // No record is longer than what is left then.
    wait_until("the log to be full", || rig.read("irsync.log").len() > 5600);
    syncs_again(&rig, &mut irsync);
    irsync.stop();
    let log = rig.read("irsync.log");
    let whole = |line: &str| line.starts_with("20") && line.contains("Z [");
    assert!(log.len() <= 6000 && log.ends_with('\n') && log.lines().all(whole), "{log}");
}

#[test]
fn syslog_that_is_not_there() {
    let rig = Rig::new("no-syslog");
    rig.ini(&format!("log = syslog\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    rig.fake("dest").wait_ends(1);
    syncs_again(&rig, &mut irsync);
    irsync.stop();
}

/// irsync where `/dev/console` is a file of the story and nobody listens at `/dev/log`.
fn with_console(rig: &Rig, stderr: &str) -> Irsync {
    let console = rig.write("console", "");
    let script = format!(
        "exec unshare --mount sh -c 'mount --bind {} /dev/console &&
         {{ [ ! -e /dev/log ] || mount --bind /dev/null /dev/log; }} && exec \"$0\" \"$@\" 2>{stderr}' \"$0\" \"$@\"",
        console.display()
    );
    rig.start_command(through_shell(&rig.command(&["run"]), &script))
}

#[test]
fn log_that_nobody_can_read_is_told_on_the_console_once_and_by_check() {
    if !is_root("log_that_nobody_can_read_is_told_on_the_console_once_and_by_check") {
        return;
    }
    for (log, stderr, told, checked) in [
        (
            "stderr",
            "/dev/null",
            "the log goes to stderr, which is /dev/null here",
            "is /dev/null: nobody can read its log",
        ),
        ("syslog", "DIR/said", "cannot write to syslog, /dev/log", "cannot reach syslog at /dev/log"),
        ("DIR/none/log", "/dev/null", "cannot write DIR/none/log", "cannot write to DIR/none"),
        ("DIR/none/log", "/dev/full", "cannot write DIR/none/log", "cannot write to DIR/none"),
    ] {
        let rig = Rig::new("unheard");
        let whole = |text: &str| text.replace("DIR", rig.path("").to_str().unwrap().trim_end_matches('/'));
        rig.ini(&format!("log = {log}\ninterval = 50ms\n{MEDIA}"));
        let mut irsync = with_console(&rig, &whole(stderr));
        rig.fake("dest").wait_ends(3);
        let heard = || rig.read("console") + &rig.read("said");
        wait_until("it to be told", || heard().contains(&whole(told)));
        assert_eq!(heard().matches("irsync: ").count(), 1, "{log} {stderr}: {}", heard());
        if log != "syslog" || !std::path::Path::new("/dev/log").exists() {
            let said = String::from_utf8_lossy(&rig.run(&["check"]).stderr).into_owned();
            assert!(said.contains("warning: log: ") && said.contains(&whole(checked)), "{log}: {said}");
        }
        irsync.stop();
    }
}

#[test]
fn a_file_in_error_is_told_on_the_console_where_nobody_hears_stderr() {
    if !is_root("a_file_in_error_is_told_on_the_console_where_nobody_hears_stderr") {
        return;
    }
    // A console, a syslogd that is not there, a folder that is missing, a key in doubt.
    for log in ["stderr", "syslog", "DIR/none/irsync.log", "tty"] {
        let rig = Rig::new("refused-unheard");
        rig.ini(&format!("log = {log}\n{MEDIA}intervall = 5m\n"));
        assert_eq!(with_console(&rig, "/dev/null").wait().code(), Some(78));
        let heard = rig.read("console");
        for line in ["[media] intervall: unknown key", "irsync is not started: mend this"] {
            assert!(heard.contains(line), "{log}: {heard}");
        }
    }
}

#[test]
fn status_folder_that_goes_and_comes_back() {
    let rig = Rig::new("status-folder");
    rig.ini(&format!("status_file = DIR/state/status\n{MEDIA}"));
    fs::create_dir(rig.path("state")).unwrap();
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    wait_until("the status", || rig.read("state/status").contains("[job:media]"));
    remove_folder(&rig.path("state"));
    syncs_again(&rig, &mut irsync);
    // A file where the folder should be: it cannot be made again.
    wait_until("a file in the folder's place", || {
        let _ = fs::remove_dir_all(rig.path("state"));
        fs::write(rig.path("state"), "").is_ok()
    });
    syncs_again(&rig, &mut irsync);
    fs::remove_file(rig.path("state")).unwrap();
    fs::create_dir(rig.path("state")).unwrap();
    wait_until("the status to come back", || {
        syncs_again(&rig, &mut irsync);
        rig.read("state/status").contains("[job:media]")
    });
    irsync.stop();
}

#[test]
fn status_folder_is_made_where_it_is_missing() {
    let rig = Rig::new("status-missing");
    rig.ini(&format!("status_file = DIR/run/irsync/status\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    wait_until("the status", || rig.read("run/irsync/status").contains("[job:media]"));
    irsync.stop();
}

#[test]
fn status_on_a_full_file_system() {
    if !is_root("status_on_a_full_file_system") {
        return;
    }
    let rig = Rig::new("status-full");
    let tmpfs = Tmpfs::new(&rig.path("small"), "64k");
    rig.ini(&format!("status_file = DIR/small/status\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    let filler = tmpfs.fill();
    syncs_again(&rig, &mut irsync);
    syncs_again(&rig, &mut irsync);
    let status = rig.read("small/status");
    assert!(status.is_empty() || status.contains("[job:media]"), "half a status file: {status:?}");
    fs::remove_file(filler).unwrap();
    let runs = |rig: &Rig| {
        let text = rig.read("small/status");
        text.lines().find_map(|line| line.strip_prefix("runs")?.trim_start_matches([' ', '=']).parse::<u64>().ok())
    };
    wait_until("a new status", || {
        syncs_again(&rig, &mut irsync);
        runs(&rig).is_some_and(|count| count >= 4)
    });
    irsync.stop();
    drop(tmpfs);
}

#[test]
fn status_on_a_read_only_file_system() {
    if !is_root("status_on_a_read_only_file_system") {
        return;
    }
    let rig = Rig::new("status-read-only");
    let tmpfs = Tmpfs::new(&rig.path("root"), "64k");
    tmpfs.remount("ro");
    rig.ini(&format!("status_file = DIR/root/status\n{MEDIA}"));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    syncs_again(&rig, &mut irsync);
    assert!(irsync.log_has("Read-only file system"), "it says so");
    tmpfs.remount("rw");
    wait_until("the status", || {
        syncs_again(&rig, &mut irsync);
        rig.read("root/status").contains("[job:media]")
    });
    assert!(rig.run(&["now"]).status.success(), "and the control socket with it");
    irsync.stop();
    drop(tmpfs);
}

#[test]
fn working_directory_that_was_removed() {
    let rig = Rig::new("cwd");
    rig.ini(MEDIA);
    let folder = rig.path("cwd");
    fs::create_dir(&folder).unwrap();
    let mut command = rig.command(&["run"]);
    command.current_dir(&folder);
    let mut irsync = rig.start_command(command);
    irsync.wait_log("sync success");
    fs::remove_dir(&folder).unwrap();
    syncs_again(&rig, &mut irsync);
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn no_descriptors_left() {
    let rig = Rig::new("descriptors");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    // The limit is one above the highest number in use: not one more can be opened.
    let used = fs::read_dir(format!("/proc/{}/fd", irsync.pid())).unwrap().count();
    limit_descriptors(&irsync, &format!("{used}:"));
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_log("cannot ");
    irsync.assert_alive();
    limit_descriptors(&irsync, "1024:");
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn without_lock_and_descriptors_nobody_knows_who_else_writes_there() {
    let rig = Rig::new("blind-without-lock");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("sync success");
    limit_descriptors(&irsync, "3:");
    for entry in fs::read_dir(rig.path("")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("lock-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_log("cannot see who else writes to the destination");
    assert!(irsync.line("cannot see who else").unwrap().contains("sync skipped"), "{}", irsync.log());
    limit_descriptors(&irsync, "1024:");
    irsync.wait_count("sync success", 2);
    irsync.stop();
}

#[test]
fn a_worker_that_cannot_be_started_ends_nothing_and_runs_after_the_next_reload() {
    let rig = Rig::new("no-worker");
    rig.ini(MEDIA);
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    let names = ["first", "second", "third", "fourth"];
    let section = |name| format!("[{name}]\nsource = /ok\ndestination = DIR/{name}\n");
    rig.ini(&format!("{MEDIA}{}", names.map(section).concat()));
    let numbers = fs::read_dir(format!("/proc/{}/fd", irsync.pid())).unwrap();
    let used: Vec<u64> = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // One number is free below the limit: the file can be read with it, and then one worker be started.
    let lowest = (0..).find(|number| !used.contains(number)).unwrap();
    limit_descriptors(&irsync, &format!("{}:", lowest + 1));
    wait_until("a worker that cannot be started", || {
        // What irsync writes at the same moment may have the one descriptor.
        irsync.signal(Signal::SIGHUP);
        irsync.log_has(": cannot start a worker: ")
    });
    irsync.assert_alive();
    limit_descriptors(&irsync, "1024:");
    irsync.signal(Signal::SIGHUP);
    for name in names {
        irsync.wait_log(&format!("{name}: sync success"));
    }
    irsync.stop();
}

#[test]
fn what_left_its_session_is_ended_though_descriptors_ran_out_when_it_was_looked_for() {
    let rig = Rig::new("blind");
    let program = rig.write(
        "forks",
        format!(
            "#!/bin/sh\ncase $1 in -V | --version) exec {PROGRAM} \"$@\" ;; esac\ncd {}\nif [ ! -e stray ]; then\n\
             setsid sh -c 'echo $$ >stray.new; mv stray.new stray; exec sleep 1000' &\n\
             echo $$ >first\nuntil [ -e go ]; do sleep 0.02; done\nfi\nexec {PROGRAM} \"$@\"\n",
            rig.path("").display()
        ),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    rig.ini("interval = 100ms\n[media]\nrsync = DIR/forks\nsource = /ok\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    wait_until("what leaves its session", || rig.path("stray").exists());
    wait_until("both of them", || fs::read_to_string(rig.path("first")).is_ok_and(|pid| pid.ends_with('\n')));
    let pid = |name: &str| rig.read(name).trim().parse::<i32>().unwrap();
    let (stray, first) = (pid("stray"), pid("first"));
    limit_descriptors(&irsync, "3:");
    rig.write("go", "");
    // Once it has been buried, irsync has looked for what it left.
    wait_until("the end of rsync", || !Path::new("/proc").join(first.to_string()).exists());
    assert!(process::alive(stray));
    limit_descriptors(&irsync, "1024:");
    wait_until("the end of what it left", || !process::alive(stray));
    rig.fake("dest").wait_runs(2);
    irsync.stop();
}

fn limit_descriptors(irsync: &Irsync, limit: &str) {
    let status =
        Command::new("prlimit").arg(format!("--pid={}", irsync.pid())).arg(format!("--nofile={limit}")).status();
    assert!(status.is_ok_and(|status| status.success()), "prlimit (util-linux) is needed");
}

#[test]
fn destination_whose_parent_is_missing_is_locked_and_tried() {
    let rig = Rig::new("no-parent");
    // A file stands where the folder should be: the fake cannot make its destination and ends with 11, as rsync does.
    rig.write("gone", "");
    rig.ini("[media]\nsource = /ok\ndestination = DIR/gone/deeper/dest\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("sync transient: code 11", 2);
    fs::remove_file(rig.path("gone")).unwrap();
    irsync.wait_log("sync success");
    assert_eq!(rig.fake("gone/deeper/dest").runs(), 1);
    irsync.stop();
}

#[test]
fn program_that_is_a_folder_or_not_executable() {
    let rig = Rig::new("not-a-program");
    let plain = rig.write("plain", "#!/bin/sh\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(rig.path("folder")).unwrap();
    rig.ini(
        "[plain]\nrsync = DIR/plain\nsource = /ok\ndestination = DIR/d1\n\
         [folder]\nrsync = DIR/folder\nsource = /ok\ndestination = DIR/d2\n\
         [media]\nsource = /ok\ndestination = DIR/dest\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    for job in ["plain", "folder"] {
        wait_until("a failed start", || {
            irsync.log().lines().any(|line| line.contains(&format!("{job}: ")) && line.contains("cannot start rsync"))
        });
    }
    irsync.assert_alive();
    irsync.stop();
}

#[test]
fn nothing_of_irsync_reaches_its_children() {
    let rig = Rig::new("inherited");
    rig.ini("[media]\nsource = /silent\ndestination = DIR/dest\n");
    let mut irsync = rig.start(&["run"]);
    let fake = rig.fake("dest");
    fake.wait_runs(1);
    assert_eq!(fake.variable(1, "LC_MESSAGES").as_deref(), Some("C"));
    assert_eq!(fake.variable(1, "LC_ALL"), None);
    let pid = fake.pid();
    let process = process::Process::of(pid).expect("it runs");
    assert_eq!(process.session, pid, "it leads a session of its own");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap(), std::path::Path::new("/dev/null"));
    // Not what the tests themselves were started with. The fake rsync's shell keeps its script open until it has become the
    // program that sleeps, so this may take a moment; what was leaked would stay.
    let ours: Vec<String> = targets("self");
    let mut open = Vec::new();
    let nothing = comes_true(|| {
        open = targets(&pid.to_string());
        // The lock is handed on on purpose: it lasts as long as the last process of the sync.
        open.retain(|target| !ours.contains(target) && !target.contains("lock"));
        open.is_empty()
    });
    assert!(nothing, "descriptors leaked into rsync: {open:?}");
    irsync.stop();
}

/// What the descriptors of a process above standard error refer to.
fn targets(pid: &str) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let extra = entries.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok_and(|fd| fd > 2));
    extra.filter_map(|entry| fs::read_link(entry.path()).ok()).map(|target| target.display().to_string()).collect()
}

/// `sh -c SCRIPT PROGRAM ARGUMENTS`, with the directory and the environment of the command it wraps.
fn through_shell(inner: &Command, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    if let Some(dir) = inner.get_current_dir() {
        command.current_dir(dir);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_fallback_is_asked_at_once_and_gone_on_with() {
    let rig = Rig::new("fallback");
    rig.ini(
        "interval = 50ms\nbackoff_initial = 1h\nbackoff_max = 1h\n[media]\nsource = /refused\nfallback = /auth-failed /ok\n\
         destination = DIR/dest\n",
    );
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("media: sync success", 3);
    irsync.stop();
    let log = irsync.log();
    assert_eq!(log.matches("the source did not serve").count(), 2, "{log}");
    assert!(log.contains("Connection refused (111); asking /auth-failed"), "{log}");
    assert!(log.contains("auth failed on module data; asking /ok"), "{log}");
    assert!(!log.contains("sync transient") && !log.contains("sync permanent"), "{log}");
}

/// The name of the day that is so many days from today, UTC.
fn day(from_today: u64) -> &'static str {
    let days = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][((days + from_today) % 7) as usize]
}

#[test]
fn a_closed_window_holds_syncs_back_but_not_the_owner() {
    let rig = Rig::new("window");
    rig.set_env("TZ", "UTC");
    // Both stay what they are if midnight comes in the middle of this.
    rig.ini(&format!(
        "interval = 50ms\n[shut]\nsource = /ok\ndestination = DIR/shut\nwindow = {} 01:00-02:00\n\
         [open]\nsource = /ok\ndestination = DIR/open\nwindow = {}-{}\nbwlimit = 200K\n",
        day(3),
        day(0),
        day(2)
    ));
    let mut irsync = rig.start(&["run"]);
    irsync.wait_count("open: sync success", 3);
    assert!(!irsync.log().contains("shut: sync"), "{}", irsync.log());
    irsync.signal(Signal::SIGUSR1);
    irsync.wait_log("shut: sync success");
    irsync.stop();
    assert!(rig.read("open/argv.1").contains("--bwlimit=200\n"));
    assert!(!rig.read("shut/argv.1").contains("--bwlimit"));
}
