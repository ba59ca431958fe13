//! What is wrong with a configuration, said so that it can be found and mended.

use std::fmt;
use std::path::PathBuf;

/// Where in which file. Line 0 means the file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        match self.line {
            0 => Ok(()),
            line => write!(f, "{line}:"),
        }
    }
}

/// One error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Error {
    /// File and line.
    pub place: Place,
    /// The job; None before the first section.
    pub section: Option<String>,
    /// The key, as written.
    pub key: Option<String>,
    /// The value found; never a secret.
    pub found: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub accepted: Option<String>,
    /// The key that was probably meant.
    pub nearest: Option<&'static str>,
}

/// Longer values are cut where an error repeats them.
const SHOWN: usize = 60;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.place)?;
        if let Some(section) = &self.section {
            write!(f, "[{}] ", cut(section))?;
        }
        if let Some(key) = &self.key {
            write!(f, "{}", cut(key))?;
            if let Some(found) = &self.found {
                write!(f, " = {}", cut(found))?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if let Some(accepted) = &self.accepted {
            write!(f, "; accepted: {accepted}")?;
        }
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// Escapes control characters, which would reach a terminal or break the line, and cuts.
fn cut(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// All errors of a configuration, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

/// A file that is no configuration at all would fill a log.
const LISTED: usize = 50;

/// One line each, without a final newline.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(LISTED).enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n(and {more} more errors)"),
        }
    }
}

impl std::error::Error for Errors {}

/// Something that works but is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// File and line.
    pub place: Place,
    /// What is odd.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} warning: {}", self.place, self.message)
    }
}
