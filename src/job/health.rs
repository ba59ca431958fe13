//! How a job does, and until when that holds if nothing happens.

use super::{Outcome, Time};
use std::time::Duration;

/// How a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// All is well, or nothing was tried yet.
    Ok,
    /// `enabled = no`
    Off,
    /// The last sync failed, or it hangs in the kernel.
    Failing,
    /// No success for longer than `stale_after`.
    Stale,
}

impl Health {
    /// The name in table and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Off => "off",
            Health::Failing => "failing",
            Health::Stale => "stale",
        }
    }

    /// Whether somebody should look after it.
    pub fn is_bad(self) -> bool {
        matches!(self, Health::Failing | Health::Stale)
    }
}

/// What a job's health depends on, besides the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// `enabled`
    pub enabled: bool,
    /// Its process was killed and has not ended: it hangs in the kernel.
    pub hangs: bool,
    /// How the last sync ended.
    pub last: Option<Outcome>,
    /// When the last sync succeeded.
    pub last_success: Option<Time>,
    /// When the job was started; it stands in for a success until there is one.
    pub started: Option<Time>,
    /// `stale_after`; None: never stale.
    pub stale_after: Option<Duration>,
}

/// How a job does at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// How it does.
    pub health: Health,
    /// From this moment on it does otherwise, even if nothing happens; None: that will not be.
    pub until: Option<Time>,
}

impl Facts {
    /// How the job does at `now`. A server that is busy is everyday life in a fleet: it counts only if it lasts, and then
    /// as [`Health::Stale`]. Everything else that was no success counts at once, a file that could not be copied as well.
    pub(crate) fn judge(&self, now: Time) -> Judgement {
        if !self.enabled {
            return Judgement { health: Health::Off, until: None };
        }
        let stale_from = self.stale_from();
        if stale_from.is_some_and(|from| now >= from) {
            return Judgement { health: Health::Stale, until: None };
        }
        let excused = self.last.map_or(true, |last| last.is_success() || last == Outcome::Busy);
        let health = if excused && !self.hangs { Health::Ok } else { Health::Failing };
        Judgement { health, until: stale_from }
    }

    /// The first moment at which the last success is older than `stale_after`.
    fn stale_from(&self) -> Option<Time> {
        let success = self.last_success.or(self.started)?;
        let last_good = success.0.checked_add(self.stale_after?)?;
        last_good.checked_add(Duration::from_nanos(1)).map(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_nanos(1);

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    /// Every combination of facts, with moments of a small range.
    fn all(mut check: impl FnMut(Facts)) {
        let moments = || [None, Some(at(0)), Some(at(10)), Some(at(20))];
        let limits = [None, Some(Duration::ZERO), Some(TICK), Some(Duration::from_secs(10)), Some(Duration::MAX)];
        let outcomes = || std::iter::once(None).chain(Outcome::ALL.map(Some));
        for (enabled, hangs) in [(false, false), (false, true), (true, false), (true, true)] {
            for last in outcomes() {
                for last_success in moments() {
                    for started in moments() {
                        for stale_after in limits {
                            check(Facts { enabled, hangs, last, last_success, started, stale_after });
                        }
                    }
                }
            }
        }
    }

    /// The moments around every border that the facts of [`all`] can have.
    fn nows() -> Vec<Time> {
        let borders = [0, 10, 20, 30, 40].map(at);
        let mut nows: Vec<Time> = borders.iter().flat_map(|at| [*at - TICK, *at, *at + TICK, *at + TICK * 2]).collect();
        nows.push(Time(Duration::MAX));
        nows.sort_unstable();
        nows
    }

    #[test]
    fn health_changes_by_itself_exactly_when_it_was_foretold() {
        let (mut told, mut kept) = (0, 0);
        all(|facts| {
            for now in nows() {
                let judged = facts.judge(now);
                let later = |moment: Time| facts.judge(moment).health;
                match judged.until {
                    Some(until) => {
                        told += 1;
                        assert!(until > now, "{facts:?} at {now:?}: {judged:?}");
                        assert_eq!(later(until - TICK), judged.health, "{facts:?} at {now:?}: {judged:?}");
                        assert_ne!(later(until), judged.health, "{facts:?} at {now:?}: {judged:?}");
                        assert_eq!(facts.judge(until).until, None, "it changes once: {facts:?}");
                    }
                    None => {
                        kept += 1;
                        let after = nows().into_iter().filter(|after| *after >= now);
                        after.for_each(|after| assert_eq!(later(after), judged.health, "{facts:?} {now:?} {after:?}"));
                    }
                }
            }
        });
        assert!(told > 1000 && kept > 1000, "{told} {kept}");
    }

    #[test]
    fn every_fact_counts_as_it_should() {
        all(|facts| {
            for now in nows() {
                let from = facts.last_success.or(facts.started);
                let old = match (from, facts.stale_after) {
                    (Some(from), Some(after)) => now.since(from) > after,
                    _ => false,
                };
                let bad = facts.hangs
                    || facts
                        .last
                        .is_some_and(|last| !matches!(last, Outcome::Success | Outcome::Warning | Outcome::Busy));
                let expected = match (facts.enabled, old, bad) {
                    (false, ..) => Health::Off,
                    (true, true, _) => Health::Stale,
                    (true, false, true) => Health::Failing,
                    (true, false, false) => Health::Ok,
                };
                assert_eq!(facts.judge(now).health, expected, "{facts:?} at {now:?}");
            }
        });
    }

    #[test]
    fn somebody_should_look_after_a_job_that_fails_or_is_stale() {
        let bad = [Health::Ok, Health::Off, Health::Failing, Health::Stale].map(Health::is_bad);
        assert_eq!(bad, [false, false, true, true]);
    }
}
