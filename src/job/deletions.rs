//! Deletions are counted before they are made.
//!
//! rsync with `--max-delete=0` transfers everything, deletes nothing and says how many deletions it left out. That number is judged
//! here: what empties the set, or more than the owner allows, is held until the server is in order again or the owner says
//! `irsync allow`. Everything else goes on.
//!
//! ```text
//!  Copy --nothing to delete--> done               Copy --disk full--> Count --fit--> MakeRoom --> Copy (once)
//!    | fit                                                              | held, or nothing
//!    +------> Delete --> done                                           +----> done: disk full
//!    | held
//!    +------> done: held
//! ```

use super::largest::Largest;
use super::{Outcome, Time};

/// One run of rsync within a sync of a job whose options delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// As the owner ordered it: the job deletes nothing, or this rsync cannot count first.
    Plain,
    /// Transfers everything and counts the deletions (`--max-delete=0`).
    Copy,
    /// The same again, with so many deletions at most.
    Delete(u64),
    /// Counts the deletions and transfers nothing, because the disk is full.
    Count,
    /// Makes so many deletions at most and transfers nothing, because the disk is full.
    MakeRoom(u64),
}

/// What the owner allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `--max-delete` of the owner's options.
    pub max_delete: Option<u64>,
    /// `max_shrink`, percent; None: off.
    pub max_shrink: Option<u8>,
    /// How many deletions `irsync allow` lets pass, whatever the two above say; used up by one sync.
    pub allowed: u64,
}

/// What a pass counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Deletions left out: `Deletions stopped due to --max-delete limit (N skipped)`. rsync leaves out of N the folders
    /// that are not empty.
    pub skipped: u64,
    /// Those folders: `cannot delete non-empty directory`. One may be said twice, so with them it is the most there can be.
    pub folders: u64,
    /// Everything in the server's list, folders too, and how many folders are in it; None: rsync did not say.
    pub listed: Option<u64>,
    /// See `listed`.
    pub listed_folders: Option<u64>,
    /// Created by this pass.
    pub created: u64,
    /// Folders at the top of the list that stay even when the source is empty (`./`).
    pub roots: u64,
    /// Deletions that were left out are all that went wrong: code 25, or 23 only because a folder that was not empty could
    /// not make way for a file.
    pub limited: bool,
}

/// Why deletions are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// No file would be left.
    Empties,
    /// Fewer would be left than `max_shrink` allows.
    Shrinks,
    /// The same, measured by what there was within the last day.
    ShrinksSlowly,
    /// More than the owner's `--max-delete`.
    TooMany,
    /// rsync did not say how many files there are on the server, so nothing can be compared.
    Unknown,
}

/// Deletions that wait for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// How many, non-empty folders included.
    pub count: u64,
    /// Why.
    pub why: Why,
}

/// What follows a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// One more pass.
    Run(Pass),
    /// The sync is over.
    Done(Outcome, Option<Held>),
}

impl Counted {
    /// As many deletions as a deleting pass has to make at most.
    fn deletions(&self) -> u64 {
        self.skipped.saturating_add(self.folders)
    }

    /// Files and folders of the set that will be here when this is done; None: rsync did not say.
    fn after(&self) -> Option<u64> {
        Some(self.listed?.saturating_sub(self.roots))
    }

    /// What was here before this sync began, as far as it is the set's. The swap of a whole set is no shrink: as many were
    /// created as are to go.
    fn before(&self) -> Option<u64> {
        Some(self.listed?.saturating_sub(self.created).saturating_add(self.deletions()).saturating_sub(self.roots))
    }

