//! The command lines of the Go tool that irsync replaces: every one in its README, adapted to this directory.

use crate::common::json::Json;
use crate::common::{binary, is_executable, is_root, skipped, Irsync, Rig};
use std::process::Command;
use std::time::Duration;

/// A story with the fake rsync first in PATH and the README's `./data/source/` under the name of a behaviour.
fn rig(story: &'static str) -> Rig {
    let rig = Rig::new(story);
    rig.set_env("PATH", &rig.fake_path());
    rig
}

/// Starts irsync as given and checks that exactly `expected` reached rsync, in this order, twice or once.
fn hands_on(rig: &Rig, given: &[&str], expected: &[&str], runs: usize) -> Irsync {
    let mut irsync = rig.start(given);
    let destination = expected.last().unwrap().trim_end_matches('/');
    let fake = rig.fake(destination);
    fake.wait_runs(runs);
    for run in 1..=runs {
        assert_eq!(fake.arguments(run), expected, "run {run}");
    }
    irsync.wait_log("sync success");
    irsync.assert_alive();
    irsync
}

/// The wait that the log names lies between these; jitter adds up to a tenth.
fn next_in(irsync: &Irsync, seconds: u64) {
    let wait = irsync.durations("next in ")[0];
    let least = Duration::from_secs(seconds);
    assert!(wait >= least && wait <= least * 11 / 10 + Duration::from_secs(1), "next in {wait:?}, not {seconds} s");
}

#[test]
fn local_with_default_interval() {
    let rig = rig("dropin-default");
    let line = ["-pvrt", "--exclude='custom'", "--exclude='special.txt'", "--delete", "./data/ok/", "./data/dest/"];
    let mut irsync = hands_on(&rig, &line, &line, 1);
    next_in(&irsync, 30);
    irsync.stop();
}

#[test]
fn plain_options_and_operands() {
    let rig = rig("dropin-plain");
    let line = ["-pvrt", "--delete", "./data/ok/", "./data/dest/"];
    hands_on(&rig, &line, &line, 1).stop();
}

#[test]
fn every_ten_seconds() {
    let rig = rig("dropin-ten");
    let line = ["--irsync-interval-seconds=10", "-pvrt", "--delete", "./data/ok/", "./data/dest/"];
    let mut irsync = hands_on(&rig, &line, &line[1..], 1);
    next_in(&irsync, 10);
    irsync.stop();
}

#[test]
fn options_of_both_intermixed_and_the_sync_repeats() {
    let rig = rig("dropin-mixed");
    let line = [
        "-pvrt",
        "--irsync-timeout-seconds=3600",
        "--modify-window=30",
        "--delete",
        "--exclude='fun'",
        "--irsync-interval-seconds=1",
        "./data/ok/",
        "./data/dest/",
    ];
    let rsync = ["-pvrt", "--modify-window=30", "--delete", "--exclude='fun'", "./data/ok/", "./data/dest/"];
    hands_on(&rig, &line, &rsync, 3).stop();
}

#[test]
fn version_is_rsyncs_and_repeats() {
    let rig = rig("dropin-version");
    let mut irsync = rig.start(&["--irsync-interval-seconds=1", "--version"]);
    // Printed once per sync; irsync names the version of rsync in words of its own.
    irsync.wait_count("protocol version 31", 3);
    irsync.assert_alive();
    irsync.stop();
}

#[test]
fn rsync_output_is_logged_at_info() {
    let rig = rig("dropin-output");
    let mut irsync = rig.start(&["-pvrt", "./data/changed/", "./data/dest/"]);
    irsync.wait_log("sync success");
    let line = irsync.line(">f+++++++++ f1").expect("rsync's stdout is logged");
    assert!(line.contains("INFO"), "{line}");
    irsync.stop();
}

#[test]
fn failing_rsync_does_not_end_irsync() {
    // The Go tool exits when rsync does not exit with 0.
    let rig = rig("dropin-failure");
    let mut irsync = rig.start(&["--irsync-interval-seconds=1", "-a", "./exit-23", "./exit-23", "./ok", "./dest"]);
    irsync.wait_count("sync partial", 2);
    irsync.wait_log("sync success");
    irsync.stop();
}

