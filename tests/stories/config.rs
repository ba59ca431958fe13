//! The configuration as files: what is accepted, what is refused and where it says so.

use irsync::config::expand::Variables;
use irsync::config::{self, keys, show, Arguments, Config, Errors, Jitter, Password, Warning};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A directory of its own for each test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn device() -> Variables {
    Variables { hostname: Some("pi-7".into()), mac: Some("b8:27:eb:00:00:01".into()), ..Variables::default() }
}

fn load(path: &Path) -> Result<(Config, Vec<Warning>), Errors> {
    let loaded = config::load(path)?;
    Ok((loaded.config, loaded.warnings))
}

/// Loads a text that must be right.
fn good(name: &str, text: impl AsRef<[u8]>) -> Config {
    let dir = Dir::new(name);
    load(&dir.write("irsync.ini", text)).unwrap_or_else(|errors| panic!("{errors}")).0
}

/// Loads a text that must be wrong; its errors without the path.
fn bad(name: &str, text: impl AsRef<[u8]>) -> String {
    let dir = Dir::new(name);
    let path = dir.write("irsync.ini", text);
    let errors = load(&path).expect_err("accepted");
    errors.to_string().replace(&format!("{}:", path.display()), "")
}

const JOB: &str = "[a]\nsource = rsync://h/m/\ndestination = /d\n";

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good("defaults", JOB);
    assert_eq!(config.global.status_file, Path::new("/run/irsync/status"));
    assert_eq!((config.global.watchdog_timeout.as_secs(), config.global.reboot_limit), (15, 1));
    let job = &config.jobs[0];
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(
        (job.limits.interval, job.limits.activity_timeout, job.limits.max_runtime),
        (seconds(30), Some(seconds(7200)), None)
    );
    assert_eq!((job.limits.stop_timeout, job.limits.backoff_initial, job.limits.backoff_max), (seconds(5), None, None));
    assert_eq!((job.limits.spread, job.limits.longest_backoff()), (seconds(30), seconds(300)));
    let hourly = &good("defaults-hourly", format!("interval = 1h\n{JOB}")).jobs[0];
    assert_eq!((hourly.limits.spread, hourly.limits.longest_backoff()), (seconds(900), seconds(3600)));
    let off = &good("spread-off", format!("spread = 0\n{JOB}")).jobs[0];
    assert_eq!(off.limits.spread, seconds(0));
    assert_eq!((job.limits.jitter, job.limits.hook_timeout), (Jitter::Percent(10), seconds(60)));
    assert_eq!(job.stale_after, Some(seconds(3 * 30 + 7200)));
    assert!(job.enabled && job.progress && job.rsync == "rsync" && job.name == "a");
    let arguments =
        Arguments::Ini { options: vec!["-rlt".into()], source: vec!["rsync://h/m/".into()], destination: "/d".into() };
    assert_eq!(job.arguments, arguments);
}

#[test]
fn stale_after_follows_interval_and_activity_timeout_unless_given() {
    for (keys, expected) in [
        ("interval = 1h\nactivity_timeout = 10m\n", Some(3 * 3600 + 600)),
        ("interval = 1h\nactivity_timeout = off\n", Some(3 * 3600 + 7200)),
        ("stale_after = 5m\n", Some(300)),
        ("stale_after = off\n", None),
    ] {
        let config = good("stale", format!("{JOB}{keys}"));
        assert_eq!(config.jobs[0].stale_after, expected.map(Duration::from_secs), "{keys}");
    }
}

#[test]
fn a_global_job_key_is_the_default_of_every_job() {
    let config = good(
        "layers",
        "destination = /d\ninterval = 1h\noptions = -a\n[a]\nsource = h::a\n[b]\nsource = h::b\ninterval = 5\n",
    );
    let intervals: Vec<u64> = config.jobs.iter().map(|job| job.limits.interval.as_secs()).collect();
    assert_eq!(intervals, [3600, 5]);
}

