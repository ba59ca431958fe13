//! What others read of irsync's output, for the targets in `fuzz/` to hold it against.

use json::Json;
use std::collections::BTreeSet;

#[allow(dead_code, unreachable_pub)]
#[path = "../../tests/stories/common/json.rs"]
mod json;

/// One line of JSON, in which no object has a name twice.
pub(crate) fn is_json_line(text: &str) -> bool {
    text.strip_suffix('\n').is_some_and(|line| !line.contains('\n') && is_json(line))
}

/// The same without the end of the line.
pub(crate) fn is_json(text: &str) -> bool {
    Json::parse(text).is_ok_and(|json| is_plain(&json))
}

fn is_plain(json: &Json) -> bool {
    match json {
        Json::List(values) => values.iter().all(is_plain),
        Json::Object(members) => {
            let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            names.len() == members.len() && members.iter().all(|(_, value)| is_plain(value))
        }
        _ => true,
    }
}

/// Prometheus' text format: comments and samples of irsync's, no series twice, which a reader would refuse with the whole file.
pub(crate) fn are_samples(text: &str) -> bool {
    let mut series = BTreeSet::new();
    text.ends_with('\n')
        && text.lines().filter(|line| !line.starts_with("# ")).all(|line| {
            let Some((name, value)) = line.rsplit_once(' ') else { return false };
            value.parse::<f64>().is_ok() && is_series(name) && series.insert(name)
        })
}

fn is_series(text: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let Some((name, labels)) = text.split_once('{') else { return word(text) && text.starts_with("irsync_") };
    let mut rest = labels;
    loop {
        let Some((label, value)) = rest.split_once("=\"") else { return false };
        let Some(end) = end_of_label(value) else { return false };
        if !word(label) {
            return false;
        }
        match value[end + 1..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return &value[end + 1..] == "}" && word(name) && name.starts_with("irsync_"),
        }
    }
}

/// Where the quotation mark stands that ends the value of a label.
fn end_of_label(value: &str) -> Option<usize> {
    let mut bytes = value.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at),
            b'\\' if !matches!(bytes.next()?.1, b'\\' | b'"' | b'n') => return None,
            _ => {}
        }
    }
    None
}
