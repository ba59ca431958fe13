"""What is looked at all the time: the watchdog's food, secrets, zombies, and processes in general."""

import os
import signal
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from world import DOG_TIMEOUT

PERIOD = 0.1
SPIN = 0.8  # seconds of processor time that a thread uses without ever waiting for anything


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


def processor(pid):
    """By thread, seconds that it ran, seconds that it was ready to run while others ran, and whether it is ready now; see the
    kernel's sched-stats.rst."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*"):
        try:
            ran, waited = (int(word) / 1e9 for word in (path / "schedstat").read_text().split()[:2])
            state = (path / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        found[path.name] = (ran, waited, state == b"R")
    return found


def costs(pid):
    """By thread, hundredths of a second on a processor, and how often it has waited for something."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*"):
        try:
            waits = next(line for line in (path / "status").read_text().splitlines() if line.startswith("voluntary"))
            fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
        except (OSError, StopIteration):
            continue
        found[path.name] = (int(fields[11]) + int(fields[12]), int(waits.split()[1]))
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
        self.costs, self.restless = {}, {}

    def stand_still(self, really):
        """irsync is stopped, or continued, now."""
        self.stopped_until = None if really else time.monotonic()

    def run(self):
        fed, food, start, seen, before, rounds = time.monotonic(), 0, {}, {}, {}, 0
        while not self.over.wait(PERIOD):
            now = time.monotonic()
            # Not its size: a second irsync writes over what the first one has written.
            eaten = os.stat(self.world.home / "dog").st_mtime_ns
            if eaten != food or self.stopped_until is None or now - self.stopped_until < PERIOD:
                fed, food, start = now, eaten, processor(self.irsync.pid)
                seen = dict(start)
            # What a busy machine has kept from irsync is not irsync's fault. A wait that goes on is counted at its end.
            threads = processor(self.irsync.pid)
            # Of threads that have ended meanwhile what was seen last.
            seen.update(threads)
            late = sum(waited - start.get(thread, (0, 0))[1] for thread, (_, waited, _) in seen.items())
            queues = any(ready and before.get(thread, (ran,))[0] == ran for thread, (ran, _, ready) in threads.items())
            before = threads
            hunger = now - fed - late
            if not queues:
                self.longest_hunger = max(self.longest_hunger, hunger)
            if self.feeds and not queues and hunger > DOG_TIMEOUT + self.world.slowness:
                self.complain(f"the watchdog was not fed for {hunger:.1f} s of {DOG_TIMEOUT}")
                fed, start, seen = now, threads, dict(threads)
            self._secrets()
            self._reap()
            rounds += 1
            if self.feeds and rounds % 5 == 0:
                self._spins()
                self._open_to_others()

    def complain(self, what):
        """Takes note of it once."""
        if what not in self.wrong and len(self.wrong) < 20:
            self.wrong.append(what)

    def _spins(self):
        """A loop that never sleeps, in one of irsync's threads. Measured in its own time, so that a busy machine does not matter."""
        new = costs(self.irsync.pid)
        for thread, (ticks, waits) in new.items():
            used, waited = (now - before for now, before in zip((ticks, waits), self.costs.get(thread, (ticks, waits))))
            self.restless[thread] = 0 if waited > used else self.restless.get(thread, 0) + used
            if self.restless[thread] > SPIN * 100:
                self.complain(f"it spins: a thread has used {self.restless[thread]} hundredths of a second and has waited for nothing")
                self.restless[thread] = 0
        self.costs = new

    def _open_to_others(self):
        """What irsync keeps for itself: nobody else may write it, and whoever can open a lock can hold it."""
        for folder in ("run", "state"):
            for path in [self.world.home / folder, *(self.world.home / folder).glob("*")]:
                try:
                    mode = stat.S_IMODE(path.lstat().st_mode)
                except OSError:
                    continue
                if mode & (0o077 if "lock" in path.name else 0o022):
                    self.complain(f"others can open {path.name}: its mode is {mode:04o}")

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


def held(pid):
    """What it holds open; nothing if it has gone."""
    folder, found = Path(f"/proc/{pid}/fd"), []
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            found.append(os.readlink(folder / name))
        except OSError:
            pass
    return found


def descriptors(pid):
    """What it holds open, by kind."""
    found = {}
    for path in held(pid):
        kind = path.split(":[")[0]
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
