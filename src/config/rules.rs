//! Combinations that cannot work, refused at the start instead of failing in the field.

use super::error::Error;
use super::keys::Id;
use super::values::Value;
use super::view::View;
use super::{Arguments, Job, Password};
use crate::job::backoff;
use crate::rsync::{operand, staging};

/// Adds what is wrong with a job as a whole.
pub(super) fn check(view: &View, job: &Job, errors: &mut Vec<Error>) {
    let Arguments::Ini { source, destination, .. } = &job.arguments else {
        return;
    };
    let mut refuse = |key: Id, message: &str| errors.push(view.error(key, message.to_string()));
    let on = |key: Id| !matches!(view.value(key), Value::Off | Value::Refused);
    let off = |key: Id| view.value(key) == Value::Off;
    let global_off = |key: Id| view.global_value(key) == Value::Off;

    for key in [Id::source, Id::destination] {
        if view.place(key).is_none() {
            refuse(key, "is required");
        }
    }
    if matches!(view.value(Id::source), Value::Words(words) if words.is_empty()) {
        refuse(Id::source, "is empty");
    }
    operands(Id::source, source, destination, &mut refuse);
    for fallback in &job.fallback {
        operands(Id::fallback, fallback, destination, &mut refuse);
    }

    let daemon = source
        .iter()
        .chain(job.fallback.iter().flatten())
        .chain([destination])
        .any(|operand| operand::is_daemon(operand));
    let known = !source.is_empty() && !destination.is_empty();
    if on(Id::password) && on(Id::password_file) {
        refuse(Id::password, "password and password_file are both given: keep one");
    } else if known && !daemon && job.password.is_some() {
        let key = if matches!(job.password, Some(Password::File(_))) { Id::password_file } else { Id::password };
        refuse(
            key,
            "only an rsync daemon (rsync:// or ::) asks for a password, and neither source nor destination is one",
        );
    }
    if let Arguments::Ini { options, .. } = &job.arguments {
        if job.bwlimit.is_some() && options.iter().any(|word| word.starts_with("--bwlimit")) {
            refuse(Id::options, "--bwlimit is given as well as bwlimit: keep one");
        }
        if job.password.is_some() && options.iter().any(|word| word.starts_with("--password-file")) {
            refuse(Id::options, "--password-file is given as well as password or password_file: keep one");
        }
    }
    let longest = job.limits.longest_backoff();
    if job.limits.backoff_initial.unwrap_or(backoff::FIRST) > longest && !longest.is_zero() {
        // Whichever the owner gave is the one to mend.
        let key = if view.place(Id::backoff_max).is_some() { Id::backoff_max } else { Id::backoff_initial };
        refuse(key, "backoff_initial is longer than backoff_max");
    }
    if on(Id::run_before_publish) && !job.atomic {
        refuse(Id::run_before_publish, "it never runs without atomic");
    }
    if let (Arguments::Ini { options, destination, .. }, true) = (&job.arguments, job.atomic) {
        if let Some(why) = staging::obstacle(options, destination) {
            refuse(Id::atomic, &why);
        }
    }
    if on(Id::recover_after) && off(Id::run_recover) {
        refuse(Id::recover_after, "there is no run_recover to run");
    }
    if on(Id::run_recover) && off(Id::recover_after) {
        refuse(Id::run_recover, "it never runs without recover_after");
    }
    if on(Id::reboot_after) && global_off(Id::watchdog_device) {
        refuse(Id::reboot_after, "only the watchdog can reboot the board: watchdog_device is off");
    }
    if on(Id::reboot_after) && global_off(Id::state_dir) {
        refuse(Id::reboot_after, "reboots are counted in state_dir, which is off");
    }
}

fn operands(id: Id, source: &[String], destination: &str, refuse: &mut dyn FnMut(Id, &str)) {
    let words = || source.iter().map(|word| (id, word.as_str())).chain([(Id::destination, destination)]);
    for (key, word) in words().filter(|(_, word)| !word.is_empty()) {
        if word.starts_with('-') {
            refuse(key, "starts with '-': options belong into options");
        } else if operand::url_password(word).is_some() {
            refuse(key, "has a password in its URL, which rsync does not use and every user could read in the process list: give password or password_file");
        } else if let Some(port) = operand::bad_port(word) {
            refuse(key, &format!("{port:?} is no port: it stands behind the host, as in rsync://HOST:8730/MODULE/"));
        } else if !operand::is_remote(word) && !word.starts_with('/') {
            let hint = match word.starts_with(['#', ';']) {
                true => "a comment stands on a line of its own",
                false => "init starts irsync in /, so give an absolute one",
            };
            refuse(key, &format!("{word:?} is a relative path: {hint}"));
        }
    }
    let remote = source.iter().filter(|word| operand::is_remote(word)).count();
    if remote > 0 && operand::is_remote(destination) {
        refuse(Id::destination, "source and destination are both remote, which rsync cannot do");
    }
    // rsync takes `host::a ::b`: an empty host is the one before.
    let first = source.first().map_or("", |word| operand::host(word));
    let elsewhere = |word: &String| ![first, ""].contains(&operand::host(word));
    if (remote > 0 && remote < source.len()) || source.iter().any(elsewhere) {
        refuse(id, "several sources must all be local or all on one host");
    }
}
