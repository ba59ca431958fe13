//! Stories of the state machine, and every order of events to a depth.

use super::super::{Conclusion, Counted, Limits, Pace};
use super::world::{ended, World};
use super::*;
use crate::job::calendar::Gate;
use std::collections::HashSet;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(n: u64) -> Time {
    Time(secs(1_000_000) + secs(n))
}

fn settings() -> Settings {
    Settings {
        repeat: true,
        limits: Limits {
            interval: secs(30),
            jitter: super::super::Jitter::Percent(0),
            activity_timeout: Some(secs(100)),
            max_runtime: None,
            stop_timeout: secs(5),
            spread: Duration::ZERO,
            backoff_initial: Some(secs(5)),
            backoff_max: Some(secs(300)),
            hook_timeout: secs(60),
            recover_after: None,
        },
        reboot_after: None,
        durable: false,
        atomic: false,
        before_publish: false,
        sources: 1,
        deletions: None,
        before: false,
        on_change: false,
        on_failure: false,
        after: false,
    }
}

fn limits() -> Limits {
    settings().limits
}

fn job(settings: Settings) -> Job {
    Job::new(settings, at(0), 42, 0)
}

/// Feeds an event and answers the actions that need no child: begins, concludes.
fn drive(job: &mut Job, event: Event, now: Time) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut event = Some(event);
    while let Some(e) = event.take() {
        let action = job.handle(e, now);
        actions.push(action);
        event = match action {
            Action::Begin => Some(Event::Began { probe: false, verify: false }),
            Action::Start(_) => Some(Event::Started),
            Action::Conclude(_) => Some(Event::Concluded),
            _ => None,
        };
    }
    actions
}

fn conclusion(actions: &[Action]) -> Conclusion {
    let found = actions.iter().find_map(|a| if let Action::Conclude(c) = a { Some(*c) } else { None });
    found.unwrap_or_else(|| panic!("no conclusion in {actions:?}"))
}

fn synced(outcome: Outcome) -> Event {
    Event::Synced { outcome, changed: false, moved: false, written: false, counted: Counted::default() }
}

/// Runs one whole sync with this outcome, starting at `now`, lasting a second.
fn sync(job: &mut Job, outcome: Outcome, now: Time) -> Conclusion {
    assert!(drive(job, Event::SyncNow, now).contains(&Action::Start(Step::Rsync)));
    conclusion(&drive(job, synced(outcome), now + secs(1)))
}

#[test]
fn interval_is_counted_from_the_end_of_a_sync() {
    let mut job = job(settings());
    assert_eq!(job.deadline(), Some(at(0)));
    assert_eq!(drive(&mut job, Event::Tick, at(0)), [Action::Begin, Action::Start(Step::Rsync), Action::Wait]);
    let done = conclusion(&drive(&mut job, synced(Outcome::Success), at(1000)));
    assert_eq!(done.next, Some(secs(30)));
    assert_eq!(job.deadline(), Some(at(1030)));
    assert_eq!(drive(&mut job, Event::Tick, at(1029)), [Action::Wait], "a tick before the deadline is a no-op");
    assert!(drive(&mut job, Event::Tick, at(1030)).contains(&Action::Start(Step::Rsync)));
}

#[test]
fn the_first_sync_comes_within_the_spread_and_at_once_where_there_is_none_or_one_sync_only() {
    let with = Settings { limits: Limits { spread: secs(20), ..limits() }, ..settings() };
    for (phase, second) in [(0, 0), (u64::MAX / 2, 9), (u64::MAX, 20)] {
        let first = Job::new(with.clone(), at(0), 1, phase).deadline().unwrap();
        assert_eq!(first.since(at(0)).as_secs(), second);
    }
    let once = Settings { repeat: false, ..with.clone() };
    assert_eq!(Job::new(once, at(0), 1, u64::MAX).deadline(), Some(at(0)));
    assert_eq!(Job::new(settings(), at(0), 1, u64::MAX).deadline(), Some(at(0)));
    let mut job = Job::new(with, at(0), 1, u64::MAX);
    assert!(drive(&mut job, Event::SyncNow, at(1)).contains(&Action::Start(Step::Rsync)), "`now` does not wait");
}

#[test]
fn what_was_mended_ends_a_wait_but_neither_a_pause_nor_closed_hours_nor_what_runs() {
    let failed = || {
        let mut job = job(settings());
        assert!(sync(&mut job, Outcome::Permanent, at(0)).next > Some(secs(10)));
        job
    };
    let mut waiting = failed();
    assert_eq!(waiting.handle(Event::Mended, at(1)), Action::Wait);
    assert_eq!(waiting.deadline(), Some(at(1)));
    assert_eq!(waiting.handle(Event::Tick, at(1)), Action::Begin);
    assert_eq!(waiting.handle(Event::Mended, at(1)), Action::Wait, "it has begun already");
    let mut paused = failed();
    paused.handle(Event::Pause(true), at(1));
    paused.handle(Event::Mended, at(1));
    assert_eq!(paused.handle(Event::Tick, at(1)), Action::Wait);
    paused.handle(Event::Pause(false), at(2));
    assert_eq!(paused.handle(Event::Tick, at(2)), Action::Begin);
    let mut closed = failed();
    closed.handle(gate(false, 1000), at(1));
    closed.handle(Event::Mended, at(1));
    assert_eq!((closed.handle(Event::Tick, at(1)), closed.deadline()), (Action::Wait, Some(at(1000))));
    let mut due = failed();
    let next = due.deadline();
    due.handle(Event::Mended, at(9_000_000));
    assert_eq!(due.deadline(), next, "nothing is put off");
}

#[test]
fn jitter_is_added_to_every_interval_and_never_exceeded() {
    let jitter = super::super::Jitter::Percent(10);
    let with = Settings { limits: Limits { jitter, ..limits() }, ..settings() };
    let mut job = Job::new(with, at(0), 1, 0);
    let mut waits = HashSet::new();
    for n in 0..100 {
        let next = sync(&mut job, Outcome::Success, at(100 * n)).next.unwrap();
        assert!((secs(30)..=secs(33)).contains(&next), "{next:?}");
        waits.insert(next);
    }
    assert!(waits.len() > 90, "not random: {} different waits of 100", waits.len());
}

