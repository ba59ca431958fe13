//! What is known of each rsync program, and when it has to be asked again.

use crate::os::program::Identity;
use crate::rsync::version::Version;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that the jobs use, by the name in the configuration.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<HashMap<String, Known>>);

#[derive(Debug)]
struct Known {
    /// None: it did not answer as an rsync does.
    version: Option<Version>,
    /// The file that answered.
    file: Option<Identity>,
    /// The answer may be out of date although the file is the same; it is used until there is a new one.
    doubted: bool,
}

impl Versions {
    /// What the program said of itself when it was asked last.
    pub(crate) fn get(&self, program: &str) -> Option<Version> {
        self.lock().get(program).and_then(|known| known.version.clone())
    }

    /// Whether the program has to be asked before it is used. `file` is what it is now.
    pub(crate) fn must_ask(&self, program: &str, file: Option<Identity>) -> bool {
        self.lock().get(program).map_or(true, |known| known.doubted || known.file != file)
    }

    /// Remembers an answer. `file` is what the program was before it was asked: should it have been replaced meanwhile,
    /// it is asked again. The same file that gives no answer this time has not lost the one that it gave before.
    pub(crate) fn learn(&self, program: &str, file: Option<Identity>, answer: Option<Version>) {
        let mut all = self.lock();
        let before = all.get(program).filter(|known| known.file == file).and_then(|known| known.version.clone());
        all.insert(program.to_owned(), Known { version: answer.or(before), file, doubted: false });
    }

    /// The program could not be started, or it refused an option: it is asked again before the next sync.
    pub(crate) fn doubt(&self, program: &str) {
        if let Some(known) = self.lock().get_mut(program) {
            known.doubted = true;
        }
    }

    /// Asks every program again before it is used next. Of a wrapper script's file nobody can see what it runs.
    pub(crate) fn doubt_all(&self) {
        self.lock().values_mut().for_each(|known| known.doubted = true);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: &str) -> Option<Version> {
        Version::parse(&format!("rsync  version {number}  protocol version 31"))
    }

    #[test]
    fn a_program_is_asked_when_its_answer_may_have_changed_and_only_then() {
        let (sh, cat) = (Identity::of("sh"), Identity::of("cat"));
        assert!(sh.is_some() && cat.is_some() && sh != cat);
        let versions = Versions::default();
        assert!(versions.must_ask("rsync", sh));
        // It could not be started: nothing was learnt.
        versions.doubt("rsync");
        assert!(versions.must_ask("rsync", None) && versions.get("rsync").is_none());
        versions.learn("rsync", sh, version("3.2.7"));
        assert!(!versions.must_ask("rsync", sh) && versions.must_ask("other", sh));
        for changed in [cat, None] {
            assert!(versions.must_ask("rsync", changed));
        }
        versions.doubt("rsync");
        assert!(versions.must_ask("rsync", sh));
        assert_eq!(versions.get("rsync"), version("3.2.7"), "what is known is used until there is something better");
        versions.learn("rsync", sh, version("3.0.9"));
        assert_eq!((versions.must_ask("rsync", sh), versions.get("rsync")), (false, version("3.0.9")));
        versions.doubt_all();
        assert!(versions.must_ask("rsync", sh));
    }

    #[test]
    fn no_answer_counts_for_another_file_only() {
        let (sh, cat) = (Identity::of("sh"), Identity::of("cat"));
        let versions = Versions::default();
        versions.learn("rsync", sh, version("3.2.7"));
        versions.learn("rsync", sh, None);
        assert_eq!((versions.must_ask("rsync", sh), versions.get("rsync")), (false, version("3.2.7")));
        versions.learn("rsync", cat, None);
        assert_eq!((versions.must_ask("rsync", cat), versions.get("rsync")), (false, None));
    }
}
