//! What a child has said, as far as somebody asks for it later.

use crate::job::deletions::Counted;
use crate::job::Step;
use crate::rsync::argv::Printed;
use crate::rsync::asked::is_list;
use crate::rsync::changes::{repaired, Changes};
use crate::rsync::complaint::Kinds;
use crate::rsync::left_out::LeftOut;
use crate::rsync::outcome::{Evidence, Proof};
use crate::rsync::progress::{parse_progress, Progress};
use crate::rsync::staging::{hear_staged, WRITING};
use crate::rsync::stats::{Counts, Stats};

/// As much of the answer to `rsync --version` as is kept.
const ANSWER_LIMIT: usize = 4096;

/// As many names of repaired files as are told.
const NAMES: usize = 20;

/// What a child has said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What rsync's arguments make it print.
    pub printed: Printed,
    /// Whether a new set is being built; None: the set does not change as a whole.
    pub staged: Option<bool>,
    /// What rsync's lines say about its trouble.
    pub evidence: Evidence,
    /// It was told to make no deletions, so that it makes none is no complaint.
    pub counting: bool,
    /// The deletions that rsync left out.
    pub left_out: LeftOut,
    /// What rsync counted on stdout.
    pub stats: Stats,
    /// What rsync changed, by name.
    pub changes: Changes,
    /// rsync's latest progress record.
    pub progress: Option<Progress>,
    /// The name in rsync's latest itemised line, or its last line on stdout that is no progress record: the file it is at.
    pub last_line: Vec<u8>,
    /// The list of files has begun: the server has taken everything that it was asked.
    pub lists: bool,
    /// The first names of what was repaired.
    pub repaired_names: Vec<Vec<u8>>,
    /// Files that were repaired: content wrong, size and time right.
    pub repaired: u64,
    /// So many files and folders of the live set are not in the new one.
    pub lacks: u64,
    /// It may write, and a mark says so until all is on the disk.
    pub writes: bool,
    /// The beginning of what the probe printed.
    pub answer: Vec<u8>,
}

impl Said {
    /// `by_shell`: of an rsync that has a remote shell.
    pub(super) fn new(by_shell: bool) -> Said {
        let evidence = if by_shell { Evidence::by_shell() } else { Evidence::default() };
        Said { evidence, ..Said::default() }
    }

    /// Of an rsync whose arguments make it print this. `accept`: complaints that are no failure. `atomic`: it is irsync's own
    /// helper at first.
    pub(super) fn expecting(self, printed: Printed, accept: Kinds, atomic: bool) -> Said {
        Said { printed, evidence: self.evidence.accepting(accept), staged: atomic.then_some(false), ..self }
    }

    /// Takes note of a line of stdout; true if it is for the log.
    pub(super) fn hear_stdout(&mut self, step: Step, line: &[u8]) -> bool {
        match step {
            Step::Rsync => {
                if let Some(progress) = parse_progress(line) {
                    self.progress = Some(progress);
                    return false;
                }
                if let (Some(lacks), Some(_)) = (hear_staged(line), self.staged) {
                    (self.staged, self.lacks) = (Some(true), lacks);
                    return false;
                }
                if line == WRITING.as_bytes() {
                    self.writes = true;
                    return false;
                }
                if let Some(name) = repaired(line) {
                    self.repaired = self.repaired.saturating_add(1);
                    if self.repaired_names.len() < NAMES {
                        self.repaired_names.push(name.to_vec());
                    }
                }
                let name = self.changes.scan(line);
                if name.is_none() {
                    self.lists |= is_list(line);
                    self.left_out.hear_stdout(line);
                    self.stats.scan(line);
                    self.evidence.scan_stdout(line);
                }
                self.last_line.clear();
                self.last_line.extend_from_slice(name.unwrap_or(line));
            }
            Step::Probe | Step::Rollback | Step::Resume => {
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
    pub(super) fn hear_stderr(&mut self, line: &[u8]) -> bool {
        let of_deletions = self.left_out.hear_stderr(line);
        self.evidence.scan(line);
        !(self.counting && of_deletions)
    }

    /// Takes note of a line of stderr that has no end yet.
    pub(super) fn hear_pending_stderr(&mut self, line: &[u8]) {
        self.evidence.scan_pending(line);
    }

    /// Takes note of a line of stdout that has no end yet: a progress record begins with `\r`, so the end of the newest
    /// one comes with the next.
    pub(super) fn hear_pending(&mut self, line: &[u8]) {
        if let Some(progress) = parse_progress(line) {
            self.progress = Some(progress);
        }
        self.lists |= is_list(line);
    }

    /// Whether rsync may have written something: it did, or it did not say that it did not.
    pub(super) fn may_have_written(&self) -> bool {
        self.writes || self.counted_changes() != Some(false) || self.began_something()
    }

    /// Whether rsync began to change something: by what it named and counted, else by the files that its progress records saw
    /// finished.
    pub(super) fn began_something(&self) -> bool {
        self.staged == Some(true) || !self.changes.is_empty() || self.finished_something()
    }

    /// Whether rsync changed something, by what it counted, else by the files that its progress records saw finished.
    pub(super) fn finished_something(&self) -> bool {
        let finished = self.progress.as_ref().and_then(|progress| progress.transferred).unwrap_or(0);
        self.counted_changes().unwrap_or(finished > 0)
    }

    /// What rsync said of deletions. `roots`: see [`Counted::roots`].
    pub(super) fn counted(&self, code: Option<i32>, roots: u64) -> Counted {
        let counts = self.stats.counts();
        Counted {
            skipped: self.left_out.skipped,
            folders: self.left_out.folders,
            listed: counts.and_then(|counts| counts.listed),
            listed_folders: counts.and_then(|counts| counts.listed_folders),
            created: counts.and_then(|counts| counts.created).unwrap_or(0),
            roots,
            limited: self.left_out.is_all_that_is_wrong(code),
        }
    }

    /// What rsync's statistics prove.
    pub(super) fn proof(&self) -> Proof {
        match (self.printed.stats, self.stats.counts()) {
            (false, _) => Proof::NotAsked,
            (true, None) => Proof::Missing,
            (true, Some(counts)) => Proof::Listed(counts.listed.unwrap_or(u64::MAX)),
        }
    }

    fn counted_changes(&self) -> Option<bool> {
        self.stats.counts().as_ref().and_then(Counts::changed)
    }
}