#[test]
fn failures_back_off_exponentially_with_full_jitter_and_success_resets() {
    let mut longest = [Duration::ZERO; 8];
    let mut shortest = [Duration::MAX; 8];
    for seed in 0..500 {
        let mut job = Job::new(settings(), at(0), seed, 0);
        for n in 0..8usize {
            let c = sync(&mut job, Outcome::Transient, at(1000 * n as u64));
            assert_eq!(c.failures as usize, n + 1);
            longest[n] = longest[n].max(c.next.unwrap());
            shortest[n] = shortest[n].min(c.next.unwrap());
        }
        assert_eq!(sync(&mut job, Outcome::Success, at(9000)).next, Some(secs(30)));
        let c = sync(&mut job, Outcome::Busy, at(9100));
        assert!(c.next.unwrap() <= secs(5) && c.failures == 1, "back-off was not reset: {c:?}");
    }
    for (n, ceiling) in [5u64, 10, 20, 40, 80, 160, 300, 300].into_iter().enumerate() {
        assert!(longest[n] <= secs(ceiling) && longest[n] > secs(ceiling) * 9 / 10, "{n}: {:?}", longest[n]);
        assert!(shortest[n] < secs(ceiling) / 10, "{n}: {:?} is not full jitter", shortest[n]);
    }
}

#[test]
fn without_keys_a_server_that_was_asked_is_left_alone_for_an_interval_and_one_that_was_not_is_tried_again_soon() {
    let polite = Settings { limits: Limits { backoff_initial: None, backoff_max: None, ..limits() }, ..settings() };
    let wait = |unreached: bool, outcome: Outcome, moved: bool| {
        let mut job = job(polite.clone());
        drive(&mut job, Event::Tick, at(0));
        if unreached {
            drive(&mut job, Event::Unreached, at(1));
        }
        conclusion(&drive(
            &mut job,
            Event::Synced { outcome, changed: false, moved, written: false, counted: Counted::default() },
            at(1),
        ))
        .next
        .unwrap()
    };
    for outcome in [Outcome::Busy, Outcome::Transient, Outcome::Stalled, Outcome::Disk] {
        assert!((secs(30)..=secs(45)).contains(&wait(false, outcome, false)), "{outcome}");
    }
    assert!(wait(true, Outcome::Transient, false) <= secs(5), "it cost the server nothing");
    assert!(wait(false, Outcome::Stalled, true) <= secs(5), "it has moved data, and goes on with it");
    assert!(wait(false, Outcome::Disk, true) >= secs(30), "the disk is as full in a moment");
    assert!(wait(false, Outcome::Permanent, false) >= secs(300));

    let mut refused = job(polite);
    drive(&mut refused, Event::Tick, at(0));
    let next = conclusion(&sync_refused(&mut refused)).next.unwrap();
    assert!(next <= secs(5), "a guard said no: {next:?}");
}

fn sync_refused(job: &mut Job) -> Vec<Action> {
    drive(job, synced(Outcome::Success), at(1));
    assert_eq!(job.handle(Event::SyncNow, at(2)), Action::Begin);
    drive(job, Event::Refused, at(2))
}

#[test]
fn every_outcome_is_followed_by_its_wait() {
    for outcome in Outcome::ALL {
        let mut job = job(settings());
        let next = if outcome == Outcome::Skipped {
            job.handle(Event::SyncNow, at(0));
            conclusion(&drive(&mut job, Event::Refused, at(0))).next.unwrap()
        } else {
            sync(&mut job, outcome, at(0)).next.unwrap()
        };
        match outcome.pace() {
            Pace::Interval if outcome == Outcome::Partial => assert_eq!(next, secs(60), "it brought nothing"),
            Pace::Interval => assert_eq!(next, secs(30), "{outcome}"),
            Pace::Backoff => assert!(next <= secs(5), "{outcome}: {next:?}"),
            Pace::LongestBackoff => assert_eq!(next, secs(300), "{outcome}"),
        }
    }
}

#[test]
fn partial_backs_off_only_while_it_brings_nothing_new() {
    let mut job = job(settings());
    let mut partial = |changed: bool, moved: bool| {
        drive(&mut job, Event::SyncNow, at(100));
        conclusion(&drive(
            &mut job,
            Event::Synced { outcome: Outcome::Partial, changed, moved, written: moved, counted: Counted::default() },
            at(101),
        ))
    };
    let waits =
        [(true, 30), (true, 30), (false, 60), (false, 120), (false, 240), (false, 300), (false, 300), (true, 30)];
    for (n, (changed, wait)) in (1..).zip(waits) {
        let c = partial(changed, n % 2 == 0);
        assert_eq!((c.failures, c.next), (n, Some(secs(wait))), "sync {n}");
    }
    assert_eq!(partial(false, true).next, Some(secs(60)), "what is fetched and refused again is no news");
    sync(&mut job, Outcome::Success, at(200));
    assert_eq!(sync(&mut job, Outcome::Partial, at(300)).next, Some(secs(60)));
    let mut rare =
        Job::new(Settings { limits: Limits { interval: secs(3600), ..limits() }, ..settings() }, at(0), 1, 0);
    for _ in 0..3 {
        assert_eq!(sync(&mut rare, Outcome::Partial, at(0)).next, Some(secs(3600)), "never sooner than in peace");
    }
}

#[test]
fn silent_child_is_terminated_then_killed_then_retried() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.handle(Event::Tick, at(100)), Action::Sample, "never killed on old knowledge");
    assert_eq!(job.handle(Event::Sampled(false), at(100)), Action::Terminate(Cause::NoProgress(secs(100))));
    assert_eq!(job.handle(Event::Tick, at(104)), Action::Wait);
    assert_eq!(job.deadline(), Some(at(105)));
    assert_eq!(job.handle(Event::Tick, at(105)), Action::Kill);
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(106)));
    assert_eq!((c.outcome, c.cause), (Outcome::Stalled, Some(Cause::NoProgress(secs(100)))));
    assert!(c.next.unwrap() <= secs(5));
}

#[test]
fn output_and_reading_count_as_progress() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    job.handle(Event::Activity, at(90));
    assert_eq!(job.handle(Event::Tick, at(100)), Action::Sample);
    assert_eq!(job.handle(Event::Sampled(false), at(100)), Action::Wait);
    assert_eq!(job.handle(Event::Sampled(true), at(180)), Action::Wait);
    assert_eq!(job.handle(Event::Sampled(false), at(279)), Action::Wait);
    assert!(matches!(job.handle(Event::Sampled(false), at(280)), Action::Terminate(_)));
}

#[test]
fn limit_that_strikes_again_and_again_doubles_to_the_cap_and_falls_back_on_success() {
    let mut job = job(Settings { limits: Limits { activity_timeout: Some(secs(1000)), ..limits() }, ..settings() });
    let mut now = at(0);
    for expected in [1000, 2000, 4000, 7200, 7200] {
        assert_eq!(job.activity_limit(), Some(secs(expected)));
        drive(&mut job, Event::SyncNow, now);
        now = now + secs(expected);
        assert_eq!(job.handle(Event::Sampled(false), now), Action::Terminate(Cause::NoProgress(secs(expected))));
        drive(&mut job, synced(Outcome::Transient), now);
    }
    sync(&mut job, Outcome::Success, now);
    assert_eq!(job.activity_limit(), Some(secs(1000)));
    job.settings.limits.activity_timeout = Some(secs(10_000));
    job.stalls = 3;
    assert_eq!(job.activity_limit(), Some(secs(10_000)), "a larger configured value is its own cap");
}

