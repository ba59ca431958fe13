//! Which rsync it is, and what it can be asked for.

/// What `rsync --version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Major, minor, patch; None for openrsync, which has no version of its own.
    number: Option<(u32, u32, u32)>,
    /// For people: `3.2.7`, `3.4.0pre1`, `openrsync`
    text: String,
}

impl Version {
    /// Reads the output of `rsync --version`; None if it is not rsync's.
    pub(crate) fn parse(output: &str) -> Option<Version> {
        let first = output.lines().next()?;
        if first.starts_with("openrsync") {
            return Some(Version { number: None, text: "openrsync".into() });
        }
        let mut words = first.split_ascii_whitespace();
        let text = match (words.next()?, words.next()?, words.next()?) {
            ("rsync", "version", text) => text.strip_prefix('v').unwrap_or(text),
            _ => return None,
        };
        let mut parts = text.split('.').map(leading_number);
        let (major, minor) = (parts.next()??, parts.next()??);
        let patch = parts.next().flatten().unwrap_or(0);
        Some(Version { number: Some((major, minor, patch)), text: text.to_string() })
    }

    /// The version for people.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// `--info=progress2`, new in 3.1.0 (NEWS of 3.1.0).
    pub(crate) fn knows_progress2(&self) -> bool {
        self.number >= Some((3, 1, 0))
    }

    /// `--out-format` with `%i` in eleven letters (NEWS of 3.0.0). Of older ones nobody has looked at the lines.
    pub(crate) fn knows_items(&self) -> bool {
        self.number >= Some((3, 0, 0))
    }

    /// `--fsync`, new in 3.2.4 (NEWS of 3.2.4).
    pub(crate) fn knows_fsync(&self) -> bool {
        self.number >= Some((3, 2, 4))
    }

    /// Writes without `--fsync`, and says what it would change when it is asked (see [`Version::knows_items`]).
    pub(crate) fn needs_mark(&self) -> bool {
        self.knows_items() && !self.knows_fsync()
    }

    /// `--max-delete=0` deletes nothing and tells how much it left out: since 3.0.0, before which 0 was no limit (NEWS of
    /// 3.0.0).
    pub(crate) fn counts_deletions(&self) -> bool {
        self.number >= Some((3, 0, 0))
    }

    /// `--stats`: every rsync; OpenBSD's openrsync refuses it.
    pub(crate) fn knows_stats(&self) -> bool {
        self.number.is_some()
    }
}

/// The digits at the start: pre-releases are `3.4.0pre1`.
fn leading_number(part: &str) -> Option<u32> {
    let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
    part[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_know_what_they_know() {
        // first line, text, progress2, stats
        let cases = [
            ("rsync  version 3.5.0  protocol version 32", "3.5.0", true, true),
            ("rsync  version 3.2.7  protocol version 31\nCopyright", "3.2.7", true, true),
            ("rsync  version v3.2.3  protocol version 31", "3.2.3", true, true),
            ("rsync  version 3.4.0pre1  protocol version 32.PR5", "3.4.0pre1", true, true),
            ("rsync  version 3.1.0  protocol version 31", "3.1.0", true, true),
            ("rsync  version 4.0  protocol version 40", "4.0", true, true),
            ("rsync  version 3.0.9  protocol version 30", "3.0.9", false, true),
            ("rsync  version 2.6.9  protocol version 29", "2.6.9", false, true),
            ("openrsync: protocol version 29\nrsync version 2.6.9 compatible", "openrsync", false, false),
        ];
        for (output, text, since_3_1, stats) in cases {
            let version = Version::parse(output).expect(output);
            assert_eq!(version.text(), text);
            assert_eq!(version.knows_progress2(), since_3_1, "{output}");
            assert_eq!(version.knows_stats(), stats, "{output}");
            assert_eq!(version.knows_items(), !["2.6.9", "openrsync"].contains(&text), "{output}");
            let since_3_2_4 = ["3.5.0", "3.2.7", "3.4.0pre1", "4.0"].contains(&text);
            assert_eq!(version.knows_fsync(), since_3_2_4, "{output}");
        }
    }

    #[test]
    fn other_output_is_no_version() {
        for output in ["", "\n", "rsync", "rsync  version", "rsync  version x.y", "BusyBox v1.36.1", "rsync  version 3"]
        {
            assert_eq!(Version::parse(output), None, "{output:?}");
        }
    }
}
