//! The deletions that rsync left out, from what it says of them (delete.c, main.c and generator.c of 3.5.0).

use super::number;

/// What one run said of deletions that `--max-delete` kept it from. Start a new one for each rsync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// `(N skipped)`: N knows nothing of folders that are not empty.
    pub skipped: u64,
    /// Those folders.
    pub folders: u64,
    /// Folders in the way of a file, a link or the like, which could not be made way for without deletions.
    in_the_way: u64,
    /// Anything else that rsync complained of.
    complaints: u64,
}

impl LeftOut {
    /// Takes note of a line of stdout.
    pub(crate) fn hear_stdout(&mut self, line: &[u8]) {
        if line.starts_with(b"cannot delete non-empty directory: ") {
            self.folders = self.folders.saturating_add(1);
        }
    }

    /// Takes note of a line of stderr; true if it is about deletions that were left out.
    pub(crate) fn hear_stderr(&mut self, line: &[u8]) -> bool {
        if let Some(rest) = line.strip_prefix(b"Deletions stopped due to --max-delete limit (") {
            let count = rest.strip_suffix(b" skipped)").and_then(|count| std::str::from_utf8(count).ok());
            self.skipped = count.and_then(number).unwrap_or(self.skipped);
            return true;
        }
        if line.starts_with(b"could not make way for ") {
            self.in_the_way = self.in_the_way.saturating_add(1);
            return true;
        }
        if line.starts_with(b"rsync: ") {
            self.complaints = self.complaints.saturating_add(1);
        }
        line.starts_with(b"rsync error: the --max-delete limit stopped deletions ")
    }

    /// Whether deletions that were left out are all that went wrong in a run that ended with this code.
    pub(crate) fn is_all_that_is_wrong(&self, code: Option<i32>) -> bool {
        match code {
            Some(25) => true,
            Some(23) => self.skipped > 0 && self.in_the_way > 0 && self.complaints == 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(stdout: &str, stderr: &str) -> LeftOut {
        let mut left_out = LeftOut::default();
        stdout.lines().for_each(|line| left_out.hear_stdout(line.as_bytes()));
        stderr.lines().for_each(|line| {
            left_out.hear_stderr(line.as_bytes());
        });
        left_out
    }

    #[test]
    fn what_rsync_left_out_is_counted() {
        let found = left_out(
            "cannot delete non-empty directory: odir/in\ncannot delete non-empty directory: odir\n>f+++++++++ f1",
            "Deletions stopped due to --max-delete limit (7 skipped)\n\
             rsync error: the --max-delete limit stopped deletions (code 25) at main.c(1394) [sender=3.5.0]",
        );
        assert_eq!((found.skipped, found.folders), (7, 2));
        assert!(found.is_all_that_is_wrong(Some(25)));
        assert!(!found.is_all_that_is_wrong(Some(23)) && !found.is_all_that_is_wrong(Some(0)));
        let grouped = left_out("", "Deletions stopped due to --max-delete limit (12,345 skipped)");
        assert_eq!(grouped.skipped, 12_345);
        for other in ["Deletions stopped due to --max-delete limit (x skipped)", "(9 skipped)"] {
            assert_eq!(left_out("", other).skipped, 0, "{other}");
        }
    }

    #[test]
    fn a_folder_in_the_way_is_no_fault_by_itself() {
        let way =
            "could not make way for new regular file: f2\nDeletions stopped due to --max-delete limit (7 skipped)\n";
        assert!(left_out("", way).is_all_that_is_wrong(Some(23)));
        let more = format!("{way}rsync: [sender] send_files failed to open \"/s/x\": Permission denied (13)\n");
        assert!(!left_out("", &more).is_all_that_is_wrong(Some(23)));
        assert!(!left_out("", "could not make way for new symlink: l").is_all_that_is_wrong(Some(23)));
    }
}
