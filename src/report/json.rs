//! The status file as JSON, for scripts that would rather not read INI.

use super::status::Section;
use super::table::health;
use crate::job::Time;

/// Values that are text even where they look like a number.
const TEXTS: [&str; 7] =
    ["version", "rsync_version", "current_file", "last_reason", "watchdog_device", "watchdog_identity", "boot_cause"];

/// One line: `{"running":true,"irsync":{…},"jobs":[{"name":…,"health":…,…}]}`; keys as in the status file. `sections`:
/// None if irsync is not running.
pub fn render(sections: Option<&[Section]>, now: Time) -> String {
    let Some(sections) = sections else { return "{\"running\":false}\n".into() };
    let mut text = String::from("{\"running\":true");
    let mut before = ",\"jobs\":[";
    for section in sections {
        match section.job() {
            None => {
                text += ",\"irsync\":{";
                pairs(&mut text, section, "");
                text.push('}');
            }
            Some(job) => {
                text += before;
                text += "{\"name\":";
                string(&mut text, &job.name);
                text += ",\"health\":";
                string(&mut text, health(&job, now).name());
                pairs(&mut text, section, ",");
                text.push('}');
                before = ",";
            }
        }
    }
    text += if before == "," { "]}\n" } else { ",\"jobs\":[]}\n" };
    text
}

fn pairs(text: &mut String, section: &Section, mut before: &'static str) {
    for (key, value) in &section.pairs {
        text.push_str(before);
        before = ",";
        string(text, key);
        text.push(':');
        match value.as_str() {
            "yes" => text.push_str("true"),
            "no" => text.push_str("false"),
            number if is_number(number) && !TEXTS.contains(&key.as_str()) => text.push_str(number),
            other => string(text, other),
        }
    }
}

/// Digits, with at most one point between them.
fn is_number(value: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    value.split_once('.').map_or_else(|| digits(value), |(whole, rest)| digits(whole) && digits(rest))
}

fn string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // None of the others comes here: the status file has them escaped.
            c if c < ' ' => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::status::{sections, tests::at};
    use super::*;

    #[test]
    fn values_have_their_types() {
        let text =
            "[irsync]\nversion = 1.0\npid = 7\nwatchdog_fed = yes\n\n[job:a]\nstate = waiting\nrsync_version = 4.0\n\
                    since_mono = 12.500\ncurrent_file = 12 \"x\\x0a\"\n[job:b]\nstate = disabled\n";
        assert_eq!(
            render(Some(&sections(text)), at(20).mono),
            "{\"running\":true,\"irsync\":{\"version\":\"1.0\",\"pid\":7,\"watchdog_fed\":true},\"jobs\":[\
             {\"name\":\"a\",\"health\":\"ok\",\"state\":\"waiting\",\"rsync_version\":\"4.0\",\"since_mono\":12.500,\
             \"current_file\":\"12 \\\"x\\\\x0a\\\"\"},{\"name\":\"b\",\"health\":\"off\",\"state\":\"disabled\"}]}\n"
        );
        assert_eq!(render(Some(&sections("[irsync]\n")), at(1).mono), "{\"running\":true,\"irsync\":{},\"jobs\":[]}\n");
        assert_eq!(render(None, at(1).mono), "{\"running\":false}\n");
    }
}
