//! As whom rsync runs.

use crate::config::{IoClass, RunAs};
use crate::os::sys::Setup;
use nix::unistd::{getgrouplist, Gid, Group, Uid, User};
use std::ffi::{CString, OsString};
use std::io;

/// A user as far as a process needs it.
struct Account {
    uid: Uid,
    gid: Gid,
    /// None for a number that no user has.
    name: Option<String>,
    home: OsString,
}

/// Looks up what `user`, `group`, `nice` and `io_class` name, and puts it into `setup`. Gives the variables of the user.
///
/// # Errors
/// For people: there is no such user or group, or they cannot be looked up.
pub(super) fn apply(run_as: &RunAs, setup: &mut Setup) -> Result<Vec<(&'static str, OsString)>, String> {
    let account = run_as.user.as_deref().map(account).transpose()?;
    let group = run_as.group.as_deref().map(group).transpose()?;
    setup.uid = account.as_ref().map(|account| account.uid);
    setup.gid = group.or(account.as_ref().map(|account| account.gid));
    setup.nice = run_as.nice;
    // ioprio_set(2): the class in the upper bits, the level in the lower 13.
    setup.io_priority = run_as.io_class.map(|class| match class {
        IoClass::BestEffort(level) => 2 << 13 | i32::from(level),
        IoClass::Idle => 3 << 13,
    });
    let (Some(account), Some(gid)) = (account, setup.gid) else { return Ok(Vec::new()) };
    if let Some(name) = account.name.as_deref().and_then(|name| CString::new(name).ok()) {
        setup.groups = getgrouplist(&name, gid).map_err(|error| {
            format!("cannot look up the groups of user {:?}: {}", account.name, io::Error::from(error))
        })?;
    }
    let name = OsString::from(account.name.unwrap_or_else(|| account.uid.to_string()));
    Ok(vec![("HOME", account.home), ("USER", name.clone()), ("LOGNAME", name)])
}

fn account(name: &str) -> Result<Account, String> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let found = found.map_err(|error| format!("cannot look up user {name:?}: {}", io::Error::from(error)))?;
    match (found, name.parse()) {
        (Some(user), _) => Ok(Account { uid: user.uid, gid: user.gid, name: Some(user.name), home: user.dir.into() }),
        // A number need not be anybody's; its group is the one of the same number.
        (None, Ok(number)) => {
            Ok(Account { uid: Uid::from_raw(number), gid: Gid::from_raw(number), name: None, home: "/".into() })
        }
        (None, Err(_)) => Err(format!("cannot run rsync as user {name:?}: there is no such user")),
    }
}

fn group(name: &str) -> Result<Gid, String> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => Err(format!("cannot run rsync as group {name:?}: there is no such group")),
        Err(error) => Err(format!("cannot look up group {name:?}: {}", io::Error::from(error))),
    }
}
