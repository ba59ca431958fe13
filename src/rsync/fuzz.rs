//! Arbitrary arguments for what knows rsync's.

use super::argv::{compose, Additions, Arguments, Printed};
use super::operand;
use super::options::analyse;
use super::orders::{dangers, judge, Places};
use super::{remote_shell, shell_line, staging, version::Version};
use crate::job::deletions::Pass;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The first byte chooses what irsync adds; then options, one a line, up to an empty line; then sources and destination.
/// What is composed has the owner's operands behind `--` and nothing else there, and no more than one `--max-delete` decides.
pub(crate) fn argv(data: &[u8]) {
    let [flags, rest @ ..] = data else { return };
    let args: Vec<OsString> = rest.split(|&byte| byte == b'\n').map(|arg| OsString::from_vec(arg.to_vec())).collect();
    let given = analyse(&args);
    assert!(given.operands.iter().all(|at| *at < args.len()));
    let drop_in = Arguments::DropIn(args.clone());
    assert_eq!(compose(&drop_in, &Additions::default(), Pass::Copy), args, "a drop-in is handed on untouched");
    look_at(&drop_in);

    let text = String::from_utf8_lossy(rest);
    let (options, operands) = text.split_once("\n\n").unwrap_or(("-rlt", &text));
    let mut source: Vec<String> = operands.split('\n').map(str::to_owned).collect();
    let destination = source.pop().unwrap_or_default();
    let options: Vec<String> = options.split('\n').map(str::to_owned).collect();
    let on = |bit: u8| flags & 1 << bit != 0;
    let version =
        Version::parse(if on(0) { "rsync  version 3.4.1  protocol version 32" } else { "rsync  version 3.0.9  x" });
    let mut additions = Additions::known_to(version.as_ref(), on(1), on(2), on(3));
    (additions.verify, additions.bwlimit) = (on(4), on(5).then_some(2048));
    let pass = [Pass::Plain, Pass::Copy, Pass::Delete(7), Pass::MakeRoom(9)][usize::from(flags >> 6)];
    let owners = analyse(&options.iter().map(OsString::from).collect::<Vec<_>>());
    let findings = judge(&options, &owners, &source, &destination, &Places::default());
    for text in findings.iter().map(|finding| &finding.text).chain(&staging::obstacle(&options, &destination)) {
        assert!(!text.is_empty());
    }
    let order = Arguments::Ini { options: options.clone(), source: source.clone(), destination: destination.clone() };
    look_at(&order);
    let composed = compose(&order, &additions, pass);
    let _ = (Printed::by(&composed), dangers(&owners, &Places::default()), staging::misfit(&composed));
    let _ = staging::passes(&composed, None, "/new".as_ref());
    // An option that still waits for its value takes what comes next; `irsync check` refuses that.
    if owners.value_missing.is_some() || owners.ended {
        return;
    }
    let understood = analyse(&composed);
    let operands: Vec<&OsString> = understood.operands.iter().map(|at| &composed[*at]).collect();
    let expected: Vec<OsString> = owners
        .operands
        .iter()
        .map(|at| &options[*at])
        .chain(&source)
        .chain([&destination])
        .map(OsString::from)
        .collect();
    assert!(operands.into_iter().eq(&expected), "{options:?} {source:?} became {composed:?}");
    let most = match pass {
        Pass::Copy => Some(0),
        Pass::Delete(most) | Pass::MakeRoom(most) => Some(most),
        _ => owners.max_delete(),
    };
    assert_eq!(understood.max_delete(), most, "{composed:?}");
}

fn look_at(arguments: &Arguments) {
    let _ = (arguments.deletes(), arguments.roots(), arguments.by_shell());
    if let Some(shell) = arguments.remote_shell() {
        let _ = shell_line::hints(&shell.to_string_lossy());
    }
    for operand in arguments.operands() {
        let remote = operand::is_remote(&operand);
        assert!(remote || !operand::is_daemon(&operand), "{operand:?}");
        assert!(operand.contains(operand::host(&operand)));
        for part in [operand::user(&operand), operand::url_password(&operand)].into_iter().flatten() {
            assert!(operand.contains(part));
        }
        let _ = (operand::names_no_module(&operand), operand::is_module_root(&operand));
        let _ = remote_shell::understand(operand.as_bytes());
    }
}
