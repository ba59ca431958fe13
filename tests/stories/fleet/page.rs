//! The page in a real browser.

use super::reports::report;
use crate::common::{is_executable, skipped, Rig};
use std::process::Command;
use std::time::{Duration, SystemTime};

const HOSTILE: &str = "<img src=x onerror=document.title=1>";

/// A folder of many reports, good and bad, and the page that is made of it.
fn page(rig: &Rig) -> String {
    for n in 0..40 {
        rig.write(&format!("reports/pi-{n:02}.status"), report("success", 990 - n));
    }
    rig.write("reports/busy.status", report("busy", 200));
    rig.write("reports/card-full.status", report("disk", 900));
    rig.write("reports/holds.status", report("held", 900));
    rig.write("reports/torn.status", &report("success", 990)[..100]);
    rig.write(&format!("reports/{HOSTILE}.status"), report("transient", 900).replace("no way", "</script><b>x</b>"));
    let gone = rig.write("reports/gone.status", report("success", 990));
    let file = std::fs::File::options().write(true).open(gone).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3 * 86400)).unwrap();
    rig.run(&["fleet", "reports", "--html", "page.html"]);
    rig.read("page.html")
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let rig = Rig::new("fleet-page");
    let html = page(&rig);
    for loads in [" src=", " href=", "@import", "url(", "fetch(", "XMLHttp", "innerHTML", "document.write"] {
        let own = html.replace(HOSTILE, "").replace(&HOSTILE.replace('<', "\\u003c"), "");
        assert!(!own.contains(loads), "the page has {loads}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn a_browser_shows_the_sick_first_hostile_names_as_text_and_ages_that_go_on() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| is_executable(name))
    else {
        return skipped("fleet-browser", "no Chromium (Debian package chromium)");
    };
    let rig = Rig::new("fleet-browser");
    page(&rig);
    let url = format!("file://{}", rig.path("page.html").display());
    let mut command = Command::new("timeout");
    command.args(["120", browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    // Nothing is resolved: the page has to do without the network.
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=420,900", "--virtual-time-budget=5000"]);
    command.arg(format!("--user-data-dir={}", rig.path("profile").display()));
    if let Some(shot) = std::env::var_os("IRSYNC_SCREENSHOT") {
        let mut with = std::ffi::OsString::from("--screenshot=");
        with.push(shot);
        command.arg(with);
    }
    let output = command.arg("--dump-dom").arg(url).output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = dom.split("<tbody id=\"rows\">").nth(1).unwrap_or_else(|| panic!("no rows: {output:?}"));
    let at = |name: &str| rows.find(&format!(">{name}</td>")).unwrap_or_else(|| panic!("{name} is not shown: {rows}"));
    assert!(at("gone") < at("torn") && at("torn") < at("busy") && at("busy") < at("card-full"), "{rows}");
    assert!(at("card-full") < at("holds") && at("holds") < at("pi-39"), "{rows}");
    assert!(at("&lt;img src=x onerror=document.title=1&gt;") < at("holds"), "{rows}");
    assert!(!rows.contains("<img") && !rows.contains("<b>x</b>"), "text of a report has become HTML: {rows}");
    assert!(dom.contains("<title>irsync fleet</title>"), "a script of a report has run");
    assert!(dom.contains("<rect ") && dom.contains("<b class=\"ok\">40</b>"), "counts and plot: {dom}");
    // 100 s and 3 days when it was reported, and five seconds of the browser's time have passed since.
    let gone = &rows[at("gone")..];
    assert!(gone.contains(">3d00h<"), "{gone}");
    assert!(
        gone.contains(">1.5 GiB<") && gone.contains("\nup 16m40s when it reported"),
        "free space, and more: {gone}"
    );
    let age = rows[at("card-full")..].split("data-is=\"success\"").nth(1).unwrap_or_default();
    let shown = age.split('>').nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
    let seconds: u64 = shown.trim_start_matches("1m").trim_end_matches('s').parse().unwrap_or(0);
    assert!(shown.starts_with("1m") && seconds >= 43, "it stands still: {shown:?}");
}
