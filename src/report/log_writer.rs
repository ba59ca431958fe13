//! The end of the log's way: batches go to the sink, what it fails to take is told, and lines that stand below the log on a
//! terminal are taken away and put back around it.

use super::log_resort;
use super::log_sink::{Failure, Sink};
use super::utc;
use std::time::SystemTime;

/// The sink and what it failed to take.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Sink,
    unwritten: Option<Failure>,
    /// Lines that stand below the log.
    shown: usize,
}

impl Writer {
    pub(super) fn new(sink: Sink) -> Writer {
        Writer { sink, unwritten: None, shown: 0 }
    }

    /// What follows goes there.
    pub(super) fn change(&mut self, sink: Sink) {
        self.sink = sink;
    }

    /// Takes the lines below the log away, so that it can go on where they stand.
    pub(super) fn hide(&mut self) {
        if self.shown > 0 {
            self.sink.draw(format!("\x1b[{}A\r\x1b[J", self.shown).as_bytes());
            self.shown = 0;
        }
    }

    pub(super) fn show(&mut self, below: &[u8]) {
        if !below.is_empty() {
            self.sink.draw(below);
            self.shown = below.iter().filter(|&&b| b == b'\n').count();
        }
    }

    pub(super) fn write(&mut self, batch: &[u8]) {
        if let Some(failure) = &self.unwritten {
            let stamp = utc::rfc3339(utc::seconds(SystemTime::now()));
            let stamp = String::from_utf8_lossy(&stamp);
            let report = format!("{stamp} [WARN] {} log lines lost: {}\n", failure.lost, failure.error);
            if self.sink.write(report.as_bytes()).is_ok() {
                self.unwritten = None;
            }
        }
        if let Err(failure) = self.sink.write(batch) {
            match &mut self.unwritten {
                Some(before) => before.lost += failure.lost,
                None => {
                    // Only when it begins: it may be a serial line that hears of it.
                    let text = format!("{}; log lines are lost until it works", failure.error);
                    log_resort::tell(self.sink.way(), &text);
                    self.unwritten = Some(failure);
                }
            }
        }
    }
}
