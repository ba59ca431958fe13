//! Which of the lines on stderr tells people most about why a sync failed, in rsync's own words or ssh's.

use super::complaint::Kind;
use crate::text;

/// So many bytes of the line are kept; with the mark of what was left out it stays below 200.
const LIMIT: usize = 170;

/// Begins the line that sums up the exit code, which is told anyway.
const SUMMARIES: [&[u8]; 2] = [b"rsync error: ", b"rsync warning: "];

/// Found in lines that say only that the other side has ended. Why it has was said before, if it was said at all.
const CONSEQUENCES: [&[u8]; 4] = [
    b"connection unexpectedly closed",
    b": Broken pipe (32)",
    b"writefd_unbuffered failed",
    b"error in rsync protocol",
];

/// Begin the lines of rsync and of its servers, of OpenSSH and of dropbear about what went wrong.
const COMPLAINTS: [&[u8]; 9] = [
    b"rsync: ",
    b"@ERROR",
    b"ERROR: ",
    b"ssh: ",
    b"kex_exchange_identification: ",
    b"Connection closed by ",
    b"Connection reset by ",
    b"client_loop: ",
    b"dbclient: ",
];

/// ssh's remark at the first connection to a host.
const REMARK: &[u8] = b"Warning: Permanently added ";

/// How much a line tells. Of complaints the first of the weightiest kind counts, of other lines that tell as much the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    #[default]
    Nothing,
    Consequence,
    /// A banner, or the words of a shell on the server.
    Unknown,
    Complaint,
    /// It decided the outcome.
    Decisive,
}

/// The most telling line so far. Start a new one for each rsync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telling {
    /// And the weight of the kind, where it is a complaint that the owner has not accepted.
    weight: (Weight, u8),
    line: Vec<u8>,
}

impl Telling {
    /// Takes note of a line of stderr, without its line end. `decides`: it was understood as a sign of what is wrong. `kind`:
    /// what it complains of, unless the owner has accepted that.
    pub(crate) fn hear(&mut self, line: &[u8], decides: bool, kind: Option<Kind>) {
        let weight = match weigh(line) {
            Weight::Nothing => return,
            _ if decides => Weight::Decisive,
            Weight::Unknown if kind.is_some() => Weight::Complaint,
            weight => weight,
        };
        let weight = (weight, kind.map_or(0, |kind| Kind::ALL.len() as u8 - kind as u8));
        if weight > self.weight || (weight == self.weight && weight.0 != Weight::Complaint) {
            self.weight = weight;
            self.line.clear();
            text::escape_into(&mut self.line, line, LIMIT);
        }
    }

    /// The line, safe to show; None if none told anything.
    pub(crate) fn text(&self) -> Option<String> {
        (self.weight.0 > Weight::Nothing).then(|| String::from_utf8_lossy(&self.line).into_owned())
    }
}

fn weigh(line: &[u8]) -> Weight {
    let begins = |words: &[&[u8]]| words.iter().any(|word| line.starts_with(word));
    let holds = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
    if line.iter().all(u8::is_ascii_whitespace) || begins(&SUMMARIES) || line.starts_with(REMARK) {
        Weight::Nothing
    } else if !begins(&COMPLAINTS) {
        Weight::Unknown
    } else if CONSEQUENCES.iter().any(|word| holds(word)) {
        Weight::Consequence
    } else {
        Weight::Complaint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str) -> Option<String> {
        let mut telling = Telling::default();
        lines.lines().for_each(|line| {
            let kind =
                line.contains("failed").then_some(if line.contains("times") { Kind::Times } else { Kind::Other });
            telling.hear(line.as_bytes(), line.contains("No space left"), kind);
        });
        telling.text()
    }

    #[test]
    fn the_line_that_tells_most_is_found_among_the_others() {
        let refused = "rsync: [Receiver] failed to connect to 192.0.2.1 (192.0.2.1): Connection refused (111)";
        let closed = "rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]";
        let summary = "rsync error: error in socket IO (code 10) at clientserver.c(139) [Receiver=3.2.7]";
        let full = "rsync: [receiver] write failed on \"/x/big\": No space left on device (28)";
        let unresolved = "ssh: Could not resolve hostname server: Name or service not known";
        for (lines, line) in [
            (&[refused, summary][..], Some(refused)),
            (&["@ERROR: auth failed on module data", summary], Some("@ERROR: auth failed on module data")),
            (&[unresolved, closed, summary], Some(unresolved)),
            (&["Warning: Permanently added 'x' (ED25519) to the list of known hosts.", closed], Some(closed)),
            (&["zsh:1: command not found: rsync", closed, summary], Some("zsh:1: command not found: rsync")),
            (&["** Authorized use only **", refused], Some(refused)),
            (&[full, "rsync: [generator] write error: Broken pipe (32)", refused, summary], Some(full)),
            (&["rsync: a failed", "rsync: b failed", summary], Some("rsync: a failed")),
            (&["rsync: failed to set times on a", "rsync: b failed", "rsync: c failed"], Some("rsync: b failed")),
            (&["could not make way, failed", closed], Some("could not make way, failed")),
            (&[closed, summary], Some(closed)),
            (&[summary, "", " ", "rsync warning: some files vanished (code 24) at main.c(1863)"], None),
            (&[], None),
        ] {
            assert_eq!(told(&lines.join("\n")).as_deref(), line, "{lines:?}");
        }
    }

    #[test]
    fn a_line_is_safe_and_short_whatever_it_says() {
        let mut telling = Telling::default();
        telling.hear(b"rsync: \x1b[31m\xff\"", false, None);
        assert_eq!(telling.text().as_deref(), Some("rsync: \\x1b[31m\\xff\""));
        for byte in [b'x', 0xff, b'\n'] {
            let mut telling = Telling::default();
            telling.hear(&[b"rsync: ".as_slice(), &vec![byte; 100_000]].concat(), false, None);
            let text = telling.text().unwrap();
            assert!(text.len() <= 200 && text.ends_with(" bytes]"), "{} {text}", text.len());
        }
    }
}
