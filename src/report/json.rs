//! A snapshot as JSON (RFC 8259), for scripts that would rather not read INI. Keys and values are those of the status file,
//! written by their types.

use super::board::Stamp;
use super::fields::{self, Value};
use super::history::{Past, Sync};
use super::snapshot::Snapshot;
use super::status::{seconds, utc_text};
use std::fmt::Write;

/// irsync is not running.
pub const NOT_RUNNING: &str = "{\"running\":false}\n";

/// One line: `{"running":true,"irsync":{…},"jobs":[{"name":…,"health":…,…}]}`; keys as in the status file.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::from("{\"running\":true,\"irsync\":");
    let mut members = Members::open(&mut text, snapshot.now);
    fields::daemon(&snapshot.daemon, &mut |key, value| members.put(key, value));
    text += "},\"jobs\":[";
    for (at, judged) in snapshot.jobs.iter().enumerate() {
        text += if at > 0 { "," } else { "" };
        let mut members = Members::open(&mut text, snapshot.now);
        members.put("name", Value::Text(&judged.job.name));
        members.put("health", Value::Word(judged.health.name()));
        fields::job(&judged.job, snapshot.now.mono, &mut |key, value| members.put(key, value));
        text.push('}');
    }
    text + "]}\n"
}

/// One line: `{"running":true,"jobs":[{"name":…,"syncs":[{…}]}]}`; keys as those of the last sync in the status file.
pub(crate) fn history(running: bool, jobs: &[Past], now: Stamp) -> String {
    let mut text = format!("{{\"running\":{running},\"jobs\":[");
    for (at, past) in jobs.iter().enumerate() {
        text += if at > 0 { ",{\"name\":" } else { "{\"name\":" };
        string(&mut text, &past.job);
        text += ",\"syncs\":[";
        for (at, Sync { run, times, first }) in past.runs.iter().enumerate() {
            text += if at > 0 { "," } else { "" };
            let mut members = Members::open(&mut text, now);
            fields::run(run, &mut |key, value| members.put(key, value));
            if *times > 1 {
                members.put("times", Value::Number((*times).into()));
                members.put("first_ended", Value::Moment(*first));
            }
            text.push('}');
        }
        text += "]}";
    }
    text + "]}\n"
}

/// irsync runs, but what it does cannot be told.
pub fn blind(why: &str) -> String {
    let mut text = String::from("{\"running\":true,\"error\":");
    string(&mut text, why);
    text + ",\"jobs\":[]}\n"
}

/// The members of an object, without its end.
struct Members<'t> {
    text: &'t mut String,
    before: char,
    now: Stamp,
}

impl<'t> Members<'t> {
    fn open(text: &'t mut String, now: Stamp) -> Members<'t> {
        Members { text, before: '{', now }
    }

    fn key(&mut self, key: &str) {
        self.text.push(self.before);
        self.before = ',';
        string(self.text, key);
        self.text.push(':');
    }

    fn put(&mut self, key: &str, value: Value<'_>) {
        if let Value::Moment(at) = value {
            self.put(&format!("{key}_mono"), Value::Seconds(at.0));
            return self.put(key, Value::Word(&utc_text(at, self.now)));
        }
        self.key(key);
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Number(number) => write!(self.text, "{number}"),
            Value::Code(code) => write!(self.text, "{code}"),
            Value::Seconds(duration) => write!(self.text, "{}", seconds(duration)),
            Value::Flag(flag) => write!(self.text, "{flag}"),
            Value::Word(text) | Value::Text(text) => {
                string(self.text, text);
                Ok(())
            }
            // Put as two values above.
            Value::Moment(_) => Ok(()),
        };
    }
}

/// Appends a string with its quotes.
pub(crate) fn string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
#[path = "../../tests/stories/common/json.rs"]
mod reader;

#[cfg(test)]
mod tests {
    use super::super::board::JobStatus;
    use super::super::snapshot::{Snapshot, Watchdog};
    use super::super::status;
    use super::super::tests::{at, full};
    use super::super::tests::{daemon, seen};
    use super::reader::Json;
    use super::*;
    use crate::os::watchdog::Facts;
    use std::path::Path;

