//! Hours of the week: `22:00-06:00`, `Sat-Sun`, `Mon-Fri 01:00-05:00`, and with a rate behind them for `bwlimit`.

use super::quantity::{bytes, size, within};
use crate::job::calendar::{Calendar, Span, DAYS};

/// `window`: spans separated by commas.
pub(super) fn window(text: &str) -> Result<Calendar<()>, String> {
    let spans = items(text).map(|item| span(&item.split_ascii_whitespace().collect::<Vec<_>>()).map(|span| (span, ())));
    spans.collect::<Result<_, _>>().map(Calendar)
}

/// `bwlimit`: spans with a rate each, or one rate.
pub(super) fn rates(text: &str) -> Result<Calendar<u64>, String> {
    let item = |item: String| {
        let words: Vec<&str> = item.split_ascii_whitespace().collect();
        let (word, hours) = words.split_last().ok_or("is empty")?;
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{word:?} has no unit: what rsync calls --bwlimit={word} is {word}K"));
        }
        let rate = within(size(word).map_err(|error| format!("{word:?} {error}"))?, 1024, 1 << 40)?;
        let span = if hours.is_empty() { Span::ALWAYS } else { span(hours)? };
        Ok((span, rate))
    };
    let rates = items(text).map(item).collect::<Result<_, String>>().map(Calendar)?;
    match rates.hidden() {
        Some((span, rate)) => Err(format!(
            "{} {} never counts, because the first span that fits does: write it before the others",
            show(span, true),
            bytes(rate)
        )),
        None => Ok(rates),
    }
}

/// What stands between commas, without blanks around a `-`.
fn items(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').map(|item| item.split('-').map(str::trim).collect::<Vec<_>>().join("-"))
}

fn span(words: &[&str]) -> Result<Span, String> {
    let (days, hours) = match words {
        [one] if one.contains(':') => (0x7f, Some(*one)),
        [one] if one.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(format!("{one:?} has no time of day such as 06:30"))
        }
        [one] => (days(one)?, None),
        [first, second] => (days(first)?, Some(*second)),
        [] => return Err("is empty".into()),
        _ => {
            return Err(format!("{:?} is more than days and hours: a comma stands between two spans", words.join(" ")))
        }
    };
    let (from, to) = match hours {
        Some(hours) => {
            let (from, to) = hours.split_once('-').ok_or_else(|| format!("{hours:?} has no end"))?;
            (minute(from)?, minute(to)?)
        }
        None => (0, 24 * 60),
    };
    if from == 24 * 60 || from == to {
        return Err(format!("{:?} is no time at all", hours.unwrap_or_default()));
    }
    Ok(Span { days, from, to })
}

fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("{text:?} is no time of day such as 06:30");
    let (hour, minute) = text.split_once(':').filter(|(_, minute)| minute.len() == 2).ok_or_else(wrong)?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return Err(wrong());
    }
    let (hour, minute): (u16, u16) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    if hour > 24 || minute > 59 || (hour == 24 && minute > 0) {
        return Err(wrong());
    }
    Ok(hour * 60 + minute)
}

