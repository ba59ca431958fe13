//! What the outside sees of irsync.

pub mod board;
pub mod human;
