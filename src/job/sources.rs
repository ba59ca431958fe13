//! Which of a job's sources is asked: `source` first, then those of `fallback` in their order.
//!
//! A source that cannot be reached, is busy or refuses is followed by the next at once; back-off begins when all have
//! failed. The one that worked is gone on with, and the first is tried again every hour.

use super::{Outcome, Time};
use std::time::Duration;

/// So long after it has failed the first source is tried again.
pub(crate) const MEMORY: Duration = Duration::from_secs(3600);

/// The sources of a job, by number; 0 is `source`.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    count: usize,
    at: usize,
    /// How many have failed since the last wait.
    failed: usize,
    /// When the first one failed last.
    left_first: Option<Time>,
    /// Of those that failed since the last wait, what promises most.
    mildest: Option<Outcome>,
}

impl Sources {
    /// A job with so many sources; at least one.
    pub(crate) fn new(count: usize) -> Sources {
        Sources { count: count.max(1), at: 0, failed: 0, left_first: None, mildest: None }
    }

    /// The one to be asked.
    pub(crate) fn current(&self) -> usize {
        self.at
    }

    /// A wait is over.
    pub(crate) fn begin(&mut self, now: Time) {
        self.failed = 0;
        self.mildest = None;
        if self.left_first.is_some_and(|left| now >= left + MEMORY) {
            self.at = 0;
        }
    }

    /// A sync has ended. `moved`: file data came, so that the next sync resumes from the same source. True: the next
    /// source is to be asked at once.
    pub(crate) fn ended(&mut self, outcome: Outcome, moved: bool, now: Time) -> bool {
        let elsewhere = matches!(outcome, Outcome::Busy | Outcome::Transient | Outcome::Permanent | Outcome::Stalled);
        if self.count == 1 || moved || !elsewhere {
            if self.at == 0 {
                self.left_first = None;
            }
            return false;
        }
        if self.at == 0 {
            self.left_first = Some(now);
        }
        self.mildest = self.mildest.filter(|mildest| *mildest != Outcome::Permanent).or(Some(outcome));
        self.failed += 1;
        self.at = (self.at + 1) % self.count;
        self.failed < self.count
    }

    /// What a round comes to in which all have failed: a server that may come back keeps the job from the longest wait.
    pub(crate) fn verdict(&self, last: Outcome) -> Outcome {
        self.mildest.filter(|_| self.failed == self.count).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    #[test]
    fn the_next_one_is_asked_at_once_until_all_have_failed() {
        let mut sources = Sources::new(3);
        sources.begin(at(0));
        assert!(sources.ended(Outcome::Transient, false, at(1)) && sources.current() == 1);
        assert!(sources.ended(Outcome::Permanent, false, at(2)) && sources.current() == 2);
        assert!(!sources.ended(Outcome::Permanent, false, at(3)), "all have failed: back-off begins");
        assert_eq!(sources.verdict(Outcome::Permanent), Outcome::Transient);
        sources.begin(at(10));
        assert_eq!(sources.current(), 0, "a new round begins with the first");
    }

    #[test]
    fn the_one_that_worked_is_gone_on_with_and_the_first_is_tried_every_hour() {
        let mut sources = Sources::new(2);
        sources.begin(at(0));
        assert!(sources.ended(Outcome::Busy, false, at(0)));
        assert!(!sources.ended(Outcome::Success, true, at(1)));
        for second in (30..3600).step_by(30) {
            sources.begin(at(second));
            assert_eq!(sources.current(), 1, "{second}");
            assert!(!sources.ended(Outcome::Success, false, at(second)));
        }
        sources.begin(at(3600));
        assert_eq!(sources.current(), 0);
        assert!(sources.ended(Outcome::Transient, false, at(3601)), "not back yet: the other one at once");
        assert!(!sources.ended(Outcome::Success, false, at(3602)));
        sources.begin(at(7200));
        assert_eq!(sources.current(), 1, "an hour from its last failure");
        sources.begin(at(7201));
        assert_eq!(sources.current(), 0);
        assert!(!sources.ended(Outcome::Success, false, at(7202)));
        sources.begin(at(99_999));
        assert_eq!(sources.current(), 0);
    }

    #[test]
    fn what_another_source_would_not_mend_stays_with_this_one() {
        for outcome in Outcome::ALL {
            for moved in [false, true] {
                let mut sources = Sources::new(2);
                sources.begin(at(0));
                let elsewhere = match outcome {
                    Outcome::Busy | Outcome::Transient | Outcome::Permanent | Outcome::Stalled => !moved,
                    _ => false,
                };
                assert_eq!(sources.ended(outcome, moved, at(1)), elsewhere, "{outcome}, moved {moved}");
                assert_eq!(sources.current(), usize::from(elsewhere));
                let mut alone = Sources::new(1);
                assert!(!alone.ended(outcome, moved, at(1)));
                assert_eq!((alone.current(), alone.verdict(outcome)), (0, outcome));
            }
        }
    }

    /// Every order of outcomes, to a depth: no source is asked twice in a round, and none is left out.
    #[test]
    fn in_each_round_every_source_is_asked_at_most_once() {
        let outcomes = [Outcome::Success, Outcome::Transient, Outcome::Permanent, Outcome::Partial, Outcome::Stalled];
        for count in 1..=3usize {
            for path in 0..outcomes.len().pow(6) {
                let (mut sources, mut rest) = (Sources::new(count), path);
                let (mut asked, mut now) = (Vec::new(), 0);
                sources.begin(at(0));
                for _ in 0..6 {
                    now += 1000;
                    assert!(!asked.contains(&sources.current()), "{asked:?}");
                    asked.push(sources.current());
                    let outcome = outcomes[rest % outcomes.len()];
                    rest /= outcomes.len();
                    if !sources.ended(outcome, false, at(now)) {
                        let failed = !matches!(outcome, Outcome::Success | Outcome::Partial);
                        assert!(!failed || asked.len() == count, "{asked:?} of {count}: one was left out");
                        sources.begin(at(now));
                        asked.clear();
                    }
                }
            }
        }
    }
}
