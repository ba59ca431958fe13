//! The daemon password.

use super::start::Refusal;
use crate::config::{read, Password};
use crate::job::Outcome;
use std::path::Path;

/// rsync reads at most so many bytes of a password (authenticate.c).
const PASSWORD_LIMIT: u64 = 511;

/// The daemon password as rsync reads it on its standard input, with the end of the line.
///
/// # Errors
/// [`Refusal::Failed`] with what is wrong with the file.
pub(super) fn read_password(password: &Password) -> Result<Vec<u8>, Refusal> {
    let mut secret = match password {
        Password::Text(text) => text.clone().into_bytes(),
        Password::File(path) => read_password_file(path)?,
    };
    secret.push(b'\n');
    Ok(secret)
}

fn read_password_file(path: &Path) -> Result<Vec<u8>, Refusal> {
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
    let line = content.bytes.split(|&b| b == b'\n' || b == b'\r').next().unwrap_or_default();
    match line.len() as u64 {
        0 => Err(fail("its first line is empty".into(), Outcome::Permanent)),
        n if n > PASSWORD_LIMIT => {
            Err(fail(format!("its first line is longer than {PASSWORD_LIMIT} bytes"), Outcome::Permanent))
        }
        _ => Ok(line.to_vec()),
    }
}
