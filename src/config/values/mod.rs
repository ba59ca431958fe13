//! Values: what each kind of key accepts, read from text and written back.

mod field;
mod hours;
mod quantity;
mod words;

pub(crate) use field::Field;
pub(crate) use words::quote;

use super::{IoClass, Jitter, LogTarget};
use crate::job::calendar::Calendar;
use crate::rsync::complaint::{self, Kinds};
use log::LevelFilter;
use quantity::{bytes, duration, integer, millis, number, size, within};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use words::{account, has_comment, path, program, secret, unquoted, words};

/// What a key accepts. Durations are bounded in milliseconds; `off` says whether the key can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // of the bounds: the variants say what they bound
pub enum Kind {
    /// Digits and a unit; zero and `off` are the same, and an error unless `off` is set.
    Duration { min: u64, max: u64, off: bool },
    /// A duration; zero means at once, which is `min`.
    Interval { min: u64, max: u64 },
    /// A duration of whole seconds, bounded in seconds.
    Seconds { min: u64, max: u64 },
    /// A percentage or a duration.
    Jitter { max: u64 },
    /// A percentage, which can be off.
    Percent,
    /// Digits and a unit of 1024s.
    Size { min: u64, max: u64, off: bool },
    /// An integer.
    Number { min: i64, max: i64 },
    /// Yes or no.
    Bool,
    /// An absolute path.
    Path { off: bool },
    /// A program, by name or absolute path.
    Program,
    /// A user or group, by name or number.
    Account,
    /// A folder on a server, as rsync takes it.
    Remote,
    /// A password: never shown.
    Secret,
    /// One word, quoted as a shell would.
    Word,
    /// Words, quoted as a shell would.
    Words,
    /// A command with its arguments, quoted as a shell would.
    Command,
    /// An I/O scheduling class.
    IoClass,
    /// Complaints that are no failure.
    Complaints,
    /// Where the log goes.
    Log,
    /// A log level.
    Level,
    /// Hours of the week.
    Window,
    /// Bytes per second, by hours of the week.
    Rates,
}

/// A value read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Switched off, or never given.
    Off,
    /// Given, but refused: reported already, so that nothing else complains of its absence.
    Refused,
    /// A time span.
    Duration(Duration),
    /// A jitter.
    Jitter(Jitter),
    /// A percentage, 0 to 100.
    Percent(u8),
    /// Bytes.
    Size(u64),
    /// An integer.
    Number(i64),
    /// Yes or no.
    Bool(bool),
    /// An absolute path.
    Path(PathBuf),
    /// Text as it stands.
    Text(String),
    /// Text that is never shown.
    Secret(String),
    /// Words, unquoted.
    Words(Vec<String>),
    /// An I/O scheduling class.
    IoClass(IoClass),
    /// Kinds of complaints.
    Complaints(Kinds),
    /// Where the log goes.
    Log(LogTarget),
    /// A log level.
    Level(LevelFilter),
    /// Hours of the week.
    Window(Calendar<()>),
    /// Bytes per second, by hours of the week.
    Rates(Calendar<u64>),
}

const LEVELS: [LevelFilter; 5] =
    [LevelFilter::Error, LevelFilter::Warn, LevelFilter::Info, LevelFilter::Debug, LevelFilter::Trace];

impl Kind {
    /// What is accepted, for people.
    pub fn accepts(&self) -> String {
        let or_off = |off: bool| if off { ", or off" } else { ", not off" };
        match *self {
            Kind::Duration { min, max, off } => {
                format!("digits with ms, s, m, h or d, from {} to {}{}", millis(min), millis(max), or_off(off))
            }
            Kind::Interval { min, max } => {
                format!("digits with ms, s, m, h or d, from {} to {}; 0 is {0}", millis(min), millis(max))
            }
            Kind::Seconds { min, max } => {
                format!("whole seconds (or s, m, h, d), from {min}s to {max}s")
            }
            Kind::Jitter { max } => {
                format!("a percentage from 0% to 100%, digits with ms, s, m, h or d up to {}, or off", millis(max))
            }
            Kind::Percent => "a percentage from 0% to 100%, or off".into(),
            Kind::Size { min, max, off } => {
                let range = match (min, max) {
                    (_, u64::MAX) => String::new(),
                    _ => format!(", from {} to {}", bytes(min), bytes(max)),
                };
                format!("digits with K, M or G{range}{}", or_off(off))
            }
            Kind::Number { min, max } => format!("an integer from {min} to {max}"),
            Kind::Bool => "yes or no".into(),
            Kind::Path { off: true } => "an absolute path, or off".into(),
            Kind::Path { off: false } => "an absolute path".into(),
            Kind::Program => "a program's name or absolute path, without arguments".into(),
            Kind::Account => "a name or number".into(),
            Kind::Remote => "rsync://HOST/MODULE/, HOST::MODULE/ or HOST:FOLDER/, or off".into(),
            Kind::Secret => "text of 1 to 511 bytes".into(),
            Kind::Word => "one word, quoted as a shell would if it has blanks".into(),
            Kind::Words => "words, quoted as a shell would".into(),
            Kind::Command => "a program and its arguments, quoted as a shell would, or off".into(),
            Kind::IoClass => "idle, best-effort or best-effort:0 to best-effort:7".into(),
            Kind::Complaints => {
                "times, links, owners, names or unreadable, several separated by commas, or none".into()
            }
            Kind::Log => "stderr, syslog or an absolute path".into(),
            Kind::Window => "spans of days and hours such as 22:00-06:00, Sat-Sun or Mon-Fri 01:00-05:00, separated by commas, or always".into(),
            Kind::Rates => "a rate such as 200K, or rates by hours such as 08:00-20:00 200K, separated by commas, or off".into(),
            Kind::Level => "error, warn, info, debug or trace".into(),
        }
    }
}

