//! How wide text is on a terminal, and what of it fits.

/// The columns a character takes: East Asian ones and pictures take two. Those that take none are counted as one, which
/// makes a line shorter and never longer than the terminal.
fn column(c: char) -> usize {
    if c < '\u{1100}' {
        1
    } else {
        2
    }
}

/// The columns a line takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// The beginning of a line that fits into `width` columns; colours take none.
pub(crate) fn fit(line: &str, width: usize) -> String {
    let mut out = String::new();
    let (mut used, mut escape) = (0, false);
    for c in line.chars() {
        if c == '\x1b' {
            escape = true;
        }
        if !escape {
            used += column(c);
            if used > width {
                continue;
            }
        }
        escape &= !c.is_ascii_alphabetic();
        out.push(c);
    }
    out
}

/// The end of a path, which tells more than its beginning.
pub(crate) fn fit_end(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut used = 3;
    let start = text.char_indices().rev().take_while(|(_, c)| {
        used += column(*c);
        used <= width
    });
    let start = start.last().map_or(text.len(), |(at, _)| at);
    format!("...{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_keeps_colours() {
        assert_eq!(fit("\x1b[31mabc\x1b[0m", 2), "\x1b[31mab\x1b[0m");
        assert_eq!(fit_end("a/long/path", 8), ".../path");
    }
}
