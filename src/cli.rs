//! Arguments in, a typed command out.
#![forbid(unsafe_code)]

mod words;

use crate::commands::{self, DEFAULT_CONFIG, EXIT_USAGE};
use crate::config::keys::Id;
use crate::config::report::WRITE_REPORT;
use crate::config::values::{self, Value};
use crate::config::{nearest, Config};
use crate::os::flush::FLUSH;
use crate::os::guard::GUARD;
use crate::os::publish::{Places, PUBLISH, STAGE};
use crate::os::rollback::{RESUME, ROLLBACK};
use crate::os::sys::relro;
use crate::os::tidy::TIDY;
use crate::os::writing::WRITE;
use crate::rsync::options;
use crate::supervisor::Verb;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What irsync is asked to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Supervise every job.
    Run {
        /// The INI file.
        config: PathBuf,
    },
    /// Validate and show.
    Check {
        /// The INI file.
        config: PathBuf,
        /// Only these jobs; empty for all.
        jobs: Vec<String>,
        /// Show every setting.
        all: bool,
        /// Ask their servers.
        online: bool,
    },
    /// Run jobs one time.
    Once {
        /// The INI file.
        config: PathBuf,
        /// Their names; empty for all.
        jobs: Vec<String>,
    },
    /// Show what each job is doing.
    Status {
        /// The INI file.
        config: PathBuf,
        /// Keep showing.
        watch: bool,
        /// For scripts.
        json: bool,
    },
    /// Show the last syncs of each job.
    History {
        /// The INI file.
        config: PathBuf,
        /// Their names; empty for all.
        jobs: Vec<String>,
        /// For scripts.
        json: bool,
    },
    /// Ask something of the running irsync.
    Control {
        /// What.
        verb: Verb,
        /// The INI file.
        config: PathBuf,
        /// The jobs' names; empty for all.
        jobs: Vec<String>,
    },
    /// Supervise what the command line itself describes.
    DropIn {
        /// One job with rsync's arguments.
        config: Config,
    },
}

/// Nothing to do but to say something: help, version, or what is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// For stdout; success.
    Say(String),
    /// For stderr; exit code 2.
    Usage(String),
}

const SUBCOMMANDS: [&str; 13] = [
    "run", "check", "once", "status", "history", "now", "allow", "rollback", "pause", "resume", "reload", "stop",
    "help",
];
const INTERVAL: &str = "--irsync-interval-seconds";
const TIMEOUT: &str = "--irsync-timeout-seconds";

const HELP: &str = "\
Runs rsync on an interval, kills it when it stalls, feeds the hardware watchdog.

irsync [--config FILE] [run]             supervise its jobs until stopped
irsync check [--online] [FILE] [JOB...]  validate FILE; ask each job's server
irsync once [JOB...]                     run each job (or those named) one time
irsync status [--watch] [--json]         what each job is doing
irsync history [JOB...] [--json]         the last 50 syncs of each job
irsync now | pause | resume [JOB...]     sync at once; take out of turn; back
irsync allow JOB                         make the deletions that are held
irsync rollback JOB                      show the set before again, and pause
irsync reload | stop                     read FILE again; stop; say how it went
irsync fleet DIR [--help]                on a server: which devices are sick
irsync [--irsync-interval-seconds=N] [--irsync-timeout-seconds=N] RSYNC-ARG...
                                         no FILE: everything else goes to rsync
irsync -- RSYNC-ARG...                   the same, whatever comes first
irsync help [COMMAND]

  --config FILE  default /etc/irsync.ini;  --help, --version, -V

Signals: TERM, INT stop; HUP re-read FILE; USR1 sync now; USR2 log the status.
Exit codes: 0 success; 1 failure; 2 wrong usage; 3 not running;
  78 bad configuration.  once: 0 only if all succeeded.
  status: 0 healthy, 1 a job is stale or failing.
";

