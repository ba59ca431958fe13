//! The status file: what irsync knows of itself and its jobs, as INI text, and that text read back.
//!
//! Every moment stands there twice: `NAME_mono`, seconds on CLOCK_MONOTONIC, to count with, and `NAME`, wall time for
//! people. The latter is worked out from the former when the file is written, so that a clock that was set in between
//! (NTP, on a board that booted in 1970) has corrected it. What is not known has no key. irsync(8) lists the keys.
//!
//! What is read may come from a newer or older irsync, or from anybody else: keys that are not known are passed over, and
//! a value of the wrong type makes the whole file one that cannot be understood.

use super::board::{JobStatus, Kind, LastRun, Progress, Stamp, State};
use super::fields::{self, Value};
use super::snapshot::{Daemon, Snapshot, Watchdog};
use super::utc;
use crate::job::{Outcome, Step, Time};
use crate::text;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer values are cut.
pub(super) const VALUE_LIMIT: usize = 512;
/// A value that was cut is marked, and is not to be cut again when it is read.
const READ_LIMIT: usize = VALUE_LIMIT + 64;

/// The whole file.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::from("; irsync's status; read it with `irsync status`\n\n[irsync]\n");
    fields::daemon(&snapshot.daemon, &mut |key, value| line(&mut text, key, value, snapshot.now));
    for judged in &snapshot.jobs {
        let _ = writeln!(text, "\n[job:{}]", judged.job.name);
        fields::job(&judged.job, snapshot.now.mono, &mut |key, value| line(&mut text, key, value, snapshot.now));
    }
    text
}

fn line(text: &mut String, key: &str, value: Value<'_>, now: Stamp) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Number(number) => writeln!(text, "{key} = {number}"),
        Value::Code(code) => writeln!(text, "{key} = {code}"),
        Value::Seconds(duration) => writeln!(text, "{key} = {}", seconds(duration)),
        Value::Moment(at) => writeln!(text, "{key}_mono = {}\n{key} = {}", seconds(at.0), utc_text(at, now)),
        Value::Flag(flag) => writeln!(text, "{key} = {}", if flag { "yes" } else { "no" }),
        Value::Word(word) => writeln!(text, "{key} = {word}"),
        Value::Text(foreign) => writeln!(text, "{key} = {}", safe(foreign, VALUE_LIMIT)),
    };
}

/// Text of others that stays on its line and does nothing to a terminal.
pub(crate) fn safe(foreign: &str, limit: usize) -> String {
    let mut safe = Vec::new();
    text::escape_into(&mut safe, foreign.as_bytes(), limit);
    String::from_utf8_lossy(&safe).into_owned()
}

/// A wall time for a moment on the monotonic clock.
pub fn wall(at: Time, now: Stamp) -> SystemTime {
    let back = now.wall.checked_sub(now.mono.since(at)).unwrap_or(UNIX_EPOCH);
    back.checked_add(at.since(now.mono)).unwrap_or(now.wall)
}

/// The same as text.
pub(super) fn utc_text(at: Time, now: Stamp) -> String {
    String::from_utf8_lossy(&utc::rfc3339(utc::seconds(wall(at, now)))).into_owned()
}

/// Seconds with three decimals.
pub fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

/// The same read back; None if it is anything else.
pub(crate) fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, millis) = text.split_once('.')?;
    let digits = whole.bytes().chain(millis.bytes()).all(|b| b.is_ascii_digit());
    let millis = millis.parse().ok().filter(|_| digits && millis.len() == 3)?;
    Duration::from_secs(whole.parse().ok()?).checked_add(Duration::from_millis(millis))
}

/// A section that was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section<'a> {
    /// What stands in the brackets.
    pub name: String,
    /// Keys and values in the order of the file.
    pub pairs: Vec<(&'a str, &'a str)>,
}

/// The sections of a status file. Lines that are none of its kind are passed over: a newer irsync may have written them.
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name: safe(name, READ_LIMIT), pairs: Vec::new() });
        } else if let (Some(section), Some((key, value))) = (sections.last_mut(), line.split_once('=')) {
            if let (Some(key), Some(value)) = (key.strip_suffix(' '), value.strip_prefix(' ')) {
                section.pairs.push((key, value));
            }
        }
    }
    sections
}

