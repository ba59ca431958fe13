//! A job's thread: its children, its log lines, and the door by which the supervisor reaches it.

mod claims;
mod fault;
mod running;
mod shared;
mod show;
mod start;
pub mod tell;
#[allow(clippy::module_inception)]
mod worker;

pub use shared::{Inbox, Order, Pulse, Shared};
pub use worker::Worker;
