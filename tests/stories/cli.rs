//! The real binary: usage, help, and `irsync check`.

use crate::common::Rig;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

fn irsync(args: &[&str]) -> Output {
    crate::common::irsync().args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A directory of its own for each test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    /// Writes an INI file in which `DIR` is this directory, and checks it.
    fn check(&self, ini: &str) -> Output {
        self.check_with(ini, &[])
    }

    /// The same with further words.
    fn check_with(&self, ini: &str, words: &[&str]) -> Output {
        let path = self.0.join("irsync.ini");
        fs::write(&path, ini.replace("DIR", self.0.to_str().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        irsync(&[&["check", path.to_str().unwrap()], words].concat())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn help_and_version_go_to_stdout_and_succeed() {
    for args in [&["--help"][..], &["check", "--help"]] {
        let output = irsync(args);
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(text(&output.stdout).contains("Exit codes:"));
    }
    let output = irsync(&["--version"]);
    assert_eq!(text(&output.stdout), format!("irsync {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_exit_code_2_on_stderr() {
    for args in [
        &["--irsync-interval-seconds=x", "-a", "s", "d"][..],
        &["--irsync-interval-seconds", "5", "s", "d"],
        &["-a", "s", "d", "--irsync-tiemout-seconds=5"],
        &["chekc"],
        &["--config"],
        &["check", "--colour"],
    ] {
        let output = irsync(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let dir = Dir::new("pipe");
    let path = dir.0.join("irsync.ini");
    fs::write(&path, "[a]\nsource = h::m\ndestination = /d\n").unwrap();
    for args in [&["--help"][..], &["--version"], &["check", "--config", path.to_str().unwrap()]] {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        drop(reader);
        let output = crate::common::irsync().args(args).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}: {:?} {}", output.status, text(&output.stderr));
        assert!(!text(&output.stderr).contains("panicked"));
    }
}

#[test]
fn a_full_stdout_is_a_failure_that_says_so() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = crate::common::irsync().arg("--help").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("irsync: cannot write to stdout: No space left on device"));
}

#[test]
fn check_is_short_says_ok_and_masks_secrets() {
    let ini = "log_level = debug\n[media]\nsource = rsync://u@h/m/\ndestination = /srv\ninterval = 1h\nnice = 0\npassword = sesame\n\
        [other]\nsource = rsync://h/o/\ndestination = /mnt\n";
    let dir = Dir::new("short");
    let output = dir.check(ini);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains("command: rsync ")).collect();
    let ini_name = dir.0.join("irsync.ini");
    let verdict = format!("{}: OK, 2 jobs", ini_name.display());
    assert_eq!(
        lines,
        [
            "  log_level = debug",
            "",
            "[media]",
            "  source      = rsync://u@h/m/",
            "  destination = /srv",
            "  interval    = 1h",
            "  password    = ***",
            "  nice        = 0",
            "",
            "[other]",
            "  source      = rsync://h/o/",
            "  destination = /mnt",
            "",
            &verdict,
        ],
        "{err}"
    );
    assert_eq!(out.lines().filter(|line| line.starts_with("  command: rsync --stats ")).count(), 2, "{out}");
    // Whoever has a limit of his own asks himself whose this one is.
    let deletes = text(&dir.check(&ini.replace("/mnt", "/mnt\noptions = -r --delete --max-delete=9")).stdout);
    assert!(deletes.contains(" --max-delete=9 --max-delete=0 -- ") && !out.contains("--max-delete"), "{deletes}");
    assert!(deletes.contains("\n  --max-delete=0 only counts deletions; those that are allowed"), "{deletes}");
    let other = text(&dir.check_with(ini, &["other"]).stdout);
    assert!(other.contains("[other]") && !other.contains("[media]") && other.contains("OK, 1 job\n"), "{other}");
    let warned = text(&dir.check_with(&ini.replace("nice = 0", "rsync = no-such-rsync"), &[]).stdout);
    let fails = ": OK, 2 jobs, 1 warning; but on this machine every sync of media would fail\n";
    assert!(warned.ends_with(fails), "{warned}");
    // What is refused is not OK.
    let refused = dir.check(&ini.replace("destination = /mnt", "destination = /mnt\noptions = -n"));
    assert!(refused.status.code() == Some(78) && !text(&refused.stdout).contains("OK"), "{refused:?}");
}

#[test]
fn check_all_shows_settings_and_command_with_secrets_masked() {
    let output = Dir::new("shows").check_with(
        "log_level = debug\n[media]\nsource = rsync://u@h/m/ '::b c'\ndestination = /\noptions = -a -f '- *.tmp'\ninterval = 1h\npassword = sesame\n",
        &["--all"],
    );
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for line in [
        "* log_level ",
        "* interval           = 1h",
        "  stop_timeout       = 5s",
        "* password           = ***",
        "  user               = off",
    ] {
        assert!(out.lines().any(|found| found.starts_with(line)), "{line:?} in\n{out}");
    }
    let command = out.lines().find_map(|line| line.strip_prefix("  command: ")).unwrap();
    assert!(command.starts_with("rsync ") && command.contains("--password-file=-"), "{command}");
    assert!(command.ends_with("-a -f '- *.tmp' -- rsync://u@h/m/ '::b c' /"), "{command}");
    assert!(!out.contains("sesame") && !err.contains("sesame"));
}

#[test]
fn check_reports_every_error_and_exits_78() {
    let output = Dir::new("errors").check("intervall = 5\n[a]\nnice = 77\n");
    let err = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    for says in [
        "irsync.ini:1: intervall: unknown key; did you mean interval?",
        ":3: [a] nice = 77:",
        ":2: [a] source: is required",
    ] {
        assert!(err.contains(says), "{says}: {err}");
    }
    assert_eq!(irsync(&["check", "--config", "/nonexistent/irsync.ini"]).status.code(), Some(78));
}

#[test]
fn check_warns_of_what_hurts_in_the_field() {
    let job = |keys: &str| format!("[a]\n{keys}\n");
    let there = "source = h::m\ndestination = DIR/d";
    for (ini, says) in [
        (job(&format!("{there}\noptions = -a --partial")), "--partial without --partial-dir"),
        (job(&format!("{there}\noptions = -aP")), "--partial without --partial-dir"),
        (job(&format!("{there}\noptions = -r --inplace")), "--inplace:"),
        (job(&format!("{there}\noptions = -aq")), "--quiet:"),
        (job(&format!("{there}\noptions = -a --delete-after")), "--delete without --max-delete"),
        (job(&format!("{there}\noptions = -a /etc")), "\"/etc\" is no option"),
        (job(&format!("{there}\nrsync = no-such-rsync")), "cannot find no-such-rsync"),
        (job(&format!("{there}\nrun_before = /no/such/hook -x")), "run_before: cannot find /no/such/hook"),
        (job(&format!("{there}\nuser = nobodyy")), "there is no user \"nobodyy\""),
        (job(&format!("{there}\ngroup = nogroupp")), "there is no group \"nogroupp\""),
        (job(&format!("{there}\npassword_file = DIR/absent")), "password_file: cannot read"),
        (job("source = h::m\ndestination = DIR/x/y"), "has no parent directory"),
        (
            job(&format!("{there}\nrun_before = /bin/true && mount /data")),
            "run_before: \"&&\" is handed to the program as it stands: no shell reads it; write run_before = sh -c '…'",
        ),
        (job(&format!("{there}\nrun_after = logger $IRSYNC_JOB")), "run_after: \"$IRSYNC_JOB\" is handed to"),
        (job(&format!("{there}\nrun_after = /bin/true # told")), "run_after: \"#\" is handed to"),
        (
            job(&format!("{there}\nrun_after = '/no/every sync would fail'")),
            "run_after: cannot find /no/every sync would",
        ),
        (job(&format!("{there}\npassword = x ; the server's")), "password: it has a blank and a comment's mark"),
        (job("source = h:m\ndestination = DIR/d"), "BatchMode"),
        (
            job(&format!("{there}\nfallback = i::m j::m/a/")).replace("h::m", "h::m/a"),
            "fallback: i::m ends otherwise than source",
        ),
        (format!("{}[b]\n{there}/e\n", job(there)), "overlaps that of [a]"),
        (job(&format!("{there}\nenabled = no")), "no job is enabled"),
    ] {
        let output = Dir::new("warns").check(&ini);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{ini}: {err}");
        let found = err.lines().find(|line| line.contains(says)).unwrap_or_else(|| panic!("{says}: {ini}\n{err}"));
        assert!(found.contains("irsync.ini:") && found.contains("warning: "), "{found}");
        // The file is right, and may be meant for another machine; but nobody reads more than the last line.
        let out = text(&output.stdout);
        let last = out.lines().last().unwrap_or_default();
        let fails = last.ends_with("; but on this machine every sync of a would fail");
        assert_eq!(fails, found.contains(": every sync would fail"), "{found}\n{last}");
    }
}

#[test]
fn check_says_nothing_of_a_sound_configuration() {
    let dir = Dir::new("sound");
    fs::write(dir.0.join("rsync"), "").unwrap();
    fs::set_permissions(dir.0.join("rsync"), fs::Permissions::from_mode(0o755)).unwrap();
    let sound = "rsync = DIR/rsync\n[a]\nsource = h::m\ndestination = DIR/a\noptions = -a --delete --max-delete=9 --partial --partial-dir=.p\n\
        [b]\nsource = h:m\ndestination = DIR/ab\noptions = -a -e 'ssh -o BatchMode=yes -o ServerAliveInterval=15'\n[c]\nenabled = no\nsource = h::m\ndestination = DIR/a\n";
    let output = dir.check(sound);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn check_refuses_a_password_file_that_others_can_read() {
    let dir = Dir::new("password");
    let secret = dir.0.join("secret");
    fs::write(&secret, "sesame\n").unwrap();
    for (mode, code) in [(0o600, 0), (0o640, 0), (0o604, 78), (0o602, 78)] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let output = dir.check("[a]\nsource = h::m\ndestination = DIR/d\npassword_file = DIR/secret\n");
        assert_eq!(output.status.code(), Some(code), "{mode:o}: {}", text(&output.stderr));
    }
}

/// As style and packaging ask: what the repository ships must pass its own check.
#[test]
fn the_sample_ini_passes() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("irsync.ini");
    let output = irsync(&["check", "--config", sample.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn errors_of_the_file_end_with_a_newline() {
    let rig = Rig::new("cli-newline");
    rig.ini("[media]\nsourc = /ok\n");
    for command in ["run", "once", "check"] {
        let said = String::from_utf8_lossy(&rig.run(&[command]).stderr).into_owned();
        assert!(said.ends_with('\n') && !said.ends_with("\n\n"), "{command}: {said:?}");
    }
}