    #[track_caller]
    fn parsed(text: &str) -> Json {
        assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text}");
        Json::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn values_have_their_types() {
        let job = JobStatus {
            rsync_version: Some("4.0".into()),
            current_file: Some("12 \"x\\x0a\"".into()),
            since: Some(at(12)),
            step: None,
            ..full()
        };
        let off = JobStatus { name: "b".into(), state: super::super::board::State::Disabled, ..JobStatus::default() };
        let facts = Facts { granted: 15, ..Facts::default() };
        let mut snapshot = seen(&[job, off], 1000);
        snapshot.daemon.watchdog = Some(Watchdog::new(Path::new("/dev/watchdog"), Some((&facts, true))));
        let text = render(&snapshot);
        parsed(&text);
        for part in [
            "{\"running\":true,\"irsync\":{\"version\":\"1.2.3\",\"pid\":42,\"state\":\"running\",\"started_mono\":99.000,",
            "\"watchdog_timeout\":15,\"watchdog_disarms\":",
            "\"watchdog_fed\":true},\"jobs\":[{\"name\":\"media\",\"health\":\"stale\",\"state\":\"syncing\",",
            "\"since_mono\":12.000,\"since\":\"1970-01-01T00:00:00Z\",",
            "\"rsync_version\":\"4.0\"",
            "\"current_file\":\"12 \\\"x\\\\x0a\\\"\"",
            "\"progress_list_growing\":true",
            "\"last_duration\":1.250,",
            ",{\"name\":\"b\",\"health\":\"off\",\"state\":\"disabled\"}]}\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(render(&seen(&[], 1)).ends_with("},\"jobs\":[]}\n"));
        parsed(&render(&seen(&[], 1)));
        assert_eq!(NOT_RUNNING, "{\"running\":false}\n");
    }

    #[test]
    fn a_history_has_a_list_of_syncs_for_each_job() {
        let run = full().last.unwrap();
        let past = |name: &str, runs: u32| {
            let sync = |times| Sync { times, first: at(500 + u64::from(times)).mono, run: run.clone() };
            Past { job: name.into(), runs: (1..=runs).map(sync).collect() }
        };
        let json = parsed(&history(true, &[past("a\"", 2), past("b", 0)], at(1000)));
        assert_eq!(json.at("jobs.0.name").and_then(Json::text), Some("a\""));
        assert_eq!(json.at("jobs.0.syncs.1.outcome").and_then(Json::text), Some("transient"));
        assert_eq!(json.at("jobs.0.syncs.1.ended_mono"), Some(&Json::Number("880.000".into())));
        assert_eq!(json.at("jobs.0.syncs.2"), None);
        // One is one, also for who has never heard of several.
        assert_eq!((json.at("jobs.0.syncs.0.times"), json.at("jobs.0.syncs.0.first_ended")), (None, None));
        assert_eq!(json.at("jobs.0.syncs.1.times"), Some(&Json::Number("2".into())));
        assert_eq!(json.at("jobs.0.syncs.1.first_ended_mono"), Some(&Json::Number("502.000".into())));
        assert_eq!(json.at("jobs.1.syncs"), Some(&Json::List(Vec::new())));
        assert_eq!(history(true, &[], at(1)), "{\"running\":true,\"jobs\":[]}\n");
        assert_eq!(history(false, &[], at(1)), "{\"running\":false,\"jobs\":[]}\n");
    }

    #[test]
    fn text_of_others_is_text_whatever_it_says() {
        for hostile in
            ["no", "yes", "00", "1.5", "null", "", "\"", "\\", "\"},{\"", "a\u{1}\n\r\t\u{7f}", "\u{202e}é漢😀"]
        {
            let job = JobStatus {
                current_file: Some(hostile.into()),
                rsync_version: Some(hostile.into()),
                name: hostile.into(),
                ..full()
            };
            let json = parsed(&render(&seen(&[job], 1000)));
            for key in ["name", "current_file", "rsync_version"] {
                assert_eq!(json.at(&format!("jobs.0.{key}")).and_then(Json::text), Some(hostile), "{key}");
            }
            assert_eq!(parsed(&blind(hostile)).get("error").and_then(Json::text), Some(hostile));
        }
    }

    #[test]
    fn a_status_file_that_was_tampered_with_gives_json_or_an_error() {
        let good = status::render(&seen(&[full()], 1000));
        let (mut read, mut refused) = (0, 0);
        for byte in [0, b'\n', b'"', b'\\', b'0', b'-', b'e', b'.', b'[', 0xff] {
            for at in 0..good.len() {
                let mut bytes = good.clone().into_bytes();
                bytes[at] = byte;
                match status::read(&String::from_utf8_lossy(&bytes)) {
                    Ok((daemon, jobs)) => {
                        read += 1;
                        parsed(&render(&Snapshot::new(daemon, jobs, at_1000())));
                    }
                    Err(why) => {
                        refused += 1;
                        assert!(!why.chars().any(char::is_control), "{why:?}");
                        parsed(&blind(&why));
                    }
                }
            }
        }
        assert!(read > 1000 && refused > 1000, "{read} {refused}");
        assert_eq!(daemon().pid, 42);
    }

    fn at_1000() -> Stamp {
        at(1000)
    }
}
