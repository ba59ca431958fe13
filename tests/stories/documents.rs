//! The command lines of README and docs that are marked `<!-- run -->`, executed as they stand there, in the files that the page
//! gives before them (`tests/house/commands.rs` holds that each has a mark).

use crate::common::daemon::{free_port, has_rsync};
use crate::common::{binary, is_emulated, Rig};
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// What a page has that counts here, in its order.
enum Part {
    File(String, String),
    Commands(String),
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("<!-- ") {
        rest = &rest[at + 5..];
        let Some((mark, after)) = rest.split_once(" -->\n```") else { break };
        let block = after.split_once('\n').and_then(|(_, text)| text.split_once("```"));
        let text = block.map(|(text, _)| text.to_owned()).unwrap_or_default();
        match (mark, mark.strip_prefix("file: ")) {
            ("run", _) => parts.push(Part::Commands(text)),
            (_, Some(path)) => parts.push(Part::File(path.into(), text)),
            _ => {}
        }
    }
    parts
}

/// Before the commands: those that ask a running irsync wait until it runs, and a daemon is this story's.
const PRELUDE: &str = "
set -eu
irsync() {
    case $1 in
    status | now | history | reload | stop)
        for n in $(seq 300); do
            ! command irsync \"$@\" || return 0
            sleep 0.1
        done
        return 1
        ;;
    run) exec irsync \"$@\" ;;
    *) command irsync \"$@\" ;;
    esac
}
rsync() {
    command rsync \"$@\" --no-detach --config=SERVER &
    until (: </dev/tcp/127.0.0.1/PORT) 2>/dev/null; do sleep 0.1; done
}
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
set -x
";

#[test]
fn what_the_pages_say_to_type_does_what_they_say() {
    if !has_rsync("documents") || is_emulated("documents") {
        return;
    }
    let mut executed = 0;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![repository.join("README.md"), repository.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/fleet"] {
        pages.extend(fs::read_dir(repository.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for page in pages.iter().filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let parts = parts(&fs::read_to_string(page).unwrap());
        if parts.iter().any(|part| matches!(part, Part::Commands(_))) {
            executed += execute(&page.display().to_string(), &parts);
        }
    }
    assert!(executed >= 1, "no block is marked <!-- run -->");
}

/// Runs the blocks of a page in one shell, and gives how many there were.
fn execute(page: &str, parts: &[Part]) -> usize {
    let rig = Rig::new("documents");
    let root = rig.path("");
    let root = root.to_str().unwrap().trim_end_matches('/');
    let port = free_port();
    // The page's places are below the story's folder, and the page's server is here. Nothing of this machine is touched.
    let here = |text: &str| {
        let mut text = text.replace("server.example.com", &format!("127.0.0.1:{port}"));
        for place in ["/etc/", "/srv/", "/dev/", "/run/", "/var/"] {
            text = text.replace(&format!(" {place}"), &format!(" {root}{place}"));
        }
        text
    };
    for folder in ["etc", "srv/media", "srv/outgoing", "var/log", "dev", "run", "bin"] {
        fs::create_dir_all(rig.path(folder)).unwrap();
    }
    rig.write("srv/outgoing/film", "film\n");
    rig.write("dev/watchdog", "");
    symlink(binary(), rig.path("bin/irsync")).unwrap();
    // What a hook of the page would do to this machine.
    let systemctl = rig.write("bin/systemctl", format!("#!/bin/sh\necho \"$@\" >>{root}/systemctl.log\n"));
    fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let uid = nix::unistd::getuid();
    let server = format!("{root}/etc/rsyncd.conf");
    let mut script = PRELUDE.replace("SERVER", &server).replace("PORT", &port.to_string());
    let mut blocks = 0;
    for part in parts {
        match part {
            Part::File(path, text) if path.ends_with("rsyncd.conf") => {
                let whole = format!("use chroot = no\nuid = {uid}\naddress = 127.0.0.1\nport = {port}\n{}", here(text));
                rig.write(&path[1..], whole);
            }
            Part::File(path, text) => {
                // What a reader may leave off is in order as well.
                let text = here(text).replace("\n; ", "\n");
                let file = rig.write(&path[1..], format!("status_file = {root}/run/irsync/status\n{text}"));
                fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
            }
            Part::Commands(text) => {
                blocks += 1;
                script += &here(text);
            }
        }
    }
    // The page speaks of /etc/irsync.ini, which is this machine's.
    let config = format!(" --config {root}/etc/irsync.ini");
    let script: String = script
        .lines()
        .map(|line| match line.strip_prefix("irsync ").filter(|_| !line.contains("() {")) {
            Some(rest) => {
                let word = rest.split_whitespace().next().unwrap_or_default();
                format!("irsync {word}{config}{}\n", &rest[word.len()..])
            }
            None => format!("{line}\n"),
        })
        .collect();
    rig.write("typed.sh", &script);
    let (name, value) = rig.marker().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let path = format!("{}:{}", rig.path("bin").display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args(["120", "bash", "typed.sh"])
        .current_dir(rig.path(""))
        .env("PATH", path)
        .env(name, value)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{page}:\n{script}\n{said}");
    assert_eq!(rig.read("srv/media/film"), "film\n", "{page}: {said}");
    assert!(rig.read("systemctl.log").contains("restart player"), "the hook of the page ran: {said}");
    assert!(said.contains("media") && said.contains("JOB"), "the status was shown: {said}");
    blocks
}
