//! A job's view of the sheet: its own keys, else the global ones, else the defaults.

use super::error::{Error, Place};
use super::keys::Id;
use super::sheet::{Entry, Section, Sheet};
use super::values::{Field, Value};

/// Looks values up for one section.
pub(super) struct View<'a> {
    section: &'a Section,
    global: &'a Section,
}

impl View<'_> {
    /// What holds for the whole program.
    pub(super) fn global(sheet: &Sheet) -> View<'_> {
        View { section: &sheet.global, global: &sheet.global }
    }

    /// What holds for one job.
    pub(super) fn job<'a>(sheet: &'a Sheet, section: &'a Section) -> View<'a> {
        View { section, global: &sheet.global }
    }

    /// The job's name.
    pub(super) fn name(&self) -> String {
        self.section.name.clone()
    }

    fn entry(&self, id: Id) -> Option<&Entry> {
        self.section.get(id).or_else(|| self.global.get(id))
    }

    /// Where a key is given; None if it is left to its default.
    pub(super) fn place(&self, id: Id) -> Option<&Place> {
        self.entry(id).map(|entry| &entry.place)
    }

    /// The value of a key.
    pub(super) fn value(&self, id: Id) -> Value {
        self.entry(id).map_or_else(|| id.key().default_value(), |entry| entry.value.clone())
    }

    /// The value of a key as the field has it that holds it.
    pub(super) fn get<T: Field>(&self, id: Id) -> T {
        T::of(self.value(id))
    }

    /// The value of a key that holds for the whole program.
    pub(super) fn global_value(&self, id: Id) -> Value {
        View { section: self.global, global: self.global }.value(id)
    }

    /// An error at the key, or at the section's header where it is not given.
    pub(super) fn error(&self, id: Id, message: String) -> Error {
        Error {
            place: self.place(id).unwrap_or(&self.section.place).clone(),
            section: Some(self.section.name.clone()),
            key: Some(id.name().to_string()),
            message,
            ..Error::default()
        }
    }
}
