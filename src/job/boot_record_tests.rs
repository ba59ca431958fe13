use super::*;

const HOUR: u64 = 3600;

fn at(seconds: u64) -> Time {
    Time(Duration::from_secs(seconds))
}

fn sample() -> Record {
    Record {
        boot: "3c1d".into(),
        uptime: at(86_400),
        stop: Stop::Reboot("photos".into()),
        reboots: vec![Duration::from_secs(7), Duration::ZERO],
        lost: Some(Duration::from_secs(99)),
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    for stop in [Stop::Running, Stop::Clean, Stop::Reboot("a job\nwith a line".into())] {
        let record = Record { stop, ..sample() };
        let read = Record::parse(&record.to_text()).unwrap();
        let expected = match record.stop.clone() {
            Stop::Reboot(job) => Stop::Reboot(job.replace('\n', " ")),
            stop => stop,
        };
        assert_eq!(read, Record { stop: expected, ..record });
    }
    let bare = Record { boot: String::new(), reboots: Vec::new(), lost: None, ..sample() };
    assert_eq!(Record::parse(&bare.to_text()), Some(bare));
}

#[test]
fn no_truncation_and_no_flipped_bit_passes_for_a_record() {
    let text = sample().to_text();
    for length in 0..text.len() {
        assert_eq!(Record::parse(&text[..length]), None, "cut at {length}");
    }
    for byte in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[byte] ^= 1 << bit;
            assert_eq!(Record::parse(std::str::from_utf8(&bytes).unwrap()), None, "bit {bit} of byte {byte}");
        }
    }
    assert_eq!(Record::parse(&format!("{text}{text}")), None);
}

#[test]
fn a_reboot_counts_for_a_window_of_running_time() {
    let mut budget = Budget::new(&Found::Nothing, "a", at(0));
    assert!(budget.allows(1, at(100)) && !budget.allows(0, at(100)));
    budget.spend(at(100));
    let record = budget.record("a", Stop::Reboot("x".into()), at(100));
    assert!(!budget.allows(1, at(101)) && budget.allows(2, at(101)));
    let next = Budget::new(&Found::Record(record.clone()), "b", at(5));
    assert!(!next.allows(1, at(25 * HOUR - 1)));
    assert!(next.allows(1, at(25 * HOUR)));
    // irsync restarted in the boot in which it decided: only the time since the decision has passed.
    let same = Budget::new(&Found::Record(record.clone()), "a", at(200));
    assert!(!same.allows(1, at(25 * HOUR + 99)));
    assert!(same.allows(1, at(25 * HOUR + 100)));
    // Where boots cannot be told apart, only the time since this start has.
    let unknown = Budget::new(&Found::Record(record), "", at(40 * HOUR));
    assert!(!unknown.allows(1, at(65 * HOUR - 1)));
    assert!(unknown.allows(1, at(65 * HOUR)));
}

#[test]
fn a_damaged_record_bars_reboots_for_a_window_across_restarts() {
    let mut budget = Budget::new(&Found::Damaged, "a", at(10));
    assert!(!budget.allows(9, at(10)));
    assert_eq!(budget.barred(at(10)), Some(WINDOW));
    let record = budget.record("a", Stop::Running, at(10));
    let next = Budget::new(&Found::Record(record), "b", at(3));
    assert_eq!(next.barred(at(HOUR)), Some(WINDOW - Duration::from_secs(HOUR)));
    assert!(!next.allows(9, at(25 * HOUR - 1)));
    assert!(next.allows(1, at(25 * HOUR)));
}

#[test]
fn a_board_switched_off_every_evening_gets_its_budget_back() {
    let mut budget = Budget::new(&Found::Nothing, "0", at(0));
    budget.spend(at(HOUR));
    let mut disk = budget.record("0", Stop::Reboot("x".into()), at(HOUR));
    let mut days = 0;
    while days < 30 {
        days += 1;
        let boot = days.to_string();
        let mut budget = Budget::new(&Found::Record(disk.clone()), &boot, at(0));
        if budget.allows(1, at(8 * HOUR)) {
            break;
        }
        let mut writes = 0;
        for minute in 0..8 * 60 {
            if budget.wants_refresh(at(minute * 60)) {
                disk = budget.record(&boot, Stop::Running, at(minute * 60));
                writes += 1;
            }
        }
        assert_eq!(writes, 1);
    }
    assert_eq!(days, 4, "8 hours a day, of which 6 are remembered");
}

#[test]
fn in_steady_state_nothing_wants_to_be_written() {
    let mut budget = Budget::new(&Found::Nothing, "a", at(0));
    assert!(!budget.wants_refresh(at(1_000_000)));
    budget.spend(at(0));
    let _ = budget.record("a", Stop::Running, at(0));
    let mut writes = 0;
    for minute in 0..30 * 24 * 60 {
        if budget.wants_refresh(at(minute * 60)) {
            let _ = budget.record("a", Stop::Running, at(minute * 60));
            writes += 1;
        }
    }
    assert_eq!(writes, 4);
}

