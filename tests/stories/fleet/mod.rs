//! `irsync fleet`, with the feature of that name: reports of a fleet, and what their owner sees.

mod documents;
mod page;
mod reports;
mod stack;