fn days(text: &str) -> Result<u8, String> {
    let day = |name: &str| {
        let place = DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
        place.ok_or_else(|| format!("{name:?} is no day: Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (mut at, last) = (day(first)?, day(last)?);
    let mut days = 1 << at;
    while at != last {
        at = (at + 1) % 7;
        days |= 1 << at;
    }
    Ok(days)
}

pub(super) fn show_window(window: &Calendar<()>) -> String {
    let hours = has_hours(window);
    window.0.iter().map(|(span, ())| show(*span, hours)).collect::<Vec<_>>().join(", ")
}

pub(super) fn show_rates(rates: &Calendar<u64>) -> String {
    let hours = has_hours(rates);
    let item = |(span, rate): &(Span, u64)| match *span {
        Span::ALWAYS => bytes(*rate),
        span => format!("{} {}", show(span, hours), bytes(*rate)),
    };
    rates.0.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// Beside one with hours, a span of whole days shows its own: who writes `Mon, Tue 01:00-05:00` may not mean all Monday.
fn has_hours<T>(calendar: &Calendar<T>) -> bool {
    calendar.0.iter().any(|(span, _)| !is_whole(*span))
}

fn is_whole(span: Span) -> bool {
    (span.from, span.to) == (0, 24 * 60)
}

fn show(span: Span, hours: bool) -> String {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let on = |day: usize| span.days >> (day % 7) & 1 == 1;
    let first = (0..7).find(|day| on(*day) && !on(day + 6)).unwrap_or(0);
    let count = span.days.count_ones() as usize;
    let days = match count {
        7 => String::new(),
        1 => DAYS[first].into(),
        _ => format!("{}-{}", DAYS[first], DAYS[(first + count - 1) % 7]),
    };
    let hours = if is_whole(span) && !hours { String::new() } else { format!("{}-{}", time(span.from), time(span.to)) };
    let text = format!("{days} {hours}");
    match text.trim() {
        "" => "Mon-Sun".into(),
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written_back() {
        for (text, back) in [
            ("22:00-06:00", "22:00-06:00"),
            ("sat-SUN", "Sat-Sun"),
            ("Mon-Fri 01:00-5:00", "Mon-Fri 01:00-05:00"),
            ("Fri-Mon", "Fri-Mon"),
            ("Wed", "Wed"),
            ("Mon-Sun", "Mon-Sun"),
            ("00:00-24:00", "Mon-Sun"),
            ("Sat-Sun,  22:00-06:00 ", "Sat-Sun 00:00-24:00, 22:00-06:00"),
            ("Mon, Tue 01:00-05:00", "Mon 00:00-24:00, Tue 01:00-05:00"),
            ("Mon, Wed", "Mon, Wed"),
            ("Mon - Fri 22:00 - 06:00", "Mon-Fri 22:00-06:00"),
        ] {
            assert_eq!(window(text).map(|window| show_window(&window)).as_deref(), Ok(back), "{text}");
            assert_eq!(window(back), window(text), "{back} means the same");
        }
        for (text, part) in [
            ("", "is empty"),
            ("22:00", "has no end"),
            ("08:00-2008:00", "no time of day"),
            ("22:00-25:00", "no time of day"),
            ("22:00-24:01", "no time of day"),
            ("9:5-10:00", "no time of day"),
            ("-1:00-2:00", "no time of day"),
            ("08:00-08:00", "no time at all"),
            ("24:00-06:00", "no time at all"),
            ("Mo-Fr", "is no day"),
            ("22-06", "no time of day"),
            ("10pm-6am", "no time of day"),
            ("Mon-Fri 01:00-05:00 06:00-07:00", "a comma"),
            ("Sat,", "is empty"),
        ] {
            let error = window(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn rates_are_read_and_written_back() {
        for (text, back) in [
            ("200K", "200K"),
            ("08:00-20:00 200K", "08:00-20:00 200K"),
            ("Mon-Fri 08:00-20:00 200K, 1M", "Mon-Fri 08:00-20:00 200K, 1M"),
            ("Mon 1M, 12:00-13:00 200K", "Mon 00:00-24:00 1M, 12:00-13:00 200K"),
        ] {
            assert_eq!(rates(text).map(|rates| show_rates(&rates)).as_deref(), Ok(back), "{text}");
        }
        for (text, part) in [
            ("", "is empty"),
            ("08:00-20:00", "unknown unit"),
            ("fast", "digit"),
            ("1K, Mon 0K", "range"),
            ("2000", "2000K"),
            ("200K, 08:00-20:00 100K", "08:00-20:00 100K never counts"),
            ("Sat-Sun 1M, 00:00-12:00 2M, 12:00-24:00 3M, Mon-Sun 4M", "00:00-24:00 4M never counts"),
            ("Mon 200K 3M", "has no end"),
        ] {
            let error = rates(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
