//! Faults on purpose, compiled into test builds only (feature `fault-injection`): what a wedged worker looks like, or what a
//! power cut makes of a promise that is not kept, cannot be arranged from outside on every board.
#![forbid(unsafe_code)]

/// `IRSYNC_FAULT=wedge:JOB`: once the file named by `IRSYNC_FAULT_FILE` exists, the worker of JOB never turns its loop again.
#[cfg(feature = "fault-injection")]
pub(crate) fn strike(job: &str) {
    let wedged = std::env::var("IRSYNC_FAULT").is_ok_and(|fault| fault.strip_prefix("wedge:") == Some(job));
    let now = std::env::var_os("IRSYNC_FAULT_FILE").is_some_and(|file| std::path::Path::new(&file).exists());
    if wedged && now {
        loop {
            std::thread::park();
        }
    }
}

/// Whether this step is to be left out (`IRSYNC_FAULT=WHAT`), for the laboratory of power cuts to notice.
#[cfg(feature = "fault-injection")]
pub(crate) fn leaves_out(what: &str) -> bool {
    std::env::var_os("IRSYNC_FAULT").is_some_and(|fault| fault == what)
}

/// Nothing, in every build that is shipped.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn strike(_job: &str) {}

/// Nothing, in every build that is shipped.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn leaves_out(_what: &str) -> bool {
    false
}
