//! The folder: each report opened without following a link, never waiting for a FIFO, and never more of it than a report has.

use super::device::{Device, Report};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A report of thirty jobs has 40 KiB.
const LIMIT: u64 = 64 * 1024;
/// More threads than this only wait for the same disk.
const THREADS: usize = 8;
/// Names end so; what ends otherwise, or begins with a dot (rsync's own temporary files), is no report.
const ENDING: &str = ".status";

/// Judges every report of the folder at `now`, in no order.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn devices(folder: &Path, now: SystemTime, gone: Duration) -> io::Result<Vec<Device>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if is_report(&name) {
            names.push(name);
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let share = names.len().div_ceil(threads).max(1);
    let judge = |names: &[OsString]| -> Vec<Device> {
        names.iter().filter_map(|name| report(folder, name, now)).map(|report| Device::judge(&report, gone)).collect()
    };
    let mut devices = Vec::with_capacity(names.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = names.chunks(share).map(|names| scope.spawn(move || judge(names))).collect();
        for worker in workers {
            // A panic ends the process: see the profiles in Cargo.toml.
            devices.extend(worker.join().unwrap_or_default());
        }
    });
    Ok(devices)
}

fn is_report(name: &OsString) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let bytes = name.as_bytes();
    bytes.ends_with(ENDING.as_bytes()) && !bytes.starts_with(b".") && bytes.len() > ENDING.len()
}

/// None: it has gone in the meantime.
fn report(folder: &Path, name: &OsString, now: SystemTime) -> Option<Report> {
    let shown = name.to_string_lossy();
    let shown = shown.strip_suffix(ENDING).unwrap_or(&shown).to_owned();
    let path = folder.join(name);
    match read(&path, now) {
        Ok((age, text)) => Some(Report { name: shown, age, text }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let why = match error.raw_os_error() {
                Some(nix::libc::ELOOP) => "it is a link".into(),
                // O_NONBLOCK: a socket, or a device without a driver.
                Some(nix::libc::ENXIO) => "it is no regular file".into(),
                _ => format!("it cannot be read: {error}"),
            };
            Some(Report { name: shown, age: Ok(Duration::ZERO), text: Err(why) })
        }
    }
}

type Aged = (Result<Duration, Duration>, Result<String, String>);

fn read(path: &Path, now: SystemTime) -> io::Result<Aged> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let age = now.duration_since(metadata.modified()?).map_err(|ahead| ahead.duration());
    if !metadata.is_file() {
        return Ok((age, Err("it is no regular file".into())));
    }
    Ok((age, text(&file, metadata.len())?))
}

fn text(mut file: &File, size: u64) -> io::Result<Result<String, String>> {
    if size == 0 {
        return Ok(Err("it is empty".into()));
    }
    if size > LIMIT {
        return Ok(Err(format!("it has {size} bytes: no report is so large")));
    }
    // One byte more than it has, as it may grow while it is read. A report is replaced as a whole, so one call brings it.
    let mut bytes = vec![0; size as usize + 1];
    let got = file.read(&mut bytes)?;
    if got as u64 != size {
        return Ok(Err("it changes while it is read".into()));
    }
    bytes.truncate(got);
    if bytes.contains(&0) {
        return Ok(Err("it is binary".into()));
    }
    Ok(String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into()))
}