#[test]
fn a_fallback_is_asked_at_once_and_back_off_begins_when_all_have_failed() {
    let mut job = job(Settings { sources: 2, ..settings() });
    assert!(drive(&mut job, Event::Tick, at(0)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.source(), 0);
    assert!(drive(&mut job, synced(Outcome::Transient), at(1)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.source(), 1);
    let c = conclusion(&drive(&mut job, synced(Outcome::Permanent), at(2)));
    assert_eq!((c.outcome, c.failures), (Outcome::Transient, 1));
    assert!(drive(&mut job, Event::SyncNow, at(10)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.source(), 0);
    drive(&mut job, synced(Outcome::Busy), at(11));
    assert_eq!(job.source(), 1);
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Success), at(12))).failures, 0);
    assert!(drive(&mut job, Event::SyncNow, at(20)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.source(), 1, "the one that worked");
    let moved = Event::Synced {
        outcome: Outcome::Transient,
        changed: false,
        moved: true,
        written: true,
        counted: Counted::default(),
    };
    assert_eq!(conclusion(&drive(&mut job, moved, at(21))).outcome, Outcome::Transient, "it resumes from the same one");
    drive(&mut job, Event::SyncNow, at(22));
    assert_eq!(drive(&mut job, Event::Stop, at(23)), [Action::Terminate(Cause::Stop)]);
    assert_eq!(drive(&mut job, synced(Outcome::Transient), at(23)), [Action::Exit], "no other source is asked");
}

fn gate(open: bool, opens: u64) -> Event {
    let gate = Gate { open, opens: at(opens), again: at(opens) };
    Event::Clock { gate: Some(gate), slower: false }
}

#[test]
fn a_window_holds_syncs_back_and_ends_what_meets_its_end() {
    let mut job = job(settings());
    assert_eq!(job.handle(gate(false, 1000), at(0)), Action::Wait);
    assert_eq!((job.handle(Event::Tick, at(0)), job.deadline()), (Action::Wait, Some(at(1000))));
    assert_eq!(job.next_sync(), Some(at(1000)));
    assert_eq!(job.handle(gate(true, 2000), at(1000)), Action::Wait);
    assert!(drive(&mut job, Event::Tick, at(1000)).contains(&Action::Start(Step::Rsync)));
    assert!(job.deadline().is_some_and(|at_most| at_most <= at(2000)), "the border is looked for");
    assert_eq!(job.handle(gate(false, 9000), at(2000)), Action::Terminate(Cause::Window));
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(2001)));
    assert_eq!((c.outcome, c.cause, c.failures), (Outcome::Skipped, Some(Cause::Window), 0));
    assert_eq!((c.next, job.next_sync()), (Some(secs(6999)), Some(at(9000))));
    assert_eq!(job.handle(Event::Tick, at(5000)), Action::Wait);
    job.handle(gate(true, 9900), at(9000));
    assert!(drive(&mut job, Event::Tick, at(9000)).contains(&Action::Start(Step::Rsync)), "resumed at once");
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Success), at(9001))).next, Some(secs(30)));
}

#[test]
fn what_the_owner_asks_for_runs_in_a_closed_window_and_once_knows_none() {
    let mut job = job(settings());
    job.handle(gate(false, 1000), at(0));
    assert!(drive(&mut job, Event::SyncNow, at(1)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.handle(gate(false, 1000), at(2)), Action::Wait);
    drive(&mut job, synced(Outcome::Success), at(3));
    assert_eq!(job.handle(Event::Tick, at(100)), Action::Wait, "the next one waits");
    let mut once = super::tests::job(Settings { repeat: false, ..settings() });
    once.handle(gate(false, 1000), at(0));
    assert!(drive(&mut once, Event::Tick, at(0)).contains(&Action::Start(Step::Rsync)));
}

#[test]
fn a_limit_that_falls_starts_rsync_again_at_once() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    let slower = Event::Clock { gate: None, slower: true };
    assert_eq!(job.handle(slower.clone(), at(50)), Action::Terminate(Cause::Slower));
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(51)));
    assert_eq!((c.cause, c.next, c.failures), (Some(Cause::Slower), Some(Duration::ZERO), 0));
    assert_eq!(job.handle(slower, at(51)), Action::Wait, "nothing runs");
    assert!(drive(&mut job, Event::Tick, at(51)).contains(&Action::Start(Step::Rsync)));
}

#[test]
fn hours_in_which_the_window_was_closed_bring_no_recovery_and_no_reboot() {
    let mut job = climbing(1000, 2000);
    job.handle(gate(false, 50_000), at(0));
    assert_eq!(job.handle(Event::Tick, at(40_000)), Action::Wait);
    assert_eq!(job.reboot().0, None);
    job.handle(gate(true, 90_000), at(50_000));
    assert!(drive(&mut job, Event::Tick, at(50_000)).contains(&Action::Start(Step::Rsync)));
    drive(&mut job, synced(Outcome::Transient), at(50_001));
    assert_eq!(job.reboot().0, Some(at(52_000)), "counted from the opening");
}

#[test]
fn a_question_that_nobody_answers_ends_rsync_at_once_and_is_permanent() {
    let mut job = job(settings());
    assert_eq!(job.handle(Event::Asked, at(0)), Action::Wait, "nothing runs");
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.handle(Event::Asked, at(1)), Action::Terminate(Cause::Asks));
    assert_eq!(job.handle(Event::Asked, at(1)), Action::Wait, "once is enough");
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(2)));
    assert_eq!((c.outcome, c.cause, c.next), (Outcome::Permanent, Some(Cause::Asks), Some(secs(300))));
}

#[test]
fn limit_grows_only_after_runs_that_moved_no_file_data() {
    let mut job = job(settings());
    let stall = |job: &mut Job, moved: bool, expected: u64| {
        drive(job, Event::SyncNow, at(0));
        let why = Cause::NoProgress(secs(expected));
        assert_eq!(job.handle(Event::Sampled(false), at(expected)), Action::Terminate(why));
        drive(
            job,
            Event::Synced {
                outcome: Outcome::Transient,
                changed: false,
                moved,
                written: true,
                counted: Counted::default(),
            },
            at(expected),
        );
    };
    for (moved, limit) in [(true, 100), (true, 100), (false, 100), (false, 200), (true, 400), (false, 100), (true, 200)]
    {
        stall(&mut job, moved, limit);
    }
    // A run that was not ended by us counts as well, if it moved data: its list was through.
    stall(&mut job, false, 100);
    assert_eq!(job.activity_limit(), Some(secs(200)));
    sync(&mut job, Outcome::Transient, at(0));
    assert_eq!(job.activity_limit(), Some(secs(200)), "it moved nothing: the count is kept");
    drive(&mut job, Event::SyncNow, at(0));
    drive(
        &mut job,
        Event::Synced {
            outcome: Outcome::Transient,
            changed: false,
            moved: true,
            written: true,
            counted: Counted::default(),
        },
        at(1),
    );
    assert_eq!(job.activity_limit(), Some(secs(100)));
}

