//! How many files the set had lately at most: what `max_shrink` is measured by.
//!
//! A slow `rm -rf` on the server is seen half done at every sync, and each of them loses little. Measured by what was here a
//! moment ago, nothing would ever be held; so it is measured by the most that there was within a day. That is kept in memory:
//! a restart begins anew, and so does a reload that changes source, destination or options.

use super::Time;
use std::time::Duration;

/// For so long at least a count stands for the set, and for twice as long at most.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// See above. Two spans of a day: a list of all counts would be exact, and never end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Largest {
    /// The most since then.
    current: u64,
    since: Time,
    /// The most in the span before.
    previous: u64,
    /// Deletions wait: as long as they do, nothing is too old.
    holds: bool,
}

impl Largest {
    /// The most there was within a day; 0: nothing is known.
    pub(crate) fn get(&self, now: Time) -> u64 {
        match now.since(self.since) {
            age if self.holds || age <= KEPT => self.current.max(self.previous),
            age if age <= 2 * KEPT => self.current,
            _ => 0,
        }
    }

    /// So many are here now. `held`: deletions wait.
    pub(crate) fn saw(&mut self, count: u64, held: bool, now: Time) {
        let most = self.get(now);
        if held || self.holds {
            // The day begins when the server is in order again.
            *self = Largest { current: most.max(count), since: now, previous: 0, holds: held };
        } else if now.since(self.since) > KEPT {
            *self = Largest { current: count, since: now, previous: most, holds: false };
        } else {
            self.current = self.current.max(count);
        }
    }

    /// The owner has allowed the set to be this small.
    pub(crate) fn begin_anew(&mut self, count: u64, now: Time) {
        *self = Largest { current: count, since: now, ..Largest::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Time {
        Time(Duration::from_secs(hours * 3600))
    }

    #[test]
    fn the_most_of_a_day_counts_and_while_it_holds_it_stays() {
        let mut largest = Largest::default();
        assert_eq!(largest.get(at(0)), 0);
        largest.begin_anew(100, at(0));
        largest.saw(80, false, at(20));
        assert_eq!((largest.get(at(24)), largest.get(at(48)), largest.get(at(49))), (100, 100, 0));
        largest.saw(60, false, at(30));
        assert_eq!((largest.get(at(54)), largest.get(at(55))), (100, 60), "counts of a day before are over");
        largest.saw(70, true, at(40));
        assert_eq!(largest.get(at(500)), 100, "as long as deletions wait");
        largest.saw(50, false, at(500));
        assert_eq!((largest.get(at(548)), largest.get(at(549))), (100, 0));
        largest.begin_anew(3, at(501));
        assert_eq!(largest.get(at(501)), 3);
    }
}
