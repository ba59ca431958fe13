//! Bytes and lines of text in general, whoever wrote them. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

mod columns;
mod escape;
mod kind;
mod lines;

pub use columns::{columns, fit, fit_end};
pub use escape::{escape_into, escape_record};
pub use kind::kind;
#[cfg(test)]
pub use lines::LineEnd;
pub use lines::{line_end, LineSplitter, Record, LINE_LIMIT};