#[test]
fn activity_timeout_off_never_strikes_and_max_runtime_does() {
    let mut job = job(Settings {
        limits: Limits { activity_timeout: None, max_runtime: Some(secs(500)), ..limits() },
        ..settings()
    });
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.deadline(), Some(at(500)));
    assert_eq!(job.handle(Event::Tick, at(500)), Action::Terminate(Cause::TooLong(secs(500))));
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(501)));
    assert_eq!(c.outcome, Outcome::Stalled);
    let mut job = super::tests::job(Settings { limits: Limits { activity_timeout: None, ..limits() }, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.deadline(), None, "nothing to wake up for");
}

#[test]
fn max_runtime_is_of_a_whole_sync_with_all_its_passes_and_sources() {
    let limits = Limits { activity_timeout: None, max_runtime: Some(secs(500)), ..limits() };
    let ended_at = |settings: Settings, first: Event| {
        let mut job = job(Settings { limits: limits.clone(), before: true, ..settings });
        drive(&mut job, Event::Tick, at(0));
        // What hooks take is not counted.
        drive(&mut job, Event::Exited(true), at(50));
        assert!(drive(&mut job, first, at(450)).contains(&Action::Start(Step::Rsync)), "another rsync");
        assert_eq!((job.deadline(), job.handle(Event::Tick, at(549))), (Some(at(550)), Action::Wait));
        assert_eq!(job.handle(Event::Tick, at(550)), Action::Terminate(Cause::TooLong(secs(500))));
        let ended = conclusion(&drive(&mut job, synced(Outcome::Transient), at(551)));
        assert_eq!(ended.outcome, Outcome::Stalled);
        // The next one has all of it again.
        let next = job.next_sync().unwrap();
        drive(&mut job, Event::Tick, next);
        drive(&mut job, Event::Exited(true), next);
        assert_eq!(job.deadline(), Some(next + secs(500)));
    };
    ended_at(deleting(), ended(Outcome::Held, 3));
    ended_at(Settings { sources: 2, ..settings() }, synced(Outcome::Transient));
}

#[test]
fn success_in_the_moment_of_the_limit_is_a_success() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    job.handle(Event::Sampled(false), at(100));
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Success), at(100))).outcome, Outcome::Success);
}

#[test]
fn stop_ends_a_waiting_job_at_once_and_a_running_one_within_the_limit() {
    let mut waiting = job(settings());
    assert_eq!(waiting.handle(Event::Stop, at(0)), Action::Exit);
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.handle(Event::Stop, at(10)), Action::Terminate(Cause::Stop));
    assert_eq!(job.deadline(), Some(at(15)));
    assert_eq!(job.handle(Event::Tick, at(15)), Action::Kill);
    assert_eq!(drive(&mut job, synced(Outcome::Transient), at(15)), [Action::Exit]);
}

#[test]
fn second_stop_kills_at_once() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    job.handle(Event::Stop, at(1));
    assert_eq!(job.handle(Event::Stop, at(2)), Action::Kill);
}

#[test]
fn child_that_survives_sigkill_is_reported_and_never_joined_by_a_second() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    job.handle(Event::Sampled(false), at(100));
    job.handle(Event::Tick, at(105));
    assert_eq!(job.handle(Event::Tick, at(110)), Action::ReportUnkillable);
    assert_eq!(job.deadline(), None);
    for event in [Event::Tick, Event::SyncNow, Event::Activity] {
        assert_eq!(job.handle(event, at(9999)), Action::Wait);
    }
    let mut stopped = job.clone();
    assert_eq!(stopped.handle(Event::Stop, at(9999)), Action::Exit, "stopping does not wait for it");
    assert!(drive(&mut job, synced(Outcome::Transient), at(10_000)).iter().any(|a| matches!(a, Action::Conclude(_))));
}

#[test]
fn hooks_run_in_order_and_a_refusing_run_before_skips_the_sync() {
    let all = Settings { before: true, on_change: true, on_failure: true, after: true, ..settings() };
    let mut job = job(all);
    assert!(drive(&mut job, Event::Tick, at(0)).contains(&Action::Start(Step::Before)));
    assert!(drive(&mut job, Event::Exited(true), at(1)).contains(&Action::Start(Step::Rsync)));
    let actions = drive(
        &mut job,
        Event::Synced {
            outcome: Outcome::Held,
            changed: true,
            moved: false,
            written: true,
            counted: Counted::default(),
        },
        at(2),
    );
    assert!(actions.contains(&Action::Start(Step::OnChange)), "{actions:?}");
    assert!(drive(&mut job, Event::Exited(true), at(3)).contains(&Action::Start(Step::OnFailure)));
    assert!(drive(&mut job, Event::Exited(true), at(4)).contains(&Action::Start(Step::After)));
    assert_eq!(drive(&mut job, Event::Exited(true), at(5)), [Action::Wait]);
    assert_eq!(job.deadline(), Some(at(32)), "the interval counts from rsync's end");

    drive(&mut job, Event::Tick, at(32));
    let actions = drive(&mut job, Event::Exited(false), at(33));
    assert_eq!(conclusion(&actions).outcome, Outcome::Skipped);
    assert!(!actions.contains(&Action::Start(Step::OnFailure)), "it has been told of this outage");
    assert_eq!(actions.last(), Some(&Action::Wait), "no run_after without run_before");

    let next = job.deadline().unwrap();
    drive(&mut job, Event::Tick, next);
    drive(&mut job, Event::Exited(true), next);
    let actions = drive(&mut job, synced(Outcome::Success), next);
    assert!(actions.contains(&Action::Start(Step::OnFailure)), "the outage is over: {actions:?}");
}

