//! Command-line arguments, understood as rsync's own parser (popt) does.
//!
//! The tables follow options.c of rsync 3.5.0. An option that is not in them counts as one without a value, which is what
//! nearly all of rsync's options are.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One option as rsync understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    /// The long name with its dashes, `-v` and `--no-v` included (`--verbose`, `--no-verbose`); the option as written
    /// where it is unknown or has no long name (`-F`, `-D`).
    pub name: Cow<'static, str>,
    /// The value, if one was given with it or as the next word.
    pub value: Option<OsString>,
}

/// What a list of arguments says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// Where in the list the operands (sources, and last the destination) stand.
    pub operands: Vec<usize>,
    /// The options in their order.
    pub options: Vec<Opt>,
    /// The last operand, when there are at least two: with one, rsync only lists.
    pub destination: Option<OsString>,
    /// `--` was given: what follows can only be an operand.
    pub ended: bool,
    /// The last option, if it needs a value and the list ends before one comes: rsync would refuse it.
    pub value_missing: Option<String>,
}

impl Analysis {
    /// The option is on: given by any of its names, and not taken back by a later `--no-…`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().rev().find_map(|o| {
            if o.name == name {
                Some(true)
            } else {
                negates(&o.name, name).then_some(false)
            }
        }) == Some(true)
    }

    /// The option or its `--no-…` form is given.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.options.iter().any(|o| o.name == name || negates(&o.name, name))
    }

    /// The value that decides: the last one given.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        self.options.iter().rev().find(|o| o.name == name)?.value.as_deref()
    }

    /// Any form of `--delete` is given.
    pub(crate) fn deletes(&self) -> bool {
        const FORMS: [&str; 7] = [
            "--delete",
            "--delete-before",
            "--delete-during",
            "--delete-delay",
            "--delete-after",
            "--delete-excluded",
            "--delete-missing-args",
        ];
        FORMS.iter().any(|form| self.has(form))
    }

    /// `--max-delete`: the last one given. A negative number is no limit.
    pub(crate) fn max_delete(&self) -> Option<u64> {
        self.value("--max-delete")?.to_str()?.parse().ok()
    }

    /// What rsync prints comes on stdout, where it can be told from its complaints.
    pub(crate) fn talks(&self) -> bool {
        let all = self
            .value("--stderr")
            .is_some_and(|mode| mode.as_bytes().first().map(u8::to_ascii_lowercase) == Some(b'a'));
        !self.has("--quiet") && !self.has("--msgs2stderr") && !all
    }

    /// An `--info=` word that begins so is given; `none` and `all` are about every word.
    pub(crate) fn info(&self, word: &str) -> bool {
        let about = |w: &[u8]| {
            let letters = w.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let w = w[..letters].to_ascii_lowercase();
            w == word.as_bytes() || w == b"none" || w == b"all"
        };
        self.options
            .iter()
            .filter(|o| o.name == "--info")
            .filter_map(|o| o.value.as_ref())
            .any(|value| value.as_bytes().split(|&b| b == b',').any(about))
    }
}

/// Whether `given` is `--no-X` for the `--X` in `name`.
fn negates(given: &str, name: &str) -> bool {
    // Their lengths alone tell nearly all of them apart.
    given.len() == name.len() + "no-".len()
        && given.strip_prefix("--no-").zip(name.strip_prefix("--")).is_some_and(|(given, name)| given == name)
}

/// Short options, and their long names.
const SHORT: &[(u8, &str)] = &[
    (b'V', "--version"),
    (b'v', "--verbose"),
    (b'q', "--quiet"),
    (b'h', "--human-readable"),
    (b'n', "--dry-run"),
    (b'a', "--archive"),
    (b'r', "--recursive"),
    (b'd', "--dirs"),
    (b'p', "--perms"),
    (b'E', "--executability"),
    (b'A', "--acls"),
    (b'X', "--xattrs"),
    (b't', "--times"),
    (b'U', "--atimes"),
    (b'N', "--crtimes"),
    (b'O', "--omit-dir-times"),
    (b'J', "--omit-link-times"),
    (b'@', "--modify-window"),
    (b'o', "--owner"),
    (b'g', "--group"),
    (b'l', "--links"),
    (b'L', "--copy-links"),
    (b'k', "--copy-dirlinks"),
    (b'K', "--keep-dirlinks"),
    (b'H', "--hard-links"),
    (b'R', "--relative"),
    (b'I', "--ignore-times"),
    (b'x', "--one-file-system"),
    (b'u', "--update"),
    (b'S', "--sparse"),
    (b'f', "--filter"),
    (b'C', "--cvs-exclude"),
    (b'W', "--whole-file"),
    (b'c', "--checksum"),
    (b'B', "--block-size"),
    (b'y', "--fuzzy"),
    (b'z', "--compress"),
    (b'm', "--prune-empty-dirs"),
    (b'i', "--itemize-changes"),
    (b'b', "--backup"),
    (b'0', "--from0"),
    (b's', "--secluded-args"),
    (b'e', "--rsh"),
    (b'T', "--temp-dir"),
    (b'4', "--ipv4"),
    (b'6', "--ipv6"),
    (b'8', "--8-bit-output"),
    (b'M', "--remote-option"),
];

