//! What the outside sees of irsync.

pub mod board;
pub mod human;
mod log_queue;
mod log_sink;
pub mod logging;
pub mod utc;
