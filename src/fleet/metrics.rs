//! The view for Prometheus, as node_exporter's textfile collector reads it. Aggregates always; of single devices only those that
//! are not well, and of them at most [`SICK`], so that the number of series stays bounded whatever the reports say.

use super::device::{Device, Mark};
use super::view::{View, CLASSES};
use crate::job::Outcome;
use crate::report::metrics::Page;
use crate::report::utc;
use std::collections::BTreeSet;
use std::time::Duration;

/// As many sick devices have series of their own.
const SICK: usize = 500;

/// The whole file.
pub(crate) fn render(view: &View) -> String {
    let mut page = Page::default();
    page.family("irsync_fleet_written_timestamp_seconds", "gauge", "When this was written, in seconds since 1970.");
    page.sample(&[], &utc::seconds(view.now));
    page.family("irsync_fleet_devices", "gauge", "Devices by health.");
    for (mark, count) in Mark::ALL.iter().zip(view.marks) {
        page.sample(&[("health", mark.name())], &count);
    }
    page.family("irsync_fleet_jobs", "gauge", "Jobs of all devices by the outcome of their last sync.");
    for (outcome, count) in Outcome::ALL.iter().zip(view.outcomes) {
        page.sample(&[("outcome", outcome.name())], &count);
    }
    page.family("irsync_fleet_versions", "gauge", "Devices by version of irsync.");
    for (version, count) in &view.versions {
        page.sample(&[("version", version)], count);
    }
    ages(&mut page, view, "irsync_fleet_report_age_seconds", "Devices by the age of their last report.", |device| {
        Some(device.age)
    });
    let help = "Devices by the age of the last success of the job that has waited longest for one.";
    ages(&mut page, view, "irsync_fleet_success_age_seconds", help, Device::success);
    page.family("irsync_fleet_sick", "gauge", "Age of the last report of each device that is not well, in seconds.");
    // Two names that were cut may have become one, which node_exporter would refuse with the whole file.
    let mut seen = BTreeSet::new();
    for device in view.sick().take(SICK).filter(|device| seen.insert((&device.name, device.mark))) {
        page.sample(&[("device", &device.name), ("health", device.mark.name())], &device.age.as_secs());
    }
    page.family("irsync_fleet_sick_left_out", "gauge", "Devices that are not well and have no series of their own.");
    page.sample(&[], &view.sick().count().saturating_sub(SICK));
    page.text
}

/// A gauge for each class: what is counted is how things are, not what has happened.
fn ages(page: &mut Page, view: &View, name: &'static str, help: &str, age: impl Fn(&Device) -> Option<Duration>) {
    page.family(name, "gauge", help);
    let mut sum = 0;
    for (at, count) in view.ages(age).into_iter().enumerate() {
        sum += count;
        let limit = CLASSES.get(at).map_or_else(|| "+Inf".to_owned(), u64::to_string);
        page.sample(&[("le", &limit)], &sum);
    }
}
