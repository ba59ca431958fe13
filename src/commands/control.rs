//! The commands that ask something of a running irsync: now, allow, rollback, pause, resume, reload, stop.

use super::places::Places;
use super::seen::{not_running, NOT_RUNNING};
use super::{complain, say};
use crate::os::procfs;
use crate::supervisor::{ask, control_path, runs, Answer, Verb};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// How long the running irsync may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The same where a sync that runs has to be ended first, and a card to be waited for.
const PATIENT: Duration = Duration::from_secs(120);
/// Whatever has no code of its own.
const FAILURE: u8 = 1;
/// How often it is looked whether it has stopped.
const STEP: Duration = Duration::from_millis(20);

/// Asks the irsync whose configuration is `config`, or the drop-ins. The code is the worst of the answers.
pub(crate) fn ask_for(verb: Verb, config: &Path, jobs: &[String]) -> ExitCode {
    // The irsync that runs reads the file itself, and says what is wrong with it.
    let places = Places::quietly(config, verb == Verb::Reload);
    let codes = places.asked().into_iter().map(|file| ask_at(&file, verb, jobs));
    ExitCode::from(codes.max().unwrap_or_default())
}

fn ask_at(status_file: &Path, verb: Verb, jobs: &[String]) -> u8 {
    let socket = &control_path(status_file);
    let limit = if verb == Verb::Rollback { PATIENT } else { LIMIT };
    match ask(socket, verb, jobs, limit) {
        Ok(answer) if verb == Verb::Stop && answer.code == 0 => return wait_for_end(&answer.text),
        Ok(answer) => return show(&answer),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                complain(&match runs(status_file) {
                    Some(false) => not_running(status_file) + "\n",
                    _ => format!(
                        "irsync: not running, or just starting or stopping: nobody listens at {}\n",
                        socket.display()
                    ),
                });
                return NOT_RUNNING;
            }
            ErrorKind::WouldBlock => {
                complain(&format!("irsync: the irsync that runs does not answer within {}s\n", limit.as_secs()))
            }
            ErrorKind::InvalidData => {
                complain(&format!("irsync: what listens at {} is another version\n", socket.display()))
            }
            _ => complain(&format!("irsync: cannot ask at {}: {error}\n", socket.display())),
        },
    }
    FAILURE
}

fn show(answer: &Answer) -> u8 {
    let text = answer.text.trim_end();
    if text.is_empty() {
        return answer.code;
    }
    match answer.code {
        0 => say(&format!("{text}\n")).map_or(FAILURE, |()| 0),
        code => {
            complain(&text.lines().map(|line| format!("irsync: {line}\n")).collect::<String>());
            code
        }
    }
}

/// `text` is the process id of the irsync that stops, and how many seconds that may take.
fn wait_for_end(text: &str) -> u8 {
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    let limit = words.next().and_then(|word| word.parse().ok()).map(Duration::from_secs);
    let (Some(pid), Some(limit)) = (pid, limit) else {
        complain("irsync: it stops, but did not tell its process id, so nobody can wait for its end\n");
        return FAILURE;
    };
    let lives = || procfs::stat(pid).map(|stat| (stat.start, stat.state)).filter(|(_, state)| *state != 'Z');
    let first = lives();
    let mut waited = Duration::ZERO;
    while first.is_some() && lives().map(|(start, _)| start) == first.map(|(start, _)| start) {
        if waited > limit {
            complain(&format!("irsync: process {pid} has not stopped within {}s\n", limit.as_secs()));
            return FAILURE;
        }
        sleep(STEP);
        waited += STEP;
    }
    say(&format!("irsync has stopped (process {pid})\n")).map_or(FAILURE, |()| 0)
}
