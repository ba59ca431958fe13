//! Between syncs irsync does nothing at all.

use crate::common::{process, wait_until, Rig};

#[test]
fn nothing_wakes_up_between_syncs() {
    let rig = Rig::new("idle");
    rig.ini("interval = 5s\n[media]\nsource = /ok\ndestination = DIR/dest\n[other]\ninterval = 1h\nsource = /ok\ndestination = DIR/other\n");
    let mut irsync = rig.start(&["run"]);
    irsync.wait_log("media: sync success");
    irsync.wait_log("other: sync success");
    // Samples of the number of context switches until the next sync starts, which ends the watch.
    let fake = rig.fake("dest");
    let mut samples = Vec::new();
    wait_until("the next sync", || {
        samples.push(process::context_switches(irsync.pid()));
        fake.runs() >= 2
    });
    // The first and the last quarter belong to the end of one sync and the start of the other.
    let quiet = &samples[samples.len() / 4..samples.len() * 3 / 4];
    assert!(quiet.len() > 5, "too few samples: {}", samples.len());
    let (first, last) = (quiet[0], quiet[quiet.len() - 1]);
    assert_eq!(last, first, "{} wake-ups while idle: {samples:?}", last - first);
    irsync.stop();
}
