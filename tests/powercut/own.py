"""The life of irsync's own files on a card that is cut off: boot record, note of a verification, log, status, history.

A device whose server cannot be reached asks for a reboot; the watchdog (softdog, which here only says that it would) is starved
once the record is on the disk. Each cut disk is given to a new irsync with the same wish, and one rule is held: never a
reboot too many. Of the files that are replaced as a whole, each is as it was at some moment, or irsync says that it is damaged.
"""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

from recording import RUN, Recording, mount, sh, umount

STARVES = "not feeding the watchdog any more"
SPENT = "the budget of reboots is spent"
DAMAGED = "the boot record is damaged"
LIMIT = 600  # seconds that irsync gets for anything, on the slowest machine
WATCHDOG = threading.Lock()  # there is one
REPLACED = ("state/boot-record", "state/verified-alive")


class Own(Recording):
    """irsync itself runs from the card; `self.success` is the moment from which on the reboot has to be known."""

    def write_inis(self):
        self.versions = {name: set() for name in REPLACED}
        # /dev/watchdog itself is this kernel's own, which needs a program on the host.
        softdog = next(Path("/dev").glob("watchdog[0-9]*"))
        words = (f"log = {self.root}/log\nlog_max_size = 4K\nstatus_file = {self.root}/status/status\nstate_dir = {self.root}/state\n"
                 f"watchdog_device = {softdog}\nwatchdog_timeout = 60\nreboot_limit = 1\n"
                 f"[dead]\nsource = rsync://127.0.0.1:1/none/\ndestination = {self.root}/dead/\noptions = -rt\n"
                 f"interval = PACE\nspread = 0\nbackoff_initial = PACE\nbackoff_max = PACE\nreboot_after = PACE\n")
        own = words.replace("PACE", "1s")
        self.ini, self.short = RUN / f"{self.name}.ini", RUN / f"{self.name}.short.ini"
        self.short.write_text(words.replace("PACE", "50ms"))
        self.ini.write_text(f"{own}[alive]\nsource = rsync://127.0.0.1:8730/{self.source.name}/dir0/\ndestination = {self.tree}/dir0/\n"
                            f"options = -rt\ninterval = 1s\nspread = 0\njitter = 0\nverify_every = 1s\n")

    def start(self, ini):
        return subprocess.Popen([self.plan["irsync"], "--config", str(ini)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def kill(self, process):
        """With its guard, which ends what is left."""
        process.kill()
        process.wait()
        end = time.monotonic() + LIMIT
        while any(str(self.root) in files for files in open_files()) and time.monotonic() < end:
            time.sleep(0.01)

    def until(self, what, process, done):
        """Waits until `done` says something, and remembers each content that a file has had."""
        end = time.monotonic() + LIMIT
        while True:
            for name in REPLACED:
                self.versions[name].add(content(self.root / name))
            if said := done():
                return said
            if time.monotonic() > end or process.poll() is not None:
                process.kill()
                raise RuntimeError(f"{self.name}: no {what}: {self.logged()[-3500:]}")
            time.sleep(0.01)

    def logged(self):
        return "".join((content(self.root / name) or b"").decode(errors="replace") for name in ("log.old", "log"))

    def live(self):
        with WATCHDOG:
            self.starve()

    def starve(self):
        process = self.start(self.ini)
        self.until("starvation", process, lambda: STARVES in self.logged())
        self.success = time.time()
        # Some more notes of verifications, and a turn of the log.
        before = len(self.versions["state/verified-alive"])
        self.until("note", process, lambda: len(self.versions["state/verified-alive"]) > before + 2)
        self.kill(process)
        print(f"{self.name}: starved after {self.success - self.begin:.2f} s, {len(self.disk.log)} requests, "
              f"{', '.join(f'{len(all_)} contents of {name}' for name, all_ in self.versions.items())}", flush=True)

    def try_disk(self, image, after):
        if self.case.fsck:
            sh(f"{self.case.fsck} {image.device}", check=False)
        try:
            mount(self.case, image.device, self.root)
        except OSError as error:
            return {"mount": str(error)}
        found = {name: content(self.root / name) for name in REPLACED}
        unknown = [name for name in REPLACED if found[name] not in self.versions[name]]
        result = {"boot": dict.fromkeys(unknown, 1)}
        (self.root / "log").unlink(missing_ok=True)
        process = self.start(self.short)

        def verdict():
            said = (content(self.root / "log") or b"").decode(errors="replace")
            return next((word for word in (STARVES, SPENT, DAMAGED) if word in said), None)

        result["said"] = self.until("verdict", process, verdict)
        self.kill(process)
        # Before the cut the watchdog was starved: the board has had its one reboot.
        result["reboots"] = int(after) + int(result["said"] == STARVES)
        result["untold"] = [name for name in unknown if not is_damaged(name, found[name], result["said"])]
        umount(self.root)
        return result


def open_files():
    """Of every process, the names of what it has open or stands in."""
    for process in os.listdir("/proc"):
        try:
            links = [f"fd/{fd}" for fd in os.listdir(f"/proc/{process}/fd")]
        except OSError:
            continue  # gone, or no process
        for link in [*links, "cwd"]:
            try:
                yield os.readlink(f"/proc/{process}/{link}")
            except OSError:
                pass


def is_damaged(name, text, said):
    """irsync takes it for nothing that it wrote."""
    return said == DAMAGED if name == "state/boot-record" else not re.fullmatch(rb"[0-9]{1,20}\n", text or b"")


def content(path):
    """None: it is not there."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
