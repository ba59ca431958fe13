//! What the outside sees of irsync.

pub mod bars;
pub mod board;
pub mod fields;
pub mod human;
pub mod json;
mod log_queue;
mod log_sink;
mod log_writer;
pub mod logging;
pub mod metrics;
pub mod scribe;
pub mod snapshot;
pub mod status;
pub mod table;
pub mod utc;