/// Runs irsync with this process's arguments.
pub(crate) fn main() -> ExitCode {
    relro::protect();
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first() {
        Some(first) if first == GUARD => return commands::guard::run(&args[1..]),
        Some(first) if first == WRITE_REPORT => return commands::report::run(&args[1..]),
        Some(first) if first == FLUSH => return commands::flush::run(&args[1..]),
        Some(first) if first == STAGE => return commands::atomic::stage(&args[1..]),
        Some(first) if first == WRITE => return commands::writing::run(&args[1..]),
        Some(first) if first == PUBLISH => return commands::atomic::publish(&args[1..]),
        Some(first) if first == ROLLBACK => return commands::atomic::turn(&args[1..], Places::roll_back),
        Some(first) if first == RESUME => return commands::atomic::turn(&args[1..], Places::resume),
        _ => {}
    }
    if args.len() == 2 && args[0] == "help" && args[1] == "fleet" {
        return fleet(&["--help".into()]);
    }
    if args.first().is_some_and(|first| first == "fleet") && !args.iter().any(|arg| is_irsync_option(arg)) {
        return fleet(&args[1..]);
    }
    if args.first().is_some_and(|first| first == TIDY) {
        return commands::tidy::run(&args[1..]);
    }
    let command = match parse(args) {
        Ok(command) => command,
        Err(Stop::Say(text)) => return commands::say(&text).err().unwrap_or(ExitCode::SUCCESS),
        Err(Stop::Usage(text)) => {
            commands::complain(&text);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match command {
        Command::Run { config } => commands::run::run(&config),
        Command::Check { config, jobs, all, online } => commands::check::check(&config, &jobs, all, online),
        Command::Once { config, jobs } => commands::once::once(&config, &jobs),
        Command::Status { config, watch: true, json } => commands::watch::watch(&config, json),
        Command::Status { config, watch: false, json } => commands::status::status(&config, json),
        Command::History { config, jobs, json } => commands::history::history(&config, &jobs, json),
        Command::Control { verb, config, jobs } => commands::control::ask_for(verb, &config, &jobs),
        Command::DropIn { config } => commands::run::drop_in(config),
    }
}

#[cfg(feature = "fleet")]
fn fleet(args: &[OsString]) -> ExitCode {
    commands::fleet::run(args)
}

/// The word is no less irsync's where the room is not built in: rsync would take it for a folder.
#[cfg(not(feature = "fleet"))]
fn fleet(_: &[OsString]) -> ExitCode {
    commands::complain(
        "irsync: this irsync was built without the fleet view (cargo feature `fleet`); the Debian package and the container have it\n",
    );
    ExitCode::from(EXIT_USAGE)
}

/// Makes a command of the arguments that follow the program's name.
///
/// # Errors
/// [`Stop`], for help and version as well.
pub(crate) fn parse(mut args: Vec<OsString>) -> Result<Command, Stop> {
    let forced = args.first().is_some_and(|first| first == "--");
    if forced {
        args.remove(0);
    }
    // After -- they are rsync's operands: a file may have such a name.
    let ours = args.iter().take_while(|arg| *arg != "--").any(|arg| is_irsync_option(arg));
    if forced || ours {
        return drop_in(args);
    }
    match args.first() {
        None => own(args),
        Some(first) if first == "help" => help(args.get(1)),
        Some(first) if first == "-h" && args.len() == 1 => Err(Stop::Say(HELP.into())),
        // rsync would compare, and list, a file of which it was given no copy.
        Some(first) if first == "-c" && args.len() == 2 => Err(usage(
            "-c is an option of rsync's; did you mean irsync --config FILE? (irsync -- -c FILE hands it to rsync)",
        )),
        Some(first) if is_own(first) => own(args),
        // With --config it was meant for irsync, whatever its file is called.
        _ if !args.iter().any(|arg| is_config(arg))
            && args.iter().take_while(|arg| *arg != "--").any(|arg| is_for_rsync(arg)) =>
        {
            if options::analyse(&args).operands.is_empty() {
                return Err(usage(&format!(
                    "{:?}: these are options of rsync's, with nothing to copy; irsync help lists irsync's own",
                    args.join(OsStr::new(" ")).to_string_lossy()
                )));
            }
            drop_in(args)
        }
        Some(first) => {
            let meant = match first.to_str().and_then(meant) {
                Some(instead) => format!("; did you mean irsync {instead}?"),
                None => String::new(),
            };
            let first = first.to_string_lossy();
            Err(usage(&format!(
                "{first:?} is no command of irsync's{meant} (irsync help lists them; irsync -- {} hands it to rsync)",
                first.escape_debug()
            )))
        }
    }
}

/// `irsync help [COMMAND]`
fn help(of: Option<&OsString>) -> Result<Command, Stop> {
    let Some(word) = of.filter(|word| *word != "--help" && *word != "-h") else { return Err(Stop::Say(HELP.into())) };
    let word = word.to_string_lossy();
    match words::help(&word) {
        Some(text) => Err(Stop::Say(text.into())),
        None => Err(usage(&format!("{word:?} is no command of irsync's; irsync help lists them"))),
    }
}

/// Looks like an argument of rsync's: an option, a path, or a host with a colon.
fn is_for_rsync(arg: &OsStr) -> bool {
    let bytes = arg.as_bytes();
    bytes.starts_with(b"-") || bytes.contains(&b'/') || bytes.contains(&b':')
}

fn is_config(arg: &OsStr) -> bool {
    arg == "--config" || arg.as_bytes().starts_with(b"--config=")
}

fn is_irsync_option(arg: &OsStr) -> bool {
    arg.as_bytes().starts_with(b"--irsync-")
}

fn is_own(first: &OsStr) -> bool {
    let words = ["--config", "--help", "--version", "-V"];
    SUBCOMMANDS.iter().chain(&words).any(|word| first == *word) || is_config(first)
}

/// What a lone word was meant to be. rsync would only list a file of that name, which nobody wants on an interval.
fn meant(word: &str) -> Option<String> {
    let command = match word {
        "version" => Some("--version"),
        "start" => Some("run"),
        "sync" => Some("once"),
        "list" | "show" => Some("status"),
        "log" | "logs" => Some("history"),
        "test" | "validate" => Some("check"),
        "quit" | "exit" => Some("stop"),
        _ if is_file(word) => return Some(format!("--config {word}")),
        _ => nearest::closest(word, SUBCOMMANDS.into_iter()),
    };
    command.map(str::to_owned)
}

fn usage(message: &str) -> Stop {
    Stop::Usage(format!("irsync: {message}\n"))
}

fn drop_in(args: Vec<OsString>) -> Result<Command, Stop> {
    let (mut interval, mut timeout) = (None, None);
    let mut rest = Vec::with_capacity(args.len());
    let mut open = true;
    for arg in args {
        open &= arg != "--";
        if !open || !is_irsync_option(&arg) {
            rest.push(arg);
            continue;
        }
        // Only what may be an option's name and number is shown as it is.
        let text = arg.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text.as_ref(), None),
        };
        let (place, key) = match name {
            INTERVAL => (&mut interval, Id::interval),
            TIMEOUT => (&mut timeout, Id::activity_timeout),
            _ => {
                return Err(usage(&format!(
                "unknown option {}; irsync's own are {INTERVAL}=N and {TIMEOUT}=N (after -- it would be a file name)",
                name.escape_debug()
            )))
            }
        };
        if place.replace(seconds(name, value, key)?).is_some() {
            return Err(usage(&format!("{name} is given twice")));
        }
    }
    if rest.is_empty() {
        return Err(usage("there are no arguments for rsync; see irsync --help"));
    }
    let interval = interval.unwrap_or_else(|| default_of(Id::interval)).unwrap_or_default();
    let timeout = timeout.unwrap_or_else(|| default_of(Id::activity_timeout));
    Ok(Command::DropIn { config: Config::drop_in(rest, interval, timeout) })
}

