//! What keeps the board alive: the hardware watchdog, systemd's, and the record of the boots. Whether to feed or to starve
//! is decided by [`Feeding`]; this part only performs.
//!
//! The way from the clock to the kick allocates nothing and touches no file system, so that a busy card does not keep
//! the board from being fed: what is on a card is the business of [`RecordWriter`]'s thread.
#![forbid(unsafe_code)]

use crate::config::Global;
use crate::job::boot_record::{Cause, Found};
use crate::job::feeding::{self, Action, Event, Feeding, News, Wish};
use crate::job::Time;
use crate::os::clock;
use crate::os::notify::Notifier;
use crate::os::state::{Answer, Opened, RecordWriter};
use crate::os::watchdog::{Closed, Facts, Watchdog};
use crate::report::human::Span;
use crate::worker::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A device that cannot be had now is tried again this often.
const RETRY: Duration = Duration::from_secs(60);

/// Feeds while all is well.
#[derive(Debug)]
pub(super) struct Heart {
    feeding: Feeding,
    device: Option<PathBuf>,
    timeout: Duration,
    watchdog: Option<Watchdog>,
    /// When the device is to be tried again.
    retry_at: Option<Time>,
    /// What was said about a device that could not be opened.
    complaint: String,
    notifier: Notifier,
    writer: Option<RecordWriter>,
    boot_cause: Option<String>,
    /// The log says that the irsync before this one was killed.
    crash_is_told: bool,
    /// What the last kick or the last write ran into.
    error: String,
    shared: Arc<Shared>,
}

impl Heart {
    /// Opens what is configured. Nothing here is fatal: what cannot be had is told, and tried again. `crash_is_told`: the log says
    /// that the irsync before this one was killed.
    pub(super) fn start(global: &Global, shared: &Arc<Shared>, crash_is_told: bool, now: Time) -> Heart {
        let notifier = Notifier::from_env().unwrap_or_else(|error| {
            log::warn!("cannot reach the service manager: {error}; it may take irsync for dead");
            Notifier::default()
        });
        let mut heart = Heart {
            feeding: Feeding::new(global.reboot_limit, notifier.watchdog().map(|timeout| timeout / 3), now),
            device: global.watchdog_device.clone(),
            timeout: global.watchdog_timeout,
            watchdog: None,
            retry_at: None,
            complaint: String::new(),
            notifier,
            writer: None,
            boot_cause: None,
            crash_is_told,
            error: String::new(),
            shared: Arc::clone(shared),
        };
        heart.open(now);
        if let Some(folder) = &global.state_dir {
            match RecordWriter::start(folder.clone(), Arc::clone(&shared.main)) {
                Ok(writer) => heart.writer = Some(writer),
                Err(error) => {
                    log::warn!("cannot start a thread for the boot record: {error}; reboot_after stays without effect")
                }
            }
        }
        heart
    }

