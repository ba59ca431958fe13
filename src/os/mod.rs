//! The operating system, wrapped: the only room with unsafe code, and that only in [`sys`].

pub mod child;
pub mod clock;
pub mod guard;
pub mod identity;
pub mod lock;
pub mod mounts;
pub mod notify;
pub mod procfs;
pub mod program;
pub mod reaper;
pub mod sampler;
pub mod signals;
pub mod sockets;
pub mod state;
pub mod sys;
pub mod terminal;
pub mod wake;
pub mod watchdog;
