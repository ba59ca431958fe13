//! The status file: what irsync knows of itself and its jobs, as INI text, and that text read back.
//!
//! Every moment stands there twice: `NAME_mono`, seconds on CLOCK_MONOTONIC, to count with, and `NAME`, wall time for
//! people. The latter is worked out from the former when the file is written, so that a clock that was set in between
//! (NTP, on a board that booted in 1970) has corrected it. What is not known has no key. irsync(8) lists the keys.

use super::board::{JobStatus, LastRun, Progress, Stamp, State};
use super::utc;
use crate::job::{Outcome, Step, Time};
use crate::os::watchdog::Facts;
use crate::text;
use std::fmt::{Display, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer values are cut.
const VALUE_LIMIT: usize = 512;

/// What the first section tells.
#[derive(Clone, Debug)]
pub struct Daemon<'a> {
    /// irsync's own process.
    pub pid: u32,
    /// When it started.
    pub started: Time,
    /// It was told to stop.
    pub stopping: bool,
    /// The configured device; what is known of it and whether it is fed, if it could be opened.
    pub watchdog: Option<(&'a Path, Option<(&'a Facts, bool)>)>,
    /// How the last boot ended, as far as that could be told.
    pub boot_cause: Option<&'a str>,
}

/// The whole file.
pub fn render(daemon: &Daemon<'_>, jobs: &[JobStatus], now: Stamp) -> String {
    let mut page = Page { text: String::from("; irsync's status; read it with `irsync status`\n"), now };
    page.daemon(daemon);
    jobs.iter().for_each(|job| page.job(job));
    page.text
}

/// A wall time for a moment on the monotonic clock.
pub fn wall(at: Time, now: Stamp) -> SystemTime {
    let back = now.wall.checked_sub(now.mono.since(at)).unwrap_or(UNIX_EPOCH);
    back.checked_add(at.since(now.mono)).unwrap_or(now.wall)
}

/// Seconds with three decimals.
pub fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

fn yes(value: bool) -> &'static str {
    if value {
        "yes"
    } else {
        "no"
    }
}

struct Page {
    text: String,
    now: Stamp,
}

impl Page {
    fn section(&mut self, name: &str) {
        let _ = writeln!(self.text, "\n[{name}]");
    }

    fn pair(&mut self, key: &str, value: &dyn Display) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    fn maybe(&mut self, key: &str, value: &Option<u64>) {
        if let Some(value) = value {
            self.pair(key, value);
        }
    }

    /// Text of others: it stays on its line.
    fn foreign(&mut self, key: &str, value: &str) {
        let mut safe = Vec::new();
        text::escape_into(&mut safe, value.as_bytes(), VALUE_LIMIT);
        self.pair(key, &String::from_utf8_lossy(&safe));
    }

    fn moment(&mut self, key: &str, at: Time) {
        let stamp = utc::rfc3339(utc::seconds(wall(at, self.now)));
        let _ = writeln!(self.text, "{key}_mono = {}\n{key} = {}", seconds(at.0), String::from_utf8_lossy(&stamp));
    }

    fn daemon(&mut self, daemon: &Daemon<'_>) {
        self.section("irsync");
        self.pair("version", &env!("CARGO_PKG_VERSION"));
        self.pair("pid", &daemon.pid);
        self.pair("state", &if daemon.stopping { "stopping" } else { "running" });
        self.moment("started", daemon.started);
        self.moment("written", self.now.mono);
        if let Some((device, opened)) = &daemon.watchdog {
            self.foreign("watchdog_device", &device.display().to_string());
            if let Some((facts, _)) = opened {
                self.foreign("watchdog_identity", &facts.identity);
                self.pair("watchdog_timeout", &facts.granted);
                self.pair("watchdog_disarms", &yes(facts.disarms()));
            }
            self.pair("watchdog_fed", &yes(opened.is_some_and(|(_, fed)| fed)));
        }
        if let Some(cause) = daemon.boot_cause {
            self.foreign("boot_cause", cause);
        }
    }

