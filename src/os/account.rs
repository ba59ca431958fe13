//! The user that rsync runs as, for a process of irsync's that has to do something by itself before it becomes that rsync.
#![forbid(unsafe_code)]

use super::sys::Setup;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{getegid, getgroups, setgid, setgroups, setresgid, setresuid, setuid, Gid, Uid};
use std::ffi::{OsStr, OsString};
use std::io;

/// Whom to become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    uid: Option<Uid>,
    gid: Option<Gid>,
    groups: Vec<Gid>,
}

impl Account {
    /// Takes it out of what is done between fork and exec. Nobody but root can become another later.
    pub(crate) fn take_from(setup: &mut Setup) -> Account {
        if !Uid::effective().is_root() {
            return Account::default();
        }
        Account { uid: setup.uid.take(), gid: setup.gid.take(), groups: std::mem::take(&mut setup.groups) }
    }

    /// As an argument of this program.
    pub(crate) fn to_word(&self) -> OsString {
        let number = |id: Option<u32>| id.map_or("-".to_owned(), |id| id.to_string());
        let mut word = format!("{} {}", number(self.uid.map(Uid::as_raw)), number(self.gid.map(Gid::as_raw)));
        self.groups.iter().for_each(|group| word += &format!(" {group}"));
        word.into()
    }

    /// From what [`Account::to_word`] gave.
    pub(crate) fn of_word(word: &OsStr) -> Option<Account> {
        let mut fields = word.to_str()?.split(' ');
        let number = |field: &str| match field {
            "-" => Some(None),
            field => field.parse().ok().map(Some),
        };
        let uid = number(fields.next()?)?.map(Uid::from_raw);
        let gid = number(fields.next()?)?.map(Gid::from_raw);
        let groups = fields.map(|field| field.parse().ok().map(Gid::from_raw)).collect::<Option<_>>()?;
        Some(Account { uid, gid, groups })
    }

    /// The owner of what is made for it.
    pub(crate) fn owner(&self) -> (Option<u32>, Option<u32>) {
        (self.uid.map(Uid::as_raw), self.gid.map(Gid::as_raw))
    }

    fn is_other(&self) -> bool {
        self.uid.is_some() || self.gid.is_some()
    }

    /// Becomes it for good.
    ///
    /// # Errors
    /// EPERM, EAGAIN.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if self.is_other() {
            setgroups(&self.groups)?;
            self.gid.map_or(Ok(()), setgid)?;
            self.uid.map_or(Ok(()), setuid)?;
            die_with_parent();
        }
        Ok(())
    }

    /// Does something as it. What is started meanwhile cannot become anybody else again: of a program that is executed the saved
    /// user is the effective one.
    ///
    /// # Errors
    /// EPERM, EAGAIN; and those of `act`.
    pub(crate) fn act<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if !self.is_other() {
            return act();
        }
        let (gid, groups) = (getegid(), getgroups()?);
        // Neither rsync nor ssh needs rights that a set-user-ID program gives.
        let _ = prctl::set_no_new_privs();
        setgroups(&self.groups)?;
        let as_group = self.gid.unwrap_or(gid);
        setresgid(as_group, as_group, gid)?;
        if let Some(uid) = self.uid {
            setresuid(uid, uid, Uid::from_raw(0))?;
        }
        let result = act();
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
        setresgid(gid, gid, gid)?;
        setgroups(&groups)?;
        die_with_parent();
        result
    }
}

/// A change of user clears it, see prctl(2).
fn die_with_parent() {
    let _ = prctl::set_pdeathsig(Signal::SIGTERM);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_the_command_line() {
        for account in [
            Account::default(),
            Account { uid: Some(Uid::from_raw(1000)), ..Account::default() },
            Account { uid: Some(Uid::from_raw(0)), gid: Some(Gid::from_raw(7)), groups: vec![Gid::from_raw(4)] },
        ] {
            assert_eq!(Account::of_word(&account.to_word()), Some(account));
        }
        for word in ["", "1", "x 1", "1 x", "1 1 x", "-1 2"] {
            assert_eq!(Account::of_word(OsStr::new(word)), None, "{word:?}");
        }
    }
}
