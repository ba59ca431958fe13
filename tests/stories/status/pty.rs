//! A terminal of the test's own.

use crate::common::{Irsync, Rig};
use nix::pty::{openpty, Winsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The master's side; everything that was written to the terminal is kept.
pub struct Pty {
    master: File,
    text: Arc<Mutex<Vec<u8>>>,
}

/// Starts irsync in the foreground of a new terminal of this many columns.
pub fn start(rig: &Rig, arguments: &[&str], columns: u16) -> (Irsync, Pty) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let ends = openpty(Some(&size), None).expect("cannot open a terminal");
    let inner = rig.command(arguments);
    // setsid(1) becomes irsync, with standard input as its controlling terminal.
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(inner.get_program()).args(inner.get_args()).env("TERM", "xterm").env_remove("NO_COLOR");
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    let slave = || File::from(ends.slave.try_clone().expect("cannot copy a descriptor"));
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let irsync = rig.spawn(command, rig.path("terminal"));
    drop(ends.slave);
    let master = File::from(ends.master);
    let text = Arc::new(Mutex::new(Vec::new()));
    let (mut reader, kept) = (master.try_clone().expect("cannot copy a descriptor"), Arc::clone(&text));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // EIO when the last slave is closed.
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            kept.lock().expect("not poisoned").extend_from_slice(&buffer[..n]);
        }
    });
    (irsync, Pty { master, text })
}

impl Pty {
    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("not poisoned")).into_owned()
    }

    /// Types.
    pub fn keys(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).expect("cannot type");
    }

    /// What a person sees.
    pub fn screen(&self) -> String {
        let mut screen = Screen::default();
        let text = self.text();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\x1b' => {
                    assert!(matches!(chars.next(), Some('[') | None), "{text:?}");
                    if !chars.as_str().contains(|c: char| c.is_ascii_alphabetic()) {
                        // The rest has not come yet.
                        break;
                    }
                    let parameter: String = chars
                        .by_ref()
                        .take_while(|c| {
                            screen.last = *c;
                            !c.is_ascii_alphabetic()
                        })
                        .collect();
                    screen.sequence(&parameter);
                }
                c => screen.plain(c),
            }
        }
        screen.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
    }
}

/// A terminal of endless height that knows the sequences irsync uses.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// What was there before the other screen was entered.
    other: Option<(Vec<Vec<char>>, usize, usize)>,
    /// The letter that ended the last sequence.
    last: char,
}

impl Screen {
    fn plain(&mut self, c: char) {
        while self.lines.len() <= self.row {
            self.lines.push(Vec::new());
        }
        match c {
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            c => {
                let line = &mut self.lines[self.row];
                line.resize(line.len().max(self.column + 1), ' ');
                line[self.column] = c;
                self.column += 1;
            }
        }
    }

    fn sequence(&mut self, parameter: &str) {
        match (parameter, self.last) {
            ("?1049", 'h') => {
                self.other = Some((std::mem::take(&mut self.lines), self.row, self.column));
                (self.row, self.column) = (0, 0);
            }
            ("?1049", 'l') => (self.lines, self.row, self.column) = self.other.take().expect("it was entered"),
            ("?25", 'h' | 'l') | (_, 'm') => {}
            ("", 'H') => (self.row, self.column) = (0, 0),
            (up, 'A') => self.row = self.row.checked_sub(up.parse().expect("a number")).expect("above the screen"),
            ("", 'K') => self.erase_line(),
            ("", 'J') => {
                self.erase_line();
                self.lines.truncate(self.row + 1);
            }
            other => panic!("unknown sequence {other:?}"),
        }
    }

    fn erase_line(&mut self) {
        if let Some(line) = self.lines.get_mut(self.row) {
            line.truncate(self.column);
        }
    }
}
