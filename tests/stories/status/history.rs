//! `irsync history`.

use super::{row, said};
use crate::common::{json::Json, wait_until, Rig};
use std::time::Instant;

#[test]
fn the_last_syncs_are_told_with_age_local_time_and_reason() {
    let rig = Rig::new("history");
    rig.ini(
        "[media]\nsource = /refused /changed\ndestination = DIR/media\n[logs]\nsource = /ok\ndestination = DIR/logs\n",
    );
    let (text, code) = said(&rig.run(&["history"]));
    assert!(code == Some(3) && text.starts_with("irsync is not running"), "{text}");
    assert_eq!(said(&rig.run(&["history", "--json"])), ("{\"running\":false}\n".into(), Some(3)));
    let mut irsync = rig.start(&["run"]);
    let syncs = |text: &str| text.matches("\nsync = ").count() + text.matches("\nquiet = 1\t").count();
    wait_until("three syncs in the history", || syncs(&rig.read("status.history")) == 3);
    // Half past five there is what noon is in London.
    rig.set_env("TZ", "TST-5:30");
    let (text, code) = said(&rig.run(&["history"]));
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].starts_with("media  ") && lines[1].contains("  transient  "), "{text}");
    assert!(
        lines[1].ends_with(
            "  rsync: [Receiver] failed to connect to 192.0.2.1 (192.0.2.1): Connection refused (111); code 10 (RERR_SOCKETIO)"
        ),
        "{text}"
    );
    assert!(lines[2].starts_with("media  ") && lines[2].contains("  success  "), "{text}");
    assert!(lines[2].ends_with("  3 files, 10.0 KiB") || lines[2].contains("  3 files, "), "{text}");
    assert!(row(&text, "logs")[1].ends_with("s ago"), "{text}");

    let (json, code) = said(&rig.run(&["history", "media", "--json"]));
    let json = Json::parse(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(code, Some(0));
    assert_eq!(json.at("jobs.0.syncs.0.outcome").and_then(Json::text), Some("transient"));
    assert_eq!(json.at("jobs.0.syncs.1.files"), Some(&Json::Number("3".into())));
    assert_eq!((json.at("jobs.0.syncs.2"), json.at("jobs.1")), (None, None));
    // 2026-11-25T12:00:00Z in JSON is 2026-11-25 17:30:00 in the table.
    let utc = json.at("jobs.0.syncs.1.ended").and_then(Json::text).unwrap();
    let minutes = |text: &str| text[11..13].parse::<u32>().unwrap() * 60 + text[14..16].parse::<u32>().unwrap();
    let at = lines[2].find("20").map(|at| &lines[2][at..]).unwrap();
    let ahead = (minutes(at) + 24 * 60 - minutes(utc)) % (24 * 60);
    // Two looks may round to two different minutes.
    assert!((329..=331).contains(&ahead), "{utc} {text}");

    let (text, code) = said(&rig.run(&["history", "nobody"]));
    assert!(code == Some(1) && text.contains("\"nobody\""), "{text}");
    irsync.stop();
    assert!(!rig.path("status.history").exists(), "left behind by a clean stop");
}

#[test]
fn a_sync_that_brought_nothing_is_in_the_history_as_soon_as_in_the_status() {
    let rig = Rig::new("history-quiet");
    rig.ini("[media]\ninterval = 1h\nsource = /ok\ndestination = DIR/media\n");
    let mut irsync = rig.start(&["run"]);
    for sync in 1..=3 {
        wait_until("the sync in the history", || rig.read("status.history").contains(&format!("\nquiet = {sync}\t")));
        assert_eq!(said(&rig.run(&["now", "media"])).1, Some(0));
    }
    let (folded, _) = said(&rig.run(&["history"]));
    assert_eq!(folded.lines().filter(|line| line.starts_with("media ")).count(), 1, "{folded}");
    irsync.stop();
}

#[test]
fn a_long_history_is_not_written_for_each_sync_that_brought_nothing() {
    let rig = Rig::new("history-routine");
    // Each of 60 jobs leaves a line of some hundred bytes for its failure, so that the file is written every other second.
    let failing: String = (0..60)
        .map(|job| format!("[refused{job}]\nbackoff_initial = 1h\nbackoff_max = 1h\nsource = /refused\ndestination = DIR/refused{job}\n"))
        .collect();
    rig.ini(&format!("{failing}[media]\ninterval = 20ms\nsource = /ok\ndestination = DIR/media\n"));
    let mut irsync = rig.start(&["run"]);
    wait_until("the failures", || rig.read("status.history").matches("\nsync = ").count() == 60);
    let since = Instant::now();
    let (mut statuses, mut histories) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    wait_until("the status to be written again and again", || {
        statuses.insert(rig.read("status"));
        histories.insert(rig.read("status.history"));
        statuses.len() > 10
    });
    let most = since.elapsed().as_secs() / 2 + 2;
    assert!(rig.fake("media").runs() > 20, "there was too little to tell");
    assert!(rig.read("status.history").len() > 8192, "it is too short for a pause");
    assert!(histories.len() as u64 <= most, "written {} times, {most} allowed", histories.len());
    irsync.stop();
}
