//! Devices, a server, and a queue of what happens next.

use irsync::job::backoff::Rng;
use irsync::job::{Action, Event, Jitter, Job, Limits, Outcome, Settings, Step, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Milliseconds at evenly spaced ranks; between them it is linear. Integers only, so that every machine draws the same.
type Distribution = [u64; 11];
const NOTHING_TO_DO: Distribution = [500, 700, 900, 1_100, 1_400, 1_800, 2_200, 2_800, 3_800, 6_000, 15_000];
const CATCHING_UP: Distribution = [2_000, 3_500, 5_000, 6_500, 8_000, 10_000, 12_500, 16_000, 22_000, 35_000, 90_000];
const BOOT: Distribution = [15_000, 17_000, 17_600, 18_100, 18_500, 19_000, 19_500, 20_100, 21_000, 22_500, 26_000];
const REFUSAL: Distribution = [20, 25, 30, 35, 40, 45, 50, 55, 60, 80, 100];

/// How long everything goes well before the server goes down.
const GOOD_TIME: Duration = Duration::from_secs(30 * 60);
const OUTAGE: Duration = Duration::from_secs(60 * 60);

#[derive(Clone, Copy)]
pub struct Fleet {
    pub devices: usize,
    pub interval: Duration,
    /// `max connections` of the server.
    pub limit: usize,
    /// What is watched from the moment the trouble is over.
    pub watched: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    PowerCut,
    Outage,
}

impl Trouble {
    pub fn name(self) -> &'static str {
        match self {
            Trouble::PowerCut => "a power cut of the whole fleet",
            Trouble::Outage => "an outage of the server of one hour",
        }
    }

    /// When the devices have power again, or the server answers again: the zero of all results.
    pub fn server_is_back(self) -> Time {
        match self {
            Trouble::PowerCut => Time::default(),
            Trouble::Outage => Time::default() + GOOD_TIME + OUTAGE,
        }
    }

    fn server_is_down(self, now: Time) -> bool {
        self == Trouble::Outage && now >= Time::default() + GOOD_TIME && now < self.server_is_back()
    }
}

/// How a device waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// The same wait after whatever happened.
    Loop,
    /// irsync with `jitter = 0` and `backoff_initial = backoff_max = interval`.
    Flat,
    /// irsync as it comes.
    Defaults,
    /// irsync with `jitter = 100%` and `backoff_initial = 30s`.
    Spread,
}

impl Manners {
    pub const ALL: [Manners; 4] = [Manners::Loop, Manners::Flat, Manners::Defaults, Manners::Spread];

    pub fn name(self) -> &'static str {
        match self {
            Manners::Loop => "plain loop",
            Manners::Flat => "both off",
            Manners::Defaults => "irsync",
            Manners::Spread => "irsync 100 %/30 s",
        }
    }

    fn settings(self, interval: Duration) -> Settings {
        let (initial, max) = (Duration::from_secs(5), Duration::from_secs(300));
        let (jitter, backoff_initial, backoff_max) = match self {
            Manners::Loop | Manners::Flat => (0, interval, interval),
            Manners::Defaults => (10, initial, max),
            Manners::Spread => (100, Duration::from_secs(30), max),
        };
        Settings {
            repeat: true,
            limits: Limits {
                interval,
                jitter: Jitter::Percent(jitter),
                // Nothing stalls here, and looking for progress would only cost simulated events.
                activity_timeout: None,
                max_runtime: None,
                stop_timeout: Duration::from_secs(5),
                backoff_initial,
                backoff_max,
                hook_timeout: Duration::from_secs(60),
                recover_after: None,
            },
            reboot_after: None,
            durable: false,
            before: false,
            on_change: false,
            on_failure: false,
            after: false,
        }
    }

    /// A plain loop does not care how rsync ended: what it waits is what irsync waits after a partial transfer.
    fn told(self, outcome: Outcome) -> Outcome {
        match (self, outcome) {
            (Manners::Loop, Outcome::Busy | Outcome::Transient) => Outcome::Partial,
            _ => outcome,
        }
    }
}

/// What came of it, counted from the moment the trouble is over.
pub struct Result {
    pub peak: usize,
    pub percentile_99: usize,
    pub attempts_peak: usize,
    pub refused: u64,
    pub failed: u64,
    pub half: Option<Duration>,
    pub most: Option<Duration>,
    pub all: Option<Duration>,
    /// The highest number of connections in each second.
    pub connections: Vec<usize>,
}

struct Device {
    job: Job,
    rng: Rng,
    behind: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Boot,
    Tick,
    Refused,
    Unreachable,
    Synced,
}

struct World {
    fleet: Fleet,
    trouble: Trouble,
    manners: Manners,
    devices: Vec<Option<Device>>,
    queue: BinaryHeap<Reverse<(Time, u64, usize, Happening)>>,
    queued: u64,
    open: usize,
    result: Result,
    in_step_at: Vec<Duration>,
    /// In each second.
    attempts: Vec<usize>,
    /// How long so many connections were open.
    held: Vec<Duration>,
    counted: Time,
}

