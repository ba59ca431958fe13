//! What the sync before has said of its changes, to tell what is new in this one.

use super::said::Said;
use crate::job::Outcome;
use crate::rsync::changes::{Changes, News};
use crate::rsync::stats::Counts;

/// What was said of changes, without the names.
#[derive(Debug, Default)]
pub(super) struct Heard {
    before: Told,
    /// By the passes of this sync.
    now: Told,
    /// No rsync has run in this sync.
    begins: bool,
}

#[derive(Debug, Default)]
struct Told {
    changes: Changes,
    counts: Option<Counts>,
}

impl Heard {
    /// A sync begins; it may end before rsync is started.
    pub(super) fn begin(&mut self) {
        self.begins = true;
    }

    /// What a pass of this sync has brought that the sync before it, and the passes before it, had not named already.
    pub(super) fn news(&mut self, said: &Said, outcome: Outcome, code: Option<i32>) -> News {
        if std::mem::take(&mut self.begins) {
            self.before = std::mem::take(&mut self.now);
        }
        // Part of a set that changes as a whole is thrown away, and then the same is named again.
        let in_vain = said.staged.is_some() && !outcome.is_success();
        let mut news = match said.printed.items {
            true => {
                let before = [&self.before.changes, &self.now.changes];
                said.changes.news(before, said.evidence.complaints(), in_vain)
            }
            false => self.counted_news(said, in_vain || code == Some(23)),
        };
        if said.staged == Some(true) && outcome.is_success() {
            news.count = news.count.max(1);
        }
        news
    }

    /// Only numbers are left, and those of files that are refused anew are the same each time.
    fn counted_news(&self, said: &Said, in_vain: bool) -> News {
        let numbers = |counts: Option<Counts>| counts.map(|counts| (counts.files, counts.created, counts.deleted));
        let counts = numbers(said.stats.counts());
        let repeated = in_vain && counts.is_some() && counts == numbers(self.before.counts);
        News { count: u64::from(said.finished_something() && !repeated), ..News::default() }
    }

    /// A pass has ended.
    pub(super) fn remember(&mut self, said: Said) {
        self.now.counts = said.stats.counts();
        self.now.changes.add(said.changes);
    }
}
