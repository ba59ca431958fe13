//! The metrics file: Prometheus' text format as node_exporter's textfile collector reads it.
//!
//! Times of success are written as wall time worked out from the monotonic clock at the time of writing: on a board that
//! booted in 1970 they become right as soon as NTP has set the clock and the file is written again.

use super::board::{Stamp, State};
use super::snapshot::{Judged, Snapshot};
use super::status::{seconds, wall};
use super::utc;
use crate::job::Outcome;
use std::fmt::{Display, Write};

/// The whole file. `up`: false in the one that is left behind at a clean stop.
pub fn render(snapshot: &Snapshot, up: bool) -> String {
    let (daemon, now) = (&snapshot.daemon, snapshot.now);
    let mut page = Page::default();
    page.family("irsync_build_info", "gauge", "Constant 1, labelled with the version of irsync.");
    page.sample(&[("version", &daemon.version)], &1);
    page.family("irsync_up", "gauge", "1 while irsync runs, 0 after it was stopped.");
    page.sample(&[], &u8::from(up));
    page.family("irsync_start_time_seconds", "gauge", "When irsync started, in seconds since 1970.");
    page.sample(&[], &utc::seconds(wall(daemon.started, now)));
    if let Some(watchdog) = &daemon.watchdog {
        page.family("irsync_watchdog_fed", "gauge", "1 while the hardware watchdog is being fed.");
        page.sample(&[], &u8::from(up && watchdog.fed));
        if let Some(timeout) = watchdog.timeout {
            page.family("irsync_watchdog_timeout_seconds", "gauge", "Time without a kick until the board is reset.");
            page.sample(&[], &timeout);
        }
    }
    page.jobs(&snapshot.jobs, now);
    page.text
}

/// A value of a job, if it has one.
type Value = fn(&Judged, Stamp) -> Option<String>;

/// Name, type, help and value of what each job has one of.
const FAMILIES: [(&str, &str, &str, Value); 14] = [
    ("irsync_job_healthy", "gauge", "1 unless the job is failing or stale.", |judged, _| {
        Some(u8::from(!judged.health.is_bad()).to_string())
    }),
    (
        "irsync_job_last_success_timestamp_seconds",
        "gauge",
        "End of the last success, in seconds since 1970.",
        |judged, now| judged.job.last_success.map(|success| utc::seconds(wall(success.mono, now)).to_string()),
    ),
    (
        "irsync_job_last_success_or_start_timestamp_seconds",
        "gauge",
        "End of the last success, or the job's start as long as there is none, in seconds since 1970.",
        |judged, now| {
            let since = judged.job.last_success.or(judged.job.started);
            since.map(|since| utc::seconds(wall(since.mono, now)).to_string())
        },
    ),
    (
        "irsync_job_last_end_timestamp_seconds",
        "gauge",
        "End of the last sync, in seconds since 1970.",
        |judged, now| judged.job.last.as_ref().map(|last| utc::seconds(wall(last.ended.mono, now)).to_string()),
    ),
    ("irsync_job_last_duration_seconds", "gauge", "How long the last rsync ran.", |judged, _| {
        judged.job.last.as_ref().map(|last| seconds(last.duration))
    }),
    ("irsync_job_last_code", "gauge", "Exit code of the last rsync.", |judged, _| {
        judged.job.last.as_ref().and_then(|last| last.code).map(|code| code.to_string())
    }),
    ("irsync_job_stale_after_seconds", "gauge", "Age of the last success at which the job is stale.", |judged, _| {
        judged.job.stale_after.map(seconds)
    }),
    ("irsync_job_consecutive_failures", "gauge", "Syncs in a row without success.", |judged, _| {
        Some(judged.job.failures.to_string())
    }),
    ("irsync_job_held_deletions", "gauge", "Deletions that wait for `irsync allow`.", |judged, _| {
        Some(judged.job.held.to_string())
    }),
    ("irsync_job_files_total", "counter", "Files transferred.", |judged, _| Some(judged.job.files_total.to_string())),
    ("irsync_job_bytes_total", "counter", "Bytes sent and received.", |judged, _| {
        Some(judged.job.bytes_total.to_string())
    }),
    (
        "irsync_job_repaired_files_total",
        "counter",
        "Files whose content was wrong, although size and time were right.",
        |judged, _| Some(judged.job.repaired_total.to_string()),
    ),
    ("irsync_job_stalls_total", "counter", "Syncs ended because of a limit.", |judged, _| {
        Some(judged.job.stalls.to_string())
    }),
    ("irsync_job_kills_total", "counter", "SIGKILLs sent because SIGTERM was not enough.", |judged, _| {
        Some(judged.job.kills.to_string())
    }),
];

/// Prometheus' text, family by family.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    family: &'static str,
}

