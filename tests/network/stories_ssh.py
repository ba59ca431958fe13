"""What ssh, shells and dropbear say, and what irsync makes of it."""

import shutil
import stat

from servers import NAME, start_dropbear, wait
from story import story


def outcome(lab, expected, keys, *words, limit=15):
    """Runs one job until its first sync has ended, and looks at how."""
    irsync = lab.irsync(**keys)
    line = irsync.wait_line(limit, " j: sync ")
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
    line = irsync.wait_line(15, " j: sync ")
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
    outcome(lab, "permanent", {**keys, "activity_timeout": "30s"}, "known_hosts", limit=10)
    keys["options"] = keys["options"].replace("dbclient", "dbclient -y -K 15")
    irsync = lab.irsync(**keys)
    irsync.wait_line(20, "sync success")
    assert lab.arrived()
    irsync.stop()
    wait("no dbclient", 5, lambda: not lab.device.processes("dbclient"))
