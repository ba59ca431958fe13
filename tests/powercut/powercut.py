#!/usr/bin/env python3
"""powercut --irsync BINARY [--cuts N] [--seed N] [CASE...]: cuts the power of syncs at many moments; fails if files stay wrong.

Needs Debian's user-mode-linux (a kernel that runs as a process, without root), laid out in --uml by fetch-kernel.
With --mutants (and an irsync that was built with the feature fault-injection) it leaves out, one after the other, what a
promise rests on, and fails if that is not noticed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES, MUTANTS, QUICK

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: those whose file system this kernel has")
    parser.add_argument("--irsync", required=True)
    parser.add_argument("--uml", required=True, type=Path)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tail", type=float, default=70, help="seconds of recording after the last sync")
    parser.add_argument("--hurry", action="store_true", help="a kernel that writes back after 3 s instead of 30")
    parser.add_argument("--options", default="", help="more options for rsync")
    parser.add_argument("--key", action="append", default=[], help="a line for the job's section")
    parser.add_argument("--without-fsync", action="store_true", help="take rsync's --fsync away: files then stay wrong")
    parser.add_argument("--rsync", default="", help="another rsync for irsync")
    parser.add_argument("--fault", default="", help="what an irsync built with fault-injection leaves out while it is recorded")
    parser.add_argument("--quick", action="store_true", help="the most telling cases only, with half the files")
    parser.add_argument("--guests", type=int, default=min(os.cpu_count() or 1, 4), help="among so many the cases are dealt out")
    parser.add_argument("--mutants", action="store_true", help="see that what is left out is noticed")
    parser.add_argument("--out", type=Path)
    parser.set_defaults(late=False)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.cases if name not in CASES]:
        parser.error(f"unknown: {' '.join(unknown)} (there are {' '.join(CASES)})")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    modules = next((arguments.uml / "usr/lib/uml/modules").iterdir())
    there = {path.stem for path in modules.rglob("*.ko")} | {"ext4", "btrfs"}
    out = arguments.out or Path(tempfile.mkdtemp(prefix="powercut."))
    if arguments.mutants:
        sys.exit(try_mutants(arguments, modules, out))
    cases = arguments.cases or (QUICK if arguments.quick else [name for name in CASES if not CASES[name].rsync])
    for fs in {CASES[name].fs for name in cases} - there:
        print(f"SKIPPED: power cuts on {fs}: this kernel has none")
    cases = [name for name in cases if CASES[name].fs in there]
    sys.exit(1 if report(cases, cut(arguments, modules, out, cases), arguments.seed) else 0)


def cut(arguments, modules, out, cases):
    """Records these cases, dealt out among some guests, and gives what was found after each cut."""
    count = max(1, min(arguments.guests, len(cases)))
    guests = []
    try:
        for n in range(count):
            guests.append(start(arguments, modules, out / str(n), cases[n::count], 600 + 900 // count))
        for guest, _ in guests:
            guest.wait()
    finally:
        for guest, _ in guests:
            if guest.poll() is None:
                os.killpg(guest.pid, signal.SIGKILL)
    for _, folder in guests:
        log, code = folder / "guest.log", folder / "exit"
        if not code.exists() or code.read_text().strip() != "0":
            sys.exit(f"the guest failed; see {folder}:\n" + (log.read_text() if log.exists() else (folder / "console").read_text())[-3000:])
        print(log.read_text(), end="")
    return [json.loads(line) for _, folder in guests for line in open(folder / "results")]


def start(arguments, modules, out, cases, memory):
    """A guest with so many MiB: its process and its folder."""
    out.mkdir(parents=True, exist_ok=True)
    for old in ("results", "exit", "guest.log"):
        (out / old).unlink(missing_ok=True)
    hurry = {"dirty_expire_centisecs": 300, "dirty_writeback_centisecs": 100} if arguments.hurry else {}
    late = {"dirty_expire_centisecs": 60_000, "dirty_writeback_centisecs": 60_000} if arguments.late else {}
    checkpoint = 600 if late else 3 if hurry else 60
    f2fs = any(CASES[name].fs == "f2fs" for name in cases)
    plan = {
        "cases": cases, "cuts": arguments.cuts, "seed": arguments.seed, "tail": arguments.tail, "vm": late or hurry,
        "checkpoint": checkpoint, "wait": checkpoint + 1 if f2fs and not late else 0, "mount": {"ext4": "commit=600"} if late else {},
        "irsync": os.path.abspath(arguments.irsync), "options": arguments.options, "keys": arguments.key,
        "rsync": f"{HERE}/rsync-without-fsync" if arguments.without_fsync else arguments.rsync, "fault": arguments.fault,
        "modules": str(modules.resolve()), "every": 2 if arguments.quick else 1,
    }
    (out / "plan.json").write_text(json.dumps(plan))
    command = [arguments.uml / "usr/bin/linux.uml", f"mem={memory}M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
               f"init={HERE}/init", f"powercut={out.resolve()}", "con=null", "con0=null,fd:1", "ssl=null", "panic=1"]
    with open(out / "console", "w") as console:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                                env=dict(os.environ, LD_PRELOAD=str(arguments.uml.resolve() / "xstate.so"))), out


def report(cases, results, seed):
    """A line per case; how many cuts were bad."""
    print("case            cuts  disks  wrong at boot  latest  silent at boot  success untrue  wrong for ever  wrong and told")
    bad = 0
    for name in cases:
        mine = [r for r in results if r["case"] == name]
        own = CASES[name].story == "own"
        wrong = [r for r in mine if r.get("boot") or "mount" in r]
        silent = max((r["boot"].get("silent", 0) for r in wrong if "boot" in r), default=0)
        untrue = [r for r in wrong if r["after"] and not own]
        forever = [r for r in mine if r.get("forever") or "mount" in r]
        # vfat and exfat that nobody mends with fsck are read-only from now on: no sync can help, but irsync has to say so, and
        # fsck to help.
        told = [r for r in forever if r.get("mended")]
        forever = [r for r in forever if r not in told]
        latest = max((r["at"] for r in wrong), default=0)
        disks = sum(r.get("fresh", False) for r in mine)
        print(f"{name:14} {len(mine):5} {disks:6} {len(wrong):14} {latest:+7.1f} {silent:15} {len(untrue):15} {len(forever):15} {len(told):15}")
        others = {
            "left neither the old set nor the new one": [r for r in mine if r.get("mixed")],
            "led to a reboot too many": [r for r in mine if r.get("reboots", 0) > 1],
            "damaged a file of irsync's own, which it took for whole": [r for r in mine if r.get("untold")],
        }
        for what, those in others.items():
            if those:
                print(f"    {len(those)} cuts {what}")
        accidents = [*untrue, *forever, *(r for those in others.values() for r in those)]
        bad += len(accidents)
        for r in accidents[:3]:
            print("   ", json.dumps(r))
    print(f"seed {seed}: {bad} bad cuts of {len(results)}")
    return bad if results else 1


def try_mutants(arguments, modules, out):
    """1 if one is not noticed."""
    missed = []
    for name, mutant in MUTANTS.items():
        if arguments.cases and not set(arguments.cases) & set(mutant.cases):
            continue
        print(f"-- without {name}", flush=True)
        arguments.fault, arguments.without_fsync, arguments.late = mutant.fault, mutant.without_fsync, mutant.late
        if report(mutant.cases, cut(arguments, modules, out / name.replace(" ", "-"), mutant.cases), arguments.seed) == 0:
            missed.append(name)
    print(f"not noticed: {', '.join(missed)}" if missed else "all mutants were noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    main()
