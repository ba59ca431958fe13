//! The remote shell's command line, and what in it will hurt in the field. What a configuration file of ssh says is not
//! seen here.

/// The whole value of `-e` for OpenSSH: it asks nothing, gives up on a host that does not answer, and ends a dead
/// connection after a minute.
pub(crate) const OPENSSH: &str =
    "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=3";
/// The same for dropbear's client. A key without a passphrase is needed, and the host in known_hosts of the user that
/// rsync runs as (or -y, which trusts the first key that it sees).
pub(crate) const DROPBEAR: &str = "dbclient -K 15 -i KEYFILE";

/// Warnings about a remote shell (`-e`; `ssh` where there is none).
pub(crate) fn hints(shell: &str) -> Vec<String> {
    let words: Vec<&str> = shell.split_ascii_whitespace().collect();
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
    match program {
        "ssh" => openssh(&words[1..]),
        "dbclient" | "dropbear" | "dropbearmulti" => dropbear(&words[1..]),
        _ => Vec::new(),
    }
}

fn openssh(words: &[&str]) -> Vec<String> {
    let set = |name: &str| option(words, name);
    let mut hints = Vec::new();
    match set("batchmode") {
        Some(value) if value.eq_ignore_ascii_case("yes") => {}
        Some(value) => {
            hints.push(format!("BatchMode={value}: ssh may ask for a password, and nobody is there to answer"))
        }
        None => hints.push("no BatchMode=yes: ssh may wait for a password or a passphrase that nobody gives".into()),
    }
    let keepalive = set("serveraliveinterval").is_some_and(|value| value != "0");
    if !keepalive {
        hints.push("no ServerAliveInterval: a connection that has died is noticed by activity_timeout only".into());
    }
    let persists = set("controlpersist").is_some_and(|value| !value.eq_ignore_ascii_case("no"));
    if persists && !keepalive {
        hints.push(
            "ControlPersist without ServerAliveInterval: a master whose connection has died holds up a sync".into(),
        );
    }
    if hints.is_empty() {
        return hints;
    }
    vec![format!("{}; use -e '{OPENSSH}'", hints.join("; "))]
}

fn dropbear(words: &[&str]) -> Vec<String> {
    let given = |flag: &str| words.iter().any(|word| word.starts_with(flag));
    let mut hints = Vec::new();
    if !given("-K") || words.windows(2).any(|pair| pair == ["-K", "0"]) || words.contains(&"-K0") {
        hints.push("no -K: a connection that has died is noticed by activity_timeout only");
    }
    if !given("-i") {
        hints.push("no -i: dbclient has no key unless it is ~/.ssh/id_dropbear, and asks for a password");
    }
    if hints.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}; use -e '{DROPBEAR}', with the server's key in ~/.ssh/known_hosts of the user that rsync runs as, or -y to trust \
         the first one",
        hints.join("; ")
    )]
}

/// The value of an option, given as `-o NAME=VALUE`, `-oNAME=VALUE` or `-o "NAME VALUE"`. ssh takes the first.
fn option(words: &[&str], name: &str) -> Option<String> {
    let mut at = 0;
    while at < words.len() {
        let word = words[at].trim_matches(['"', '\'']);
        at += 1;
        let given = match word {
            "-o" => words.get(at).copied(),
            _ => word.strip_prefix("-o"),
        };
        let Some(given) = given.map(|given| given.trim_matches(['"', '\''])) else { continue };
        let (key, value) = given.split_once('=').unwrap_or((given, words.get(at + 1).copied().unwrap_or_default()));
        if key.eq_ignore_ascii_case(name) {
            return Some(value.trim_matches(['"', '\'']).to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_lines_are_beyond_reproach() {
        assert_eq!(hints(OPENSSH), Vec::<String>::new());
        assert_eq!(hints(DROPBEAR), Vec::<String>::new());
        assert_eq!(hints("/usr/local/bin/tunnel -x"), Vec::<String>::new(), "nothing is known of it");
    }

    #[test]
    fn what_hurts_is_named_with_the_line_to_use() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("ssh", &["no BatchMode", "no ServerAliveInterval", OPENSSH], &["ControlPersist"]),
            ("/usr/bin/ssh -p 22", &["no BatchMode"], &[]),
            ("ssh -o BatchMode=no -oServerAliveInterval=15", &["BatchMode=no"], &["no BatchMode", "no ServerAlive"]),
            ("ssh -o batchmode=YES -o ServerAliveInterval=0", &["no ServerAlive"], &["BatchMode="]),
            ("ssh -o \"BatchMode yes\" -o ServerAliveInterval=5", &[], &["no BatchMode"]),
            ("ssh -oBatchMode=yes -o ControlPersist=5m", &["ControlPersist without"], &["no BatchMode"]),
            ("ssh -oBatchMode=yes -o ControlPersist=no -o ServerAliveInterval=1", &[], &["ControlPersist"]),
            ("dbclient -y", &["no -K", "no -i", DROPBEAR], &[]),
            ("dbclient -K 0 -i /k", &["no -K"], &["no -i"]),
        ];
        for (shell, said, unsaid) in cases {
            let text = hints(shell).join("\n");
            said.iter().for_each(|part| assert!(text.contains(part), "{shell}: no {part:?} in {text:?}"));
            unsaid
                .iter()
                .for_each(|part| assert!(!text.split("; use -e").next().unwrap().contains(part), "{shell}: {text:?}"));
        }
    }
}
