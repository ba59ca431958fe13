//! Defects that were found and mended, one story each, which failed before the mend. Its comment says what the owner of a
//! device saw. A defect that belongs to a chapter of its own may stand there as well; here is where to look for "was that
//! not broken once?".

use crate::common::{json::Json, wait_until, Rig};

/// `irsync status --json` guessed types from text: while rsync was at a file named `no`, its name was `false`.
#[test]
fn a_file_with_the_name_of_a_truth_or_a_number_is_text() {
    for name in ["no", "00", "1.5"] {
        let rig = Rig::new("named");
        rig.ini(&format!("[media]\nsource = /says-{name}\ndestination = DIR/media\n"));
        let mut irsync = rig.start(&["run"]);
        wait_until("the name", || rig.status("media", "current_file").is_some());
        let output = rig.run(&["status", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let json = Json::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(json.at("jobs.0.current_file"), Some(&Json::Text(name.into())), "{text}");
        irsync.stop();
    }
}
