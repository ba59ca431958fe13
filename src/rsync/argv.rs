//! rsync's command line.

use super::operand::{is_daemon, is_remote};
use super::options::analyse;
use super::version::Version;
use crate::job::deletions::Pass;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// What the owner gave rsync.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// Given on irsync's own command line: handed on untouched, in order.
    DropIn(Vec<OsString>),
    /// Put together from the INI file.
    Ini {
        /// `options`, split as a shell would
        options: Vec<String>,
        /// `source`, split as a shell would; never empty
        source: Vec<String>,
        /// `destination`
        destination: String,
    },
}

/// What irsync adds to the owner's options. Nothing is ever added to drop-in arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Additions {
    /// `--stats`: the numbers of the log line, and the proof that rsync has gone through the list
    pub stats: bool,
    /// `--out-format` with an itemised list: what has changed, for `run_on_change` and the log
    pub items: bool,
    /// `--info=progress2`: only for an rsync that knows it
    pub progress2: bool,
    /// `--fsync`: no file gets its right name, size and time before its content is on the disk
    pub fsync: bool,
    /// `--checksum`, and an itemised list that tells what differs in content alone: for a sync that compares contents
    pub verify: bool,
    /// `--dry-run`, and `--info=flist1` where it is known: for a look at the server
    pub look: bool,
    /// `--bwlimit`, bytes per second
    pub bwlimit: Option<u64>,
    /// `--password-file=-`: the password comes on standard input
    pub password_stdin: bool,
}

impl Additions {
    /// What may be added for an rsync of this version. An rsync whose version is not known gets no optional flag. The
    /// password is the exception: only standard input is safe for it.
    pub(crate) fn known_to(version: Option<&Version>, progress: bool, password: bool, fsync: bool) -> Additions {
        Additions {
            stats: version.is_some_and(Version::knows_stats),
            items: version.is_some_and(Version::knows_items),
            progress2: progress && version.is_some_and(Version::knows_progress2),
            fsync: fsync && version.is_some_and(Version::knows_fsync),
            verify: false,
            look: false,
            bwlimit: None,
            password_stdin: password,
        }
    }
}

impl Arguments {
    /// Where the files go.
    pub fn destination(&self) -> Option<String> {
        match self {
            Arguments::Ini { destination, .. } => Some(destination.clone()),
            Arguments::DropIn(words) => Some(analyse(words).destination?.to_string_lossy().into_owned()),
        }
    }

    /// Where the files go, if that is on this machine.
    pub fn local_destination(&self) -> Option<String> {
        self.destination().filter(|destination| !is_remote(destination))
    }

    /// The owner's `--max-delete`, if his options delete; None: they do not, or irsync may not add what counts first.
    pub fn deletes(&self) -> Option<Option<u64>> {
        let Arguments::Ini { options, .. } = self else { return None };
        let given = analyse(&options.iter().map(OsString::from).collect::<Vec<_>>());
        // What stands behind `--` would make an operand of what is added last.
        let open = !given.ended || options.last().is_some_and(|last| last == "--");
        (open && given.deletes()).then(|| given.max_delete())
    }

    /// As many folders of the sources stay in the list whatever becomes of what is in them.
    pub fn roots(&self) -> u64 {
        match self {
            Arguments::Ini { source, .. } => source.len() as u64,
            Arguments::DropIn(_) => 0,
        }
    }

    /// Whether irsync may add options of its own, or has to hand the owner's arguments on untouched.
    pub fn may_be_added_to(&self) -> bool {
        matches!(self, Arguments::Ini { .. })
    }

    /// Sources on this machine, but for those of a command line.
    pub(crate) fn local_sources(&self) -> impl Iterator<Item = &String> {
        let sources = match self {
            Arguments::Ini { source, .. } => source.as_slice(),
            Arguments::DropIn(_) => &[],
        };
        sources.iter().filter(|source| !is_remote(source))
    }

    /// Whether another machine takes part.
    pub fn is_remote(&self) -> bool {
        self.operands().iter().any(|operand| is_remote(operand))
    }

