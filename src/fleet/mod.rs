//! What a folder of devices' reports tells their owner: `irsync fleet`. On a server or a desk only, behind the feature `fleet`.
//!
//! A report is a status file that a device has pushed (`report_to`), named `DEVICE.status`. It may come from anybody, so each
//! is read bounded and judged alone: a bad one is shown as one sick device, and changes nothing for the others. Ages count
//! from the file's own time, which the server's clock has stamped; the device's wall clock is never believed.
//!
//! [`read`] looks at the folder, [`device`] judges one report, [`view`] counts and sorts; [`table`], [`json`], [`metrics`] and
//! [`page`] show it. Only `read` does I/O, and nothing here asks a clock.
#![forbid(unsafe_code)]

pub(crate) mod device;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub(crate) mod json;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod view;

#[cfg(test)]
mod tests;
