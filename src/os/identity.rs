//! What tells this device from the others of its fleet.
#![forbid(unsafe_code)]

use super::clock;
use crate::config::expand::Variables;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Names of first network interfaces on small boards, in the order of preference: by ifupdown's old naming, by
/// NetworkManager's for on-board ports, and Wi-Fi.
const PREFERRED: [&str; 3] = ["eth0", "end0", "wlan0"];

impl Variables {
    /// Reads what this device has; what it has not is None.
    pub fn of_this_device() -> Variables {
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Variables {
            hostname: hostname.filter(|name| is_a_name(name)),
            date: clock::local_date(),
            ..below(Path::new("/"))
        }
    }
}

/// What a host is called before somebody has named it tells it from no other: nothing, `(none)` by the kernel, `localhost` by most
/// systems.
fn is_a_name(hostname: &str) -> bool {
    let first = hostname.split('.').next().unwrap_or_default();
    !["", "(none)", "localhost"].contains(&first)
}

fn below(root: &Path) -> Variables {
    let line = |path: &str| line(&root.join(path));
    Variables {
        hostname: None,
        date: None,
        // machine-id(5): "uninitialized" during the first boot of a golden image. Some images ship zeros.
        machine_id: line("etc/machine-id")
            .filter(|id| id != "uninitialized" && id.bytes().any(|b| b != b'0'))
            .or_else(|| line("var/lib/dbus/machine-id")),
        serial: line("proc/device-tree/serial-number").or_else(|| line("sys/firmware/devicetree/base/serial-number")),
        mac: mac(&root.join("sys/class/net")),
    }
}

/// The first line of a small file, without the NUL byte that ends a device tree string.
fn line(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let line = text.split(['\n', '\0']).next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_string())
}

fn mac(interfaces: &Path) -> Option<String> {
    let mut names: Vec<String> =
        fs::read_dir(interfaces).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let rank = |name: &str| PREFERRED.iter().position(|preferred| *preferred == name).unwrap_or(PREFERRED.len());
    names.sort_by_key(|name| rank(name));
    // Loopback and tunnels have an address of zeros or of another length.
    let is_mac = |mac: &String| mac.len() == 17 && mac.bytes().any(|b| b != b'0' && b != b':');
    names
        .iter()
        .filter(|name| *name != "lo")
        .filter_map(|name| line(&interfaces.join(name).join("address")))
        .map(|mac| mac.to_ascii_lowercase())
        .find(is_mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn root(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("irsync-identity-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_board_with_everything_is_read() {
        let root = root(
            "full",
            &[
                ("etc/machine-id", "4c3b\n"),
                ("sys/firmware/devicetree/base/serial-number", "10000000abcd\0"),
                ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
                ("sys/class/net/docker0/address", "02:42:00:00:00:01\n"),
                ("sys/class/net/wlan0/address", "B8:27:EB:00:00:02\n"),
                ("sys/class/net/tun0/address", "\n"),
            ],
        );
        let found = below(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.machine_id.as_deref(), Some("4c3b"));
        assert_eq!(found.serial.as_deref(), Some("10000000abcd"));
        assert_eq!(found.mac.as_deref(), Some("b8:27:eb:00:00:02"));
    }

    #[test]
    fn what_a_host_is_called_before_it_has_a_name_is_none() {
        for name in ["", "(none)", "localhost", "localhost.localdomain"] {
            assert!(!is_a_name(name), "{name:?}");
        }
        for name in ["pi-7", "localhost2", "pi.localhost"] {
            assert!(is_a_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_machine_id_of_zeros_is_none() {
        let root = root("zeros", &[("etc/machine-id", "00000000000000000000000000000000\n")]);
        let found = below(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.machine_id, None);
    }

    #[test]
    fn a_board_with_nothing_has_nothing() {
        let root = root(
            "empty",
            &[("etc/machine-id", "uninitialized\n"), ("sys/class/net/lo/address", "00:00:00:00:00:00\n")],
        );
        let found = below(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Variables::default());
    }
}
