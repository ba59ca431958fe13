//! The processes of an `atomic` sync: a worker starts the first instead of rsync, the second when the new set is on the disk.

use super::{complain, say, EXIT_USAGE};
use crate::os::account::Account;
use crate::os::publish::Places;
use crate::os::sys;
use crate::os::writing::{doubt, Found, Mark};
use crate::os::{fault, flush};
use crate::rsync::staging::{misfit, passes, say_staged, CHANGE, DELETION};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// rsync's own code for an order that cannot work: permanent.
const CANNOT: u8 = 1;
/// As many bytes of what rsync says of the live set are handed on.
const LIMIT: usize = 1 << 16;
/// rsync reads no more of a password.
const SECRET_LIMIT: u64 = 1024;

/// See [`crate::os::publish::STAGE`]. Says what rsync says and ends as rsync does. If nothing would change in the live set,
/// nothing is written; else this process becomes the rsync that builds the new set.
pub(crate) fn stage(args: &[OsString]) -> ExitCode {
    let [live, account, program, args @ ..] = args else { return ExitCode::from(EXIT_USAGE) };
    let Some(account) = Account::of_word(account) else { return ExitCode::from(EXIT_USAGE) };
    match try_stage(Path::new(live), &account, program, args) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            complain(&format!("irsync: atomic: {message}\n"));
            ExitCode::from(CANNOT)
        }
    }
}

fn try_stage(live: &Path, account: &Account, program: &OsStr, args: &[OsString]) -> Result<u8, String> {
    if let Some(misfit) = misfit(args) {
        return Err(format!("{misfit} makes no sense for a set that is built anew"));
    }
    let places = Places::of(live)?;
    let is_there = places.live.is_dir();
    let (look, build) = passes(args, is_there.then_some(places.live.as_os_str()), places.staging.as_os_str());
    let secret = secret_of(args).map_err(|error| format!("cannot read the password: {error}"))?;
    let cannot_run = |error: io::Error| format!("cannot run {program:?}: {error}");
    let (mut items, mut deletions) = (Vec::new(), 0);
    if is_there {
        let mut child = account.act(|| start(program, &look, secret.as_deref())).map_err(cannot_run)?;
        let (changed, deleted, said) = listen(&mut child, &mut items);
        deletions = deleted;
        let status = child.wait().map_err(cannot_run)?;
        let code = status.code().map_or(20, |code| code as u8);
        // 24: files vanished on the server while it was looked at.
        if ![0, 24].contains(&code) || !changed {
            if code == 0 {
                places.discard();
            }
            let _ = say(&said);
            return Ok(code);
        }
    }
    places.make_staging(account.owner())?;
    account.act(|| Ok(places.prepare())).map_err(cannot_run)??;
    mark_staging(&places, account, args);
    let mut lines = say_staged(deletions).into_bytes();
    lines.append(&mut items);
    let _ = io::stdout().write_all(&lines);
    let mut rsync = Command::new(program);
    rsync.args(&build).stdin(secret_pipe(secret.as_deref()).map_err(cannot_run)?);
    account.assume().map_err(cannot_run)?;
    Err(cannot_run(rsync.exec()))
}

/// An rsync that knows no `--fsync` may have left zeros in what it had staged when the power went.
fn mark_staging(places: &Places, account: &Account, args: &[OsString]) {
    let has_fsync = args.iter().any(|word| word == "--fsync");
    let Some(mark) = Mark::of(&places.live).filter(|_| !has_fsync) else { return };
    let found = mark.look();
    if let Found::Left(_) = found {
        let count = account.act(|| doubt(&places.staging, 0)).unwrap_or(0);
        complain(&format!(
            "irsync: the power went while a new set was built: {count} of its files are compared by content\n"
        ));
    }
    if found != Found::OfThisBoot {
        if let Err(error) = mark.make(found) {
            complain(&format!("irsync: cannot mark that a new set of {} is built: {error}\n", places.live.display()));
        }
    }
}

pub(super) fn start(program: &OsStr, args: &[OsString], secret: Option<&[u8]>) -> io::Result<Child> {
    Command::new(program).args(args).stdin(secret_pipe(secret)?).stdout(Stdio::piped()).spawn()
}

/// The password, if these arguments have it come on standard input.
pub(super) fn secret_of(args: &[OsString]) -> io::Result<Option<Vec<u8>>> {
    if !args.iter().any(|word| word == "--password-file=-") {
        return Ok(None);
    }
    let mut secret = Vec::new();
    io::stdin().lock().take(SECRET_LIMIT).read_to_end(&mut secret)?;
    Ok(Some(secret))
}

/// A pipe that holds the secret: it is longer than any password.
pub(super) fn secret_pipe(secret: Option<&[u8]>) -> io::Result<Stdio> {
    let Some(secret) = secret else { return Ok(Stdio::null()) };
    let (read, write): (OwnedFd, OwnedFd) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    File::from(write).write_all(secret)?;
    Ok(Stdio::from(read))
}

/// Whether rsync named a change, how many of them are deletions, and all else that it said. The changes go into `items`, as
/// far as they are of use.
pub(super) fn listen(child: &mut Child, items: &mut Vec<u8>) -> (bool, u64, String) {
    let (mut changed, mut deletions, mut said) = (false, 0, String::new());
    let Some(stdout) = child.stdout.take() else { return (false, 0, said) };
    for line in BufReader::new(stdout).split(b'\n') {
        match line {
            // With -vv rsync lists what is as it was as well: an item without a letter.
            Ok(line) if line.starts_with(CHANGE) && line.get(3..12) == Some(b"         ") => {}
            Ok(line) if line.starts_with(CHANGE) => {
                changed = true;
                deletions += u64::from(line.starts_with(DELETION));
                if items.len() < LIMIT {
                    items.extend_from_slice(&line[CHANGE.len()..]);
                    items.push(b'\n');
                }
            }
            // Its statistics: bounded, unless -v asks for every name.
            Ok(line) if said.len() < LIMIT => {
                said.push_str(&String::from_utf8_lossy(&line));
                said.push('\n');
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (changed, deletions, said)
}

/// Between two of the renames the set before has no name by which a rollback finds it. A stop waits for the moment that takes,
/// and kills where it takes longer.
fn keep_on() {
    let _ = sys::ignore(Signal::SIGTERM);
}

/// See [`crate::os::rollback::ROLLBACK`] and its counterpart. The live set follows. Why it cannot be done goes to standard
/// output: it is the answer to whoever has asked.
pub(crate) fn turn(args: &[OsString], how: fn(&Places) -> Result<(), String>) -> ExitCode {
    let [live] = args else { return ExitCode::from(EXIT_USAGE) };
    keep_on();
    match Places::of(Path::new(live)).and_then(|places| how(&places)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => say(&format!("{message}\n")).err().unwrap_or(ExitCode::FAILURE),
    }
}

/// See [`crate::os::publish::PUBLISH`]. The live set follows, and how many deletions were judged.
pub(crate) fn publish(args: &[OsString]) -> ExitCode {
    let [live, deletions] = args else { return ExitCode::from(EXIT_USAGE) };
    let Some(deletions) = deletions.to_str().and_then(|number| number.parse().ok()) else {
        return ExitCode::from(EXIT_USAGE);
    };
    keep_on();
    match Places::of(Path::new(live)).and_then(|places| places.publish(deletions)) {
        Ok(()) if fault::leaves_out("syncfs-before-exchange") => match flush::flush(Path::new(live)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&format!("{message}\n"));
            ExitCode::FAILURE
        }
    }
}
