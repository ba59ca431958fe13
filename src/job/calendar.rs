//! Hours of the week in local time: when syncs may run (`window`), and how fast (`bwlimit`).
//!
//! Only the local time of day counts, minute by minute. So a span that lies in the hour that is left out in spring never
//! comes on that night, and one in the hour that comes twice in autumn comes twice.

use super::Time;
use std::time::Duration;

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;
/// Whoever waits for a border looks at the clock this often: it may be set in the meantime.
const LOOK_AGAIN: u16 = 15;
/// A clock that was never set may be set at any moment: a board that boots asks the network for the time.
const LOOK_FOR_CLOCK: u16 = 1;
/// 2026-01-01: a clock that says less was never set, and does not count.
const NEVER_SET: u64 = 1_767_225_600;

/// Names of the days, the first three letters of each.
pub(crate) const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A minute of the week in local time, from Monday 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local(u16);

impl Local {
    /// Of seconds since 1970 and what local time is ahead of UTC then; None if the clock was never set.
    pub fn new(utc: u64, offset: i64) -> Option<Local> {
        let minutes = (utc >= NEVER_SET).then(|| i64::try_from(utc).ok()?.checked_add(offset))?? / 60;
        // 1970-01-01 was a Thursday.
        Some(Local((minutes + 3 * i64::from(DAY)).rem_euclid(i64::from(WEEK)) as u16))
    }

    fn later(self, minutes: u16) -> Local {
        Local((self.0 + minutes) % WEEK)
    }
}

/// Some hours of some days. A span over midnight belongs to the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// A bit for each day, Monday the lowest.
    pub days: u8,
    /// Minute of the day at which it begins.
    pub from: u16,
    /// Minute of the day at which it ends; not later than `from`: on the next day.
    pub to: u16,
}

impl Span {
    /// Every hour of every day.
    pub const ALWAYS: Span = Span { days: 0x7f, from: 0, to: DAY };

    fn holds(self, at: Local) -> bool {
        let (day, minute) = (at.0 / DAY, at.0 % DAY);
        let on = |day: u16| self.days >> (day % 7) & 1 == 1;
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
        }
    }
}

/// Spans with what holds in each; the first that fits counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar<T>(pub Vec<(Span, T)>);

impl<T: Copy + PartialEq> Calendar<T> {
    /// What holds then.
    pub fn at(&self, local: Local) -> Option<T> {
        self.0.iter().find(|(span, _)| span.holds(local)).map(|(_, value)| *value)
    }

    /// One that never counts, because in each of its minutes an earlier one does.
    pub fn hidden(&self) -> Option<(Span, T)> {
        let counts = |n: usize| self.borders().any(|at| self.0.iter().position(|(span, _)| span.holds(at)) == Some(n));
        (0..self.0.len()).find(|n| !counts(*n)).map(|n| self.0[n])
    }

    /// The minutes in which a span may begin or end: what holds changes in no other.
    fn borders(&self) -> impl Iterator<Item = Local> + '_ {
        let minutes = self.0.iter().flat_map(|(span, _)| [span.from, span.to]);
        minutes.flat_map(|minute| (0..7).map(move |day| Local(minute).later(day * DAY)))
    }

    /// Minutes until something else holds; None: it never does.
    fn changes_in(&self, local: Local) -> Option<u16> {
        let now = self.at(local);
        let others = self.borders().filter(|at| self.at(*at) != now);
        others.map(|at| at.later(WEEK - local.0).0).min()
    }

    /// The longest time in a row in which nothing holds.
    pub fn longest_gap(&self) -> Duration {
        let closed = self.borders().filter(|at| self.at(*at).is_none());
        let longest = closed.filter_map(|at| self.changes_in(at)).max();
        Duration::from_secs(u64::from(longest.unwrap_or(0)) * 60)
    }
}

/// What the clock says of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Syncs may run.
    pub open: bool,
    /// While it is closed: when it opens, as far as the clock tells now.
    pub opens: Time,
    /// When to look again.
    pub again: Time,
}