impl Page {
    pub(crate) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: &dyn Display) {
        self.text += self.family;
        let mut before = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{before}{name}=\"");
            self.text.extend(value.chars().flat_map(escaped));
            self.text.push('"');
            before = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn jobs(&mut self, jobs: &[Judged], now: Stamp) {
        let enabled = || jobs.iter().filter(|judged| judged.job.state != State::Disabled);
        for (name, kind, help, value) in FAMILIES {
            let mut named = false;
            for judged in enabled() {
                if let Some(value) = value(judged, now) {
                    if !std::mem::replace(&mut named, true) {
                        self.family(name, kind, help);
                    }
                    self.sample(&[("job", &judged.job.name)], &value);
                }
            }
        }
        self.family("irsync_job_state", "gauge", "1 for the state the job is in.");
        for Judged { job, .. } in jobs {
            for state in State::ALL {
                self.sample(&[("job", &job.name), ("state", state.name())], &u8::from(state == job.state));
            }
        }
        let kinds = || enabled().filter_map(|judged| Some((judged, judged.job.last.as_ref()?.kind?)));
        if kinds().next().is_some() {
            self.family("irsync_job_last_trouble", "gauge", "1 for what the last sync was partial for.");
            for (Judged { job, .. }, kind) in kinds() {
                self.sample(&[("job", &job.name), ("kind", kind.name())], &1);
            }
        }
        self.family("irsync_job_syncs_total", "counter", "Finished syncs by outcome.");
        for Judged { job, .. } in enabled() {
            for (outcome, count) in Outcome::ALL.iter().zip(job.outcomes) {
                self.sample(&[("job", &job.name), ("outcome", outcome.name())], &count);
            }
        }
    }
}

/// A character of a label's value.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (backslash, c) = match c {
        '\n' => (Some('\\'), 'n'),
        '\\' | '"' => (Some('\\'), c),
        _ => (None, c),
    };
    backslash.into_iter().chain(Some(c))
}

#[cfg(test)]
mod tests {
    use super::super::board::JobStatus;
    use super::super::snapshot::Watchdog;
    use super::super::tests::full;
    use super::super::tests::seen;
    use super::*;
    use crate::os::watchdog::Facts;
    use std::path::Path;

    /// These jobs and a watchdog that is fed.
    fn with_watchdog(facts: &Facts, jobs: &[JobStatus]) -> Snapshot {
        let mut snapshot = seen(jobs, 1000);
        snapshot.daemon.watchdog = Some(Watchdog::new(Path::new("/dev/watchdog"), Some((facts, true))));
        snapshot
    }

    #[test]
    fn every_family_is_told_once_and_stands_together() {
        let jobs = [full(), JobStatus { name: "new".into(), ..JobStatus::default() }];
        let facts = Facts { granted: 15, ..Facts::default() };
        let text = render(&with_watchdog(&facts, &jobs), true);
        let mut families: Vec<&str> = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let name = rest.split(' ').next().unwrap();
                assert!(!families.contains(&name), "{name} twice");
                families.push(name);
            } else if !line.starts_with('#') {
                assert_eq!(line.split(['{', ' ']).next(), families.last().copied(), "{line}");
            }
        }
        assert_eq!(families.len(), FAMILIES.len() + 8);
        for line in [
            "irsync_up 1",
            "irsync_watchdog_fed 1",
            "irsync_job_healthy{job=\"media\"} 0",
            "irsync_job_state{job=\"media\",state=\"syncing\"} 1",
            "irsync_job_state{job=\"media\",state=\"waiting\"} 0",
            "irsync_job_syncs_total{job=\"media\",outcome=\"stalled\"} 8",
            "irsync_job_last_duration_seconds{job=\"media\"} 1.250",
            "irsync_job_consecutive_failures{job=\"new\"} 0",
            "irsync_job_last_trouble{job=\"media\",kind=\"names\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("last_success_timestamp_seconds{job=\"new\"}"));
    }

    #[test]
    fn an_alert_has_something_to_count_from_before_the_first_success() {
        let new = JobStatus { last_success: None, ..full() };
        for (job, since, healthy) in [(new, 100, 0), (full(), 700, 0)] {
            let mut snapshot = seen(&[job], 1000);
            snapshot.now.wall = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
            let text = render(&snapshot, true);
            for line in [
                format!("irsync_job_last_success_or_start_timestamp_seconds{{job=\"media\"}} {since}"),
                format!("irsync_job_healthy{{job=\"media\"}} {healthy}"),
                "irsync_job_stale_after_seconds{job=\"media\"} 90.000".into(),
            ] {
                assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
            }
        }
    }

    #[test]
    fn what_is_left_behind_at_a_stop_says_so() {
        let facts = Facts::default();
        let text = render(&with_watchdog(&facts, &[full()]), false);
        assert!(text.contains("\nirsync_up 0\n") && text.contains("\nirsync_watchdog_fed 0\n"), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let job = JobStatus { name: "a\"b\\c\nd".into(), ..full() };
        let text = render(&seen(&[job], 1000), true);
        assert!(text.contains(r#"irsync_job_healthy{job="a\"b\\c\nd"} 0"#), "{text}");
    }
}
