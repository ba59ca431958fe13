//! A world around the feeding machine: what could happen next, and what must hold whatever happens. The unit tests lead the
//! machine through every order of events in it, and `fuzz/` through arbitrary ones.

use super::*;
use std::sync::OnceLock;

pub(super) const AFTER: Duration = Duration::from_secs(60);
pub(super) const ASK: Event<'static> = Event::Asked { job: "media", after: AFTER };
pub(super) const EMPTY: Event<'static> = Event::Opened { found: &Found::Nothing, boot: "b" };
const EVERY: Duration = Duration::from_secs(5);

fn armed(real: bool) -> Event<'static> {
    Event::Armed { every: EVERY, real }
}

/// The record of a board that irsync has rebooted in the boot before this one, or in this one.
fn rebooted() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let stop = boot_record::Stop::Reboot("media".into());
        let reboots = vec![Duration::from_secs(3600), Duration::ZERO];
        Found::Record(Record { boot: "a".into(), uptime: Time(EVERY), stop, reboots, lost: None })
    })
}

/// A world around the machine: what a card, a device, workers and the owner could do next.
#[derive(Clone)]
pub(super) struct World {
    pub(super) feeding: Feeding,
    pub(super) now: Time,
    limit: u32,
    /// What is being written; nothing else is until it is answered.
    writing: Option<Record>,
    opened: bool,
    kicked: bool,
    stuck: bool,
    pub(super) starving: bool,
    stopping: bool,
    /// Reboots that are on the disk.
    reboots: usize,
    /// The device is armed since then, or was kicked then.
    kicked_at: Option<Time>,
}

impl World {
    pub(super) fn new(limit: u32, notify: Option<Duration>, now: Time) -> World {
        World {
            feeding: Feeding::new(limit, notify, now),
            now,
            limit,
            writing: None,
            opened: false,
            kicked: false,
            stuck: false,
            starving: false,
            stopping: false,
            reboots: 0,
            kicked_at: None,
        }
    }

