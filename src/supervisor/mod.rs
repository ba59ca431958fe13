//! The main thread: signals, reload, `irsync now`, the watchdog and the status file. Each job has a thread of its own, see
//! [`crate::worker`].
#![forbid(unsafe_code)]

mod control;
mod crew;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod heart;
mod orders;
mod outlook;
mod places;
mod remains;
mod secrets;
mod sleep;
mod status_line;
mod surroundings;

pub(crate) use control::{ask, path as control_path, Answer, Verb};
pub(crate) use places::{drop_ins, is_drop_in, lock_path, runs, Place};
pub(crate) use remains::Remains;

use crate::config::{Config, Error, Global, Job};
use crate::job::feeding::Wish;
use crate::job::Time;
use crate::os::clock;
use crate::os::guard::{Guard, Guarded};
use crate::os::signals::Signals;
use crate::report::board::{JobStatus, State};
use crate::report::logging;
use crate::worker::{Handle, Shared};
use control::{Control, Request};
use heart::Heart;
use outlook::Outlook;
use secrets::Secrets;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use sleep::Woken;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use surroundings::Surroundings;

/// What a job may take longer than its `stop_timeout` before irsync ends without it.
const STOP_SLACK: Duration = Duration::from_secs(8);
/// How long the log may hold up the end of irsync.
const LOG_SLACK: Duration = Duration::from_secs(2);

/// How the jobs are run, decided once by the command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Each job again and again until irsync is stopped; otherwise each job one time, one after the other.
    pub repeat: bool,
    /// The first sync comes at this device's own moment, so that a fleet that was switched on at once does not call at once.
    pub spread: bool,
    /// Where the status file goes, and the socket for `irsync now`.
    pub status: Place,
    /// At which level rsync's standard output is logged.
    pub rsync_stdout: log::Level,
}

impl Manner {
    /// `irsync run`
    pub(crate) const RUN: Manner =
        Manner { repeat: true, spread: true, status: Place::Configured, rsync_stdout: log::Level::Debug };
    /// A drop-in for the Go tool: a command that was typed starts at once and shows what rsync prints, and several of them
    /// may run beside each other.
    pub(crate) const DROP_IN: Manner =
        Manner { spread: false, status: Place::DropIn, rsync_stdout: log::Level::Info, ..Manner::RUN };
    /// `irsync once`
    pub(crate) const ONCE: Manner = Manner { repeat: false, status: Place::Nowhere, ..Manner::RUN };
}

/// How irsync has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It was stopped, or where each job runs one time, every job succeeded.
    Well,
    /// A job did not succeed, or something could not be ended.
    Badly,
}

/// Where a new configuration comes from on SIGHUP.
pub(crate) type Reload = Box<dyn FnMut() -> Result<Config, String>>;

struct Supervisor {
    global: Global,
    /// What a key that cannot change while irsync runs was when it started.
    started_with: Global,
    /// In the order of the file, disabled ones included.
    jobs: Vec<Arc<Job>>,
    manner: Manner,
    reload: Option<Reload>,
    signals: Signals,
    shared: Arc<Shared>,
    surroundings: Surroundings,
    control: Option<Control>,
    heart: Heart,
    outlook: Outlook,
    secrets: Secrets,
    handles: Vec<Handle>,
    /// Requests that are answered when a worker has done what was asked for, by number.
    pending: Vec<(u64, Request)>,
    /// Requests so far that were answered in that way.
    tickets: u64,
    /// Jobs that have not been started yet: one waits for those before it where they run one after the other, and for a job that
    /// has left the configuration and still ends its sync.
    queue: VecDeque<Arc<Job>>,
    stop_by: Option<Time>,
    all_succeeded: bool,
}

/// The owner's jobs, and irsync's own after them.
fn jobs(config: &mut Config, manner: Manner) -> Vec<Arc<Job>> {
    let report = config.report_job().filter(|_| manner.repeat && manner.status != Place::Nowhere);
    // Moved: a copy of each would be kept as long as irsync lives.
    std::mem::take(&mut config.jobs).into_iter().chain(report).map(Arc::new).collect()
}

/// What each job is doing, in the order of the file; those that were removed from it and still run come last. Where a job of that name
/// is still leaving, it is shown, and not the one that waits or is disabled.
fn board(jobs: &[Arc<Job>], handles: &[Handle], queue: &VecDeque<Arc<Job>>) -> Vec<JobStatus> {
    let known = |name: &str| jobs.iter().position(|job| job.name == name).unwrap_or(usize::MAX);
    let idle = |job: &&Arc<Job>| !handles.iter().any(|handle| handle.job().name == job.name);
    let off = jobs.iter().filter(|job| !job.enabled).filter(idle).map(|job| JobStatus {
        name: job.name.clone(),
        state: State::Disabled,
        ..JobStatus::default()
    });
    let waiting = queue.iter().filter(idle).map(|job| JobStatus { name: job.name.clone(), ..JobStatus::default() });
    let mut board: Vec<JobStatus> = handles.iter().map(Handle::status).chain(off).chain(waiting).collect();
    board.sort_by_key(|status| known(&status.name));
    board
}