    fn open(&mut self, now: Time) {
        let Some(device) = &self.device else { return };
        self.retry_at = None;
        match Watchdog::open(device, self.timeout) {
            Ok(watchdog) => {
                let facts = watchdog.facts();
                tell_device(device, facts);
                let armed = Event::Armed { every: facts.kick_every(), real: !facts.plain_file };
                self.watchdog = Some(watchdog);
                self.decide(armed, now);
            }
            Err(error) => {
                let complaint = error.to_string();
                if complaint != self.complaint {
                    log::warn!("{complaint}; trying again every {}", Span(RETRY));
                    self.complaint = complaint;
                }
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// When [`Heart::beat`] is due.
    pub(super) fn deadline(&self, now: Time) -> Option<Time> {
        self.feeding.deadline(now).into_iter().chain(self.retry_at).min()
    }

    /// Feeds what is due, unless a worker is `stuck`.
    pub(super) fn beat(&mut self, now: Time, stuck: bool) {
        self.decide(if stuck { Event::Stuck } else { Event::Back }, now);
        self.take_answers(now);
        match self.retry_at {
            // Armed now it would reset the board at once.
            Some(at) if at <= now && stuck => self.retry_at = Some(now + RETRY),
            Some(at) if at <= now => self.open(now),
            _ => {}
        }
    }

    /// Looks at what the jobs' ladders say of a reboot.
    pub(super) fn weigh<'a>(&mut self, wishes: impl Iterator<Item = Wish<'a>>, now: Time) {
        if let Some(event) = feeding::weigh(wishes, now) {
            self.decide(event, now);
        }
    }

    /// `reboot_limit` has changed.
    pub(super) fn limit_reboots(&mut self, limit: u32, now: Time) {
        self.decide(Event::Limit(limit), now);
    }

    fn take_answers(&mut self, now: Time) {
        while let Some(answer) = self.writer.as_ref().and_then(RecordWriter::answer) {
            match answer {
                Answer::Opened(opened) => self.opened(&opened, now),
                Answer::Written(written) => {
                    let durable = written.is_ok();
                    self.error = written.err().map(|error| error.to_string()).unwrap_or_default();
                    self.decide(Event::Recorded(durable), now);
                }
            }
        }
    }

    fn opened(&mut self, opened: &Opened, now: Time) {
        let boot = self.watchdog.as_ref().map(|w| w.facts().boot).unwrap_or_default();
        let cause = Cause::new(&opened.found, &opened.boot, boot.watchdog_reset(), boot.tells);
        let level = match cause {
            Cause::Crashed if self.crash_is_told => log::Level::Debug,
            _ => log::Level::Info,
        };
        log::log!(level, "last boot: {cause}");
        for trouble in boot.troubles() {
            log::warn!("the watchdog device reports about the last boot: {trouble}");
        }
        let folder = self.folder();
        if opened.found == Found::Damaged {
            log::warn!("{folder}: the boot record is damaged; no reboot of our own for 24 hours of running time");
        }
        if let Some(error) = &opened.error {
            log::warn!("cannot keep the boot record in {folder}: {error}; reboot_after stays without effect");
        }
        if opened.volatile {
            log::warn!("state_dir {folder} is in memory: reboots cannot be counted across boots");
        }
        self.boot_cause = Some(cause.to_string());
        self.shared.news.spread();
        self.decide(Event::Opened { found: &opened.found, boot: &opened.boot }, now);
    }

    fn folder(&self) -> std::path::Display<'_> {
        self.writer.as_ref().map_or(Path::new(""), RecordWriter::folder).display()
    }

    /// Hands the event in, and does what follows from it and from the time.
    fn decide(&mut self, event: Event<'_>, now: Time) {
        let mut ticked = event == Event::Tick;
        let mut action = self.feeding.handle(event, now);
        while action != Action::Wait || !ticked {
            let answer = self.perform(action);
            ticked = answer == Event::Tick;
            action = self.feeding.handle(answer, now);
        }
        let idle = self.feeding.deadline(now).map_or(true, |at| at > now);
        debug_assert!(idle, "nothing is left to do now, or the main thread would spin");
    }

    fn perform(&mut self, action: Action) -> Event<'static> {
        match action {
            Action::Wait => {}
            Action::Kick => {
                debug_assert!(self.watchdog.is_some(), "a kick for a device that is not open");
                let Some(watchdog) = &self.watchdog else { return Event::KickFailed };
                return match watchdog.kick() {
                    Ok(()) => Event::Kicked,
                    Err(error) => {
                        self.error = error.to_string();
                        Event::KickFailed
                    }
                };
            }
            Action::Notify => {
                let _ = self.notifier.kick();
            }
            Action::Write(record) => {
                debug_assert!(self.writer.is_some(), "a record that nobody writes");
                if let Some(writer) = &self.writer {
                    writer.write(record);
                }
            }
            Action::Starve { job, after } => {
                log::error!(
                    "{job}: no success for {}: not feeding the watchdog any more, the board resets in at most {}s",
                    Span(after),
                    self.granted()
                );
                if let Some(writer) = &self.writer {
                    writer.sync();
                }
            }
            Action::Tell(news) => self.tell(news),
            Action::Disarm => self.close(true),
            Action::LeaveArmed => self.close(false),
        }
        Event::Tick
    }