#[test]
fn the_cause_is_told_only_where_it_is_known() {
    let found = |boot: &str, stop: Stop| Found::Record(Record { boot: boot.into(), stop, ..sample() });
    let cause = |found: &Found, reset, tells| Cause::new(found, "now", reset, tells);
    let running = found("before", Stop::Running);
    assert_eq!(cause(&running, true, true), Cause::Watchdog);
    assert_eq!(cause(&running, false, true), Cause::PowerLoss);
    assert_eq!(cause(&running, false, false), Cause::Unknown, "a Pi's 0 means nothing");
    let own = found("before", Stop::Reboot("photos".into()));
    assert_eq!(cause(&own, true, true), Cause::OwnDecision("photos".into()));
    assert_eq!(cause(&own, false, false), Cause::OwnDecision("photos".into()));
    assert_eq!(cause(&found("before", Stop::Clean), false, false), Cause::CleanStop);
    assert_eq!(cause(&found("before", Stop::Clean), true, true), Cause::Watchdog, "it hung after irsync had gone");
    assert_eq!(cause(&found("now", Stop::Clean), true, true), Cause::Restarted);
    assert_eq!(cause(&found("now", Stop::Running), true, true), Cause::Crashed);
    assert_eq!(cause(&Found::Nothing, true, true), Cause::Watchdog);
    assert_eq!(cause(&Found::Nothing, false, true), Cause::Unknown);
    assert_eq!(cause(&Found::Damaged, false, true), Cause::Unknown);
    assert_eq!(Cause::new(&running, "", true, true), Cause::Unknown);
}

/// A small generator of repeatable randomness (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What a reader finds after a power cut in the middle of a write, or years on a bad card.
fn damage(dice: &mut Dice, text: &str) -> Found {
    let length = dice.below(text.len() as u64) as usize;
    Record::parse(&text[..length]).map_or(Found::Damaged, Found::Record)
}

/// Lives through `weeks` of true time in which nothing ever succeeds, and gives the true times of irsync's own reboots.
fn live(dice: &mut Dice, limit: u32, reboot_after: u64, weeks: u64, trouble: bool) -> Vec<u64> {
    let mut reboots = Vec::new();
    let mut disk = Found::Nothing;
    let (mut truth, mut boots) = (0_u64, 0_u64);
    while truth < weeks * 7 * 24 * HOUR {
        boots += 1;
        // Boots that cannot be told apart happen, and a random boot id may even repeat on a board without entropy.
        let boot = match dice.below(20) {
            0 if trouble => String::new(),
            1 if trouble => "twin".into(),
            _ => boots.to_string(),
        };
        let began = truth;
        let power_cut = trouble.then(|| began + dice.below(40 * HOUR));
        'boot: loop {
            let now = |truth: u64| at(truth - began);
            let mut budget = Budget::new(&disk, &boot, now(truth));
            let started = truth;
            let crash = trouble.then(|| started + dice.below(30 * HOUR));
            let write = |budget: &mut Budget, stop, truth: u64, dice: &mut Dice| {
                let text = budget.record(&boot, stop, at(truth - began)).to_text();
                match trouble && dice.one_in(15) {
                    true => damage(dice, &text),
                    false => Record::parse(&text).map_or(Found::Damaged, Found::Record),
                }
            };
            disk = write(&mut budget, Stop::Running, truth, dice);
            loop {
                truth += 60 + dice.below(240);
                if power_cut.is_some_and(|cut| truth >= cut) {
                    truth += dice.below(4) * dice.below(10 * HOUR);
                    break 'boot;
                }
                if crash.is_some_and(|crash| truth >= crash) {
                    break;
                }
                if trouble && dice.one_in(500) {
                    disk = write(&mut budget, Stop::Clean, truth, dice);
                    break;
                }
                if budget.wants_refresh(now(truth)) {
                    disk = write(&mut budget, Stop::Running, truth, dice);
                }
                if truth - started >= reboot_after && budget.allows(limit, now(truth)) {
                    budget.spend(now(truth));
                    disk = write(&mut budget, Stop::Reboot("job".into()), truth, dice);
                    // The reset follows within a watchdog's longest timeout, 2046 s on i6300esb.
                    truth += dice.below(2047);
                    reboots.push(truth);
                    break 'boot;
                }
            }
        }
    }
    reboots
}

#[test]
fn in_weeks_of_trouble_no_day_sees_more_own_reboots_than_the_limit() {
    for seed in 1..=120_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let limit = 1 + dice.below(4) as u32;
        let reboot_after = 300 + dice.below(6 * HOUR);
        let reboots = live(&mut dice, limit, reboot_after, 6, true);
        for window in reboots.windows(limit as usize + 1) {
            let span = window[limit as usize] - window[0];
            assert!(span >= 24 * HOUR, "seed {seed}: {} own reboots in {span} s, limit {limit}", limit + 1);
        }
    }
}

#[test]
fn without_trouble_the_whole_budget_can_be_used() {
    for limit in 1..=3 {
        let reboots = live(&mut Dice(7), limit, 600, 4, false);
        let days = 4 * 7 * 24 / 26;
        assert!(reboots.len() as u64 >= u64::from(limit) * days, "{} reboots with limit {limit}", reboots.len());
    }
}