#[test]
fn all_errors_are_reported_at_once_with_line_key_and_what_is_accepted() {
    let text = "\
log_level = loud
intervall = 5
[media]
source = rsync://h/m
interval = 5 minutes
nice = 20
watchdog_device = /dev/watchdog
interval = 5
what is this
[media]
[b ad]
source = x
[last]
";
    let errors = bad("all", text);
    let expected = [
        "1: log_level = loud: is no log level; accepted: error, warn, info, debug or trace",
        "2: intervall: unknown key; did you mean interval?",
        "3: [media] destination: is required",
        "5: [media] interval = 5 minutes: has an unknown unit; accepted: digits with ms, s, m, h or d, from 10ms to 3650d; 0 is 10ms",
        "6: [media] nice = 20: is out of range; accepted: an integer from -20 to 19",
        "7: [media] watchdog_device: a global key: it belongs before the first section",
        "8: [media] interval: given already, on line 5",
        "9: this line is neither key = value, [job] nor a comment",
        "10: [media] this job is there already, on line 3",
        "11: [b ad] a job's name is made of letters, digits, '.', '_' and '-', and starts with none of '.' and '-'",
        "13: [last] source: is required",
        "13: [last] destination: is required",
    ];
    let found: Vec<String> = errors.lines().map(|line| line.to_string()).collect();
    assert_eq!(found, expected, "\n{errors}");
}

#[test]
fn combinations_that_cannot_work_are_refused() {
    for (keys, says) in [
        ("password = x\npassword_file = /p", "keep one"),
        ("options = --password-file=/p\npassword = x", "keep one"),
        ("source = h:p\npassword = x", "only an rsync daemon"),
        ("source = /p\npassword_file = /x", "only an rsync daemon"),
        ("source = rsync://u:sesame@h/m", "has a password in its URL"),
        ("source = rsync://h:abc/m/", "\"abc\" is no port"),
        ("fallback = rsync://h:87300/m/", "\"87300\" is no port"),
        ("reboot_after = 1d", "watchdog_device is off"),
        ("reboot_after = 1d", "state_dir, which is off"),
        ("recover_after = 1h", "no run_recover"),
        ("run_recover = /bin/true", "never runs without recover_after"),
        ("backoff_initial = 10m", "longer than backoff_max"),
        ("backoff_max = 1s", "longer than backoff_max"),
        ("destination = h::m", "both remote"),
        ("destination = d", "\"d\" is a relative path: init"),
        ("destination = /a b", "2 words"),
        ("destination =", "is empty"),
        ("source =", "is empty"),
        ("source = p", "\"p\" is a relative path: init"),
        ("source = /s ; the", "\";\" is a relative path: a comment stands on a line of its own"),
        (
            "interval = 30s ; often",
            "interval = 30s ; often: has an unknown unit: a comment stands on a line of its own",
        ),
        ("run_before = /x\ninterval = 1.5h", "interval = 1.5h: is not one whole number with one unit: write 90m"),
        ("require_mount = /data # card", "has something behind the path: a comment stands on a line of its own"),
        ("password = 'x", "password: has an unclosed quote"),
        ("source = -e/bin/sh", "starts with '-'"),
        ("source = h::m /p", "all be local or all on one host"),
        ("source = h::m i::n", "all be local or all on one host"),
        ("source = h::m/${seriel}", "${seriel} is unknown"),
        ("destination = /d/${date", "${ without its }"),
        ("options = --exclude=${hsotname}", "${hsotname} is unknown"),
        ("options = -e 'ssh", "unclosed quote"),
        ("rsync = rsync -v", "has blanks"),
        ("status_file = run/x", "a global key"),
        ("stop_timeout = 0", "cannot be switched off"),
        ("interval = off", "enabled = no"),
        ("min_free = 99999999999999999999G", "is out of range"),
    ] {
        let given: Vec<&str> = keys.lines().map(|line| line.split(" =").next().unwrap()).collect();
        let rest: String =
            JOB.lines().filter(|line| !given.iter().any(|key| line.starts_with(key))).collect::<Vec<_>>().join("\n");
        let errors = bad("combinations", format!("{rest}\n{keys}\n"));
        assert!(errors.contains(says), "{keys}: {errors}");
        assert!(!errors.contains("sesame"), "{errors}");
    }
    good("several", format!("{JOB}\n").replace("rsync://h/m/", "h::m ::n rsync://u@h/o"));
    let reboot = "watchdog_device = /dev/watchdog\nstate_dir = /var/lib/irsync\nreboot_after = 1d\n";
    good("reboot", format!("{reboot}{JOB}"));
    good("recover", format!("{JOB}run_recover = /bin/true\nrecover_after = 1h\n"));
}

