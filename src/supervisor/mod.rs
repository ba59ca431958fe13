//! The main thread: signals, reload, watchdog, status, and one worker thread per job.

mod control;
mod heart;
mod orders;
mod outlook;
mod surroundings;

pub use control::{ask, path as control_path};
pub use surroundings::runs;

use crate::config::{Config, Global, Job};
use crate::job::Time;
use crate::os::clock;
use crate::os::signals::Signals;
use crate::report::board::{JobStatus, Slot, Stamp, State};
use crate::report::logging;
use crate::worker::{Inbox, Order, Pulse, Shared, Worker};
use control::Control;
use heart::Heart;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use outlook::Outlook;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use surroundings::Surroundings;

/// Enough for the deepest call chain of a worker, in debug builds too; only pages that are used cost memory.
const STACK: usize = 256 * 1024;
/// What a job may take longer than its `stop_timeout` before irsync ends without it.
const STOP_SLACK: Duration = Duration::from_secs(8);
/// How long the log may hold up the end of irsync.
const LOG_SLACK: Duration = Duration::from_secs(2);
/// How often the boot record is looked after.
const REFRESH: Duration = Duration::from_secs(3600);

/// What to do with the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each job again and again, until stopped.
    Run,
    /// The same, as a drop-in for the Go tool.
    DropIn,
    /// Each job once, one after the other.
    Once,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Stopped as asked, or, with [`Mode::Once`], every job succeeded.
    Well,
    /// A job did not succeed, or something could not be ended.
    Badly,
}

/// Where a new configuration comes from on SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, String>>;

struct Handle {
    config: Arc<Job>,
    inbox: Arc<Inbox>,
    pulse: Arc<Pulse>,
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
    /// It was told to stop; a job of the same name may be started beside it.
    leaving: bool,
}

struct Supervisor {
    global: Global,
    /// What a key that cannot change while irsync runs was when it started.
    started_with: Global,
    /// In the order of the file, disabled ones included.
    jobs: Vec<Arc<Job>>,
    mode: Mode,
    reload: Option<Reload>,
    signals: Signals,
    shared: Arc<Shared>,
    surroundings: Surroundings,
    control: Option<Control>,
    heart: Heart,
    outlook: Outlook,
    handles: Vec<Handle>,
    /// Jobs of [`Mode::Once`] that have not started yet.
    queue: VecDeque<Arc<Job>>,
    stop_by: Option<Time>,
    refresh_at: Time,
    all_succeeded: bool,
}

/// What each job is doing, in the order of the file; those that were removed from it and still run come last.
fn board(jobs: &[Arc<Job>], handles: &[Handle]) -> Vec<JobStatus> {
    let known = |name: &str| jobs.iter().position(|job| job.name == name).unwrap_or(usize::MAX);
    let off = jobs.iter().filter(|job| !job.enabled).map(|job| JobStatus {
        name: job.name.clone(),
        state: State::Disabled,
        ..JobStatus::default()
    });
    let mut board: Vec<JobStatus> = handles.iter().map(|handle| handle.slot.read()).chain(off).collect();
    board.sort_by_key(|status| known(&status.name));
    board
}

/// Supervises the jobs of `config` until a signal ends it or, with [`Mode::Once`], until all have run. Must be called while the
/// process has one thread.
///
/// # Errors
/// Something without which nothing can be supervised is missing, e.g. file descriptors.
pub fn supervise(config: Config, mode: Mode, reload: Option<Reload>) -> io::Result<Ending> {
    let Config { global, jobs } = config;
    let surroundings = Surroundings::prepare(&global, mode)?;
    logging::start(&global).map_err(io::Error::other)?;
    let signals = Signals::install()?;
    let (shared, surroundings) = surroundings.share(mode, global.lock_memory)?;
    let now = clock::now();
    let heart = Heart::start(&global, now);
    let mut supervisor = Supervisor {
        mode,
        reload,
        signals,
        shared,
        control: surroundings.control(),
        outlook: Outlook::new(&global, surroundings.owns_status(), now),
        surroundings,
        heart,
        handles: Vec::new(),
        queue: VecDeque::new(),
        stop_by: None,
        refresh_at: now + REFRESH,
        all_succeeded: true,
        started_with: global.clone(),
        global,
        jobs: jobs.into_iter().map(Arc::new).collect(),
    };
    supervisor.start_all();
    supervisor.heart.ready();
    let ending = supervisor.work();
    logging::flush(LOG_SLACK);
    Ok(ending)
}

