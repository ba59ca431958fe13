//! What a child has said, as far as somebody asks for it later.

use crate::job::Step;
use crate::rsync::left_out::LeftOut;
use crate::rsync::outcome::Evidence;
use crate::rsync::progress::{parse_progress, Progress};
use crate::rsync::stats::Stats;

/// As much of the answer to `rsync --version` as is kept.
const ANSWER_LIMIT: usize = 4096;

/// What a child has said.
#[derive(Debug, Default)]
pub struct Said {
    /// What rsync's lines on stderr say about its trouble.
    pub evidence: Evidence,
    /// It was told to make no deletions, so that it makes none is no complaint.
    pub counting: bool,
    /// The deletions that rsync left out.
    pub left_out: LeftOut,
    /// What rsync counted on stdout.
    pub stats: Stats,
    /// rsync's latest progress record.
    pub progress: Option<Progress>,
    /// rsync's last line on stdout that is no progress record: with `-v` or `-i`, the file it is at.
    pub last_line: Vec<u8>,
    /// The beginning of what the probe printed.
    pub answer: Vec<u8>,
}

impl Said {
    /// `by_shell`: of an rsync that has a remote shell.
    pub fn new(by_shell: bool) -> Said {
        let evidence = if by_shell { Evidence::by_shell() } else { Evidence::default() };
        Said { evidence, ..Said::default() }
    }

    /// Takes note of a line of stdout; true if it is for the log.
    pub fn hear_stdout(&mut self, step: Step, line: &[u8]) -> bool {
        match step {
            Step::Rsync => {
                if let Some(progress) = parse_progress(line) {
                    self.progress = Some(progress);
                    return false;
                }
                self.stats.scan(line);
                self.left_out.hear_stdout(line);
                self.last_line.clear();
                self.last_line.extend_from_slice(line);
            }
            Step::Probe => {
                let room = ANSWER_LIMIT.saturating_sub(self.answer.len());
                self.answer.extend_from_slice(&line[..line.len().min(room)]);
                self.answer.push(b'\n');
                return false;
            }
            _ => {}
        }
        true
    }

    /// Takes note of a line of stderr; true if it is for the log.
    pub fn hear_stderr(&mut self, line: &[u8]) -> bool {
        let of_deletions = self.left_out.hear_stderr(line);
        self.evidence.scan(line);
        !(self.counting && of_deletions)
    }

    /// Takes note of a line of stderr that has no end yet.
    pub fn hear_pending_stderr(&mut self, line: &[u8]) {
        self.evidence.scan_pending(line);
    }

    /// Takes note of a line of stdout that has no end yet: a progress record begins with `\r`, so the end of the newest
    /// one comes with the next.
    pub fn hear_pending(&mut self, line: &[u8]) {
        if let Some(progress) = parse_progress(line) {
            self.progress = Some(progress);
        }
    }

    /// Whether rsync may have written something: it did, or it did not say that it did not.
    pub fn may_have_written(&self) -> bool {
        self.stats.changed() != Some(false) || self.changed()
    }

    /// Whether rsync changed something: by what it counted, else by the files that its progress records saw finished.
    pub fn changed(&self) -> bool {
        let seen = self.progress.as_ref().and_then(|p| p.transferred).unwrap_or(0) > 0;
        self.stats.changed().unwrap_or(seen)
    }
}
