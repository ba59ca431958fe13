"""guest FOLDER: runs as root of a throw-away kernel; FOLDER/plan.json says what to do, FOLDER/results gets a line per cut."""

import bisect
import ctypes
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import disk
import sets
from cases import CASES, MKFS, MODULES, SIZE, fat

RUN = Path("/run")
CARD = 4_000_000  # bytes a second that the card takes
LINK = 1500  # kilobytes a second that the recorded sync gets


def sh(command, check=True):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    text = done.stdout.decode(errors="replace").strip()
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}: {text}")
    return text


def load(modules, names):
    """insmod with dependencies; what is built in is in no list."""
    lines = [line.partition(":") for line in (modules / "modules.dep").read_text().splitlines()]
    files = {Path(name).name.split(".")[0].replace("-", "_"): (name, needs.split()) for name, _, needs in lines}
    libc = ctypes.CDLL(None, use_errno=True)
    for word in names.split():
        name, needs = files.get(word.replace("-", "_"), (None, []))
        for file in [*reversed(needs), name] if name else []:
            fd = os.open(modules / file, os.O_RDONLY)
            parameters = b"nbds_max=32" if file.endswith("/nbd.ko") else b""
            if libc.syscall(313, fd, parameters, 0) and ctypes.get_errno() != 17:  # finit_module, EEXIST
                raise OSError(ctypes.get_errno(), f"cannot load {file}")
            os.close(fd)


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
        hook = f"run_on_change = sh -c 'date +%s.%N > {self.mark}'\n"
        self.slow = self.write_ini("slow", f"--bwlimit={LINK}", hook)
        self.fast = self.write_ini("fast", "", "")
        self.disk = disk.Disk(number, SIZE)
        sh(f"{MKFS[self.case.fs]} {self.disk.device}")
        self.mount()
        sh(f"mkdir -p {self.tree} && cp -a {self.source}/v1/. {self.tree}/" if not fat(self.case)
           else f"mkdir -p {self.tree} && cp -r --preserve=timestamps {self.source}/v1/. {self.tree}/")
        self.umount()
        self.disk.switch(self.disk.blocks)
        self.mount()
        sh(f"sync -f {self.root}; sync -f {self.root}")

    def write_ini(self, word, options, hook):
        ini = RUN / f"{self.name}.{word}.ini"
        rsync = self.plan["mutant"] and f"rsync = {Path(__file__).resolve().parent}/{self.plan['mutant']}"
        keys = "".join(f"{line}\n" for line in [self.case.keys, rsync, *self.plan["keys"]] if line)
        ini.write_text(f"log = stderr\nstatus_file = /run/irsync/{self.name}/status\n[{self.name}]\n"
                       f"source = rsync://127.0.0.1:8730/{self.source.name}/\ndestination = {self.tree}/\n"
                       f"options = {self.case.options} {self.plan['options']} {options}\n{keys}{hook}")
        return ini

    def mount(self):
        options = ",".join(filter(None, ["noatime", self.case.mount, "tz=UTC" if self.case.fs == "vfat" else ""]))
        sh(f"mount -t {self.case.fs} -o {options} {self.disk.device} {self.root}")

    def umount(self):
        sh(f"umount {self.root}")

    def irsync(self, ini):
        """Its line about the sync."""
        said = sh(f"{self.plan['irsync']} --config {ini} once", check=False)
        return next((line for line in said.splitlines() if ": sync " in line), said[-300:])

    def record(self):
        """The sync itself."""
        self.disk.log, self.disk.rate = [], CARD
        self.base = dict(self.disk.blocks)
        self.begin = time.time()
        said = self.irsync(self.slow)
        if not self.mark.exists():
            raise RuntimeError(f"{self.name}: no success: {said}")
        self.success = float(self.mark.read_text())
        print(f"{self.name}: sync {self.success - self.begin:.2f} s, {len(self.disk.log)} requests: {said}", flush=True)

    def end(self):
        self.log, self.disk.log, self.disk.rate = self.disk.log, None, 0
        self.umount()

    def moments(self, count, rng):
        """(how many requests the disk has seen, model) of each cut, in the order of time."""
        times = [at for _, at, _, _ in self.log]
        flushes = [n + 1 for n, request in enumerate(self.log) if request[0] == "F"] or [len(times)]
        last = times[-1] - self.success
        chosen = []
        for k in range(count):
            kind = k % 5
            if kind == 0:
                upto = rng.choice(flushes)
            elif kind == 1:
                upto = bisect.bisect(times, self.success + rng.uniform(-0.2, 0.2))
            elif kind == 2:
                upto = bisect.bisect(times, rng.uniform(self.begin, self.success))
            elif kind == 3:
                upto = bisect.bisect(times, self.success + max(last, 1) * rng.random() ** 2)
            else:
                upto = rng.randrange(len(times) + 1)  # where most is written
            chosen.append((upto, "AB"[k // 5 % 2]))
        return sorted(chosen)

    def try_cut(self, upto, model, seed):
        """The disk after a cut is mounted, looked at, synced once more, looked at again."""
        at = self.log[upto - 1][1] if upto else self.begin
        # The next request had not been sent: the moment lies anywhere before it.
        until = self.log[upto][1] if upto < len(self.log) else at
        result = {"case": self.name, "model": model, "upto": upto, "seed": seed, "at": round(at - self.success, 3),
                  "after": until > self.success}
        self.disk.switch(disk.cut(self.base, self.log, upto, model, seed))
        if self.case.fsck:
            sh(f"{self.case.fsck} {self.disk.device}", check=False)
        try:
            self.mount()
        except RuntimeError as error:
            return dict(result, mount=str(error))
        found = sets.walk(self.tree)
        result["boot"] = sets.judge(self.new, self.old, found)
        if "atomic" in self.case.keys:
            result["mixed"] = found not in (self.new, self.old)
        if result["boot"]:
            result["said"] = self.irsync(self.fast)
            sh(f"sync -f {self.root}; echo 3 > /proc/sys/vm/drop_caches")
            result["forever"] = sets.judge(self.new, self.old, sets.walk(self.tree))
        self.umount()
        return result


def main():
    out = Path(sys.argv[1])
    plan = json.loads((out / "plan.json").read_text())
    sh("ip link set lo up")
    load(Path(plan["modules"]), " ".join(["nbd", *(MODULES.get(CASES[name].fs, "") for name in plan["cases"])]))
    for folder, is_fat in (("sets", False), ("fat", True)):
        sets.make(RUN / folder, plan["seed"], is_fat)
    (RUN / "rsyncd.conf").write_text("uid = 0\ngid = 0\nuse chroot = no\nlog file = /run/rsyncd.log\n" + "".join(
        f"[{name}]\npath = /run/{name}/v2\n" for name in ("sets", "fat")))
    sh("rsync --daemon --config=/run/rsyncd.conf --address=127.0.0.1 --port=8730")
    for key, value in plan["vm"].items():
        Path("/proc/sys/vm", key).write_text(str(value))
    recordings = [Recording(n, name, plan) for n, name in enumerate(plan["cases"])]
    # f2fs makes a checkpoint a minute after the last one, whatever a sync has just begun: wait until that is due.
    for interval in Path("/sys/fs/f2fs").glob("*/cp_interval"):
        interval.write_text(str(plan["checkpoint"]))
    time.sleep(plan["checkpoint"] + 1)
    for recording in recordings:
        recording.record()
    time.sleep(plan["tail"])
    for recording in recordings:
        recording.end()
    rng = random.Random(plan["seed"])
    begin = time.time()
    with open(out / "results", "w") as results:
        for recording in recordings:
            for n, (upto, model) in enumerate(recording.moments(plan["cuts"], rng)):
                results.write(json.dumps(recording.try_cut(upto, model, plan["seed"] * 1000 + n)) + "\n")
                results.flush()
    total = plan["cuts"] * len(recordings)
    print(f"{total} cuts in {time.time() - begin:.1f} s: {60 * total / (time.time() - begin):.0f} a minute", flush=True)


main()
