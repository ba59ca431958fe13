//! The operating system, wrapped: the only room with unsafe code, and that only in [`sys`].

pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod flush;
pub(crate) mod guard;
pub(crate) mod identity;
pub(crate) mod lock;
pub(crate) mod mark;
pub(crate) mod mounts;
pub(crate) mod notify;
pub(crate) mod own;
pub(crate) mod paths;
pub(crate) mod pipe;
pub(crate) mod procfs;
pub(crate) mod program;
pub(crate) mod publish;
pub(crate) mod reaper;
pub(crate) mod sampler;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod sys;
pub(crate) mod terminal;
pub(crate) mod tidy;
pub(crate) mod verified;
pub(crate) mod wake;
pub mod watchdog;
