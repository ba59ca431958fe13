//! Numbers: durations, sizes and plain ones, read and written.

/// Units of time and their milliseconds; the longest first, as they are tried when written.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// `Ok(None)` means: digits, but more than fit.
pub(super) fn number(digits: &str) -> Result<Option<u64>, String> {
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
        None => {
            return Err(meant(text, units).map_or_else(
                || "has an unknown unit".into(),
                |n| format!("is not one whole number with one unit: write {}", in_units(n, units)),
            ))
        }
    };
    Ok(number(digits)?.and_then(|n| n.checked_mul(factor)))
}

/// What `1.5h` and `1h30m` come to. None: nobody can tell.
fn meant(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0_u64);
    while !rest.is_empty() {
        let (found, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = found.split_once('.').unwrap_or((found, "0"));
        let part = number(fraction).ok()??.checked_mul(*factor)?;
        let scale = 10_u64.checked_pow(fraction.len() as u32)?;
        let part = Some(part / scale).filter(|_| part % scale == 0)?;
        sum = sum.checked_add(number(whole).ok()??.checked_mul(*factor)?)?.checked_add(part)?;
        rest = tail;
    }
    Some(sum)
}

/// Milliseconds.
pub(super) fn duration(text: &str) -> Result<Option<u64>, String> {
    quantity(text, &TIME_UNITS, 1000)
}

pub(super) fn size(text: &str) -> Result<Option<u64>, String> {
    quantity(&text.to_ascii_uppercase(), &SIZE_UNITS, 1)
}

pub(super) fn within(found: Option<u64>, min: u64, max: u64) -> Result<u64, String> {
    found.filter(|n| (min..=max).contains(n)).ok_or_else(|| "is out of range".into())
}

pub(super) fn integer(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let found = number(digits)?.and_then(|n| i64::try_from(n).ok()).map(|n| sign * n);
    found.filter(|n| (min..=max).contains(n)).ok_or_else(|| "is out of range".into())
}

fn in_units(n: u64, units: &[(&str, u64)]) -> String {
    match units.iter().find(|(_, factor)| n % factor == 0 && n >= *factor) {
        Some((unit, factor)) => format!("{}{unit}", n / factor),
        None => n.to_string(),
    }
}

pub(super) fn millis(ms: u64) -> String {
    in_units(ms, &TIME_UNITS)
}

pub(super) fn bytes(n: u64) -> String {
    in_units(n, &SIZE_UNITS)
}

#[cfg(test)]
mod tests {
    use crate::config::values::tests::shown;
    use crate::config::values::Kind;

    const SPAN: Kind = Kind::Duration { min: 10, max: 3650 * 86_400_000, off: true };
    const SPAN_ON: Kind = Kind::Duration { min: 10, max: 3650 * 86_400_000, off: false };
    const SIZE: Kind = Kind::Size { min: 1, max: u64::MAX, off: true };

    #[test]
    fn numbers_are_read_and_written_back() {
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
            (SPAN, "1h30m", "! is not one whole number with one unit: write 90m"),
            (SPAN, "1.5h", "! is not one whole number with one unit: write 90m"),
            (SPAN, "0.25d", "! is not one whole number with one unit: write 6h"),
            (SPAN, "1.5", "! has an unknown unit"),
            (SPAN, "1.5.5h", "! has an unknown unit"),
            (SPAN, ".5h", "! does not start with a digit"),
            (SPAN, "0.3333ms", "! has an unknown unit"),
            (SPAN, "1.5fortnights", "! has an unknown unit"),
            (SPAN, "1.00000000000000000000000000001h", "! has an unknown unit"),
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
            (Kind::Percent, "90%", "90%"),
            (Kind::Percent, "90", "90%"),
            (Kind::Percent, "0", "0%"),
            (Kind::Percent, "off", "off"),
            (Kind::Percent, "101%", "! is out of range"),
            (Kind::Percent, "%", "! is not a number"),
            (SIZE, "512", "512"),
            (SIZE, "1k", "1K"),
            (SIZE, "2048M", "2G"),
            (SIZE, "0", "off"),
            (SIZE, "1T", "! has an unknown unit"),
            (SIZE, "1.5g", "! is not one whole number with one unit: write 1536M"),
            (SIZE, "17179869184G", "! is out of range"),
            (Kind::Number { min: -20, max: 19 }, "-20", "-20"),
            (Kind::Number { min: -20, max: 19 }, "20", "! is out of range"),
            (Kind::Number { min: -20, max: 19 }, "--5", "! is not a number"),
            (Kind::Number { min: -20, max: 19 }, "99999999999999999999", "! is out of range"),
        ] {
            assert_eq!(shown(kind, text), back, "{kind:?} {text:?}");
        }
    }

    #[test]
    fn what_is_accepted_names_the_range() {
        assert_eq!(SPAN.accepts(), "digits with ms, s, m, h or d, from 10ms to 3650d, or off");
        assert_eq!(SPAN_ON.accepts(), "digits with ms, s, m, h or d, from 10ms to 3650d, not off");
        assert_eq!(SIZE.accepts(), "digits with K, M or G, or off");
    }
}
