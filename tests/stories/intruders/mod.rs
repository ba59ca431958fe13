//! Other local users, prepared folders and hostile processes.

mod answers;
mod folders;
mod leftovers;
mod locks;

use crate::common::Rig;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// Runs a command to its end as somebody who is neither root nor irsync's user. Only root can do that.
fn as_nobody(command: &mut Command) -> Output {
    command.uid(NOBODY).gid(NOBODY).output().expect("cannot run a command as nobody")
}

/// What irsync says to a user who owns nothing.
fn irsync_as_nobody(rig: &Rig, arguments: &[&str]) -> (Option<i32>, String) {
    let output = as_nobody(&mut rig.command(arguments));
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}