/// What a status file tells of irsync and its jobs; wall times are not read.
///
/// # Errors
/// Why it cannot be understood, safe to show: it ends too early, or has a value of the wrong type.
pub fn read(text: &str) -> Result<(Daemon, Vec<JobStatus>), String> {
    if let Some(cut) = text.lines().last().filter(|_| !text.ends_with('\n')) {
        return Err(format!("it ends in the middle of a line: {}", safe(cut, READ_LIMIT)));
    }
    let (mut daemon, mut jobs) = (None, Vec::new());
    for section in sections(text) {
        match section.name.strip_prefix("job:") {
            Some(name) => jobs.push(section.job(name)?),
            None if section.name == "irsync" => daemon = Some(section.daemon()?),
            None => {}
        }
    }
    Ok((daemon.ok_or("it has no section [irsync]")?, jobs))
}

/// What the beginning of a status file tells of irsync itself, whatever follows; None where it does not.
pub(crate) fn read_daemon(beginning: &str) -> Option<Daemon> {
    sections(beginning).iter().find(|section| section.name == "irsync")?.daemon().ok()
}

type Read<T> = Result<Option<T>, String>;

impl<'a> Section<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn wrong(&self, key: &str, kind: &str) -> String {
        let value = self.get(key).unwrap_or_default();
        format!("[{}] {key} = {} is no {kind}", self.name, safe(value, READ_LIMIT))
    }

    fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| format!("[{}] has no {key}", self.name))
    }

    fn number(&self, key: &str, largest: u64) -> Read<u64> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number <= largest);
        number.map(Some).ok_or_else(|| self.wrong(key, "number in range"))
    }

    fn total(&self, key: &str) -> Result<u64, String> {
        self.must(key, self.number(key, u64::MAX)?)
    }

    fn flag(&self, key: &str) -> Read<bool> {
        match self.get(key) {
            None => Ok(None),
            Some("yes") => Ok(Some(true)),
            Some("no") => Ok(Some(false)),
            Some(_) => Err(self.wrong(key, "yes or no")),
        }
    }

    /// One of the words of a list, by its place there.
    fn word(&self, key: &str, mut words: impl Iterator<Item = &'static str>) -> Read<usize> {
        let Some(value) = self.get(key) else { return Ok(None) };
        words.position(|word| word == value).map(Some).ok_or_else(|| self.wrong(key, "word that this irsync knows"))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(|value| safe(value, READ_LIMIT))
    }

    fn duration(&self, key: &str) -> Read<Duration> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let parsed = parse_seconds(value);
        parsed.map(Some).ok_or_else(|| self.wrong(key, "number of seconds with three decimals"))
    }

    /// A moment; its key ends in `_mono`.
    fn moment(&self, key: &str) -> Read<Time> {
        Ok(self.duration(key)?.map(Time))
    }

    fn stamp(&self, key: &str) -> Read<Stamp> {
        Ok(self.moment(key)?.map(|mono| Stamp { mono, wall: UNIX_EPOCH }))
    }

    fn daemon(&self) -> Result<Daemon, String> {
        let pid = self.number("pid", i32::MAX as u64)?;
        Ok(Daemon {
            version: self.must("version", self.text("version"))?,
            pid: self.must("pid", pid)? as u32,
            stopping: self.word("state", ["running", "stopping"].into_iter())? == Some(1),
            started: self.must("started_mono", self.moment("started_mono")?)?,
            written: self.must("written_mono", self.moment("written_mono")?)?,
            watchdog: self.watchdog()?,
            boot_cause: self.text("boot_cause"),
            boot_id: self.text("boot_id"),
        })
    }

    fn watchdog(&self) -> Read<Watchdog> {
        let Some(device) = self.text("watchdog_device") else { return Ok(None) };
        Ok(Some(Watchdog {
            device,
            identity: self.text("watchdog_identity"),
            timeout: self.number("watchdog_timeout", u32::MAX.into())?.map(|seconds| seconds as u32),
            disarms: self.flag("watchdog_disarms")?,
            fed: self.flag("watchdog_fed")? == Some(true),
        }))
    }

    fn job(&self, name: &str) -> Result<JobStatus, String> {
        let state = self.word("state", State::ALL.iter().map(|state| state.name()))?;
        let state = State::ALL[self.must("state", state)?];
        let name = name.to_owned();
        if state == State::Disabled {
            return Ok(JobStatus { name, state, ..JobStatus::default() });
        }
        const STEPS: [Step; 11] = [
            Step::Probe,
            Step::Before,
            Step::Flush,
            Step::Rollback,
            Step::Resume,
            Step::BeforePublish,
            Step::Publish,
            Step::OnChange,
            Step::OnFailure,
            Step::After,
            Step::Recover,
        ];
        let mut outcomes = [0; Outcome::ALL.len()];
        // An older irsync knows fewer outcomes, a newer one more.
        for key in self.pairs.iter().map(|(key, _)| *key) {
            let outcome = key.strip_prefix("runs_");
            if let Some(at) = outcome.and_then(|name| Outcome::ALL.iter().position(|outcome| outcome.name() == name)) {
                outcomes[at] = self.number(key, u64::MAX)?.unwrap_or(0);
            }
        }
        let failures = self.number("failures", u32::MAX.into())?;
        Ok(JobStatus {
            name,
            state,
            step: self.word("step", STEPS.into_iter().map(Step::name))?.map(|at| STEPS[at].name()),
            since: self.stamp("since_mono")?,
            next_run: self.stamp("next_run_mono")?,
            pid: self.number("pid", i32::MAX as u64)?.map(|pid| pid as i32),
            progress: self.progress()?,
            current_file: self.text("current_file"),
            last: self.last_run()?,
            last_success: self.stamp("last_success_mono")?,
            started: self.stamp("started_mono")?,
            stale_after: self.duration("stale_after")?,
            // An older irsync holds nothing.
            held: self.number("held", u64::MAX)?.unwrap_or(0),
            rolled_back: self.flag("rolled_back")?.unwrap_or(false),
            failures: self.must("failures", failures)? as u32,
            runs: self.total("runs")?,
            outcomes,
            stalls: self.total("stalls")?,
            kills: self.total("kills")?,
            files_total: self.total("files_total")?,
            bytes_total: self.total("bytes_total")?,
            // An older irsync repairs nothing, and a fleet has all versions at once.
            repaired_total: self.number("repaired_total", u64::MAX)?.unwrap_or(0),
            rsync_version: self.text("rsync_version"),
        })
    }

    fn last_run(&self) -> Read<LastRun> {
        let Some(outcome) = self.word("last_outcome", Outcome::ALL.iter().map(|outcome| outcome.name()))? else {
            return Ok(None);
        };
        Ok(Some(LastRun {
            ended: self.must("last_ended_mono", self.stamp("last_ended_mono")?)?,
            outcome: Outcome::ALL[outcome],
            code: self.number("last_code", i32::MAX as u64)?.map(|code| code as i32),
            reason: self.text("last_reason").unwrap_or_default(),
            kind: self.word("last_kind", Kind::ALL.iter().map(|kind| kind.name()))?.map(|kind| Kind::ALL[kind]),
            why: self.text("last_why"),
            duration: self.must("last_duration", self.duration("last_duration")?)?,
            files: self.number("last_files", u64::MAX)?,
            bytes: self.number("last_bytes", u64::MAX)?,
            fetched: self.number("last_fetched", u64::MAX)?,
            resumed: self.number("last_resumed", u64::MAX)?,
        }))
    }

    fn progress(&self) -> Read<Progress> {
        let number = |key: &str| self.number(key, u64::MAX);
        let Some(percent) = self.number("progress_percent", 100)? else { return Ok(None) };
        Ok(Some(Progress {
            percent: percent as u8,
            bytes: self.total("progress_bytes")?,
            rate: self.total("progress_rate")?,
            seconds: self.total("progress_seconds")?,
            transferred: number("progress_files")?,
            to_check: number("progress_to_check")?.zip(number("progress_known")?),
            list_growing: self.flag("progress_list_growing")? == Some(true),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, daemon, full, seen};
    use super::*;
    use crate::os::watchdog::Facts;
    use std::path::Path;

    #[test]
    fn what_is_written_is_read_back() {
        let jobs = [full(), JobStatus { name: "new".into(), ..JobStatus::default() }];
        let text = render(&seen(&jobs, 1000));
        assert_eq!(sections(&text).len(), 3, "{text}");
        let (own, read) = read(&text).unwrap();
        assert_eq!(read.len(), 2);
        for (read, job) in read.iter().zip(&jobs) {
            assert_eq!(format!("{read:?}"), format!("{job:?}"));
        }
        assert_eq!(own, daemon());
        assert_eq!((own.pid, own.started), (42, at(99).mono));
    }

    #[test]
    fn a_clock_that_was_set_later_corrects_what_is_shown() {
        // 1000 s after boot somebody set the clock to 2026: what happened at 700 s was 300 s before that.
        let now = Stamp { mono: at(1000).mono, wall: UNIX_EPOCH + Duration::from_secs(1_795_369_529) };
        let text = render(&Snapshot::new(daemon(), vec![full()], now));
        assert!(text.contains("last_success_mono = 700.000\nlast_success = 2026-11-22T17:40:29Z\n"), "{text}");
        assert!(text.contains("next_run_in = 30.000\n"), "{text}");
    }

    #[test]
    fn no_value_leaves_its_line() {
        let mut job = full();
        job.current_file = Some("a\n[job:evil]\nstate = x".into());
        job.rsync_version = Some("x".repeat(100_000));
        let text = render(&seen(&[job], 1000));
        assert_eq!(sections(&text).len(), 2, "{text}");
        assert!(text.len() < 4000);
        // What was cut is not cut again.
        let (_, jobs) = read(&text).unwrap();
        assert!(
            jobs[0].rsync_version.as_ref().is_some_and(|version| version.ends_with("x…[+99488 bytes]")),
            "{jobs:?}"
        );
    }

    #[test]
    fn the_watchdog_is_told() {
        let facts = Facts { identity: "i6300ESB timer".into(), granted: 15, ..Facts::default() };
        let path = Path::new("/dev/watchdog0");
        for (opened, fed) in [(Some((&facts, true)), "yes"), (Some((&facts, false)), "no"), (None, "no")] {
            let told = Some(Watchdog::new(path, opened));
            let (cause, id) = (Some("power".to_owned()), Some("c0ffee".to_owned()));
            let own = Daemon { watchdog: told.clone(), boot_cause: cause, boot_id: id.clone(), ..daemon() };
            let text = render(&Snapshot::new(own, Vec::new(), at(1000)));
            assert_eq!(sections(&text)[0].get("watchdog_fed"), Some(fed));
            assert_eq!(sections(&text)[0].get("watchdog_timeout"), opened.map(|_| "15"));
            assert_eq!(sections(&text)[0].get("boot_cause"), Some("power"));
            assert_eq!(read(&text).unwrap().0.watchdog, told);
            assert_eq!(read_daemon(&text).unwrap().boot_id, id);
        }
    }

    #[test]
    fn damaged_text_is_no_panic_and_half_a_job_is_none() {
        let text = render(&seen(&[full()], 1000));
        let last = text.find("repaired_total").unwrap();
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let read = read(&text[..end]);
            // After that only what an older irsync does not tell is missing; before the section there is no job yet.
            let whole_lines = text[..end].ends_with('\n');
            let has_job = text[..end].contains("\n[job:media]\n");
            if end > 0 && !(whole_lines && (end >= last || !has_job)) {
                assert!(read.is_err(), "{read:?} of {}", &text[..end]);
            }
        }
        for wild in ["progress_percent = 999999999999999999999", "since_mono = 99999999999999999999.000", "pid = x"] {
            let section = Section { name: "job:a".into(), pairs: Vec::new() };
            assert!(section.job("a").is_err());
            let text = text.replace("\nstep = ", &format!("\n{wild}\nstep = "));
            assert!(read(&text).is_err(), "{wild}");
        }
        for harmless in ["x = ", "[", "novelty = 00", "; a comment"] {
            let text = text.replace("[irsync]\n", &format!("[irsync]\n{harmless}\n"));
            assert!(read(&text).is_ok(), "{harmless}");
        }
        assert!(read(&(text + "\n[novelty]\nstate = 7\n")).is_ok());
    }
}
