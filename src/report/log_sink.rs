//! Where log records end: a stream, a bounded file, syslog. Only the log's own thread comes here; it may wait.

use super::log_queue::{level, STAMP};
use super::log_resort::Way;
use super::log_syslog::{Severity, Syslogd, SYSLOG};
use crate::config::{trust, Global, LogTarget};
use crate::os::own;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) enum Sink {
    Stream(File),
    File(LogFile),
    Syslog,
}

/// What could not be written.
#[derive(Debug)]
pub(super) struct Failure {
    /// Records, a half one included.
    pub(super) lost: u64,
    /// Why, with the name of what was written to.
    pub(super) error: String,
}

impl Sink {
    /// The sink that the configuration asks for. A file is opened when there is something to write.
    pub(super) fn new(global: &Global) -> io::Result<Sink> {
        Ok(match &global.log {
            LogTarget::Stderr => Sink::Stream(File::from(io::stderr().as_fd().try_clone_to_owned()?)),
            LogTarget::File(path) => Sink::File(LogFile::new(path, global.log_max_size)),
            LogTarget::Syslog => Sink::Syslog,
        })
    }

    /// Writes whole records, waiting as long as it takes.
    pub(super) fn write(&mut self, records: &[u8]) -> Result<(), Failure> {
        match self {
            Sink::Stream(stream) => write_all(stream, records)
                .map_err(|(rest, e)| Failure { lost: count(rest), error: format!("cannot write to stderr: {e}") }),
            Sink::File(file) => file.write(records),
            Sink::Syslog => to_syslog(records)
                .map_err(|(lost, e)| Failure { lost, error: format!("cannot write to syslog, {SYSLOG}: {e}") }),
        }
    }

    /// The way to be heard that does not work when this sink does not.
    pub(super) fn way(&self) -> Option<Way> {
        match self {
            Sink::Stream(_) => Some(Way::Stderr),
            Sink::File(_) => None,
            Sink::Syslog => Some(Way::Syslog),
        }
    }

    /// Writes what is no record and not missed if it cannot be written. Only a stream can show it.
    pub(super) fn draw(&mut self, bytes: &[u8]) {
        if let Sink::Stream(stream) = self {
            let _ = write_all(stream, bytes);
        }
    }
}

/// Records in a part that ends with a record, and may begin in the middle of one.
fn count(records: &[u8]) -> u64 {
    records.iter().filter(|&&b| b == b'\n').count() as u64
}

/// Writes everything, or says what remains.
fn write_all<'a>(file: &mut File, records: &'a [u8]) -> Result<(), (&'a [u8], io::Error)> {
    let mut rest = records;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err((rest, ErrorKind::WriteZero.into())),
            Ok(n) => rest = &rest[n..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // Stderr may be shared with somebody who made it non-blocking.
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                let _ = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(e) => return Err((rest, e)),
        }
    }
    Ok(())
}

/// syslogd gets time and severity in a form of its own. What a syslogd that goes away has not taken is lost and counted.
fn to_syslog(records: &[u8]) -> Result<(), (u64, io::Error)> {
    let mut syslogd = Syslogd::reach().map_err(|e| (count(records), e))?;
    let mut rest = records;
    while let Some(end) = rest.iter().position(|&b| b == b'\n') {
        if end > STAMP {
            let line = &rest[STAMP..end];
            let tag = level(line);
            let severity = match tag {
                b"[ERROR] " => Severity::Error,
                b"[WARN] " => Severity::Warning,
                b"[INFO] " => Severity::Info,
                _ => Severity::Debug,
            };
            syslogd.send(severity, &line[tag.len()..]).map_err(|e| (count(rest), e))?;
        }
        rest = &rest[end + 1..];
    }
    Ok(())
}

/// A log file that is renamed to `NAME.old` before it outgrows its limit.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    old: PathBuf,
    max_size: u64,
    file: Option<File>,
    /// It ends in the middle of a record: a write failed there, or an irsync before us was killed.
    torn: bool,
}

impl LogFile {
    pub(super) fn new(path: &Path, max_size: u64) -> LogFile {
        let mut old = OsString::from(path);
        old.push(".old");
        LogFile { path: path.into(), old: old.into(), max_size, file: None, torn: false }
    }

    fn write(&mut self, records: &[u8]) -> Result<(), Failure> {
        let mut rest = records;
        while !rest.is_empty() {
            match self.write_part(rest) {
                Ok(n) => rest = &rest[n..],
                Err((remaining, error)) => {
                    // A file system that was full or read-only may be another one when it is opened again.
                    self.file = None;
                    let lost = count(&rest[rest.len() - remaining..]);
                    return Err(Failure { lost, error: format!("cannot write {}: {error}", self.path.display()) });
                }
            }
        }
        Ok(())
    }

    /// Writes as many records as still fit into the file, at least one. Gives their length, or how many bytes remain and
    /// why.
    fn write_part(&mut self, records: &[u8]) -> Result<usize, (usize, io::Error)> {
        let all = |e| (records.len(), e);
        let mut size = self.open().map_err(all)?;
        let mut part = fitting(records, self.max_size.saturating_sub(size));
        if part == 0 && size > 0 {
            fs::rename(&self.path, &self.old).map_err(all)?;
            size = self.open().map_err(all)?;
            part = fitting(records, self.max_size.saturating_sub(size));
        }
        if part == 0 {
            part = records.iter().position(|&b| b == b'\n').map_or(records.len(), |i| i + 1);
        }
        let Some(file) = &mut self.file else {
            return Err(all(ErrorKind::NotFound.into()));
        };
        if self.torn {
            write_all(file, b"\n").map_err(|(_, e)| all(e))?;
            (self.torn, size) = (false, size + 1);
        }
        let Err((rest, error)) = write_all(file, &records[..part]) else { return Ok(part) };
        let at = part - rest.len();
        let whole = fitting(records, at as u64);
        self.torn = at > whole && !take_back(file, size + whole as u64, size + at as u64);
        Err((records.len() - at, error))
    }

    /// Makes sure that the open file is the one of that name (somebody may have moved it), and gives its size; 0 for what
    /// is no regular file and never rotated.
    fn open(&mut self) -> io::Result<u64> {
        if let (Some(file), Ok(named)) = (&self.file, fs::metadata(&self.path)) {
            let opened = file.metadata()?;
            if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) {
                return Ok(if opened.is_file() { opened.len() } else { 0 });
            }
        }
        self.file = None;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        // Links, FIFOs and devices are the owner's business where nobody else can put them.
        let file = match trust::folder_fault(folder) {
            None => options.open(&self.path)?,
            Some(_) => own::open(&self.path, &mut options)?,
        };
        let opened = file.metadata()?;
        if opened.is_file() {
            self.torn = is_torn(&file, opened.len()).unwrap_or(self.torn);
        }
        self.file = Some(file);
        Ok(if opened.is_file() { opened.len() } else { 0 })
    }
}

/// Removes the half record at the end of the log, which counts as lost; false: it stays. `from` and `to`: where it is, if nobody else
/// has written meanwhile.
fn take_back(file: &File, from: u64, to: u64) -> bool {
    file.metadata().is_ok_and(|now| now.is_file() && now.len() == to) && file.set_len(from).is_ok()
}

/// Whether the last line of a file of this size has no end. It was opened for writing only, as a FIFO in its place would have to be.
fn is_torn(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = size.checked_sub(1) {
        File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?.read_at(&mut last, at)?;
    }
    Ok(last != *b"\n")
}

/// The length of the whole records at the start that fit into `room` bytes.
fn fitting(records: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(records.len());
    records[..room].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1)
}
