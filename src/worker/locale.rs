//! The locale that rsync runs in: its messages and numbers as irsync understands them, names in the owner's letters.

use std::ffi::OsString;

/// Removed from rsync's environment: it would override all others.
pub(super) const OVERRIDING: &str = "LC_ALL";
/// In these rsync and its remote shell are held to C. `LANGUAGE` counts for nothing where messages are in C, see gettext(3).
const PINNED: [&str; 4] = ["LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LC_COLLATE"];
/// For owners that have none, as init scripts do. A C library that does not know it takes C, and rsync writes names
/// as [`crate::rsync::names`] reads them.
const FALLBACK: &str = "C.UTF-8";

/// The variables, beside [`OVERRIDING`] that must not be there. `owner` gives those of the owner.
pub(super) fn of_rsync(owner: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, OsString)> {
    // The order of setlocale(3); an empty variable counts as none.
    let letters = [OVERRIDING, "LC_CTYPE", "LANG"].into_iter().filter_map(owner).find(|value| !value.is_empty());
    let mut variables = vec![("LC_CTYPE", letters.unwrap_or_else(|| FALLBACK.into()))];
    variables.extend(PINNED.map(|name| (name, "C".into())));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_chooses_the_letters_and_nothing_else() {
        for (given, letters) in [
            (&[][..], "C.UTF-8"),
            (&[("LANG", "de_DE.UTF-8")], "de_DE.UTF-8"),
            (&[("LANG", "de_DE.UTF-8"), ("LC_CTYPE", "ja_JP.eucJP")], "ja_JP.eucJP"),
            (&[("LC_ALL", "fr_FR"), ("LC_CTYPE", "ja_JP.eucJP")], "fr_FR"),
            (&[("LC_ALL", ""), ("LANG", "C")], "C"),
        ] {
            let owner = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.into());
            let variables = of_rsync(owner);
            assert_eq!(variables[0], ("LC_CTYPE", letters.into()), "{given:?}");
            assert!(variables[1..].iter().all(|(_, value)| value == "C"));
            assert!(variables.iter().any(|(name, _)| *name == "LC_MESSAGES"));
            assert!(variables.iter().all(|(name, _)| *name != OVERRIDING));
        }
    }
}
