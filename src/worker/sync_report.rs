//! What is known of a sync before the state machine has judged it.

use super::said::Said;
use crate::job::Step;
use crate::rsync::changes::News;
use crate::rsync::complaint::Kind;
use crate::rsync::outcome::{Exit, Verdict};
use std::time::Duration;

/// What is known of a sync.
#[derive(Clone, Debug, Default)]
pub(super) struct SyncReport {
    /// rsync's exit code; None if it was not started, or was killed by a signal.
    pub code: Option<i32>,
    /// The name of the code or the signal, `not started`, or the key or lock that refused it.
    pub reason: String,
    /// For people: more about the reason.
    pub note: Option<String>,
    /// What a partial sync was about.
    pub kind: Option<Kind>,
    /// rsync's own most telling line.
    pub telling: Option<String>,
    /// How long rsync ran.
    pub duration: Duration,
    /// Regular files transferred, where rsync said.
    pub files: Option<u64>,
    /// What it has brought.
    pub news: News,
    /// Bytes sent and received, where rsync said.
    pub bytes: Option<u64>,
    /// Bytes of file data that came over the link, where rsync said.
    pub fetched: Option<u64>,
    /// Bytes of file data that an interrupted sync had left here.
    pub resumed: Option<u64>,
    /// Files whose content was wrong here, although size and time were right.
    pub repaired: u64,
    /// What rsync was doing when nothing moved any more.
    pub stalled: Option<String>,
    /// Files and folders deleted, where rsync said.
    pub deleted: Option<u64>,
    /// How the pass before ended, if that failed.
    pub failed: Option<Failed>,
}

/// How a pass of rsync has failed that others came after.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Failed {
    code: Option<i32>,
    reason: String,
    note: Option<String>,
    telling: Option<String>,
    files: Option<u64>,
    bytes: Option<u64>,
    fetched: Option<u64>,
}

impl SyncReport {
    /// rsync has run.
    pub(super) fn of_rsync(exit: Exit, verdict: Verdict, said: &Said, news: News, duration: Duration) -> SyncReport {
        let counts = said.stats.counts();
        // An atomic set was only looked at: what rsync counted then is what it would have done.
        let done = counts.filter(|_| said.staged != Some(false));
        SyncReport {
            code: if let Exit::Code(code) = exit { Some(code) } else { None },
            reason: verdict.reason.to_owned(),
            note: verdict.note,
            kind: verdict.kind,
            telling: said.evidence.telling(),
            duration,
            files: done.and_then(|counts| counts.files),
            bytes: counts.and_then(|counts| counts.bytes()),
            deleted: done.and_then(|counts| counts.deleted),
            news,
            fetched: done.and_then(|counts| counts.literal),
            ..SyncReport::default()
        }
    }

    /// This is the last of several passes of rsync: what the ones before it did is part of the sync.
    pub(super) fn after(mut self, before: SyncReport) -> SyncReport {
        let (files, bytes, fetched) = (before.files, before.bytes, before.fetched);
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.duration += before.duration;
        self.files = sum(self.files, before.files);
        self.bytes = sum(self.bytes, before.bytes);
        self.deleted = sum(self.deleted, before.deleted);
        self.news = self.news.after(before.news);
        self.repaired += before.repaired;
        self.fetched = sum(self.fetched, before.fetched);
        self.resumed = self.resumed.or(before.resumed);
        self.failed = match before.code {
            Some(0) => before.failed,
            code => {
                let SyncReport { reason, note, telling, .. } = before;
                Some(Failed { code, reason, note, telling, files, bytes, fetched })
            }
        };
        self
    }

    /// The last pass only counted, and ended well: what is to be told is how the one before it failed. What that one transferred
    /// is not known where rsync did not say, and the last pass knows nothing of it.
    pub(super) fn tell_of_failed(&mut self) {
        if let (Some(0), Some(failed)) = (self.code, self.failed.take()) {
            (self.code, self.reason, self.note, self.telling) =
                (failed.code, failed.reason, failed.note, failed.telling);
            (self.files, self.bytes, self.fetched) = (failed.files, failed.bytes, failed.fetched);
        }
    }

    /// What rsync has brought is not on the disk: so it is not there yet.
    pub(super) fn spoil_by_flush(&mut self, why: &str) {
        self.code = None;
        self.reason = Step::Flush.name().to_owned();
        self.note = Some(format!("{why}: what rsync has brought may not survive a power cut"));
    }

    /// rsync was not started.
    pub(super) fn of_refusal(reason: &str, note: String) -> SyncReport {
        SyncReport { reason: reason.to_owned(), note: Some(note), ..SyncReport::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_pass_did_not_count_is_not_known() {
        let counted =
            SyncReport { code: Some(0), files: Some(0), bytes: Some(194), fetched: Some(0), ..SyncReport::default() };
        let full =
            SyncReport { code: Some(11), telling: Some("No space left on device".into()), ..SyncReport::default() };
        let told = |before: SyncReport| {
            let mut report = counted.clone().after(before);
            report.tell_of_failed();
            (report.code, report.files, report.bytes, report.fetched)
        };
        assert_eq!(told(full.clone()), (Some(11), None, None, None));
        assert_eq!(told(SyncReport { files: Some(3), ..full }), (Some(11), Some(3), None, None));
        assert_eq!(told(counted.clone()), (Some(0), Some(0), Some(388), Some(0)), "no pass has failed");
    }
}