fn default_of(key: Id) -> Option<Duration> {
    span(key.key().default_value())
}

fn span(value: Value) -> Option<Duration> {
    match value {
        Value::Duration(time) => Some(time),
        _ => None,
    }
}

/// Reads the number of one of irsync's options as the INI file's key of the same meaning would.
fn seconds(name: &str, value: Option<&str>, key: Id) -> Result<Option<Duration>, Stop> {
    let zero = if key == Id::interval { "0 is at once" } else { "0 is never" };
    let accepted = format!("whole seconds, 0 to 315360000 (ten years); {zero}");
    let Some(value) = value else {
        return Err(usage(&format!("{name} needs its number after =, as in {name}=30; accepted: {accepted}")));
    };
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let read = Some(key.key()).filter(|_| digits).and_then(|key| values::parse(&key.kind, value).ok());
    read.map(span).ok_or_else(|| {
        let shown: String = value.chars().take(40).flat_map(char::escape_debug).collect();
        usage(&format!("{name}={shown} is not a number in range; accepted: {accepted}"))
    })
}

fn own(args: Vec<OsString>) -> Result<Command, Stop> {
    match plain_run(&args) {
        Some(config) => Ok(Command::Run { config }),
        None => by_grammar(args),
    }
}

/// The configuration of `irsync [--config FILE] [run]`, as init scripts start it. clap would understand it as well, but what its
/// grammar takes of the memory is never given back to the kernel, and irsync runs for years.
fn plain_run(args: &[OsString]) -> Option<PathBuf> {
    let words = match args {
        [first, rest @ ..] if first == "run" => rest,
        [rest @ .., last] if last == "run" => rest,
        all => all,
    };
    let file = match words {
        [] => return Some(DEFAULT_CONFIG.into()),
        [option, file] if option == "--config" => file.as_bytes(),
        [both] => both.as_bytes().strip_prefix(b"--config=")?,
        _ => return None,
    };
    (!file.is_empty() && !file.starts_with(b"-")).then(|| OsStr::from_bytes(file).into())
}