/// Reads a value. The error says what is wrong with it, not what is accepted.
pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Value, String> {
    let found = match kind {
        Kind::Word | Kind::Words | Kind::Command => plain(kind, text),
        // A comment would become a part of the path.
        Kind::Path { .. } | Kind::Log if has_comment(text) => Err("has something behind the path".into()),
        _ => plain(kind, &unquoted(text)?),
    };
    found.map_err(|why| match has_comment(text) {
        true => format!("{why}: a comment stands on a line of its own"),
        false => why,
    })
}

/// Reads a value without quotes around it, or one that is made of words.
fn plain(kind: &Kind, text: &str) -> Result<Value, String> {
    let is_off = ["off", "none"].iter().any(|word| text.eq_ignore_ascii_case(word));
    match *kind {
        Kind::Duration { min, max, off } => match if is_off { Some(0) } else { duration(text)? } {
            Some(0) if off => Ok(Value::Off),
            Some(0) => Err("cannot be switched off".into()),
            found => within(found, min, max).map(|ms| Value::Duration(Duration::from_millis(ms))),
        },
        Kind::Interval { .. } if is_off => Err("cannot be switched off (enabled = no does)".into()),
        Kind::Interval { min, max } => match duration(text)? {
            Some(0) => Ok(Value::Duration(Duration::from_millis(min))),
            found => within(found, min, max).map(|ms| Value::Duration(Duration::from_millis(ms))),
        },
        Kind::Seconds { .. } if is_off => Err("cannot be switched off".into()),
        Kind::Seconds { min, max } => match within(duration(text)?, min * 1000, max * 1000)? {
            ms if ms % 1000 == 0 => Ok(Value::Duration(Duration::from_millis(ms))),
            _ => Err("is not a whole number of seconds".into()),
        },
        Kind::Jitter { .. } if is_off => Ok(Value::Jitter(Jitter::Percent(0))),
        Kind::Jitter { max } => match text.strip_suffix('%') {
            Some(digits) => within(number(digits)?, 0, 100).map(|n| Value::Jitter(Jitter::Percent(n as u8))),
            None => match within(duration(text)?, 0, max)? {
                0 => Ok(Value::Jitter(Jitter::Percent(0))),
                ms => Ok(Value::Jitter(Jitter::Duration(Duration::from_millis(ms)))),
            },
        },
        Kind::Percent if is_off => Ok(Value::Off),
        Kind::Percent => {
            within(number(text.strip_suffix('%').unwrap_or(text))?, 0, 100).map(|n| Value::Percent(n as u8))
        }
        Kind::Size { min, max, off } => match if is_off { Some(0) } else { size(text)? } {
            Some(0) if off => Ok(Value::Off),
            Some(0) => Err("cannot be switched off".into()),
            found => within(found, min, max).map(Value::Size),
        },
        Kind::Number { min, max } => integer(text, min, max).map(Value::Number),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Path { off: true } if is_off || text.is_empty() => Ok(Value::Off),
        Kind::Path { .. } => path(text).map(Value::Path),
        Kind::Program => program(text).map(Value::Text),
        Kind::Remote if is_off || text.is_empty() => Ok(Value::Off),
        Kind::Remote if text.contains(char::is_whitespace) => Err("has blanks".into()),
        Kind::Remote if text.starts_with(['/', '-', '.']) || !text.contains(':') => Err("is not on a server".into()),
        Kind::Remote => Ok(Value::Text(text.to_string())),
        Kind::Account if text.is_empty() => Ok(Value::Off),
        Kind::Account => account(text).map(Value::Text),
        Kind::Secret if text.is_empty() => Ok(Value::Off),
        Kind::Secret => secret(text).map(Value::Secret),
        Kind::Word => match words(text)? {
            found if found.len() == 1 => Ok(Value::Words(found)),
            found if found.is_empty() => Err("is empty".into()),
            found => Err(format!("is {} words; quote it if that is one name", found.len())),
        },
        Kind::Words => words(text).map(Value::Words),
        Kind::Command if is_off || text.is_empty() => Ok(Value::Off),
        Kind::Command => words(text).map(Value::Words),
        Kind::IoClass if text.is_empty() || text == "none" => Ok(Value::Off),
        Kind::IoClass => io_class(text).map(Value::IoClass),
        Kind::Complaints if is_off || text.is_empty() => Ok(Value::Complaints(Kinds::default())),
        Kind::Complaints => complaints(text).map(Value::Complaints),
        Kind::Log => match text {
            "stderr" => Ok(Value::Log(LogTarget::Stderr)),
            "syslog" => Ok(Value::Log(LogTarget::Syslog)),
            _ => path(text).map(|path| Value::Log(LogTarget::File(path))),
        },
        Kind::Window if is_off || text.is_empty() || text.eq_ignore_ascii_case("always") => Ok(Value::Off),
        Kind::Window => hours::window(text).map(Value::Window),
        Kind::Rates if is_off || text.is_empty() || text == "0" => Ok(Value::Off),
        Kind::Rates => hours::rates(text).map(Value::Rates),
        Kind::Level => LEVELS
            .into_iter()
            .find(|level| text.eq_ignore_ascii_case(level.as_str()))
            .map(Value::Level)
            .ok_or_else(|| "is no log level".into()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("is neither yes nor no".into()),
    }
}

fn complaints(text: &str) -> Result<Kinds, String> {
    let mut kinds = Kinds::default();
    for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
        kinds.insert(complaint::Kind::acceptable(word).ok_or_else(|| format!("has {word:?}, which is none of them"))?);
    }
    Ok(kinds)
}

