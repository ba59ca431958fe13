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

use super::Outcome;

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

    /// Whether these deletions must wait, and why. None if there is nothing to delete, too.
    fn judge(&self, rules: &Rules) -> Option<Held> {
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
        let Some(listed) = self.listed else { return held(Why::Unknown) };
        let after = listed.saturating_sub(self.roots);
        if after == 0 || self.listed_folders.is_some_and(|folders| folders >= listed) {
            return held(Why::Empties);
        }
        // What was here before this sync began, as far as it is the set's. The swap of a whole set is no shrink: as many
        // were created as are to go.
        let before = listed.saturating_sub(self.created).saturating_add(count).saturating_sub(self.roots);
        let least = u128::from(before) * u128::from(100 - shrink.min(100));
        (u128::from(after) * 100 < least).then_some(Held { count, why: Why::Shrinks })
    }
}

/// The passes of one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletions {
    rules: Rules,
    pass: Pass,
    made_room: bool,
}

impl Deletions {
    /// A sync begins. `counts`: the options delete, and this rsync can count first.
    pub(crate) fn begin(rules: Rules, counts: bool) -> Deletions {
        Deletions { rules, pass: if counts { Pass::Copy } else { Pass::Plain }, made_room: false }
    }

    /// The pass that runs now, or is to run next.
    pub(crate) fn pass(&self) -> Pass {
        self.pass
    }