impl Gate {
    /// Of a window at a local time; `now` is when that minute began. A clock that was never set (`None`) does not count: syncs
    /// may run.
    pub fn new(window: &Calendar<()>, local: Option<Local>, now: Time) -> Gate {
        let minutes = |minutes: u16| now + Duration::from_secs(u64::from(minutes) * 60);
        let Some(local) = local else { return Gate { open: true, opens: now, again: minutes(LOOK_FOR_CLOCK) } };
        let open = window.at(local).is_some();
        let change = window.changes_in(local).unwrap_or(WEEK);
        Gate { open, opens: if open { now } else { minutes(change) }, again: minutes(change.min(LOOK_AGAIN)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(day: u16, hour: u16, minute: u16) -> Local {
        Local(day * DAY + hour * 60 + minute)
    }

    fn span(days: u8, from: (u16, u16), to: (u16, u16)) -> Span {
        Span { days, from: from.0 * 60 + from.1, to: to.0 * 60 + to.1 }
    }

    fn window(spans: &[Span]) -> Calendar<()> {
        Calendar(spans.iter().map(|span| (*span, ())).collect())
    }

    #[test]
    fn a_moment_becomes_a_minute_of_the_week() {
        // 2026-11-25T15:00:00Z, a Wednesday.
        let wednesday = 1_795_618_800;
        assert_eq!(Local::new(wednesday, 0), Some(at(2, 15, 0)));
        assert_eq!(Local::new(wednesday + 59, 3600), Some(at(2, 16, 0)));
        assert_eq!(Local::new(wednesday, 9 * 3600), Some(at(3, 0, 0)));
        assert_eq!(Local::new(wednesday, -16 * 3600), Some(at(1, 23, 0)));
        assert_eq!(Local::new(0, 3600), None, "never set");
        assert_eq!(Local::new(NEVER_SET - 1, 0), None);
        assert_eq!(Local::new(u64::MAX, i64::MAX), None);
    }

    /// Every minute of the week against a plain reading of each form.
    #[test]
    fn every_minute_of_the_week_is_in_or_out() {
        let night = window(&[span(0x7f, (22, 0), (6, 0))]);
        let weekend = window(&[span(0x60, (0, 0), (24, 0))]);
        let friday_night = window(&[span(1 << 4, (23, 30), (2, 0))]);
        let sunday_night = window(&[span(1 << 6, (23, 0), (1, 0))]);
        let both = window(&[span(0x1f, (1, 0), (5, 0)), span(0x60, (0, 0), (24, 0))]);
        for minute in 0..WEEK {
            let (day, of_day) = (minute / DAY, minute % DAY);
            let local = Local(minute);
            assert_eq!(night.at(local).is_some(), !(360..1320).contains(&of_day), "{minute}");
            assert_eq!(weekend.at(local).is_some(), day >= 5, "{minute}");
            assert_eq!(friday_night.at(local).is_some(), (day == 4 && of_day >= 1410) || (day == 5 && of_day < 120));
            assert_eq!(sunday_night.at(local).is_some(), (day == 6 && of_day >= 1380) || (day == 0 && of_day < 60));
            assert_eq!(both.at(local).is_some(), day >= 5 || (60..300).contains(&of_day));
        }
        for calendar in [&night, &weekend, &friday_night, &sunday_night, &both, &window(&[Span::ALWAYS]), &window(&[])]
        {
            let looked_for = |local: Local| (1..WEEK).find(|n| calendar.at(local.later(*n)) != calendar.at(local));
            for local in (0..WEEK).step_by(331).map(Local) {
                assert_eq!(calendar.changes_in(local), looked_for(local), "{calendar:?} {local:?}");
            }
        }
        assert_eq!(night.longest_gap(), Duration::from_secs(16 * 3600));
        assert_eq!(weekend.longest_gap(), Duration::from_secs(5 * 86_400));
        assert_eq!(window(&[Span::ALWAYS]).longest_gap(), Duration::ZERO);
        assert_eq!(window(&[]).longest_gap(), Duration::ZERO, "it never opens, and no rule allows it");
    }

    /// Berlin: on 2026-03-29 the hour from 2 is left out, on 2026-10-25 it comes twice.
    #[test]
    fn the_two_odd_nights_of_the_year() {
        let berlin = |utc: u64| match utc {
            1_774_746_000..=1_792_889_999 => 7200,
            _ => 3600,
        };
        let in_the_hour = window(&[span(0x7f, (2, 15), (2, 45))]);
        let open = |from: u64, hours: u64| {
            let minutes = (0..hours * 60).map(|minute| from + minute * 60);
            minutes.filter(|utc| in_the_hour.at(Local::new(*utc, berlin(*utc)).unwrap()).is_some()).count()
        };
        assert_eq!(open(1_774_652_400, 24), 30, "the day before: half an hour");
        assert_eq!(open(1_774_738_800, 23), 0, "it is left out");
        assert_eq!(open(1_792_879_200, 25), 60, "it comes twice");
        let over = window(&[span(0x7f, (1, 0), (3, 0))]);
        let minutes = |from: u64, hours: u64| {
            let all = (0..hours * 60).map(|minute| from + minute * 60);
            all.filter(|utc| over.at(Local::new(*utc, berlin(*utc)).unwrap()).is_some()).count()
        };
        assert_eq!((minutes(1_774_738_800, 23), minutes(1_792_879_200, 25)), (60, 180));
    }

    #[test]
    fn a_gate_says_when_it_opens_and_when_to_look_again() {
        let now = Time(Duration::from_secs(1000));
        let later = |minutes: u64| Time(Duration::from_secs(1000 + minutes * 60));
        let night = window(&[span(0x7f, (22, 0), (6, 0))]);
        let closed = Gate::new(&night, Some(at(0, 12, 0)), now);
        assert_eq!(closed, Gate { open: false, opens: later(600), again: later(15) });
        assert_eq!(Gate::new(&night, Some(at(0, 21, 50)), now).again, later(10), "at the border itself");
        let open = Gate::new(&night, Some(at(0, 5, 58)), now);
        assert_eq!((open.open, open.again), (true, later(2)));
        let unset = Gate::new(&night, None, now);
        assert_eq!((unset.open, unset.again), (true, later(1)), "a clock that was never set does not count");
    }

    #[test]
    fn the_first_span_that_fits_says_the_limit() {
        let limits = Calendar(vec![(span(0x1f, (8, 0), (20, 0)), 200u64), (span(0x7f, (18, 0), (22, 0)), 900)]);
        let hours =
            [(at(0, 7, 59), None), (at(0, 8, 0), Some(200)), (at(0, 19, 0), Some(200)), (at(0, 20, 0), Some(900))];
        for (local, limit) in hours {
            assert_eq!(limits.at(local), limit, "{local:?}");
        }
        assert_eq!(limits.hidden(), None);
        let hidden = Calendar(vec![(Span::ALWAYS, 1u64), (span(1, (8, 0), (9, 0)), 2)]);
        assert_eq!(hidden.hidden(), Some(hidden.0[1]));
        assert_eq!(limits.at(at(5, 12, 0)), None);
        assert_eq!(limits.at(at(5, 18, 0)), Some(900));
    }
}
