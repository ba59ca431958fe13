//! How far rsync came with a server that it was to look at, and what helps where it came no further.
//!
//! Only the line that tells most (see [`super::telling`]) is asked. Texts were read in socket.c, clientserver.c, options.c and
//! main.c of rsync 3.5.0, and seen with OpenSSH 9.2 and dropbear 2022.83.

use super::remote_shell::{understand, Complaint};
use super::signs::message;

/// What has to go well, in rsync's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The options, as the rsync and the remote shell of this machine read them.
    Order,
    /// The server's name becomes an address.
    Name,
    /// A connection to its port.
    Connection,
    /// Host key and key of a remote shell.
    Login,
    /// A shell on the server starts rsync.
    Program,
    /// A daemon says that it is one.
    Greeting,
    /// It has the module, and room for this client.
    Module,
    /// It takes user and password.
    Credentials,
    /// The options, as the server reads them.
    Options,
    /// The list of files.
    Files,
}

use Stage::*;

const ALL: [Stage; 10] = [Order, Name, Connection, Login, Program, Greeting, Module, Credentials, Options, Files];

/// By which way rsync reaches the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Another machine takes part.
    pub remote: bool,
    /// It is reached by a remote shell.
    pub shell: bool,
    /// An rsync daemon answers there.
    pub daemon: bool,
    /// It is given a password.
    pub password: bool,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Order => "options here",
            Name => "name",
            Connection => "connection",
            Login => "login",
            Program => "rsync on the server",
            Greeting => "greeting",
            Module => "module",
            Credentials => "credentials",
            Options => "options on the server",
            Files => "list of files",
        }
    }

    /// Whether this way leads through it.
    fn is_on(self, way: Way) -> bool {
        match self {
            Order | Files => true,
            Name | Connection | Options => way.remote,
            Login | Program => way.shell,
            Greeting | Module => way.daemon,
            Credentials => way.daemon && way.password,
        }
    }
}

/// The stages of this way that went well before `stopped` did not; None: all of them.
pub(crate) fn passed(way: Way, stopped: Option<Stage>) -> String {
    let before = |stage: &Stage| stage.is_on(way) && stopped.map_or(true, |stopped| *stage < stopped);
    ALL.into_iter().filter(before).map(Stage::name).collect::<Vec<_>>().join(", ")
}

/// Of a connection that is not answered.
pub(crate) const NO_ANSWER: &str =
    "the host does not answer: is it up, and does a firewall drop what is sent to this port?";
/// Of a connection on which nothing comes.
pub(crate) const SILENT: &str =
    "it has taken the connection and says nothing: usually no rsync listens there, or one that hangs or is overloaded";
const NO_WAY: &str = "this device has no way to it: has it an address and a route?";
const NO_NAME: &str = "check the name of the host";
/// Of a name that nobody translates.
pub(crate) const NO_NAME_SERVER: &str =
    "no name server answers: is the network up, and what does /etc/resolv.conf say?";

/// Beginning (an empty one: any), what else must be in the line, the stage that failed, and what helps (empty: the outcome's
/// own note does). The first that fits counts.
const LINES: &[(&str, &str, Stage, &str)] = &[
    ("getaddrinfo: ", "emporary failure", Name, NO_NAME_SERVER),
    ("getaddrinfo: ", "Try again", Name, NO_NAME_SERVER),
    ("getaddrinfo: ", "", Name, NO_NAME),
    ("ssh: Could not resolve hostname ", "emporary failure", Name, NO_NAME_SERVER),
    ("ssh: Could not resolve hostname ", "Try again", Name, NO_NAME_SERVER),
    ("ssh: Could not resolve hostname ", "", Name, NO_NAME),
    ("dbclient: ", "exited: Error resolving ", Name, NO_NAME),
    ("did not see server greeting", "", Greeting, ""),
    ("server sent \"", "", Greeting, ""),
    ("Unknown module ", "", Module, "check its name: `rsync rsync://HOST/` lists those that the server shows"),
    ("access denied to ", "", Module, "the server's `hosts allow` or `hosts deny` keeps this device out"),
    ("max connections (", "", Module, "that is so only now: irsync tries again"),
    ("chdir failed", "", Module, "the module's folder is not there on the server"),
    ("chroot failed", "", Module, "the module's folder is not there on the server"),
    (
        "auth failed on module ",
        "",
        Credentials,
        "compare user (before the @) and password with the server's `secrets file`, which only its owner may read",
    ),
    (
        "The server is configured to refuse ",
        "",
        Options,
        "leave that option out, or take it from `refuse options` on the server",
    ),
    ("on remote machine: ", "", Options, "the server's rsync does not know it: it may be older"),
    ("module is read only", "", Files, "a push needs `read only = no` in the server's module"),
    ("", ": unknown option", Order, "the rsync of this device does not know it"),
    ("", ": Connection refused", Connection, "nothing listens there: does the server run, and is the port right?"),
    ("", "timed out", Connection, NO_ANSWER),
    ("", ": Network is unreachable", Connection, NO_WAY),
    ("", ": No route to host", Connection, NO_WAY),
    ("", ": Host is unreachable", Connection, NO_WAY),
    ("link_stat ", "No such file or directory", Files, "the source has nothing of that name"),
    ("change_dir ", "No such file or directory", Files, "the source has no folder of that name"),
];