#[test]
fn a_refused_value_is_not_reported_as_missing_too() {
    let errors = bad("refused", format!("watchdog_device = dog\nstate_dir = /s\nreboot_after = 1d\n{JOB}"));
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn variables_expand_after_splitting() {
    let text =
        "[a]\nsource = 'h::m/${hostname} x' h::m/$y\ndestination = /d/${mac}\noptions = -a --log-file=/l/${hostname}\n\
         fallback = g::m/${hostname} g::n\n";
    let config = good("variables", text);
    let expanded = device().expand_job(&config.jobs[0]).unwrap();
    let Arguments::Ini { options, source, destination } = &expanded.arguments else { panic!() };
    assert_eq!(source, &["h::m/pi-7 x", "h::m/$y"]);
    assert_eq!(expanded.fallback, [["g::m/pi-7", "g::n"]]);
    assert_eq!((options[1].as_str(), destination.as_str()), ("--log-file=/l/pi-7", "/d/b8:27:eb:00:00:01"));
}

#[test]
fn secrets_are_handed_on_but_never_shown() {
    let dir = Dir::new("secrets");
    let path = dir.write("irsync.ini", format!("{JOB}password = open sesame\n"));
    let (config, _) = load(&path).unwrap();
    assert_eq!(config.jobs[0].password, Some(Password::Text("open sesame".into())));
    let shown: Vec<String> = show::job(&config.jobs[0]).iter().map(|setting| setting.value.to_string()).collect();
    assert!(!format!("{config:?}{shown:?}").contains("sesame"));
    for (mode, allowed) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&path);
        assert_eq!(loaded.is_ok(), allowed, "{mode:o}");
        if let Err(errors) = loaded {
            let text = errors.to_string();
            let says = ":4: password: others can read this file";
            assert!(text.contains(says) || text.contains("others may write to it"), "{text}");
            assert!(!text.contains("sesame"), "{text}");
        }
    }
    let long = format!("password = {}", "sesame".repeat(100));
    for line in [
        &long,
        "pasword = open sesame",
        "password open sesame",
        "passwordopen sesame",
        "password = sesame\npassword = sesame",
    ] {
        let errors = bad("secret-errors", format!("{JOB}{line}\n"));
        assert!(!errors.contains("sesame"), "{errors}");
    }
}

#[test]
fn included_files_overlay_the_main_one_in_order() {
    let dir = Dir::new("include");
    let include = dir.0.join("d");
    let main = dir.write("irsync.ini", format!("include = {}\ninterval = 1h\n{JOB}", include.display()));
    let (_, warnings) = load(&main).unwrap();
    assert!(warnings.iter().any(|w| w.to_string().contains(":1: warning: cannot read")), "{warnings:?}");
    dir.write("d/20.ini", "interval = 3h\n[b]\nsource = h::b\ndestination = /b\n[a]\noptions = -a\n");
    // Written backwards, so that no directory lists them in order by itself.
    for n in (1..20).rev() {
        dir.write(&format!("d/{n:02}.ini"), format!("jitter = {n}%\n"));
    }
    dir.write("d/.30.ini", "nonsense");
    dir.write("d/30.ini~", "nonsense");
    let (config, warnings) = load(&main).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let names: Vec<&str> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(config.jobs.iter().all(|job| job.limits.interval.as_secs() == 3 * 3600));
    assert!(config.jobs.iter().all(|job| job.limits.jitter == Jitter::Percent(19)));
    assert!(matches!(&config.jobs[0].arguments, Arguments::Ini { options, .. } if options == &["-a"]));
    let bad = dir.write("d/40.ini", "include = /x\n[a]\nnice = 99\n");
    let loaded = config::load(&main).unwrap();
    assert_eq!(loaded.config, config, "a bad file is left out, the rest is not");
    let errors = told(&loaded);
    assert!(
        errors.contains(&format!("{}:1: include: an included file cannot include others", bad.display())),
        "{errors}"
    );
    assert!(errors.contains(&format!("{}:3: [a] nice = 99", bad.display())), "{errors}");
}

