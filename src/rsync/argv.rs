//! rsync's command line: put together from the INI file's keys, and understood as rsync's own parser (popt) does.
//!
//! The tables follow options.c of rsync 3.5.0. An option that is not in them counts as one without a value, which is what
//! nearly all of rsync's options are.

use crate::config::Arguments;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What irsync adds to the owner's options. Nothing is ever added to drop-in arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// `--stats`: the numbers of the log line and of `run_on_change`
    pub stats: bool,
    /// `--info=progress2`: only for an rsync that knows it
    pub progress2: bool,
    /// `--password-file=-`: the password comes on standard input
    pub password_stdin: bool,
}

/// rsync's arguments, without the program's name.
///
/// Additions come first, so that what the owner says overrides them; operands come behind `--`, so that none is taken
/// for an option. An addition is left out where the options already say something about the same thing.
pub fn compose(arguments: &Arguments, additions: &Additions) -> Vec<OsString> {
    let (options, source, destination) = match arguments {
        Arguments::DropIn(args) => return args.clone(),
        Arguments::Ini { options, source, destination } => (options, source, destination),
    };
    let options: Vec<OsString> = options.iter().map(OsString::from).collect();
    let given = analyse(&options);
    let mut args = Vec::with_capacity(options.len() + source.len() + 5);
    if additions.stats && !given.mentions("--stats") && !given.has("--quiet") && !given.info("stats") {
        args.push("--stats".into());
    }
    if additions.progress2 && !given.mentions("--progress") && !given.has("--quiet") && !given.info("progress") {
        args.push("--info=progress2".into());
    }
    if additions.password_stdin && !given.mentions("--password-file") {
        args.push("--password-file=-".into());
    }
    args.extend(options);
    if !given.ended {
        args.push("--".into());
    }
    args.extend(source.iter().map(OsString::from));
    args.push(destination.into());
    args
}

/// One option as rsync understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// The long name with its dashes, `-v` and `--no-v` included (`--verbose`, `--no-verbose`); the option as written
    /// where it is unknown or has no long name (`-F`, `-D`).
    pub name: String,
    /// The value, if one was given with it or as the next word.
    pub value: Option<OsString>,
}

/// What a list of arguments says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
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
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().rev().find_map(|o| {
            if o.name == name {
                Some(true)
            } else {
                negates(&o.name, name).then_some(false)
            }
        }) == Some(true)
    }

    /// The option or its `--no-…` form is given.
    pub fn mentions(&self, name: &str) -> bool {
        self.options.iter().any(|o| o.name == name || negates(&o.name, name))
    }

    /// The value that decides: the last one given.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.options.iter().rev().find(|o| o.name == name)?.value.as_deref()
    }

    /// Any form of `--delete` is given.
    pub fn deletes(&self) -> bool {
        const FORMS: [&str; 6] =
            ["--delete", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--delete-excluded"];
        FORMS.iter().any(|form| self.has(form))
    }

    /// An `--info=` word that begins so is given; `none` and `all` are about every word.
    fn info(&self, word: &str) -> bool {
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
    given.strip_prefix("--no-").zip(name.strip_prefix("--")).is_some_and(|(given, name)| given == name)
}

/// Short options that have a long name.
const SHORT: &[(u8, &str)] = &[
    (b'V', "version"),
    (b'v', "verbose"),
    (b'q', "quiet"),
    (b'h', "human-readable"),
    (b'n', "dry-run"),
    (b'a', "archive"),
    (b'r', "recursive"),
    (b'd', "dirs"),
    (b'p', "perms"),
    (b'E', "executability"),
    (b'A', "acls"),
    (b'X', "xattrs"),
    (b't', "times"),
    (b'U', "atimes"),
    (b'N', "crtimes"),
    (b'O', "omit-dir-times"),
    (b'J', "omit-link-times"),
    (b'@', "modify-window"),
    (b'o', "owner"),
    (b'g', "group"),
    (b'l', "links"),
    (b'L', "copy-links"),
    (b'k', "copy-dirlinks"),
    (b'K', "keep-dirlinks"),
    (b'H', "hard-links"),
    (b'R', "relative"),
    (b'I', "ignore-times"),
    (b'x', "one-file-system"),
    (b'u', "update"),
    (b'S', "sparse"),
    (b'f', "filter"),
    (b'C', "cvs-exclude"),
    (b'W', "whole-file"),
    (b'c', "checksum"),
    (b'B', "block-size"),
    (b'y', "fuzzy"),
    (b'z', "compress"),
    (b'm', "prune-empty-dirs"),
    (b'i', "itemize-changes"),
    (b'b', "backup"),
    (b'0', "from0"),
    (b's', "secluded-args"),
    (b'e', "rsh"),
    (b'T', "temp-dir"),
    (b'4', "ipv4"),
    (b'6', "ipv6"),
    (b'8', "8-bit-output"),
    (b'M', "remote-option"),
];

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

/// The one name of an option that was given by a long name, both without dashes.
fn long_name(given: &str) -> String {
    let (no, positive) = match given.strip_prefix("no-") {
        Some(rest) => ("no-", rest),
        None => ("", given),
    };
    let one_letter = match positive.as_bytes() {
        [letter] if !no.is_empty() => short_name(*letter),
        _ => None,
    };
    let name = one_letter.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == positive).map(|(_, name)| *name));
    format!("{no}{}", name.unwrap_or(positive))
}

