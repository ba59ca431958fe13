//! What rsync changed, line by line: the itemised list (`%i` in rsyncd.conf(5), `-i` in rsync(1)).
//!
//! rsync's statistics count files transferred, created and deleted, and nothing else: a link that points elsewhere, a mode, an
//! owner, a device's number or a hard link that was regrouped changes the set and none of the counts.
//!
//! rsync writes a line when it begins with a file, so a file that is then refused has one too, and has it again at every
//! sync. The same goes for a mode that the file system does not keep, even where nobody complains. Neither is a change.

use super::complaint::Complaints;
use super::fingerprint::{fingerprint, of_name, KEPT};

/// As many lines are remembered, to tell what the sync before had named already.
const REMEMBERED: usize = 1000;
/// As many names are kept for the log.
pub(crate) const NAMES: usize = 20;

/// The itemised lines of one sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// How many lines named a change.
    count: u64,
    /// The first names, as rsync wrote them.
    names: Vec<Vec<u8>>,
    /// The first [`REMEMBERED`] lines.
    lines: Vec<Line>,
}

/// One line, as far as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// Of all of it.
    hash: u64,
    /// Of the last part of the name.
    name: u32,
    item: Item,
}

/// What an itemised line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// Something in the set is not as it was: content, a link, a device, or a name that was not there.
    Change,
    /// A mode, an owner or another attribute of something that was there and keeps its content.
    Attribute,
    /// It is gone.
    Deletion,
    /// Only a time of something that was not transferred. A file system that cannot keep a time says so at every sync,
    /// and no reader of the set sees a difference.
    OnlyTimes,
}

/// What is really new in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// How many changes.
    pub count: u64,
    /// The first [`NAMES`] names; true: it was deleted.
    pub names: Vec<(bool, Vec<u8>)>,
}

impl News {
    /// With what the passes before it have brought.
    pub(crate) fn after(mut self, mut before: News) -> News {
        before.count = before.count.saturating_add(self.count);
        before.names.append(&mut self.names);
        before.names.truncate(NAMES);
        before
    }
}

impl Changes {
    /// Takes note of one line of stdout; gives the name if it is an itemised one.
    #[inline]
    pub(crate) fn scan<'a>(&mut self, line: &'a [u8]) -> Option<&'a [u8]> {
        let (item, name) = itemised(line)?;
        if item != Item::OnlyTimes {
            self.count = self.count.saturating_add(1);
            if self.lines.len() < REMEMBERED {
                self.remember(line, item, name);
            }
        }
        Some(name)
    }

    fn remember(&mut self, line: &[u8], item: Item, name: &[u8]) {
        if self.names.len() < NAMES {
            self.names.push(name[..name.len().min(KEPT)].to_vec());
        }
        self.lines.push(Line { hash: fingerprint(line), name: of_name(name), item });
    }

    /// How many lines named a change.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether no line named a change.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What this sync has brought. `before` are the lists that came before it, the last sync's first, `complaints` is what rsync complained of in
    /// this one, and `in_vain` says that what was named may have come to nothing.
    pub(crate) fn news(&self, before: [&Changes; 2], complaints: &Complaints, in_vain: bool) -> News {
        let mut news = News::default();
        let (mut names, mut old) = (self.names.iter(), 0);
        for line in &self.lines {
            let name = names.next();
            if !self.is_new(line, before, complaints, in_vain || complaints.are_vague()) {
                old += 1;
                continue;
            }
            news.names.extend(name.map(|name| (line.item == Item::Deletion, name.clone())));
        }
        // What was not remembered cannot be compared. It is taken for new, unless the sync before had as much of it and what
        // is remembered is old.
        let all_old = old == self.lines.len() as u64 && self.count == before[0].count;
        news.count = if all_old { 0 } else { self.count - old };
        news
    }

    fn is_new(&self, line: &Line, before: [&Changes; 2], complaints: &Complaints, vague: bool) -> bool {
        let repeated = || before.iter().any(|list| list.lines.iter().any(|old| old.hash == line.hash));
        match line.item {
            Item::Attribute => !repeated(),
            // Of complaints that name nothing known, only the repetition tells that the file was refused.
            _ => !(complaints.refuse(line.name) || vague && repeated()),
        }
    }

    /// Adds the lines of a later pass of the same sync, without the names, which only the log asks for.
    pub(crate) fn add(&mut self, later: Changes) {
        self.count = self.count.saturating_add(later.count);
        self.lines.extend(later.lines.into_iter().take(REMEMBERED.saturating_sub(self.lines.len())));
        self.lines.shrink_to_fit();
    }
}

