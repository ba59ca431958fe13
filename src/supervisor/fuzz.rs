//! Arbitrary datagrams for both ends of the control socket.

use super::control::{request, understand};
use super::Answer;

/// A request that is understood is the one that was sent; an answer does nothing to a terminal.
pub(crate) fn control(data: &[u8]) {
    if let Some((verb, jobs)) = understand(data) {
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
