"""benches/recorded.txt: what sizes, idle memory and instructions were, to see when one has grown."""

import os
import platform
import time

import measures
from harness import ROOT, read, show

RECORDED = os.path.join(ROOT, "benches", "recorded.txt")
ALLOWED = 0.1  # of growth
# What differs by a tenth from run to run: QEMU adds up without locks, and a kick is so little that a wake-up more shows.
NOT_REPEATABLE = ("instructions per sync armv7", "instructions per kick")

FURTHER = "idle anonymous KiB of each further job"
BUDGETS = {FURTHER: 34}  # never more, whatever was recorded


def idle(bench, jobs):
    """The median of five: a page more or less is the kernel's to decide, and was seen to make a tenth of it."""
    return sorted(sum(measures.idle(bench, jobs, watched=0)[:2]) for _ in range(5))[2]


def take(bench):
    """By name, as the file has them."""
    now = {f"size {path.rsplit('-', 1)[1]}": size for path, size in measures.sizes().items()}
    one, many = idle(bench, 1), idle(bench, 101)
    now["idle anonymous KiB"] = one
    now[FURTHER] = round((many - one) / 100)
    now.update(measures.instruction_counts(bench))
    return now


def write(bench):
    """Writes the file anew."""
    now = take(bench)
    with open(RECORDED, "w") as file:
        file.write(f"# scripts/bench --record on {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.path.basename(bench.irsync)}\n")
        file.writelines(f"{name} = {value}\n" for name, value in now.items())


def compare(bench):
    """Shows what has become of each; gives whether none has grown too much."""
    old = dict(line.rsplit(" = ", 1) for line in read(RECORDED).splitlines() if " = " in line)
    well = True
    for name, value in take(bench).items():
        if name not in old:
            show(name, now=value, recorded="never")
            continue
        grown = value / int(old[name]) - 1
        for _ in range(2):
            # A busy machine wakes a worker more often in a sync, which adds up to an eighth; nothing takes any away.
            if name.startswith("instructions") and grown > ALLOWED and name not in NOT_REPEATABLE:
                value = min(value, measures.instruction_counts(bench)[name])
                grown = value / int(old[name]) - 1
        too_much = grown > ALLOWED and name not in NOT_REPEATABLE or value > BUDGETS.get(name, value)
        well &= not too_much
        show(name, now=value, recorded=old[name], change=f"{grown:+.1%}" + (" TOO MUCH" if too_much else ""))
    return well