fn by_grammar(args: Vec<OsString>) -> Result<Command, Stop> {
    // Not by clap: it would make copies of all the texts, whose memory a daemon does not get rid of.
    if args.iter().any(|word| word == "--help" || word == "-h") {
        let of = args.iter().find_map(|word| words::help(word.to_str()?));
        return Err(Stop::Say(of.unwrap_or(HELP).into()));
    }
    let command = args.iter().find_map(|word| SUBCOMMANDS.into_iter().find(|name| word == name)).unwrap_or("run");
    let matches =
        bare_grammar().no_binary_name(true).try_get_matches_from(args).map_err(|error| match error.use_stderr() {
            false => Stop::Say(error.render().to_string()),
            true => wrong(command, &error),
        })?;
    let (name, sub) = match matches.subcommand() {
        Some((name, sub)) => (name, sub),
        None => ("run", &matches),
    };
    let config = sub.get_one::<PathBuf>("config").cloned().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let file = jobs(sub).into_iter().find(|word| name != "check" && is_file(word));
    if let Some(file) = file {
        return Err(usage(&format!("{name}: {file:?} is no JOB; did you mean --config {file}? (irsync help {name})")));
    }
    Ok(match name {
        "check" => {
            let mut jobs = jobs(sub);
            let file = jobs.first().filter(|word| is_file(word)).map(PathBuf::from);
            if file.is_some() {
                if sub.contains_id("config") {
                    return Err(usage(&format!("check: {:?} is a second FILE beside --config", jobs[0])));
                }
                jobs.remove(0);
            }
            Command::Check {
                config: file.unwrap_or(config),
                jobs,
                all: sub.get_flag("all"),
                online: sub.get_flag("online"),
            }
        }
        "once" => Command::Once { config, jobs: jobs(sub) },
        "status" => Command::Status { config, watch: sub.get_flag("watch"), json: sub.get_flag("json") },
        "history" => Command::History { config, jobs: jobs(sub), json: sub.get_flag("json") },
        _ => match Verb::ALL.into_iter().find(|verb| verb.name() == name) {
            Some(verb) => Command::Control { verb, config, jobs: jobs(sub) },
            None => Command::Run { config },
        },
    })
}

