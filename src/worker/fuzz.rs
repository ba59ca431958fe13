//! Arbitrary bytes on rsync's standard output and standard error.

use super::heard::Heard;
use super::said::Said;
use super::sync_report::SyncReport;
use crate::job::{Outcome, Step};
use crate::rsync::argv::Printed;
use crate::rsync::complaint::{Kind, Kinds};
use crate::rsync::outcome::{classify, Exit, Proof};
use crate::rsync::version::Version;
use crate::text::{LineSplitter, LINE_LIMIT};
use std::time::Duration;

/// The first two bytes choose how rsync was started and how it ended. Then come pieces as they were read, parted by the bytes 0xff 'o'
/// (stdout) and 0xff 'e' (stderr). What the lines mean does not depend on where the pieces end.
pub(crate) fn rsync_output(data: &[u8]) {
    let [flags, code, output @ ..] = data else { return };
    let on = |bit: u8| flags & 1 << bit != 0;
    let mut accept = Kinds::default();
    Kind::ACCEPTABLE.into_iter().filter(|_| on(0)).for_each(|kind| accept.insert(kind));
    let start = || {
        let printed = Printed { stats: on(1), items: on(2) };
        let mut said = Said::new(on(3)).expecting(printed, accept, on(4));
        said.counting = on(5);
        said
    };
    let (mut whole, mut pieces) = (start(), start());
    hear(&mut whole, output, usize::MAX);
    hear(&mut pieces, output, 1 + usize::from(*code & 15));
    let told = |said: &Said| (said.evidence.clone(), said.stats, said.changes.clone(), said.repaired, said.lacks);
    assert!(told(&whole) == told(&pieces), "it depends on where a read ends");

    let exit = if on(6) { Exit::Signal(i32::from(*code)) } else { Exit::Code(i32::from(*code)) };
    let verdict = classify(exit, &whole.evidence, whole.proof());
    let outcome = verdict.outcome;
    let good = matches!(exit, Exit::Code(0 | 23 | 24 | 25));
    assert!(good || !outcome.is_complete(), "{exit:?} is {outcome}");
    assert!(exit != Exit::Code(0) || outcome.is_success() || whole.proof() == Proof::Missing, "{outcome}");
    assert!(!(exit == Exit::Code(0) && whole.proof() == Proof::Missing) || outcome == Outcome::Transient, "{outcome}");
    if let Some(telling) = whole.evidence.telling() {
        assert!(telling.len() <= 200 + 30, "{} bytes: {telling}", telling.len());
        assert!(!telling.chars().any(char::is_control), "{telling:?}");
    }
    assert!(whole.repaired_names.len() <= 20 && whole.answer.len() <= 4096 + 8192);
    let (mut heard, code) = (Heard::default(), i32::from(*code));
    for n in 0..2 {
        heard.begin();
        let news = heard.news(&whole, outcome, Some(code));
        assert!(n == 0 || whole.evidence.complaints().are_vague() || news.names.len() <= 20);
        let report = SyncReport::of_rsync(exit, verdict.clone(), &whole, news, Duration::ZERO);
        let _ = report.clone().after(report);
        let _ = (whole.may_have_written(), whole.finished_something(), whole.evidence.asks(), whole.evidence.reached());
        heard.remember(std::mem::take(&mut pieces));
    }
    let _ = Version::parse(&String::from_utf8_lossy(&whole.answer)).map(|version| version.knows_progress2());
}

fn hear(said: &mut Said, output: &[u8], most: usize) {
    let (mut out, mut err) = (LineSplitter::default(), LineSplitter::default());
    let mut to_stdout = true;
    for piece in output.split(|&byte| byte == 0xff) {
        let piece = match piece {
            [b'e', rest @ ..] => {
                to_stdout = false;
                rest
            }
            [b'o', rest @ ..] => {
                to_stdout = true;
                rest
            }
            piece => piece,
        };
        for read in piece.chunks(most.min(piece.len().max(1))) {
            if to_stdout {
                out.push(read, &mut |record| {
                    assert!(record.bytes.len() <= LINE_LIMIT);
                    said.hear_stdout(Step::Rsync, record.bytes);
                    said.hear_stdout(Step::Probe, record.bytes);
                });
                said.hear_pending(out.pending());
            } else {
                err.push(read, &mut |record| {
                    said.hear_stderr(record.bytes);
                });
            }
        }
    }
    out.finish(&mut |record| {
        said.hear_stdout(Step::Rsync, record.bytes);
    });
    err.finish(&mut |record| {
        said.hear_stderr(record.bytes);
    });
}
