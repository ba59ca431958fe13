//! What `irsync check` looks at in one job beside its order: the password, the hooks, and what its rsync says to the options.

use super::check_hints::Hint;
use crate::config::mask::masked;
use crate::config::values::{Kind, Value};
use crate::config::{password, read, show, trust, Job, Password};
use crate::rsync::operand;
use crate::worker;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Why the password file cannot be used. rsync itself would refuse one that others can read (authenticate.c).
pub(super) fn password_fault(job: &Job) -> Option<String> {
    let Some(Password::File(file)) = &job.password else { return None };
    let found = fs::metadata(file).ok()?;
    let mode = found.mode();
    if !found.is_file() {
        return Some(format!("password_file: {} is not a file", file.display()));
    }
    if let Some(fault) = trust::fault(&found).filter(|_| mode & 0o006 == 0) {
        return Some(format!("password_file: {} would not be read: {fault}", file.display()));
    }
    if mode & 0o006 != 0 {
        return Some(format!("password_file: others can read {}: chmod o-rw it", file.display()));
    }
    let content = read::file(file).ok()?;
    let operands = job.arguments.operands();
    let users: Vec<&str> = operands.iter().filter_map(|word| operand::user(word)).collect();
    let fault = password::first_line(&content.bytes, &users).err()?;
    Some(format!("password_file: {} cannot be used: {fault}", file.display()))
}

/// What may be wrong with the password.
pub(super) fn password_hint(job: &Job) -> Option<String> {
    match job.password.as_ref()? {
        Password::Text(text) => [" ;", " #"].iter().any(|mark| text.contains(mark)).then(|| {
            "password: it has a blank and a comment's mark in it: a comment stands on a line of its own".into()
        }),
        Password::File(file) => match read::file(file) {
            Err(_) => {
                let error = fs::metadata(file).err()?;
                Some(format!("password_file: cannot read {}: {error}", file.display()))
            }
            Ok(content) => {
                let doubt = password::doubt(password::first_line(&content.bytes, &[]).ok()?)?;
                Some(format!("password_file: the first line of {} {doubt}", file.display()))
            }
        },
    }
}

/// What the job's rsync says to the owner's options, and whether every sync would end with it.
pub(super) fn options_objection(job: &Job) -> Option<(bool, String)> {
    let found = worker::objection(job)?;
    Some((found.usage, masked(&format!("options: {} refuses them: {}", job.rsync, found.text))))
}

/// Hooks that were written for a shell.
pub(super) fn hook_hints(job: &Job, hints: &mut Vec<Hint>) {
    for show::Setting { key, value, .. } in
        show::job(job).into_iter().filter(|setting| setting.key.kind == Kind::Command)
    {
        let Value::Words(words) = value else { continue };
        if let Some(word) = for_a_shell(&words) {
            let what = match word.starts_with(['#', ';']) && word != ";" {
                true => "a comment stands on a line of its own".into(),
                false => format!("no shell reads it; write {} = sh -c '…'", key.name),
            };
            hints.push(Hint::Unwise(masked(&format!(
                "{}: {word:?} is handed to the program as it stands: {what}",
                key.name
            ))));
        }
    }
}

/// The first word that only a shell would understand, in a command that runs none.
fn for_a_shell(words: &[String]) -> Option<&str> {
    const SHELLS: [&str; 7] = ["sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"];
    const OPERATORS: [&str; 10] = ["&&", "||", "|", "&", ";", ">", ">>", "<", "2>", "2>>"];
    let name = |word: &str| word.rsplit('/').next().map(str::to_owned).unwrap_or_default();
    // Also behind env, nice, timeout, su and the like.
    if words.iter().any(|word| SHELLS.contains(&name(word).as_str()) || word == "-c") {
        return None;
    }
    let is_for_a_shell = |word: &&str| {
        let redirects = [">", "<", "2>", "1>", "&>"].iter().any(|mark| word.starts_with(mark));
        // `$NAME`, `${NAME}` and `$(COMMAND)`; a text with blanks is for somebody else.
        let expands = word.match_indices('$').any(|(at, _)| {
            word[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || ['_', '{', '(', '?', '$'].contains(&c))
        });
        let single = !word.contains(char::is_whitespace);
        OPERATORS.contains(word)
            || word.starts_with('#')
            || (single && (redirects || expands || word.contains('`') || (word.len() > 1 && word.ends_with(';'))))
    };
    words.iter().map(String::as_str).find(is_for_a_shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_shell_understands_is_found_in_commands_without_one() {
        let found = |text: &str| {
            let words = shlex::split(text).unwrap();
            for_a_shell(&words).map(str::to_owned)
        };
        for (command, word) in [
            ("mount /data && touch /data/ok", "&&"),
            ("a || b", "||"),
            ("a | b", "|"),
            ("a > /dev/null", ">"),
            ("a 2>&1", "2>&1"),
            ("a >/tmp/log", ">/tmp/log"),
            ("a < /x", "<"),
            ("a; b", "a;"),
            ("a b; c", "b;"),
            ("a ; b", ";"),
            ("service &", "&"),
            ("logger $IRSYNC_JOB", "$IRSYNC_JOB"),
            ("logger ${IRSYNC_JOB}", "${IRSYNC_JOB}"),
            ("logger $(date)", "$(date)"),
            ("logger `date`", "`date`"),
            ("reload '#' now", "#"),
        ] {
            assert_eq!(found(command).as_deref(), Some(word), "{command}");
        }
        for command in [
            "sh -c 'mount /data && touch /data/ok >/dev/null'",
            "/bin/sh -c 'logger $IRSYNC_JOB; x'",
            "nice -n 5 bash -c 'a | b'",
            "su player -c 'a > b'",
            "/usr/bin/logger 'done; cost 5$ && more'",
            "/usr/bin/logger --tag=media a=b x;y",
            "mail -s costs-5$ root",
            "/usr/local/bin/reload",
        ] {
            assert_eq!(found(command), None, "{command}");
        }
    }
}