/// Reads arguments (without the program's name) as rsync does.
pub fn analyse(args: &[OsString]) -> Analysis {
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
            analysis.take(&name, attached, args, &mut at);
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
                Some(name) if WITH_VALUE.contains(&name) => {
                    let rest = &bundle[i + 1..];
                    let rest = rest.strip_prefix(b"=").unwrap_or(rest);
                    let attached = (i + 1 < bundle.len()).then(|| value_of(rest));
                    return self.take(name, attached, args, at);
                }
                Some(name) => self.push(format!("--{name}"), None),
                None if letter == b'P' => {
                    self.push("--partial".into(), None);
                    self.push("--progress".into(), None);
                }
                None => self.push(format!("-{}", char::from(letter)), None),
            }
        }
    }

    /// An option by its one name, with the value that is attached to it or else, if it needs one, the next word.
    fn take(&mut self, name: &str, attached: Option<OsString>, args: &[OsString], at: &mut usize) {
        let mut value = attached;
        if value.is_none() && WITH_VALUE.contains(&name) {
            value = args.get(*at).cloned();
            *at += 1;
            if value.is_none() {
                self.value_missing = Some(format!("--{name}"));
            }
        }
        self.push(format!("--{name}"), value);
    }

    fn push(&mut self, name: String, value: Option<OsString>) {
        self.options.push(Opt { name, value });
    }
}

/// An operand's parts, where it names another machine.
struct Remote<'a> {
    /// `user@host` or `host`, as written, IPv6 brackets included
    host: &'a str,
    daemon: bool,
}

const URL: &str = "rsync://";

/// What is behind `rsync://`, in whatever case it is written.
fn url_rest(operand: &str) -> Option<&str> {
    operand.get(..URL.len()).filter(|scheme| scheme.eq_ignore_ascii_case(URL))?;
    operand.get(URL.len()..)
}

/// As `check_for_hostspec` in rsync's options.c.
fn remote(operand: &str) -> Option<Remote<'_>> {
    if let Some(rest) = url_rest(operand) {
        let authority = rest.split('/').next().unwrap_or(rest);
        return Some(Remote { host: authority, daemon: true });
    }
    // The first colon outside brackets, unless a slash comes before it.
    let mut in_brackets = false;
    for (i, b) in operand.bytes().enumerate() {
        match b {
            b'/' => return None,
            b'[' => in_brackets = true,
            b']' => in_brackets = false,
            b':' if !in_brackets => {
                return Some(Remote { host: &operand[..i], daemon: operand[i + 1..].starts_with(':') });
            }
            _ => {}
        }
    }
    None
}

/// The operand is on an rsync daemon: `rsync://host/module` or `host::module`.
pub fn is_daemon(operand: &str) -> bool {
    remote(operand).is_some_and(|r| r.daemon)
}

/// The operand is on another machine: a daemon's, or `host:path`; a colon behind a slash is part of a local name.
pub fn is_remote(operand: &str) -> bool {
    remote(operand).is_some()
}

