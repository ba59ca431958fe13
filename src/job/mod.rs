//! One job's decisions. Pure: std only, no clock, no I/O; time is an argument.
#![forbid(unsafe_code)]

pub mod backoff;
pub(crate) mod boot_record;
pub(crate) mod calendar;
pub(crate) mod deletions;
pub(crate) mod event;
pub(crate) mod feeding;
mod feeding_event;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub(crate) mod health;
pub(crate) mod ladder;
mod largest;
pub(crate) mod machine;
pub mod narrator;
pub(crate) mod outcome;
pub(crate) mod owed;
pub(crate) mod settings;
pub(crate) mod sources;
pub(crate) mod time;
pub(crate) mod verify;

pub use deletions::Counted;
pub use event::{Action, Cause, Conclusion, Event, Step};
pub use machine::Job;
pub use outcome::{Outcome, Pace};
pub use settings::{Jitter, Limits, Settings};
pub use time::Time;
