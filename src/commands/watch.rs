//! `irsync status --watch`: on a terminal redrawn in place, elsewhere printed when it changes.

use super::places::Places;
use super::say;
use super::seen::Sight;
use crate::os::terminal;
use crate::text::fit;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::{flag, low_level::pipe};
use std::io::{self, stdout, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Milliseconds between two looks.
const PERIOD: u16 = 1000;

/// Shows the status until a signal ends it or nobody reads it any more. The code is that of the last look.
pub(crate) fn watch(config: &Path, json: bool) -> ExitCode {
    let places = &Places::of(config);
    let screen = !json && terminal::is_clever(stdout().as_fd());
    let result = Wakes::install(screen).and_then(|wakes| match screen {
        true => on_screen(places, &wakes),
        false => Ok(in_lines(places, json, &wakes)),
    });
    result.unwrap_or_else(|error| {
        super::complain(&format!("irsync: cannot watch: {error}\n"));
        ExitCode::FAILURE
    })
}

/// Signals end the wait between two looks.
pub(super) struct Wakes {
    end: Arc<AtomicBool>,
    suspend: Arc<AtomicBool>,
    pipe: UnixStream,
}

impl Wakes {
    pub(super) fn install(screen: bool) -> io::Result<Wakes> {
        let (pipe, write) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let wakes = Wakes { end: Arc::default(), suspend: Arc::default(), pipe };
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            flag::register(signal, Arc::clone(&wakes.end))?;
            pipe::register(signal, write.try_clone()?)?;
        }
        if screen {
            flag::register(SIGTSTP, Arc::clone(&wakes.suspend))?;
            for signal in [SIGTSTP, SIGCONT, SIGWINCH] {
                pipe::register(signal, write.try_clone()?)?;
            }
        }
        Ok(wakes)
    }

    /// Waits at most so many milliseconds. False: it is time to end.
    pub(super) fn wait(&self, period: u16) -> bool {
        let stdout = stdout();
        // Nothing is asked of stdout: that nobody reads it any more is told all the same.
        let mut fds =
            [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN), PollFd::new(stdout.as_fd(), PollFlags::empty())];
        if !self.end.load(Ordering::SeqCst) {
            let _ = poll(&mut fds, PollTimeout::from(period));
            if fds[1].any() == Some(true) {
                return false;
            }
            let mut bytes = [0; 64];
            while matches!((&self.pipe).read(&mut bytes), Ok(n) if n == bytes.len()) {}
        }
        !self.end.load(Ordering::SeqCst)
    }
}

fn in_lines(places: &Places, json: bool, wakes: &Wakes) -> ExitCode {
    let (width, _) = terminal::size(stdout().as_fd());
    let mut before: Option<Sight> = None;
    loop {
        let seen = Sight::now(places);
        // Ages alone are no news.
        if !before.is_some_and(|before| before.is_like(&seen)) {
            let text = if json { seen.json() } else { seen.lines(width, false).join("\n") + "\n\n" };
            if let Err(code) = say(&text) {
                return code;
            }
        }
        let code = seen.code();
        before = Some(seen);
        if !wakes.wait(PERIOD) {
            return code;
        }
    }
}

/// The other screen of the terminal, as editors use it, without a cursor. Dropped, it leaves all as it was.
pub(super) struct Screen;

impl Screen {
    pub(super) fn open() -> io::Result<Screen> {
        let screen = Screen;
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&self) -> io::Result<()> {
        put("\x1b[?1049h\x1b[?25l")
    }

    fn leave(&self) {
        let _ = put("\x1b[?25h\x1b[?1049l");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

fn on_screen(places: &Places, wakes: &Wakes) -> io::Result<ExitCode> {
    let paint = terminal::wants_colours(stdout().as_fd());
    let screen = Screen::open()?;
    loop {
        let seen = Sight::now(places);
        let (width, height) = terminal::size(stdout().as_fd());
        put(&frame(&seen.lines(width, paint), width, height))?;
        if !wakes.wait(PERIOD) {
            return Ok(seen.code());
        }
        if wakes.suspend.swap(false, Ordering::SeqCst) {
            screen.leave();
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
            // Here again when somebody has said fg.
            screen.enter()?;
        }
    }
}

/// The lines that fit, each over what stood there before.
pub(super) fn frame(lines: &[String], width: usize, height: usize) -> String {
    let mut text = String::from("\x1b[H");
    for (i, line) in lines.iter().take(height).enumerate() {
        // No newline after the last line: it would scroll.
        text += if i > 0 { "\r\n" } else { "" };
        text += &fit(line, width);
        text += "\x1b[K";
    }
    text + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_no_larger_than_the_screen() {
        let lines: Vec<String> = (0..50).map(|i| format!("{i} {}", "x".repeat(300))).collect();
        let text = frame(&lines, 80, 24);
        assert_eq!(text.matches("\r\n").count(), 23);
        let longest = text.split("\r\n").map(|line| line.trim_start_matches("\x1b[H").find('\x1b').unwrap()).max();
        assert_eq!(longest, Some(80));
        assert_eq!(frame(&[], 80, 24), "\x1b[H\x1b[J");
    }
}
