//! The view as JSON (RFC 8259): for scripts, and for the page.

use super::device::{Device, Mark};
use super::view::View;
use crate::job::Outcome;
use crate::report::json::string;
use crate::report::utc;
use std::fmt::Write;
use std::time::Duration;

/// One line: `{"now":…,"devices":{"ok":…},"outcomes":{…},"versions":{…},"list":[{"name":…,"health":…,…}]}`. Ages are in
/// seconds, free space is in bytes. `most`: as many devices are listed, the sick first.
pub(crate) fn render(view: &View, most: usize) -> String {
    let mut text = format!("{{\"now\":{},\"stale\":{},\"devices\":", utc::seconds(view.now), view.gone.as_secs());
    counts(&mut text, Mark::ALL.iter().map(|mark| mark.name()).zip(view.marks));
    text += ",\"outcomes\":";
    counts(&mut text, Outcome::ALL.iter().map(|outcome| outcome.name()).zip(view.outcomes));
    text += ",\"versions\":";
    counts(&mut text, view.versions.iter().map(|(version, count)| (version.as_str(), *count)));
    let left = view.devices.len().saturating_sub(most);
    let _ = write!(text, ",\"left_out\":{left},\"list\":[");
    for (at, one) in view.devices.iter().take(most).enumerate() {
        text += if at > 0 { "," } else { "" };
        device(&mut text, one);
    }
    text + "]}\n"
}

fn device(text: &mut String, device: &Device) {
    text.push_str("{\"name\":");
    string(text, &device.name);
    // Writing to a String cannot fail.
    let _ = write!(text, ",\"health\":\"{}\",\"age\":{}", device.mark.name(), device.age.as_secs());
    if let Some(success) = device.success() {
        let _ = write!(text, ",\"last_success_age\":{}", success.as_secs());
    }
    if let Some(uptime) = device.uptime {
        let _ = write!(text, ",\"uptime\":{}", uptime.as_secs());
    }
    if let Some(free) = device.free() {
        let _ = write!(text, ",\"free\":{free}");
    }
    let foreign = [
        ("version", Some(device.version.as_str())),
        ("why", Some(device.why.as_str())),
        ("boot_cause", device.boot_cause.as_deref()),
    ];
    for (key, value) in foreign {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(text, ",\"{key}\":");
            string(text, value);
        }
    }
    text.push_str(",\"jobs\":[");
    for (at, job) in device.jobs.iter().enumerate() {
        text.push_str(if at > 0 { ",{\"name\":" } else { "{\"name\":" });
        string(text, &job.name);
        let health = if job.off { "off" } else { job.mark.name() };
        let _ = write!(text, ",\"health\":\"{health}\",\"failures\":{}", job.failures);
        if let Some(outcome) = job.outcome {
            let _ = write!(text, ",\"outcome\":\"{outcome}\"");
        }
        if let Some(age) = job.success.map(|age: Duration| age.as_secs()) {
            let _ = write!(text, ",\"last_success_age\":{age}");
        }
        if let Some(free) = job.free {
            let _ = write!(text, ",\"free\":{free}");
        }
        if !job.why.is_empty() {
            text.push_str(",\"why\":");
            string(text, &job.why);
        }
        text.push('}');
    }
    text.push_str("]}");
}

fn counts<'a>(text: &mut String, pairs: impl Iterator<Item = (&'a str, usize)>) {
    text.push('{');
    for (at, (name, count)) in pairs.enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        string(text, name);
        let _ = write!(text, ":{count}");
    }
    text.push('}');
}
