//! The terminal's ioctl, see ioctl_tty(2).

use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

mod raw {
    nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);
}

/// `TIOCGWINSZ`: columns and rows, 0 where the terminal does not know.
///
/// # Errors
/// ENOTTY.
pub(crate) fn window_size(fd: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open while it is borrowed, and `size` is the struct that the request fills.
    unsafe { raw::window_size(fd.as_raw_fd(), &mut size) }?;
    Ok((size.ws_col, size.ws_row))
}
