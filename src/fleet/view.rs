//! All devices: sorted by what hurts, and counted.

use super::device::{Device, Mark};
use crate::job::Outcome;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Versions that are counted each; all others are counted together, so that hostile reports cannot make a long list. The few
/// reports of an input of `fuzz/` bring more.
const VERSIONS: usize = if cfg!(feature = "fuzzing") { 2 } else { 20 };
const OTHER: &str = "other";
/// Upper bounds of the classes in which ages are counted, in seconds.
pub(crate) const CLASSES: [u64; 10] = [60, 300, 900, 3600, 7200, 21_600, 43_200, 86_400, 259_200, 604_800];

/// What is shown of a fleet.
#[derive(Debug)]
pub(crate) struct View {
    /// The moment for which all of it holds.
    pub now: SystemTime,
    /// A device whose report is older is gone.
    pub gone: Duration,
    /// What hurts most first.
    pub devices: Vec<Device>,
    /// Devices by mark, in the order of [`Mark::ALL`].
    pub marks: [usize; Mark::ALL.len()],
    /// Jobs by the outcome of their last sync, in the order of [`Outcome::ALL`].
    pub outcomes: [usize; Outcome::ALL.len()],
    /// Devices by version, the most common first.
    pub versions: Vec<(String, usize)>,
}

impl View {
    /// Sorts and counts.
    pub(crate) fn new(mut devices: Vec<Device>, now: SystemTime, gone: Duration) -> View {
        // The worst first, then who has waited longest for a success; names decide what is left, so that the order stays.
        devices.sort_by(|a, b| {
            let key = |device: &Device| (device.mark, device.success().unwrap_or(device.age));
            key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
        });
        let mut marks = [0; Mark::ALL.len()];
        let mut outcomes = [0; Outcome::ALL.len()];
        let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
        for device in &devices {
            marks[Mark::ALL.iter().position(|mark| *mark == device.mark).unwrap_or(0)] += 1;
            for outcome in device.jobs.iter().filter_map(|job| job.outcome) {
                outcomes[Outcome::ALL.iter().position(|other| *other == outcome).unwrap_or(0)] += 1;
            }
            if !device.version.is_empty() {
                *by_version.entry(&device.version).or_default() += 1;
            }
        }
        let mut versions: Vec<(String, usize)> = by_version.into_iter().map(|(v, n)| (v.to_owned(), n)).collect();
        versions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest: usize = versions.iter().skip(VERSIONS).map(|(_, count)| count).sum();
        versions.truncate(VERSIONS);
        if rest > 0 {
            // One of them may call itself so, and a reader of the metrics refuses a series that comes twice.
            match versions.iter_mut().find(|(version, _)| version == OTHER) {
                Some((_, count)) => *count += rest,
                None => versions.push((OTHER.into(), rest)),
            }
        }
        View { now, gone, devices, marks, outcomes, versions }
    }

    /// Whether nobody has to be looked after. A folder without a report does not say so.
    pub(crate) fn is_well(&self) -> bool {
        !self.devices.is_empty() && self.sick().next().is_none()
    }

    /// Those who are not well.
    pub(crate) fn sick(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| device.mark != Mark::Well)
    }

    /// How many devices are counted in each of [`CLASSES`], and after them how many are older than all.
    pub(crate) fn ages(&self, age: impl Fn(&Device) -> Option<Duration>) -> [usize; CLASSES.len() + 1] {
        let mut counts = [0; CLASSES.len() + 1];
        for age in self.devices.iter().filter_map(age) {
            counts[CLASSES.iter().position(|limit| age.as_secs() <= *limit).unwrap_or(CLASSES.len())] += 1;
        }
        counts
    }
}
