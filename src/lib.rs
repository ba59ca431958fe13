//! irsync: a supervisor that keeps unattended Linux devices in step with an rsync server.
//!
//! The house, ground floor first; a room imports only from lower floors (`tests/house/layers.rs` holds this):
//!
//! | room | floor | what it does |
//! |---|---|---|
//! | `text` | 0 | bytes and lines of text in general: where a line ends, what of it may be shown |
//! | [`job`] | 0 | the state machine of one job: pure decisions, no clock, no I/O |
//! | `rsync` | 1 | what is known of rsync: its options, exit codes, messages, output, versions |
//! | [`config`] | 2 | INI text to [`config::Config`]; the table of keys |
//! | [`os`] | 3 | child processes, signals, locks, `/proc`, the watchdog device; the only unsafe code |
//! | [`report`] | 4 | what the outside sees: log, status file, metrics |
//! | `worker` | 5 | one job's thread: its children and what they say |
//! | `supervisor` | 6 | the main thread: signals, reload, `irsync now`, the watchdog, the status file |
//! | `fleet` | 5 | devices' reports on a server, with the feature `fleet` |
//! | `commands` | 7 | `run`, `check`, `once`, `status`, `now` |
//! | `cli` | 8 | arguments in, a typed command out |
//! | `fuzz_api` | 9 | what `fuzz/` calls, with the feature `fuzzing` |
#![cfg_attr(not(test), warn(unreachable_pub))]

mod cli;
mod commands;
pub mod config;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "fuzzing")]
pub mod fuzz_api;
pub mod job;
pub mod os;
pub mod report;
mod rsync;
mod supervisor;
mod text;
mod worker;

#[doc(hidden)]
pub use cli::grammar;

/// Runs irsync with the arguments and environment of this process and gives its exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