/// What clap has against the words of a command, said as irsync says things.
fn wrong(command: &str, error: &clap::Error) -> Stop {
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.as_str(),
        Some(ContextValue::Strings(words)) => words.first().map_or("", String::as_str),
        _ => "",
    };
    // Of `--config <FILE>` the first word.
    let option = word.split(' ').next().unwrap_or_default();
    let said = match error.kind() {
        ErrorKind::MissingRequiredArgument => "it needs the name of a JOB".into(),
        ErrorKind::InvalidValue if option == "--config" => "--config needs a FILE".into(),
        ErrorKind::ArgumentConflict => format!("{option} is given twice"),
        ErrorKind::UnknownArgument if word.starts_with('-') => {
            let meant = option_meant(command, word).map(|long| format!("; did you mean --{long}?"));
            format!("it has no option {word}{}", meant.unwrap_or_default())
        }
        ErrorKind::UnknownArgument if is_file(word) => format!("{word:?} is no JOB; did you mean --config {word}?"),
        ErrorKind::UnknownArgument => format!("{word:?} is a word too many"),
        _ => error.to_string().trim_end().to_owned(),
    };
    let rsync = if command == "run" { "; irsync -- RSYNC-ARG... hands words to rsync" } else { "" };
    usage(&format!("{command}: {said} (irsync help {command}{rsync})"))
}

/// The option of this command that a misspelt or shortened one may be.
fn option_meant(command: &str, word: &str) -> Option<String> {
    let grammar = bare_grammar();
    let of_command = grammar.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    let longs: Vec<&str> = of_command.chain(grammar.get_arguments()).filter_map(clap::Arg::get_long).collect();
    let word = word.trim_start_matches('-');
    let begins = longs.iter().find(|long| long.starts_with(word)).copied();
    begins.or_else(|| nearest::closest(word, longs.into_iter())).map(str::to_owned)
}

/// `check FILE JOB...`: what stands first is a file if it looks like one.
fn is_file(word: &str) -> bool {
    word.contains('/') || word.ends_with(".ini")
}

/// None where the command takes none.
fn jobs(matches: &ArgMatches) -> Vec<String> {
    matches.try_get_many::<String>("job").ok().flatten().map(|names| names.cloned().collect()).unwrap_or_default()
}

/// The command line with its help; shell completions are made of it.
pub fn grammar() -> clap::Command {
    let helped = |command: clap::Command| {
        let help = words::help(command.get_name()).unwrap_or(HELP);
        command.override_help(help)
    };
    let names: Vec<String> = bare_grammar().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.iter().fold(helped(bare_grammar()), |all, name| all.mut_subcommand(name, helped))
}

