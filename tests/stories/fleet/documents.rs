//! What docs/fleet/ says is executed: the walk line by line, the alert rules by promtool.

use crate::common::daemon::{free_port, has_rsync};
use crate::common::json::Json;
use crate::common::{binary, is_emulated, is_executable, skipped, Rig};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fleet")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(documents().join(name)).unwrap()
}

#[test]
fn every_line_of_the_walk_does_what_it_says() {
    if !has_rsync("fleet-walk") || is_emulated("fleet-walk") {
        return;
    }
    let rig = Rig::new("fleet-walk");
    let readme = read("README.md");
    let walk = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is a walk");
    let lines: Vec<&str> = walk.lines().collect();
    assert_eq!(lines.len(), 10, "{walk}");
    // The daemon ends with the walk, whatever becomes of it.
    let script = format!("set -eux\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{walk}")
        .replace("8730", &free_port().to_string());
    rig.write("walk.sh", script);
    std::fs::create_dir_all(rig.path("bin")).unwrap();
    symlink(binary(), rig.path("bin/irsync")).unwrap();
    let (name, value) = rig.marker().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let path = format!("{}:{}", rig.path("bin").display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args(["120", "bash", "walk.sh"])
        .current_dir(rig.path(""))
        .env("PATH", path)
        .env("DOCS", documents())
        .env(name, value)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{said}");
    assert!(text.contains("1 device: 1 ok; last syncs: 1 success"), "{text}\n{said}");
    assert!(text.trim_end().lines().last().is_some_and(|line| line.contains("gone")), "{text}\n{said}");
    assert_eq!(rig.read("device/media/film"), "film\n");
}

#[test]
fn alert_rules_hold_what_their_tests_say() {
    if !is_executable("promtool") {
        return skipped("fleet-alerts", "no promtool (Debian package prometheus)");
    }
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(documents()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn alerts_and_dashboard_speak_of_metrics_that_there_are() {
    let rig = Rig::new("fleet-metrics");
    rig.write("reports/bad.status", "nothing\n");
    rig.run(&["fleet", "reports", "--metrics", "fleet.prom"]);
    let metrics = rig.read("fleet.prom");
    let dashboard = read("dashboard.json");
    let json = Json::parse(&dashboard).expect("JSON");
    // What Grafana's provisioning asks of a dashboard.
    for key in ["uid", "title", "schemaVersion", "panels.0.type", "panels.0.gridPos.w", "panels.8.targets.0.expr"] {
        assert!(json.at(key).is_some(), "{key}");
    }
    let mut seen = 0;
    for text in [&read("alerts.yml"), &dashboard] {
        for (at, _) in text.match_indices("irsync_fleet_") {
            let name: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(metrics.contains(&format!("\n# TYPE {name} ")), "{name} is in no metrics:\n{metrics}");
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}
