use super::*;
use std::time::Duration;

fn now() -> Time {
    Time(Duration::from_secs(7))
}

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
    counted.judge(rules, 0).map(|held| held.why)
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
    assert_eq!(nested.judge(&usual, 0), Some(Held { count: 50, why: Why::Empties }));
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
                    match after.ended(outcome, &Counted { limited, ..count }, now()) {
                        Next::Run(pass) => {
                            assert_eq!(after.pass(), pass);
                            if let Pass::Delete(limit) | Pass::MakeRoom(limit) = pass {
                                assert_eq!(count.judge(&rules, 0), None);
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
        plain.ended(Outcome::Success, &Counted { limited: false, ..counts[4] }, now()),
        Next::Done(Outcome::Success, None)
    );
}

#[test]
fn a_full_disk_is_counted_then_cleared_then_filled_once() {
    let mut sync = Deletions::begin(rules(None, Some(90)), true);
    let some = counted(50, 9, 0);
    assert_eq!(
        sync.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }, now()),
        Next::Run(Pass::Count)
    );
    assert_eq!(sync.ended(Outcome::Partial, &Counted { limited: true, ..some }, now()), Next::Run(Pass::MakeRoom(9)));
    assert_eq!(
        sync.ended(Outcome::Success, &Counted { limited: false, ..counted(50, 0, 0) }, now()),
        Next::Run(Pass::Copy)
    );
    assert_eq!(
        sync.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }, now()),
        Next::Done(Outcome::Disk, None)
    );
    let mut held = Deletions::begin(rules(None, Some(90)), true);
    assert_eq!(
        held.ended(Outcome::Disk, &Counted { limited: false, ..Counted::default() }, now()),
        Next::Run(Pass::Count)
    );
    let emptied = counted(0, 50, 0);
    assert_eq!(
        held.ended(Outcome::Partial, &Counted { limited: true, ..emptied }, now()),
        Next::Done(Outcome::Disk, emptied.judge(&rules(None, Some(90)), 0))
    );
}

/// A device and its server, which has the files 0 to `server`; one sync after the other.
#[derive(Clone)]
struct Mirror {
    sync: Deletions,
    here: u64,
    hours: u64,
    /// What was here at each hour of a sync.
    past: Vec<(u64, u64)>,
}

impl Mirror {
    /// True: deletions are held.
    fn sync(&mut self, server: u64, rules: Rules, hours: u64) -> bool {
        self.hours += hours;
        self.past.push((self.hours, self.here));
        self.sync.begin_next(rules, true);
        let (gone, created) = (self.here.saturating_sub(server), server.saturating_sub(self.here));
        let seen = Counted { limited: gone > 0, ..counted(server, gone, created) };
        self.here = self.here.max(server);
        match self.sync.ended(Outcome::Success, &seen, Time(Duration::from_secs(self.hours * 3600))) {
            Next::Run(Pass::Delete(limit)) => {
                assert_eq!(limit, gone);
                self.here = server;
                false
            }
            Next::Done(Outcome::Held, Some(_)) => true,
            Next::Done(Outcome::Success, None) => false,
            other => panic!("{other:?}"),
        }
    }
}

fn mirror(here: u64) -> Mirror {
    let rules = rules(None, Some(90));
    Mirror { sync: Deletions::begin(rules, true), here, hours: 100, past: Vec::new() }
}

/// Whatever the server shows in whatever steps: of what was here within a day a tenth is left.
#[test]
fn a_server_that_is_emptied_step_by_step_is_held() {
    fn explore(mirror: &Mirror, depth: usize, seen: &mut u64) {
        for server in [0, 1, 9, 10, 11, 100, 130] {
            for hours in [0, 11, 13] {
                let mut next = mirror.clone();
                next.sync(server, rules(None, Some(90)), hours);
                *seen += 1;
                let day = next.past.iter().filter(|(at, _)| next.hours - at <= 24).map(|(_, here)| *here);
                let most = day.max().unwrap_or_default();
                assert!(next.here * 10 >= most, "{} left of {most}: {:?}", next.here, next.past);
                if depth > 1 {
                    explore(&next, depth - 1, seen);
                }
            }
        }
    }
    let mut seen = 0;
    explore(&mirror(100), 4, &mut seen);
    assert!(seen > 190_000, "{seen}");
}

#[test]
fn a_slow_removal_is_held_for_as_long_as_it_lasts_and_rotation_goes_unasked() {
    let usual = rules(None, Some(90));
    let mut slow = mirror(100);
    for server in (10..100).rev() {
        assert!(!slow.sync(server, usual, 0), "{server}");
    }
    for hours in 0..100 {
        assert!(slow.sync(9, usual, hours), "{hours}");
    }
    assert_eq!(slow.here, 10);
    // The owner means it: what is left is the set from now on.
    assert!(!slow.sync(9, Rules { allowed: 1, ..usual }, 1));
    assert!(!slow.sync(1, usual, 1) && slow.sync(0, usual, 1));
    // All names are new each time, as many files as before.
    let mut sync = Deletions::begin(usual, true);
    for _ in 0..50 {
        sync.begin_next(usual, true);
        let swap = Counted { limited: true, ..counted(50, 50, 50) };
        assert_eq!(sync.ended(Outcome::Success, &swap, now()), Next::Run(Pass::Delete(50)));
    }
    // Without the limit nothing of it is held but what empties the set.
    let mut off = mirror(100);
    for server in (0..100).rev() {
        assert!(!off.sync(server, rules(None, None), 0));
    }
    // Another set begins.
    let mut other = mirror(100);
    other.sync(100, usual, 0);
    other.sync.forget();
    other.here = 5;
    assert!(!other.sync(4, usual, 0));
}
