//! Everything that drives the real binary, in one program: it is linked once, and the rig is compiled once.
//! `cargo test --test stories` runs all of it, `cargo test --test stories hooks::` one chapter.
//! A story's name is the sentence that it holds; who fails prints its INI, its log, its status and its directory.

/// The rig: a directory for each story, the real binary, waiting for conditions, and nothing left running.
mod common;

/// Reports of others' tools and of other tools' users, each by its name: what irsync does where they had trouble.
mod cases;
/// Usage, help, and `irsync check`.
mod cli;
/// The configuration as files: what is accepted, what is refused and where it says so.
mod config;
/// What can be asked of a running irsync: now, pause, resume, allow, reload, stop.
mod control;
/// The command lines of README and docs, executed.
mod documents;
/// The command lines of the Go tool that irsync replaces.
mod dropin;
/// What a broken device does to a running irsync: nothing of it may end it.
mod faults;
/// `irsync fleet`: the owner's view of many devices.
#[cfg(feature = "fleet")]
mod fleet;
/// The commands around a sync.
mod hooks;
/// Other local users, prepared folders and hostile processes: they neither stop irsync nor make it act for them.
mod intruders;
/// The life of a job: waits, stalls, stops, signals, reloads, locks, told with the fake rsync.
mod lifecycle;
/// Orders that would destroy something or copy nothing.
mod orders;
/// The same life with the installed rsync and a real rsync daemon on loopback.
mod real_rsync;
/// Defects that were found and mended, each with the story that failed before.
mod regression;
/// What the field sees: status file, `irsync status`, progress, metrics, guards, and how rsync runs.
mod status;
/// `${…}` in a job, expanded at each sync.
mod variables;
/// The watchdog as far as a machine without one can show it.
mod watchdog;
