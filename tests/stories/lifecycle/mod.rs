//! The life of a job, told with the fake rsync.

mod guard;
mod idle;
mod lock;
mod output;
mod program;
mod quiet;
mod refused;
mod reload;
mod signals;
mod soak;
mod stall;
mod stop;
mod version;
mod waits;
