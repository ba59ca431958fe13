"""One laboratory: a device and a server with a bad link between them, and an irsync on the device."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import link as emulator
import servers
import space
from servers import PATIENCE, wait

DEVICE, OTHER, SERVER = "10.77.0.2", "10.77.0.3", "10.77.1.1"
ROOT = Path(__file__).resolve().parents[2]
# What the documentation gives as the whole line.
SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=3"


class Lab:
    """Everything is in `home`; `files` is served, `inbox` can be written to, `copy` is the device's."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.home = space.folder()
        self.files, self.inbox, self.copy = (self.make(name) for name in ("files", "inbox", "copy"))
        # Of its own, because irsyncs of one machine keep each other from one destination, and stories are told side by side.
        self.outside = f"rsync://{servers.NAME}/inbox/{self.home.name}/"
        self._keys()
        (self.home / "resolv.conf").write_text(f"nameserver {SERVER}\noptions timeout:2 attempts:2\n")
        (self.home / "hosts").write_text("127.0.0.1 localhost\n")
        (self.home / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
        common = {self.home / "hosts": "/etc/hosts", self.home / "resolv.conf": "/etc/resolv.conf",
                  self.home / "nsswitch.conf": "/etc/nsswitch.conf"}
        os.makedirs("/root/.ssh", mode=0o700, exist_ok=True)
        os.makedirs("/run/sshd", exist_ok=True)
        self.device = space.Space({**common, self.make("ssh"): "/root/.ssh"})
        self.server = space.Space({**common, self.make("ssh-server"): "/root/.ssh"})
        self.link = emulator.Link(self.device.tun(DEVICE, SERVER), self.server.tun(SERVER, f"{DEVICE}/31"), seed)
        self.names = servers.Names(self.server, SERVER)
        self.instances, self.closers = [], []

    def make(self, name):
        """A new folder."""
        path = self.home / name
        path.mkdir(mode=0o700)
        return path

    def _keys(self):
        for name in ("host", "key", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / name], check=True)
        shutil.copy(self.home / "key.pub", self.home / "authorized")

    def file(self, name, size):
        """A file on the server that cannot be compressed."""
        (self.files / name).write_bytes(self.random.randbytes(size))
        return self.files / name

    def daemon(self, **options):
        """Starts the rsync daemon."""
        return servers.Daemon(self.server, self.home, **options)

    def notices(self, idle, interval, probes):
        """The server's kernel asks an idle connection after so many seconds whether it lives, so often; before `daemon`."""
        for name, value in (("time", idle), ("intvl", interval), ("probes", probes)):
            self.server.run("sh", "-c", f"echo {value} >/proc/sys/net/ipv4/tcp_keepalive_{name}")

    def sshd(self, know=True, **options):
        """Starts sshd; the device knows its key and has one of its own."""
        process = servers.start_sshd(self.server, self.home, **options)
        if know:
            key = " ".join((self.home / "host.pub").read_text().split()[:2])
            (self.home / "ssh/known_hosts").write_text(f"{servers.NAME} {key}\n{SERVER} {key}\n")
        shutil.copy(self.home / "key", self.home / "ssh/id_ed25519")
        return process

    def arrived(self, name="film"):
        """Whether the device has the file as the server has it."""
        return same(self.copy / name, self.files / name)

    def sent(self, name="film"):
        """Whether the server has the file as the device has it, after a push to `outside`."""
        return same(self.inbox / self.home.name / name, self.copy / name)

    def irsync(self, globals_="", program=None, **keys):
        """Starts an irsync with one job `j`; keys that are not given pull everything from the daemon, fast."""
        instance = Instance(self, program, globals_, {**self.pull(), **keys})
        self.instances.append(instance)
        return instance

    def pull(self):
        """The keys of a pull from the daemon. A story that is not about a stall keeps the activity limit, which no slow machine meets."""
        return {"source": f"rsync://{servers.NAME}/files/", "destination": f"{self.copy}/",
                "options": "-rlt --partial-dir=.part", "interval": "2s", "spread": None, "jitter": "0s",
                "activity_timeout": "60s", "stop_timeout": "5s", "backoff_initial": "1s", "backoff_max": "5s"}

    def loop(self, rsync, pause):
        """Starts a loop in irsync's place: this rsync, until it has ended well."""
        return self.device.start("sh", "-c", f"until {rsync}; do sleep {pause}; done", stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def over_ssh(self, extra="", host=servers.NAME, folder="files"):
        """The keys of the same pull over ssh."""
        return {"source": f"{host}:{self.home}/{folder}/",
                "options": f"-rlt --partial-dir=.part -e '{SSH} {extra}'"}

    def end(self, keep=False):
        """Ends all of it."""
        for instance in self.instances:
            instance.kill()
        for close in self.closers:
            close()
        self.device.end()
        self.server.end()
        self.link.end()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)


class Instance:
    """A running irsync."""

    def __init__(self, lab, program, globals_, keys):
        self.lab, number = lab, len(lab.instances)
        self.log_file, self.status_file = lab.home / f"log-{number}", lab.home / f"run-{number}/status"
        self.ini = lab.home / f"irsync-{number}.ini"
        lines = [f"status_file = {self.status_file}", "log_level = debug", globals_, "[j]"]
        self.ini.write_text("\n".join(lines + [f"{key} = {value}" for key, value in keys.items() if value is not None]) + "\n")
        self.program = program or binary()
        with open(self.log_file, "ab") as log:
            self.process = lab.device.start(self.program, "--config", self.ini, "run", stdin=subprocess.DEVNULL, stderr=log,
                                            stdout=log, env={**os.environ, "HOME": "/root"}, start_new_session=True)
        self.began = time.monotonic()

    def log(self):
        """What it has logged."""
        return self.log_file.read_text(errors="replace")

    def lines(self, *words):
        """The lines of the log that contain all of `words`."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]

    def status(self):
        """The keys of the job's section of the status file."""
        try:
            text = self.status_file.read_text().partition("[job:j]\n")[2]
        except OSError:
            return {}
        return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)

    def wait_line(self, *words, count=1):
        """Waits for `count` lines of the log with all of `words`; gives the last."""
        return wait(f"a line with {words}", lambda: len(self.lines(*words)) >= count and self.lines(*words)[count - 1])

    def rsyncs(self):
        """What it has started that is still there: rsync and remote shells on the device."""
        return self.lab.device.processes("rsync ", "ssh", "dbclient")

    def stop(self, how=signal.SIGTERM):
        """Signals it and waits for its end; seconds that took."""
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        return time.monotonic() - began

    def kill(self):
        """Kills it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def same(copy, original):
    """Whether it is a copy of it."""
    return copy.exists() and copy.stat().st_size == original.stat().st_size and copy.read_bytes() == original.read_bytes()


def binary():
    """The irsync under test."""
    return os.environ.get("IRSYNC") or str(Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target", "debug/irsync"))
