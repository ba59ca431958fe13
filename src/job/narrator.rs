//! Of which syncs the log is told, and how often: a job that is well says nothing beyond one line an hour, and one that is
//! not repeats itself no oftener.
//!
//! Told at once are the first sync, each one that changed something, the first failure of each kind, and the recovery. A job
//! that fails and recovers all the time would fill the log with that, so that the number of both is bounded as well.

use super::{Outcome, Time};
use std::time::Duration;

/// The same is told once in this time.
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// So many kinds of failure are told in each period. What is more than these is counted.
const KINDS: usize = 8;
/// So many times in each period a failure that was told before is told again because it follows a success.
const OUTAGES: u32 = 4;

/// What a job's log has been told, and what not.
#[derive(Clone, Debug)]
pub struct Narrator {
    period: Duration,
    /// What is counted began then.
    since: Time,
    counts: Counts,
    /// Of what is counted, some was not told.
    untold: bool,
    complaints: Vec<Complaint>,
    health: Health,
    outages: u32,
    listening: bool,
}

/// What the syncs of some time came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All syncs.
    pub syncs: u32,
    /// Those that changed something.
    pub changed: u32,
    /// Those that were no success.
    pub failed: u32,
}

/// A failure that was told.
#[derive(Clone, Copy, Debug)]
struct Complaint {
    kind: u32,
    told: Time,
    untold: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Unknown,
    Well,
    /// The syncs fail; whether the log knows.
    Ill {
        told: bool,
    },
}

/// Whether the log is told of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Yes, and that there were so many like it that it was not told of.
    Aloud(u32),
    /// No: it only repeats what the log says.
    Quiet,
}

impl Narrator {
    /// A job that starts now.
    pub fn new(period: Duration, now: Time) -> Narrator {
        Narrator {
            period,
            since: now,
            counts: Counts::default(),
            untold: false,
            complaints: Vec::new(),
            health: Health::Unknown,
            outages: 0,
            listening: false,
        }
    }

    /// Somebody has asked for a sync or changed the job, and wants to see what comes of it.
    pub fn listen(&mut self) {
        self.listening = true;
    }

    /// A sync is over. `kind` stands for what is told of a failure: the same number, the same words.
    pub fn sync(&mut self, outcome: Outcome, kind: u32, changed: bool, now: Time) -> Telling {
        self.counts.syncs += 1;
        self.counts.changed += u32::from(changed);
        self.counts.failed += u32::from(!outcome.is_success());
        let listening = std::mem::take(&mut self.listening);
        let telling = match outcome {
            Outcome::Success => self.success(changed || listening),
            _ => self.complaint(kind, listening, now),
        };
        self.untold |= telling == Telling::Quiet;
        telling
    }

    fn success(&mut self, aloud: bool) -> Telling {
        let news = match std::mem::replace(&mut self.health, Health::Well) {
            Health::Unknown => true,
            Health::Well => false,
            Health::Ill { told } => told,
        };
        match aloud || news {
            true => Telling::Aloud(0),
            false => Telling::Quiet,
        }
    }

    fn complaint(&mut self, kind: u32, listening: bool, now: Time) -> Telling {
        let begins = !matches!(self.health, Health::Ill { .. });
        let was_told = self.health == Health::Ill { told: true };
        let period = self.period;
        let known = self.complaints.iter_mut().find(|complaint| complaint.kind == kind);
        let telling = match known {
            Some(complaint) => {
                let again = begins && self.outages < OUTAGES;
                if listening || again || now.since(complaint.told) >= period {
                    self.outages += u32::from(again);
                    complaint.told = now;
                    Telling::Aloud(std::mem::take(&mut complaint.untold))
                } else {
                    complaint.untold = complaint.untold.saturating_add(1);
                    Telling::Quiet
                }
            }
            None => {
                self.complaints.retain(|complaint| now.since(complaint.told) < period);
                let room = self.complaints.len() < KINDS;
                if room {
                    self.complaints.push(Complaint { kind, told: now, untold: 0 });
                }
                match room || listening {
                    true => Telling::Aloud(0),
                    false => Telling::Quiet,
                }
            }
        };
        self.health = Health::Ill { told: was_told || telling != Telling::Quiet };
        telling
    }

