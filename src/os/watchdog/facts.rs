//! What is known of a watchdog device.

use std::time::Duration;

/// `WDIOF_*` of linux/watchdog.h
pub(super) mod wdiof {
    pub(crate) const OVERHEAT: u32 = 0x0001;
    pub(crate) const FANFAULT: u32 = 0x0002;
    pub(crate) const EXTERN1: u32 = 0x0004;
    pub(crate) const EXTERN2: u32 = 0x0008;
    pub(crate) const POWERUNDER: u32 = 0x0010;
    pub(crate) const CARDRESET: u32 = 0x0020;
    pub(crate) const POWEROVER: u32 = 0x0040;
    pub(crate) const SETTIMEOUT: u32 = 0x0080;
    pub(crate) const MAGICCLOSE: u32 = 0x0100;
    pub(crate) const PRETIMEOUT: u32 = 0x0200;
    pub(crate) const KEEPALIVEPING: u32 = 0x8000;
}

/// What is known of the device after it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The driver's name; `plain file` for a file that stands in for a device.
    pub identity: String,
    /// Version of the card's firmware.
    pub firmware: u32,
    /// Seconds asked for.
    pub asked: u32,
    /// Seconds without a kick after which the board is reset.
    pub granted: u32,
    /// Why `granted` is not `asked`.
    pub note: Option<String>,
    /// Seconds before the reset at which the kernel's pretimeout governor acts (logs or panics).
    pub pretimeout: Option<u32>,
    /// The driver can be disarmed by writing `V`.
    pub magic_close: bool,
    /// The kernel refuses to disarm it; None where sysfs does not tell.
    pub nowayout: Option<bool>,
    /// Why the board was reset last, as the device tells.
    pub boot: BootStatus,
    /// `WDIOF_*` bits of what is wrong now (`WDIOC_GETSTATUS`), where the driver tells.
    pub status: Option<u32>,
    /// Not a device: nothing resets the board.
    pub plain_file: bool,
}

impl Facts {
    /// How often to kick.
    pub fn kick_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.granted)) / 3
    }

    /// Whether a clean close disarms it; otherwise a stop is followed by a reset unless something opens it again.
    pub fn disarms(&self) -> bool {
        self.magic_close && self.nowayout != Some(true)
    }
}

/// What the device says about the last reset (`WDIOC_GETBOOTSTATUS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootStatus {
    /// `WDIOF_*` bits; None when there is no device or it does not answer.
    pub bits: Option<u32>,
    /// A zero means something: this driver is known to tell a watchdog reset from other boots.
    pub tells: bool,
}

impl BootStatus {
    /// The watchdog ended the last boot.
    pub fn watchdog_reset(self) -> bool {
        self.bits.is_some_and(|bits| bits & wdiof::CARDRESET != 0)
    }

    /// Other troubles the device reports, e.g. `overheated`.
    pub fn troubles(self) -> Vec<&'static str> {
        let names = [
            (wdiof::OVERHEAT, "overheated"),
            (wdiof::FANFAULT, "fan failed"),
            (wdiof::EXTERN1, "external relay 1"),
            (wdiof::EXTERN2, "external relay 2"),
            (wdiof::POWERUNDER, "power too low"),
            (wdiof::POWEROVER, "power too high"),
        ];
        let bits = self.bits.unwrap_or(0);
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
    }

    pub(super) fn new(bits: Option<u32>, options: u32, identity: &str) -> BootStatus {
        // i6300esb sets the bit without announcing it. The Pi announces nothing and always says 0.
        BootStatus { bits, tells: options & wdiof::CARDRESET != 0 || identity.starts_with("i6300ESB") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_status_is_read_with_caution() {
        let status = |bits, options, identity| BootStatus::new(bits, options, identity);
        let esb = status(Some(0x20), 0x8180, "i6300ESB timer");
        assert!(esb.watchdog_reset() && esb.tells);
        let pi = status(Some(0), 0x8180, "Broadcom BCM2835 Watchdog timer");
        assert!(!pi.watchdog_reset() && !pi.tells, "its 0 means nothing");
        assert_eq!(status(Some(0x11), 0, "x").troubles(), ["overheated", "power too low"]);
    }
}
