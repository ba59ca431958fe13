//! A folder of reports, written by hand.

use crate::common::json::Json;
use crate::common::{wait_until, Rig};
use nix::sys::signal::Signal;
use std::fs;

/// What a device wrote 1000 s after its boot; its last sync came to `outcome`, its last success was `success`.
pub fn report(outcome: &str, success: u32) -> String {
    let totals = ["failures", "runs", "stalls", "kills", "files_total", "bytes_total"]
        .map(|key| format!("{key} = 0\n"))
        .concat();
    format!(
        "[irsync]\nversion = 0.2.0\npid = 9\nstate = running\nstarted_mono = 5.000\nwritten_mono = 1000.000\n\n\
         [job:media]\nstate = waiting\nlast_outcome = {outcome}\nlast_reason = RERR\nlast_why = rsync: <i>no way</i>\n\
         last_ended_mono = 990.000\nlast_duration = 1.000\nlast_success_mono = {success}.000\nstale_after = 600.000\n{totals}\n\
         [report]\nuptime = 1000.000\nfree_media = 1610612736\n"
    )
}

fn code(rig: &Rig, arguments: &[&str]) -> (Option<i32>, String) {
    let output = rig.run(arguments);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn the_sick_come_first_with_their_reason_and_the_code_tells_that_there_are_some() {
    let rig = Rig::new("fleet-table");
    rig.write("reports/well.status", report("success", 990));
    let (well, text) = code(&rig, &["fleet", "reports"]);
    assert!(well == Some(0) && text.starts_with("1 device: 1 ok; last syncs: 1 success"), "{text}");
    rig.write("reports/failing.status", report("transient", 900));
    rig.write("reports/held.status", report("held", 900));
    rig.write("reports/torn.status", &report("success", 990)[..200]);
    let (sick, text) = code(&rig, &["fleet", "reports"]);
    assert_eq!(sick, Some(1), "{text}");
    let first: Vec<&str> = text.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first, ["torn", "failing", "held", "well"], "{text}");
    assert!(text.contains("media: transient: rsync: <i>no way</i>"), "{text}");
    let (_, text) = code(&rig, &["fleet", "reports", "--json"]);
    let json = Json::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(json.at("list.1.jobs.0.outcome").and_then(Json::text), Some("transient"));
    let (missing, text) = code(&rig, &["fleet", "absent"]);
    assert!(missing == Some(1) && text.contains("cannot read absent"), "{text}");
    assert_eq!(code(&rig, &["fleet"]).0, Some(2));
}

#[test]
fn watch_writes_page_and_metrics_and_a_broken_folder_does_not_end_it() {
    let rig = Rig::new("fleet-watch");
    rig.write("reports/failing.status", report("transient", 900));
    let mut irsync = rig.start(&["fleet", "reports", "--watch", "--html", "page.html", "--metrics", "fleet.prom"]);
    wait_until("the page", || rig.read("page.html").contains("\"name\":\"failing\""));
    wait_until("the metrics", || rig.read("fleet.prom").contains("irsync_fleet_devices{health=\"failing\"} 1\n"));
    assert!(!rig.read("page.html").contains("<i>no way</i>"), "text of a report stands in the page as data only");
    fs::remove_dir_all(rig.path("reports")).unwrap();
    // It looks once a minute; nothing but a signal makes it end.
    irsync.assert_alive();
    irsync.signal(Signal::SIGTERM);
    assert_eq!(irsync.wait().code(), Some(1), "the code of the last look");
    assert_eq!(irsync.log(), "", "with files to write it says nothing");
}
