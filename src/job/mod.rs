//! One job's decisions. Pure: std only, no clock, no I/O; time is an argument.
#![forbid(unsafe_code)]

pub mod outcome;
pub mod time;

pub use outcome::{Outcome, Pace};
pub use time::Time;