    /// A pass has ended by itself.
    pub(crate) fn ended(&mut self, outcome: Outcome, counted: &Counted) -> Next {
        let limited = counted.limited || outcome == Outcome::Held;
        let complete = limited || matches!(outcome, Outcome::Success | Outcome::Warning | Outcome::Partial);
        let held = counted.judge(&self.rules);
        let deletions = counted.deletions();
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
mod tests {
    use super::*;

    /// A set of files in one folder: `after` on the server now, `gone` of those here are not among them, `created` are new.
    fn counted(after: u64, gone: u64, created: u64) -> Counted {
        Counted {
            skipped: gone,
            folders: 0,
            listed: Some(after + 1),
            listed_folders: Some(1),
            created,
            roots: 1,
            limited: false,
        }
    }

    fn rules(max_delete: Option<u64>, max_shrink: Option<u8>) -> Rules {
        Rules { max_delete, max_shrink, allowed: 0 }
    }

    fn why(rules: &Rules, counted: &Counted) -> Option<Why> {
        counted.judge(rules).map(|held| held.why)
    }

    #[test]
    fn what_empties_or_shrinks_the_set_is_held_and_a_swap_is_not() {
        let usual = rules(None, Some(90));
        assert_eq!(why(&usual, &counted(0, 50, 0)), Some(Why::Empties));
        assert_eq!(why(&usual, &counted(0, 1, 0)), Some(Why::Empties), "the last file");
        assert_eq!(why(&usual, &counted(4, 46, 0)), Some(Why::Shrinks));
        assert_eq!(why(&usual, &counted(5, 45, 0)), None, "a tenth is left");
        assert_eq!(why(&usual, &counted(50, 50, 50)), None, "all names are new, as many files");
        assert_eq!(why(&usual, &counted(50, 0, 0)), None);
        assert_eq!(why(&usual, &counted(0, 0, 0)), None, "nothing to delete from an empty set");
        // 40 files in 10 folders are gone; one root folder is left.
        let nested = Counted { folders: 10, ..counted(0, 40, 0) };
        assert_eq!(nested.judge(&usual), Some(Held { count: 50, why: Why::Empties }));
        // Empty folders are left.
        let hollow = Counted { listed: Some(20), listed_folders: Some(20), ..counted(0, 40, 0) };
        assert_eq!(why(&usual, &hollow), Some(Why::Empties));
        let old = Counted { listed: None, ..counted(50, 1, 0) };
        assert_eq!(why(&usual, &old), Some(Why::Unknown));
    }

    #[test]
    fn the_owners_own_limit_holds_whatever_max_shrink_says() {
        for shrink in [None, Some(90), Some(100)] {
            assert_eq!(why(&rules(Some(5), shrink), &counted(100, 6, 0)), Some(Why::TooMany));
            assert_eq!(why(&rules(Some(5), shrink), &counted(100, 5, 0)), None);
            assert_eq!(why(&rules(Some(0), shrink), &counted(100, 1, 0)), Some(Why::TooMany));
        }
        assert_eq!(why(&rules(None, None), &counted(0, 50, 0)), None, "off never holds");
        assert_eq!(why(&rules(None, Some(100)), &counted(1, 1000, 0)), None);
        assert_eq!(why(&rules(None, Some(100)), &counted(0, 1000, 0)), Some(Why::Empties));
    }

    #[test]
    fn what_the_owner_allowed_passes_and_more_does_not() {
        let allowed = |allowed| Rules { allowed, ..rules(Some(5), Some(90)) };
        assert_eq!(why(&allowed(50), &counted(0, 50, 0)), None);
        assert_eq!(why(&allowed(49), &counted(0, 50, 0)), Some(Why::TooMany));
    }

    #[test]
    fn a_count_overflows_nothing() {
        let most = Counted {
            skipped: u64::MAX,
            folders: u64::MAX,
            listed: Some(u64::MAX),
            listed_folders: None,
            created: 0,
            roots: 0,
            limited: false,
        };
        assert_eq!(most.deletions(), u64::MAX);
        assert_eq!(why(&rules(None, Some(0)), &most), None, "as many after as before, as far as numbers go");
        assert_eq!(why(&rules(None, Some(0)), &counted(1, u64::MAX, 0)), Some(Why::Shrinks));
    }

    /// Every order of ends: no pass deletes more than was judged fit, and every sync ends.
    #[test]
    fn no_order_of_passes_deletes_what_is_held() {
        let counts = [
            Counted::default(),
            counted(50, 0, 0),
            counted(50, 3, 0),
            counted(50, 9, 0),
            counted(0, 50, 0),
            counted(50, 50, 50),
            Counted { listed: None, ..counted(50, 3, 0) },
        ];
        let all = [
            rules(None, Some(90)),
            rules(Some(5), Some(90)),
            rules(None, None),
            Rules { allowed: 50, ..rules(Some(5), Some(90)) },
        ];
        for rules in all {
            let mut seen = 0;
            let mut known = std::collections::HashSet::new();
            let mut open = vec![(Deletions::begin(rules, true), 0)];
            while let Some((deletions, passes)) = open.pop() {
                assert!(passes <= 4, "{deletions:?}");
                for outcome in Outcome::ALL {
                    for (limited, count) in
                        [false, true].into_iter().flat_map(|limited| counts.map(|count| (limited, count)))
                    {
                        seen += 1;
                        let mut after = deletions;
                        match after.ended(outcome, &Counted { limited, ..count }) {
                            Next::Run(pass) => {
                                assert_eq!(after.pass(), pass);
                                if let Pass::Delete(limit) | Pass::MakeRoom(limit) = pass {
                                    assert_eq!(count.judge(&rules), None);
                                    assert!(limit > 0 && limit <= count.deletions());
                                }
                                if known.insert((pass, after.made_room, passes)) {
                                    open.push((after, passes + 1));
                                }
                            }
                            Next::Done(Outcome::Success, held) => assert_eq!(held, None),
                            Next::Done(Outcome::Held, held) => assert!(held.is_some()),
                            Next::Done(..) => {}
                        }
                    }
                }
            }
            assert!(seen > 500, "{seen}");
        }
        let mut plain = Deletions::begin(rules(None, Some(90)), false);
        assert_eq!(plain.pass(), Pass::Plain);
        assert_eq!(
            plain.ended(Outcome::Success, &Counted { limited: false, ..counts[4] }),
            Next::Done(Outcome::Success, None)
        );
    }

    #[test]
    fn a_full_disk_is_counted_then_cleared_then_filled_once() {
        let mut sync = Deletions::begin(rules(None, Some(90)), true);
        let some = counted(50, 9, 0);
        assert_eq!(
            sync.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }),
            Next::Run(Pass::Count)
        );
        assert_eq!(sync.ended(Outcome::Partial, &Counted { limited: true, ..some }), Next::Run(Pass::MakeRoom(9)));
        assert_eq!(
            sync.ended(Outcome::Success, &Counted { limited: false, ..counted(50, 0, 0) }),
            Next::Run(Pass::Copy)
        );
        assert_eq!(
            sync.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }),
            Next::Done(Outcome::Disk, None)
        );
        let mut held = Deletions::begin(rules(None, Some(90)), true);
        assert_eq!(
            held.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }),
            Next::Run(Pass::Count)
        );
        let emptied = counted(0, 50, 0);
        assert_eq!(
            held.ended(Outcome::Partial, &Counted { limited: true, ..emptied }),
            Next::Done(Outcome::Disk, emptied.judge(&rules(None, Some(90))))
        );
    }
}
