//! The two command lines of an `atomic` sync: what would change in the live set, and the new set beside it.

use super::argv::Printed;
use super::operand::is_remote;
use super::options::analyse;
use std::ffi::{OsStr, OsString};

/// What begins each line that names a change in the answer to the first of the two.
pub(crate) const CHANGE: &[u8] = b"@";
/// What begins a change that is a deletion.
pub(crate) const DELETION: &[u8] = b"@*deleting";
/// What irsync itself says on stdout when something has changed, before it turns into the second, and after it how many
/// deletions that brings.
const STAGED: &str = "@staged ";

/// What irsync itself says on stdout before it turns into an rsync that may write.
pub(crate) const WRITING: &str = "@writing";

/// See [`STAGED`].
pub(crate) fn say_staged(deletions: u64) -> String {
    format!("{STAGED}{deletions}\n")
}

/// The number of deletions, if the line is that of [`say_staged`].
pub(crate) fn hear_staged(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.strip_prefix(STAGED)?.parse().ok()
}
/// Options that look at what is in the destination already: of a new set there is nothing yet. And those that would hide
/// what changes.
const MISFITS: &[&str] = &[
    "--ignore-non-existing",
    "--ignore-existing",
    "--update",
    "--append",
    "--append-verify",
    "--link-dest",
    "--copy-dest",
    "--compare-dest",
    "--quiet",
    "--dry-run",
    "--list-only",
];

/// Why a set with these options cannot change as a whole.
pub(crate) fn obstacle(options: &[String], destination: &str) -> Option<String> {
    let words: Vec<OsString> = options.iter().map(OsString::from).collect();
    let given = analyse(&words);
    if is_remote(destination) {
        return Some("the destination is on another machine, where irsync cannot exchange sets".into());
    }
    if let Some(option) = misfit(&words) {
        return Some(format!("options: {option} makes no sense for a set that is built anew"));
    }
    let deletes = given.deletes();
    (!deletes).then(|| {
        "options: without --delete the set would only ever grow: a new set has only what the server has".into()
    })
}

/// The first option that is not for a set that is built anew.
pub(crate) fn misfit(words: &[OsString]) -> Option<&'static str> {
    let given = analyse(words);
    let misfit = MISFITS.iter().find(|option| given.has(option) || given.value(option).is_some()).copied();
    // What would change has to come on standard output.
    misfit.or_else(|| (!given.talks()).then_some("--stderr=all"))
}

/// Puts options of ours behind all others, so that ours decide, but before the operands and a `--`.
pub(crate) fn insert(args: &mut Vec<OsString>, more: impl IntoIterator<Item = OsString>) {
    let given = analyse(args);
    let first = given.operands.first().copied().unwrap_or(args.len());
    let at = match first.checked_sub(1) {
        Some(before) if given.ended && args[before] == "--" => before,
        _ => first,
    };
    args.splice(at..at, more);
}

/// Whether an rsync with these arguments can be asked what would change.
pub(crate) fn can_look(args: &[OsString]) -> bool {
    analyse(args).talks()
}

/// rsync's arguments for a run that only says what would change.
pub(crate) fn look(args: &[OsString]) -> Vec<OsString> {
    let mut look = args.to_vec();
    insert(&mut look, ["--dry-run".into(), "--out-format=@%i %n%L".into()]);
    look
}

/// Of rsync's arguments for the live set: those that say what would change in it, and those that build the new one.
/// `live` is None where there is no set yet.
pub(crate) fn passes(args: &[OsString], live: Option<&OsStr>, staging: &OsStr) -> (Vec<OsString>, Vec<OsString>) {
    // Deletions were counted when the live set was looked at; here they only tidy up what an interrupted sync has left.
    let mut more = vec![OsString::from("--max-delete=2147483647")];
    more.extend(live.map(|live| {
        let mut option = OsString::from("--link-dest=");
        option.push(live);
        option
    }));
    // What has changed was named when the live set was looked at. Here every folder is new.
    if Printed::by(args).items {
        more.push("--out-format=%n".into());
    }
    let mut build = args.to_vec();
    insert(&mut build, more);
    if let Some(destination) = build.last_mut() {
        *destination = staging.to_owned();
        destination.push("/");
    }
    (look(args), build)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn ours_stand_behind_the_owners_options_and_before_the_operands() {
        let args = words("--stats -rlt --delete --max-delete=5 -- rsync://h/m/ /srv/media/");
        let (look, build) = passes(&args, Some(OsStr::new("/srv/media")), OsStr::new("/srv/.media.irsync-staging"));
        let mut expected = words("--stats -rlt --delete --max-delete=5 --dry-run");
        expected.push("--out-format=@%i %n%L".into());
        expected.extend(words("-- rsync://h/m/ /srv/media/"));
        assert_eq!(look, expected);
        let expected =
            "--stats -rlt --delete --max-delete=5 --max-delete=2147483647 --link-dest=/srv/media -- rsync://h/m/ \
                        /srv/.media.irsync-staging/";
        assert_eq!(build, words(expected));
        let (_, build) = passes(&words("-r a b c"), None, OsStr::new("/s"));
        assert_eq!(build, words("-r --max-delete=2147483647 a b /s/"));
        let (_, build) = passes(&words("-ri a b c"), None, OsStr::new("/s"));
        assert_eq!(build, words("-ri --max-delete=2147483647 --out-format=%n a b /s/"));
    }

    #[test]
    fn what_is_said_is_heard() {
        assert_eq!(hear_staged(say_staged(7).trim_end().as_bytes()), Some(7));
        for line in [&b"@staged"[..], b"@staged x", b"staged 1", b"@*deleting 1"] {
            assert_eq!(hear_staged(line), None);
        }
    }

    #[test]
    fn what_cannot_be_whole_is_refused() {
        let obstacle = |options: &str, destination| {
            obstacle(&options.split(' ').map(str::to_owned).collect::<Vec<_>>(), destination)
        };
        assert_eq!(obstacle("-rlt --delete --inplace --partial-dir=.p", "/srv/media/"), None);
        assert!(obstacle("-rlt", "/srv/media/").is_some_and(|why| why.contains("--delete")));
        assert!(obstacle("-rlt --delete", "rsync://h/m/").is_some_and(|why| why.contains("another machine")));
        for option in ["-u", "-q", "--stderr=all", "--link-dest=/x", "--existing", "-n"] {
            let given = format!("-rlt --delete {option}");
            assert!(obstacle(&given, "/srv/media/").is_some_and(|why| why.contains("built anew")), "{option}");
        }
    }
}
