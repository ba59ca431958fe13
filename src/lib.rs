//! irsync: a supervisor that keeps unattended Linux devices in step with an rsync server.
//!
//! The house, ground floor first; a room imports only from lower floors (`tests/layers.rs` holds this):
//!
//! | room | floor | what it does |
//! |---|---|---|
//! | [`job`] | 0 | the state machine of one job: pure decisions, no clock, no I/O |
//! | [`rsync`] | 1 | what is known of rsync: its options, exit codes, messages, output, versions |
//! | [`config`] | 1 | INI text to [`config::Config`]; the table of keys |
//! | [`os`] | 2 | child processes, signals, locks, `/proc`, the watchdog device; the only unsafe code |
//! | [`report`] | 3 | what the outside sees: log, status file, metrics |
//! | [`supervisor`] | 4 | the main thread and one worker thread per job |
//! | [`commands`] | 5 | `run`, `check`, `once`, `status`, `now` |
//! | [`cli`] | 6 | arguments in, a typed command out |

pub mod cli;
pub mod commands;
pub mod config;
pub mod job;
pub mod os;
pub mod report;
pub mod rsync;
pub mod supervisor;

/// Runs irsync with the arguments and environment of this process and gives its exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
