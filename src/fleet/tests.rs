//! Reports good and bad, and what is made of them.

use super::device::{Device, Mark, Report};
use super::view::View;
use super::{json, metrics, page, read, table};
use crate::job::Outcome;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const GONE: Duration = Duration::from_secs(7200);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A report that was written 1000 s after the boot, of a job that succeeded `success` s after it.
fn report(outcome: Outcome, success: Option<u64>) -> String {
    let totals = ["failures", "runs", "stalls", "kills", "files_total", "bytes_total"];
    let totals: String = totals.iter().map(|key| format!("{key} = 0\n")).collect();
    let why = if outcome.is_success() { "" } else { "last_why = rsync: <b>no</b> \"way\"\n" };
    let success = success.map_or(String::new(), |at| format!("last_success_mono = {at}.000\n"));
    format!(
        "[irsync]\nversion = 0.2.0\npid = 1\nstate = running\nstarted_mono = 5.000\nwritten_mono = 1000.000\n\n\
         [job:media]\nstate = waiting\nstarted_mono = 10.000\nlast_outcome = {outcome}\nlast_reason = RERR\n{why}\
         last_ended_mono = 990.000\nlast_duration = 1.000\n{success}stale_after = 600.000\n{totals}\n\
         [report]\nuptime = 1000.000\nfree_media = 3355443200\n"
    )
}

fn device(name: &str, age: u64, text: &str) -> Device {
    Device::judge(&Report { name: name.into(), age: Ok(secs(age)), text: Ok(text.into()) }, GONE)
}

fn view(devices: Vec<Device>) -> View {
    View::new(devices, UNIX_EPOCH + secs(1_800_000_000), GONE)
}

/// Each of the marks, from what hurts least.
fn all() -> Vec<Device> {
    vec![
        device("well", 60, &report(Outcome::Success, Some(990))),
        device("held", 60, &report(Outcome::Held, Some(900))),
        device("failing", 60, &report(Outcome::Transient, Some(900))),
        device("stale", 60, &report(Outcome::Busy, Some(300))),
        device("unreadable", 60, "nothing\n"),
        device("gone", 7201, &report(Outcome::Success, Some(990))),
    ]
}

#[test]
fn devices_are_judged_and_the_sick_come_first() {
    let view = view(all());
    let names: Vec<&str> = view.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["gone", "unreadable", "stale", "failing", "held", "well"]);
    for device in &view.devices {
        assert_eq!(device.mark.name(), if device.name == "well" { "ok" } else { &device.name });
    }
    assert_eq!(view.marks, [1; 6]);
    assert!(!super::tests::view(Vec::new()).is_well(), "nobody has said that he is well");
    assert!(!view.is_well() && super::tests::view(vec![all().remove(0)]).is_well());
    assert_eq!(view.versions, [("0.2.0".to_owned(), 5)]);
}

#[test]
fn ages_count_from_the_servers_stamp() {
    let device = device("a", 60, &report(Outcome::Transient, Some(900)));
    // 100 s old when it was reported, and that was 60 s ago.
    assert_eq!((device.age, device.success()), (secs(60), Some(secs(160))));
    assert_eq!((device.uptime, device.free()), (Some(secs(1000)), Some(3_355_443_200)));
    assert_eq!(device.why, "media: transient: rsync: <b>no</b> \"way\"");
    let never = super::tests::device("b", 0, &report(Outcome::Transient, None));
    assert_eq!((never.mark, never.success()), (Mark::Stale, None), "its start counts");
    // A date that no server has stamped would keep a device that is gone fresh for ever.
    let report = Report { name: "c".into(), age: Err(secs(61)), text: Ok(report(Outcome::Success, Some(990))) };
    let ahead = Device::judge(&report, GONE);
    assert!(ahead.mark == Mark::Unreadable && ahead.why.contains("future"), "{ahead:?}");
    let report = Report { age: Err(secs(60)), ..report };
    assert_eq!(Device::judge(&report, GONE).mark, Mark::Well, "clocks of two machines may differ a little");
}

#[test]
fn the_table_fits_and_names_reason_and_age() {
    let lines = table::lines(&view(all()), 200, 5, false);
    assert!(
        lines[0].starts_with("6 devices: 1 gone, 1 unreadable, 1 stale, 1 failing, 1 held, 1 ok; last syncs: "),
        "{lines:#?}"
    );
    assert!(lines[2].starts_with("gone"), "{lines:#?}");
    assert!(lines[5].contains("failing") && lines[5].contains("2m40s") && lines[5].contains("transient: rsync:"));
    assert!(lines[5].contains(" 3.1 GiB ") && lines[3].contains(" ? "), "free space, where it is known: {lines:#?}");
    assert_eq!(lines[7], "… and 1 more");
    assert!(table::lines(&view(all()), 40, 99, false).iter().all(|line| line.chars().count() <= 40));
    assert_eq!(table::lines(&view(Vec::new()), 80, 9, false), ["no reports"]);
}