/// The host of a remote operand, without user, password, port and IPv6 brackets; empty for a local one.
pub fn host(operand: &str) -> &str {
    let Some(remote) = remote(operand) else {
        return "";
    };
    let host = remote.host.rsplit_once('@').map_or(remote.host, |(_, host)| host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

/// The password in `rsync://user:password@host/…`. rsync does not understand that form, and would show it to everybody
/// who can list processes.
pub fn url_password(operand: &str) -> Option<&str> {
    let (user, _) = url_rest(operand)?.split('/').next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
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

    fn ini(options: &[&str]) -> Arguments {
        Arguments::Ini {
            options: options.iter().map(|s| s.to_string()).collect(),
            source: vec!["rsync://server/media/".into(), "-odd".into()],
            destination: "/data/".into(),
        }
    }

    const ALL: Additions = Additions { stats: true, progress2: true, password_stdin: true };

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
    }

    #[test]
    fn options_have_one_name_each() {
        let analysis =
            analyse(&words(&["-vP", "--no-v", "--del", "--protect-args", "-e", "ssh", "-FZ", "--port=874", "a", "b"]));
        let names: Vec<&str> = analysis.options.iter().map(|o| o.name.as_str()).collect();
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

    #[test]
    fn additions_come_first_and_operands_behind_a_double_dash() {
        let expected = [
            "--stats",
            "--info=progress2",
            "--password-file=-",
            "-rlt",
            "--",
            "rsync://server/media/",
            "-odd",
            "/data/",
        ];
        assert_eq!(compose(&ini(&["-rlt"]), &ALL), words(&expected));
        assert_eq!(
            compose(&ini(&["-rlt"]), &Additions::default()),
            words(&["-rlt", "--", "rsync://server/media/", "-odd", "/data/"])
        );
    }

    #[test]
    fn nothing_is_added_that_the_options_speak_of() {
        let progress = "--info=progress2";
        let cases: &[(&str, bool, bool, bool)] = &[
            ("-a", true, true, true),
            ("--stats", false, true, true),
            ("--info=stats2,name", false, true, true),
            ("--info=STATS0", false, true, true),
            ("--info=progress0", true, false, true),
            ("--info=none", false, false, true),
            ("--info=name2", true, true, true),
            ("--progress", true, false, true),
            ("--no-progress", true, false, true),
            ("-aP", true, false, true),
            ("-q", false, false, true),
            ("--password-file=/etc/secret", true, true, false),
        ];
        for (option, stats, progress2, password) in cases {
            let args = compose(&ini(&[option]), &ALL);
            let added: Vec<&str> = args.iter().take_while(|a| *a != option).map(|a| a.to_str().unwrap()).collect();
            assert_eq!(added.contains(&"--stats"), *stats, "{option}");
            assert_eq!(added.contains(&progress), *progress2, "{option}");
            assert_eq!(added.contains(&"--password-file=-"), *password, "{option}");
        }
    }

    #[test]
    fn a_double_dash_in_the_options_is_not_doubled() {
        let args = compose(&ini(&["-a", "--"]), &Additions::default());
        assert_eq!(args.iter().filter(|a| *a == "--").count(), 1);
        // Here it is the value of --exclude, and the operands still need one.
        let args = compose(&ini(&["--exclude", "--"]), &Additions::default());
        assert_eq!(args.iter().filter(|a| *a == "--").count(), 2);
    }

    #[test]
    fn drop_in_arguments_are_untouched() {
        let given = words(&["src", "--stats", "-", "dst", "-v"]);
        assert_eq!(compose(&Arguments::DropIn(given.clone()), &ALL), given);
        assert_eq!(compose(&Arguments::DropIn(Vec::new()), &ALL), words(&[]));
    }

    #[test]
    fn operands_are_local_remote_or_on_a_daemon() {
        // operand, remote, daemon, host
        let cases = [
            ("rsync://server/module/", true, true, "server"),
            ("RSYNC://user@server:8730/module", true, true, "server"),
            ("rsync://[2001:db8::1]:8730/module", true, true, "2001:db8::1"),
            ("server::module", true, true, "server"),
            ("user@server::module/a:b", true, true, "server"),
            ("[::1]::module", true, true, "::1"),
            ("user@[::1]:/path", true, false, "::1"),
            ("server:path", true, false, "server"),
            ("user@server:", true, false, "server"),
            ("./a:b", false, false, ""),
            ("/a:b", false, false, ""),
            ("a/b:c", false, false, ""),
            ("plain", false, false, ""),
            ("", false, false, ""),
            ("rsync:/", true, false, "rsync"),
            ("é:ü", true, false, "é"),
        ];
        for (operand, is_remote_, is_daemon_, host_) in cases {
            assert_eq!(
                (is_remote(operand), is_daemon(operand), host(operand)),
                (is_remote_, is_daemon_, host_),
                "{operand}"
            );
        }
    }

    #[test]
    fn a_password_in_a_url_is_found() {
        assert_eq!(url_password("rsync://user:secret@server/module"), Some("secret"));
        assert_eq!(url_password("rsync://user:se@cret@server:873/m"), Some("se@cret"));
        for without in ["rsync://user@server:873/m", "rsync://server:873/a:b@c", "user:x@server::m", "server:path"] {
            assert_eq!(url_password(without), None, "{without}");
        }
    }
}
