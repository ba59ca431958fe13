//! Arbitrary boot records for what reads them. Those of the machines are in their worlds.

use super::boot_record::{sealed, Budget, Cause, Found, Record, Stop};
use super::Time;
use std::time::Duration;

/// What can be read is what was written, word by word, and the budget that follows from it is never more than the limit.
pub(crate) fn boot_record(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    judge(text);
    // With the sum that nobody would guess.
    judge(&sealed(text));
}

fn judge(text: &str) {
    let record = Record::parse(text);
    if let Some(record) = &record {
        let again = Record::parse(&record.to_text());
        assert_eq!(again.map(|again| again.to_text()), Some(record.to_text()), "{text:?}");
    }
    let found = record.map_or(Found::Damaged, Found::Record);
    for boot in ["b", ""] {
        let now = Time(Duration::from_secs(100));
        let cause = Cause::new(&found, boot, false, true).to_string();
        assert!(!cause.is_empty() && !cause.contains('\n'), "{cause:?}");
        let mut budget = Budget::new(&found, boot, now);
        let (spent, barred) = (budget.spent(now), budget.barred(now).is_some());
        assert!(found != Found::Damaged || barred, "what cannot be read bars reboots");
        for limit in [0, 1, 3] {
            assert_eq!(budget.allows(limit, now), !barred && spent < limit as usize, "{found:?}");
        }
        budget.spend(now);
        assert_eq!(budget.spent(now), spent + 1);
        let written = budget.record(boot, Stop::Running, now).to_text();
        let read = Record::parse(&written).unwrap_or_else(|| panic!("written and not read: {written:?}"));
        let start = Time::default();
        let later = Budget::new(&Found::Record(read), "another", start);
        assert_eq!(later.spent(start), spent + 1, "a reboot was forgotten: {written:?}");
    }
}
