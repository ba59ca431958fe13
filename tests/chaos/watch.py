"""What is looked at all the time: the watchdog's food, secrets, zombies, and processes in general."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from world import DOG_TIMEOUT

PERIOD = 0.1


@dataclass
class Process:
    pid: int
    name: str
    state: str
    parent: int
    session: int
    ticks: int


def process(pid):
    """None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(pid, name, fields[0], int(fields[1]), int(fields[3]), int(fields[11]) + int(fields[12]))


def processes():
    """All of this namespace but ourselves."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [one for one in found if one and one.pid != os.getpid()]


def words(pid):
    """A process's command line, for people."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def waited_for_processor(pid):
    """By thread, seconds that it was ready to run while others ran; see the kernel's sched-stats.rst."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except OSError:
            pass
    return found


class Watch(threading.Thread):
    """Samples the world until it is told to stop. What it finds wrong is in `wrong`."""

    def __init__(self, world, irsync, feeds):
        super().__init__(daemon=True)
        self.feeds = feeds
        self.world, self.irsync, self.wrong = world, irsync, []
        self.over = threading.Event()
        # irsync stands still by our own will until this moment; for ever while it is None.
        self.stopped_until = time.monotonic()
        self.longest_hunger = 0

    def stand_still(self, really):
        """irsync is stopped, or continued, now."""
        self.stopped_until = None if really else time.monotonic()

    def run(self):
        fed, food, waited = time.monotonic(), 0, {}
        while not self.over.wait(PERIOD):
            now = time.monotonic()
            size = os.stat(self.world.home / "dog").st_size
            if size != food or self.stopped_until is None or now - self.stopped_until < PERIOD:
                fed, food, waited = now, size, waited_for_processor(self.irsync.pid)
            # What a busy machine has kept from irsync is not irsync's fault.
            late = sum(most - waited.get(thread, 0) for thread, most in waited_for_processor(self.irsync.pid).items())
            hunger = now - fed - late
            self.longest_hunger = max(self.longest_hunger, hunger)
            if self.feeds and hunger > DOG_TIMEOUT + self.world.slowness:
                self.complain(f"the watchdog was not fed for {hunger:.1f} s of {DOG_TIMEOUT}")
                fed, waited = now, waited_for_processor(self.irsync.pid)
            self._secrets()
            self._reap()

    def complain(self, what):
        """Takes note of it once."""
        if what not in self.wrong and len(self.wrong) < 20:
            self.wrong.append(what)

    def _secrets(self):
        secret = self.world.secret.encode()
        for one in processes():
            for place in ("cmdline", "environ"):
                try:
                    if secret in Path(f"/proc/{one.pid}/{place}").read_bytes():
                        self.complain(f"the password is in {place} of {one.name}")
                except OSError:
                    pass

    def _reap(self):
        """We are process 1 of this namespace: orphans are ours to bury, but not what we have started, which somebody waits for."""
        mine = [one and one.pid for one in (self.world.daemon, self.irsync)]
        own = os.getsid(0)
        for one in processes():
            if one.parent == os.getpid() and one.state == "Z" and one.session != own and one.pid not in mine:
                try:
                    os.waitpid(one.pid, os.WNOHANG)
                except OSError:
                    pass

    def end(self):
        self.over.set()
        self.join()


def descriptors(pid):
    """What it holds open, by kind."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            kind = os.readlink(f"/proc/{pid}/fd/{name}").split(":[")[0]
        except OSError:
            continue
        found[kind] = found.get(kind, 0) + 1
    return found


def memory(pid):
    """Private dirty KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


def send(pid, number):
    """A signal to one that may have gone."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


CONTINUE = signal.SIGCONT
