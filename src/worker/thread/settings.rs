//! What the state machine is told of a job's keys.
#![forbid(unsafe_code)]

use crate::config;
use crate::job::deletions::Rules;
use crate::job::Settings;

/// `repeat`: the job syncs again and again.
pub(super) fn settings(job: &config::Job, repeat: bool) -> Settings {
    debug_assert!(
        job.limits.recover_after.is_none() || job.hooks.recover.is_some(),
        "config/rules.rs refuses recover_after without run_recover"
    );
    Settings {
        limits: job.limits.clone(),
        repeat,
        reboot_after: job.reboot_after,
        durable: job.durable && job.arguments.local_destination().is_some(),
        atomic: job.atomic,
        before_publish: job.hooks.before_publish.is_some(),
        sources: 1 + job.fallback.len(),
        deletions: job.arguments.deletes().map(|max_delete| Rules {
            max_delete,
            max_shrink: job.max_shrink,
            allowed: 0,
        }),
        before: job.hooks.before.is_some(),
        on_change: job.hooks.on_change.is_some(),
        on_failure: job.hooks.on_failure.is_some(),
        after: job.hooks.after.is_some(),
    }
}
