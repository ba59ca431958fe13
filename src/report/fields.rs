//! What is told of irsync and of a job, by key and type: once for the status file and for JSON.

use super::board::{JobStatus, LastRun, Progress, State};
use super::snapshot::Daemon;
use crate::job::{Outcome, Time};
use std::time::Duration;

/// A value and how it is to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A whole number.
    Number(u64),
    /// rsync's exit code.
    Code(i32),
    /// Seconds with three decimals.
    Seconds(Duration),
    /// Two values: `KEY_mono`, seconds on CLOCK_MONOTONIC, and `KEY`, the wall time.
    Moment(Time),
    /// Yes or no.
    Flag(bool),
    /// One word of irsync's own.
    Word(&'a str),
    /// Text of others.
    Text(&'a str),
}

/// Takes keys and values in the order in which they are shown.
pub(crate) type Put<'p> = dyn FnMut(&str, Value<'_>) + 'p;

fn maybe(put: &mut Put<'_>, key: &str, value: Option<Value<'_>>) {
    if let Some(value) = value {
        put(key, value);
    }
}

/// irsync itself.
pub(crate) fn daemon(daemon: &Daemon, put: &mut Put<'_>) {
    put("version", Value::Text(&daemon.version));
    put("pid", Value::Number(daemon.pid.into()));
    put("state", Value::Word(if daemon.stopping { "stopping" } else { "running" }));
    put("started", Value::Moment(daemon.started));
    put("written", Value::Moment(daemon.written));
    if let Some(watchdog) = &daemon.watchdog {
        put("watchdog_device", Value::Text(&watchdog.device));
        maybe(put, "watchdog_identity", watchdog.identity.as_deref().map(Value::Text));
        maybe(put, "watchdog_timeout", watchdog.timeout.map(|seconds| Value::Number(seconds.into())));
        maybe(put, "watchdog_disarms", watchdog.disarms.map(Value::Flag));
        put("watchdog_fed", Value::Flag(watchdog.fed));
    }
    maybe(put, "boot_cause", daemon.boot_cause.as_deref().map(Value::Text));
    maybe(put, "boot_id", daemon.boot_id.as_deref().map(Value::Text));
}

/// A job, but for its name and health.
pub(crate) fn job(job: &JobStatus, now: Time, put: &mut Put<'_>) {
    put("state", Value::Word(job.state.name()));
    if job.state == State::Disabled {
        return;
    }
    maybe(put, "rolled_back", job.rolled_back.then_some(Value::Flag(true)));
    maybe(put, "step", job.step.map(Value::Word));
    for (key, stamp) in [("since", &job.since), ("next_run", &job.next_run), ("started", &job.started)] {
        maybe(put, key, stamp.map(|stamp| Value::Moment(stamp.mono)));
    }
    maybe(put, "next_run_in", job.next_run.map(|next| Value::Seconds(next.mono.since(now))));
    maybe(put, "pid", job.pid.map(Value::Code));
    if let Some(progress) = &job.progress {
        self::progress(progress, put);
    }
    maybe(put, "current_file", job.current_file.as_deref().map(Value::Text));
    if let Some(last) = &job.last {
        run(last, &mut |key, value| put(&format!("last_{key}"), value));
    }
    maybe(put, "last_success", job.last_success.map(|success| Value::Moment(success.mono)));
    maybe(put, "stale_after", job.stale_after.map(Value::Seconds));
    put("failures", Value::Number(job.failures.into()));
    let totals = [
        ("runs", job.runs),
        ("held", job.held),
        ("stalls", job.stalls),
        ("kills", job.kills),
        ("files_total", job.files_total),
        ("bytes_total", job.bytes_total),
        ("repaired_total", job.repaired_total),
    ];
    for (key, total) in totals {
        put(key, Value::Number(total));
    }
    for (outcome, count) in Outcome::ALL.iter().zip(job.outcomes) {
        put(&format!("runs_{outcome}"), Value::Number(count));
    }
    maybe(put, "rsync_version", job.rsync_version.as_deref().map(Value::Text));
}

/// A sync that has ended.
pub(crate) fn run(run: &LastRun, put: &mut Put<'_>) {
    put("outcome", Value::Word(run.outcome.name()));
    maybe(put, "code", run.code.map(Value::Code));
    put("reason", Value::Text(&run.reason));
    maybe(put, "kind", run.kind.map(|kind| Value::Word(kind.name())));
    maybe(put, "why", run.why.as_deref().map(Value::Text));
    put("ended", Value::Moment(run.ended.mono));
    put("duration", Value::Seconds(run.duration));
    maybe(put, "files", run.files.map(Value::Number));
    maybe(put, "bytes", run.bytes.map(Value::Number));
    maybe(put, "fetched", run.fetched.map(Value::Number));
    maybe(put, "resumed", run.resumed.map(Value::Number));
}

fn progress(progress: &Progress, put: &mut Put<'_>) {
    put("progress_percent", Value::Number(progress.percent.into()));
    put("progress_bytes", Value::Number(progress.bytes));
    put("progress_rate", Value::Number(progress.rate));
    put("progress_seconds", Value::Number(progress.seconds));
    maybe(put, "progress_files", progress.transferred.map(Value::Number));
    if let Some((left, known)) = progress.to_check {
        put("progress_to_check", Value::Number(left));
        put("progress_known", Value::Number(known));
    }
    put("progress_list_growing", Value::Flag(progress.list_growing));
}
