//! Bytes and lines of text in general, whoever wrote them. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

mod columns;
mod escape;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod kind;
mod lines;

pub(crate) use columns::{columns, fit, fit_end};
pub(crate) use escape::{escape_into, escape_record};
pub(crate) use kind::kind;
#[cfg(test)]
pub(crate) use lines::LineEnd;
pub(crate) use lines::{line_end, LineSplitter, Record, LINE_LIMIT};
