//! A whole fleet against one server, in simulated time: the real state machine of each job, a server with a limit of
//! connections or of speed, and what happens after a power cut or an outage. Deterministic: the same numbers each time,
//! everywhere.
//!
//! `fleet_sim` prints a table with the goal of each row, and fails if one is missed; `fleet_sim FILE.svg FILE.md` writes the plot
//! and the figures of docs/fleet/README.md as well. What is assumed is said in `ASSUMED`.

#[path = "fleet_sim/device.rs"]
mod device;
#[path = "fleet_sim/goals.rs"]
mod goals;
#[path = "fleet_sim/plot.rs"]
mod plot;
#[path = "fleet_sim/scenario.rs"]
mod scenario;
#[path = "fleet_sim/world.rs"]
mod world;

use device::Manners;
use std::process::ExitCode;
use world::run;

const ASSUMED: &str = "\
assumed: a sync with nothing to do takes 0.5 s to 15 s (median 1.8, mean 2.8), the first one after the trouble 2 s to 90 s
(median 10, mean 16); a power cut hits all devices at once and they boot within 15 s to 26 s; a server that is down or full
refuses within 0.1 s; a slow one divides what it can do among all who are connected.
loop: `while :; do rsync ...; sleep INTERVAL; done`. irsync: as it comes. at best: each device calls once in its interval, the
fleet evenly spread, and whom the server cannot take at once stands in a queue.
goal: what irsync is held to. connections: 1.3 x devices x s / (interval + s) with s the mean sync of a device that catches up,
or those at best; calls, refusals and failures: the loop's; half and 99 % in step: 1.5 x, the whole fleet: 2 x the time at
best. (*): here goals pull apart, the goal is a figure of its own; examples/fleet_sim/goals.rs says why.
";

fn main() -> ExitCode {
    print!("{ASSUMED}");
    let mut missed = 0;
    let mut readme = String::from("| fleet | | shell loop | irsync |\n|---|---|---:|---:|\n");
    for scenario in scenario::ALL {
        println!("\n{}", scenario.name());
        println!("{:34}{:>12}{:>12}{:>12}{:>12}", "", "loop", "irsync", "at best", "goal");
        for row in goals::rows(scenario) {
            println!("{row}");
            missed += u32::from(!row.is_met());
            let figures = scenario.in_readme.and_then(|name| row.markdown(name));
            if let (Some(figures), Some(row)) = (figures, scenario.in_readme) {
                readme += &format!("| {} | {row} | {figures} |\n", scenario.name().replace('\n', " "));
            }
        }
    }
    if let (Some(path), Some(figures)) = (std::env::args_os().nth(1), std::env::args_os().nth(2)) {
        let panels = scenario::PLOTTED.map(|scenario| plot::Panel {
            title: format!("{} devices {}", scenario.devices, scenario.trouble.name()),
            lines: [Manners::Loop, Manners::Irsync].map(|manners| run(scenario, manners).connections),
        });
        let written = std::fs::write(path, plot::svg(&panels, ["shell loop", "irsync"]));
        if let Err(error) = written.and_then(|()| std::fs::write(figures, readme)) {
            eprintln!("cannot write plot and figures: {error}");
            return ExitCode::FAILURE;
        }
    }
    if missed > 0 {
        eprintln!("{missed} goals are missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
