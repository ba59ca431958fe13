//! What `irsync check` warns of: what is no error, but hurts in the field or keeps a job from every sync on this machine.

use crate::config::mask::masked;
use crate::config::show::{self, Setting};
use crate::config::values::{Kind, Value};
use crate::config::{Arguments, Config, Global, Job, LogTarget};
use crate::os::{paths, program};
use crate::report::log_syslog;
use crate::rsync::{operand, options, shell_line};
use crate::supervisor::runs;
use nix::unistd::{access, AccessFlags, Group, User};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// What is said of a job that is no error.
pub(super) enum Hint {
    /// It will hurt in the field.
    Unwise(String),
    /// Every sync on this machine would fail. The file may be meant for another one.
    Hopeless(String),
}

impl Hint {
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(self, Hint::Hopeless(_))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Unwise(text) => f.write_str(text),
            Hint::Hopeless(text) => write!(f, "{text}: every sync would fail"),
        }
    }
}

/// Why nobody would read the log.
pub(super) fn log_hint(global: &Global) -> Option<String> {
    match &global.log {
        LogTarget::Syslog => {
            let error = log_syslog::reach_syslog().err()?;
            Some(format!("cannot reach syslog at {}: {error}: the log would be lost", log_syslog::SYSLOG))
        }
        LogTarget::File(path) if path.is_dir() => {
            Some(format!("{} is a folder: the log would be lost", path.display()))
        }
        LogTarget::File(path) => {
            // An empty name stands for the working directory.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let place = if path.exists() { path.as_path() } else { folder };
            let error = io::Error::from(access(place, AccessFlags::W_OK).err()?);
            Some(format!("cannot write to {}: {error}: the log would be lost", place.display()))
        }
        LogTarget::Stderr => {
            // That of the irsync which runs: our own is somebody's terminal.
            let file = &global.status_file;
            let status = fs::read_to_string(file).ok().filter(|_| runs(file) == Some(true))?;
            let pid = status.lines().find_map(|line| line.strip_prefix("pid = "))?.trim().to_owned();
            let stderr = fs::read_link(format!("/proc/{pid}/fd/2")).ok()?;
            (stderr == Path::new("/dev/null")).then(|| {
                format!("stderr of irsync {pid} is /dev/null: nobody can read its log; log = syslog or a file")
            })
        }
    }
}

/// Options that will hurt in the field.
pub(super) fn option_hints(job: &Job, hints: &mut Vec<Hint>) {
    let Arguments::Ini { options, .. } = &job.arguments else { return };
    let words: Vec<OsString> = options.iter().map(OsString::from).collect();
    let analysis = options::analyse(&words);
    for (option, why) in [
        ("--inplace", "an interrupted sync leaves files that are half old, half new"),
        ("--append", "an interrupted sync leaves half files, and a changed file is never mended"),
        (
            "--quiet",
            "no output is left: no success is proved, nothing is counted, run_on_change never runs, and where /proc \
             cannot tell progress, activity_timeout kills a healthy rsync",
        ),
    ] {
        if analysis.has(option) {
            hints.push(Hint::Unwise(format!("options: {option}: {why}")));
        }
    }
    if !analysis.talks() && !analysis.has("--quiet") {
        hints.push(Hint::Unwise(
            "options: all that rsync says is taken for complaints: no success is proved, and nothing is counted".into(),
        ));
    }
    if analysis.has("--partial") && !analysis.mentions("--partial-dir") {
        hints.push(Hint::Unwise(
            "options: --partial without --partial-dir: an interrupted sync leaves half files under their final names"
                .into(),
        ));
    }
    if analysis.deletes() && !analysis.mentions("--max-delete") {
        hints.push(Hint::Unwise(
            "options: --delete without --max-delete: an empty source deletes everything here".into(),
        ));
    }
    if !analysis.operands.is_empty() {
        let word = &options[analysis.operands[0]];
        hints.push(Hint::Unwise(format!("options: {:?} is no option, rsync takes it for a source", masked(word))));
    }
    fallback_hints(job, &analysis, hints);
    shell_hint(job, hints);
}

