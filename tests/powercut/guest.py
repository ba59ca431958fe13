"""guest FOLDER: runs as root of a throw-away kernel; FOLDER/plan.json says what to do, FOLDER/results gets a line per cut."""

import ctypes
import json
import os
import random
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import disk
import sets
from cases import CASES, MODULES, SIZE
from own import Own
from recording import LIBC, RUN, Recording, sh


def load(modules, names):
    """insmod with dependencies; what is built in is in no list."""
    lines = [line.partition(":") for line in (modules / "modules.dep").read_text().splitlines()]
    files = {Path(name).name.split(".")[0].replace("-", "_"): (name, needs.split()) for name, _, needs in lines}
    parameters = {"nbd": b"nbds_max=32", "softdog": b"soft_noboot=1"}
    for word in names.split():
        name, needs = files.get(word.replace("-", "_"), (None, []))
        for file in [*reversed(needs), name] if name else []:
            fd = os.open(modules / file, os.O_RDONLY)
            if LIBC.syscall(313, fd, parameters.get(Path(file).stem, b""), 0) and ctypes.get_errno() != 17:  # finit_module, EEXIST
                raise OSError(ctypes.get_errno(), f"cannot load {file}")
            os.close(fd)


def said(what, begin=time.monotonic()):
    """How long everything has taken so far."""
    print(f"after {time.monotonic() - begin:.1f} s: {what}", flush=True)


def main():
    out = Path(sys.argv[1])
    plan = json.loads((out / "plan.json").read_text())
    sh("ip link set lo up")
    cases = plan["cases"]
    needed = ["nbd", "loop", *(MODULES.get(CASES[name].fs, "") for name in cases)]
    if any(CASES[name].story == "own" for name in cases):
        needed.append("softdog")
    load(Path(plan["modules"]), " ".join(needed))
    for folder, is_fat in (("sets", False), ("fat", True)):
        sets.make(RUN / folder, plan["seed"], is_fat, plan["every"])
    (RUN / "rsyncd.conf").write_text("uid = 0\ngid = 0\nuse chroot = no\nlog file = /run/rsyncd.log\n" + "".join(
        f"[{name}]\npath = /run/{name}/v2\n" for name in ("sets", "fat")))
    sh("rsync --daemon --config=/run/rsyncd.conf --address=127.0.0.1 --port=8730")
    for key, value in plan["vm"].items():
        Path("/proc/sys/vm", key).write_text(str(value))
    os.environ["IRSYNC_FAULT"] = plan["fault"]
    recordings = [(Own if CASES[name].story == "own" else Recording)(n, name, plan) for n, name in enumerate(cases)]
    said(f"disks of {' '.join(cases)}")
    # f2fs makes a checkpoint a minute after the last one, whatever a sync has just begun: wait until that is due.
    for interval in Path("/sys/fs/f2fs").glob("*/cp_interval"):
        interval.write_text(str(plan["checkpoint"]))
    time.sleep(plan["wait"])
    # A sync mostly waits for its link and its card: a few of them at a time.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda recording: recording.record(), recordings))
    said("recorded")
    time.sleep(plan["tail"])
    for recording in recordings:
        recording.end()
    os.environ["IRSYNC_FAULT"] = ""
    # What follows is another boot for irsync.
    (RUN / "boot_id").write_text(f"{uuid.uuid4()}\n")
    sh(f"mount --bind {RUN}/boot_id /proc/sys/kernel/random/boot_id")
    if any(CASES[name].fs == "btrfs" for name in cases):
        sh("btrfs device scan --forget")  # disks of the same id
    image = disk.Image(0, SIZE, RUN / "image")
    # In any order: what is there after half the time is half of every case.
    todo = [(recording, *cut) for recording in recordings for cut in recording.moments(plan["cuts"])]
    random.Random(plan["seed"]).shuffle(todo)
    with open(out / "results", "w") as results:
        for recording, *cut in todo:
            results.write(json.dumps(recording.try_cut(image, *cut)) + "\n")
            results.flush()
    said(f"{len(todo)} cuts")


main()