impl Supervisor {
    fn start_all(&mut self) {
        log::info!(
            "irsync {} started, {} of {} jobs enabled",
            env!("CARGO_PKG_VERSION"),
            self.jobs.iter().filter(|j| j.enabled).count(),
            self.jobs.len()
        );
        let jobs: Vec<Arc<Job>> = self.jobs.iter().filter(|j| j.enabled).cloned().collect();
        if jobs.is_empty() {
            // Not the end: an image ships before its jobs do, and a watchdog that was armed wants to be fed.
            log::warn!("no job is enabled: waiting for SIGHUP and a better configuration");
        }
        if self.mode == Mode::Once {
            self.queue.extend(jobs);
            self.start_next();
        } else {
            jobs.into_iter().for_each(|job| self.start(job));
        }
    }

    fn start_next(&mut self) {
        if let Some(job) = self.queue.pop_front() {
            self.start(job);
        }
    }

    fn start(&mut self, job: Arc<Job>) {
        let name = job.name.clone();
        match self.try_start(job) {
            Ok(handle) => self.handles.push(handle),
            Err(error) => {
                log::error!("{name}: cannot start a worker: {error}; the job does not run until the next reload");
                self.all_succeeded = false;
            }
        }
    }

    fn try_start(&self, config: Arc<Job>) -> io::Result<Handle> {
        let inbox = Arc::new(Inbox::new()?);
        let pulse = Arc::new(Pulse::default());
        let status = JobStatus {
            name: config.name.clone(),
            started: Some(Stamp::now()),
            stale_after: config.stale_after,
            ..JobStatus::default()
        };
        let slot = Slot::new(status, Arc::clone(&self.shared.news));
        // Boxed, because each call it is handed through would keep a copy on the thread's stack.
        let worker = Box::new(Worker::new(
            Arc::clone(&config),
            self.mode != Mode::Once,
            // A command that was typed starts at once, as the Go tool's does; what boots with a fleet spreads itself.
            if self.mode == Mode::DropIn { 0 } else { self.surroundings.phase(&config.name) },
            Arc::clone(&self.shared),
            Arc::clone(&inbox),
            Arc::clone(&pulse),
            Arc::clone(&slot),
        ));
        // The kernel keeps 15 bytes of it; it is shown by ps -L and top -H.
        let thread = std::thread::Builder::new().name(config.name.clone()).stack_size(STACK);
        let thread = thread.spawn(move || worker.run())?;
        Ok(Handle { config, inbox, pulse, slot, thread, leaving: false })
    }

    fn work(mut self) -> Ending {
        loop {
            let asked = self.sleep();
            self.shared.main.clear();
            for signal in self.signals.take() {
                self.handle_signal(signal);
            }
            let now = clock::now();
            let stuck = self.handles.iter().any(|h| h.pulse.is_stuck(now));
            self.heart.beat(now, stuck);
            if asked {
                self.serve_control();
            }
            self.look_at_board(now);
            self.bury();
            if self.is_over(now) {
                break;
            }
        }
        self.end()
    }

    /// True: somebody has written to the control socket.
    fn sleep(&self) -> bool {
        let main = self.shared.main.as_fd();
        let control = self.control.as_ref().map_or(main, |control| control.as_fd());
        let mut fds = [self.signals.as_fd(), main, control].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let timeout = self.deadline().map(|at| TimeSpec::from_duration(at.since(clock::now())));
        // EINTR and the like: everything is looked at in any case, and nothing of it blocks.
        let _ = ppoll(&mut fds, timeout, None);
        self.control.is_some() && fds[2].any().unwrap_or(true)
    }