    /// Whether another machine is reached by a remote shell such as ssh, be it to an rsync daemon behind that.
    pub fn by_shell(&self) -> bool {
        let operands = self.operands();
        let mut remote = operands.iter().filter(|operand| is_remote(operand)).peekable();
        remote.peek().is_some() && (remote.any(|operand| !is_daemon(operand)) || self.remote_shell().is_some())
    }

    /// What `--rsh` says.
    pub fn remote_shell(&self) -> Option<OsString> {
        let options = match self {
            Arguments::DropIn(args) => analyse(args),
            Arguments::Ini { options, .. } => analyse(&options.iter().map(OsString::from).collect::<Vec<_>>()),
        };
        options.value("--rsh").map(OsString::from)
    }

    /// Sources and destination, as given.
    pub(crate) fn operands(&self) -> Vec<Cow<'_, str>> {
        match self {
            Arguments::DropIn(args) => {
                analyse(args).operands.into_iter().map(|at| args[at].to_string_lossy()).collect()
            }
            Arguments::Ini { source, destination, .. } => {
                source.iter().chain([destination]).map(|word| Cow::Borrowed(word.as_str())).collect()
            }
        }
    }
}

/// Its lines are those of `-i`.
const ITEMS: &str = "--out-format=%i %n%L";

/// What an rsync with these arguments prints of what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    /// Statistics, at the end of every sync that has gone through the list.
    pub stats: bool,
    /// A line for each change.
    pub items: bool,
}

impl Printed {
    /// Of all arguments, irsync's additions among them.
    pub(crate) fn by(arguments: &[OsString]) -> Printed {
        let given = analyse(arguments);
        if !given.talks() {
            return Printed::default();
        }
        let items = given.value("--out-format").map_or_else(|| given.has("--itemize-changes"), itemised);
        Printed { stats: given.has("--stats") && !given.info("stats"), items }
    }
}

/// Whether a line of this format begins as one of `-i`.
fn itemised(format: &OsStr) -> bool {
    format.as_encoded_bytes().starts_with(b"%i ")
}

/// rsync's arguments, without the program's name; see [`composed`].
pub(crate) fn compose(arguments: &Arguments, additions: &Additions, pass: Pass) -> Vec<OsString> {
    composed(arguments, additions, pass).0
}

