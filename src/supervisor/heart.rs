//! What keeps the board alive: the hardware watchdog, systemd's, and the decision to let them starve.
//!
//! The way from the clock to the kick allocates nothing and touches no file system, so that a busy card does not keep
//! the board from being fed.

use crate::config::Global;
use crate::job::Time;
use crate::os::notify::Notifier;
use crate::os::state::{self, BootLog};
use crate::os::watchdog::{Closed, Facts, Watchdog};
use crate::report::human::Span;
use std::path::PathBuf;
use std::time::Duration;

/// A device that cannot be had now is tried again this often.
const RETRY: Duration = Duration::from_secs(60);

/// Feeds while all is well.
#[derive(Debug)]
pub struct Heart {
    device: Option<PathBuf>,
    timeout: Duration,
    watchdog: Option<Watchdog>,
    /// When the device is to be tried again.
    retry_at: Option<Time>,
    /// What was said about a device that could not be opened.
    complaint: String,
    kick_at: Option<Time>,
    notifier: Notifier,
    notify_at: Option<Time>,
    boot_log: Option<BootLog>,
    boot_cause: Option<String>,
    reboot_limit: u32,
    /// A reboot was decided: the device is not fed any more.
    starving: bool,
    stuck: bool,
    kick_failed: bool,
    spent_said: bool,
}

impl Heart {
    /// Opens what is configured. Nothing here is fatal: what cannot be had is told, and tried again.
    pub fn start(global: &Global, now: Time) -> Heart {
        let notifier = Notifier::from_env().unwrap_or_else(|error| {
            log::warn!("cannot reach the service manager: {error}; it may take irsync for dead");
            Notifier::default()
        });
        let mut heart = Heart {
            device: global.watchdog_device.clone(),
            timeout: global.watchdog_timeout,
            watchdog: None,
            retry_at: None,
            complaint: String::new(),
            kick_at: None,
            notify_at: notifier.watchdog().map(|_| now),
            notifier,
            boot_log: None,
            boot_cause: None,
            reboot_limit: global.reboot_limit,
            starving: false,
            stuck: false,
            kick_failed: false,
            spent_said: false,
        };
        heart.open(now);
        if let Some(folder) = &global.state_dir {
            heart.read_boot_log(folder.clone(), now);
        }
        heart
    }

