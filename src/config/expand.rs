//! `${…}`: what tells one device from another, and one day from the next.
//!
//! The file is read early: at boot the host often has no name yet, and no clock. So a variable gets its value when a sync starts,
//! and the job waits as long as it has none.

use super::{Arguments, Job};

/// The values of this device now; None where it has none. `os::identity` reads them.
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
    /// `${date}`: local, as 2026-11-25
    pub date: Option<String>,
}

const NAMES: [&str; 5] = ["hostname", "machine_id", "serial", "mac", "date"];

/// Whether a word is well formed and names only variables that there are.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(word: &str) -> Result<(), String> {
    replace(word, &mut |name| match NAMES.contains(&name) {
        true => Ok(String::new()),
        false => Err(format!("${{{}}} is unknown: there are ${{{}}}", name.escape_default(), NAMES.join("}, ${"))),
    })
    .map(drop)
}

/// Whether anything in the job's order has to be expanded. A drop-in command line is handed on as it was given.
pub fn has_variables(job: &Job) -> bool {
    match &job.arguments {
        Arguments::Ini { options, source, destination } => {
            let words = options.iter().chain(source).chain([destination]).chain(job.fallback.iter().flatten());
            words.into_iter().any(|word| word.contains("${"))
        }
        Arguments::DropIn(_) => false,
    }
}

impl Variables {
    fn get(&self, name: &str) -> Result<String, String> {
        let value = match name {
            "hostname" => &self.hostname,
            "machine_id" => &self.machine_id,
            "serial" => &self.serial,
            "mac" => &self.mac,
            "date" => &self.date,
            _ => &None,
        };
        let value = value.as_deref().ok_or_else(|| format!("${{{name}}} is not available on this device"))?;
        // A name out of somebody's hands must not climb out of its directory.
        match value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b)) && !value.starts_with(['.', '-'])
        {
            true => Ok(value.to_owned()),
            false => Err(format!("${{{name}}} is {value:?} on this device, which is no safe part of a path")),
        }
    }

    /// Replaces every `${name}` in one word. It stays one word whatever the values hold.
    ///
    /// # Errors
    /// Says which variable is unclosed, or has no usable value on this device.
    pub fn expand(&self, word: &str) -> Result<String, String> {
        replace(word, &mut |name| self.get(name))
    }

    /// The job as it is to run now.
    ///
    /// # Errors
    /// See [`Variables::expand`].
    pub fn expand_job(&self, job: &Job) -> Result<Job, String> {
        let Arguments::Ini { options, source, destination } = &job.arguments else { return Ok(job.clone()) };
        let all = |words: &[String]| words.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>, _>>();
        let arguments =
            Arguments::Ini { options: all(options)?, source: all(source)?, destination: self.expand(destination)? };
        let fallback = job.fallback.iter().map(|words| all(words)).collect::<Result<_, _>>()?;
        Ok(Job { arguments, fallback, ..job.clone() })
    }
}

fn replace(word: &str, value: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<String, String> {
    let mut replaced = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find("${") {
        replaced += &rest[..start];
        let (name, after) = rest[start + 2..].split_once('}').ok_or("${ without its }")?;
        replaced += &value(name)?;
        rest = after;
    }
    Ok(replaced + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::Duration;

    #[test]
    fn variables_expand_and_what_is_missing_is_named() {
        let device = Variables {
            hostname: Some("pi-7".into()),
            mac: Some("b8:27:eb:00:00:01".into()),
            machine_id: Some("../etc x".into()),
            serial: None,
            date: Some("2026-11-25".into()),
        };
        assert_eq!(device.expand("h::m/${hostname}/${mac}/").unwrap(), "h::m/pi-7/b8:27:eb:00:00:01/");
        assert_eq!(device.expand("/d/${date}").unwrap(), "/d/2026-11-25");
        assert_eq!(device.expand("a $HOME $ {x} $").unwrap(), "a $HOME $ {x} $");
        for (word, says) in [
            ("${serial}", "${serial} is not available on this device"),
            ("${machine_id}", "no safe part of a path"),
            ("${hostname", "${ without its }"),
        ] {
            let why = device.expand(word).unwrap_err();
            assert!(why.contains(says), "{word}: {why}");
        }
        let option = Variables { serial: Some("-e".into()), ..device };
        assert!(option.expand("${serial}").is_err());
    }

    #[test]
    fn what_can_never_have_a_value_is_told_apart_from_what_has_none_yet() {
        for (word, says) in [
            ("x${hostnam}", "${hostnam} is unknown: there are ${hostname}, ${machine_id}, ${serial}, ${mac}, ${date}"),
            ("${}", "${} is unknown"),
            ("${hostname", "${ without its }"),
        ] {
            let why = check(word).unwrap_err();
            assert!(why.contains(says), "{word}: {why}");
        }
        NAMES.iter().for_each(|name| check(&format!("a/${{{name}}}/b")).unwrap());
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let device = Variables { hostname: Some("${mac}".into()), ..Variables::default() };
        assert!(device.expand("${hostname}").is_err());
    }

    #[test]
    fn a_drop_in_command_line_is_handed_on_as_it_was_given() {
        let config = Config::drop_in(vec!["${hostname}".into()], Duration::from_secs(1), None);
        let job = &config.jobs[0];
        assert!(!has_variables(job));
        assert_eq!(Variables::default().expand_job(job).as_ref(), Ok(job));
    }
}