    fn job(&mut self, job: &JobStatus) {
        self.section(&format!("job:{}", job.name));
        self.pair("state", &job.state.name());
        if job.state == State::Disabled {
            return;
        }
        if let Some(step) = job.step {
            self.pair("step", &step);
        }
        let moments = [("since", &job.since), ("next_run", &job.next_run), ("started", &job.started)];
        for (key, stamp) in moments {
            if let Some(stamp) = stamp {
                self.moment(key, stamp.mono);
            }
        }
        if let Some(next) = &job.next_run {
            self.pair("next_run_in", &seconds(next.mono.since(self.now.mono)));
        }
        if let Some(pid) = job.pid {
            self.pair("pid", &pid);
        }
        if let Some(progress) = &job.progress {
            self.progress(progress);
        }
        if let Some(file) = &job.current_file {
            self.foreign("current_file", file);
        }
        if let Some(last) = &job.last {
            self.pair("last_outcome", &last.outcome);
            if let Some(code) = last.code {
                self.pair("last_code", &code);
            }
            self.foreign("last_reason", &last.reason);
            self.moment("last_ended", last.ended.mono);
            self.pair("last_duration", &seconds(last.duration));
            self.maybe("last_files", &last.files);
            self.maybe("last_bytes", &last.bytes);
        }
        if let Some(success) = &job.last_success {
            self.moment("last_success", success.mono);
        }
        if let Some(stale_after) = job.stale_after {
            self.pair("stale_after", &seconds(stale_after));
        }
        self.pair("failures", &job.failures);
        let totals = [
            ("runs", job.runs),
            ("stalls", job.stalls),
            ("kills", job.kills),
            ("files_total", job.files_total),
            ("bytes_total", job.bytes_total),
        ];
        for (key, total) in totals {
            self.pair(key, &total);
        }
        for (outcome, count) in Outcome::ALL.iter().zip(job.outcomes) {
            let _ = writeln!(self.text, "runs_{outcome} = {count}");
        }
        if let Some(version) = &job.rsync_version {
            self.foreign("rsync_version", version);
        }
    }

    fn progress(&mut self, progress: &Progress) {
        self.pair("progress_percent", &progress.percent);
        self.pair("progress_bytes", &progress.bytes);
        self.pair("progress_rate", &progress.rate);
        self.pair("progress_seconds", &progress.seconds);
        self.maybe("progress_files", &progress.transferred);
        if let Some((left, known)) = progress.to_check {
            self.pair("progress_to_check", &left);
            self.pair("progress_known", &known);
        }
        self.pair("progress_list_growing", &yes(progress.list_growing));
    }
}

/// A section that was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What stands in the brackets.
    pub name: String,
    /// Keys and values in the order of the file.
    pub pairs: Vec<(String, String)>,
}

