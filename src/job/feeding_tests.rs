//! Stories of the feeding machine, and every order of events to a depth.

use super::world::{World, AFTER, ASK, EMPTY};
use super::*;

const HOUR: u64 = 3600;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(n: u64) -> Time {
    Time(secs(1_000_000) + secs(n))
}

/// A real device, fed every 5 s, and a record that was read and noted; `limit` reboots a day.
fn feeding(limit: u32) -> Feeding {
    let mut feeding = Feeding::new(limit, None, at(0));
    assert_eq!(feeding.handle(Event::Armed { every: secs(5), real: true }, at(0)), Action::Wait);
    assert!(matches!(feeding.handle(EMPTY, at(0)), Action::Write(_)));
    assert_eq!(feeding.handle(Event::Recorded(true), at(0)), Action::Wait);
    feeding
}

/// Ticks, answering kicks, until nothing is left to do; what was done.
fn tick(feeding: &mut Feeding, now: Time) -> Vec<Action> {
    let mut actions = Vec::new();
    loop {
        let action = feeding.handle(Event::Tick, now);
        match &action {
            Action::Wait => return actions,
            Action::Kick => assert_eq!(feeding.handle(Event::Kicked, now), Action::Wait),
            _ => {}
        }
        actions.push(action);
        assert!(actions.len() < 10, "ticks without end: {actions:?}");
    }
}

fn starving(limit: u32) -> Feeding {
    let mut feeding = feeding(limit);
    assert!(matches!(feeding.handle(ASK, at(100)), Action::Write(_)));
    assert_eq!(feeding.handle(Event::Recorded(true), at(101)), Action::Starve { job: "media".into(), after: AFTER });
    feeding
}

#[test]
fn device_and_manager_are_fed_when_due_and_not_before() {
    let mut feeding = Feeding::new(1, Some(secs(7)), at(0));
    assert_eq!(tick(&mut feeding, at(0)), [Action::Notify]);
    feeding.handle(Event::Armed { every: secs(5), real: true }, at(1));
    assert_eq!(tick(&mut feeding, at(1)), [Action::Kick]);
    assert_eq!(feeding.deadline(at(1)), Some(at(6)));
    assert_eq!(tick(&mut feeding, at(5)), []);
    assert_eq!(tick(&mut feeding, at(7)), [Action::Kick, Action::Notify]);
    assert!(feeding.is_well());
}

#[test]
fn while_a_worker_is_stuck_nothing_is_fed_and_then_at_once() {
    let mut feeding = Feeding::new(1, Some(secs(7)), at(0));
    feeding.handle(Event::Armed { every: secs(5), real: true }, at(0));
    tick(&mut feeding, at(0));
    assert_eq!(feeding.handle(Event::Stuck, at(3)), Action::Tell(News::Stuck));
    assert_eq!(feeding.handle(Event::Stuck, at(4)), Action::Wait, "told once");
    for second in 5..100 {
        assert_eq!(tick(&mut feeding, at(second)), [], "fed at {second}");
        assert!(feeding.deadline(at(second)).unwrap() <= at(second + 2), "it may go on at any time");
    }
    assert!(!feeding.is_well());
    assert_eq!(feeding.handle(Event::Back, at(100)), Action::Tell(News::Back));
    assert_eq!(tick(&mut feeding, at(100)), [Action::Kick, Action::Notify]);
    assert!(feeding.is_well());
}

#[test]
fn a_kick_that_fails_is_told_once_and_tried_again() {
    let mut feeding = feeding(1);
    for (second, told) in [(5, true), (10, false)] {
        assert_eq!(feeding.handle(Event::Tick, at(second)), Action::Kick);
        let expected = if told { Action::Tell(News::KickFails) } else { Action::Wait };
        assert_eq!(feeding.handle(Event::KickFailed, at(second)), expected);
        assert!(!feeding.is_well());
    }
    tick(&mut feeding, at(15));
    assert!(feeding.is_well());
}