#[test]
fn silent_rsync_is_killed_and_started_again() {
    // The Go tool returns from its wait without killing rsync.
    let rig = rig("dropin-timeout");
    let mut irsync = rig.start(&[
        "--irsync-timeout-seconds=1",
        "--irsync-interval-seconds=1",
        "-a",
        "./silent",
        "./until-go",
        "./dest",
    ]);
    irsync.wait_log("sync stalled");
    rig.fake("dest").wait_runs(2);
    rig.fake("dest").assert_never_two();
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn stopped_irsync_leaves_no_orphan() {
    let rig = rig("dropin-orphan");
    let mut irsync = rig.start(&["-a", "./silent-with-children", "./dest"]);
    rig.fake("dest").wait_runs(1);
    irsync.stop();
    rig.assert_nothing_left();
}

#[test]
fn password_in_the_environment_reaches_rsync_and_no_log() {
    let rig = rig("dropin-password");
    rig.set_env("RSYNC_PASSWORD", "of-the-environment");
    let mut irsync = rig.start(&["-pvrt", "--delete", "./data/ok/", "./data/dest/"]);
    irsync.wait_log("sync success");
    assert_eq!(rig.fake("data/dest").variable(1, "RSYNC_PASSWORD").as_deref(), Some("of-the-environment"));
    assert!(!irsync.log_has("of-the-environment"));
    irsync.stop();
}

#[test]
fn two_dashes_force_drop_in_mode() {
    let rig = rig("dropin-dashes");
    // Without the dashes, `run` would be irsync's own command.
    let mut irsync = rig.start(&["--", "run", "./data/ok/", "./data/dest/"]);
    rig.fake("data/dest").wait_runs(1);
    assert_eq!(rig.fake("data/dest").arguments(1), ["run", "./data/ok/", "./data/dest/"]);
    irsync.stop();
}

#[test]
fn unknown_options_of_irsync_and_bad_numbers_are_named() {
    let rig = rig("dropin-usage");
    for (bad, named) in [
        ("--irsync-intervall-seconds=5", "--irsync-intervall-seconds"),
        ("--irsync-interval-seconds=abc", "--irsync-interval-seconds"),
        ("--irsync-interval-seconds=-5", "--irsync-interval-seconds"),
        ("--irsync-interval-seconds=", "--irsync-interval-seconds"),
        ("--irsync-timeout-seconds=99999999999999999999", "--irsync-timeout-seconds"),
    ] {
        let output = rig.run(&[bad, "-a", "./data/ok/", "./data/dest/"]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(named), "{bad}: {output:?}");
    }
    assert_eq!(rig.fake("data/dest").runs(), 0);
}

#[test]
fn first_sync_starts_at_once_however_long_the_interval() {
    let rig = Rig::new("at-once");
    let mut irsync = rig.start(&["--irsync-interval-seconds=100000", "--version"]);
    irsync.wait_log("sync success");
    assert!(!irsync.log_has("first sync in"), "{}", irsync.log());
    irsync.stop();
}

/// Two drop-ins and then an irsync with a configuration, in a mount namespace in which nobody else has anything in /run and /etc.
const BESIDE_EACH_OTHER: &str = "
set -eu
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc
shown() { echo \"== $*\"; \"$IRSYNC\" \"$@\" 2>&1 || echo \"code $?\"; }
until_exists() { until [ -e \"$1\" ]; do sleep 0.05; done; }
\"$IRSYNC\" --irsync-interval-seconds=3600 -rt /ok one 2>one.log & one=$!
until_exists /run/irsync/drop-in-1
\"$IRSYNC\" --irsync-interval-seconds=3600 -rt /ok rsync://me:secret@host/two 2>two.log &
until_exists /run/irsync/drop-in-2
for n in 1 2; do until grep -q success /run/irsync/drop-in-$n.history; do sleep 0.05; done 2>/dev/null; done
shown status
shown status --json
shown history
shown now
until [ $(grep -c 'sync success' one.log) = 2 ] && [ $(grep -c 'sync success' two.log) = 2 ]; do sleep 0.05; done
kill -9 $one
until ! kill -0 $one 2>/dev/null; do sleep 0.05; done
echo '== one was killed'
shown status
printf '[media]\\nsource = /ok\\ndestination = %s/media\\n' \"$PWD\" >/etc/irsync.ini
shown status
\"$IRSYNC\" run 2>main.log &
until_exists /run/irsync/status
shown status
shown stop
until [ ! -e /run/irsync/status ]; do sleep 0.05; done
rm /etc/irsync.ini
shown stop
shown status
";

#[test]
fn drop_ins_beside_each_other_have_a_status_each() {
    const STORY: &str = "drop_ins_beside_each_other_have_a_status_each";
    if !is_root(STORY) || !is_executable("unshare") {
        return skipped(STORY, "needs root and unshare");
    }
    let rig = rig("dropin-beside");
    rig.write("beside.sh", BESIDE_EACH_OTHER);
    let irsync = rig.command(&[]);
    let mut command = Command::new("timeout");
    command.args(["120", "unshare", "--mount", "--propagation", "private", "bash", "beside.sh"]);
    command.envs(irsync.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(rig.path("")).env("IRSYNC", binary());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let part = |nth: usize, title: &str| {
        let mut parts = said.split("== ").filter_map(|part| part.strip_prefix(&format!("{title}\n")));
        parts.nth(nth).unwrap_or_else(|| panic!("no {title} in {said}")).to_owned()
    };
    let (one, two) = ("-rt /ok one\n", "-rt /ok rsync://me:***@host/two\n");
    let both = part(0, "status");
    assert!(both.contains(one) && both.contains(two) && !said.contains("secret@"), "{said}");
    assert_eq!((both.matches("JOB ").count(), both.contains("code")), (2, false), "{both}");
    let json = part(0, "status --json");
    assert!(json.lines().count() == 2 && json.lines().all(|line| Json::parse(line).is_ok()), "{json}");
    assert_eq!(part(0, "history").matches("success").count(), 2, "{said}");
    // What a drop-in that was killed has left is no status, and where there is a file, an irsync should run.
    let left = part(1, "status");
    assert!(!left.contains(one) && left.contains(two) && !left.contains("code"), "{left}");
    let expected = part(2, "status");
    assert!(expected.contains("is not running") && expected.contains(two) && expected.contains("code 3"), "{expected}");
    let all = part(3, "status");
    assert!(all.contains("media") && all.contains(two) && !all.contains("code"), "{all}");
    // The first stop is the configured one's, the second the drop-in's.
    let end = part(4, "status");
    assert!(
        end.contains("is not running (its status would be in /run/irsync/status)") && end.contains("code 3"),
        "{said}"
    );
    assert_eq!(rig.read("two.log").matches("irsync stop: stopping").count(), 1, "{}", rig.read("two.log"));
    assert_eq!(rig.read("main.log").matches("irsync stop: stopping").count(), 1, "{}", rig.read("main.log"));
}