    fn open(&mut self, now: Time) {
        let Some(device) = &self.device else { return };
        self.retry_at = None;
        match Watchdog::open(device, self.timeout) {
            Ok(watchdog) => {
                tell_device(device, watchdog.facts());
                self.watchdog = Some(watchdog);
                self.kick_at = Some(now);
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

    fn read_boot_log(&mut self, folder: PathBuf, now: Time) {
        let boot = self.watchdog.as_ref().map(|w| w.facts().boot).unwrap_or_default();
        let (log, opened) = BootLog::open(&folder, boot.watchdog_reset(), boot.tells, now);
        log::info!("last boot: {}", opened.cause);
        for trouble in boot.troubles() {
            log::warn!("the watchdog device reports about the last boot: {trouble}");
        }
        if opened.damaged {
            log::warn!(
                "{}: the boot record is damaged; no reboot of our own for 24 hours of running time",
                folder.display()
            );
        }
        if let Some(error) = opened.error {
            log::warn!(
                "cannot keep the boot record in {}: {error}; reboot_after stays without effect",
                folder.display()
            );
        }
        if state::is_volatile(&folder) {
            log::warn!("state_dir {} is in memory: reboots cannot be counted across boots", folder.display());
        }
        self.boot_cause = Some(opened.cause.to_string());
        self.boot_log = Some(log);
    }

    /// When [`Heart::beat`] is due.
    pub fn deadline(&self) -> Option<Time> {
        [self.kick_at, self.notify_at, self.retry_at].into_iter().flatten().min()
    }

    /// Feeds what is due, unless a worker is `stuck`.
    pub fn beat(&mut self, now: Time, stuck: bool) {
        if stuck {
            self.kick_at = self.kick_at.map(|_| now + Duration::from_secs(1));
            self.notify_at = self.notify_at.map(|_| now + Duration::from_secs(1));
            if !std::mem::replace(&mut self.stuck, true) && (self.watchdog.is_some() || self.notify_at.is_some()) {
                log::error!("a worker hangs: the watchdog is not fed any more, it will reset what it guards");
            }
            return;
        }
        if std::mem::replace(&mut self.stuck, false) {
            log::warn!("the worker that hung goes on");
        }
        if self.kick_at.is_some_and(|at| at <= now) && !self.starving {
            if let Some(watchdog) = &self.watchdog {
                let failed = watchdog.kick().err();
                self.kick_at = Some(now + watchdog.facts().kick_every());
                match &failed {
                    Some(error) if !self.kick_failed => {
                        log::error!("cannot feed the watchdog: {error}; it may reset the board")
                    }
                    _ => {}
                }
                self.kick_failed = failed.is_some();
            }
        }
        if self.notify_at.is_some_and(|at| at <= now) {
            let _ = self.notifier.kick();
            self.notify_at = self.notifier.watchdog().map(|timeout| now + timeout / 3);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.open(now);
        }
    }

    /// Job `job` has been without success for too long: let the watchdog reset the board, if the budget allows it.
    pub fn reboot_for(&mut self, job: &str, after: Duration, now: Time) {
        if self.starving {
            return;
        }
        let (Some(watchdog), Some(log)) = (&self.watchdog, &mut self.boot_log) else { return };
        if watchdog.facts().plain_file {
            return;
        }
        if !log.allows_reboot(self.reboot_limit, now) {
            if !std::mem::replace(&mut self.spent_said, true) {
                let (spent, _) = log.spent(now);
                log::error!(
                    "{job}: no success for {}, but the budget of reboots is spent ({spent} counted, reboot_limit {})",
                    Span(after),
                    self.reboot_limit
                );
            }
            return;
        }
        if let Err(error) = log.reboot(job, now) {
            log::error!("{job}: cannot record a reboot: {error}; the board is not rebooted");
            return;
        }
        let timeout = watchdog.facts().granted;
        log::error!(
            "{job}: no success for {}: not feeding the watchdog any more, the board resets in at most {timeout}s",
            Span(after)
        );
        nix::unistd::sync();
        self.starving = true;
        self.kick_at = None;
    }

    /// Now and then, for the count of own reboots.
    pub fn refresh(&mut self, now: Time) {
        if let Some(log) = &mut self.boot_log {
            if let Err(error) = log.refresh(now) {
                log::debug!("cannot refresh the boot record: {error}");
            }
        }
    }

    /// The jobs run.
    pub fn ready(&self) {
        let _ = self.notifier.ready();
    }

    /// The configuration is being read again.
    pub fn reloading(&self, now: Time) {
        let _ = self.notifier.reloading(now);
    }

    /// irsync is stopping.
    pub fn stopping(&self) {
        let _ = self.notifier.stopping();
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        let _ = self.notifier.status(line);
    }

    /// A clean stop: the device is disarmed if it can be.
    pub fn stop(mut self, now: Time) {
        if let Some(log) = &mut self.boot_log {
            if !self.starving {
                if let Err(error) = log.clean_stop(now) {
                    log::warn!("cannot record the clean stop: {error}");
                }
            }
        }
        let Some(watchdog) = self.watchdog else { return };
        let timeout = watchdog.facts().granted;
        match watchdog.close(!self.starving && !self.stuck) {
            Closed::Disarmed => log::info!("watchdog disarmed"),
            Closed::Armed(why) => log::warn!("the watchdog stays armed: {why}; the board resets in at most {timeout}s"),
        }
    }

    /// What is known of the device, and whether it is being fed.
    pub fn device(&self) -> Option<(&Facts, bool)> {
        let well = !self.starving && !self.stuck && !self.kick_failed;
        // A plain file is written to for the tests' sake; nothing is kept alive by that.
        self.watchdog.as_ref().map(|w| (w.facts(), well && !w.facts().plain_file))
    }

    /// How the last boot ended, as far as it could be told.
    pub fn boot_cause(&self) -> Option<&str> {
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
