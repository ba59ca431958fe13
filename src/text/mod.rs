//! Bytes and lines of text in general, whoever wrote them. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

mod columns;
mod escape;
mod lines;

pub use columns::{columns, fit, fit_end};
pub use escape::{escape_into, escape_record};
pub use lines::{line_end, LineEnd, LineSplitter, Record, LINE_LIMIT};
