//! `irsync fleet DIR`: on the server, which devices are sick, and why.

use super::watch::{frame, Screen, Wakes};
use super::{complain, say, EXIT_USAGE};
use crate::config::values::{self, Kind, Value};
use crate::fleet::view::View;
use crate::fleet::{json, metrics, page, read, table};
use crate::os::terminal;
use crate::report::scribe;
use std::ffi::OsString;
use std::io::{self, stdout, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const HELP: &str = "\
Shows which devices of a fleet are sick, from the reports that they push (report_to).

irsync fleet DIR [--stale 2h] [--watch] [--json] [--metrics FILE] [--html FILE]

  DIR             folder with a file DEVICE.status for each device
  --stale TIME    a device that has not reported for so long is gone; default 2h
  --watch         look again every minute, and write the files anew
  --json          show it as JSON
  --metrics FILE  write it for Prometheus (node_exporter's textfile collector)
  --html FILE     write a page for a browser

Exit codes: 0 all are well; 1 some are not, or DIR has no report or cannot be
read; 2 wrong usage.
";

/// Milliseconds between two looks.
const PERIOD: u16 = 60_000;
/// As many devices are listed even if they are well.
const SHOWN: usize = 50;
/// A device that has not reported for so long is gone.
const STALE: Duration = Duration::from_secs(2 * 3600);

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Order {
    folder: PathBuf,
    stale: Duration,
    watch: bool,
    json: bool,
    metrics: Option<PathBuf>,
    html: Option<PathBuf>,
}

/// Runs the command with the arguments that follow its name. The exit code is that of the last look.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    if args.iter().any(|arg| arg == "--help") {
        return say(HELP).err().unwrap_or(ExitCode::SUCCESS);
    }
    let order = match parse(args) {
        Ok(order) => order,
        Err(why) => {
            complain(&format!("irsync: {why} (see irsync fleet --help)\n"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let result = match order.watch {
        true => watch(&order),
        false => Ok(once(&order)),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("irsync: cannot watch: {error}\n"));
        ExitCode::FAILURE
    })
}

fn parse(args: &[OsString]) -> Result<Order, String> {
    let mut order = Order { stale: STALE, ..Order::default() };
    let mut args = args.iter();
    let mut folder = None;
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy().into_owned();
        let (name, inline) = match text.split_once('=').filter(|_| text.starts_with("--")) {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text.clone(), None),
        };
        let mut value = || inline.clone().or_else(|| args.next().cloned()).ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--stale" => order.stale = duration(&value()?.to_string_lossy())?,
            "--metrics" => order.metrics = Some(value()?.into()),
            "--html" => order.html = Some(value()?.into()),
            "--watch" if inline.is_none() => order.watch = true,
            "--json" if inline.is_none() => order.json = true,
            _ if name.starts_with('-') => return Err(format!("unknown option {name:?}")),
            _ if folder.is_some() => return Err("only one folder can be looked at".into()),
            _ => folder = Some(PathBuf::from(arg)),
        }
    }
    order.folder = folder.ok_or("which folder?")?;
    Ok(order)
}

fn duration(text: &str) -> Result<Duration, String> {
    let kind = Kind::Duration { min: 1000, max: 3650 * 86_400_000, off: false };
    match values::parse(&kind, text) {
        Ok(Value::Duration(time)) => Ok(time),
        _ => Err(format!("--stale {text:?}: accepted: {}", kind.accepts())),
    }
}

fn look(order: &Order) -> io::Result<View> {
    let now = SystemTime::now();
    Ok(View::new(read::devices(&order.folder, now, order.stale)?, now, order.stale))
}

/// Writes the files that were asked for. False: one could not be written.
fn write(order: &Order, view: &View) -> bool {
    let mut well = true;
    let mut replace = |path: &Option<PathBuf>, text: &dyn Fn() -> String| {
        let Some(path) = path else { return };
        // Beside a name without a folder there is the working directory.
        let path = Path::new(".").join(path);
        if let Err(error) = scribe::replace(&path, text().as_bytes()) {
            complain(&format!("irsync: cannot write {}: {error}\n", path.display()));
            well = false;
        }
    };
    replace(&order.metrics, &|| metrics::render(view));
    replace(&order.html, &|| page::render(view));
    well
}

