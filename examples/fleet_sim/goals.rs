//! What irsync is held to in each row of the table.

use crate::device::Manners;
use crate::scenario::{Scenario, Trouble};
use crate::world::{run, Result};
use std::fmt;
use std::time::Duration;

/// One row of the table.
pub struct Row {
    name: &'static str,
    plain: u64,
    irsync: u64,
    best: u64,
    goal: u64,
    /// The goal is one that pulls against the server's.
    apart: bool,
}

/// The longest `spread` by default.
const SPREAD: Duration = Duration::from_secs(15 * 60);
/// Shown as `never`.
const NEVER: u64 = u64::MAX;

impl Row {
    /// The loop's value and irsync's, `36073 | 33026`, if it is the one of that name.
    pub fn markdown(&self, name: &str) -> Option<String> {
        (self.name == name).then(|| format!("{} | {}", text(self.plain), text(self.irsync)))
    }

    pub fn is_met(&self) -> bool {
        self.irsync <= self.goal
    }
}

fn text(n: u64) -> String {
    if n == NEVER {
        "never".into()
    } else {
        n.to_string()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plain, irsync, best, goal) = (text(self.plain), text(self.irsync), text(self.best), text(self.goal));
        write!(f, "{:34}{plain:>12}{irsync:>12}{best:>12}{goal:>12}", self.name)?;
        f.write_str(if self.apart { " (*)" } else { "" })?;
        f.write_str(if self.is_met() { "" } else { "  MISSED" })
    }
}

/// The rows of one scenario.
pub fn rows(scenario: &Scenario) -> Vec<Row> {
    let results = [Manners::Loop, Manners::Irsync, Manners::Queue].map(|manners| run(*scenario, manners));
    let s = results[1].catching_up;
    let offered = offered(scenario, s, Duration::MAX);
    let row = |name, value: &dyn Fn(&Result) -> u64, goal: &dyn Fn(u64, u64) -> u64| {
        let [plain, irsync, best] = [0, 1, 2].map(|i| value(&results[i]));
        Row { name, plain, irsync, best, goal: goal(plain, best), apart: false }
    };
    let like_loop = |plain: u64, _: u64| plain;
    let mut rows = vec![
        row("connections, peak", &|r| r.peak as u64, &|plain, best| plain.min(offered.max(best))),
        row("connections, 99th percentile", &|r| r.percentile_99 as u64, &|plain, best| plain.max(offered).max(best)),
        row("calls in one second, peak", &|r| r.calls_peak as u64, &like_loop),
        row("calls in all", &|r| r.calls, &like_loop),
        row("refused because full", &|r| r.refused, &like_loop),
        row("failed while the server was down", &|r| r.failed, &like_loop),
    ];
    if !matches!(scenario.trouble, Trouble::Reboots(_)) {
        let seconds = |t: Option<Duration>| t.map_or(NEVER, |t| t.as_secs());
        let half_more = |_: u64, best: u64| best * 3 / 2;
        let double = |_: u64, best: u64| best * 2;
        rows.push(row("half the fleet in step after, s", &|r| seconds(r.half), &half_more));
        rows.push(row("99 % in step after, s", &|r| seconds(r.most), &half_more));
        rows.push(row("whole fleet in step after, s", &|r| seconds(r.all), &double));
    }
    for row in &mut rows {
        if let Some(goal) = apart(scenario, row, s).filter(|_| !row.is_met()) {
            row.goal = goal;
            row.apart = true;
        }
    }
    rows
}

/// Where goals pull apart: what irsync is held to instead, and why.
fn apart(scenario: &Scenario, row: &Row, s: Duration) -> Option<u64> {
    match row.name {
        // The first sync comes within 15 minutes of the start, however long the interval is: a device that was switched on
        // is not left alone for an hour. So the load is that of an interval of 15 minutes, and only this once.
        "connections, peak" | "connections, 99th percentile" if scenario.trouble == Trouble::PowerCut => {
            Some(offered(scenario, s, SPREAD).min(scenario.server.limit() as u64))
        }
        // Waits of 1 to 1.5 intervals make a fifth fewer calls while the server is down, and shift those who called one
        // after the other on top of each other: in the worst second of the hour after it a tenth more call than of loops.
        "calls in one second, peak" => Some(row.plain * 12 / 10),
        // Who was refused asks again after an interval at the earliest. Shorter waits would have the last percent in step
        // sooner, with more refusals for all; the whole fleet keeps within twice the best either way.
        "99 % in step after, s" => Some(row.best * 7 / 4),
        _ => None,
    }
}

/// 1.3 times the connections that devices keep open which sync for `s` and wait for their interval, at most `longest`:
/// N x s / (interval + s).
fn offered(scenario: &Scenario, s: Duration, longest: Duration) -> u64 {
    let share = |id| s.as_secs_f64() / (scenario.interval_of(id).min(longest) + s).as_secs_f64();
    ((0..scenario.devices).map(share).sum::<f64>() * 1.3) as u64
}