#[test]
fn json_and_page_hold_text_of_others_as_text() {
    let mut devices = all();
    let hostile = "</script><script>alert(1)</script>\u{2028}\"\\";
    devices.push(device(hostile, 60, &report(Outcome::Transient, Some(900)).replace("media", "</script>")));
    let view = view(devices);
    let text = json::render(&view, usize::MAX);
    assert!(text.starts_with("{\"now\":1800000000,\"stale\":7200,\"devices\":{\"gone\":1,"), "{text}");
    assert!(
        text.contains(
            "\"health\":\"failing\",\"age\":60,\"last_success_age\":160,\"uptime\":1000,\"free\":3355443200,"
        ),
        "{text}"
    );
    assert!(text.ends_with("]}\n") && text.matches('\n').count() == 1);
    let html = page::render(&view);
    assert_eq!(html.matches("</script>").count(), 1, "only the page's own script ends");
    assert!(html.contains("\\u003c/script>\\u003cscript>alert(1)") && !html.contains("/*DATA*/null"));
    assert_eq!(json::render(&view, 2).matches("\"health\"").count(), 3, "two devices, one of them with a job");
    assert!(json::render(&view, 2).contains("\"left_out\":5"));
}

#[test]
fn metrics_are_bounded_whatever_is_reported() {
    let mut devices = all();
    for n in 0..2000 {
        let text = report(Outcome::Transient, Some(900)).replace("0.2.0", &format!("9.{n}"));
        devices.push(device(&format!("d{n}\"\n"), 60, &text));
    }
    let text = metrics::render(&view(devices));
    assert_eq!(text.matches("irsync_fleet_sick{").count(), 500);
    assert!(text.contains("irsync_fleet_sick_left_out 1505\n"), "{text}");
    assert_eq!(text.matches("irsync_fleet_versions{").count(), 21);
    assert!(text.contains("irsync_fleet_devices{health=\"failing\"} 2001\n"));
    assert!(text.contains("irsync_fleet_report_age_seconds{le=\"60\"} 2005\n"));
    assert!(text.contains("irsync_fleet_report_age_seconds{le=\"+Inf\"} 2006\n"));
    assert!(text.lines().count() < 600);
    // Without a single report there are series too, so that an alert can speak of them.
    assert!(metrics::render(&view(Vec::new())).contains("irsync_fleet_devices{health=\"gone\"} 0\n"));
}

/// A reader of the metrics refuses the whole file where a series comes twice.
#[test]
fn devices_that_call_their_version_other_are_counted_with_those_that_are_left_out() {
    let named = |version: String| device("d", 60, &report(Outcome::Success, Some(990)).replace("0.2.0", &version));
    let others = (0..2).map(|_| named("other".into()));
    let view = view(others.chain((0..30).map(|n| named(format!("9.{n}")))).collect());
    assert_eq!(view.versions[0], ("other".into(), 2 + 11));
    assert_eq!(view.versions.len(), 20);
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn hostile_reports_spoil_nothing() {
    let folder = Folder(std::env::temp_dir().join(format!("irsync-fleet-{}", std::process::id())));
    let path = |name: &str| folder.0.join(name);
    fs::create_dir_all(path("folder.status")).unwrap();
    let good = report(Outcome::Success, Some(990));
    fs::write(path("good.status"), &good).unwrap();
    fs::write(path("huge.status"), vec![b'x'; 65 * 1024]).unwrap();
    fs::write(path("binary.status"), [good.as_bytes(), b"\0"].concat()).unwrap();
    fs::write(path("latin1.status"), [good.as_bytes(), b"\xff\n"].concat()).unwrap();
    fs::write(path("truncated.status"), &good[..good.len() / 2]).unwrap();
    fs::write(path("empty.status"), "").unwrap();
    fs::write(path("foreign.status"), good.replace("success", "splendid")).unwrap();
    fs::write(path("newer.status"), good.replace("[report]", "[report]\ncolour = blue\n[new]\nx = y")).unwrap();
    symlink("/etc/passwd", path("link.status")).unwrap();
    symlink("/dev/zero", path("zero.status")).unwrap();
    nix::unistd::mkfifo(&path("fifo.status"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket.status")).unwrap();
    fs::write(path("future.status"), &good).unwrap();
    let ahead = SystemTime::now() + secs(3600);
    fs::File::options().write(true).open(path("future.status")).unwrap().set_modified(ahead).unwrap();
    fs::write(path(".good.status.Xy12ab"), &good).unwrap();
    fs::write(path("notes.txt"), &good).unwrap();
    fs::write(path("esc\u{1b}[2J.status"), &good).unwrap();

    let devices = read::devices(&folder.0, SystemTime::now(), GONE).unwrap();
    let of = |name: &str| {
        devices.iter().find(|device| device.name == name).unwrap_or_else(|| panic!("{name}: {devices:#?}"))
    };
    for well in ["good", "newer", "esc\\x1b[2J"] {
        assert_eq!(of(well).mark, Mark::Well, "{:?}", of(well));
    }
    for (name, why) in [
        ("folder", "no regular file"),
        ("huge", "no report is so large"),
        ("binary", "binary"),
        ("latin1", "not UTF-8"),
        ("truncated", ""),
        ("empty", "empty"),
        ("foreign", "splendid"),
        ("link", "it is a link"),
        ("zero", "it is a link"),
        ("fifo", "no regular file"),
        ("socket", "no regular file"),
        ("future", "dated in the future"),
    ] {
        assert!(of(name).mark == Mark::Unreadable && of(name).why.contains(why), "{:?}", of(name));
    }
    assert_eq!(devices.len(), 15, "{devices:#?}");
}