/// What was left out, a line each.
fn told(loaded: &config::Loaded) -> String {
    loaded.left_out.iter().map(|error| format!("{error}\n")).collect()
}

/// A main file with a folder in which `10.ini` adds a job; and what it comes to without any other file there.
fn overlaid(name: &str) -> (Dir, PathBuf, Config) {
    let dir = Dir::new(name);
    let main = dir.write(
        "irsync.ini",
        format!("include = {}\n{JOB}recover_after = 1h\nrun_recover = /r\n", dir.0.join("d").display()),
    );
    dir.write("d/10.ini", "[b]\nsource = h::b\ndestination = /b\n");
    let plain = config::load(&main).unwrap();
    assert!(plain.left_out.is_empty());
    (dir, main, plain.config)
}

#[test]
fn one_bad_included_file_is_left_out_and_told_and_the_rest_stays() {
    let (dir, main, plain) = overlaid("include-bad");
    let bad = dir.0.join("d/20.ini");
    let check = |what: &str, says: &str| {
        let loaded = config::load(&main).unwrap_or_else(|errors| panic!("{what}: {errors}"));
        let told = told(&loaded);
        assert_eq!(loaded.config, plain, "{what}");
        assert!(
            told.contains(says) && told.contains(&format!("{}: this file is in error: it is left out", bad.display())),
            "{what}: {told}"
        );
        assert!(told.lines().count() < 25, "{what}: {told}");
    };
    for (text, says) in [
        ("nonsense\n".into(), "20.ini:1: this line is neither"),
        ("x\n".repeat(1000), "there are more errors"),
        ("[a]\noptions = -a\nnice = 99\n".into(), "20.ini:3: [a] nice = 99: is out of range"),
        ("[c]\nsource = h::c\n".into(), "20.ini:1: [c] destination: is required"),
        (
            "[c]\nsource = h::c\ndestination = /c\ninterval = 1h\nreboot_after = 1d\n".into(),
            "20.ini:5: [c] reboot_after: only the watchdog",
        ),
        ("[c]\nsource = h::c/${seriel}\ndestination = /c\n".into(), "${seriel} is unknown"),
        ("log_level = loud\nmetrics_file = /m\n".into(), "20.ini:1: log_level = loud"),
        ("include = /elsewhere\n".into(), "cannot include others"),
        ("\0".repeat(4096), "20.ini:1: this line has a NUL byte"),
        // What is wrong shows at a key of the main file.
        ("[a]\nrun_recover = off\n".into(), "irsync.ini:5: [a] recover_after: there is no run_recover"),
    ] {
        fs::write(&bad, &text).unwrap();
        check(&text, says);
    }
    fs::write(&bad, "[c]\nsource = h::c\ndestination = /c\npassword = sesame\n").unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o644)).unwrap();
    check("password", "others can read this file");
    fs::remove_file(&bad).unwrap();
    fs::create_dir(&bad).unwrap();
    check("folder", "it is a directory, not a file");
    fs::remove_dir(&bad).unwrap();
    std::os::unix::fs::symlink("absent", &bad).unwrap();
    check("dangling link", "No such file or directory");
    fs::remove_file(&bad).unwrap();
    nix::unistd::mkfifo(&bad, nix::sys::stat::Mode::S_IRWXU).unwrap();
    check("FIFO", "it is a FIFO");
}

