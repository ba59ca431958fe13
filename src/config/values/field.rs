//! What the fields of a configuration are made of.

use super::Value;
use crate::config::{IoClass, Jitter, LogTarget};
use crate::job::calendar::Calendar;
use crate::rsync::complaint::Kinds;
use log::LevelFilter;
use std::path::PathBuf;
use std::time::Duration;

/// A field that holds a key's value.
pub(crate) trait Field {
    /// Made of a value. One of another kind is seen only where the owner's was refused; what becomes of it does not matter,
    /// because the whole configuration is refused.
    fn of(value: Value) -> Self;
    /// The value it was made of.
    fn value(&self) -> Value;
}

/// A key that can be off, or need not be given.
impl<T: Field> Field for Option<T> {
    fn of(value: Value) -> Option<T> {
        match value {
            Value::Off | Value::Refused => None,
            value => Some(T::of(value)),
        }
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Off, T::value)
    }
}

/// A number that its key's bounds keep within its type.
macro_rules! number {
    ($type:ident) => {
        impl Field for $type {
            fn of(value: Value) -> $type {
                match value {
                    Value::Number(number) => $type::try_from(number).unwrap_or_default(),
                    _ => 0,
                }
            }

            fn value(&self) -> Value {
                Value::Number((*self).into())
            }
        }
    };
}

macro_rules! field {
    ($type:ty, $variant:ident, $otherwise:expr) => {
        impl Field for $type {
            fn of(value: Value) -> $type {
                match value {
                    Value::$variant(held) => held,
                    _ => $otherwise,
                }
            }

            fn value(&self) -> Value {
                Value::$variant(self.clone())
            }
        }
    };
}

number!(u32);
number!(i32);
field!(bool, Bool, false);
field!(Duration, Duration, Duration::ZERO);
field!(Jitter, Jitter, Jitter::Percent(0));
field!(u8, Percent, 0);
field!(u64, Size, 0);
field!(PathBuf, Path, PathBuf::new());
field!(String, Text, String::new());
field!(Vec<String>, Words, Vec::new());
field!(Kinds, Complaints, Kinds::default());
field!(IoClass, IoClass, IoClass::Idle);
field!(LogTarget, Log, LogTarget::Stderr);
field!(LevelFilter, Level, LevelFilter::Info);
field!(Calendar<()>, Window, Calendar(Vec::new()));
field!(Calendar<u64>, Rates, Calendar(Vec::new()));