/// The stage that failed, and what helps. None: the line does not tell.
pub(crate) fn stopped_at(line: &str) -> Option<(Stage, &'static str)> {
    let stage = match understand(line.as_bytes()) {
        Some(Complaint::BadOption) => Some(Order),
        Some(Complaint::NoRemoteRsync) => Some(Program),
        Some(_) => Some(Login),
        None => None,
    };
    if let Some(stage) = stage {
        return Some((stage, ""));
    }
    let text = line.strip_prefix("Password: ").unwrap_or(line);
    let text = std::str::from_utf8(message(text.as_bytes())).ok()?;
    let fits = |(begin, part, ..): &&(&str, &str, Stage, &str)| {
        text.strip_prefix(begin).is_some_and(|rest| rest.contains(part))
    };
    LINES.iter().find(fits).map(|(.., stage, helps)| (*stage, *helps))
}

/// What rsync 3.1 and later print when the server has taken everything and the list begins.
pub(crate) fn is_list(line: &[u8]) -> bool {
    [&b"receiving "[..], b"sending "].iter().any(|start| {
        let rest = line.strip_prefix(*start);
        rest.is_some_and(|rest| rest.starts_with(b"incremental file list") || rest.starts_with(b"file list"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAEMON: Way = Way { remote: true, shell: false, daemon: true, password: true };
    const SHELL: Way = Way { remote: true, shell: true, daemon: false, password: false };

    #[test]
    fn a_line_tells_the_stage_and_what_helps() {
        for (line, stage, helps) in [
            ("rsync: getaddrinfo: no.such.invalid 873: Name or service not known", Name, "name of the host"),
            ("rsync: getaddrinfo: h 873: Temporary failure in name resolution", Name, "resolv.conf"),
            ("rsync: getaddrinfo: h 873: Try again", Name, "resolv.conf"),
            ("ssh: Could not resolve hostname h: Name or service not known", Name, "name of the host"),
            ("rsync: [Receiver] failed to connect to h (::1): Connection refused (111)", Connection, "port"),
            ("ssh: connect to host h port 22: Connection refused", Connection, "port"),
            ("rsync: [Receiver] failed to connect to h (10.0.0.1): Connection timed out (110)", Connection, "firewall"),
            ("rsync: [Receiver] failed to connect to h (10.0.0.1): No route to host (113)", Connection, "route"),
            ("rsync: did not see server greeting", Greeting, ""),
            ("@ERROR: Unknown module 'nomod'", Module, "rsync rsync://HOST/"),
            ("@ERROR: access denied to deny from localhost (127.0.0.1)", Module, "hosts allow"),
            ("@ERROR: max connections (1) reached -- try again later", Module, "tries again"),
            ("@ERROR: chdir failed", Module, "folder"),
            ("Password: @ERROR: auth failed on module auth", Credentials, "secrets file"),
            ("rsync: The server is configured to refuse --checksum (-c)", Options, "refuse options"),
            ("rsync: on remote machine: --mkpath: unknown option", Options, "older"),
            ("rsync: --bogus: unknown option", Order, "this device"),
            ("ERROR: module is read only", Files, "read only = no"),
            ("rsync: [sender] change_dir \"nopath\" (in data) failed: No such file or directory (2)", Files, "folder"),
            ("command-line: line 0: Bad configuration option: nosuch", Order, ""),
            ("Host key verification failed.", Login, ""),
            ("root@server.lab: Permission denied (publickey).", Login, ""),
            ("sh: 1: rsync: not found", Program, ""),
        ] {
            let (found, advice) = stopped_at(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found, stage, "{line}");
            assert!(advice.contains(helps), "{line}: {advice}");
        }
        for line in ["", "Welcome to Unknown module", "rsync: connection unexpectedly closed (0 bytes received so far)"]
        {
            assert_eq!(stopped_at(line), None, "{line}");
        }
    }

    #[test]
    fn what_went_well_is_named_in_order_and_only_on_its_way() {
        assert_eq!(passed(DAEMON, Some(Module)), "options here, name, connection, greeting");
        assert_eq!(passed(SHELL, Some(Program)), "options here, name, connection, login");
        assert_eq!(passed(DAEMON, Some(Order)), "");
        assert_eq!(
            passed(DAEMON, None),
            "options here, name, connection, greeting, module, credentials, options on the server, list of files"
        );
        assert!(!passed(Way { password: false, ..DAEMON }, None).contains("credentials"));
        assert_eq!(passed(Way::default(), None), "options here, list of files");
    }

    #[test]
    fn the_beginning_of_the_list_is_known() {
        for line in ["receiving incremental file list", "receiving file list ... ", "sending incremental file list"] {
            assert!(is_list(line.as_bytes()), "{line}");
        }
        for line in ["", "receiving", "sending a file list", ">f+++++++++ receiving file list"] {
            assert!(!is_list(line.as_bytes()), "{line}");
        }
    }
}
