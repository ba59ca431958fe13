//! The watchdog's ioctls (`linux/watchdog.h`, Documentation/watchdog/watchdog-api.rst).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct watchdog_info`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Info {
    /// `WDIOF_*` bits: what the driver can do.
    pub options: u32,
    /// Version of the card's firmware.
    pub firmware: u32,
    /// The driver's name, padded with NUL.
    pub identity: [u8; 32],
}

mod raw {
    use super::Info;
    nix::ioctl_read!(get_support, b'W', 0, Info);
    nix::ioctl_read!(get_status, b'W', 1, i32);
    nix::ioctl_read!(get_boot_status, b'W', 2, i32);
    nix::ioctl_read!(keep_alive, b'W', 5, i32);
    nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
    nix::ioctl_read!(get_timeout, b'W', 7, i32);
    nix::ioctl_readwrite!(set_pretimeout, b'W', 8, i32);
    nix::ioctl_read!(get_pretimeout, b'W', 9, i32);
}

/// Calls one of the ioctls that take a pointer to an int, and gives the int as the driver left it.
macro_rules! int_ioctl {
    ($(#[$doc:meta])* $name:ident($($value:ident)?)) => {
        $(#[$doc])*
        pub(crate) fn $name(fd: BorrowedFd<'_>, $($value: i32)?) -> io::Result<i32> {
            let mut int = 0 $(+ $value)?;
            // SAFETY: the descriptor is open while it is borrowed, and every one of these requests reads or writes
            // exactly one int at the address given; a descriptor that is no watchdog answers ENOTTY.
            unsafe { raw::$name(fd.as_raw_fd(), &mut int) }?;
            Ok(int)
        }
    };
}

int_ioctl!(
    /// `WDIOC_GETSTATUS`
    get_status()
);
int_ioctl!(
    /// `WDIOC_GETBOOTSTATUS`
    get_boot_status()
);
int_ioctl!(
    /// `WDIOC_KEEPALIVE`; the int means nothing.
    keep_alive()
);
int_ioctl!(
    /// `WDIOC_SETTIMEOUT`, seconds; gives what the driver made of it.
    set_timeout(seconds)
);
int_ioctl!(
    /// `WDIOC_GETTIMEOUT`, seconds
    get_timeout()
);
int_ioctl!(
    /// `WDIOC_SETPRETIMEOUT`, seconds before the reset
    set_pretimeout(seconds)
);
int_ioctl!(
    /// `WDIOC_GETPRETIMEOUT`, seconds before the reset
    get_pretimeout()
);

/// `WDIOC_GETSUPPORT`; ENOTTY from anything that is not a watchdog.
pub(crate) fn get_support(fd: BorrowedFd<'_>) -> io::Result<Info> {
    let mut info = Info { options: 0, firmware: 0, identity: [0; 32] };
    // SAFETY: the descriptor is open while it is borrowed, and `info` has the layout of `struct watchdog_info`.
    unsafe { raw::get_support(fd.as_raw_fd(), &mut info) }?;
    Ok(info)
}
