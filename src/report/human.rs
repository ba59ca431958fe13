//! Numbers for people.

use std::fmt;
use std::time::Duration;

/// A duration as `350ms`, `4.2s`, `3m12s`, `2h05m`, `3d04h`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let s = self.0.as_secs();
        match s {
            0 => write!(f, "{ms}ms"),
            1..=59 if ms % 1000 >= 100 => write!(f, "{s}.{}s", ms % 1000 / 100),
            1..=59 => write!(f, "{s}s"),
            60..=3599 if s % 60 == 0 => write!(f, "{}m", s / 60),
            60..=3599 => write!(f, "{}m{:02}s", s / 60, s % 60),
            3600..=86_399 if s / 60 % 60 == 0 => write!(f, "{}h", s / 3600),
            3600..=86_399 => write!(f, "{}h{:02}m", s / 3600, s / 60 % 60),
            _ => write!(f, "{}d{:02}h", s / 86_400, s / 3600 % 24),
        }
    }
}

/// How long until something, as `in 4.2s`, or `at once`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In(pub Duration);

impl fmt::Display for In {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            0 => f.write_str("at once"),
            _ => write!(f, "in {}", Span(self.0)),
        }
    }
}

/// Bytes as `999 B`, `1.5 KiB`, `3.2 GiB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 0;
        while unit < 5 && self.0 >> (10 * (unit + 1)) > 0 {
            unit += 1;
        }
        if unit == 0 {
            return write!(f, "{} B", self.0);
        }
        let tenths = (u128::from(self.0) * 10) >> (10 * unit);
        write!(f, "{}.{} {}iB", tenths / 10, tenths % 10, ["", "K", "M", "G", "T", "P"][unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_powers_of_1024() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (1 << 40, "1.0 TiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn no_wait_is_told_as_such() {
        let told = |micros| In(Duration::from_micros(micros)).to_string();
        assert_eq!((told(0), told(999), told(1000)), ("at once".into(), "at once".into(), "in 1ms".into()));
    }

    #[test]
    fn spans_are_short_and_rounded_down() {
        for (ms, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (4250, "4.2s"),
            (59_999, "59.9s"),
            (60_000, "1m"),
            (192_000, "3m12s"),
            (7_200_000, "2h"),
            (7_500_000, "2h05m"),
            (273_600_000, "3d04h"),
        ] {
            assert_eq!(Span(Duration::from_millis(ms)).to_string(), text);
        }
        assert!(Span(Duration::MAX).to_string().ends_with('h'));
    }
}
