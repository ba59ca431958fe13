//! The progress bars of `irsync status` and of an attended terminal.

use super::board::{JobStatus, Progress, State};
use super::human::{Bytes, Span};
use super::snapshot::Snapshot;
use crate::text::{columns, fit, fit_end};
use std::fmt::Write;
use std::time::Duration;

/// A line for each running transfer, at most `width` columns wide.
pub(crate) fn bars(snapshot: &Snapshot, width: usize) -> Vec<String> {
    let syncing = || snapshot.jobs.iter().map(|judged| &judged.job).filter(|job| job.state == State::Syncing);
    let names = syncing().map(|job| columns(&job.name)).max().unwrap_or(0);
    syncing().filter_map(|job| Some(bar(job, job.progress.as_ref()?, names, width))).collect()
}

/// Columns of a bar, without its brackets.
const LONGEST_BAR: usize = 24;
const SHORTEST_BAR: usize = 8;
/// Less of a file's name tells nothing.
const SHORTEST_NAME: usize = 12;
/// For more of a name the bar is not made shorter.
const USUAL_NAME: usize = 24;

fn bar(job: &JobStatus, progress: &Progress, names: usize, width: usize) -> String {
    // While the list still grows the whole is not known.
    let about = if progress.list_growing { "~" } else { "" };
    let mut numbers = format!("{:>5}  {}", format!("{about}{}%", progress.percent), Bytes(progress.bytes));
    let _ = write!(numbers, "  {}/s", Bytes(progress.rate));
    if let Some(left) = time_left(progress) {
        let _ = write!(numbers, "  {} left", Span(left));
    }
    let mut line = format!("{:names$}  ", job.name);
    let room = width.saturating_sub(columns(&line) + columns(&numbers) + 4);
    if room >= SHORTEST_BAR {
        let name = job.current_file.as_ref().map_or(0, |file| columns(file).min(USUAL_NAME) + 2);
        let length = room.saturating_sub(name).clamp(SHORTEST_BAR, LONGEST_BAR);
        let filled = length * usize::from(progress.percent.min(100)) / 100;
        let _ = write!(line, "[{}{}]  ", "#".repeat(filled), "-".repeat(length - filled));
    }
    line += &numbers;
    let room = width.saturating_sub(columns(&line) + 2);
    if let Some(file) = job.current_file.as_ref().filter(|file| room >= SHORTEST_NAME.min(columns(file))) {
        line += "  ";
        line += &fit_end(file, room);
    }
    fit(&line, width)
}

/// rsync says how much is left while a file is under way; at a file's end it says how long the whole took instead.
fn time_left(progress: &Progress) -> Option<Duration> {
    if progress.percent >= 100 {
        return None;
    }
    if progress.transferred.is_none() && progress.seconds > 0 {
        return Some(Duration::from_secs(progress.seconds));
    }
    let percent = u128::from(progress.percent);
    let left = (u128::from(progress.bytes) * (100 - percent)).checked_div(percent)?;
    let seconds = left.checked_div(u128::from(progress.rate))?;
    Some(Duration::from_secs(seconds.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::full;
    use super::super::tests::seen;
    use super::*;

    fn bars(jobs: &[JobStatus], width: usize) -> Vec<String> {
        super::bars(&seen(jobs, 1000), width)
    }

    #[test]
    fn a_bar_is_never_wider_than_the_terminal() {
        let mut job = full();
        job.current_file = Some("films/日本語/überlang/ein sehr langer Name mit viel Text.mp4".into());
        for width in 0..200 {
            for line in bars(&[job.clone()], width) {
                assert!(columns(&line) <= width, "{width}: {line}");
            }
        }
        assert_eq!(
            bars(&[full()], 100),
            ["media  [##########--------------]   ~45%  45.0 MiB  3.0 MiB/s  18s left  films/a = b.mp4"]
        );
        assert_eq!(bars(&[full()], 40), ["media   ~45%  45.0 MiB  3.0 MiB/s  18s l"]);
    }

    #[test]
    fn only_a_running_transfer_has_a_bar() {
        let waiting = JobStatus { state: State::Waiting, ..full() };
        let silent = JobStatus { progress: None, ..full() };
        assert!(bars(&[waiting, silent], 80).is_empty());
    }

    #[test]
    fn time_left_is_rsyncs_or_worked_out() {
        let progress = |percent, seconds, transferred| Progress {
            bytes: 1000,
            rate: 10,
            percent,
            seconds,
            transferred,
            ..Progress::default()
        };
        let left = |p| time_left(&p).map(|left| left.as_secs());
        assert_eq!(left(progress(50, 77, None)), Some(77));
        assert_eq!(left(progress(50, 77, Some(3))), Some(100));
        assert_eq!(left(progress(0, 0, None)), None);
        assert_eq!(left(progress(100, 77, None)), None);
        assert_eq!(left(Progress { rate: 0, ..progress(50, 0, None) }), None);
    }
}
