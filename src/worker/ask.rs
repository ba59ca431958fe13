//! The job's rsync is asked whether it knows the owner's options, without a transfer.
//!
//! rsync reads its options one by one and refuses the first that it does not know. With `--version` at the end it then says its
//! version and ends: it opens no connection and looks at no file of the set. Seen with rsync 3.1.3 to 3.5.0.

use super::{locale, run_as};
use crate::config::{Arguments, Job};
use crate::os::child::{Child, Spec};
use crate::os::clock;
use crate::os::sys::Setup;
use crate::rsync::options;
use crate::rsync::outcome::Exit;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::{TimeSpec, TimeValLike};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

/// A wrapper script that does something else than to run rsync is ended after this long.
const LIMIT: Duration = Duration::from_secs(5);

/// An answer that is not "yes".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// rsync calls it a usage error: every sync would end with it. Otherwise it may be mended, as a file that is not there.
    pub(crate) usage: bool,
    /// Its first line.
    pub(crate) text: String,
}

/// What the job's rsync has against the owner's options. None: nothing, or it gives no answer that could be understood.
pub(crate) fn objection(job: &Job) -> Option<Objection> {
    let Arguments::Ini { options, .. } = &job.arguments else { return None };
    let words = question(options)?;
    let mut setup = Setup::default();
    let mut environment = locale::of_rsync(|name| std::env::var_os(name));
    environment.extend(run_as::apply(&job.run_as, &mut setup).ok()?);
    let mut child = Child::start(&Spec {
        program: OsStr::new(&job.rsync),
        arguments: &words,
        environment,
        hidden: &[locale::OVERRIDING],
        secret: None,
        may_leave_daemons: false,
        setup,
    })
    .ok()?;
    let mut pipe = File::from(child.stderr.take()?);
    let deadline = clock::now() + LIMIT;
    let mut said = Vec::new();
    let exit = loop {
        let exit = child.try_wait();
        // Without a writer that is all of it; one that is left may say more, but no more of the options.
        let at_end = matches!(pipe.read_to_end(&mut said), Ok(0));
        if exit.is_some() || clock::now() >= deadline || said.len() > 1 << 16 {
            break exit;
        }
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        let fds = if at_end { &mut fds[..0] } else { &mut fds[..] };
        let _ = ppoll(fds, Some(TimeSpec::milliseconds(20)), None);
    };
    child.kill_group();
    let said = String::from_utf8_lossy(&said);
    match exit {
        Some(Exit::Code(code)) if code != 0 => {
            let line = said.lines().map(str::trim).find(|line| !line.is_empty())?;
            Some(Objection { usage: code == 1, text: line.chars().take(200).collect() })
        }
        _ => None,
    }
}

/// The owner's options as a question. None: it could not be asked like that.
fn question(options: &[String]) -> Option<Vec<OsString>> {
    let all: Vec<OsString> = options.iter().map(OsString::from).collect();
    let mut words = Vec::new();
    for (at, word) in all.iter().enumerate() {
        let before = options::analyse(&all[..at]);
        // What stands behind `--` is no option, and the value of `--log-file` would be made.
        match before.value_missing.as_deref() {
            None if word == "--" => break,
            None if word == "--log-file" || word.to_string_lossy().starts_with("--log-file=") => {}
            Some("--log-file") => {}
            _ => words.push(word.clone()),
        }
    }
    let given = options::analyse(&words);
    // As a daemon it would take other options, and what lacks its value would take ours.
    if words.is_empty() || given.value_missing.is_some() || given.has("--daemon") || given.has("--server") {
        return None;
    }
    words.push("--version".into());
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_asked_of_options_alone() {
        let asked = |options: &str| {
            let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
            question(&options).map(|words| words.join(OsStr::new(" ")).into_string().unwrap())
        };
        for (options, words) in [
            ("-rlt --delet", Some("-rlt --delet --version")),
            ("-a --", Some("-a --version")),
            ("-a -- --delete", Some("-a --version")),
            ("--exclude -- -a", Some("--exclude -- -a --version")),
            ("-a --log-file=/x -i", Some("-a -i --version")),
            ("-a --log-file /x -i --exclude --log-file", Some("-a -i --exclude --log-file --version")),
            ("-a --exclude", None),
            ("--daemon", None),
            ("", None),
        ] {
            assert_eq!(asked(options).as_deref(), words, "{options}");
        }
    }
}
