//! What lines have in common.

/// A number for what a line says, whatever the numbers in it: lines that differ only in digits have the same. `names`:
/// digits between double quotes, where rsync writes names, count.
pub(crate) fn kind(line: &[u8], names: bool) -> u32 {
    let (mut hash, mut in_number, mut quoted) = (0x811c_9dc5_u32, false, false);
    for &byte in line {
        quoted ^= byte == b'"';
        let digit = byte.is_ascii_digit() && !(names && quoted);
        if !(digit && in_number) {
            // FNV-1a.
            hash = (hash ^ u32::from(if digit { b'0' } else { byte })).wrapping_mul(0x0100_0193);
        }
        in_number = digit;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn numbers_do_not_count_and_those_in_names_only_where_asked_for() {
        let closed = |bytes: &str| format!("rsync: connection unexpectedly closed ({bytes} bytes received so far)");
        let failed = |name: &str| format!("rsync: send_files failed to open \"{name}\": Permission denied (13)");
        for names in [true, false] {
            assert_eq!(kind(closed("7").as_bytes(), names), kind(closed("2051").as_bytes(), names));
            assert_ne!(kind(closed("7").as_bytes(), names), kind(closed("").as_bytes(), names));
            assert_eq!(kind(failed("f1").as_bytes(), names) == kind(failed("f22").as_bytes(), names), !names);
            assert_ne!(kind(failed("a").as_bytes(), names), kind(failed("b").as_bytes(), names));
        }
    }
}
