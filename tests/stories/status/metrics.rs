//! `metrics_file`, as Prometheus' own tool sees it.

use crate::common::{is_executable, wait_until, Rig};
use std::io::Write;
use std::process::{Command, Stdio};

/// What `promtool check metrics` thinks of a text.
fn check(text: &str) -> Result<(), String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cannot start promtool");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("cannot write to promtool");
    let output = child.wait_with_output().expect("cannot wait for promtool");
    let said = [output.stdout, output.stderr].concat();
    match output.status.success() && said.is_empty() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said).into_owned()),
    }
}

fn has_promtool(story: &str) -> bool {
    let found = is_executable("promtool");
    if !found {
        eprintln!("SKIPPED {story}: needs promtool (Debian package prometheus)");
    }
    found
}

#[test]
fn metrics_are_written_and_promtool_has_nothing_to_say() {
    let promtool = has_promtool("metrics_are_written_and_promtool_has_nothing_to_say (what promtool says)");
    let rig = Rig::new("metrics");
    rig.ini(
        "metrics_file = DIR/irsync.prom\n[media]\nsource = /changed\ndestination = DIR/media\n\
         [odd.name-1]\nsource = /exit-10\ndestination = DIR/odd\n[later]\nenabled = no\nsource = /ok\ndestination = DIR/later\n",
    );
    let mut irsync = rig.start(&["run"]);
    let has = |line: &str| rig.read("irsync.prom").lines().any(|found| found == line);
    wait_until("the first success", || has("irsync_job_syncs_total{job=\"media\",outcome=\"success\"} 1"));
    wait_until("the failure", || !has("irsync_job_consecutive_failures{job=\"odd.name-1\"} 0"));
    for line in [
        "irsync_up 1",
        "irsync_job_healthy{job=\"media\"} 1",
        "irsync_job_healthy{job=\"odd.name-1\"} 0",
        "irsync_job_files_total{job=\"media\"} 3",
        "irsync_job_state{job=\"later\",state=\"disabled\"} 1",
    ] {
        assert!(has(line), "{line} is not in\n{}", rig.read("irsync.prom"));
    }
    let text = rig.read("irsync.prom");
    let stamp =
        text.lines().find_map(|line| line.strip_prefix("irsync_job_last_success_timestamp_seconds{job=\"media\"} "));
    let stamp: u64 = stamp.expect("a time of success").parse().expect("whole seconds");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(stamp <= now + 1 && stamp + 120 > now, "{stamp} {now}");
    if promtool {
        assert_eq!(check(&text), Ok(()));
        // The check can fail.
        assert!(check(&text.replace("irsync_job_files_total", "irsync_job_files")).is_err());
    }
    irsync.stop();
    let text = rig.read("irsync.prom");
    assert!(text.contains("\nirsync_up 0\n") && text.contains("{job=\"media\",outcome=\"success\"} "), "{text}");
    if promtool {
        assert_eq!(check(&text), Ok(()));
    }
    assert!(!rig.path("irsync.prom.tmp").exists());
}
