//! The plot: SVG by hand, readable on light and dark pages.

use std::fmt::Write;

/// One event; each line is the number of connections in each second.
pub struct Panel {
    pub title: String,
    pub lines: [Vec<usize>; 2],
}

const SECONDS: usize = 240;
/// Between two points of a line.
const STEP: usize = 2;
const WIDTH: usize = 340;
const HEIGHT: usize = 150;
const LEFT: usize = 44;
const TOP: usize = 44;

/// Draws panels side by side, with the same scale.
pub fn svg(panels: &[Panel], names: [&str; 2]) -> String {
    let shown = panels.iter().flat_map(|p| p.lines.iter().flat_map(|l| l.iter().take(SECONDS)));
    let top = shown.max().map_or(400, |&peak| peak.div_ceil(400) * 400);
    let (x, y) = (|second: usize| second * WIDTH / SECONDS, |open: usize| HEIGHT - open * HEIGHT / top);
    let mut s = String::new();
    let width = panels.len() * (WIDTH + LEFT) + 16;
    let height = TOP + HEIGHT + 40;
    // Writing to a String cannot fail.
    let _ = writeln!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Connections that a fleet opens after a power cut and after an outage\">\n\
         <style>text{{font:11px sans-serif;fill:#24292f}}.grid{{stroke:#d0d7de}}.e{{text-anchor:end}}.m{{text-anchor:middle}}\n\
         polyline{{fill:none;stroke-width:1.6}}.a{{stroke:#cf222e}}.b{{stroke:#0969da}}\n\
         @media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}.grid{{stroke:#3d444d}}.a{{stroke:#ff7b72}}.b{{stroke:#79c0ff}}}}</style>"
    );
    for (index, name) in names.iter().enumerate() {
        let (at, class) = (LEFT + index * 150, ["a", "b"][index]);
        let _ = writeln!(s, "<polyline class=\"{class}\" points=\"{at},12 {},12\"/>", at + 20);
        let _ = writeln!(s, "<text x=\"{}\" y=\"16\">{name}</text>", at + 26);
    }
    for (index, panel) in panels.iter().enumerate() {
        let _ = writeln!(s, "<g transform=\"translate({} {TOP})\">", LEFT + index * (WIDTH + LEFT));
        let _ = writeln!(s, "<text x=\"0\" y=\"-8\">{}</text>", panel.title);
        for open in (0..=top).step_by(400) {
            let _ = writeln!(s, "<path class=\"grid\" d=\"M0 {0}h{WIDTH}\"/>", y(open));
            let _ = writeln!(s, "<text class=\"e\" x=\"-5\" y=\"{}\">{open}</text>", y(open) + 4);
        }
        for second in (0..=SECONDS).step_by(60) {
            let _ = writeln!(s, "<text class=\"m\" x=\"{}\" y=\"{}\">{second} s</text>", x(second), HEIGHT + 16);
        }
        for (line, class) in panel.lines.iter().zip(["a", "b"]) {
            let _ = write!(s, "<polyline class=\"{class}\" points=\"");
            for (second, part) in line.chunks(STEP).enumerate().take(SECONDS / STEP) {
                let open = part.iter().copied().max().unwrap_or(0);
                let _ = write!(s, "{},{} ", x(second * STEP), y(open));
            }
            s.push_str("\"/>\n");
        }
        let _ = writeln!(
            s,
            "<text class=\"m\" x=\"{}\" y=\"{}\">open connections, server without a limit</text></g>",
            WIDTH / 2,
            HEIGHT + 32
        );
    }
    s.push_str("</svg>\n");
    s
}
