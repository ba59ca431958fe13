"""A seed's world: folders, a card, an rsync daemon, and jobs of every kind. Everything is in a namespace of its own."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECRET = "geheim-{}-chaos"
NOBODY = 65534
KINDS = ("pull", "push", "local", "atomic", "delete", "hooks", "user", "verify", "secret", "fallback")
DOG_TIMEOUT = 3

GLOBAL = """status_file = {home}/run/status
log = {home}/log
log_max_size = {log_size}
log_level = {level}
state_dir = {home}/state
watchdog_device = {home}/dog
watchdog_timeout = {dog}s
interval = {interval}
jitter = 0
spread = 0
activity_timeout = {activity}ms
stop_timeout = {stop}ms
hook_timeout = {hook}ms
backoff_initial = 1s
backoff_max = 2s
stale_after = 1h
"""


class Job:
    """One job: where its files come from, where they go, and how they are compared."""

    def __init__(self, world, number, kind):
        self.kind, self.name, self.world = kind, f"{kind}{number}", world
        self.source = world.home / "src" / self.name
        self.target = (world.card if kind != "push" else world.home / "sink") / self.name
        self.deletes = kind in ("delete", "atomic", "verify") or kind == "hooks" and world.random.random() < 0.5
        self.has_hooks = kind in ("hooks", "atomic", "pull", "delete")
        self.generation = self.written = 0
        for folder in (self.source, self.source / "deep"):
            folder.mkdir(parents=True)
        if kind == "push":
            self.target.mkdir(parents=True)
        elif kind == "user":
            self.target.mkdir()
            os.chown(self.target, NOBODY, NOBODY)
        for at in range(world.random.randint(4, 20)):
            self.write(f"{'deep/' if at % 3 == 0 else ''}file{at}")
        self.advance()
        for name in (f"locks/{self.name}", f"starts/{self.name}"):
            (world.home / name).touch()
            (world.home / name).chmod(0o666)
        shutil.copy(HERE / "rsync", self.program)

    @property
    def program(self):
        return self.world.home / "bin" / self.name

    def write(self, name):
        """A file of the source, new or changed."""
        # rsync takes what has the same size and the same second for the same file.
        self.written += 1
        size = self.world.random.choice((10, 3000, 30_000, 150_000)) + self.written
        new = self.source / f".{os.path.basename(name)}.new"
        new.write_bytes(self.world.random.randbytes(size))
        new.rename(self.source / name)

    def advance(self):
        """The next generation of the set: what runs on a change has to see it."""
        self.generation += 1
        (self.source / "generation").write_text(self.mark())

    def mark(self):
        """What the file `generation` holds now: each has another size."""
        return f"{self.generation} {'.' * self.generation}\n"

    def section(self):
        """Its section of the configuration."""
        world, (url, options) = self.world, (f"rsync://127.0.0.1/{self.name}/", ["-rlt", "--partial-dir=.part"])
        keys = {"source": url, "destination": f"{self.target}/", "rsync": self.program}
        if self.kind in ("local", "hooks", "verify"):
            keys["source"] = f"{self.source}/"
        elif self.kind == "push":
            keys["source"], keys["destination"] = f"{self.source}/", url
        elif self.kind == "fallback":
            keys["source"], keys["fallback"] = "rsync://127.0.0.1:874/nobody/", url
        elif self.kind == "secret":
            keys["source"], keys["password_file"] = f"rsync://device@127.0.0.1/{self.name}/", world.home / "password"
        elif self.kind == "user":
            keys["user"] = "nobody"
        if self.kind == "atomic":
            keys["atomic"], options = "yes", ["-rlt"]
        if self.kind == "verify":
            # A server that reads all its files says nothing meanwhile, so that irsync has much more patience with it.
            keys["verify_every"], keys["max_runtime"] = "1s", f"{int(10 * self.world.slowness)}s"
        if self.deletes:
            options.append("--delete")
            keys["max_shrink"] = "60%"
        if self.has_hooks:
            hook = f"{HERE}/hook {world.home} {self.name}"
            keys.update({f"run_{key}": f"{hook} {word} {self.target}" for key, word in
                         (("before", "before"), ("on_change", "changed"), ("on_failure", "failed"))})
        keys["options"] = " ".join(options)
        return f"[{self.name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def difference(self):
        """What is not as it should be in the destination; None if nothing is."""
        want, have = tree(self.source), tree(self.target)
        if have is None:
            return "no destination"
        missing = [name for name in want if have.get(name) != want[name]]
        strange = [name for name in have if name not in want] if self.deletes else []
        return f"differ: {missing[:3]}, too many: {strange[:3]}" if missing or strange else None


def slowness():
    """How much slower than a quiet one this machine starts programs now, as far as that has to be borne: limits grow with it."""
    began = time.monotonic()
    for _ in range(5):
        subprocess.run(["sh", "-c", "rsync --version"], stdout=subprocess.DEVNULL)
    return min(max(1, (time.monotonic() - began) / 0.15), 8)


def tree(folder):
    """The files below a folder with their contents, but for rsync's and irsync's own; None if it is none."""
    if not folder.is_dir():
        return None
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".part", ".~tmp~")]
        for name in files:
            if not name.startswith("."):
                path = Path(place, name)
                try:
                    found[str(path.relative_to(folder))] = path.read_bytes()
                except OSError:
                    pass
    return found


class World:
    """Everything but irsync."""

    def __init__(self, home, random, kinds):
        self.home, self.random, self.slowness = home, random, slowness()
        self.secret = SECRET.format(random.randrange(10**9))
        for name in ("src", "sink", "bin", "modes", "locks", "starts", "changed", "state", "card"):
            (home / name).mkdir(mode=0o755)
        self.card = home / "card"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "chaos-card", self.card], check=True)
        (home / "bin/rsync-für-Gerät").symlink_to(shutil.which("sleep"))
        for name in ("overlaps", "dog"):
            (home / name).touch()
        (home / "overlaps").chmod(0o666)
        for name, text in (("password", f"{self.secret}\n"), ("secrets", f"device:{self.secret}\n")):
            (home / name).write_text(text)
            (home / name).chmod(0o600)
        kinds = random.sample(kinds, random.randint(1, min(6, len(kinds))))
        self.jobs = [Job(self, number, kind) for number, kind in enumerate(kinds)]
        self.interval = random.choice((300, 500, 1000))
        values = {"home": home, "dog": DOG_TIMEOUT, "interval": f"{self.interval}ms",
                  "activity": int(2500 * self.slowness), "hook": int(3000 * self.slowness),
                  # Now and then one is longer than the watchdog's patience.
                  "stop": int(random.choice((500, 500, 500, 2000 * DOG_TIMEOUT)) * self.slowness),
                  **random.choice(({"level": "info", "log_size": "8K"}, {"level": "debug", "log_size": "64K"}, {"level": "debug", "log_size": "16M"}))}
        self.log_size = int(values["log_size"][:-1]) << (10 if values["log_size"].endswith("K") else 20)
        self.good = GLOBAL.format(**values) + "".join(job.section() for job in self.jobs)
        self.daemon = self.impostor = None
        loopback_up()
        self._configure_daemon()

    def configure(self, text=None):
        """Writes the configuration; the good one unless told otherwise."""
        new = self.home / "irsync.ini.new"
        new.write_text(self.good if text is None else text)
        new.chmod(0o600)
        new.rename(self.home / "irsync.ini")

    def _configure_daemon(self):
        text = f"uid = 0\ngid = 0\nuse chroot = no\naddress = 127.0.0.1\nreverse lookup = no\nlog file = {self.home}/rsyncd.log\n"
        for job in self.jobs:
            path = job.target if job.kind == "push" else job.source
            text += f"[{job.name}]\npath = {path}\nread only = {'no' if job.kind == 'push' else 'yes'}\n"
            if job.kind == "secret":
                text += f"auth users = device\nsecrets file = {self.home}/secrets\n"
        (self.home / "rsyncd.conf").write_text(text)

    def serve(self):
        """Starts the daemon, in whatever state it was."""
        if self.daemon and self.daemon.poll() is None:
            os.killpg(self.daemon.pid, signal.SIGCONT)
            return
        self.mislead(None)
        command = ["rsync", "--daemon", "--no-detach", f"--config={self.home}/rsyncd.conf"]
        self.daemon = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal_daemon(self, number):
        """To the daemon and what it has forked for its connections."""
        if self.daemon and self.daemon.poll() is None:
            os.killpg(self.daemon.pid, number)
            if number == signal.SIGKILL:
                self.daemon.wait()

    def mislead(self, answer):
        """Somebody else listens on the daemon's port and says this, or nothing; None: nobody does."""
        if self.impostor:
            self.impostor.close()
            self.impostor = None
        if answer is not None:
            self.signal_daemon(signal.SIGKILL)
            self.impostor = Impostor(answer)


class Impostor:
    """Accepts connections on the daemon's port, says something, and nothing more."""

    def __init__(self, answer):
        self.answer, self.open, self.callers = answer, True, []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(100):
            try:
                self.listener.bind(("127.0.0.1", 873))
                break
            except OSError:
                time.sleep(0.02)
        else:
            return
        self.listener.listen(16)
        self.listener.settimeout(0.1)
        self.thread = threading.Thread(target=self._answer)
        self.thread.start()

    def _answer(self):
        while self.open:
            try:
                caller = self.listener.accept()[0]
            except OSError:
                continue
            self.callers.append(caller)
            try:
                caller.sendall(self.answer)
            except OSError:
                pass

    def close(self):
        self.open = False
        if hasattr(self, "thread"):
            self.thread.join()
        for one in [self.listener, *self.callers]:
            one.close()


def loopback_up():
    """ip link set lo up, without ip(8)."""
    import fcntl
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
