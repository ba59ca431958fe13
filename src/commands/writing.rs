//! The process of a sync by an rsync that knows no `--fsync`: see [`crate::os::writing`].

use super::atomic::{listen, secret_of, secret_pipe, start};
use super::{complain, say, EXIT_USAGE};
use crate::os::account::Account;
use crate::os::tidy::keeps_no_times;
use crate::os::writing::{doubt, Found, Mark, INSIDE};
use crate::rsync::staging::{can_look, insert, look, WRITING};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// See [`crate::os::writing::WRITE`]. If nothing would change, nothing is written; else this process becomes rsync.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let [destination, account, program, args @ ..] = args else { return ExitCode::from(EXIT_USAGE) };
    let Some(account) = Account::of_word(account) else { return ExitCode::from(EXIT_USAGE) };
    match try_run(Path::new(destination), &account, program, args.to_vec()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("irsync: cannot run {program:?}: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn try_run(destination: &Path, account: &Account, program: &OsStr, mut args: Vec<OsString>) -> io::Result<u8> {
    let secret = secret_of(&args)?;
    if let Some(mark) = Mark::of(destination) {
        if mark.inside {
            // Neither deleted here nor asked of the server, whatever the owner's rules say.
            args.splice(0..0, [format!("--filter=P /{INSIDE}").into(), format!("--filter=H /{INSIDE}").into()]);
        }
        let found = mark.look();
        if found == Found::Nothing && can_look(&args) {
            if let Some(code) = nothing_to_do(account, program, &args, secret.as_deref())? {
                return Ok(code);
            }
        }
        suspect(destination, account, found, &mut args);
        if found != Found::OfThisBoot {
            if let Err(error) = mark.make(found) {
                complain(&format!(
                    "irsync: cannot mark that rsync writes to {}: {error}: after a power cut its files may be wrong for ever\n",
                    destination.display()
                ));
            }
        }
    }
    let _ = say(&format!("{WRITING}\n"));
    let mut rsync = Command::new(program);
    rsync.args(&args).stdin(secret_pipe(secret.as_deref())?);
    account.assume()?;
    Err(rsync.exec())
}

/// A mark has to be there before anything is written, and a sync that changes nothing writes nothing: so rsync is asked first.
/// Gives its code if that is all there is to do.
fn nothing_to_do(
    account: &Account,
    program: &OsStr,
    args: &[OsString],
    secret: Option<&[u8]>,
) -> io::Result<Option<u8>> {
    let mut child = account.act(|| start(program, &look(args), secret))?;
    let (changed, _, said) = listen(&mut child, &mut Vec::new());
    let code = child.wait()?.code().map_or(20, |code| code as u8);
    // These come with a list that was gone through: something may be left to do.
    let came_through = matches!(code, 23..=25);
    if changed || came_through {
        return Ok(None);
    }
    let _ = say(&said);
    Ok(Some(code))
}

/// What a sync was writing when the power went is compared by content.
fn suspect(destination: &Path, account: &Account, found: Found, args: &mut Vec<OsString>) {
    let Found::Left(since) = found else { return };
    let by_time = since > 0 && !keeps_no_times(destination) && !args.iter().any(|word| word == "--size-only");
    let what = match by_time.then(|| account.act(|| doubt(destination, since))) {
        Some(Ok(count)) => format!("{count} files"),
        // It is not there yet, or not to be written to; or nobody knows what was touched.
        _ => {
            insert(args, ["--checksum".into()]);
            "all files".to_owned()
        }
    };
    complain(&format!(
        "irsync: the power went, or the system, while a sync was writing: {what} are compared by content\n"
    ));
}