fn lines(view: &View, width: usize, paint: bool) -> Vec<String> {
    table::lines(view, width, view.sick().count().max(SHOWN), paint)
}

fn show(order: &Order, view: &View) -> Result<(), ExitCode> {
    let stdout = stdout();
    if order.json {
        return say(&json::render(view, usize::MAX));
    }
    let (width, _) = terminal::size(stdout.as_fd());
    // A file or a pipe takes lines of any length.
    let width = if stdout.is_terminal() { width } else { usize::MAX };
    say(&(lines(view, width, terminal::wants_colours(stdout.as_fd())).join("\n") + "\n"))
}

fn code(view: &View, written: bool) -> ExitCode {
    ExitCode::from(u8::from(!view.is_well() || !written))
}

fn blind(order: &Order, error: &io::Error) -> String {
    format!("irsync: cannot read {}: {error}", order.folder.display())
}

fn once(order: &Order) -> ExitCode {
    match look(order) {
        Ok(view) => {
            let written = write(order, &view);
            show(order, &view).err().unwrap_or(code(&view, written))
        }
        Err(error) => {
            complain(&(blind(order, &error) + "\n"));
            ExitCode::FAILURE
        }
    }
}

/// Looks again and again until a signal ends it or nobody reads it any more. On a terminal the table is redrawn in place; what
/// is not a terminal gets JSON if that was asked for, and else the table, unless it is files that are wanted.
fn watch(order: &Order) -> io::Result<ExitCode> {
    let clever = !order.json && terminal::is_clever(stdout().as_fd());
    let wakes = Wakes::install(clever)?;
    let screen = if clever { Some(Screen::open()?) } else { None };
    let silent = !clever && !order.json && (order.metrics.is_some() || order.html.is_some());
    loop {
        let looked = look(order);
        let ended = match &looked {
            Ok(view) => code(view, write(order, view)),
            Err(_) => ExitCode::FAILURE,
        };
        match (&looked, &screen) {
            (Ok(view), Some(_)) => {
                let (width, height) = terminal::size(stdout().as_fd());
                let paint = terminal::wants_colours(stdout().as_fd());
                say(&frame(&lines(view, width, paint), width, height)).map_err(exit)?;
            }
            (Ok(_), None) if silent => {}
            (Ok(view), None) => {
                if let Err(code) = show(order, view) {
                    return Ok(code);
                }
            }
            (Err(error), Some(_)) => {
                let (width, height) = terminal::size(stdout().as_fd());
                say(&frame(&[blind(order, error)], width, height)).map_err(exit)?;
            }
            (Err(error), None) => complain(&(blind(order, error) + "\n")),
        }
        if !wakes.wait(PERIOD) {
            return Ok(ended);
        }
    }
}

fn exit(_: ExitCode) -> io::Error {
    io::Error::other("the terminal has gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<Order, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_may_stand_anywhere_and_what_is_wrong_is_named() {
        let order = given(&["--json", "/d", "--stale=3h", "--html", "p.html", "--watch", "--metrics", "m"]).unwrap();
        let expected = Order {
            folder: "/d".into(),
            stale: Duration::from_secs(3 * 3600),
            watch: true,
            json: true,
            metrics: Some("m".into()),
            html: Some("p.html".into()),
        };
        assert_eq!(order, expected);
        assert_eq!(given(&["d"]).unwrap().stale, Duration::from_secs(7200));
        for (words, says) in [
            (&[][..], "which folder"),
            (&["a", "b"], "only one folder"),
            (&["a", "--html"], "--html needs a value"),
            (&["a", "--stale", "soon"], "accepted: digits"),
            (&["a", "--stale", "0"], "accepted: digits"),
            (&["a", "--colour"], "unknown option"),
            (&["a", "--watch=1"], "unknown option"),
        ] {
            let error = given(words).unwrap_err();
            assert!(error.contains(says), "{words:?}: {error}");
        }
    }
}