    fn tell(&self, news: News) {
        let (error, folder) = (&self.error, self.folder());
        match news {
            News::Stuck => {
                log::error!("a worker hangs: the watchdog is not fed any more, it will reset what it guards")
            }
            News::Back => log::warn!("the worker that hung goes on"),
            News::KickFails => log::error!("cannot feed the watchdog: {error}; it may reset the board"),
            News::Spent { job, after, spent, limit } => log::error!(
                "{job}: no success for {}, but the budget of reboots is spent ({spent} counted, reboot_limit {limit})",
                Span(after)
            ),
            News::RebootNotRecorded(job) => {
                log::error!("{job}: cannot record a reboot in {folder}: {error}; the board is not rebooted")
            }
            News::CalledOff(job) => log::warn!("{job}: the board is not rebooted: that is no longer called for"),
            News::Limit(limit) => log::info!("reboot_limit is {limit} from now on"),
            News::NotNoted => {
                log::warn!("cannot keep the boot record in {folder}: {error}; reboot_after stays without effect")
            }
            News::StopNotNoted => log::warn!("cannot record the clean stop in {folder}: {error}"),
        }
    }

    /// Seconds from the last kick to the reset.
    fn granted(&self) -> u32 {
        self.watchdog.as_ref().map_or(0, |watchdog| watchdog.facts().granted)
    }

    /// The jobs run.
    pub(super) fn ready(&self) {
        let _ = self.notifier.ready();
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&self, now: Time) {
        let _ = self.notifier.reloading(now);
    }

    /// irsync is stopping.
    pub(super) fn stopping(&self) {
        let _ = self.notifier.stopping();
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self, line: &str) {
        let _ = self.notifier.status(line);
    }

    /// A clean stop: the device is disarmed if it can be. The card is waited for, but not long, and the watchdog is fed
    /// meanwhile.
    pub(super) fn stop(mut self, now: Time) {
        self.decide(Event::Stop, now);
        while !self.feeding.is_over() {
            let now = clock::now();
            let left = self.feeding.deadline(now).map_or(Duration::ZERO, |at| at.since(now));
            if let Some(writer) = &self.writer {
                writer.wait(left);
            }
            let now = clock::now();
            self.take_answers(now);
            self.decide(Event::Tick, now);
        }
    }

    fn close(&mut self, clean: bool) {
        let timeout = self.granted();
        match self.watchdog.take().map(|watchdog| watchdog.close(clean)) {
            Some(Closed::Disarmed) => log::info!("watchdog disarmed"),
            Some(Closed::Armed(why)) => {
                log::warn!("the watchdog stays armed: {why}; the board resets in at most {timeout}s")
            }
            None => {}
        }
    }

    /// What is known of the device, and whether it is being fed.
    pub(super) fn device(&self) -> Option<(&Facts, bool)> {
        // A plain file is written to for the tests' sake; nothing is kept alive by that.
        self.watchdog.as_ref().map(|w| (w.facts(), self.feeding.is_well() && !w.facts().plain_file))
    }

    /// How the last boot ended, as far as it could be told.
    pub(super) fn boot_cause(&self) -> Option<&str> {
        self.boot_cause.as_deref()
    }
}

fn tell_device(path: &std::path::Path, facts: &Facts) {
    let path = path.display();
    if facts.plain_file {
        log::warn!("watchdog {path} is a plain file, not a device: nothing will reset the board");
    }
    log::info!("watchdog {path} ({}): resets the board after {}s without a kick", facts.identity, facts.granted);
    if let Some(note) = &facts.note {
        log::warn!("watchdog {path}: {}s asked for: {note}", facts.asked);
    }
    if !facts.disarms() {
        log::warn!("watchdog {path} cannot be disarmed: after a stop of irsync the board is reset");
    }
}