#[test]
fn change_in_a_failed_sync_is_not_forgotten_by_run_on_change() {
    let mut job = job(Settings { on_change: true, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    let actions = drive(
        &mut job,
        Event::Synced {
            outcome: Outcome::Transient,
            changed: true,
            moved: false,
            written: true,
            counted: Counted::default(),
        },
        at(1),
    );
    assert!(!actions.contains(&Action::Start(Step::OnChange)), "the set is half way: {actions:?}");
    drive(&mut job, Event::SyncNow, at(2));
    let actions = drive(&mut job, synced(Outcome::Success), at(3));
    assert!(actions.contains(&Action::Start(Step::OnChange)), "{actions:?}");
    drive(&mut job, Event::Exited(true), at(4));
    drive(&mut job, Event::SyncNow, at(5));
    assert!(!drive(&mut job, synced(Outcome::Success), at(6)).contains(&Action::Start(Step::OnChange)));
}

#[test]
fn run_on_change_follows_complete_sets_only() {
    for outcome in Outcome::ALL {
        let mut job = job(Settings { on_change: true, ..settings() });
        drive(&mut job, Event::Tick, at(0));
        let actions = drive(
            &mut job,
            Event::Synced { outcome, changed: true, moved: false, written: true, counted: Counted::default() },
            at(1),
        );
        let complete = matches!(outcome, Outcome::Success | Outcome::Warning | Outcome::Held);
        assert_eq!(actions.contains(&Action::Start(Step::OnChange)), complete, "{outcome}");
        drive(&mut job, Event::Exited(true), at(2));
        drive(&mut job, Event::SyncNow, at(3));
        let later = drive(&mut job, synced(Outcome::Success), at(4));
        assert_eq!(later.contains(&Action::Start(Step::OnChange)), !complete, "after {outcome}");
    }
}

#[test]
fn run_on_change_is_asked_for_again_until_it_succeeds() {
    let mut job = job(Settings { on_change: true, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    drive(
        &mut job,
        Event::Synced {
            outcome: Outcome::Success,
            changed: true,
            moved: false,
            written: true,
            counted: Counted::default(),
        },
        at(1),
    );
    drive(&mut job, Event::Exited(false), at(2));
    let mut asked = |now: u64, outcome: Outcome, ok: bool| {
        drive(&mut job, Event::Tick, at(now));
        let actions = drive(&mut job, synced(outcome), at(now));
        let asked = actions.contains(&Action::Start(Step::OnChange));
        if asked {
            drive(&mut job, Event::Exited(ok), at(now));
        }
        (asked, conclusion(&actions).changed)
    };
    assert_eq!(asked(31, Outcome::Success, false), (true, false), "nothing changed in this one");
    assert_eq!(asked(61, Outcome::Success, false), (false, false), "twice the interval by now");
    assert_eq!(asked(91, Outcome::Transient, false), (false, false), "not on half a set");
    assert_eq!(asked(400, Outcome::Warning, true), (true, false));
    assert_eq!(asked(900, Outcome::Success, true), (false, false));
}

fn durable() -> Settings {
    Settings { durable: true, on_change: true, ..settings() }
}

const FLUSH: Action = Action::Start(Step::Flush);

#[test]
fn a_change_is_flushed_before_it_is_told_and_no_change_is_not_flushed() {
    let mut job = job(durable());
    // Nobody knows what an irsync before this one has left.
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(drive(&mut job, synced(Outcome::Success), at(1)), [FLUSH, Action::Wait]);
    assert!(conclusion(&drive(&mut job, Event::Exited(true), at(2))).outcome.is_success());

    drive(&mut job, Event::SyncNow, at(10));
    assert!(conclusion(&drive(&mut job, synced(Outcome::Success), at(11))).outcome.is_success());

    for outcome in Outcome::ALL {
        drive(&mut job, Event::SyncNow, at(20));
        let actions = drive(
            &mut job,
            Event::Synced { outcome, changed: true, moved: true, written: true, counted: Counted::default() },
            at(21),
        );
        assert_eq!(actions.contains(&FLUSH), outcome.pace() == Pace::Interval, "{outcome}: {actions:?}");
        let told = if actions.contains(&FLUSH) { drive(&mut job, Event::Exited(true), at(22)) } else { actions };
        assert_eq!(conclusion(&told).outcome, outcome);
        drive(&mut job, Event::Exited(true), at(23));
    }
}

#[test]
fn what_a_failed_sync_or_a_failed_flush_has_left_is_flushed_by_the_next_success() {
    let mut job = job(durable());
    drive(&mut job, Event::Tick, at(0));
    drive(
        &mut job,
        Event::Synced {
            outcome: Outcome::Transient,
            changed: false,
            moved: false,
            written: true,
            counted: Counted::default(),
        },
        at(1),
    );
    drive(&mut job, Event::SyncNow, at(2));
    assert!(drive(&mut job, synced(Outcome::Success), at(3)).contains(&FLUSH));
    let failed = conclusion(&drive(&mut job, Event::Exited(false), at(4)));
    assert_eq!((failed.outcome, failed.failures), (Outcome::Disk, 2));
    drive(&mut job, Event::SyncNow, at(5));
    assert!(drive(&mut job, synced(Outcome::Success), at(6)).contains(&FLUSH));
    assert!(conclusion(&drive(&mut job, Event::Exited(true), at(7))).outcome.is_success());
}

#[test]
fn a_new_set_is_flushed_then_looked_at_then_shown_and_only_then_told() {
    let mut job = job(Settings { atomic: true, before_publish: true, durable: false, on_change: true, ..settings() });
    let changed =
        |outcome| Event::Synced { outcome, changed: true, moved: true, written: true, counted: Counted::default() };
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(drive(&mut job, changed(Outcome::Success), at(1)), [FLUSH, Action::Wait], "even without durable");
    assert_eq!(drive(&mut job, Event::Exited(true), at(2)), [Action::Start(Step::BeforePublish), Action::Wait]);
    assert_eq!(drive(&mut job, Event::Exited(true), at(3)), [Action::Start(Step::Publish), Action::Wait]);
    let told = drive(&mut job, Event::Exited(true), at(4));
    assert_eq!(conclusion(&told).outcome, Outcome::Success);
    assert!(told.contains(&Action::Start(Step::OnChange)));
    drive(&mut job, Event::Exited(true), at(5));

    // Refused: the old set stays, and nobody is told of a change.
    drive(&mut job, Event::SyncNow, at(10));
    drive(&mut job, changed(Outcome::Success), at(11));
    drive(&mut job, Event::Exited(true), at(12));
    let told = drive(&mut job, Event::Exited(false), at(13));
    assert_eq!(conclusion(&told).outcome, Outcome::Skipped);
    assert!(!told.contains(&Action::Start(Step::OnChange)));

    // Part of a set is nothing.
    drive(&mut job, Event::SyncNow, at(20));
    let told = drive(&mut job, changed(Outcome::Partial), at(21));
    assert_eq!(conclusion(&told).outcome, Outcome::Partial);
    assert!(!told.contains(&Action::Start(Step::OnChange)) && !told.contains(&FLUSH), "{told:?}");

    // Nothing has changed: nothing is shown.
    drive(&mut job, Event::SyncNow, at(30));
    assert!(conclusion(&drive(&mut job, synced(Outcome::Success), at(31))).outcome.is_success());
}

#[test]
fn a_rollback_ends_the_sync_that_runs_shows_the_set_before_and_pauses_until_resume() {
    let atomic = Settings { atomic: true, before_publish: true, durable: true, on_change: true, ..settings() };
    let changed = Event::Synced {
        outcome: Outcome::Success,
        changed: true,
        moved: true,
        written: true,
        counted: Counted::default(),
    };
    const ROLLBACK: Action = Action::Start(Step::Rollback);
    // Where the sync is when the order comes, by what has happened in it, and what ends that.
    let ways = [
        (vec![], None),
        (vec![Event::Tick], Some(synced(Outcome::Transient))),
        // It had succeeded before it got the signal.
        (vec![Event::Tick], Some(changed.clone())),
        (vec![Event::Tick, changed.clone()], Some(Event::Exited(true))),
        (vec![Event::Tick, changed.clone(), Event::Exited(true)], Some(Event::Exited(true))),
    ];
    for (before, end) in ways {
        let mut job = job(atomic.clone());
        before.into_iter().for_each(|event| drop(drive(&mut job, event, at(0))));
        assert!(job.may_roll_back());
        let mut actions = drive(&mut job, Event::Rollback, at(1));
        if let Some(end) = end {
            assert!(!actions.contains(&ROLLBACK), "beside what runs: {actions:?}");
            actions = drive(&mut job, end, at(2));
            // A new set that is whole is brought to the disk before it is seen that nobody wants it.
            if actions.contains(&FLUSH) {
                actions = drive(&mut job, Event::Exited(true), at(2));
            }
            assert_eq!(conclusion(&actions).cause, Some(Cause::Rollback));
        }
        assert_eq!(actions[actions.len() - 2..], [ROLLBACK, Action::Wait], "{actions:?}");
        let told = drive(&mut job, Event::Exited(true), at(3));
        assert_eq!(told, [Action::Start(Step::OnChange), Action::Wait], "a player has to know");
        drive(&mut job, Event::Exited(true), at(4));
        assert!(job.is_paused() && job.deadline().is_none());
        assert_eq!(drive(&mut job, Event::Resume, at(90)), [Action::Start(Step::Resume), Action::Wait]);
        assert_eq!(drive(&mut job, Event::Exited(true), at(91)), [Action::Wait]);
        assert!(drive(&mut job, Event::Tick, at(91)).contains(&Action::Begin), "at once: it was due long ago");
    }
    // While a new set is being shown nobody knows which one is meant; without sets there is none before.
    let mut job = job(Settings { before_publish: false, ..atomic.clone() });
    for event in [Event::Tick, changed, Event::Exited(true)] {
        drive(&mut job, event, at(0));
    }
    assert!(!job.may_roll_back());
    drive(&mut job, Event::Exited(true), at(1));
    assert!(job.may_roll_back(), "run_on_change runs");
    assert!(!super::Job::new(settings(), at(0), 1, 0).may_roll_back());
}

#[test]
fn a_rollback_that_failed_leaves_everything_as_it_was() {
    let mut job = job(Settings { atomic: true, on_change: true, ..settings() });
    drive(&mut job, Event::Rollback, at(0));
    assert_eq!(drive(&mut job, Event::Exited(false), at(1)), [Action::Wait]);
    assert!(!job.is_paused());
    // It was done in the moment in which the limit struck: what is done is done.
    drive(&mut job, Event::Rollback, at(2));
    drive(&mut job, Event::Tick, at(2 + 3600));
    drive(&mut job, Event::Exited(true), at(2 + 3600));
    drive(&mut job, Event::Exited(true), at(2 + 3600));
    assert!(job.is_paused());
}

#[test]
fn a_sync_that_compares_contents_has_two_hours_of_silence_and_is_noted() {
    let mut job = job(settings());
    job.handle(Event::Tick, at(0));
    job.handle(Event::Began { probe: false, verify: true }, at(0));
    job.handle(Event::Started, at(0));
    assert_eq!(job.activity_limit(), Some(secs(7200)));
    assert_eq!(job.handle(Event::Sampled(false), at(7199)), Action::Wait, "a server that reads slowly is not killed");
    let mut hangs = job.clone();
    assert!(matches!(hangs.handle(Event::Sampled(false), at(7200)), Action::Terminate(_)), "one that hangs is");
    assert_eq!(drive(&mut job, synced(Outcome::Success), at(7199)), [FLUSH, Action::Wait], "the moment is noted");
    assert!(conclusion(&drive(&mut job, Event::Exited(true), at(7200))).outcome.is_success());
    drive(&mut job, Event::SyncNow, at(8000));
    assert_eq!(job.activity_limit(), Some(secs(100)));
}

#[test]
fn what_rsync_has_left_is_removed_after_the_flush_and_before_the_sync_is_told() {
    const TIDY: Action = Action::Start(Step::Tidy);
    for ok in [true, false] {
        let mut job = job(durable());
        drive(&mut job, Event::Tick, at(0));
        assert_eq!(job.handle(Event::Untidy, at(1)), Action::Wait);
        assert!(drive(&mut job, synced(Outcome::Success), at(1)).ends_with(&[FLUSH, Action::Wait]));
        assert_eq!(drive(&mut job, Event::Exited(true), at(2)), [TIDY, Action::Wait]);
        assert_eq!(conclusion(&drive(&mut job, Event::Exited(ok), at(3))).outcome, Outcome::Success);
        assert!(!drive(&mut job, Event::SyncNow, at(4)).contains(&TIDY));
        assert_eq!(job.handle(Event::Untidy, at(5)), Action::Wait);
        assert!(drive(&mut job, synced(Outcome::Disk), at(5)).contains(&TIDY));
        assert_eq!(conclusion(&drive(&mut job, Event::Exited(ok), at(6))).outcome, Outcome::Disk);
    }
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    job.handle(Event::Untidy, at(1));
    drive(&mut job, Event::Stop, at(1));
    assert_eq!(drive(&mut job, synced(Outcome::Transient), at(2)), [Action::Exit], "a stop does not wait for it");
}

#[test]
fn flush_that_hangs_has_the_limit_of_activity_and_a_stop_does_not_wait_for_it() {
    let mut job = job(durable());
    drive(&mut job, Event::Tick, at(0));
    drive(&mut job, synced(Outcome::Success), at(10));
    assert_eq!(job.deadline(), Some(at(110)));
    assert_eq!(job.handle(Event::Tick, at(109)), Action::Wait);
    let mut stopped = job.clone();
    assert_eq!(stopped.handle(Event::Stop, at(20)), Action::Terminate(Cause::Stop));
    assert_eq!(drive(&mut stopped, Event::Exited(true), at(20)), [Action::Exit], "no success is told");
    assert_eq!(job.handle(Event::Tick, at(110)), Action::Terminate(Cause::TooLong(secs(100))));
    assert_eq!(job.handle(Event::Tick, at(115)), Action::Kill);
    assert_eq!(job.handle(Event::Tick, at(120)), Action::ReportUnkillable);
    assert_eq!(conclusion(&drive(&mut job, Event::Exited(false), at(900))).outcome, Outcome::Disk);
}

#[test]
fn hook_that_hangs_is_ended_as_rsync_would_be() {
    let mut job = job(Settings { before: true, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.deadline(), Some(at(60)));
    assert_eq!(job.handle(Event::Tick, at(60)), Action::Terminate(Cause::TooLong(secs(60))));
    assert_eq!(job.handle(Event::Tick, at(65)), Action::Kill);
    let c = conclusion(&drive(&mut job, Event::Exited(true), at(65)));
    assert_eq!(c.outcome, Outcome::Skipped, "a killed run_before has not said yes");
}

#[test]
fn recover_runs_each_period_without_success_and_never_while_rsync_runs() {
    let mut job = job(Settings {
        limits: Limits { recover_after: Some(secs(1000)), backoff_max: Some(secs(5)), ..limits() },
        ..settings()
    });
    let (mut recovered, mut now) = (Vec::new(), at(0));
    while now < at(3500) {
        now = now.max(job.deadline().unwrap());
        for action in drive(&mut job, Event::Tick, now) {
            match action {
                Action::Start(Step::Rsync) => {
                    drive(&mut job, synced(Outcome::Transient), now + secs(3));
                    now = now + secs(3);
                }
                Action::Start(Step::Recover) => {
                    recovered.push(now.since(at(0)).as_secs());
                    drive(&mut job, Event::Exited(false), now + secs(1));
                }
                _ => {}
            }
        }
    }
    assert_eq!(recovered.len(), 3, "{recovered:?}");
    for (n, second) in recovered.iter().enumerate() {
        assert!((1000..1010).contains(&(second - 1000 * n as u64)), "{recovered:?}");
    }
    sync(&mut job, Outcome::Success, now);
    assert_eq!(job.ladder.recover_at(), Some(now + secs(1001)));
}

fn climbing(recover: u64, reboot: u64) -> Job {
    let limits = Limits { activity_timeout: None, recover_after: Some(secs(recover)), ..limits() };
    job(Settings { limits, reboot_after: Some(secs(reboot)), ..settings() })
}

/// At `now` rsync has moved so much file data, and its output is looked at.
fn moved(job: &mut Job, files: u64, bytes: u64, now: Time) {
    assert_eq!(job.handle(Event::Activity, now), Action::Wait);
    assert_eq!(job.handle(Event::Moved { files, bytes }, now), Action::Wait);
}

#[test]
fn sync_that_only_drips_is_ended_for_run_recover() {
    let mut job = climbing(1000, 9000);
    drive(&mut job, Event::Tick, at(0));
    for second in (60..1000).step_by(60) {
        moved(&mut job, 0, second, at(second));
    }
    assert_eq!(job.deadline(), Some(at(1000)));
    assert_eq!(job.handle(Event::Tick, at(1000)), Action::Sample, "never on old knowledge");
    assert_eq!(job.handle(Event::Sampled(true), at(1000)), Action::Terminate(Cause::NoSuccess(secs(1000))));
    let c = conclusion(&drive(&mut job, synced(Outcome::Transient), at(1001)));
    assert_eq!((c.outcome, c.cause), (Outcome::Stalled, Some(Cause::NoSuccess(secs(1000)))));
    assert!(drive(&mut job, Event::Tick, at(1001)).contains(&Action::Start(Step::Recover)), "before the next sync");
    drive(&mut job, Event::Exited(true), at(1002));
    drive(&mut job, Event::SyncNow, at(1003));
    assert_eq!(job.deadline(), Some(at(2003)), "the next sync has a whole period of its own");
}

#[test]
fn sync_that_moves_file_data_is_left_alone_for_as_long_as_it_takes() {
    let mut job = climbing(1000, 900);
    drive(&mut job, Event::Tick, at(0));
    for n in 1..100 {
        let now = at(600 * n);
        assert!(drive(&mut job, Event::Tick, now).iter().all(|a| matches!(a, Action::Wait | Action::Sample)));
        moved(&mut job, 0, n * super::super::ladder::LEAST_DATA, now);
        assert_eq!(job.handle(Event::Sampled(true), now), Action::Wait);
        assert!(job.reboot().1, "held");
    }
    let last = at(600 * 99);
    assert_eq!(job.handle(Event::Tick, last + secs(900)), Action::Sample);
    assert_eq!(job.handle(Event::Sampled(true), last + secs(900)), Action::Wait);
    assert_eq!(job.reboot(), (Some(at(900)), false), "and then no longer");
    assert_eq!(job.deadline(), Some(last + secs(1000)), "nothing to do until run_recover is due");
}

#[test]
fn reboot_is_wished_between_syncs_and_held_back_by_what_may_succeed() {
    let mut job = climbing(100_000, 100);
    assert_eq!(job.reboot(), (Some(at(100)), false));
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.reboot(), (Some(at(100)), true));
    drive(&mut job, synced(Outcome::Transient), at(50));
    assert_eq!(job.reboot(), (Some(at(100)), false));
    drive(&mut job, Event::SyncNow, at(60));
    assert_eq!(job.deadline(), Some(at(160)));
    assert_eq!(job.handle(Event::Tick, at(160)), Action::Sample);
    assert_eq!(job.handle(Event::Sampled(false), at(160)), Action::Wait);
    assert_eq!(job.reboot(), (Some(at(100)), false));
    moved(&mut job, 1, 1, at(170));
    assert_eq!(job.reboot(), (Some(at(100)), true), "it has come to life");
    drive(&mut job, synced(Outcome::Success), at(180));
    assert_eq!(job.reboot().0, Some(at(280)));
    sync(&mut job, Outcome::Partial, at(190));
    assert_eq!(job.reboot().0, None, "no reboot of this board mends a partial sync");
}

#[test]
fn once_neither_recovers_nor_is_ended_for_it() {
    let limits = Limits { activity_timeout: None, recover_after: Some(secs(10)), ..limits() };
    let mut job = job(Settings { limits, repeat: false, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    assert_eq!(job.deadline(), None);
}

#[test]
fn sync_now_cuts_a_wait_short_and_queues_one_behind_a_running_sync() {
    let mut job = job(settings());
    sync(&mut job, Outcome::Permanent, at(0));
    assert!(drive(&mut job, Event::SyncNow, at(2)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(job.handle(Event::SyncNow, at(3)), Action::Wait);
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Success), at(4))).next, Some(Duration::ZERO));
    assert!(drive(&mut job, Event::Tick, at(4)).contains(&Action::Start(Step::Rsync)));
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Success), at(5))).next, Some(secs(30)));
}

