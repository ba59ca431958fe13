//! One job's thread: its children, what they say, and what is said of them.
//!
//! | file | what it does |
//! |---|---|
//! | `handle` | the door: all that the supervisor can see of a worker and ask of it |
//! | `inbox`, `pulse` | what stands behind the door: orders one way, signs of life the other |
//! | `shared` | what all workers and the main thread have in common |
//! | `thread`, `thread/perform`, `thread/ended` | the loop, what the state machine asks for, done, and what the end of a child means |
//! | `verifying` | whether a sync compares contents |
//! | `permission`, `place`, `claims`, `order` | the turn at a destination, its lock, the owner's preconditions, and whether the order may be carried out |
//! | `start`, `run_as`, `locale`, `secret`, `variables`, `versions` | how a child is started, with what, and what its rsync can be asked for |
//! | `running`, `said`, `masters`, `tidying` | a running child: its pipes, its lines, its leftovers, the ssh masters that outlive it, what it leaves in the destination |
//! | `ask` | whether an rsync knows the owner's options, for `irsync check` |
//! | `scout` | a look at the server for `irsync check --online`: rsync without a thread, a lock or a machine |
//! | `daemons` | what is still written by what hooks have started |
//! | `sync_report`, `show`, `log_lines` | what is known of a sync, on the board and in the log |
#![forbid(unsafe_code)]

mod ask;
mod claims;
mod daemons;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod handle;
mod heard;
mod hours;
mod inbox;
mod locale;
mod log_lines;
mod masters;
mod order;
mod permission;
mod place;
mod pulse;
mod run_as;
mod running;
mod said;
mod scout;
mod secret;
mod shared;
mod show;
mod start;
mod sync_report;
mod thread;
mod tidying;
mod variables;
mod verifying;
mod versions;

pub(crate) use ask::objection;
pub(crate) use handle::{Handle, Terms};
pub(crate) use order::order_findings;
pub(crate) use scout::{Answer, Scout, Would};
pub(crate) use shared::{Folders, Shared};