#[test]
fn error_of_the_main_file_is_an_error_whatever_is_included() {
    let dir = Dir::new("include-main");
    let include = format!("include = {}\n", dir.0.join("d").display());
    dir.write("d/10.ini", "[b]\nsource = h::b\n");
    let main = dir.write("irsync.ini", format!("{include}intervall = 5\n{JOB}"));
    let errors = config::load(&main).unwrap_err().to_string();
    assert!(errors.contains("did you mean interval?") && errors.contains("[b] destination: is required"), "{errors}");
    // A job that only a file that is left out would have made whole does not keep the others from running.
    let main = dir.write("irsync.ini", format!("{include}{JOB}[b]\noptions = -a\n"));
    dir.write("d/10.ini", "[b]\nsource = h::b\ndestination = b\n");
    let loaded = config::load(&main).unwrap();
    let names: Vec<&str> = loaded.config.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert!(told(&loaded).contains("irsync.ini:5: [b] source: is required"), "{}", told(&loaded));
}

#[test]
fn read_again_a_bad_included_file_counts_as_it_was_and_a_removed_one_no_more() {
    let (dir, main, plain) = overlaid("include-again");
    let elsewhere = "[a]\nsource = h::other\n";
    dir.write("d/20.ini", elsewhere);
    let mut loader = config::Loader::new(&main);
    let first = loader.load().unwrap();
    assert!(first.config != plain && first.left_out.is_empty());
    for (text, says) in [("[a]\nsource =\n", "is empty"), ("[a", "neither"), ("", "")] {
        dir.write("d/20.ini", text);
        let again = loader.load().unwrap();
        if text.is_empty() {
            assert_eq!(again.config, plain, "an empty file is a file without keys");
            break;
        }
        let told = told(&again);
        assert_eq!(again.config, first.config, "{text}: the job would go to another source");
        assert!(
            told.contains(says) && told.contains("20.ini: this file is in error: what it said before is kept"),
            "{told}"
        );
    }
    // What is in order is applied beside it.
    dir.write("d/20.ini", elsewhere);
    loader.load().unwrap();
    dir.write("d/20.ini", "nonsense");
    dir.write("d/10.ini", "[b]\nsource = h::b\ndestination = /new\n");
    let beside = loader.load().unwrap().config;
    assert_eq!(beside.jobs[0], first.config.jobs[0]);
    assert_ne!(beside.jobs[1], first.config.jobs[1]);
    // An overlay that is not mounted, then an owner who removes a file.
    fs::rename(dir.0.join("d"), dir.0.join("away")).unwrap();
    let unmounted = loader.load().unwrap();
    assert_eq!(unmounted.config, beside);
    assert!(
        unmounted.warnings[0].to_string().contains("what its files said before is kept"),
        "{:?}",
        unmounted.warnings
    );
    fs::rename(dir.0.join("away"), dir.0.join("d")).unwrap();
    fs::remove_file(dir.0.join("d/20.ini")).unwrap();
    let removed = loader.load().unwrap();
    assert_eq!(removed.config.jobs[0], plain.jobs[0]);
    // A main file that no longer goes with what an included one says, and always said, is the one in error.
    dir.write("d/10.ini", "[b]\nsource = h::b\ndestination = /b\nrecover_after = 1h\n");
    let text = fs::read_to_string(&main).unwrap();
    dir.write("irsync.ini", text.replace("[a]", "run_recover = /all\n[a]"));
    let recovers = loader.load().unwrap();
    assert!(recovers.left_out.is_empty(), "{}", told(&recovers));
    dir.write("irsync.ini", &text);
    let errors = loader.load().unwrap_err().to_string();
    assert!(errors.contains("10.ini:4: [b] recover_after: there is no run_recover"), "{errors}");
    assert!(!config::load(&main).unwrap().left_out.is_empty(), "at a start nothing runs that could go on");
    dir.write("d/10.ini", "[b]\nsource = h::b\ndestination = /b\n");
    // A job that ran is not taken away because the main file and an included one are in error together.
    dir.write("irsync.ini", text.replace("destination = /d\n", ""));
    dir.write("d/30.ini", "nonsense");
    assert!(loader.load().unwrap_err().to_string().contains("[a] destination: is required"));
}

