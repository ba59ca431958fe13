"""A disk with the old set, a sync to the new one, what came after, and the cuts: what a disk of any moment is good for."""

import bisect
import ctypes
import os
import random
import subprocess
import time
from pathlib import Path

import disk
import sets
from cases import CASES, FSCK, MKFS, SIZE, fat

HERE = Path(__file__).resolve().parent
RUN = Path("/run")
CARD = 4_000_000  # bytes a second that the card takes
LINK = 1500  # kilobytes a second that the recorded sync gets
DISK = ": sync disk: "  # of irsync's line
LIBC = ctypes.CDLL(None, use_errno=True)


def sh(command, check=True):
    done = subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    text = done.stdout.decode(errors="replace").strip()
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}: {text}")
    return text


def mount(case, device, root, more=""):
    """Without a process of its own: it is done thousands of times."""
    options = ",".join(filter(None, [case.mount, more, "tz=UTC" if case.fs == "vfat" else ""]))
    if LIBC.mount(device.encode(), str(root).encode(), case.fs.encode(), 1024, options.encode()):  # MS_NOATIME
        raise OSError(ctypes.get_errno(), f"cannot mount {case.fs}")


def umount(root):
    """All that was opened there is closed."""
    if LIBC.umount2(str(root).encode(), 0):
        raise OSError(ctypes.get_errno(), f"cannot unmount {root}")


