//! Values: what each kind of key accepts, read from text and written back.

use super::{IoClass, Jitter, LogTarget};
use log::LevelFilter;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Where the log goes.
    Log,
    /// A log level.
    Level,
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
    /// Where the log goes.
    Log(LogTarget),
    /// A log level.
    Level(LevelFilter),
}

/// Units of time and their milliseconds; the longest first, as they are tried when written.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

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
            Kind::Secret => "text of 1 to 511 bytes".into(),
            Kind::Word => "one word, quoted as a shell would if it has blanks".into(),
            Kind::Words => "words, quoted as a shell would".into(),
            Kind::Command => "a program and its arguments, quoted as a shell would, or off".into(),
            Kind::IoClass => "idle, best-effort or best-effort:0 to best-effort:7".into(),
            Kind::Log => "stderr, syslog or an absolute path".into(),
            Kind::Level => "error, warn, info, debug or trace".into(),
        }
    }
}

/// Reads a value. The error says what is wrong with it, not what is accepted.
pub fn parse(kind: &Kind, text: &str) -> Result<Value, String> {
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
        Kind::Account if text.is_empty() => Ok(Value::Off),
        Kind::Account => account(text).map(Value::Text),
        Kind::Secret if text.is_empty() => Ok(Value::Off),
        // rsync cuts what is longer (authenticate.c), and the server would then refuse it.
        Kind::Secret if text.len() > 511 => Err("is longer than rsync takes".into()),
        Kind::Secret => Ok(Value::Secret(text.to_string())),
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
        Kind::Log => match text {
            "stderr" => Ok(Value::Log(LogTarget::Stderr)),
            "syslog" => Ok(Value::Log(LogTarget::Syslog)),
            _ => path(text).map(|path| Value::Log(LogTarget::File(path))),
        },
        Kind::Level => LEVELS
            .into_iter()
            .find(|level| text.eq_ignore_ascii_case(level.as_str()))
            .map(Value::Level)
            .ok_or_else(|| "is no log level".into()),
    }
}

/// `Ok(None)` means: digits, but more than fit.
fn number(digits: &str) -> Result<Option<u64>, String> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a number".into());
    }
    Ok(digits.parse().ok())
}

/// A number with a unit. Bare digits are multiplied by `bare`. `Ok(None)` means: more than fits.
fn quantity(text: &str, units: &[(&str, u64)], bare: u64) -> Result<Option<u64>, String> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(if text.is_empty() { "is empty" } else { "does not start with a digit" }.into());
    }
    let factor = match units.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => bare,
        None => return Err("has an unknown unit".into()),
    };
    Ok(number(digits)?.and_then(|n| n.checked_mul(factor)))
}

/// Milliseconds.
fn duration(text: &str) -> Result<Option<u64>, String> {
    quantity(text, &TIME_UNITS, 1000)
}

fn size(text: &str) -> Result<Option<u64>, String> {
    quantity(&text.to_ascii_uppercase(), &SIZE_UNITS, 1)
}

fn within(found: Option<u64>, min: u64, max: u64) -> Result<u64, String> {
    found.filter(|n| (min..=max).contains(n)).ok_or_else(|| "is out of range".into())
}

fn integer(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let found = number(digits)?.and_then(|n| i64::try_from(n).ok()).map(|n| sign * n);
    found.filter(|n| (min..=max).contains(n)).ok_or_else(|| "is out of range".into())
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("is neither yes nor no".into()),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    // Started by init the working directory is /, by hand it is anywhere.
    match text.starts_with('/') {
        true => Ok(PathBuf::from(text)),
        false => Err("is not an absolute path".into()),
    }
}

fn program(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.contains(char::is_whitespace) {
        return Err("has blanks".into());
    }
    if text.contains('/') && !text.starts_with('/') {
        return Err("is a relative path".into());
    }
    Ok(text.to_string())
}

fn account(text: &str) -> Result<String, String> {
    match text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-$".contains(&b)) {
        true => Ok(text.to_string()),
        false => Err("is no account name".into()),
    }
}

fn words(text: &str) -> Result<Vec<String>, String> {
    // shlex takes a # for a comment; in an INI file a comment has a line of its own, and rsync filters may start with it.
    let found = shlex::split(&text.replace('#', "\u{e000}"))
        .ok_or("has an unclosed quote, or a backslash at its end (a line cannot be continued)")?;
    let found: Vec<String> = found.into_iter().map(|word| word.replace('\u{e000}', "#")).collect();
    match found.iter().any(String::is_empty) {
        true => Err("has an empty word".into()),
        false => Ok(found),
    }
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

fn in_units(n: u64, units: &[(&str, u64)]) -> String {
    match units.iter().find(|(_, factor)| n % factor == 0 && n >= *factor) {
        Some((unit, factor)) => format!("{}{unit}", n / factor),
        None => n.to_string(),
    }
}

fn millis(ms: u64) -> String {
    in_units(ms, &TIME_UNITS)
}

fn bytes(n: u64) -> String {
    in_units(n, &SIZE_UNITS)
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
            Value::Log(LogTarget::Stderr) => f.write_str("stderr"),
            Value::Log(LogTarget::Syslog) => f.write_str("syslog"),
            Value::Level(level) => f.write_str(&level.as_str().to_ascii_lowercase()),
        }
    }
}