/// The command line as clap has to know it.
fn bare_grammar() -> clap::Command {
    let config =
        Arg::new("config").long("config").value_name("FILE").value_parser(clap::value_parser!(PathBuf)).global(true);
    let job = || Arg::new("job").value_name("JOB").num_args(0..);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let sub = |name: &'static str| clap::Command::new(name);
    clap::Command::new("irsync")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .arg(config)
        .subcommand(sub("run"))
        .subcommand(sub("check").arg(job()).arg(flag("all")).arg(flag("online")))
        .subcommand(sub("once").arg(job()))
        .subcommand(sub("status").arg(flag("watch")).arg(flag("json")))
        .subcommand(sub("history").arg(job()).arg(flag("json")))
        .subcommand(sub("now").arg(job()))
        .subcommand(sub("allow").arg(job().num_args(1).required(true)))
        .subcommand(sub("rollback").arg(job().num_args(1).required(true)))
        .subcommand(sub("pause").arg(job()))
        .subcommand(sub("resume").arg(job()))
        .subcommand(sub("reload"))
        .subcommand(sub("stop"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Arguments;
    use std::os::unix::ffi::OsStringExt;

    fn given(words: &[&str]) -> Result<Command, Stop> {
        parse(words.iter().map(OsString::from).collect())
    }

    /// What rsync gets, with interval and timeout.
    fn dropped(words: &[&str]) -> (Vec<OsString>, Duration, Option<Duration>) {
        match given(words) {
            Ok(Command::DropIn { config }) => {
                let job = &config.jobs[0];
                let Arguments::DropIn(args) = &job.arguments else { panic!("{job:?}") };
                (args.clone(), job.limits.interval, job.limits.activity_timeout)
            }
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn refused(words: &[&str]) -> String {
        match given(words) {
            Err(Stop::Usage(text)) => text,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn the_plain_run_is_what_the_grammar_makes_of_it() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for plain in [
            &[][..],
            &["run"],
            &["--config", "x.ini"],
            &["--config=x.ini"],
            &["--config", "x.ini", "run"],
            &["run", "--config", "x.ini"],
            &["run", "--config=x.ini"],
        ] {
            let config = plain_run(&words(plain)).expect("it is plain");
            assert_eq!(by_grammar(words(plain)), Ok(Command::Run { config }), "{plain:?}");
        }
        for other in [
            &["run", "run"][..],
            &["--config", "run"],
            &["--config"],
            &["--config="],
            &["--config", ""],
            &["--config", "--run"],
            &["check"],
            &["run", "a"],
            &["run", "--help"],
        ] {
            assert_eq!(plain_run(&words(other)), None, "{other:?}");
        }
    }

    #[test]
    fn own_commands_are_understood() {
        let etc = || PathBuf::from(DEFAULT_CONFIG);
        let here = || PathBuf::from("x.ini");
        for (words, command) in [
            (&[][..], Command::Run { config: etc() }),
            (&["run"], Command::Run { config: etc() }),
            (&["--config", "x.ini"], Command::Run { config: here() }),
            (&["--config=x.ini", "run"], Command::Run { config: here() }),
            (&["run", "--config", "x.ini"], Command::Run { config: here() }),
            (
                &["--config", "x.ini", "check"],
                Command::Check { config: here(), jobs: vec![], all: false, online: false },
            ),
            (
                &["check", "x.ini", "--online", "--all"],
                Command::Check { config: here(), jobs: vec![], all: true, online: true },
            ),
            (&["check", "a"], Command::Check { config: etc(), jobs: vec!["a".into()], all: false, online: false }),
            (
                &["check", "./x", "a", "b"],
                Command::Check { config: "./x".into(), jobs: vec!["a".into(), "b".into()], all: false, online: false },
            ),
            (
                &["once", "a", "b", "--config=x.ini"],
                Command::Once { config: here(), jobs: vec!["a".into(), "b".into()] },
            ),
            (&["status", "--watch"], Command::Status { config: etc(), watch: true, json: false }),
            (&["status", "--json"], Command::Status { config: etc(), watch: false, json: true }),
            (&["now"], Command::Control { verb: Verb::Now, config: etc(), jobs: vec![] }),
            (&["allow", "a"], Command::Control { verb: Verb::Allow, config: etc(), jobs: vec!["a".into()] }),
            (&["pause"], Command::Control { verb: Verb::Pause, config: etc(), jobs: vec![] }),
            (
                &["resume", "a", "b"],
                Command::Control { verb: Verb::Resume, config: etc(), jobs: vec!["a".into(), "b".into()] },
            ),
            (&["reload", "--config=x.ini"], Command::Control { verb: Verb::Reload, config: here(), jobs: vec![] }),
            (&["stop"], Command::Control { verb: Verb::Stop, config: etc(), jobs: vec![] }),
            (&["history", "a", "--json"], Command::History { config: etc(), jobs: vec!["a".into()], json: true }),
            (&["history"], Command::History { config: etc(), jobs: vec![], json: false }),
        ] {
            assert_eq!(given(words), Ok(command), "{words:?}");
        }
    }

    #[test]
    fn every_invocation_of_the_go_tool_is_drop_in() {
        for (words, rest, interval, timeout) in [
            (
                &["--irsync-interval-seconds=10", "-pvrt", "--delete", "s/", "d/"][..],
                &["-pvrt", "--delete", "s/", "d/"][..],
                10,
                7200,
            ),
            (
                &["-pvrt", "--irsync-timeout-seconds=60", "s/", "--irsync-interval-seconds=5", "d/"],
                &["-pvrt", "s/", "d/"],
                5,
                60,
            ),
            (&["--irsync-interval-seconds=5", "--version"], &["--version"], 5, 7200),
            (&["--version", "--irsync-interval-seconds=5"], &["--version"], 5, 7200),
            (&["check", "--irsync-interval-seconds=5"], &["check"], 5, 7200),
            (&["-a", "s/", "d/"], &["-a", "s/", "d/"], 30, 7200),
            (&["--delete", "-a", "s/", "d/"], &["--delete", "-a", "s/", "d/"], 30, 7200),
            (&["-c", "s/", "d/"], &["-c", "s/", "d/"], 30, 7200),
            (&["--", "run", "d/"], &["run", "d/"], 30, 7200),
            (&["--", "--irsync-interval-seconds=7", "-a", "s/", "d/"], &["-a", "s/", "d/"], 7, 7200),
            (
                &["-a", "--", "--irsync-interval-seconds=7", "d/"],
                &["-a", "--", "--irsync-interval-seconds=7", "d/"],
                30,
                7200,
            ),
            (
                &["--irsync-interval-seconds=7", "-a", "--", "--irsync-x", "d/"],
                &["-a", "--", "--irsync-x", "d/"],
                7,
                7200,
            ),
            (&["", "d/"], &["", "d/"], 30, 7200),
            (&["host::module"], &["host::module"], 30, 7200),
        ] {
            let (args, found, limit) = dropped(words);
            assert_eq!(args, rest.iter().map(OsString::from).collect::<Vec<_>>(), "{words:?}");
            assert_eq!(
                (found, limit),
                (Duration::from_secs(interval), Some(Duration::from_secs(timeout))),
                "{words:?}"
            );
        }
        assert_eq!(dropped(&["--irsync-timeout-seconds=0", "s", "d"]).2, None);
        assert_eq!(dropped(&["--irsync-interval-seconds=0", "s", "d"]).1, Duration::from_millis(10));
    }

    #[test]
    fn file_names_that_are_not_utf8_pass_untouched() {
        let name = OsString::from_vec(b"caf\xe9/".to_vec());
        let Ok(Command::DropIn { config }) = parse(vec![name.clone(), "d/".into()]) else { panic!() };
        assert_eq!(config.jobs[0].arguments, Arguments::DropIn(vec![name, "d/".into()]));
    }

    #[test]
    fn bad_options_are_named_with_what_is_accepted() {
        for value in ["", "-5", "+5", "5s", "1.5", "five", "315360001", "99999999999999999999999", "5 ", "\u{1b}[2J"] {
            let text = refused(&[&format!("--irsync-interval-seconds={value}"), "s", "d"]);
            assert!(text.contains("--irsync-interval-seconds=") && text.contains("accepted: whole seconds"), "{text}");
            assert!(!text.contains('\u{1b}') && text.lines().count() == 1, "{text}");
        }
        for (words, says) in [
            (&["--irsync-interval-seconds", "5", "s", "d"][..], "needs its number after ="),
            (
                &["--irsync-timeout-seconds=5", "--irsync-timeout-seconds=5", "s"],
                "--irsync-timeout-seconds is given twice",
            ),
            (&["s", "d", "--irsync-colour=5"], "unknown option --irsync-colour;"),
            (&["--irsync-interval-seconds=5"], "no arguments for rsync"),
            (&["--"], "no arguments for rsync"),
            (&["chekc"], "did you mean irsync check?"),
            (&["stauts"], "did you mean irsync status?"),
            (&["version"], "did you mean irsync --version?"),
            (&["relaod"], "did you mean irsync reload?"),
            (&["chekc", "a"], "did you mean irsync check?"),
            (&["onec", "--config", "/etc/x.ini"], "did you mean irsync once?"),
            (&["stauts", "--config=/etc/x.ini"], "did you mean irsync status?"),
            (&["frobnicate"], "is no command of irsync's (irsync help lists them; irsync -- frobnicate"),
            (&["start"], "did you mean irsync run?"),
            (&["site.ini"], "did you mean irsync --config site.ini?"),
            (&["-c", "/etc/irsync.ini"], "did you mean irsync --config FILE?"),
            (&["-v"], "\"-v\": these are options of rsync's, with nothing to copy"),
            (&["-f", "x.ini"], "with nothing to copy"),
            (&["allow"], "allow: it needs the name of a JOB (irsync help allow)"),
            (&["allow", "a", "b"], "allow: \"b\" is a word too many"),
            (&["run", "-a", "s", "d"], "irsync -- RSYNC-ARG"),
            (&["run", "x.ini"], "did you mean --config x.ini?"),
            (&["once", "a", "x.ini"], "did you mean --config x.ini?"),
            (&["now", "./x"], "did you mean --config ./x?"),
            (&["status", "--wacth"], "status: it has no option --wacth; did you mean --watch? (irsync help status)"),
            (&["status", "-w"], "did you mean --watch?"),
            (&["check", "-c", "x.ini"], "did you mean --config?"),
            (&["check", "--quiet"], "check: it has no option --quiet (irsync help check)"),
            (&["check", "x.ini", "--config", "y.ini"], "a second FILE"),
            (&["check", "--config=a", "--config=b"], "check: --config is given twice"),
            (&["check", "--config"], "check: --config needs a FILE"),
            (&["--config"], "run: --config needs a FILE"),
        ] {
            let text = refused(words);
            assert!(text.contains(says), "{words:?}: {text}");
            assert!(text.starts_with("irsync: ") && text.lines().count() == 1, "{words:?}: {text}");
        }
    }

    #[test]
    fn each_command_has_a_short_help_with_its_options_and_an_example() {
        let mut grammar = grammar();
        grammar.build();
        for command in grammar.get_subcommands() {
            let name = command.get_name();
            let Err(Stop::Say(help)) = given(&[name, "--help"]) else { panic!("{name}") };
            assert_eq!(given(&["help", name]), Err(Stop::Say(help.clone())), "{name}");
            assert!(help.lines().count() < 20 && help.lines().all(|line| line.len() <= 80), "{help}");
            let example = help.lines().find_map(|line| line.strip_prefix("Example: ")).expect("an example");
            assert!(example.contains(&format!("irsync {name}")), "{help}");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                match argument.get_long() {
                    Some(long) => assert!(help.contains(&format!("\n  --{long}")), "--{long}: {help}"),
                    None => assert!(help.lines().next().unwrap().contains("JOB"), "{help}"),
                }
            }
        }
        assert_eq!(grammar.get_subcommands().count(), SUBCOMMANDS.len() - 1, "all but help");
    }

    #[test]
    fn help_fits_a_console_and_names_every_command() {
        let Err(Stop::Say(help)) = given(&["--help"]) else { panic!() };
        assert!(help.lines().count() < 24, "{}", help.lines().count());
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        for word in
            SUBCOMMANDS.iter().chain(&[INTERVAL, TIMEOUT, "--config", "--watch", "--version", "Exit codes", "78"])
        {
            assert!(help.contains(word), "{word}");
        }
        for words in [&["help"][..], &["-h"], &["help", "--help"]] {
            assert_eq!(given(words), Err(Stop::Say(help.clone())), "{words:?}");
        }
        assert!(refused(&["help", "nonsense"]).contains("\"nonsense\" is no command"));
        assert_eq!(given(&["-V"]), given(&["--version"]));
        assert_eq!(given(&["--version"]), Err(Stop::Say(format!("irsync {}\n", env!("CARGO_PKG_VERSION")))));
    }
}