/// rsync's arguments, without the program's name, and what they make it print.
///
/// The additions come first, so that the owner's options override them. The operands come behind `--`, so that rsync takes
/// none of them for an option. An addition is left out where the owner's options say something about the same thing.
///
/// The options of the pass come behind the owner's: the last `--max-delete` is the one that rsync heeds.
pub(crate) fn composed(arguments: &Arguments, additions: &Additions, pass: Pass) -> (Vec<OsString>, Printed) {
    let (options, source, destination) = match arguments {
        Arguments::DropIn(args) => return (args.clone(), Printed::by(args)),
        Arguments::Ini { options, source, destination } => (options, source, destination),
    };
    let options: Vec<OsString> = options.iter().map(OsString::from).collect();
    let given = analyse(&options);
    let mut args = Vec::with_capacity(options.len() + source.len() + 5);
    let operands = || source.iter().chain([destination]);
    let talks = given.talks();
    let stats = additions.stats && talks && !given.mentions("--stats") && !given.info("stats");
    if stats {
        args.push("--stats".into());
        // A server can write statistics into its message of the day, end the connection, and rsync ends with code 0.
        if operands().any(|operand| is_daemon(operand)) && !given.mentions("--motd") {
            args.push("--no-motd".into());
        }
    }
    let lists = given.mentions("--itemize-changes") || given.mentions("--out-format") || given.info("name");
    let items = additions.items && talks && !lists;
    if items {
        args.push(ITEMS.into());
    }
    if additions.progress2 && !given.mentions("--progress") && !given.has("--quiet") && !given.info("progress") {
        args.push("--info=progress2".into());
    }
    if additions.fsync && !given.mentions("--fsync") {
        args.push("--fsync".into());
    }
    if additions.verify && !given.has("--checksum") {
        args.push("--checksum".into());
    }
    let format = given.value("--out-format");
    let itemizes = additions.verify && !given.mentions("--itemize-changes") && format.is_none();
    if itemizes {
        args.push("--itemize-changes".into());
    }
    if additions.look {
        args.push("--dry-run".into());
        if additions.progress2 {
            // It is of the same age.
            args.push("--info=flist1".into());
        }
    }
    if let (Some(limit), false) = (additions.bwlimit, given.mentions("--bwlimit")) {
        // Its unit is KiB; 0 would be no limit.
        args.push(format!("--bwlimit={}", (limit / 1024).max(1)).into());
    }
    if additions.password_stdin && !given.mentions("--password-file") {
        args.push("--password-file=-".into());
    }
    args.extend(options);
    if given.ended && args.last().is_some_and(|last| last == "--") {
        args.pop();
    }
    // Without deletions it only goes through the list: nothing is new enough, and nothing old is touched.
    let nothing_else = matches!(pass, Pass::Count | Pass::MakeRoom(_));
    let most = match pass {
        Pass::Plain => None,
        Pass::Copy | Pass::Count => Some(0),
        Pass::Delete(most) | Pass::MakeRoom(most) => Some(most),
    };
    args.extend(most.map(|most| format!("--max-delete={most}").into()));
    if nothing_else {
        args.extend(["--existing", "--ignore-existing"].map(OsString::from));
    }
    args.push("--".into());
    args.extend(source.iter().map(OsString::from));
    args.push(destination.into());
    // As Printed::by() would find, without reading all that was just put together.
    let printed = Printed {
        stats: talks && (stats || given.has("--stats") && !given.info("stats")),
        items: talks && format.map_or(items || itemizes || given.has("--itemize-changes"), itemised),
    };
    debug_assert!(given.value_missing.is_some() || printed == Printed::by(&args), "{args:?}");
    (args, printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    fn ini(options: &[&str]) -> Arguments {
        Arguments::Ini {
            options: options.iter().map(|s| s.to_string()).collect(),
            source: vec!["rsync://server/media/".into(), "-odd".into()],
            destination: "/data/".into(),
        }
    }

    const ALL: Additions = Additions {
        stats: true,
        items: true,
        progress2: true,
        fsync: true,
        verify: false,
        look: false,
        bwlimit: None,
        password_stdin: true,
    };

    #[test]
    fn a_remote_shell_is_told_from_a_daemon() {
        let by_shell = |options: &[&str], source: &str| {
            let options = options.iter().map(|option| option.to_string()).collect();
            let ini = Arguments::Ini { options, source: vec![source.into()], destination: "/data/".into() };
            let args = ini_words(&ini);
            let drop_in = Arguments::DropIn(args);
            assert_eq!((ini.by_shell(), ini.is_remote()), (drop_in.by_shell(), drop_in.is_remote()), "{source}");
            assert_eq!(ini.is_remote(), !source.starts_with('/'));
            ini.by_shell()
        };
        assert!(by_shell(&["-a"], "pi@server:/media/"));
        assert!(by_shell(&["-ae", "ssh -p 2222"], "server::media"));
        assert!(!by_shell(&["-a"], "server::media"));
        assert!(!by_shell(&["-a"], "rsync://server/media/"));
        assert!(!by_shell(&["-ae", "ssh"], "/srv/media/"));
    }

    fn ini_words(arguments: &Arguments) -> Vec<OsString> {
        compose(arguments, &Additions::default(), Pass::Plain)
    }

    #[test]
    fn additions_come_first_and_operands_behind_a_double_dash() {
        let expected = [
            "--stats",
            "--no-motd",
            "--out-format=%i %n%L",
            "--info=progress2",
            "--fsync",
            "--password-file=-",
            "-rlt",
            "--",
            "rsync://server/media/",
            "-odd",
            "/data/",
        ];
        assert_eq!(compose(&ini(&["-rlt"]), &ALL, Pass::Plain), words(&expected));
        assert_eq!(
            compose(&ini(&["-rlt"]), &Additions::default(), Pass::Plain),
            words(&["-rlt", "--", "rsync://server/media/", "-odd", "/data/"])
        );
    }

    #[test]
    fn nothing_is_added_that_the_options_speak_of() {
        // What is added: statistics, an itemised list, progress, the password.
        for (option, added) in [
            ("-a", "sipw"),
            ("--stats", "ipw"),
            ("--info=stats2,name", "pw"),
            ("--info=STATS0", "ipw"),
            ("--info=progress0", "siw"),
            ("--info=none", "w"),
            ("--info=name2", "spw"),
            ("-i", "spw"),
            ("--no-i", "spw"),
            ("--log-format=%n", "spw"),
            ("-v", "sipw"),
            ("--progress", "siw"),
            ("--no-progress", "siw"),
            ("-aP", "siw"),
            ("-q", "w"),
            ("--stderr=all", "pw"),
            ("--msgs2stderr", "pw"),
            ("--stderr=client", "sipw"),
            ("--password-file=/etc/secret", "sip"),
        ] {
            let args = compose(&ini(&[option]), &ALL, Pass::Plain);
            let args: Vec<&str> = args.iter().take_while(|a| *a != option).map(|a| a.to_str().unwrap()).collect();
            for (letter, word) in [
                ('s', "--stats"),
                ('s', "--no-motd"),
                ('i', ITEMS),
                ('p', "--info=progress2"),
                ('w', "--password-file=-"),
            ] {
                assert_eq!(args.contains(&word), added.contains(letter), "{option} {word}");
            }
        }
        let motd = |options: &[&str], source: &str| {
            let options = options.iter().map(|option| option.to_string()).collect();
            let ini = Arguments::Ini { options, source: vec![source.into()], destination: "/data/".into() };
            compose(&ini, &ALL, Pass::Plain).iter().any(|word| word == "--no-motd")
        };
        assert!(motd(&["-a"], "server::media") && !motd(&["-a"], "pi@server:/media") && !motd(&["-a"], "/srv/media"));
        assert!(!motd(&["--motd"], "server::media") && !motd(&["-q"], "server::media"));
    }

    #[test]
    fn it_is_known_what_will_be_printed() {
        for (option, stats, items) in [
            ("-a", true, true),
            ("-i", true, true),
            ("--out-format=%i %M %n", true, true),
            ("--out-format=%n", true, false),
            ("--info=stats0", false, true),
            ("-q", false, false),
            ("--stderr=all", false, false),
        ] {
            assert_eq!(Printed::by(&compose(&ini(&[option]), &ALL, Pass::Plain)), Printed { stats, items }, "{option}");
        }
        assert_eq!(Printed::by(&compose(&ini(&["-a"]), &Additions::default(), Pass::Plain)), Printed::default());
        // What is added is foreseen rightly, whatever the owner's options say.
        let given =
            ["-a", "-q", "-i", "--no-i", "--stats", "--no-stats", "--info=stats0", "--out-format=%n", "--stderr=all"];
        for (one, other) in given.iter().flat_map(|one| given.iter().map(move |other| (*one, *other))) {
            for additions in [Additions::default(), ALL, Additions { verify: true, ..Additions::default() }] {
                let (args, printed) = composed(&ini(&[one, other]), &additions, Pass::Plain);
                assert_eq!(printed, Printed::by(&args), "{args:?}");
            }
        }
    }

    #[test]
    fn a_double_dash_in_the_options_is_not_doubled() {
        let args = compose(&ini(&["-a", "--"]), &Additions::default(), Pass::Plain);
        assert_eq!(args.iter().filter(|a| *a == "--").count(), 1);
        // Here it is the value of --exclude, and the operands still need one.
        let args = compose(&ini(&["--exclude", "--"]), &Additions::default(), Pass::Plain);
        assert_eq!(args.iter().filter(|a| *a == "--").count(), 2);
    }

    #[test]
    fn drop_in_arguments_are_untouched() {
        let given = words(&["src", "--stats", "-", "dst", "-v"]);
        assert_eq!(compose(&Arguments::DropIn(given.clone()), &ALL, Pass::Plain), given);
        assert_eq!(compose(&Arguments::DropIn(Vec::new()), &ALL, Pass::Plain), words(&[]));
    }
}
