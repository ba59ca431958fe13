//! `${…}` in a job's order, replaced by what this device has now.

use crate::config::expand::{has_variables, Variables};
use crate::config::Job;
use std::sync::Arc;

/// The job as it is to run now: the same where nothing is to be replaced.
///
/// # Errors
/// Which variable has no value yet, for people.
pub(super) fn expanded(job: &Arc<Job>) -> Result<Arc<Job>, String> {
    if !has_variables(job) {
        return Ok(Arc::clone(job));
    }
    Ok(Arc::new(Variables::of_this_device().expand_job(job)?))
}