fn io_class(text: &str) -> Result<IoClass, String> {
    match text.split_once(':') {
        None if text == "idle" => Ok(IoClass::Idle),
        // The kernel's own middle level, see ioprio_set(2).
        None if text == "best-effort" => Ok(IoClass::BestEffort(4)),
        Some(("best-effort", level)) => within(number(level)?, 0, 7).map(|n| IoClass::BestEffort(n as u8)),
        _ => Err("is no I/O class".into()),
    }
}

/// As it would stand in the file; a secret is masked.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Off => f.write_str("off"),
            Value::Refused => f.write_str("?"),
            Value::Duration(time) | Value::Jitter(Jitter::Duration(time)) => {
                f.write_str(&millis(time.as_millis() as u64))
            }
            Value::Jitter(Jitter::Percent(percent)) => write!(f, "{percent}%"),
            Value::Percent(percent) => write!(f, "{percent}%"),
            Value::Size(n) => f.write_str(&bytes(*n)),
            Value::Number(n) => write!(f, "{n}"),
            Value::Bool(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Value::Path(path) | Value::Log(LogTarget::File(path)) => {
                write!(f, "{}", path.display())
            }
            Value::Text(text) => f.write_str(text),
            Value::Secret(_) => f.write_str("***"),
            Value::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
                f.write_str(&words.join(" "))
            }
            Value::IoClass(IoClass::Idle) => f.write_str("idle"),
            Value::IoClass(IoClass::BestEffort(level)) => write!(f, "best-effort:{level}"),
            Value::Complaints(kinds) if kinds.is_empty() => f.write_str("none"),
            Value::Complaints(kinds) => write!(f, "{kinds}"),
            Value::Log(LogTarget::Stderr) => f.write_str("stderr"),
            Value::Log(LogTarget::Syslog) => f.write_str("syslog"),
            Value::Window(window) => f.write_str(&hours::show_window(window)),
            Value::Rates(rates) => f.write_str(&hours::show_rates(rates)),
            Value::Level(level) => f.write_str(&level.as_str().to_ascii_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value read and written back, or what is wrong with it.
    pub(super) fn shown(kind: Kind, text: &str) -> String {
        match parse(&kind, text) {
            Ok(value) => value.to_string(),
            Err(why) => format!("! {why}"),
        }
    }

    #[test]
    fn choices_are_read_and_written_back() {
        for (kind, text, back) in [
            (Kind::Bool, "TRUE", "yes"),
            (Kind::Bool, "0", "no"),
            (Kind::Bool, "2", "! is neither yes nor no"),
            (Kind::IoClass, "best-effort", "best-effort:4"),
            (Kind::IoClass, "best-effort:8", "! is out of range"),
            (Kind::IoClass, "idle", "idle"),
            (Kind::IoClass, "realtime", "! is no I/O class"),
            (Kind::Complaints, "none", "none"),
            (Kind::Complaints, "", "none"),
            (Kind::Complaints, "names times,owners", "times, owners, names"),
            (Kind::Complaints, "times, other", "! has \"other\", which is none of them"),
            (Kind::Log, "syslog", "syslog"),
            (Kind::Log, "irsync.log", "! is not an absolute path"),
            (Kind::Level, "WARN", "warn"),
            (Kind::Level, "off", "! is no log level"),
        ] {
            assert_eq!(shown(kind, text), back, "{kind:?} {text:?}");
        }
    }
}