/// A fallback whose files would lie elsewhere.
fn fallback_hints(job: &Job, analysis: &options::Analysis, hints: &mut Vec<Hint>) {
    let Arguments::Ini { source, .. } = &job.arguments else { return };
    let laid =
        |words: &[String]| words.iter().map(|word| operand::laid_as(word).map(str::to_owned)).collect::<Vec<_>>();
    // Those lay whole paths.
    if analysis.has("--relative") || analysis.mentions("--files-from") {
        return;
    }
    for words in job.fallback.iter().filter(|words| laid(words) != laid(source)) {
        let words = masked(&words.join(" "));
        hints.push(Hint::Unwise(format!(
            "fallback: {words} ends otherwise than source (with or without a slash, or in another name): rsync would lay its files \
             elsewhere in the destination"
        )));
    }
}

/// What the remote shell's line lacks.
fn shell_hint(job: &Job, hints: &mut Vec<Hint>) {
    if job.arguments.by_shell() {
        let shell =
            job.arguments.remote_shell().map_or_else(|| "ssh".into(), |shell| shell.to_string_lossy().into_owned());
        hints.extend(shell_line::hints(&shell).into_iter().map(|hint| Hint::Unwise(format!("options: {hint}"))));
    }
}

/// What is not there on this machine.
pub(super) fn place_hints(job: &Job, hints: &mut Vec<Hint>) {
    let Arguments::Ini { destination, .. } = &job.arguments else { return };
    if program::find(&job.rsync).is_none() {
        hints.push(Hint::Hopeless(format!("rsync: cannot find {}", job.rsync)));
    }
    for Setting { key, value, .. } in show::job(job).into_iter().filter(|setting| setting.key.kind == Kind::Command) {
        let Value::Words(words) = value else { continue };
        if let Some(program) = words.first().filter(|program| program::find(program).is_none()) {
            hints.push(Hint::Unwise(format!("{}: cannot find {program}", key.name)));
        }
    }
    let unknown = |name: &&String| name.parse::<u32>().is_err();
    if let Some(user) = job.run_as.user.as_ref().filter(unknown) {
        if !matches!(User::from_name(user), Ok(Some(_))) {
            hints.push(Hint::Hopeless(format!("user: there is no user {user:?}")));
        }
    }
    if let Some(group) = job.run_as.group.as_ref().filter(unknown) {
        if !matches!(Group::from_name(group), Ok(Some(_))) {
            hints.push(Hint::Hopeless(format!("group: there is no group {group:?}")));
        }
    }
    if operand::is_remote(destination) {
        return;
    }
    let target = paths::resolved(Path::new(destination));
    if !target.exists() && !target.parent().map_or(true, Path::exists) {
        hints.push(Hint::Unwise(format!(
            "destination: {} has no parent directory: rsync makes one directory, not two",
            target.display()
        )));
    }
}

/// Jobs whose destinations lie in one another.
pub(super) fn overlap_hints(config: &Config, warnings: &mut Vec<String>, path: &Path) {
    let local = |job: &Job| match &job.arguments {
        Arguments::Ini { destination, .. } if job.enabled && !operand::is_remote(destination) => {
            Some(paths::resolved(Path::new(destination)))
        }
        _ => None,
    };
    for (i, job) in config.jobs.iter().enumerate() {
        for other in &config.jobs[..i] {
            if let (Some(a), Some(b)) = (local(job), local(other)) {
                if a.starts_with(&b) || b.starts_with(&a) {
                    warnings.push(format!(
                        "{}: warning: [{}] destination: overlaps that of [{}]: with --delete each removes what the other copied",
                        path.display(), job.name, other.name
                    ));
                }
            }
        }
    }
}
