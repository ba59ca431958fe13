//! Devices, a server, and a queue of what happens next.

use crate::device::{Manners, Waits};
use crate::scenario::{Scenario, Trouble};
use irsync::job::backoff::{fraction, Rng};
use irsync::job::{Outcome, Time};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Milliseconds at evenly spaced ranks; between them it is linear. Integers only, so that every machine draws the same.
type Distribution = [u64; 11];
const NOTHING_TO_DO: Distribution = [500, 700, 900, 1_100, 1_400, 1_800, 2_200, 2_800, 3_800, 6_000, 15_000];
const CATCHING_UP: Distribution = [2_000, 3_500, 5_000, 6_500, 8_000, 10_000, 12_500, 16_000, 22_000, 35_000, 90_000];
const BOOT: Distribution = [15_000, 17_000, 17_600, 18_100, 18_500, 19_000, 19_500, 20_100, 21_000, 22_500, 26_000];
const REFUSAL: Distribution = [20, 25, 30, 35, 40, 45, 50, 55, 60, 80, 100];

/// What came of it, counted from the moment the trouble is over.
#[derive(Default)]
pub struct Result {
    pub peak: usize,
    pub percentile_99: usize,
    pub calls_peak: usize,
    pub calls: u64,
    pub refused: u64,
    pub failed: u64,
    pub half: Option<Duration>,
    pub most: Option<Duration>,
    pub all: Option<Duration>,
    /// How long the syncs took that brought a device in step, on average.
    pub catching_up: Duration,
    /// The highest number of connections in each second.
    pub connections: Vec<usize>,
}

struct Device {
    waits: Waits,
    rng: Rng,
    behind: bool,
    /// Counts its boots: what was queued before the last one is void.
    boot: u32,
    called: Time,
    connected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Boot,
    PowerLoss,
    Tick,
    /// A call came to nothing: the server is full, or (true) down.
    Failed(bool),
}

/// When, in which order, to which device in which of its boots.
type Queued = Reverse<(Time, u64, usize, u32, Happening)>;

struct World {
    scenario: Scenario,
    manners: Manners,
    devices: Vec<Device>,
    queue: BinaryHeap<Queued>,
    queued: u64,
    /// Those who stand in line, with [`Manners::Queue`].
    line: VecDeque<(usize, u32)>,
    open: usize,
    /// Syncs that run, by the work done for each connection when they are finished (ns).
    working: BinaryHeap<Reverse<(u128, u64, usize, u32)>>,
    /// The work that has been done for a connection that was open all the time (ns).
    work: u128,
    worked: Time,
    result: Result,
    in_step_at: Vec<Duration>,
    caught_up: Duration,
    /// In each second.
    calls: Vec<usize>,
    /// How long so many connections were open.
    held: Vec<Duration>,
    counted: Time,
}

/// Simulates one fleet through one trouble.
pub fn run(scenario: Scenario, manners: Manners) -> Result {
    let seconds = scenario.watched.as_secs() as usize + 1;
    let mut world = World {
        scenario,
        manners,
        devices: Vec::new(),
        queue: BinaryHeap::new(),
        queued: 0,
        line: VecDeque::new(),
        open: 0,
        working: BinaryHeap::new(),
        work: 0,
        worked: Time::default(),
        result: Result { connections: vec![0; seconds], ..Result::default() },
        in_step_at: Vec::new(),
        caught_up: Duration::ZERO,
        calls: vec![0; seconds],
        held: vec![Duration::ZERO; scenario.devices + 1],
        counted: scenario.trouble.is_over(),
    };
    let mut rng = Rng::new(2026);
    for id in 0..scenario.devices {
        let at = match scenario.trouble {
            Trouble::PowerCut => draw(&BOOT, &mut rng),
            // A fleet that was switched on one by one over the years.
            Trouble::Outage | Trouble::NoName | Trouble::Reboots(_) => fraction(scenario.interval_of(id), rng.draw()),
        };
        let seed = Rng::new(id as u64).draw();
        world.devices.push(Device {
            waits: Waits::new(manners, scenario.interval_of(id), seed, Time::default()),
            rng: Rng::new(seed ^ 1),
            behind: false,
            boot: 0,
            called: Time::default(),
            connected: false,
        });
        world.push(Time::default() + at, id, Happening::Boot);
    }
    world.go();
    world.finish()
}

