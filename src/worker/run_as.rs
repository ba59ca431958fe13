//! As whom rsync runs.

use crate::config::{IoClass, RunAs};
use crate::os::sys::Setup;
use nix::unistd::{Gid, Group, Uid, User};

/// Looks up what `user`, `group`, `nice` and `io_class` name, and puts it into `setup`.
///
/// # Errors
/// For people: there is no such user or group, or they cannot be looked up.
pub fn apply(run_as: &RunAs, setup: &mut Setup) -> Result<(), String> {
    if let Some(name) = &run_as.user {
        let user = match name.parse() {
            Ok(number) => {
                User::from_uid(Uid::from_raw(number)).map(|user| (Uid::from_raw(number), user.map(|u| u.gid)))
            }
            Err(_) => match User::from_name(name) {
                Ok(Some(user)) => Ok((user.uid, Some(user.gid))),
                Ok(None) => return Err(format!("cannot run rsync as user {name:?}: there is no such user")),
                Err(error) => Err(error),
            },
        };
        let (uid, gid) = user.map_err(|error| format!("cannot look up user {name:?}: {error}"))?;
        setup.uid = Some(uid);
        setup.gid = gid.or(Some(Gid::from_raw(uid.as_raw())));
    }
    if let Some(name) = &run_as.group {
        setup.gid = Some(match name.parse() {
            Ok(number) => Gid::from_raw(number),
            Err(_) => match Group::from_name(name) {
                Ok(Some(group)) => group.gid,
                Ok(None) => return Err(format!("cannot run rsync as group {name:?}: there is no such group")),
                Err(error) => return Err(format!("cannot look up group {name:?}: {error}")),
            },
        });
    }
    setup.nice = run_as.nice;
    // ioprio_set(2): the class in the upper bits, the level in the lower 13.
    setup.io_priority = run_as.io_class.map(|class| match class {
        IoClass::BestEffort(level) => 2 << 13 | i32::from(level),
        IoClass::Idle => 3 << 13,
    });
    Ok(())
}
