//! What `irsync COMMAND --help` and `irsync help COMMAND` say: what the command does, its options, and an example.
#![forbid(unsafe_code)]

/// A command's name and its help.
const HELP: &[(&str, &str)] = &[
    (
        "run",
        "\
irsync [--config FILE] [run]

Supervises every job of FILE in the foreground until it is stopped. This is
what irsync does without a command, and what the init script starts.

  --config FILE  default /etc/irsync.ini

Example: irsync run --config ./test.ini      (Ctrl-C stops it)
",
    ),
    (
        "check",
        "\
irsync check [--online] [--all] [FILE | --config FILE] [JOB...]

Says everything that is wrong with FILE, with line numbers, and what is merely
unwise. Shows what differs from the defaults and each job's rsync command. A
first word with a slash, or that ends in .ini, is FILE. Changes nothing.

  --online       ask each server by a dry run: name, connection, credentials,
                 module, options, and what would be copied and deleted; works
                 beside a running irsync
  --all          show every setting
  --config FILE  default /etc/irsync.ini

Exit codes: 0 all is well; 1 a server would not serve; 78 FILE is in error.

Example: irsync check --online && irsync reload
",
    ),
    (
        "once",
        "\
irsync once [--config FILE] [JOB...]

Runs each job one time, or those named, and ends. The exit code is 0 only if
all of them succeeded. The log goes to stderr, whatever FILE says. Beside a
running irsync use irsync now.

  --config FILE  default /etc/irsync.ini

Example: irsync once media
",
    ),
    (
        "status",
        "\
irsync status [--config FILE] [--watch] [--json]

Shows what each job is doing and, where it fails, why. Without --config it
shows every irsync that runs here.

  --watch        go on until Ctrl-C
  --json         for scripts: one line for each irsync
  --config FILE  default /etc/irsync.ini

Exit codes: 0 healthy; 1 a job is stale or failing, or nothing can be seen;
3 not running.

Example: irsync status --watch
",
    ),
    (
        "history",
        "\
irsync history [--config FILE] [JOB...] [--json]

Shows the last 50 syncs of each job, or of those named, since irsync started.
Successes in a row that brought nothing new are one line, and count as one.

  --json         for scripts
  --config FILE  default /etc/irsync.ini

Example: irsync history media
",
    ),
    (
        "now",
        "\
irsync now [--config FILE] [JOB...]

Makes the running irsync sync at once: the jobs named, or all that are not
paused.

  --config FILE  default /etc/irsync.ini

Example: irsync now media
",
    ),
    (
        "allow",
        "\
irsync allow [--config FILE] JOB

Syncs JOB at once and makes the deletions that are held (outcome held). More
deletions than were counted are held anew.

  --config FILE  default /etc/irsync.ini

Example: irsync allow media
",
    ),
    (
        "rollback",
        "\
irsync rollback [--config FILE] JOB

Shows the set before of an atomic job again, in one step. A sync that runs is
ended first. No sync starts until irsync resume, restarts included. A second
rollback shows the other set again.

  --config FILE  default /etc/irsync.ini

Example: irsync rollback media
",
    ),
    (
        "pause",
        "\
irsync pause [--config FILE] [JOB...]

Starts no further sync of the jobs named, or of any, until irsync resume. A
sync that runs goes on. It survives a reload, and ends when irsync does.

  --config FILE  default /etc/irsync.ini

Example: irsync pause media
",
    ),
    (
        "resume",
        "\
irsync resume [--config FILE] [JOB...]

Lets jobs that were paused or rolled back sync again: those named, or all.

  --config FILE  default /etc/irsync.ini

Example: irsync resume media
",
    ),
    (
        "reload",
        "\
irsync reload [--config FILE]

Makes the running irsync read its file again and says what is wrong with it. A
file in error is refused as a whole. Jobs that did not change go on undisturbed.

  --config FILE  default /etc/irsync.ini

Example: irsync check && irsync reload
",
    ),
    (
        "stop",
        "\
irsync stop [--config FILE]

Stops the running irsync with everything it started, and returns when it has
stopped.

  --config FILE  default /etc/irsync.ini

Example: irsync stop
",
    ),
];

/// The help of a command; None: it has none of its own.
pub(super) fn help(name: &str) -> Option<&'static str> {
    HELP.iter().find(|(known, _)| *known == name).map(|(_, help)| *help)
}
