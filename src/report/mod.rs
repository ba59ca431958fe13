//! What the outside sees of irsync.
#![forbid(unsafe_code)]

pub(crate) mod bars;
pub mod board;
pub(crate) mod fields;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub(crate) mod history;
pub(crate) mod human;
pub mod json;
pub(crate) mod log_bounds;
mod log_queue;
pub(crate) mod log_resort;
mod log_sink;
pub(crate) mod log_syslog;
mod log_writer;
pub(crate) mod logging;
pub mod metrics;
pub(crate) mod scribe;
pub(crate) mod slot;
pub mod snapshot;
pub mod status;
pub(crate) mod table;
pub(crate) mod utc;

#[cfg(test)]
mod tests;
