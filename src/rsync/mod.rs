//! What is known of rsync: its options, exit codes, messages, output and versions. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

pub mod argv;
pub mod outcome;
pub mod output;
pub mod text;
pub mod version;