impl World {
    fn push(&mut self, at: Time, id: usize, what: Happening) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, id, self.devices[id].boot, what)));
    }

    fn go(&mut self) {
        let end = self.scenario.trouble.is_over() + self.scenario.watched;
        loop {
            let finished = self.next_finished();
            let next = self.queue.peek().map(|Reverse((at, ..))| *at);
            let now = match (finished, next) {
                (Some(at), Some(other)) => at.min(other),
                (at, other) => at.or(other).unwrap_or(end),
            };
            if now >= end {
                break;
            }
            self.work_until(now);
            if finished == Some(now) {
                let Some(Reverse((_, _, id, _))) = self.working.pop() else { break };
                self.synced(id, now);
            } else if let Some(Reverse((_, _, id, boot, what))) = self.queue.pop() {
                if boot == self.devices[id].boot {
                    self.happen(id, what, now);
                }
            }
        }
        self.count(end);
    }

    fn happen(&mut self, id: usize, what: Happening, now: Time) {
        let device = &mut self.devices[id];
        match what {
            Happening::Boot => {
                let seed = Rng::new(id as u64).draw();
                // The phase is the device's own; everything else is drawn anew with each boot.
                device.waits = Waits::new(self.manners, self.scenario.interval_of(id), seed, now);
                device.behind = self.scenario.trouble == Trouble::PowerCut || device.boot > 0;
                if let Some(up) = self.scenario.reboots(id) {
                    self.push(now + up, id, Happening::PowerLoss);
                }
            }
            Happening::PowerLoss => {
                device.boot += 1;
                let boot = draw(&BOOT, &mut device.rng);
                if std::mem::take(&mut device.connected) {
                    self.hang_up(now);
                }
                self.push(now + boot, id, Happening::Boot);
                return;
            }
            Happening::Tick if device.waits.calls(now) => return self.call(id, now),
            Happening::Tick => return,
            Happening::Failed(down) => {
                let outcome = if down { Outcome::Transient } else { self.scenario.server.refusal() };
                let reached = !(down && self.scenario.trouble == Trouble::NoName);
                device.waits.ended(outcome, reached, now);
            }
        }
        self.wait(id);
    }

    fn wait(&mut self, id: usize) {
        if let Some(at) = self.devices[id].waits.next() {
            self.push(at, id, Happening::Tick);
        }
    }

    fn call(&mut self, id: usize, now: Time) {
        let zero = self.scenario.trouble.is_over();
        let over = now >= zero;
        if over {
            self.calls[now.since(zero).as_secs() as usize] += 1;
            self.result.calls += 1;
        }
        let device = &mut self.devices[id];
        let down = self.scenario.trouble.server_is_down(now);
        if !down && self.open < self.scenario.server.limit() {
            return self.let_in(id, now);
        }
        device.behind |= down;
        if down {
            // What never reaches the server is no burden to it.
            self.result.failed += u64::from(self.scenario.trouble == Trouble::Outage);
        } else if self.manners == Manners::Queue {
            self.line.push_back((id, device.boot));
            return;
        } else {
            self.result.refused += u64::from(over);
        }
        let at = now + draw(&REFUSAL, &mut device.rng);
        self.push(at, id, Happening::Failed(down));
    }

    fn let_in(&mut self, id: usize, now: Time) {
        self.count(now);
        self.open += 1;
        let device = &mut self.devices[id];
        device.connected = true;
        device.called = now;
        let takes = draw(if device.behind { &CATCHING_UP } else { &NOTHING_TO_DO }, &mut device.rng);
        self.queued += 1;
        self.working.push(Reverse((self.work + takes.as_nanos(), self.queued, id, device.boot)));
        self.count(now);
    }

    fn hang_up(&mut self, now: Time) {
        self.count(now);
        self.open -= 1;
        while let Some((id, boot)) = self.line.pop_front() {
            if self.devices[id].boot == boot {
                return self.let_in(id, now);
            }
        }
    }

    fn synced(&mut self, id: usize, now: Time) {
        let zero = self.scenario.trouble.is_over();
        let device = &mut self.devices[id];
        device.connected = false;
        if std::mem::take(&mut device.behind) && now >= zero {
            self.caught_up += now.since(device.called);
            self.in_step_at.push(now.since(zero));
        }
        device.waits.ended(Outcome::Success, true, now);
        self.hang_up(now);
        self.wait(id);
    }

    /// When the next sync that runs will have had its work done, if nobody comes or goes before.
    fn next_finished(&mut self) -> Option<Time> {
        while let Some(Reverse((work, _, id, boot))) = self.working.peek() {
            if *boot != self.devices[*id].boot {
                self.working.pop();
                continue;
            }
            let left = work.saturating_sub(self.work);
            let capacity = self.scenario.server.capacity().min(self.open) as u128;
            let takes = (left * self.open as u128).div_ceil(capacity);
            return Some(self.worked + Duration::from_nanos(takes as u64));
        }
        None
    }

    fn work_until(&mut self, now: Time) {
        if self.open > 0 {
            let capacity = self.scenario.server.capacity().min(self.open) as u128;
            self.work += now.since(self.worked).as_nanos() * capacity / self.open as u128;
        }
        self.worked = now;
    }

    /// Takes note of the open connections since it was last called.
    fn count(&mut self, now: Time) {
        let zero = self.scenario.trouble.is_over();
        if now < zero {
            return;
        }
        self.held[self.open] += now.since(self.counted);
        let (from, to) = (self.counted.since(zero).as_secs() as usize, now.since(zero).as_secs() as usize);
        for second in &mut self.result.connections[from..=to] {
            *second = self.open.max(*second);
        }
        self.counted = now;
        self.result.peak = self.open.max(self.result.peak);
    }

    fn finish(mut self) -> Result {
        let behind = self.devices.iter().filter(|device| device.behind).count();
        let count = self.in_step_at.len() + behind;
        let after = |part: usize| part.checked_sub(1).and_then(|i| self.in_step_at.get(i).copied());
        if !matches!(self.scenario.trouble, Trouble::Reboots(_)) {
            self.result.half = after(count / 2);
            self.result.most = after(count * 99 / 100);
            self.result.all = after(count);
        }
        self.result.catching_up = self.caught_up / self.in_step_at.len().max(1) as u32;
        self.result.calls_peak = self.calls.iter().copied().max().unwrap_or(0);
        let mut above = Duration::ZERO;
        for open in (0..self.held.len()).rev() {
            above += self.held[open];
            if above * 100 > self.scenario.watched {
                self.result.percentile_99 = open;
                break;
            }
        }
        self.result
    }
}

fn draw(distribution: &Distribution, rng: &mut Rng) -> Duration {
    let parts = distribution.len() as u64 - 1;
    // The upper half of the random number: products of it stay within 64 bits.
    let rank = (rng.draw() >> 32) * parts;
    let (below, part) = ((rank >> 32) as usize, rank & 0xffff_ffff);
    let (low, high) = (distribution[below], distribution[below + 1]);
    Duration::from_micros(low * 1000 + (((high - low) * 1000 * part) >> 32))
}