#[test]
fn a_reboot_is_recorded_before_the_device_starves_and_fed_until_then() {
    let mut feeding = feeding(1);
    let Action::Write(record) = feeding.handle(ASK, at(100)) else { panic!("not recorded") };
    assert_eq!(record.stop, boot_record::Stop::Reboot("media".into()));
    assert_eq!(record.reboots, [Duration::ZERO]);
    assert_eq!(tick(&mut feeding, at(100)), [Action::Kick], "a slow card must not reset the board by itself");
    assert_eq!(feeding.handle(ASK, at(101)), Action::Wait, "one record is enough");
    assert_eq!(tick(&mut feeding, at(200)), [Action::Kick]);
    assert!(matches!(feeding.handle(Event::Recorded(true), at(201)), Action::Starve { .. }));
    for second in 201..400 {
        assert_eq!(tick(&mut feeding, at(second)), []);
    }
    assert_eq!((feeding.is_well(), feeding.deadline(at(400))), (false, None));
}

#[test]
fn the_service_manager_hears_of_a_living_irsync_while_the_device_starves() {
    let mut feeding = Feeding::new(1, Some(secs(7)), at(0));
    feeding.handle(Event::Armed { every: secs(5), real: true }, at(0));
    feeding.handle(EMPTY, at(0));
    feeding.handle(Event::Recorded(true), at(0));
    feeding.handle(ASK, at(1));
    feeding.handle(Event::Recorded(true), at(1));
    assert_eq!(tick(&mut feeding, at(50)), [Action::Notify]);
}

#[test]
fn beyond_the_budget_there_is_no_reboot_and_that_is_told_once() {
    for (limit, spent) in [(0, 0), (1, 1), (2, 2)] {
        let mut feeding = Feeding::new(limit, None, at(0));
        feeding.handle(Event::Armed { every: secs(5), real: true }, at(0));
        let reboots = vec![secs(30); spent];
        let lost = None;
        let record =
            Record { boot: "b".into(), uptime: at(0), stop: boot_record::Stop::Reboot("x".into()), reboots, lost };
        feeding.handle(Event::Opened { found: &Found::Record(record), boot: "b" }, at(0));
        feeding.handle(Event::Recorded(true), at(0));
        let told = News::Spent { job: "media".into(), after: AFTER, spent, limit };
        assert_eq!(feeding.handle(ASK, at(100)), Action::Tell(told), "limit {limit}");
        assert_eq!(feeding.handle(ASK, at(101)), Action::Wait);
        assert_eq!(tick(&mut feeding, at(101)), [Action::Kick]);
        // A limit that was raised by a reload counts at once.
        assert_eq!(feeding.handle(Event::Limit(limit), at(102)), Action::Wait);
        assert_eq!(feeding.handle(ASK, at(102)), Action::Wait);
        assert_eq!(feeding.handle(Event::Limit(limit + 1), at(102)), Action::Tell(News::Limit(limit + 1)));
        assert!(matches!(feeding.handle(ASK, at(103)), Action::Write(_)));
    }
}

#[test]
fn a_damaged_record_bars_reboots_whatever_the_limit() {
    let mut feeding = Feeding::new(100, None, at(0));
    feeding.handle(Event::Armed { every: secs(5), real: true }, at(0));
    feeding.handle(Event::Opened { found: &Found::Damaged, boot: "b" }, at(0));
    feeding.handle(Event::Recorded(true), at(0));
    assert!(matches!(feeding.handle(ASK, at(100)), Action::Tell(News::Spent { .. })));
    assert!(matches!(feeding.handle(ASK, at(25 * HOUR)), Action::Write(_)));
}

#[test]
fn without_a_real_device_or_a_record_there_is_no_reboot() {
    let mut unread = Feeding::new(1, None, at(0));
    unread.handle(Event::Armed { every: secs(5), real: true }, at(0));
    assert_eq!(unread.handle(ASK, at(100)), Action::Wait, "the budget is not known");
    let mut file = Feeding::new(1, None, at(0));
    file.handle(Event::Armed { every: secs(5), real: false }, at(0));
    file.handle(EMPTY, at(0));
    file.handle(Event::Recorded(true), at(0));
    assert_eq!(file.handle(ASK, at(100)), Action::Wait, "nothing would reset the board");
    let mut none = Feeding::new(1, None, at(0));
    none.handle(EMPTY, at(0));
    none.handle(Event::Recorded(true), at(0));
    assert_eq!(none.handle(ASK, at(100)), Action::Wait);
}