/// Those of them that have a value: see [`WITH_VALUE`].
const SHORT_WITH_VALUE: &[u8] = b"@fBeTM";

/// Second names of one option.
const ALIASES: &[(&str, &str)] = &[
    ("del", "delete-during"),
    ("existing", "ignore-non-existing"),
    ("i-r", "inc-recursive"),
    ("i-d", "implied-dirs"),
    ("old-d", "old-dirs"),
    ("cc", "checksum-choice"),
    ("zc", "compress-choice"),
    ("zl", "compress-level"),
    ("zt", "compress-threads"),
    ("log-format", "out-format"),
    ("time-limit", "stop-after"),
    ("protect-args", "secluded-args"),
];

/// Options with a value: `--name=value`, or the next word whatever it looks like. Under the names that remain when
/// short ones and aliases are replaced.
const WITH_VALUE: &[&str] = &[
    "info",
    "debug",
    "stderr",
    "modify-window",
    "confine-root",
    "chmod",
    "max-size",
    "min-size",
    "max-alloc",
    "max-delete",
    "filter",
    "exclude",
    "include",
    "exclude-from",
    "include-from",
    "checksum-choice",
    "block-size",
    "compare-dest",
    "copy-dest",
    "link-dest",
    "compress-choice",
    "skip-compress",
    "compress-level",
    "compress-threads",
    "partial-dir",
    "log-file",
    "log-file-format",
    "out-format",
    "bwlimit",
    "backup-dir",
    "suffix",
    "read-batch",
    "write-batch",
    "only-write-batch",
    "files-from",
    "usermap",
    "groupmap",
    "chown",
    "timeout",
    "contimeout",
    "stop-after",
    "stop-at",
    "rsh",
    "rsync-path",
    "temp-dir",
    "iconv",
    "copy-as",
    "address",
    "port",
    "sockopts",
    "password-file",
    "early-input",
    "outbuf",
    "remote-option",
    "protocol",
    "checksum-seed",
    "config",
    "dparam",
];

fn short_name(letter: u8) -> Option<&'static str> {
    SHORT.iter().find(|(short, _)| *short == letter).map(|(_, long)| *long)
}

/// The one name of an option that was given by a long name; that one without its dashes.
fn long_name(given: &str) -> Cow<'static, str> {
    let (no, positive) = match given.strip_prefix("no-") {
        Some(rest) => ("no-", rest),
        None => ("", given),
    };
    let one_letter = match positive.as_bytes() {
        [letter] if !no.is_empty() => short_name(*letter).map(|name| &name[2..]),
        _ => None,
    };
    let name = one_letter.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == positive).map(|(_, name)| *name));
    ["--", no, name.unwrap_or(positive)].concat().into()
}

/// Reads arguments (without the program's name) as rsync does.
pub(crate) fn analyse(args: &[OsString]) -> Analysis {
    let mut analysis = Analysis::default();
    let mut at = 0;
    while at < args.len() {
        let arg = args[at].as_bytes();
        at += 1;
        if analysis.ended || !arg.starts_with(b"-") || arg == b"-" {
            analysis.operands.push(at - 1);
        } else if arg == b"--" {
            analysis.ended = true;
        } else if let Some(long) = arg.strip_prefix(b"--") {
            let equals = long.iter().position(|&b| b == b'=');
            let name = long_name(&String::from_utf8_lossy(&long[..equals.unwrap_or(long.len())]));
            let attached = equals.map(|e| value_of(&long[e + 1..]));
            analysis.take(name, attached, args, &mut at);
        } else {
            analysis.take_bundle(&arg[1..], args, &mut at);
        }
    }
    if let [_, .., last] = analysis.operands[..] {
        analysis.destination = Some(args[last].clone());
    }
    analysis
}

