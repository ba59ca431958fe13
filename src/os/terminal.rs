//! What a terminal can show.
#![forbid(unsafe_code)]

use super::sys::terminal::window_size;
use nix::unistd::{getpgrp, getppid, tcgetpgrp};
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

/// Columns and rows; a terminal that does not know its size, e.g. a serial line, has 80 and 24.
pub(crate) fn size(fd: BorrowedFd<'_>) -> (usize, usize) {
    let (columns, rows) = window_size(fd).unwrap_or((0, 0));
    let or = |value: u16, usual: usize| if value == 0 { usual } else { value.into() };
    (or(columns, 80), or(rows, 24))
}

/// Whether it is a terminal that understands more than plain lines.
pub(crate) fn is_clever(fd: BorrowedFd<'_>) -> bool {
    fd.is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

/// Whether colours are welcome there, see <https://no-color.org>.
pub(crate) fn wants_colours(fd: BorrowedFd<'_>) -> bool {
    is_clever(fd) && !std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether somebody has typed this process's command at a terminal and waits for it: it is in the foreground there. What init
/// itself starts on a terminal (`tty1::respawn:` of an inittab) nobody has typed.
pub(crate) fn was_typed() -> bool {
    tcgetpgrp(std::io::stderr()).is_ok_and(|group| group == getpgrp()) && getppid().as_raw() != 1
}

/// Whether stderr is a clever terminal and somebody sits there: this process is in its foreground. A console that init
/// has opened for us is not.
pub(crate) fn is_attended() -> bool {
    let stderr = std::io::stderr();
    is_clever(stderr.as_fd()) && tcgetpgrp(&stderr).is_ok_and(|group| group == getpgrp())
}
