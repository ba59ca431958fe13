//! Whether a job's order may be carried out, as the file system is now.

use super::start::Refusal;
use crate::config::{Arguments, Job};
use crate::job::Outcome;
use crate::os::paths;
use crate::rsync::orders::{self, Finding, Place, Places};
use crate::rsync::{operand, options};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The order that was judged last and may be carried out. As long as the file system says the same of its words, so does the
/// judgement.
#[derive(Debug, Default)]
pub(super) struct Judged(Option<(Arc<Job>, Places)>);

impl Judged {
    /// Refuses an order that must not be carried out. Links and folders come and go, so the file system is asked each time.
    ///
    /// # Errors
    /// [`Refusal::Failed`], permanent: only the owner can mend it.
    #[inline(never)]
    pub(super) fn check(&mut self, job: &Arc<Job>) -> Result<(), Refusal> {
        let places = places(job);
        if self.0.as_ref().is_some_and(|(known, then)| Arc::ptr_eq(known, job) && *then == places) {
            return Ok(());
        }
        self.0 = None;
        let refused: Vec<String> = findings(job, &places)
            .into_iter()
            .filter(|finding| finding.refused)
            .map(|finding| format!("{}: {}", finding.key, finding.text))
            .collect();
        if !refused.is_empty() {
            return Err(Refusal::Failed(format!("refused: {}", refused.join("; ")), Outcome::Permanent));
        }
        self.0 = Some((Arc::clone(job), places));
        Ok(())
    }
}

/// What is wrong with a job's order as the file system is now. Of a drop-in command line only what is dangerous: the rest is
/// handed on untouched.
pub(crate) fn order_findings(job: &Job) -> Vec<Finding> {
    findings(job, &places(job))
}

fn findings(job: &Job, places: &Places) -> Vec<Finding> {
    match &job.arguments {
        Arguments::Ini { options: words, source, destination } => {
            let given = options::analyse(&words.iter().map(OsString::from).collect::<Vec<_>>());
            orders::judge(words, &given, source, destination, places)
        }
        Arguments::DropIn(words) => orders::dangers(&options::analyse(words), places),
    }
}

fn places(job: &Job) -> Places {
    let operands = job.arguments.operands();
    // With one operand alone, rsync only lists it.
    let Some((destination, sources @ [_, ..])) = operands.split_last() else { return Places::default() };
    Places { sources: sources.iter().filter_map(|word| place(word)).collect(), destination: place(destination) }
}

/// None: it is on another machine.
fn place(word: &str) -> Option<Place> {
    if operand::is_remote(word) {
        return None;
    }
    let real = paths::resolved(Path::new(word));
    let there = fs::metadata(&real);
    let is_folder = there.as_ref().is_ok_and(fs::Metadata::is_dir);
    Some(Place { word: word.to_owned(), exists: there.is_ok(), is_folder, real })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    #[test]
    fn an_order_is_judged_anew_when_the_file_system_has_changed() {
        let dir = std::env::temp_dir().join(format!("irsync-order-{}", std::process::id()));
        fs::create_dir_all(dir.join("source/inside")).unwrap();
        fs::create_dir_all(dir.join("elsewhere")).unwrap();
        let link = dir.join("link");
        symlink("elsewhere", &link).unwrap();
        let words = [dir.join("source/"), link.clone()].map(OsString::from);
        let config = Config::drop_in(words.to_vec(), Duration::from_secs(1), None);
        let job = Arc::new(config.jobs[0].clone());
        let mut judged = Judged::default();
        let mut check = || judged.check(&job).is_ok();
        assert!(check() && check());
        fs::remove_file(&link).unwrap();
        symlink("source/inside", &link).unwrap();
        assert!(!check() && !check(), "every sync would copy the copies");
        fs::remove_file(&link).unwrap();
        symlink("elsewhere", &link).unwrap();
        assert!(check());
        // Another order in the same places.
        let words = [dir.join("source/"), dir.join("source")].map(OsString::from);
        let config = Config::drop_in(words.to_vec(), Duration::from_secs(1), None);
        assert!(judged.check(&Arc::new(config.jobs[0].clone())).is_err());
        fs::remove_dir_all(dir).unwrap();
    }
}