/// The name in the line of a file that was transferred for its content alone, which takes `--checksum`: size and time
/// were right.
pub(crate) fn repaired(line: &[u8]) -> Option<&[u8]> {
    if ![&b">fc.."[..], b"<fc.."].iter().any(|start| line.starts_with(start)) {
        return None;
    }
    itemised(line).map(|(_, name)| name)
}

/// An itemised line and its name: `YXcstpoguax name` (nine letters before 3.0), or `*deleting   name`. A link's target is cut
/// off: ` -> target` of a symbolic one, ` => name` of a hard one.
#[inline]
fn itemised(line: &[u8]) -> Option<(Item, &[u8])> {
    match line.first()? {
        b'*' => line.strip_prefix(b"*deleting").and_then(|rest| {
            let blanks = rest.iter().take_while(|b| **b == b' ').count();
            (blanks > 0 && rest.len() > blanks).then(|| (Item::Deletion, &rest[blanks..]))
        }),
        b'<' | b'>' | b'c' | b'h' | b'.' => [11, 9].iter().find_map(|width| letters(line, *width)),
        _ => None,
    }
}

fn letters(line: &[u8], width: usize) -> Option<(Item, &[u8])> {
    let (letters, rest) = (line.get(..width)?, line.get(width..)?);
    let name = rest.strip_prefix(b" ")?;
    let attributes = &letters[2..];
    let known = b"fdLDS".contains(&letters[1]) && attributes.iter().all(|b| b".+? cstTpoguUnbax".contains(b));
    if !known || name.is_empty() {
        return None;
    }
    let nothing = |b: &u8| b". tTuUnb".contains(b);
    let item = match letters[0] {
        b'.' if attributes.iter().all(nothing) => Item::OnlyTimes,
        b'.' => Item::Attribute,
        _ => Item::Change,
    };
    let arrow: &[u8] = match (letters[0], letters[1]) {
        (b'h', _) => b" => ",
        (_, b'L') => b" -> ",
        _ => return Some((item, name)),
    };
    let end = name.windows(arrow.len()).position(|window| window == arrow);
    Some((item, &name[..end.unwrap_or(name.len())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(lines: &str) -> Changes {
        let mut changes = Changes::default();
        lines.lines().for_each(|line| {
            changes.scan(line.as_bytes());
        });
        changes
    }

    fn complaints(lines: &str) -> Complaints {
        let mut complaints = Complaints::default();
        lines.lines().for_each(|line| {
            complaints.scan(line.as_bytes(), false);
        });
        complaints
    }

    fn news(lines: &str, before: &str, complained: &str) -> u64 {
        changes(lines).news([&changes(before), &Changes::default()], &complaints(complained), false).count
    }

    #[test]
    fn what_differs_in_content_alone_was_repaired() {
        for (line, name) in [
            (">fc........ a b", Some("a b")),
            (">fc.....n.. rotten", Some("rotten")),
            ("<fc........ pushed", Some("pushed")),
            (">fcs....... longer", None),
            (">fc.t...... newer", None),
            (">f+++++++++ new", None),
            (">fc", None),
        ] {
            assert_eq!(repaired(line.as_bytes()), name.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn every_kind_of_change_counts() {
        // As rsync 3.5.0 wrote them with -aHD --delete.
        for line in [
            ">f.s....... a",
            ">f+++++++++ new file",
            ">f..t...... touched",
            "<f+++++++++ pushed",
            "hf.s....... h => a",
            "hf.s.pog... h => b",
            "cLc........ l -> b",
            "cL+++++++++ l2 -> x",
            ".f...p..... b",
            ".f....og... b",
            "cDc........ dev",
            "cD+++++++++ dev",
            "cS+++++++++ pipe",
            "cd+++++++++ new/",
            ".d...p..... sub/",
            ".f.......a. acl",
            ".f........x xattr",
            "*deleting   p",
            "*deleting   dir/",
            ">f+++++++ of 2.6",
        ] {
            assert_eq!(news(line, "", ""), 1, "{line}");
        }
    }

    #[test]
    fn times_alone_and_other_lines_do_not_count() {
        for line in [
            ".d..t...... ./",
            ".d..T...... ./",
            ".L..t...... l2 -> x",
            ".f..t...... sum/same",
            ".f          same",
            "*deleting",
            "*deleting   ",
            ">f+++++++++",
            ">f+++++++++ ",
            "cd",
            "changes.txt",
            "h264/movie-x.mkv",
            "sending incremental file list",
            "cannot delete non-empty directory: odir",
            "          1,234  12%    1.00MB/s    0:00:01",
            "",
        ] {
            assert_eq!(news(line, "", ""), 0, "{line}");
        }
    }

    #[test]
    fn names_are_told_apart_from_what_stands_around_them() {
        let names = |line: &str| changes(line).news([&Changes::default(); 2], &Complaints::default(), false).names;
        for (line, deleted, name) in [
            (">f+++++++++ a/b -> c", false, "a/b -> c"),
            ("cL+++++++++ l -> x", false, "l"),
            ("hf+++++++++ h => x", false, "h"),
            ("cd+++++++++ new/", false, "new/"),
            ("*deleting   p q", true, "p q"),
        ] {
            assert_eq!(names(line), [(deleted, name.as_bytes().to_vec())], "{line}");
        }
        let many: String = (0..30).map(|n| format!(">f+++++++++ {n}\n")).collect();
        assert_eq!(names(&many).len(), NAMES);
    }

    #[test]
    fn an_attribute_that_is_not_kept_is_news_once() {
        let line = ".f...p..... a";
        assert_eq!(news(line, "", ""), 1);
        assert_eq!(news(line, line, ""), 0);
        assert_eq!(news(&format!("{line}\n.f...p..... b"), line, ""), 1);
        // Content is another matter: it can change from sync to sync.
        assert_eq!(news(">f.st...... a", ">f.st...... a", ""), 1);
        assert_eq!(news("*deleting   a", "*deleting   a", ""), 1);
    }

    #[test]
    fn what_was_refused_is_no_change_and_what_stands_beside_it_is() {
        let refused = "rsync: [receiver] mkstemp \"/d/x/.b:c.5jkmVt\" failed: Invalid argument (22)";
        let both = ">f+++++++++ x/b:c\n>f.st...... list";
        assert_eq!(news(both, "", refused), 1);
        assert_eq!(news(both, both, refused), 1, "the list has changed again");
        assert_eq!(news(">f+++++++++ x/b:c", "", refused), 0);
        let news = changes(both).news([&Changes::default(); 2], &complaints(refused), false);
        assert_eq!(news.names, [(false, b"list".to_vec())]);
    }

    #[test]
    fn where_a_complaint_names_nothing_known_a_repeated_line_is_old() {
        let vague = "something went wrong";
        let lines = ">f+++++++++ a\n>f+++++++++ b";
        assert_eq!(news(lines, "", vague), 2);
        assert_eq!(news(lines, lines, vague), 0);
        assert_eq!(news(lines, ">f+++++++++ a", vague), 1);
        let in_vain = |before: &str| {
            changes(lines).news([&changes(before), &Changes::default()], &Complaints::default(), true).count
        };
        assert_eq!((in_vain(""), in_vain(lines)), (2, 0));
    }

    #[test]
    fn passes_of_one_sync_add_up() {
        let (nothing, line) = (Changes::default(), ".f...p..... a");
        let mut now = Changes::default();
        let first = changes(&format!("{line}\n>f+++++++++ b")).news([&nothing, &now], &Complaints::default(), false);
        now.add(changes(&format!("{line}\n>f+++++++++ b")));
        let second = changes(&format!("{line}\n*deleting   c"));
        let sum = second.news([&nothing, &now], &Complaints::default(), false).after(first);
        assert_eq!((sum.count, sum.names.len()), (3, 3));
        now.add(second);
        assert_eq!(changes(line).news([&now, &nothing], &Complaints::default(), false).count, 0);
    }

    #[test]
    fn a_long_list_is_compared_by_its_beginning_and_its_length() {
        let list = |range: std::ops::Range<u64>| -> String { range.map(|n| format!(">f+++++++++ {n}\n")).collect() };
        let vague = "something went wrong";
        assert_eq!(changes(&list(0..5000)).lines.len(), REMEMBERED);
        assert_eq!(news(&list(0..5000), "", ""), 5000);
        assert_eq!(news(&list(0..5000), &list(0..5000), vague), 0);
        assert_eq!(news(&list(0..5001), &list(0..5000), vague), 4001);
        assert_eq!(news(&list(1..5001), &list(0..5000), vague), 4001);
        assert_eq!(news(&list(0..5000), &list(0..5000), ""), 5000);
    }
}
