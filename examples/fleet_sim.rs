//! A whole fleet against one server, in simulated time: the real state machine of each job, a server with a limit of
//! connections, and what happens after a power cut or an outage. Deterministic: the same numbers each time, everywhere.
//!
//! `fleet_sim` prints a table; `fleet_sim FILE.svg` writes the plot as well. What is assumed is said in `ASSUMED`.

#[path = "fleet_sim/plot.rs"]
mod plot;
#[path = "fleet_sim/world.rs"]
mod world;

use std::time::Duration;
use world::{run, Fleet, Manners, Result, Trouble};

const ASSUMED: &str = "\
assumed: a sync with nothing to do takes 0.5 s to 15 s (median 1.8, mean 2.8), the first one after the trouble 2 s to 90 s
(median 10, mean 16); a power cut hits all devices at once and they boot within 15 s to 26 s; a server that is down or full
refuses within 0.1 s. plain loop: `while :; do rsync ...; sleep INTERVAL; done`. both off: irsync with `jitter = 0` and both
back-offs = interval. irsync: as it comes. irsync 100 %/30 s: with `jitter = 100%` and `backoff_initial = 30s`.
";

const SMALL: Fleet =
    Fleet { devices: 2_000, interval: Duration::from_secs(30), limit: 300, watched: Duration::from_secs(10 * 60) };
const LARGE: Fleet = Fleet {
    devices: 100_000,
    interval: Duration::from_secs(15 * 60),
    limit: 1_000,
    watched: Duration::from_secs(60 * 60),
};

/// In the order of the plot's colours.
const PLOTTED: [Manners; 3] = [Manners::Loop, Manners::Defaults, Manners::Spread];

fn main() -> std::io::Result<()> {
    print!("{ASSUMED}");
    for fleet in [SMALL, LARGE] {
        for trouble in [Trouble::PowerCut, Trouble::Outage] {
            for fleet in [fleet, Fleet { limit: usize::MAX, ..fleet }] {
                let results: Vec<Result> = Manners::ALL.iter().map(|&m| run(fleet, trouble, m)).collect();
                print_table(fleet, trouble, &results);
            }
        }
    }
    if let Some(path) = std::env::args_os().nth(1) {
        let unlimited = Fleet { limit: usize::MAX, ..SMALL };
        let panels = [Trouble::PowerCut, Trouble::Outage].map(|trouble| plot::Panel {
            title: format!("{} devices after {}", SMALL.devices, trouble.name()),
            lines: PLOTTED.map(|manners| run(unlimited, trouble, manners).connections),
        });
        let names = PLOTTED.map(Manners::name);
        std::fs::write(path, plot::svg(&panels, names))?;
    }
    Ok(())
}

fn print_table(fleet: Fleet, trouble: Trouble, results: &[Result]) {
    let limit =
        if fleet.limit == usize::MAX { "no limit".into() } else { format!("max connections = {}", fleet.limit) };
    println!("\n{} devices, interval {} s, {limit}, after {}", fleet.devices, fleet.interval.as_secs(), trouble.name());
    print!("{:34}", "");
    Manners::ALL.iter().for_each(|m| print!("{:>19}", m.name()));
    println!();
    row("connections, peak", results, |r| r.peak.to_string());
    row("connections, 99th percentile", results, |r| r.percentile_99.to_string());
    row("attempts in one second, peak", results, |r| r.attempts_peak.to_string());
    row("refused because full", results, |r| r.refused.to_string());
    row("failed while the server was down", results, |r| r.failed.to_string());
    row("half the fleet in step after, s", results, |r| seconds(r.half));
    row("99 % in step after, s", results, |r| seconds(r.most));
    row("whole fleet in step after, s", results, |r| seconds(r.all));
}

fn row(name: &str, results: &[Result], value: impl Fn(&Result) -> String) {
    print!("{name:34}");
    results.iter().for_each(|r| print!("{:>19}", value(r)));
    println!();
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("never".into(), |t| t.as_secs().to_string())
}
