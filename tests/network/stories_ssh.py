"""What ssh, shells and dropbear say, and what irsync makes of it."""

import os
import shutil
import stat
import subprocess

from lab import binary
from servers import NAME, PATIENCE, start_dropbear, wait
from stories_ends import masters, with_master
from story import story


def outcome(lab, expected, keys, *words):
    """Runs one job until its first sync has ended, and looks at how."""
    irsync = lab.irsync(**keys)
    line = irsync.wait_line(" j: sync ")
    irsync.kill()
    assert f"sync {expected}" in line, f"expected {expected}: {line}"
    for word in words:
        assert word in line, f"no {word!r} in: {line}"


@story(short=True)
def what_shells_and_openssh_say_becomes_an_outcome(lab):
    lab.sshd()
    lab.file("film", 1000)
    plain = lab.over_ssh()
    outcome(lab, "success", plain)
    outcome(lab, "permanent", {**plain, "options": plain["options"] + " --rsync-path=/x/rsync"}, "cannot run rsync")
    (lab.files / "film").chmod(stat.S_IRUSR)
    outcome(lab, "permanent", {**plain, "options": plain["options"] + f" --rsync-path={lab.files}/film"}, "cannot run rsync")
    outcome(lab, "permanent", lab.over_ssh("-o NoSuchOption=yes"), "does not know")
    outcome(lab, "permanent", lab.over_ssh("-c none-such"), "does not know")
    outcome(lab, "permanent", lab.over_ssh("-c aes128-cbc"), "cipher")
    outcome(lab, "permanent", lab.over_ssh(f"-i {lab.home}/stranger -o IdentitiesOnly=yes"), "refused")
    outcome(lab, "permanent", lab.over_ssh("-o UserKnownHostsFile=/dev/null"), "known")
    (lab.home / "ssh/known_hosts").write_text(f"{NAME} {' '.join((lab.home / 'stranger.pub').read_text().split()[:2])}\n")
    outcome(lab, "permanent", plain, "changed")
    outcome(lab, "transient", lab.over_ssh(host="nobody.lab"))
    outcome(lab, "transient", lab.over_ssh("-p 2022"))


@story(short=True)
def a_banner_decides_nothing(lab):
    banner = lab.home / "banner"
    banner.write_text("write failed on \"x\": No space left on device (28)\nrsync: command not found\n")
    lab.sshd(extra=f"Banner {banner}\nForceCommand /bin/false")
    lab.file("film", 1000)
    irsync = lab.irsync(**lab.over_ssh())
    line = irsync.wait_line(" j: sync ")
    assert "sync transient" in line, line


@story(short=True)
def dropbear_pulls_and_an_unknown_host_fails_at_once(lab):
    start_dropbear(lab.server, lab.home)
    shutil.copy(lab.home / "authorized", lab.home / "ssh-server/authorized_keys")
    key = lab.home / "dropbear-key"
    lab.device.run("dropbearkey", "-t", "ed25519", "-f", key)
    public = [line for line in lab.device.run("dropbearkey", "-y", "-f", key).splitlines() if line.startswith("ssh-")]
    (lab.home / "ssh-server/authorized_keys").write_text(public[0] + "\n")
    lab.file("film", 1000)
    client = f"dbclient -p 2222 -i {key}"
    keys = {"source": f"{NAME}:{lab.files}/", "options": f"-rlt --partial-dir=.part -e '{client}'"}
    # At once: where it waits for an answer, it is ended at the limit, as a stall.
    outcome(lab, "permanent", keys, "known_hosts")
    keys["options"] = keys["options"].replace("dbclient", "dbclient -y -K 15")
    irsync = lab.irsync(**keys)
    irsync.wait_line("sync success")
    assert lab.arrived()
    irsync.stop()
    wait("no dbclient", lambda: not lab.device.processes("dbclient"))


def look(lab, keys):
    """`irsync check --online` of one job: its exit code and all that it said."""
    keys = {**lab.pull(), **keys}
    ini = lab.home / "check.ini"
    ini.write_text("[j]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None))
    process = lab.device.start(binary(), "check", "--online", ini, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env={**os.environ, "HOME": "/root"})
    said = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, said


@story(short=True)
def check_asks_a_server_over_ssh(lab):
    lab.sshd()
    lab.file("film", 1000)
    plain = lab.over_ssh()
    for keys in (plain, with_master(lab)):
        code, said = look(lab, keys)
        fine = "name, connection, login, rsync on the server, options on the server, list of files: ok; would copy 1 file"
        assert code == 0 and fine in said, f"{code}: {said}"
        assert not lab.arrived() and not lab.device.processes("ssh"), "it has copied, or left a master"
    for keys, stage, helps in (
        ({**plain, "options": plain["options"] + " --rsync-path=/x/rsync"}, "rsync on the server", "cannot run rsync"),
        (lab.over_ssh(f"-i {lab.home}/stranger -o IdentitiesOnly=yes"), "login", "ssh was refused"),
        (lab.over_ssh("-o UserKnownHostsFile=/dev/null"), "login", "known"),
        (lab.over_ssh("-o NoSuchOption=yes"), "options here", "does not know"),
        (lab.over_ssh("-p 2022"), "connection", "is the port right"),
        (lab.over_ssh(host="nobody.lab"), "name", "name of the host"),
    ):
        code, said = look(lab, keys)
        assert code == 1 and f"{stage}: FAILED" in said and helps in said, f"{stage}, {code}: {said}"


@story(short=True)
def a_push_through_a_master_goes_on_when_that_dies(lab):
    lab.sshd()
    (lab.copy / "film").write_bytes(lab.random.randbytes(1000))
    keys = with_master(lab)
    keys["options"] = keys["options"].replace("ServerAliveInterval=15", "ServerAliveInterval=0")
    irsync = lab.irsync(activity_timeout="10s", **{**keys, "source": f"{lab.copy}/", "destination": f"{NAME}:{lab.inbox}/"})
    irsync.wait_line("sync success")
    first = wait("a master", lambda: masters(lab))
    irsync.wait_line("sync success", count=2)
    assert masters(lab) == first, "the master must live between good syncs"
    lab.link.kill_flows()
    (lab.copy / "second").write_bytes(lab.random.randbytes(1000))
    irsync.wait_line("sync stalled")
    wait("it arrives", lambda: (lab.inbox / "second").exists())
    assert len(irsync.lines("sync stalled")) == 1, irsync.lines("sync stalled")
    irsync.stop()
    wait("no ssh", lambda: not lab.device.processes("ssh"))