    /// What to say of the syncs since this was said last, once a period and only if some of them were not told. To be asked
    /// after each sync: nobody is woken for it.
    pub fn summary(&mut self, now: Time) -> Option<(Duration, Counts)> {
        let span = now.since(self.since);
        if span < self.period {
            return None;
        }
        let counts = std::mem::take(&mut self.counts);
        self.since = now;
        self.outages = 0;
        // What fails all the time says so itself, once a period.
        (std::mem::take(&mut self.untold) && counts.failed < counts.syncs).then_some((span, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time(Duration::from_secs(seconds))
    }

    /// Syncs every 30 s for so many hours; gives the lines of each hour, summaries included.
    fn hours(hours: u64, mut sync: impl FnMut(u64) -> (Outcome, u32, bool)) -> Vec<u32> {
        let mut narrator = Narrator::new(HOUR, at(0));
        let mut lines = vec![0; hours as usize];
        for n in 0..hours * 120 {
            let now = at(n * 30);
            let (outcome, kind, changed) = sync(n);
            let told = narrator.sync(outcome, kind, changed, now) != Telling::Quiet;
            let summary = narrator.summary(now).is_some();
            lines[(n / 120) as usize] += u32::from(told) + u32::from(summary);
        }
        lines
    }

    #[test]
    fn an_idle_job_says_one_line_an_hour() {
        assert_eq!(
            hours(24, |_| (Outcome::Success, 0, false))[..4],
            [1, 1, 1, 1],
            "the first sync, then the summaries"
        );
        assert_eq!(hours(3, |n| (Outcome::Success, 0, n % 60 == 7)), [3, 3, 3], "and each sync that changed something");
    }

    #[test]
    fn the_same_complaint_is_told_once_an_hour_with_a_count() {
        assert_eq!(hours(24, |_| (Outcome::Transient, 7, false)), [1; 24]);
        let mut narrator = Narrator::new(HOUR, at(0));
        assert_eq!(narrator.sync(Outcome::Transient, 7, false, at(0)), Telling::Aloud(0));
        for n in 1..120 {
            assert_eq!(narrator.sync(Outcome::Transient, 7, false, at(n * 30)), Telling::Quiet, "{n}");
        }
        assert_eq!(narrator.sync(Outcome::Transient, 7, false, at(3600)), Telling::Aloud(119));
        assert_eq!(narrator.summary(at(3600)), None, "the complaint says it");
    }

    #[test]
    fn first_failure_change_of_kind_and_recovery_are_told_at_once() {
        let mut narrator = Narrator::new(HOUR, at(0));
        let mut tell = |outcome, kind, second| narrator.sync(outcome, kind, false, at(second)) != Telling::Quiet;
        assert!(tell(Outcome::Success, 0, 0), "the first");
        assert!(!tell(Outcome::Success, 0, 30));
        assert!(tell(Outcome::Transient, 1, 60));
        assert!(!tell(Outcome::Transient, 1, 90));
        assert!(tell(Outcome::Busy, 2, 120), "another kind");
        assert!(!tell(Outcome::Transient, 1, 150), "back and forth is no news");
        assert!(tell(Outcome::Success, 0, 180), "recovery");
        assert!(!tell(Outcome::Success, 0, 210));
        assert!(tell(Outcome::Transient, 1, 240), "a new outage");
        assert!(tell(Outcome::Success, 0, 270));
    }

    #[test]
    fn whatever_happens_an_hour_has_a_bounded_number_of_lines() {
        let flapping =
            hours(24, |n| if n % 2 == 0 { (Outcome::Transient, 1, false) } else { (Outcome::Success, 0, false) });
        let ever_new = hours(24, |n| (Outcome::Transient, n as u32, false));
        let both =
            hours(24, |n| if n % 2 == 0 { (Outcome::Busy, n as u32, false) } else { (Outcome::Success, 0, false) });
        for lines in [flapping, ever_new, both] {
            // Two hours of a table may meet in one.
            assert!(lines.iter().all(|&n| n <= 4 * KINDS as u32 + 2 * OUTAGES + 1), "{lines:?}");
        }
    }

    #[test]
    fn an_outage_that_was_not_told_has_no_recovery_and_the_summary_counts_both() {
        let mut narrator = Narrator::new(HOUR, at(0));
        for n in 0..60 {
            let told = narrator.sync(Outcome::Transient, 1, false, at(n * 60)) != Telling::Quiet;
            assert_eq!(told, n <= u64::from(OUTAGES), "{n}");
            let recovered = narrator.sync(Outcome::Success, 0, false, at(n * 60 + 30)) != Telling::Quiet;
            assert_eq!(recovered, told, "{n}");
        }
        let counts = Counts { syncs: 120, changed: 0, failed: 60 };
        assert_eq!(narrator.summary(at(3600)), Some((HOUR, counts)));
        assert_eq!(narrator.summary(at(7200)), None, "nothing since");
    }

    #[test]
    fn who_asks_for_a_sync_hears_of_it() {
        let mut narrator = Narrator::new(HOUR, at(0));
        for (outcome, kind) in [(Outcome::Success, 0), (Outcome::Partial, 5)] {
            narrator.sync(outcome, kind, false, at(0));
            assert_eq!(narrator.sync(outcome, kind, false, at(1)), Telling::Quiet);
            narrator.listen();
            assert_eq!(narrator.sync(outcome, kind, false, at(2)), Telling::Aloud(u32::from(kind == 5)));
            assert_eq!(narrator.sync(outcome, kind, false, at(3)), Telling::Quiet);
        }
    }
}
