//! Combinations that cannot work, refused at the start instead of failing in the field.

use super::address::remote;
use super::error::Error;
use super::parse::View;
use super::values::Value;
use super::{Arguments, Job, Password};

/// Adds what is wrong with a job as a whole.
pub(super) fn check(view: &View, job: &Job, errors: &mut Vec<Error>) {
    let Arguments::Ini { source, destination, .. } = &job.arguments else {
        return;
    };
    let mut refuse = |key: &str, message: &str| errors.push(view.error(key, message.to_string()));
    let on = |key: &str| !matches!(view.value(key), Value::Off | Value::Refused);
    let off = |key: &str| view.value(key) == Value::Off;
    let global_off = |key: &str| view.global_value(key) == Value::Off;

    for key in ["source", "destination"] {
        if view.place(key).is_none() {
            refuse(key, "is required");
        }
    }
    if matches!(view.value("source"), Value::Words(words) if words.is_empty()) {
        refuse("source", "is empty");
    }
    operands(source, destination, &mut refuse);

    let daemon =
        source.iter().map(String::as_str).chain([destination.as_str()]).filter_map(remote).any(|side| side.daemon);
    let known = !source.is_empty() && !destination.is_empty();
    if on("password") && on("password_file") {
        refuse("password", "password and password_file are both given: keep one");
    } else if known && !daemon && job.password.is_some() {
        let key = if matches!(job.password, Some(Password::File(_))) { "password_file" } else { "password" };
        refuse(
            key,
            "only an rsync daemon (rsync:// or ::) asks for a password, and neither source nor destination is one",
        );
    }
    if let Arguments::Ini { options, .. } = &job.arguments {
        if job.password.is_some() && options.iter().any(|word| word.starts_with("--password-file")) {
            refuse("options", "--password-file is given as well as password or password_file: keep one");
        }
    }
    if job.backoff_initial > job.backoff_max && !job.backoff_max.is_zero() {
        // Whichever the owner gave is the one to mend.
        let key = if view.place("backoff_max").is_some() { "backoff_max" } else { "backoff_initial" };
        refuse(key, "backoff_initial is longer than backoff_max");
    }
    if on("recover_after") && off("run_recover") {
        refuse("recover_after", "there is no run_recover to run");
    }
    if on("run_recover") && off("recover_after") {
        refuse("run_recover", "it never runs without recover_after");
    }
    if on("reboot_after") && global_off("watchdog_device") {
        refuse("reboot_after", "only the watchdog can reboot the board: watchdog_device is off");
    }
    if on("reboot_after") && global_off("state_dir") {
        refuse("reboot_after", "reboots are counted in state_dir, which is off");
    }
}

fn operands(source: &[String], destination: &str, refuse: &mut dyn FnMut(&str, &str)) {
    let destination_words = [destination.to_string()];
    for (key, words) in [("source", source), ("destination", &destination_words[..])] {
        if words.iter().any(|word| word.starts_with('-')) {
            refuse(key, "starts with '-': options belong into options, and a file of that name is written ./-name");
        }
        if words.iter().filter_map(|word| remote(word)).any(|side| side.has_password) {
            refuse(key, "has a password in its URL, which rsync would not use and every user could read in the process list: give password or password_file");
        }
        if words.iter().filter_map(|word| remote(word)).any(|side| side.host.is_empty()) {
            refuse(key, "has no host before the colon");
        }
    }
    let hosts: Vec<_> = source.iter().map(|word| remote(word).map(|side| (side.host, side.daemon))).collect();
    if hosts.iter().any(|host| host.is_some()) && !destination.is_empty() && remote(destination).is_some() {
        refuse("destination", "source and destination are both remote, which rsync cannot do");
    }
    if hosts.windows(2).any(|pair| pair[0] != pair[1]) {
        refuse("source", "several sources must all be local or all on one host");
    }
    if !destination.is_empty() && remote(destination).is_none() && !destination.starts_with(['/', '-']) {
        refuse("destination", "is a relative path: init starts irsync in /, so give an absolute one");
    }
    if source.iter().any(|word| remote(word).is_none() && !word.starts_with(['/', '-'])) {
        refuse("source", "is a relative path: init starts irsync in /, so give an absolute one");
    }
}