/// The sections of a status file. Lines that are none of its kind are passed over: a newer irsync may have written them.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name: name.to_owned(), pairs: Vec::new() });
        } else if let (Some(section), Some((key, value))) = (sections.last_mut(), line.split_once(" = ")) {
            section.pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

impl Section {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A value that is a whole number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// A value in seconds.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        let (whole, millis) = self.get(key)?.split_once('.')?;
        let millis = Some(millis).filter(|digits| digits.len() == 3)?;
        Some(Duration::from_secs(whole.parse().ok()?) + Duration::from_millis(millis.parse().ok()?))
    }

    /// The moment of `KEY_mono`.
    pub fn moment(&self, key: &str) -> Option<Time> {
        self.duration(&format!("{key}_mono")).map(Time)
    }

    /// The job of a `job:` section; its wall times are not read. None for other sections.
    pub fn job(&self) -> Option<JobStatus> {
        let name = self.name.strip_prefix("job:")?;
        let stamp = |key: &str| self.moment(key).map(|mono| Stamp { mono, wall: UNIX_EPOCH });
        let small = |key: &str| self.get(key).and_then(|value| value.parse().ok());
        let total = |key: &str| self.number(key).unwrap_or(0);
        let mut outcomes = [0; Outcome::ALL.len()];
        for (outcome, count) in Outcome::ALL.iter().zip(&mut outcomes) {
            *count = total(&format!("runs_{outcome}"));
        }
        const STEPS: [Step; 6] =
            [Step::Probe, Step::Before, Step::OnChange, Step::OnFailure, Step::After, Step::Recover];
        Some(JobStatus {
            name: name.to_owned(),
            state: State::ALL.into_iter().find(|state| Some(state.name()) == self.get("state")).unwrap_or_default(),
            step: STEPS.into_iter().map(Step::name).find(|step| Some(*step) == self.get("step")),
            since: stamp("since"),
            next_run: stamp("next_run"),
            pid: small("pid"),
            progress: self.progress(),
            current_file: self.get("current_file").map(str::to_owned),
            last: self.last_run(),
            last_success: stamp("last_success"),
            started: stamp("started"),
            stale_after: self.duration("stale_after"),
            failures: self.get("failures").and_then(|value| value.parse().ok()).unwrap_or(0),
            runs: total("runs"),
            outcomes,
            stalls: total("stalls"),
            kills: total("kills"),
            files_total: total("files_total"),
            bytes_total: total("bytes_total"),
            rsync_version: self.get("rsync_version").map(str::to_owned),
        })
    }

    fn last_run(&self) -> Option<LastRun> {
        let name = self.get("last_outcome")?;
        Some(LastRun {
            ended: Stamp { mono: self.moment("last_ended")?, wall: UNIX_EPOCH },
            outcome: Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)?,
            code: self.get("last_code").and_then(|value| value.parse().ok()),
            reason: self.get("last_reason").unwrap_or_default().to_owned(),
            duration: self.duration("last_duration")?,
            files: self.number("last_files"),
            bytes: self.number("last_bytes"),
        })
    }

    fn progress(&self) -> Option<Progress> {
        Some(Progress {
            percent: self.number("progress_percent")?.min(100) as u8,
            bytes: self.number("progress_bytes")?,
            rate: self.number("progress_rate")?,
            seconds: self.number("progress_seconds")?,
            transferred: self.number("progress_files"),
            to_check: self.number("progress_to_check").zip(self.number("progress_known")),
            list_growing: self.get("progress_list_growing") == Some("yes"),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn at(seconds: u64) -> Stamp {
        Stamp { mono: Time(Duration::from_secs(seconds)), wall: UNIX_EPOCH }
    }

    /// A job of which everything is known.
    pub fn full() -> JobStatus {
        JobStatus {
            name: "media".into(),
            state: State::Syncing,
            step: Some(Step::Before.name()),
            since: Some(at(900)),
            next_run: Some(at(1030)),
            pid: Some(4711),
            progress: Some(Progress {
                bytes: 45 << 20,
                percent: 45,
                rate: 3 << 20,
                seconds: 18,
                transferred: Some(3),
                to_check: Some((7, 10)),
                list_growing: true,
            }),
            current_file: Some("films/a = b.mp4".into()),
            last: Some(LastRun {
                ended: at(880),
                outcome: Outcome::Transient,
                code: Some(10),
                reason: "RERR_SOCKETIO".into(),
                duration: Duration::from_millis(1250),
                files: Some(1),
                bytes: Some(2048),
            }),
            last_success: Some(at(700)),
            started: Some(at(100)),
            stale_after: Some(Duration::from_secs(90)),
            failures: 2,
            runs: 45,
            outcomes: [1, 2, 3, 4, 5, 6, 7, 8, 9],
            stalls: 8,
            kills: 1,
            files_total: 10,
            bytes_total: 1 << 40,
            rsync_version: Some("3.2.7".into()),
        }
    }

    fn daemon() -> Daemon<'static> {
        Daemon { pid: 42, started: at(99).mono, stopping: false, watchdog: None, boot_cause: None }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let jobs = [full(), JobStatus { name: "new".into(), ..JobStatus::default() }];
        let text = render(&daemon(), &jobs, at(1000));
        let read = sections(&text);
        assert_eq!(read.len(), 3, "{text}");
        assert_eq!(read[0].job().map(|job| job.name), None);
        for (section, job) in read[1..].iter().zip(&jobs) {
            assert_eq!(format!("{:?}", section.job().unwrap()), format!("{job:?}"));
        }
        assert_eq!(read[0].number("pid"), Some(42));
        assert_eq!(read[0].moment("started"), Some(at(99).mono));
    }

    #[test]
    fn a_clock_that_was_set_later_corrects_what_is_shown() {
        // 1000 s after boot somebody set the clock to 2026: what happened at 700 s was 300 s before that.
        let now = Stamp { mono: at(1000).mono, wall: UNIX_EPOCH + Duration::from_secs(1_795_369_529) };
        let text = render(&daemon(), &[full()], now);
        assert!(text.contains("last_success_mono = 700.000\nlast_success = 2026-11-22T17:40:29Z\n"), "{text}");
        assert!(text.contains("next_run_in = 30.000\n"), "{text}");
    }

    #[test]
    fn no_value_leaves_its_line() {
        let mut job = full();
        job.current_file = Some("a\n[job:evil]\nstate = x".into());
        job.rsync_version = Some("x".repeat(100_000));
        let text = render(&daemon(), &[job], at(1000));
        assert_eq!(sections(&text).len(), 2, "{text}");
        assert!(text.len() < 4000);
    }

    #[test]
    fn the_watchdog_is_told() {
        let facts = Facts { identity: "i6300ESB timer".into(), granted: 15, ..Facts::default() };
        let path = Path::new("/dev/watchdog0");
        for (opened, fed) in [(Some((&facts, true)), "yes"), (Some((&facts, false)), "no"), (None, "no")] {
            let daemon = Daemon { watchdog: Some((path, opened)), boot_cause: Some("power"), ..daemon() };
            let read = sections(&render(&daemon, &[], at(1000)));
            assert_eq!(read[0].get("watchdog_fed"), Some(fed));
            assert_eq!(read[0].number("watchdog_timeout"), opened.map(|_| 15));
            assert_eq!(read[0].get("boot_cause"), Some("power"));
        }
    }

    #[test]
    fn damaged_text_is_no_panic() {
        let text = render(&daemon(), &[full()], at(1000));
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            sections(&text[..end]).iter().for_each(|section| drop(section.job()));
        }
        for wild in
            ["progress_percent = 999999999999999999999", "since_mono = 99999999999999999999.000", "x = ", "[", "[]"]
        {
            let text = format!("[job:a]\n{wild}\n");
            assert!(sections(&text)[0].job().is_some());
        }
    }
}
