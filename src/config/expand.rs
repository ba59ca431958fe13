//! `${…}`: what tells one device from another.

/// The values of this device; None where it has none. `os::identity` reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `${hostname}`
    pub hostname: Option<String>,
    /// `${machine_id}`: /etc/machine-id
    pub machine_id: Option<String>,
    /// `${serial}`: the device tree's serial number
    pub serial: Option<String>,
    /// `${mac}`: lower-case with colons
    pub mac: Option<String>,
}

const NAMES: &str = "${hostname}, ${machine_id}, ${serial} and ${mac}";

impl Variables {
    fn get(&self, name: &str) -> Result<&str, String> {
        let value = match name {
            "hostname" => &self.hostname,
            "machine_id" => &self.machine_id,
            "serial" => &self.serial,
            "mac" => &self.mac,
            _ => return Err(format!("${{{}}} is unknown: there are {NAMES}", name.escape_default())),
        };
        let value = value.as_deref().ok_or_else(|| format!("${{{name}}} is not available on this device"))?;
        // A name out of somebody's hands must not climb out of its directory.
        match value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b)) && !value.starts_with('.') {
            true => Ok(value),
            false => Err(format!("${{{name}}} is {value:?} on this device, which is no safe part of a path")),
        }
    }

    /// Replaces every `${name}` in one word. It stays one word whatever the values hold.
    ///
    /// # Errors
    /// Says which variable is unknown, unclosed, or has no usable value on this device.
    pub fn expand(&self, word: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(word.len());
        let mut rest = word;
        while let Some(start) = rest.find("${") {
            expanded += &rest[..start];
            let (name, after) = rest[start + 2..].split_once('}').ok_or("${ without its }")?;
            expanded += self.get(name)?;
            rest = after;
        }
        Ok(expanded + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_and_what_is_missing_is_named() {
        let device = Variables {
            hostname: Some("pi-7".into()),
            mac: Some("b8:27:eb:00:00:01".into()),
            machine_id: Some("../etc x".into()),
            serial: None,
        };
        assert_eq!(device.expand("h::m/${hostname}/${mac}/").unwrap(), "h::m/pi-7/b8:27:eb:00:00:01/");
        assert_eq!(device.expand("a $HOME $ {x} $").unwrap(), "a $HOME $ {x} $");
        for (word, says) in [
            ("${serial}", "${serial} is not available on this device"),
            ("x${hostnam}", "${hostnam} is unknown: there are ${hostname}"),
            ("${}", "${} is unknown"),
            ("${hostname", "${ without its }"),
            ("${machine_id}", "no safe part of a path"),
        ] {
            let why = device.expand(word).unwrap_err();
            assert!(why.contains(says), "{word}: {why}");
        }
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let device = Variables { hostname: Some("${mac}".into()), ..Variables::default() };
        assert!(device.expand("${hostname}").is_err());
    }
}