    fn deadline(&self) -> Option<Time> {
        let refresh = self.heart.boot_cause().map(|_| self.refresh_at);
        let now = clock::now();
        let reboot = self.handles.iter().filter_map(|h| h.pulse.reboot_at()).filter(|at| *at > now).min();
        let outlook = self.outlook.deadline(&self.shared.news);
        [self.heart.deadline(), self.stop_by, refresh, reboot, outlook].into_iter().flatten().min()
    }

    fn handle_signal(&mut self, signal: i32) {
        match signal {
            SIGTERM | SIGINT => self.stop(signal),
            SIGHUP => self.reload(),
            SIGUSR1 => {
                log::info!("SIGUSR1: syncing now");
                self.sync_now(&[]);
            }
            SIGUSR2 => self.log_status(),
            SIGCHLD => self.shared.reaper.look(),
            _ => {}
        }
    }

    fn stop(&mut self, signal: i32) {
        if self.stop_by.is_none() {
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            log::info!("{name}: stopping");
            self.heart.stopping();
            self.outlook.stopping();
            self.shared.news.spread();
            let longest = self.handles.iter().map(|h| h.config.limits.stop_timeout).max().unwrap_or_default();
            self.stop_by = Some(clock::now() + longest + STOP_SLACK);
            self.all_succeeded &= self.mode != Mode::Once;
        }
        self.queue.clear();
        self.handles.iter().for_each(|h| h.inbox.post(Order::Stop));
    }

    fn look_at_board(&mut self, now: Time) {
        if now >= self.refresh_at {
            self.refresh_at = now + REFRESH;
            self.heart.refresh(now);
        }
        if self.shared.news.unread() && self.outlook.wants_to_own(now) && self.surroundings.own_again() {
            self.outlook.own(&self.global);
            self.control = self.surroundings.control();
        }
        let (jobs, handles) = (&self.jobs, &self.handles);
        self.outlook.look(now, &self.shared.news, &self.heart, || board(jobs, handles));
        for handle in &self.handles {
            if let (Some(at), Some(after)) = (handle.pulse.reboot_at(), handle.config.reboot_after) {
                if at <= now {
                    self.heart.reboot_for(&handle.config.name, after, now);
                }
            }
        }
    }

    /// Joins workers that have ended: all of them at a stop, removed jobs, and each one of `once`.
    fn bury(&mut self) {
        let mut buried = false;
        let mut at = 0;
        while at < self.handles.len() {
            // Not JoinHandle::is_finished: a worker rings last of all things, but before its thread has ended.
            if !self.handles[at].pulse.has_ended() {
                at += 1;
                continue;
            }
            let handle = self.handles.swap_remove(at);
            let status = handle.slot.read();
            if self.mode == Mode::Once {
                self.all_succeeded &= status.last.as_ref().is_some_and(|last| last.outcome.is_success());
            } else {
                // A pid that is left is that of a process that hangs in the kernel.
                self.all_succeeded &= status.pid.is_none();
            }
            self.outlook.bury(status);
            let _ = handle.thread.join();
            buried = true;
        }
        if buried && self.mode == Mode::Once {
            self.start_next();
        }
    }

    fn is_over(&self, now: Time) -> bool {
        let done = self.handles.is_empty() && (self.stop_by.is_some() || self.mode == Mode::Once);
        done || self.stop_by.is_some_and(|by| by <= now)
    }

    fn end(mut self) -> Ending {
        let left = self.handles.len();
        if left > 0 {
            log::error!("{left} jobs did not stop in time and are left behind");
        }
        self.control = None;
        self.outlook.end(&self.heart, board(&self.jobs, &self.handles));
        if left == 0 {
            self.shared.say_farewell();
        }
        self.heart.stop(clock::now());
        log::info!("stopped");
        if self.all_succeeded && left == 0 {
            Ending::Well
        } else {
            Ending::Badly
        }
    }
}
