//! Arbitrary datagrams for both ends of the control socket.

use super::control::{request, understand};
use super::Answer;

/// A request that is understood is the one that was sent; an answer does nothing to a terminal.
pub(crate) fn control(data: &[u8]) {
    // A line loses one carriage return at its end each time it is read; no name of a job has one.
    let names = understand(data).filter(|(_, jobs)| !jobs.iter().any(|job| job.ends_with('\r')));
    if let Some((verb, jobs)) = names {
        let sent = request(verb, &jobs);
        // An empty line at the end is no line.
        let again = understand(sent.as_bytes()).unwrap_or_else(|| panic!("{sent:?}"));
        let jobs: Vec<String> = match jobs.split_last() {
            Some((last, before)) if last.is_empty() => before.to_vec(),
            _ => jobs,
        };
        assert_eq!(again, (verb, jobs), "{sent:?}");
    }
    if let Some(answer) = Answer::read(data) {
        assert!(!answer.text.chars().any(|c| c.is_control() && c != '\n'), "{answer:?}");
        let again = Answer::read(answer.to_text().as_bytes());
        assert_eq!(again, Some(answer));
    }
}