class Recording:
    """One case: a disk with the old set, a sync to the new one, and what came after."""

    def __init__(self, number, name, plan):
        self.name, self.case, self.plan = name, CASES[name], plan
        self.root = RUN / "d" / name
        self.root.mkdir(parents=True)
        self.tree = self.root / "tree"
        self.source = RUN / ("fat" if fat(self.case) else "sets")
        self.old, self.new = (sets.walk(self.source / v) for v in ("v1", "v2"))
        self.mark = RUN / f"{name}.success"
        self.seen = {}
        self.other = self.case.rsync and str(HERE / self.case.rsync)
        self.write_inis()
        self.disk = disk.Disk(number, SIZE)
        sh(f"{MKFS[self.case.fs]} {self.disk.device}")
        mount(self.case, self.disk.device, self.root)
        keep = "-r --preserve=timestamps" if fat(self.case) else "-a"
        sh(f"mkdir -p {self.tree} && cp {keep} {self.source}/v1/. {self.tree}/")
        umount(self.root)
        self.disk.switch(self.disk.blocks)
        mount(self.case, self.disk.device, self.root, plan["mount"].get(self.case.fs, ""))
        sh(f"sync -f {self.root}; sync -f {self.root}")

    def write_inis(self):
        """The recorded sync, and the one that mends."""
        hook = f"run_on_change = sh -c 'date +%s.%N > {self.mark}'\n"
        self.slow = self.write_ini("slow", f"--bwlimit={LINK}", self.other or self.plan["rsync"], hook)
        # The sync that mends is not cut off: it need not wait for the disk.
        self.fast = self.write_ini("fast", "", self.other or self.plan["rsync"] or str(HERE / "rsync-without-fsync"), "")

    def write_ini(self, word, options, rsync, hook):
        ini = RUN / f"{self.name}.{word}.ini"
        keys = "".join(f"{line}\n" for line in [self.case.keys, rsync and f"rsync = {rsync}", *self.plan["keys"]] if line)
        ini.write_text(f"log = stderr\nstatus_file = /run/irsync/{self.name}/status\n[{self.name}]\n"
                       f"source = rsync://127.0.0.1:8730/{self.source.name}/\ndestination = {self.tree}/\n"
                       f"options = {self.case.options} {self.plan['options']} {options}\n{keys}{hook}")
        return ini

    def irsync(self, ini):
        """Its line about the sync."""
        said = sh([self.plan["irsync"], "--config", str(ini), "once"], check=False)
        return next((line for line in said.splitlines() if ": sync " in line), said[-300:])

    def record(self):
        """All that the disk was sent from here on."""
        self.disk.log, self.disk.rate = [], CARD
        self.base = dict(self.disk.blocks)
        self.begin = time.time()
        self.live()

    def live(self):
        """The sync itself."""
        said = self.irsync(self.slow)
        if not self.mark.exists():
            raise RuntimeError(f"{self.name}: no success: {said}")
        self.success = float(self.mark.read_text())
        print(f"{self.name}: sync {self.success - self.begin:.2f} s, {len(self.disk.log)} requests: {said}", flush=True)

    def end(self):
        self.log, self.disk.log, self.disk.rate, self.ended = self.disk.log, None, 0, time.time()
        self.times = [at for _, at, _, _ in self.log]
        umount(self.root)

    def moments(self, count):
        """(how many requests the disk has seen, model, seed) of each cut."""
        times, rng = self.times, random.Random(f"{self.plan['seed']} {self.name}")
        flushes = [n + k for n, request in enumerate(self.log) if request[0] == "F" for k in (0, 1)] or [len(times)]
        last = times[-1] - self.success
        chosen, known = [], set()
        for k in range(count):
            kind = k % 5
            if kind == 0:
                upto = rng.choice(flushes)
            elif kind == 1:
                around = bisect.bisect(times, self.success) + rng.randint(-10, 10)
                upto = min(max(around, 0), len(times))
            elif kind == 2:
                upto = bisect.bisect(times, rng.uniform(self.begin, self.success))
            elif kind == 3:
                upto = bisect.bisect(times, self.success + max(last, 1) * rng.random() ** 2)
            else:
                upto = rng.randrange(len(times) + 1)  # where most is written
            # A drive that keeps all it was sent has one disk for each moment; one that loses has many.
            model = "B" if upto in known else "AB"[k // 5 % 2]
            if model == "A":
                known.add(upto)
            chosen.append((upto, model, rng.randrange(1 << 30)))
        return chosen

    def try_cut(self, image, upto, model, seed):
        """The disk after a cut is mounted, looked at, synced once more, looked at again."""
        at = self.times[upto - 1] if upto else self.begin
        # The next request had not been sent: the moment lies anywhere before it, or before the end of the recording.
        until = self.times[upto] if upto < len(self.log) else self.ended
        result = {"case": self.name, "model": model, "upto": upto, "seed": seed, "at": round(at - self.success, 3),
                  "after": until > self.success}
        which, blocks = disk.cut(self.base, self.log, upto, model, seed)
        which = which, result["after"]
        # Another cut may have left the very same disk.
        if which not in self.seen:
            image.fill(blocks)
            self.seen[which] = self.try_disk(image, result["after"])
            result["fresh"] = True
        return dict(result, **self.seen[which])

    def try_disk(self, image, _after):
        """What is found on it, and what a sync makes of that."""
        if self.case.fsck:
            sh(f"{self.case.fsck} {image.device}", check=False)
        result = self.look(image)
        if DISK in result.get("said", "") and not self.case.fsck and self.case.fs in FSCK:
            # irsync has told it: it has to be true.
            result["fsck"] = sh(f"{FSCK[self.case.fs]} {image.device}", check=False)[-300:]
            again = self.look(image)
            result["mended"] = not (again.get("forever") or "mount" in again)
        return result

    def look(self, image):
        """Mounts, compares, syncs once more where something is missing, and compares again."""
        try:
            mount(self.case, image.device, self.root)
        except OSError as error:
            return {"mount": str(error)}
        found = sets.walk(self.tree)
        result = {"boot": sets.judge(self.new, self.old, found)}
        if "atomic" in self.case.keys:
            result["mixed"] = found not in (self.new, self.old)
        if result["boot"]:
            result["said"] = self.irsync(self.fast)
            result["forever"] = sets.judge(self.new, self.old, sets.walk(self.tree))
        umount(self.root)
        return result