#[test]
fn new_settings_leave_a_running_sync_alone_and_the_next_follows_as_a_first() {
    let mut job = job(settings());
    drive(&mut job, Event::Tick, at(0));
    let new =
        Settings { limits: Limits { interval: secs(900), activity_timeout: Some(secs(10)), ..limits() }, ..settings() };
    assert_eq!(job.handle(Event::Reconfigure(new.clone()), at(1)), Action::Wait);
    assert_eq!(job.handle(Event::Sampled(false), at(10)), Action::Terminate(Cause::NoProgress(secs(10))));
    assert_eq!(conclusion(&drive(&mut job, synced(Outcome::Transient), at(11))).next, Some(Duration::ZERO));
    let mut waiting = super::tests::job(settings());
    sync(&mut waiting, Outcome::Success, at(0));
    waiting.handle(Event::Reconfigure(new), at(2));
    assert_eq!(waiting.deadline(), Some(at(2)), "not after the old interval");
}

#[test]
fn new_settings_leave_what_the_set_was_and_another_set_does_not() {
    for other in [false, true] {
        let rules = Rules { max_delete: None, max_shrink: Some(90), allowed: 0 };
        let mut job = job(Settings { deletions: Some(rules), ..settings() });
        let sees = |job: &mut Job, outcome, listed, skipped, now| {
            let counted = Counted { listed: Some(listed), skipped, limited: skipped > 0, ..Counted::default() };
            drive(job, Event::SyncNow, now);
            drive(job, Event::Synced { outcome, changed: false, moved: false, written: false, counted }, now)
        };
        sees(&mut job, Outcome::Success, 100, 0, at(0));
        job.handle(Event::Reconfigure(job.settings.clone()), at(1));
        if other {
            job.forget_set();
        }
        let deletes = sees(&mut job, Outcome::Held, 9, 1, at(2)).contains(&Action::Start(Step::Rsync));
        assert_eq!(deletes, other, "of a hundred nine are less than a tenth, of ten they are not");
    }
}

