//! The page: one file with everything in it, for a browser on a desk or a phone, without the network.

use super::json;
use super::view::View;

/// Rows beyond this would make a phone crawl; the sick come first.
const MOST: usize = 5_000;
pub(super) const TEMPLATE: &str = include_str!("page.html");
/// Where the data stands in the template.
pub(super) const PLACE: &str = "/*DATA*/null";

/// The whole page.
pub(crate) fn render(view: &View) -> String {
    // What a device calls itself must not end the script it stands in.
    let data =
        json::render(view, MOST).replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    TEMPLATE.replacen(PLACE, data.trim_end(), 1)
}
