//! The watchdog's part of `irsync check`: looked at through sysfs and `/proc`, as opening the device would arm it.

use crate::config::Global;
use crate::os::state;
use crate::os::watchdog::{self, Probe};
use crate::report::human::Span;
use std::fmt::Write;
use std::time::Duration;

/// What the configured device is and what irsync would ask of it; then what stands in its way.
pub(super) fn look(global: &Global) -> (String, Vec<String>) {
    let (mut text, mut hints) = (String::new(), Vec::new());
    if let Some(device) = &global.watchdog_device {
        match watchdog::probe(device, global.watchdog_timeout) {
            Ok(probe) => {
                text = format!("\nwatchdog {}\n", device.display());
                describe(&mut text, &probe);
                hints.extend(obstacles(&probe));
            }
            Err(error) => hints.push(error.to_string()),
        }
    }
    if let Some(folder) = global.state_dir.as_deref().filter(|folder| state::is_volatile(folder)) {
        hints.push(format!("state_dir {} is in memory: reboots cannot be counted across boots", folder.display()));
    }
    (text, hints)
}

fn describe(text: &mut String, probe: &Probe) {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let _ = writeln!(text, "  driver   {}", known(&probe.identity));
    let _ = writeln!(text, "  state    {}", known(&probe.state));
    let wanted = Duration::from_secs(probe.wanted.into());
    let _ = writeln!(text, "  timeout  {}, kicked every {}", Span(wanted), Span(wanted / 3));
    match (probe.min_timeout, probe.max_timeout) {
        (Some(min), Some(max)) if max > 0 => {
            let _ = writeln!(text, "  limits   {min} to {max} s");
        }
        _ => {}
    }
}

fn obstacles(probe: &Probe) -> Vec<String> {
    let mut hints = Vec::new();
    if probe.plain_file {
        hints.push("watchdog_device is a plain file: nothing will reset this board".into());
    }
    if let Some(note) = &probe.note {
        hints.push(format!("watchdog_timeout becomes {} s: {note}", probe.wanted));
    }
    if probe.nowayout == Some(true) {
        hints.push("the watchdog cannot be disarmed (nowayout): stopping irsync for longer resets the board".into());
    }
    if let Some(holder) = probe.holder.as_ref().filter(|holder| holder.name != "irsync") {
        hints.push(format!("{holder} holds the watchdog: {}", holder.advice()));
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::watchdog::BootStatus;
    use crate::os::watchdog::Holder;

    fn probe() -> Probe {
        Probe {
            identity: Some("sunxi-wdt".into()),
            state: Some("inactive".into()),
            timeout: Some(16),
            min_timeout: Some(1),
            max_timeout: Some(16),
            nowayout: Some(false),
            boot: BootStatus::default(),
            holder: None,
            wanted: 15,
            note: None,
            plain_file: false,
        }
    }

    #[test]
    fn a_device_is_described() {
        let mut text = String::new();
        describe(&mut text, &probe());
        assert_eq!(
            text,
            "  driver   sunxi-wdt\n  state    inactive\n  timeout  15s, kicked every 5s\n  limits   1 to 16 s\n"
        );
        assert!(obstacles(&probe()).is_empty());
    }

    #[test]
    fn whatever_stands_in_the_way_is_named() {
        let systemd = Holder { pid: 1, name: "systemd".into() };
        let bad =
            Probe { holder: Some(systemd), nowayout: Some(true), note: Some("so".into()), plain_file: true, ..probe() };
        let hints = obstacles(&bad);
        assert_eq!(hints.len(), 4, "{hints:?}");
        assert!(hints[3].starts_with("systemd (process 1) holds the watchdog: use WatchdogSec="), "{hints:?}");
        let own = Probe { holder: Some(Holder { pid: 7, name: "irsync".into() }), ..probe() };
        assert!(obstacles(&own).is_empty(), "irsync itself may hold it");
    }
}
