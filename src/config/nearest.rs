//! The word that was probably meant.

use super::keys::KEYS;

/// The key whose name is nearest to a misspelt one, if any is near enough to be meant.
pub(crate) fn key(name: &str) -> Option<&'static str> {
    closest(name, KEYS.iter().map(|key| key.name))
}

/// The candidate nearest to `word` in edits, if a third of its letters or fewer are wrong.
pub(crate) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace(['-', ' '], "_");
    let most = |candidate: &str| (candidate.len() / 3).max(1);
    let letters = word.chars().count();
    candidates
        // Each letter more or less is an edit: the length alone rules most of them out.
        .filter(|candidate| candidate.len().abs_diff(letters) <= most(candidate))
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= most(candidate))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + changed).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_key_and_a_stranger_finds_none() {
        for (typo, meant) in [
            ("intervall", "interval"),
            ("itnerval", "interval"),
            ("activity-timeout", "activity_timeout"),
            ("Destination", "destination"),
            ("sorce", "source"),
            ("interv", "interval"),
            ("watchdog_devcie", "watchdog_device"),
        ] {
            assert_eq!(key(typo), Some(meant), "{typo}");
        }
        assert_eq!(key("colour"), None);
        assert_eq!(key(&"x".repeat(1_000_000)), None);
    }

    #[test]
    fn distance_counts_a_swap_as_one() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("check", "chekc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
