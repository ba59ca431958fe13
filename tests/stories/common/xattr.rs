//! Extended attributes and POSIX access control lists, without a tool that a machine may lack.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The list that decides about access.
pub const ACCESS: &str = "system.posix_acl_access";
/// The list of a folder that what is made in it gets.
pub const DEFAULT: &str = "system.posix_acl_default";

/// A list by which also one more user, `uid`, may read; as the kernel takes it (linux/posix_acl_xattr.h).
pub fn readable_by(uid: u32) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut list = 2_u32.to_le_bytes().to_vec();
    // Owner, this user, group, mask, others.
    for (tag, permissions, id) in
        [(0x01_u16, 7_u16, NOBODY), (0x02, 5, uid), (0x04, 5, NOBODY), (0x10, 5, NOBODY), (0x20, 0, NOBODY)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// Gives a file or folder this attribute.
///
/// # Errors
/// EOPNOTSUPP where the file system keeps none.
pub fn set(path: &Path, name: &str, value: &[u8]) -> nix::Result<()> {
    let (path, name) = (c(path), CString::new(name).unwrap());
    // SAFETY: both strings end with NUL, and `value` is as long as is said.
    Errno::result(unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) })
        .map(drop)
}

/// Takes an attribute away.
pub fn remove(path: &Path, name: &str) {
    let (path, name) = (c(path), CString::new(name).unwrap());
    // SAFETY: both strings end with NUL.
    Errno::result(unsafe { libc::lremovexattr(path.as_ptr(), name.as_ptr()) }).expect("cannot remove an attribute");
}

/// None: there is no such attribute.
pub fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let (path, name) = (c(path), CString::new(name).unwrap());
    let mut value = vec![0; 4096];
    // SAFETY: both strings end with NUL, and `value` has as much room as is said.
    let got = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(got) {
        Ok(length) => {
            value.truncate(length.unsigned_abs());
            Some(value)
        }
        Err(Errno::ENODATA) => None,
        Err(error) => panic!("cannot read an attribute: {error}"),
    }
}

/// Whether a file system keeps both, and rsync as well; says so where one does not.
pub fn are_kept(story: &str, folder: &Path) -> bool {
    let probe = folder.join("attributes");
    std::fs::create_dir(&probe).expect("cannot make a folder");
    let list = readable_by(1);
    let kept = [(ACCESS, &list[..]), (DEFAULT, &list[..]), ("user.probe", b"x")]
        .iter()
        .all(|(name, value)| set(&probe, name, value).is_ok());
    std::fs::remove_dir(&probe).expect("cannot remove a folder");
    let version = std::process::Command::new("rsync").arg("--version").output().expect("rsync is there").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let able = ["ACLs", "xattrs"].iter().all(|word| version.contains(word) && !version.contains(&format!("no {word}")));
    match (kept, able) {
        (false, _) => super::skipped(story, "the file system keeps no ACLs or no extended attributes"),
        (_, false) => super::skipped(story, "this rsync was built without ACLs or extended attributes"),
        _ => {}
    }
    kept && able
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}
