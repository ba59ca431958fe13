//! Faults on purpose, compiled into test builds only (feature `fault-injection`): what a wedged worker looks like cannot
//! be arranged from outside on every board.

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

/// Nothing, in every build that is shipped.
#[cfg(not(feature = "fault-injection"))]
pub(super) fn strike(_job: &str) {}