#[test]
fn once_runs_one_sync_with_its_hooks_and_ends() {
    let mut job = job(Settings { repeat: false, after: true, ..settings() });
    drive(&mut job, Event::Tick, at(0));
    let actions = drive(&mut job, synced(Outcome::Transient), at(1));
    assert_eq!(conclusion(&actions).next, None);
    assert!(actions.contains(&Action::Start(Step::After)));
    assert_eq!(drive(&mut job, Event::Exited(true), at(2)), [Action::Exit]);
}

fn explore(world: &World, path: &mut Vec<Event>, depth: usize, seen: &mut u64) {
    *seen += 1;
    if world.job.phase == Phase::Finished {
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
        explore(&next, path, depth - 1, seen);
        path.pop();
    }
}

/// Five deletions are the owner's limit.
fn deleting() -> Settings {
    let rules = Rules { max_delete: Some(5), max_shrink: Some(90), allowed: 0 };
    Settings { deletions: Some(rules), ..settings() }
}

#[test]
fn what_is_allowed_while_a_sync_runs_is_for_the_next_one_and_no_later() {
    let held = |actions: &[Action]| {
        let outcome = |action: &Action| match action {
            Action::Conclude(conclusion) => Some(conclusion.outcome),
            _ => None,
        };
        actions.iter().find_map(outcome) == Some(Outcome::Held)
    };
    for mended in [false, true] {
        let mut job = job(deleting());
        drive(&mut job, Event::SyncNow, at(0));
        assert!(held(&drive(&mut job, ended(Outcome::Held, 9), at(1))));
        drive(&mut job, Event::SyncNow, at(2));
        drive(&mut job, Event::Allow, at(3));
        if mended {
            drive(&mut job, ended(Outcome::Success, 0), at(4));
        } else {
            assert!(held(&drive(&mut job, ended(Outcome::Held, 9), at(4))), "it began before that was allowed");
            drive(&mut job, Event::Tick, at(4));
            drive(&mut job, ended(Outcome::Held, 9), at(5));
            assert_eq!(job.pass(), Pass::Delete(9), "the next one makes them");
            drive(&mut job, ended(Outcome::Success, 0), at(6));
        }
        drive(&mut job, Event::Tick, at(100));
        assert!(held(&drive(&mut job, ended(Outcome::Held, 9), at(101))), "mended {mended}: it is used up");
    }
}