fn value_of(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

impl Analysis {
    /// `-avze ssh`: flags until one that takes the rest, or the next word, as its value.
    fn take_bundle(&mut self, bundle: &[u8], args: &[OsString], at: &mut usize) {
        for (i, &letter) in bundle.iter().enumerate() {
            match short_name(letter) {
                Some(name) if SHORT_WITH_VALUE.contains(&letter) => {
                    let rest = &bundle[i + 1..];
                    let rest = rest.strip_prefix(b"=").unwrap_or(rest);
                    let attached = (i + 1 < bundle.len()).then(|| value_of(rest));
                    return self.take(name.into(), attached, args, at);
                }
                Some(name) => self.push(name.into(), None),
                None if letter == b'P' => {
                    self.push("--partial".into(), None);
                    self.push("--progress".into(), None);
                }
                None => self.push(format!("-{}", char::from(letter)).into(), None),
            }
        }
    }

    /// An option by its one name, with the value that is attached to it or else, if it needs one, the next word.
    fn take(&mut self, name: Cow<'static, str>, attached: Option<OsString>, args: &[OsString], at: &mut usize) {
        let mut value = attached;
        if value.is_none() && WITH_VALUE.contains(&&name[2..]) {
            value = args.get(*at).cloned();
            *at += 1;
            if value.is_none() {
                self.value_missing = Some(name.clone().into_owned());
            }
        }
        self.push(name, value);
    }

    fn push(&mut self, name: Cow<'static, str>, value: Option<OsString>) {
        self.options.push(Opt { name, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    fn operands(args: &[&str]) -> Vec<String> {
        let args = words(args);
        analyse(&args).operands.iter().map(|&i| args[i].to_str().unwrap().to_string()).collect()
    }

    #[test]
    fn operands_are_found_wherever_options_stand() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["-a", "src", "dst"], &["src", "dst"]),
            (&["src", "dst", "-a"], &["src", "dst"]),
            (&["src", "-e", "ssh -p 22", "dst"], &["src", "dst"]),
            (&["-avze", "ssh", "src", "dst"], &["src", "dst"]),
            (&["-avzessh", "src", "dst"], &["src", "dst"]),
            (&["-e=ssh", "src", "dst"], &["src", "dst"]),
            (&["--exclude", "--", "src", "dst"], &["src", "dst"]),
            (&["--exclude=x", "src", "dst"], &["src", "dst"]),
            (&["-M", "--fake-super", "src", "dst"], &["src", "dst"]),
            (&["-a", "--", "-src", "--delete"], &["-src", "--delete"]),
            (&["-", "dst"], &["-", "dst"]),
            (&["--zc", "zstd", "--time-limit", "5", "src", "dst"], &["src", "dst"]),
            (&["--no-bwlimit", "src", "dst"], &["src", "dst"]),
            (&["-T", "/tmp", "-B", "700", "-f", "- *.o", "-@", "1", "src", "dst"], &["src", "dst"]),
        ];
        for (args, expected) in cases {
            assert_eq!(operands(args), *expected, "{args:?}");
        }
    }

    #[test]
    fn every_option_with_a_value_takes_the_next_word() {
        for name in WITH_VALUE {
            assert_eq!(operands(&[&format!("--{name}"), "value", "src"]), ["src"], "--{name}");
        }
        for (letter, name) in SHORT {
            assert_eq!(SHORT_WITH_VALUE.contains(letter), WITH_VALUE.contains(&&name[2..]), "{name}");
        }
    }

    #[test]
    fn options_have_one_name_each() {
        let analysis =
            analyse(&words(&["-vP", "--no-v", "--del", "--protect-args", "-e", "ssh", "-FZ", "--port=874", "a", "b"]));
        let names: Vec<&str> = analysis.options.iter().map(|o| o.name.as_ref()).collect();
        assert_eq!(
            names,
            [
                "--verbose",
                "--partial",
                "--progress",
                "--no-verbose",
                "--delete-during",
                "--secluded-args",
                "--rsh",
                "-F",
                "-Z",
                "--port"
            ]
        );
        assert_eq!(analysis.value("--rsh"), Some(OsStr::new("ssh")));
        assert_eq!(analysis.value("--port"), Some(OsStr::new("874")));
        assert!(!analysis.has("--verbose") && analysis.mentions("--verbose") && analysis.has("--partial"));
        assert!(analysis.deletes() && !analyse(&words(&["--no-delete"])).deletes());
    }

    #[test]
    fn the_destination_is_the_last_of_at_least_two_operands() {
        assert_eq!(analyse(&words(&["a", "b", "-v", "c", "-n"])).destination, Some("c".into()));
        assert_eq!(analyse(&words(&["-a", "a"])).destination, None);
        assert_eq!(analyse(&[]).destination, None);
    }

    #[test]
    fn a_missing_value_is_seen() {
        assert_eq!(analyse(&words(&["-ae"])).value_missing.as_deref(), Some("--rsh"));
        assert_eq!(analyse(&words(&["--timeout"])).value_missing.as_deref(), Some("--timeout"));
        assert_eq!(analyse(&words(&["--timeout", "5"])).value_missing, None);
    }
}
