//! The environment of a child: irsync's own, with some variables left out and others set.
//!
//! `std::process::Command` copies each variable five times into ordered maps, for every child. irsync starts thousands a day,
//! and never changes its own environment: what its children share with it is handed on where it lies.

use nix::libc::c_char;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

extern "C" {
    /// See environ(7).
    static mut environ: *const *const c_char;
}

/// As execve(2) takes it.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Ends with a null pointer. Each other points into irsync's own environment, or into `_set`.
    all: Vec<*const c_char>,
    /// Kept for the pointers to them. A string does not move when the list does.
    _set: Vec<CString>,
}

// SAFETY: nobody writes to what the pointers lead to: `_set` is never changed, and irsync's own environment neither. No function
// of this program sets a variable; `tests/house/layers.rs` holds that.
unsafe impl Send for Environment {}
// SAFETY: as above.
unsafe impl Sync for Environment {}

impl Environment {
    /// Without the variables of `hidden`, and with those of `set`.
    ///
    /// # Errors
    /// EINVAL: there is a NUL in a value.
    pub(crate) fn new(hidden: &[&str], set: &[(&str, OsString)]) -> io::Result<Environment> {
        let mut lines = Vec::with_capacity(set.len());
        for (name, value) in set {
            let mut line = Vec::with_capacity(name.len() + value.len() + 2);
            line.extend_from_slice(name.as_bytes());
            line.push(b'=');
            line.extend_from_slice(value.as_bytes());
            lines.push(CString::new(line)?);
        }
        // Few environments are larger.
        let mut all: Vec<*const c_char> = Vec::with_capacity(32);
        all.extend(lines.iter().map(|line: &CString| line.as_ptr()));
        let names = || hidden.iter().copied().chain(set.iter().map(|(name, _)| *name));
        // SAFETY: reads the pointer alone, which nobody writes in this process.
        let mut at = unsafe { environ };
        while !at.is_null() {
            // SAFETY: the list ends with a null pointer, and this is not behind it.
            let line = unsafe { *at };
            if line.is_null() {
                break;
            }
            // SAFETY: all others point to C strings.
            let bytes = unsafe { CStr::from_ptr(line) }.to_bytes();
            let is = |name: &str| bytes.get(name.len()) == Some(&b'=') && bytes.starts_with(name.as_bytes());
            if !names().any(is) {
                all.push(line);
            }
            // SAFETY: the end was not reached.
            at = unsafe { at.add(1) };
        }
        all.push(std::ptr::null());
        Ok(Environment { all, _set: lines })
    }

    /// Makes it the environment of this process, which is a child between fork and exec, and of the program that it becomes.
    pub(super) fn take_effect(&self) {
        // SAFETY: this process has one thread, and reads its environment no more but to find its program in PATH.
        unsafe { environ = self.all.as_ptr() };
    }
}

/// Has the kernel show `title` for this process in place of the words that it was started with, as far as there is room, and wipes
/// the variable `hidden` out of its environment. For a process with one thread that reads neither of them any more.
pub(crate) fn retitle(title: &[&str], hidden: &str) {
    let count = std::env::args_os().len();
    if count > 0 {
        let mut title = title.join("\0").into_bytes();
        // SAFETY: the kernel lays pointers to the words and a null pointer before those to the environment, see the ABI's
        // "initial process stack"; `environ` has not been moved in this process. It lays the words themselves one behind the other.
        let words = unsafe {
            let first = (*environ.sub(count + 1)).cast_mut().cast::<u8>();
            let end = *environ.sub(2);
            let end = end.cast::<u8>().add(CStr::from_ptr(end).to_bytes().len());
            std::slice::from_raw_parts_mut(first, end.offset_from(first) as usize)
        };
        title.resize(words.len(), 0);
        words.copy_from_slice(&title);
    }
    // SAFETY: as in `Environment::new`; and these strings lie on the stack of the main thread, where this process may write.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            let line = CStr::from_ptr(*at).to_bytes();
            if line.get(hidden.len()) == Some(&b'=') && line.starts_with(hidden.as_bytes()) {
                (*at).cast_mut().write_bytes(0, line.len());
            }
            at = at.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(environment: &Environment) -> Vec<Vec<u8>> {
        let (end, lines) = environment.all.split_last().unwrap();
        assert!(end.is_null());
        // SAFETY: all but the last point to C strings that live as long as `environment`.
        lines.iter().map(|line| unsafe { CStr::from_ptr(*line) }.to_bytes().to_owned()).collect()
    }

    #[test]
    fn it_is_that_of_irsync_without_what_is_hidden_and_with_what_is_set() {
        let set = [("IRSYNC_TEST", "a b".into()), ("HOME", "/elsewhere".into())];
        let found = lines(&Environment::new(&["PATH", "IRSYNC_TEST_NOT"], &set).unwrap());
        let mut expected: Vec<Vec<u8>> = vec![b"IRSYNC_TEST=a b".to_vec(), b"HOME=/elsewhere".to_vec()];
        for (name, value) in std::env::vars_os().filter(|(name, _)| name != "PATH" && name != "HOME") {
            expected.push([name.as_bytes(), b"=", value.as_bytes()].concat());
        }
        assert_eq!(found, expected);
        assert!(found.iter().any(|line| line.starts_with(b"CARGO")), "nothing was handed on");
    }

    #[test]
    fn a_value_that_no_environment_can_hold_is_an_error() {
        assert!(Environment::new(&[], &[("IRSYNC_TEST", "a\0b".into())]).is_err());
    }
}