#[test]
fn foreign_line_ends_and_marks_are_read() {
    for text in [
        JOB.replace('\n', "\r\n"),
        format!("\u{feff}{JOB}"),
        JOB.trim_end().to_string(),
        format!("  ; x\n\t# y\n\n{JOB}"),
    ] {
        assert_eq!(good("ends", &text), good("ends-plain", JOB), "{text:?}");
    }
    for (text, says) in [
        (&b"[a]\nsource = \xff\xfe\n"[..], "2: this line is not UTF-8"),
        (b"[a]\nsource = a\0b\n", "2: this line has a NUL byte"),
        (b"[a]\rsource = /x\r", "1: this line has a carriage return in its middle: end each line with a line feed"),
        (b"[a] source = /x\n", "1: this line holds more than one thing"),
        (b"[a\n", "1: this line is neither"),
        (b"= x\n", "1: this line is neither"),
        (b"[]\n", "1: [] a job needs a name"),
        (b"[global]\n", "1: [global] this is not a job's name"),
        (b"", "1: there is no job"),
        (b"; nothing\n", "1: there is no job"),
    ] {
        let errors = bad("lines", text);
        assert!(errors.contains(says), "{text:?}: {errors}");
    }
}

#[test]
fn what_lies_in_the_place_of_a_file_never_hangs() {
    let dir = Dir::new("places");
    let fifo = dir.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = dir.0.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let long = dir.write("long", vec![b'x'; 10 << 20]);
    let started = Instant::now();
    for (path, says) in [
        (dir.0.as_path(), "it is a directory, not a file"),
        (&fifo, "it is a FIFO, not a file"),
        (&socket, "it is a socket, not a file"),
        (Path::new("/dev/zero"), "it is a device, not a file"),
        (&dir.0.join("absent"), "No such file or directory"),
        (&long, "larger than 1 MiB"),
    ] {
        let errors = load(path).expect_err("accepted").to_string();
        assert!(errors.contains(says) && errors.starts_with(&path.display().to_string()), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    // A limit for "hangs", far beyond any machine's slowness.
    assert!(started.elapsed() < Duration::from_secs(60));
    let line = format!("{JOB}options = -r {}\n", "-v ".repeat(300_000));
    assert!(
        matches!(&good("line", line).jobs[0].arguments, Arguments::Ini { options, .. } if options.len() == 300_001)
    );
}

#[test]
fn a_file_that_is_no_configuration_does_not_flood_the_log() {
    let errors = bad("flood", "x\n".repeat(100_000));
    assert!(errors.lines().count() < 60 && errors.contains("more errors"), "{}", errors.lines().count());
}

#[test]
fn nothing_enabled_is_a_warning() {
    let dir = Dir::new("enabled");
    let path = dir.write("irsync.ini", format!("{JOB}enabled = no\n"));
    let (_, warnings) = load(&path).unwrap();
    assert!(warnings[0].to_string().contains("no job is enabled"));
}

/// Every key takes effect where it is given: each is given a value that is not its default.
#[test]
fn every_key_reaches_the_configuration() {
    let value = |name: &str| match name {
        "log" => "syslog",
        "log_max_size" => "2M",
        "log_level" => "debug",
        "reboot_limit" | "nice" => "3",
        "lock_memory" => "yes",
        "progress" | "enabled" | "durable" => "no",
        "atomic" => "yes",
        "accept" => "times, names",
        "source" => "h::m",
        "jitter" | "max_shrink" => "33%",
        "window" => "22:00-06:00",
        "bwlimit" => "200K",
        "min_free" => "7M",
        "io_class" => "idle",
        "password" => "secret",
        "user" | "group" => "nobody",
        "report_to" => "rsync://reports/all/",
        "report_every" => "77s",
        "options" => "-a --delete",
        name if name.ends_with("_timeout") || name.ends_with("_after") && !name.starts_with("run_") => "77s",
        "interval" | "spread" | "max_runtime" | "verify_every" | "backoff_initial" | "backoff_max" => "77s",
        _ => "/some/path",
    };
    for key in keys::KEYS.iter().filter(|key| key.name != "include") {
        let mut text = String::new();
        for other in keys::KEYS.iter().filter(|other| other.scope == keys::Scope::Global && other.name != "include") {
            let needed = ["watchdog_device", "state_dir"].contains(&other.name);
            if other.name == key.name || needed {
                text += &format!("{} = {}\n", other.name, value(other.name));
            }
        }
        text += "[a]\n";
        for other in keys::KEYS.iter().filter(|other| other.scope == keys::Scope::Job) {
            let needed =
                ["source", "destination", "options", "atomic", "recover_after", "run_recover"].contains(&other.name);
            if other.name == key.name || needed {
                text += &format!("{} = {}\n", other.name, value(other.name));
            }
        }
        let config = good("every", &text);
        let mut shown = show::global(&config.global).into_iter().chain(show::job(&config.jobs[0]));
        let setting = shown.find(|setting| setting.key.name == key.name).unwrap();
        assert!(!setting.is_default, "{} = {}", key.name, setting.value);
        let expected = if key.name == "password" { "***" } else { value(key.name) };
        assert_eq!(setting.value.to_string().replace("77000ms", "77s"), expected, "{}", key.name);
    }
}

/// What the key table makes of it: `tests/house` holds that.
fn sample_ini() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("irsync.ini")).unwrap()
}