/// Simulates one fleet through one trouble.
pub fn run(fleet: Fleet, trouble: Trouble, manners: Manners) -> Result {
    let seconds = fleet.watched.as_secs() as usize + 1;
    let mut world = World {
        fleet,
        trouble,
        manners,
        devices: Vec::new(),
        queue: BinaryHeap::new(),
        queued: 0,
        open: 0,
        result: Result {
            peak: 0,
            percentile_99: 0,
            attempts_peak: 0,
            refused: 0,
            failed: 0,
            half: None,
            most: None,
            all: None,
            connections: vec![0; seconds],
        },
        in_step_at: Vec::new(),
        attempts: vec![0; seconds],
        held: vec![Duration::ZERO; fleet.devices + 1],
        counted: trouble.server_is_back(),
    };
    let mut rng = Rng::new(2026);
    for id in 0..fleet.devices {
        world.devices.push(None);
        let at = match trouble {
            Trouble::PowerCut => draw(&BOOT, &mut rng),
            // A fleet that was switched on one by one over the years.
            Trouble::Outage => irsync::job::backoff::fraction(fleet.interval, rng.draw()),
        };
        world.push(Time::default() + at, id, Happening::Boot);
    }
    world.go();
    world.finish()
}

impl World {
    fn push(&mut self, at: Time, id: usize, what: Happening) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, id, what)));
    }

    fn go(&mut self) {
        let end = self.trouble.server_is_back() + self.fleet.watched;
        while let Some(Reverse((now, _, id, what))) = self.queue.pop() {
            if now > end {
                break;
            }
            let event = match what {
                Happening::Boot => {
                    let seed = Rng::new(id as u64).draw();
                    let mut rng = Rng::new(seed ^ 1);
                    let job = Job::new(self.manners.settings(self.fleet.interval), now, seed, rng.draw());
                    self.devices[id] = Some(Device { job, rng, behind: self.trouble == Trouble::PowerCut });
                    Event::Tick
                }
                Happening::Tick => Event::Tick,
                Happening::Refused => self.synced(Outcome::Busy),
                Happening::Unreachable => self.synced(Outcome::Transient),
                Happening::Synced => {
                    self.count(now);
                    self.open -= 1;
                    self.in_step(id, now);
                    self.synced(Outcome::Success)
                }
            };
            self.feed(id, event, now);
        }
        self.count(end);
    }

    fn synced(&self, outcome: Outcome) -> Event {
        Event::Synced { outcome: self.manners.told(outcome), changed: false, moved: false, written: false }
    }

    /// What a worker does: perform the action, feed back what came of it, until there is nothing but to wait.
    fn feed(&mut self, id: usize, event: Event, now: Time) {
        let mut event = Some(event);
        while let Some(happened) = event.take() {
            let Some(device) = &mut self.devices[id] else { return };
            event = match device.job.handle(happened, now) {
                Action::Begin => Some(Event::Began { probe: false }),
                Action::Start(Step::Rsync) => {
                    self.attempt(id, now);
                    Some(Event::Started)
                }
                Action::Conclude(_) => Some(Event::Concluded),
                Action::Wait => {
                    if let Some(at) = device.job.next_sync() {
                        self.push(at, id, Happening::Tick);
                    }
                    None
                }
                other => unreachable!("{other:?} is not asked for with these settings"),
            };
        }
    }

    fn attempt(&mut self, id: usize, now: Time) {
        self.count(now);
        let zero = self.trouble.server_is_back();
        let over = now >= zero;
        if over {
            self.attempts[now.since(zero).as_secs() as usize] += 1;
        }
        let Some(device) = &mut self.devices[id] else { return };
        let (what, takes) = if self.trouble.server_is_down(now) {
            self.result.failed += 1;
            device.behind = true;
            (Happening::Unreachable, &REFUSAL)
        } else if self.open >= self.fleet.limit {
            self.result.refused += u64::from(over);
            (Happening::Refused, &REFUSAL)
        } else {
            self.open += 1;
            (Happening::Synced, if device.behind { &CATCHING_UP } else { &NOTHING_TO_DO })
        };
        let at = now + draw(takes, &mut device.rng);
        self.push(at, id, what);
        self.count(now);
    }

    fn in_step(&mut self, id: usize, now: Time) {
        let zero = self.trouble.server_is_back();
        if let Some(device) = &mut self.devices[id] {
            if now >= zero && std::mem::take(&mut device.behind) {
                self.in_step_at.push(now.since(zero));
            }
        }
    }

    /// Takes note of the open connections since it was last called.
    fn count(&mut self, now: Time) {
        let zero = self.trouble.server_is_back();
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
        let all = self.devices.len();
        let behind = self.devices.iter().flatten().filter(|d| d.behind).count();
        let count = self.in_step_at.len() + behind;
        let after = |part: usize| part.checked_sub(1).and_then(|i| self.in_step_at.get(i).copied());
        self.result.half = after(count / 2);
        self.result.most = after(count * 99 / 100);
        self.result.all = after(count);
        self.result.attempts_peak = self.attempts.iter().copied().max().unwrap_or(0);
        let mut above = Duration::ZERO;
        for open in (0..=all).rev() {
            above += self.held[open];
            if above * 100 > self.fleet.watched {
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