    pub(super) fn possible(&self) -> Vec<Event<'static>> {
        let mut events = vec![Event::Tick, Event::Stuck, Event::Back, ASK, Event::Content];
        events.extend([Event::Limit(0), Event::Limit(1), Event::Stop]);
        if self.feeding.device.is_none() {
            events.extend([armed(true), armed(false)]);
        }
        if self.kicked {
            events.extend([Event::Kicked, Event::KickFailed]);
        }
        if !self.opened {
            events.extend([EMPTY, Event::Opened { found: &Found::Damaged, boot: "b" }]);
            events.extend([
                Event::Opened { found: rebooted(), boot: "b" },
                Event::Opened { found: rebooted(), boot: "" },
            ]);
        }
        if self.writing.is_some() {
            events.extend([Event::Recorded(true), Event::Recorded(false)]);
        }
        events
    }

    pub(super) fn feed(&mut self, event: Event<'static>, path: &[Event<'static>]) {
        if event == Event::Tick {
            self.now = self.feeding.deadline(self.now).map_or(self.now, |at| at.max(self.now));
        }
        let mut recorded = None;
        match &event {
            Event::Stuck => self.stuck = true,
            Event::Back => self.stuck = false,
            Event::Limit(limit) => self.limit = *limit,
            Event::Stop => self.stopping = true,
            Event::Opened { .. } => self.opened = true,
            Event::Kicked | Event::KickFailed => self.kicked = false,
            Event::Recorded(durable) => recorded = self.writing.take().filter(|_| *durable),
            _ => {}
        }
        let ticked = event == Event::Tick;
        let budget = self.feeding.log.as_ref().map(|log| log.budget.clone());
        let action = self.feeding.handle(event, self.now);
        match action.clone() {
            Action::Kick => {
                assert!(!self.stuck, "kicked while a worker is stuck: {path:?}");
                assert!(!self.starving, "kicked while starving: {path:?}");
                self.kicked = true;
                self.kicked_at = Some(self.now);
            }
            Action::Notify => assert!(!self.stuck, "notified while a worker is stuck: {path:?}"),
            Action::Write(record) => {
                assert!(self.opened, "written over what was not read: {path:?}");
                assert!(self.writing.is_none(), "two records at once: {path:?}");
                assert!(!self.starving, "a reboot that was decided is written over: {path:?}");
                let reboot = matches!(record.stop, boot_record::Stop::Reboot(_));
                assert!(!(reboot && self.stopping), "a reboot in a stop: {path:?}");
                self.writing = Some(record);
            }
            Action::Starve { .. } => {
                let record = recorded.unwrap_or_else(|| panic!("a reboot that is not on the disk: {path:?}"));
                assert!(matches!(record.stop, boot_record::Stop::Reboot(_)), "{record:?}: {path:?}");
                let budget = budget.unwrap_or_else(|| panic!("a reboot without a budget: {path:?}"));
                assert!(budget.allows(self.limit, self.now), "a reboot beyond the budget: {path:?}");
                // Since it was written others may have grown too old to count.
                assert!(record.reboots.len() > budget.spent(self.now), "not counted: {path:?}");
                assert!(self.feeding.device.as_ref().is_some_and(|device| device.real), "of a plain file: {path:?}");
                assert!(!self.stopping, "a reboot in a stop: {path:?}");
                self.starving = true;
                self.reboots += 1;
                assert!(self.reboots <= 1, "two reboots: {path:?}");
            }
            Action::Disarm => {
                assert!(!self.starving, "disarmed while starving: {path:?}");
                assert!(!self.stuck, "disarmed while a worker is stuck: {path:?}");
                assert!(self.stopping, "disarmed for nothing: {path:?}");
            }
            Action::LeaveArmed => assert!(self.stopping && (self.starving || self.stuck), "left armed: {path:?}"),
            Action::Wait | Action::Tell(_) => {}
        }
        if ticked && action == Action::Wait {
            self.keeps_fed(path);
            let deadline = self.feeding.deadline(self.now);
            assert!(deadline.map_or(true, |at| at > self.now), "a deadline in the past would spin: {path:?}");
        }
    }

    /// While all is well the device has been kicked within its period, whatever else is going on.
    fn keeps_fed(&self, path: &[Event<'static>]) {
        let Some(device) = self.feeding.device.as_ref() else { return };
        if !(self.stuck || self.starving || self.feeding.is_over()) {
            let fed = self.kicked_at.is_some_and(|at| self.now < at + device.every);
            assert!(fed, "not fed at {:?}: {path:?}", self.now);
        }
    }

    /// From here on nothing happens but time: a stop ends, whatever the card does, and as it should.
    pub(super) fn stop_ends(mut self, path: &[Event<'static>]) {
        let latest = self.now + STOP_LIMIT;
        self.feed(Event::Stop, path);
        for _ in 0..20 {
            if self.feeding.is_over() {
                assert!(self.now <= latest, "a stop lasted until {:?}: {path:?}", self.now);
                return;
            }
            self.feed(Event::Tick, path);
        }
        panic!("a stop does not end: {path:?}");
    }
}

/// How long nothing may happen before an event: by its upper three bits.
#[cfg(feature = "fuzzing")]
const PAUSES: [u64; 8] = [0, 1, 3, 5, 60, 3600, 6 * 3600, 25 * 3600];

/// Events made of arbitrary bytes: one each, as far as it is possible then.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(bytes: &[u8]) {
    let [first, events @ ..] = bytes else { return };
    let notify = (first & 8 != 0).then(|| Duration::from_secs(1 + u64::from(first >> 4)));
    let mut world = World::new(u32::from(first & 7), notify, Time(Duration::from_secs(1_000_000)));
    let mut path = Vec::new();
    for byte in events.iter().take(400) {
        let mut possible = world.possible();
        let event = possible.swap_remove(usize::from(byte & 31) % possible.len());
        world.now = world.now + Duration::from_secs(PAUSES[usize::from(byte >> 5)]);
        path.push(event.clone());
        world.feed(event, &path);
        if world.feeding.is_over() {
            return;
        }
    }
    world.stop_ends(&path);
}
