//! What is known of rsync: its options, exit codes, messages, output and versions. Pure: no clock, no I/O.
#![forbid(unsafe_code)]

pub(crate) mod argv;
pub(crate) mod asked;
pub(crate) mod changes;
pub(crate) mod complaint;
pub(crate) mod fingerprint;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub(crate) mod left_out;
pub(crate) mod leftovers;
pub(crate) mod names;
pub(crate) mod operand;
pub(crate) mod options;
pub(crate) mod orders;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod remote_shell;
pub(crate) mod shell_line;
pub(crate) mod signs;
pub(crate) mod staging;
pub(crate) mod stats;
pub(crate) mod telling;
pub(crate) mod version;

/// A whole number as rsync writes it: plain, with `,` or `.` between thousands, or as `-h` does (`683.94K`, powers of
/// 1000; the powers of 1024 of `-hh` look the same).
fn number(word: &str) -> Option<u64> {
    let unit: u64 = match word.as_bytes().last()? {
        b'K' => 1_000,
        b'M' => 1_000_000,
        b'G' => 1_000_000_000,
        b'T' => 1_000_000_000_000,
        b'P' => 1_000_000_000_000_000,
        _ => 0,
    };
    let value = if unit > 0 { &word[..word.len() - 1] } else { word };
    if !value.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut digits = 0u64;
    for b in value.bytes() {
        match b {
            b'0'..=b'9' => digits = digits.checked_mul(10)?.checked_add(u64::from(b - b'0'))?,
            b',' | b'.' => {}
            _ => return None,
        }
    }
    // With a unit there are always two decimals.
    Some(if unit > 0 { digits.checked_mul(unit / 100)? } else { digits })
}