    /// Whether these deletions must wait, and why. None if there is nothing to delete, too. `largest`: what the set had
    /// lately, so that a server that is emptied step by step is seen.
    fn judge(&self, rules: &Rules, largest: u64) -> Option<Held> {
        let count = self.deletions();
        let held = |why| Some(Held { count, why });
        if count <= rules.allowed {
            return None;
        }
        // The owner's limit is of what rsync itself would count: folders too.
        if rules.max_delete.is_some_and(|most| count > most) {
            return held(Why::TooMany);
        }
        let shrink = rules.max_shrink?;
        let (Some(listed), Some(after), Some(before)) = (self.listed, self.after(), self.before()) else {
            return held(Why::Unknown);
        };
        if after == 0 || self.listed_folders.is_some_and(|folders| folders >= listed) {
            return held(Why::Empties);
        }
        let least = |base: u64| u128::from(base) * u128::from(100 - shrink.min(100));
        let left = u128::from(after) * 100;
        match () {
            _ if left < least(before) => held(Why::Shrinks),
            _ if left < least(largest) => held(Why::ShrinksSlowly),
            _ => None,
        }
    }
}

/// The passes of one sync, and what is remembered of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletions {
    rules: Rules,
    pass: Pass,
    made_room: bool,
    largest: Largest,
}

impl Deletions {
    /// The first sync begins. `counts`: the options delete, and this rsync can count first.
    pub(crate) fn begin(rules: Rules, counts: bool) -> Deletions {
        let pass = if counts { Pass::Copy } else { Pass::Plain };
        Deletions { rules, pass, made_room: false, largest: Largest::default() }
    }

    /// The next one begins.
    pub(crate) fn begin_next(&mut self, rules: Rules, counts: bool) {
        *self = Deletions { largest: self.largest, ..Deletions::begin(rules, counts) };
    }

    /// It may be another set from now on.
    pub(crate) fn forget(&mut self) {
        self.largest = Largest::default();
    }

    /// The owner has allowed something that this sync knows of.
    pub(crate) fn allows(&self) -> bool {
        self.rules.allowed > 0
    }

    /// The pass that runs now, or is to run next.
    pub(crate) fn pass(&self) -> Pass {
        self.pass
    }

    /// A pass has ended by itself.
    pub(crate) fn ended(&mut self, outcome: Outcome, counted: &Counted, now: Time) -> Next {
        let limited = counted.limited || outcome == Outcome::Held;
        let complete = limited || matches!(outcome, Outcome::Success | Outcome::Warning | Outcome::Partial);
        let held = counted.judge(&self.rules, self.largest.get(now));
        let deletions = counted.deletions();
        if let (Pass::Copy | Pass::Count, true, Some(before), Some(after)) =
            (self.pass, complete, counted.before(), counted.after())
        {
            match held.is_none() && deletions > 0 && deletions <= self.rules.allowed {
                true => self.largest.begin_anew(after, now),
                false => self.largest.saw(before, held.is_some(), now),
            }
        }
        let next = match self.pass {
            Pass::Copy if complete && deletions > 0 && held.is_none() => Some(Pass::Delete(deletions)),
            Pass::Copy if outcome == Outcome::Disk && !self.made_room => Some(Pass::Count),
            Pass::Count if complete && deletions > 0 && held.is_none() => {
                self.made_room = true;
                Some(Pass::MakeRoom(deletions))
            }
            Pass::MakeRoom(_) if complete => Some(Pass::Copy),
            _ => None,
        };
        if let Some(pass) = next {
            self.pass = pass;
            return Next::Run(pass);
        }
        match self.pass {
            // The copy before it found the disk full, and nothing is better now.
            Pass::Count if complete => Next::Done(Outcome::Disk, held),
            Pass::Copy if complete && held.is_some() => {
                // A partial sync is to be mended first; that deletions wait is told beside it.
                let outcome = if outcome == Outcome::Partial && !limited { outcome } else { Outcome::Held };
                Next::Done(outcome, held)
            }
            // The server has changed in between, or it was the owner's own limit: the next sync looks anew.
            _ if limited => Next::Done(Outcome::Held, Some(Held { count: deletions.max(1), why: Why::TooMany })),
            _ => Next::Done(outcome, None),
        }
    }
}

#[cfg(test)]
#[path = "deletions_tests.rs"]
mod tests;