#[test]
fn a_record_that_fails_means_no_reboot_and_is_not_tried_again_soon() {
    let mut feeding = feeding(1);
    assert!(matches!(feeding.handle(ASK, at(100)), Action::Write(_)));
    assert_eq!(feeding.handle(Event::Recorded(false), at(101)), Action::Tell(News::RebootNotRecorded("media".into())));
    assert_eq!(tick(&mut feeding, at(105)), [Action::Kick]);
    assert_eq!(feeding.handle(ASK, at(700)), Action::Wait);
    assert!(matches!(feeding.handle(ASK, at(701)), Action::Write(_)), "it was not counted");
    assert_eq!(feeding.handle(Event::Recorded(false), at(702)), Action::Wait, "told once");
}

#[test]
fn a_success_or_a_lower_limit_calls_a_reboot_off_while_it_is_being_recorded() {
    for event in [Event::Content, Event::Limit(0)] {
        let mut feeding = feeding(1);
        feeding.handle(ASK, at(100));
        feeding.handle(event, at(101));
        assert_eq!(feeding.handle(Event::Recorded(true), at(102)), Action::Tell(News::CalledOff("media".into())));
        let actions = tick(&mut feeding, at(103));
        let [Action::Kick, Action::Write(record)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((&record.stop, record.reboots.len()), (&boot_record::Stop::Running, 0), "it did not happen");
    }
    let mut feeding = feeding(1);
    feeding.handle(ASK, at(100));
    feeding.handle(Event::Content, at(101));
    feeding.handle(ASK, at(102));
    assert!(matches!(feeding.handle(Event::Recorded(true), at(103)), Action::Starve { .. }), "and asked for again");
}

#[test]
fn a_clean_stop_is_noted_and_disarms() {
    let mut feeding = feeding(1);
    tick(&mut feeding, at(0));
    feeding.handle(Event::Stop, at(1));
    let Action::Write(record) = feeding.handle(Event::Tick, at(1)) else { panic!("not noted") };
    assert_eq!(record.stop, boot_record::Stop::Clean);
    assert_eq!(feeding.handle(Event::Tick, at(2)), Action::Wait);
    assert_eq!(feeding.handle(Event::Recorded(true), at(3)), Action::Wait);
    assert_eq!(feeding.handle(Event::Tick, at(3)), Action::Disarm);
    assert!(feeding.is_over());
    assert_eq!((feeding.handle(Event::Tick, at(100)), feeding.deadline(at(100))), (Action::Wait, None));
}

#[test]
fn a_card_that_hangs_holds_a_stop_up_for_a_moment_only() {
    for asked in [false, true] {
        let mut feeding = feeding(1);
        tick(&mut feeding, at(0));
        if asked {
            assert!(matches!(feeding.handle(ASK, at(0)), Action::Write(_)));
        }
        feeding.handle(Event::Stop, at(1));
        feeding.handle(Event::Tick, at(1));
        assert_eq!(feeding.deadline(at(1)), Some(at(1) + STOP_LIMIT));
        assert_eq!(feeding.handle(Event::Tick, at(1) + STOP_LIMIT), Action::Disarm);
    }
}

#[test]
fn a_stop_while_starving_or_stuck_leaves_the_device_armed() {
    let mut starved = starving(1);
    starved.handle(Event::Stop, at(102));
    assert_eq!(starved.handle(Event::Tick, at(102)), Action::LeaveArmed, "with the reboot on record");
    let mut stuck = Feeding::new(1, None, at(0));
    stuck.handle(Event::Armed { every: secs(5), real: true }, at(0));
    stuck.handle(Event::Stuck, at(1));
    stuck.handle(Event::Stop, at(2));
    assert_eq!(stuck.handle(Event::Tick, at(2)), Action::LeaveArmed);
}

#[test]
fn ages_are_brought_up_to_date_while_a_reboot_counts_and_never_else() {
    let mut calm = feeding(1);
    for hour in 0..60 {
        assert!(!tick(&mut calm, at(hour * HOUR)).iter().any(|action| matches!(action, Action::Write(_))));
    }
    let reboots = vec![Duration::ZERO];
    let record = Record { boot: "a".into(), uptime: at(0), stop: boot_record::Stop::Running, reboots, lost: None };
    let mut feeding = Feeding::new(1, None, Time::default());
    feeding.handle(Event::Opened { found: &Found::Record(record), boot: "b" }, Time::default());
    feeding.handle(Event::Recorded(true), Time::default());
    let mut written = Vec::new();
    while let Some(at) = feeding.deadline(written.last().copied().unwrap_or_default()) {
        if feeding.handle(Event::Tick, at) == Action::Wait {
            assert_eq!(feeding.deadline(at), None, "no waking up for nothing");
            break;
        }
        feeding.handle(Event::Recorded(true), at);
        written.push(at);
    }
    assert_eq!(written, [6, 12, 18, 24].map(|hour| Time(secs(hour * HOUR))));
}

#[test]
fn an_irsync_that_crashes_in_a_loop_writes_once_a_boot() {
    let noted = |boot: &str, stop| {
        Found::Record(Record { boot: boot.into(), uptime: at(0), stop, reboots: Vec::new(), lost: None })
    };
    for (found, boot, writes) in [
        (noted("b", boot_record::Stop::Running), "b", false),
        (noted("b", boot_record::Stop::Clean), "b", true),
        (noted("a", boot_record::Stop::Running), "b", true),
        (noted("", boot_record::Stop::Running), "", true),
    ] {
        let action = Feeding::new(1, None, at(0)).handle(Event::Opened { found: &found, boot }, at(0));
        assert_eq!(matches!(action, Action::Write(_)), writes, "{found:?}");
    }
}

#[test]
fn a_job_whose_sync_may_yet_succeed_neither_asks_nor_is_content() {
    let wish = |job, second, held| Wish { job, after: AFTER, at: at(second), held };
    let weigh = |wishes: &[Wish<'static>]| super::weigh(wishes.iter().copied(), at(100));
    assert_eq!(weigh(&[]), Some(Event::Content));
    assert_eq!(weigh(&[wish("media", 101, false)]), Some(Event::Content));
    assert_eq!(weigh(&[wish("media", 101, false), wish("media", 100, true)]), None);
    assert_eq!(weigh(&[wish("logs", 100, true), wish("media", 100, false)]), Some(ASK));
}

fn explore(world: &World, path: &mut Vec<Event<'static>>, depth: usize, seen: &mut u64, starved: &mut u64) {
    *seen += 1;
    *starved += u64::from(world.starving);
    if world.feeding.is_over() {
        return;
    }
    world.clone().stop_ends(path);
    if depth == 0 {
        return;
    }
    for event in world.possible() {
        let mut next = world.clone();
        path.push(event.clone());
        next.feed(event, path);
        explore(&next, path, depth - 1, seen, starved);
        path.pop();
    }
}

#[test]
fn every_order_of_events_keeps_the_promises() {
    let (mut seen, mut starved) = (0, 0);
    for (limit, notify) in [(1, None), (0, None), (1, Some(secs(5)))] {
        explore(&World::new(limit, notify, at(0)), &mut Vec::new(), 4, &mut seen, &mut starved);
        // A device and a record that was read: from here the way to a reboot is short.
        let mut ready = World::new(limit, notify, at(0));
        for event in [Event::Armed { every: secs(5), real: true }, EMPTY, Event::Recorded(true)] {
            ready.feed(event, &[]);
        }
        explore(&ready, &mut Vec::new(), 5, &mut seen, &mut starved);
    }
    assert!(seen > 100_000, "only {seen} states were visited");
    assert!(starved > 1000, "only {starved} states of them starve");
}

#[test]
fn long_random_walks_keep_the_promises() {
    let mut rng = super::super::backoff::Rng::new(2026);
    let mut starved = 0;
    for seed in 0..400 {
        let mut world = World::new(1, (seed % 2 == 0).then_some(secs(7)), at(0));
        let mut path = Vec::new();
        for _ in 0..300 {
            let mut events = world.possible();
            if rng.draw() % 100 > 1 {
                events.retain(|event| *event != Event::Stop);
            }
            let event = events.swap_remove((rng.draw() % events.len() as u64) as usize);
            path.push(event.clone());
            world.feed(event, &path);
            if world.feeding.is_over() {
                break;
            }
        }
        starved += u64::from(world.starving);
    }
    assert!(starved > 20, "only {starved} walks starve");
}
