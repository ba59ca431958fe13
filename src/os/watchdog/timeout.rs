//! Which timeout to ask of a driver, and which to believe.

use super::sysfs::Attributes;

/// What to ask of the driver, and why it is not what the owner asked for.
pub(super) fn plan(identity: &str, asked: u32, attributes: &Attributes) -> (u32, Option<String>) {
    let (mut seconds, reason) = believable(identity, asked);
    let mut note = reason.filter(|_| seconds != asked).map(str::to_owned);
    // A maximum of 0 means that the kernel kicks on behalf of slower hardware: no limit.
    if let Some(max) = attributes.max_timeout.filter(|max| *max > 0 && seconds > *max) {
        (seconds, note) = (max, Some(format!("the driver's maximum is {max} s")));
    }
    if let Some(min) = attributes.min_timeout.filter(|min| seconds < *min) {
        (seconds, note) = (min, Some(format!("the driver's minimum is {min} s")));
    }
    (seconds.max(1), note)
}

/// The largest timeout up to `seconds` that this hardware truly keeps, whatever its driver says, and why.
pub(super) fn believable(identity: &str, seconds: u32) -> (u32, Option<&'static str>) {
    match identity {
        // A 20-bit counter at 65,536 Hz. Drivers took more without a word and reset after `timeout mod 16`
        // (raspberrypi/linux#7432).
        "Broadcom BCM2835 Watchdog timer" => (seconds.min(15), Some("this board's hardware counts to 15 s only")),
        // Its register has codes for these only; others are rounded up (drivers/watchdog/sunxi_wdt.c).
        "sunxi-wdt" => {
            let steps = [16, 14, 12, 10, 8, 6, 5, 4, 3, 2, 1];
            let step = steps.into_iter().find(|step| *step <= seconds).unwrap_or(1);
            (step, Some("this board's hardware has 1 to 6, 8, 10, 12, 14 and 16 s only"))
        }
        _ => (seconds, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_that_lie_are_capped_and_say_why() {
        let ask = |identity, seconds| {
            let (wanted, note) = plan(identity, seconds, &Attributes::default());
            assert_eq!(note.is_some(), wanted != seconds, "{identity} {seconds}");
            wanted
        };
        let pi = "Broadcom BCM2835 Watchdog timer";
        assert_eq!([15, 16, 60, 100].map(|seconds| ask(pi, seconds)), [15; 4]);
        assert_eq!(ask(pi, 10), 10);
        let allwinner: Vec<u32> = (1..=18).map(|seconds| ask("sunxi-wdt", seconds)).collect();
        assert_eq!(allwinner, [1, 2, 3, 4, 5, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14, 16, 16, 16]);
        assert_eq!(ask("i6300ESB timer", 2000), 2000);
        // A driver whose value came from a module parameter is not believed either.
        assert_eq!(believable(pi, 60).0, 15);
    }

    #[test]
    fn the_drivers_limits_are_kept() {
        let limits = Attributes { min_timeout: Some(2), max_timeout: Some(2046), ..Attributes::default() };
        assert_eq!(plan("x", 1, &limits), (2, Some("the driver's minimum is 2 s".into())));
        assert_eq!(plan("x", 9999, &limits), (2046, Some("the driver's maximum is 2046 s".into())));
        assert_eq!(plan("x", 15, &limits), (15, None));
        let none = Attributes { max_timeout: Some(0), ..Attributes::default() };
        assert_eq!(plan("x", 9999, &none).0, 9999, "a maximum of 0 means none");
    }
}