#[test]
fn the_sample_ini_with_everything_switched_on_holds_the_defaults() {
    let sample = sample_ini();
    let is_key = |line: &str| {
        let name = line.strip_prefix("; ").and_then(|rest| rest.split_once(" = "));
        name.is_some_and(|(name, _)| keys::find(name).is_some())
    };
    let (keys, jobs) = sample.split_once("\n; ---- jobs").unwrap();
    let switch = |text: &str| -> String {
        text.lines()
            .map(|line| if is_key(line) || line == "; [logs]" { &line[2..] } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let on = good("sample-on", format!("{}\n; ---- jobs{}", switch(keys), jobs));
    let plain = good("sample-off", &sample);
    assert_eq!(on, plain);
    let both = good("sample-jobs", format!("{keys}\n; ---- jobs{}", switch(jobs)));
    assert_eq!(both.jobs.len(), 2);
}

/// xorshift64*: the same variants on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

#[test]
fn mangled_samples_never_panic_and_every_error_has_its_line() {
    let dir = Dir::new("mangled");
    // Short, so that a variant hits something that counts; all keys are live.
    let mut sample =
        String::from("interval = 5m\nlog = /var/log/irsync.log\nwatchdog_device = /dev/watchdog\nstate_dir = /s\n");
    sample += "[media]\nsource = 'h::a b' ::c rsync://h/${hostname}/d\ndestination = /srv/${mac}\noptions = -a -f '- *.tmp'\n";
    sample +=
        "jitter = 10%\nnice = -5\nio_class = best-effort:3\nmin_free = 10M\nreboot_after = 1d\npassword = x\n; end\n";
    let pieces: [&[u8]; 16] = [
        b"\n",
        b"=",
        b"[",
        b"]",
        b"'",
        b"\\",
        b"\0",
        b"\xff",
        b"${",
        b"}",
        b"99999999999999999999",
        b"-",
        b"\r",
        b":",
        b"[media]\n",
        "é".as_bytes(),
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for round in 0..4000 {
        let mut text = if round % 80 == 0 { sample_ini().into_bytes() } else { sample.clone().into_bytes() };
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            let end = (at + random.below(12)).min(text.len());
            match random.below(4) {
                0 => text[at] = random.below(256) as u8,
                1 => drop(text.splice(at..at, pieces[random.below(pieces.len())].iter().copied())),
                2 => drop(text.drain(at..end)),
                _ => {
                    let copy = text[at..end].to_vec();
                    let to = random.below(text.len());
                    drop(text.splice(to..to, copy));
                }
            }
        }
        let path = dir.write("irsync.ini", &text);
        if let Err(errors) = load(&path) {
            refused += 1;
            let lines = text.split(|byte| *byte == b'\n').count();
            for error in &errors.0 {
                // An include that was made up by chance is another file.
                assert!(error.place.file != path || (1..=lines).contains(&error.place.line), "{error}\n{text:?}");
            }
            assert!(!errors.to_string().contains(|c: char| c.is_control() && c != '\n'), "{errors:?}");
        }
    }
    assert!((1000..4000).contains(&refused), "{refused}: the mangler does not test both ways");
}
