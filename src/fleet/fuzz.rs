//! Arbitrary reports of devices that somebody else may have written.

use super::device::{Device, Mark, Report};
use super::view::View;
use super::{json, metrics, page, table};
use crate::text;
use std::time::{Duration, UNIX_EPOCH};

/// Reports are parted by a line `%%%`; the byte before each is its age in hours, the one before that says whether it could be read.
/// Whatever they say, each is one device, and what is shown of it does nothing to a terminal.
pub(crate) fn report(data: &[u8]) {
    let reports = String::from_utf8_lossy(data);
    let gone = Duration::from_secs(24 * 3600);
    let devices: Vec<Device> = reports.split("\n%%%\n").take(8).map(|text| device(text, gone)).collect();
    let count = devices.len();
    let view = View::new(devices, UNIX_EPOCH + Duration::from_secs(1_795_618_800), gone);
    assert_eq!(view.devices.len(), count);
    assert_eq!(view.marks.iter().sum::<usize>(), count);
    assert_eq!(view.sick().count(), count - view.devices.iter().filter(|device| device.mark == Mark::Well).count());
    for line in table::lines(&view, 100, 5, false) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let shown = json::render(&view, 5);
    assert!(text::fuzz::is_json_line(&shown), "{shown:?}");
    let samples = metrics::render(&view);
    assert!(text::fuzz::are_samples(&samples), "{samples}");
    let page = page::render(&view);
    let (before, after) = page::TEMPLATE.split_once(page::PLACE).unwrap_or_default();
    let data = page.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or_default();
    assert!(text::fuzz::is_json(data) && !data.contains('<'), "{data:?}");
}

fn device(text: &str, gone: Duration) -> Device {
    let mut chars = text.chars();
    let (age, kind) = (chars.next().map_or(0, u32::from), chars.next());
    let rest = chars.as_str();
    let hours = Duration::from_secs(3600 * u64::from(age % 64));
    let report = Report {
        name: rest.lines().next().unwrap_or_default().to_owned(),
        age: if age % 7 == 6 { Err(hours) } else { Ok(hours) },
        // Who reads the folder always has a reason.
        text: if kind == Some('!') { Err(format!("it is {rest}")) } else { Ok(rest.to_owned()) },
    };
    let device = Device::judge(&report, gone);
    assert!(
        device.mark == Mark::Well || !device.why.is_empty() || device.age > gone,
        "sick, and nobody knows why: {device:?}"
    );
    assert!(device.jobs.len() <= 32 && device.why.len() < 300 && device.name.len() < 300, "{device:?}");
    device
}