#[test]
fn every_order_of_events_keeps_the_promises() {
    let all = Settings {
        sources: 2,
        limits: Limits { recover_after: Some(secs(50)), max_runtime: Some(secs(200)), ..limits() },
        reboot_after: Some(secs(70)),
        durable: true,
        before: true,
        on_change: true,
        after: true,
        ..settings()
    };
    let mut seen = 0;
    let whole = Settings { atomic: true, before_publish: true, durable: true, ..settings() };
    for settings in [settings(), all.clone(), Settings { repeat: false, ..all }, whole] {
        let world = World::new(job(settings), super::tests::settings(), at(0));
        explore(&world, &mut Vec::new(), 7, &mut seen);
    }
    let mut world = World::new(job(deleting()), settings(), at(0));
    // As far as the end of the first pass there is one way.
    for event in [Event::Tick, Event::Began { probe: false, verify: false }, Event::Started] {
        world.feed(event, &[]);
    }
    explore(&world, &mut Vec::new(), 6, &mut seen);
    assert!(seen > 100_000, "only {seen} states were visited");
}

#[test]
fn long_random_walks_keep_the_promises() {
    let mut rng = Rng::new(2026);
    for seed in 0..200 {
        let settings = Settings {
            limits: Limits { recover_after: Some(secs(9)), ..limits() },
            reboot_after: Some(secs(20)),
            durable: seed % 3 != 0,
            atomic: seed % 5 == 1,
            before_publish: seed % 7 != 0,
            before: seed % 2 == 0,
            deletions: deleting().deletions.filter(|_| seed % 4 != 3),
            on_failure: true,
            ..settings()
        };
        let mut world = World::new(Job::new(settings, at(0), seed, 0), super::tests::settings(), at(0));
        let mut path = Vec::new();
        for _ in 0..500 {
            let mut events = world.possible();
            if rng.draw() % 100 > 2 {
                events.retain(|e| *e != Event::Stop);
            }
            let event = events.swap_remove((rng.draw() % events.len() as u64) as usize);
            path.push(event.clone());
            world.feed(event, &path);
            if world.job.phase == Phase::Finished {
                break;
            }
        }
    }
}
