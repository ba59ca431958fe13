//! Bytes and lines of text in general, whoever wrote them. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

mod columns;
mod escape;
mod lines;

pub use columns::{columns, fit, fit_end};
pub use escape::{escape_into, escape_record};
#[cfg(test)]
pub use lines::LineEnd;
pub use lines::{line_end, LineSplitter, Record, LINE_LIMIT};
