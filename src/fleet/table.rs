//! The table for a terminal: the sick first, then counts.

use super::device::{Device, Mark};
use super::view::View;
use crate::job::Outcome;
use crate::report::human::{Bytes, Span};
use crate::text::{columns, fit};
use std::time::Duration;

/// Lines of at most `width` columns; `rows`: as many devices as are shown, the sick first.
pub(crate) fn lines(view: &View, width: usize, rows: usize, paint: bool) -> Vec<String> {
    let shown = &view.devices[..rows.min(view.devices.len())];
    let name = shown.iter().map(|device| columns(&device.name)).max().unwrap_or(0).clamp(6, 40);
    let mut lines = vec![counts(view, paint)];
    if !shown.is_empty() {
        lines.push(format!(
            "{:name$}  {:10}  {:>8}  {:>8}  {:>9}  {:9}  WHY",
            "DEVICE", "HEALTH", "REPORT", "SUCCESS", "FREE", "VERSION"
        ));
    }
    for device in shown {
        lines.push(line(device, name, paint));
    }
    let left = view.devices.len() - shown.len();
    if left > 0 {
        lines.push(format!("… and {left} more"));
    }
    lines.iter().map(|line| fit(line, width)).collect()
}

fn line(device: &Device, name: usize, paint: bool) -> String {
    let (on, off) = colour(device.mark, paint);
    let success = device.success().map_or_else(|| "never".into(), span);
    let free = device.free().map_or_else(|| "?".into(), |bytes| Bytes(bytes).to_string());
    let pad = " ".repeat(name.saturating_sub(columns(&device.name)));
    let version = if device.version.is_empty() { "?" } else { &device.version };
    format!(
        "{}{pad}  {on}{:10}{off}  {:>8}  {success:>8}  {free:>9}  {version:9}  {}",
        fit(&device.name, name),
        device.mark.name(),
        span(device.age),
        device.why
    )
}

/// `3 devices: 1 gone, 2 ok; last syncs: 1 success, 2 busy; versions: 2 x 0.1.0`
fn counts(view: &View, paint: bool) -> String {
    let listed = |pairs: Vec<String>| pairs.join(", ");
    let marks = Mark::ALL.iter().zip(view.marks).filter(|(_, count)| *count > 0);
    let marks = listed(
        marks
            .map(|(mark, count)| {
                let (on, off) = colour(*mark, paint);
                format!("{on}{count} {}{off}", mark.name())
            })
            .collect(),
    );
    let outcomes = Outcome::ALL.iter().zip(view.outcomes).filter(|(_, count)| *count > 0);
    let outcomes = listed(outcomes.map(|(outcome, count)| format!("{count} {outcome}")).collect());
    let versions = listed(view.versions.iter().map(|(version, count)| format!("{count} x {version}")).collect());
    let mut text = match view.devices.len() {
        0 => return "no reports".into(),
        1 => "1 device: ".to_owned() + &marks,
        many => format!("{many} devices: {marks}"),
    };
    for (title, part) in [("last syncs", outcomes), ("versions", versions)] {
        if !part.is_empty() {
            text += &format!("; {title}: {part}");
        }
    }
    text
}

fn span(age: Duration) -> String {
    Span(Duration::from_secs(age.as_secs())).to_string().replace("0ms", "0s")
}

fn colour(mark: Mark, paint: bool) -> (&'static str, &'static str) {
    match mark {
        _ if !paint => ("", ""),
        Mark::Well => ("\x1b[32m", "\x1b[0m"),
        Mark::Held => ("\x1b[33m", "\x1b[0m"),
        _ => ("\x1b[31m", "\x1b[0m"),
    }
}
