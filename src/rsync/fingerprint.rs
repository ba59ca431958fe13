//! Short stand-ins for lines and names, to tell whether they were seen before.

/// As many bytes of a name count: rsync cuts the names of temporary files.
pub(crate) const KEPT: usize = 100;

/// FNV-1a. A collision hides one change from `run_on_change`; the next one brings both.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// Of the last part of a path.
pub(crate) fn of_name(path: &[u8]) -> u32 {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    fingerprint(&name[..name.len().min(KEPT)]) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path_and_its_beginning() {
        let long = "x".repeat(KEPT);
        assert_eq!(of_name(b"a/b/c"), of_name(b"c/"));
        assert_eq!(of_name(format!("d/{long}yz").as_bytes()), of_name(long.as_bytes()));
        assert!(of_name(b"a") != of_name(b"b") && of_name(b"a/b") != of_name(b"a"));
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c, "of the authors' test vectors");
    }
}