/// Supervises the jobs of `config` until irsync is stopped, or until all have run where each runs one time. `left_out`: what of
/// the configuration is in error and not part of `config`; the log tells.
///
/// # Errors
/// Something without which nothing can be supervised is missing, e.g. file descriptors.
pub(crate) fn supervise(
    mut config: Config,
    manner: Manner,
    left_out: &[Error],
    reload: Option<Reload>,
    guarded: Guarded,
) -> io::Result<Finish> {
    let jobs = jobs(&mut config, manner);
    let Config { mut global, .. } = config;
    let longest = jobs.iter().map(|job| job.limits.stop_timeout).max().unwrap_or_default();
    let surroundings = Surroundings::prepare(&mut global, manner, guarded, longest + STOP_SLACK + LOG_SLACK)?;
    logging::start(&global).map_err(io::Error::other)?;
    if manner.status == Place::Configured {
        logging::complain_if_unheard(&global);
    }
    let signals = Signals::install()?;
    let (shared, mut surroundings) = surroundings.share(manner, global.lock_memory)?;
    let now = clock::now();
    let heart = Heart::start(&global, &shared, surroundings.told_of_remains(), now);
    let mut supervisor = Supervisor {
        manner,
        reload,
        signals,
        shared,
        control: surroundings.control(),
        outlook: Outlook::new(&global, surroundings.owns_status(), now),
        surroundings,
        heart,
        secrets: Secrets::default(),
        handles: Vec::new(),
        pending: Vec::new(),
        tickets: 0,
        queue: VecDeque::new(),
        stop_by: None,
        all_succeeded: true,
        started_with: global.clone(),
        global,
        jobs,
    };
    left_out.iter().for_each(|error| log::error!("{error}"));
    supervisor.start_all();
    supervisor.heart.ready();
    let finish = supervisor.work();
    logging::flush(LOG_SLACK);
    Ok(finish)
}

impl Supervisor {
    fn work(mut self) -> Finish {
        loop {
            let Woken { asked, removed, unguarded, secrets } = self.sleep();
            self.shared.main.clear();
            for signal in self.signals.take() {
                self.handle_signal(signal);
            }
            let now = clock::now();
            let stuck = self.handles.iter().any(|h| h.is_stuck(now));
            self.heart.beat(now, stuck);
            if asked {
                self.serve_control();
            }
            if secrets && self.secrets.changed() {
                self.handles.iter().for_each(Handle::look_at_secret);
            }
            self.keep_guard(now, unguarded);
            self.answer_pending();
            self.keep_status(now, removed);
            self.look_at_board(now);
            self.bury();
            if self.is_over(now) {
                break;
            }
        }
        self.end()
    }

    fn handle_signal(&mut self, signal: i32) {
        match signal {
            SIGTERM => self.stop("SIGTERM"),
            SIGINT => self.stop("SIGINT"),
            SIGHUP => drop(self.reload()),
            SIGUSR1 => {
                log::info!("SIGUSR1: syncing now");
                self.sync_all();
            }
            SIGUSR2 => self.log_status(),
            SIGCHLD => self.shared.reaper.look(),
            _ => {}
        }
    }

    /// `why`: the signal or command that ends irsync.
    fn stop(&mut self, why: &str) {
        if self.stop_by.is_none() {
            log::info!("{why}: stopping");
            self.heart.stopping();
            self.outlook.stopping();
            self.shared.news.spread();
            let longest = self.handles.iter().map(|h| h.job().limits.stop_timeout).max().unwrap_or_default();
            self.stop_by = Some(clock::now() + longest + STOP_SLACK);
            self.all_succeeded &= self.manner.repeat;
        }
        self.queue.clear();
        self.handles.iter().for_each(Handle::stop);
    }

    /// Keeps hold of the status file, or tries to get it: its folder may be removed, or be writable by now.
    fn keep_status(&mut self, now: Time, removed: bool) {
        let doubtful = removed || (self.shared.news.unread() && self.outlook.doubts(now));
        let lost = doubtful && !self.surroundings.is_in_place(self.control.as_ref());
        if lost {
            log::warn!("the lock or the socket of {} was removed", self.global.status_file.display());
            self.control = None;
            self.surroundings.lose();
            self.outlook.lose(now);
        } else if removed {
            // Something else about them was changed: nothing to be woken for again and again.
            self.surroundings.calm();
        }
        if (lost || self.shared.news.unread()) && self.outlook.wants_to_own(now) && self.surroundings.own_again() {
            self.outlook.own(&self.global);
            self.control = self.surroundings.control();
            self.shared.news.spread();
        }
    }

    fn look_at_board(&mut self, now: Time) {
        let (jobs, handles, queue) = (&self.jobs, &self.handles, &self.queue);
        self.outlook.look(now, &self.shared.news, &self.heart, || board(jobs, handles, queue));
        let wishes = handles.iter().filter_map(|handle| {
            let ((at, held), after) = (handle.reboot()?, handle.job().reboot_after?);
            Some(Wish { job: &handle.job().name, after, at, held })
        });
        self.heart.weigh(wishes, now);
    }

    fn is_over(&self, now: Time) -> bool {
        let done = self.handles.is_empty() && (self.stop_by.is_some() || !self.manner.repeat);
        done || self.stop_by.is_some_and(|by| by <= now)
    }

    fn end(mut self) -> Finish {
        let left = self.handles.len();
        if left > 0 {
            log::error!("{left} jobs did not stop in time and are left behind");
        }
        self.control = None;
        self.outlook.end(&self.heart, board(&self.jobs, &self.handles, &self.queue));
        if left == 0 {
            self.shared.guard.iter().for_each(Guard::dismiss);
        }
        self.heart.stop(clock::now());
        // Last: the next irsync waits for it, and opens the watchdog and the boot record.
        self.surroundings.disown();
        log::info!("stopped");
        if self.all_succeeded && left == 0 {
            Finish::Well
        } else {
            Finish::Badly
        }
    }
}
