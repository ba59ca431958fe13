//! The daemon password.

use super::start::Refusal;
use crate::config::{password, read, Job, Password};
use crate::job::Outcome;
use crate::rsync::operand;
use std::path::Path;

/// The job's daemon password as rsync reads it on its standard input, with the end of the line; None: it has none.
///
/// # Errors
/// [`Refusal::Failed`] with what is wrong with the file.
pub(super) fn of(job: &Job) -> Result<Option<Vec<u8>>, Refusal> {
    let mut secret = match &job.password {
        None => return Ok(None),
        Some(Password::Text(text)) => text.clone().into_bytes(),
        Some(Password::File(path)) => {
            let operands = job.arguments.operands();
            let users: Vec<&str> = operands.iter().filter_map(|word| operand::user(word)).collect();
            from_file(path, &users)?
        }
    };
    secret.push(b'\n');
    Ok(Some(secret))
}

fn from_file(path: &Path, users: &[&str]) -> Result<Vec<u8>, Refusal> {
    let fail = |what: String, outcome| {
        Refusal::Failed(format!("cannot use password_file {}: {what}", path.display()), outcome)
    };
    let content = read::file(path).map_err(|why| fail(why, Outcome::Transient))?;
    if content.open_to_others() {
        return Err(fail(
            format!("others can read or write it (mode {:04o}); chmod 0600", content.mode & 0o7777),
            Outcome::Permanent,
        ));
    }
    let line = password::first_line(&content.bytes, users).map_err(|why| fail(why, Outcome::Permanent))?;
    Ok(line.to_vec())
}
