//! When the contents of a job's files were last compared, kept in `state_dir` across boots.
#![forbid(unsafe_code)]

use super::{clock, state};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where it is noted for a job.
pub(crate) fn file(state_dir: &Path, job: &str) -> PathBuf {
    state_dir.join(format!("verified-{job}"))
}

/// Seconds since 1970; None if it was never noted, or what is there makes no sense.
pub(crate) fn read(file: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(file).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

/// Notes that it was now. A power cut leaves the old note or the new one. Nothing is noted by a clock that was never set.
///
/// # Errors
/// The folder is missing, full or read-only.
pub(crate) fn note(file: &Path) -> io::Result<()> {
    let (Some(folder), Some(name), Some(now)) = (file.parent(), file.file_name(), clock::wall_if_set()) else {
        return Ok(());
    };
    state::write_durably(folder, &name.to_string_lossy(), format!("{now}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_and_what_is_damaged_counts_as_never() {
        let folder = std::env::temp_dir().join(format!("irsync-verified-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = file(&folder, "media");
        assert_eq!(read(&file), None);
        note(&file).unwrap();
        assert!(read(&file) >= Some(1_767_225_600));
        for text in ["", "17900", "\n", "x\n", "-1\n", "99999999999999999999999999999999999\n"] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(&file), None, "{text:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