/// A word as a shell would need it.
pub fn quote(word: &str) -> String {
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        // Only a NUL byte, which no argument can hold.
        Err(_) => format!("{word:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Kind = Kind::Duration { min: 10, max: 3650 * 86_400_000, off: true };
    const SPAN_ON: Kind = Kind::Duration { min: 10, max: 3650 * 86_400_000, off: false };
    const SIZE: Kind = Kind::Size { min: 1, max: u64::MAX, off: true };

    fn shown(kind: Kind, text: &str) -> String {
        match parse(&kind, text) {
            Ok(value) => value.to_string(),
            Err(why) => format!("! {why}"),
        }
    }

    #[test]
    fn values_are_read_and_written_back() {
        for (kind, text, back) in [
            (SPAN, "30", "30s"),
            (SPAN, "250ms", "250ms"),
            (SPAN, "120m", "2h"),
            (SPAN, "36h", "36h"),
            (SPAN, "7d", "7d"),
            (SPAN, "0", "off"),
            (SPAN, "0h", "off"),
            (SPAN, "Off", "off"),
            (SPAN_ON, "0", "! cannot be switched off"),
            (SPAN_ON, "off", "! cannot be switched off"),
            (SPAN, "9ms", "! is out of range"),
            (SPAN, "3651d", "! is out of range"),
            (SPAN, "18446744073709551616", "! is out of range"),
            (SPAN, "18446744073709551615d", "! is out of range"),
            (SPAN, "5 s", "! has an unknown unit"),
            (SPAN, "5sec", "! has an unknown unit"),
            (SPAN, "1h30m", "! has an unknown unit"),
            (SPAN, "1.5h", "! has an unknown unit"),
            (SPAN, "5S", "! has an unknown unit"),
            (SPAN, "-5s", "! does not start with a digit"),
            (SPAN, "+5s", "! does not start with a digit"),
            (SPAN, "٣s", "! does not start with a digit"),
            (SPAN, "", "! is empty"),
            (Kind::Interval { min: 10, max: 1000 }, "0", "10ms"),
            (Kind::Interval { min: 10, max: 1000 }, "off", "! cannot be switched off (enabled = no does)"),
            (Kind::Seconds { min: 1, max: 60 }, "15", "15s"),
            (Kind::Seconds { min: 1, max: 60 }, "1500ms", "! is not a whole number of seconds"),
            (Kind::Seconds { min: 1, max: 60 }, "61", "! is out of range"),
            (Kind::Jitter { max: 9000 }, "10%", "10%"),
            (Kind::Jitter { max: 9000 }, "101%", "! is out of range"),
            (Kind::Jitter { max: 9000 }, "%", "! is not a number"),
            (Kind::Jitter { max: 9000 }, "5", "5s"),
            (Kind::Jitter { max: 9000 }, "0", "0%"),
            (Kind::Jitter { max: 9000 }, "off", "0%"),
            (SIZE, "512", "512"),
            (SIZE, "1k", "1K"),
            (SIZE, "2048M", "2G"),
            (SIZE, "0", "off"),
            (SIZE, "1T", "! has an unknown unit"),
            (SIZE, "17179869184G", "! is out of range"),
            (Kind::Number { min: -20, max: 19 }, "-20", "-20"),
            (Kind::Number { min: -20, max: 19 }, "20", "! is out of range"),
            (Kind::Number { min: -20, max: 19 }, "--5", "! is not a number"),
            (Kind::Number { min: -20, max: 19 }, "99999999999999999999", "! is out of range"),
            (Kind::Bool, "TRUE", "yes"),
            (Kind::Bool, "0", "no"),
            (Kind::Bool, "2", "! is neither yes nor no"),
            (Kind::Path { off: true }, "/a b", "/a b"),
            (Kind::Path { off: true }, "off", "off"),
            (Kind::Path { off: false }, "off", "! is not an absolute path"),
            (Kind::Path { off: false }, "run/x", "! is not an absolute path"),
            (Kind::Program, "rsync -v", "! has blanks"),
            (Kind::Program, "bin/rsync", "! is a relative path"),
            (Kind::Account, "www-data", "www-data"),
            (Kind::Account, "a:b", "! is no account name"),
            (Kind::Secret, "swordfish", "***"),
            (Kind::Word, "'a b'", "'a b'"),
            (Kind::Word, "a b", "! is 2 words; quote it if that is one name"),
            (Kind::Words, "a 'b c' d\\ e", "a 'b c' 'd e'"),
            (Kind::Words, "-f '- *.tmp' #x", "-f '- *.tmp' '#x'"),
            (Kind::Words, "a ''", "! has an empty word"),
            (Kind::IoClass, "best-effort", "best-effort:4"),
            (Kind::IoClass, "best-effort:8", "! is out of range"),
            (Kind::IoClass, "idle", "idle"),
            (Kind::IoClass, "realtime", "! is no I/O class"),
            (Kind::Log, "syslog", "syslog"),
            (Kind::Log, "irsync.log", "! is not an absolute path"),
            (Kind::Level, "WARN", "warn"),
            (Kind::Level, "off", "! is no log level"),
        ] {
            assert_eq!(shown(kind, text), back, "{kind:?} {text:?}");
        }
        assert!(shown(Kind::Words, "a 'b").contains("unclosed quote"));
        assert!(shown(Kind::Words, "a \\").contains("backslash"));
        assert!(shown(Kind::Secret, &"x".repeat(512)).contains("longer"));
    }

    #[test]
    fn what_is_accepted_names_the_range() {
        assert_eq!(SPAN.accepts(), "digits with ms, s, m, h or d, from 10ms to 3650d, or off");
        assert_eq!(SPAN_ON.accepts(), "digits with ms, s, m, h or d, from 10ms to 3650d, not off");
        assert_eq!(SIZE.accepts(), "digits with K, M or G, or off");
    }
}
