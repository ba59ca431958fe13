#!/usr/bin/env python3
"""powercut --irsync BINARY [--cuts N] [--seed N] [CASE...]: cuts the power of syncs at many moments; fails if files stay wrong.

Needs Debian's user-mode-linux (a kernel that runs as a process, without root), laid out in --uml by scripts/powercut.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES

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
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.cases if name not in CASES]:
        parser.error(f"unknown: {' '.join(unknown)} (there are {' '.join(CASES)})")
    modules = next((arguments.uml / "usr/lib/uml/modules").iterdir())
    there = {path.stem for path in modules.rglob("*.ko")} | {"ext4", "btrfs"}
    cases = arguments.cases or list(CASES)
    for name in [name for name in cases if CASES[name].fs not in there]:
        print(f"SKIPPED: power cuts of {name}: this kernel has no {CASES[name].fs}")
        cases.remove(name)
    out = arguments.out or Path(tempfile.mkdtemp(prefix="powercut."))
    out.mkdir(parents=True, exist_ok=True)
    for old in ("results", "exit", "guest.log"):
        (out / old).unlink(missing_ok=True)
    hurry = {"dirty_expire_centisecs": 300, "dirty_writeback_centisecs": 100} if arguments.hurry else {}
    f2fs = any(CASES[name].fs == "f2fs" for name in cases)
    plan = {"checkpoint": (3 if arguments.hurry else 60) if f2fs else 0, "cases": cases, "cuts": arguments.cuts, "seed": arguments.seed, "tail": arguments.tail, "vm": hurry, "mutant": "rsync-without-fsync" if arguments.without_fsync else "", "keys": arguments.key,
            "options": arguments.options, "irsync": os.path.abspath(arguments.irsync), "modules": str(modules.resolve())}
    (out / "plan.json").write_text(json.dumps(plan))
    with open(out / "console", "w") as console:
        guest = subprocess.Popen([arguments.uml / "usr/bin/linux.uml", "mem=1500M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                        f"init={HERE}/init", f"powercut={out.resolve()}", "con=null", "con0=null,fd:1", "ssl=null", "panic=1"],
                                 stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        guest.wait()
    finally:
        if guest.poll() is None:
            os.killpg(guest.pid, signal.SIGKILL)
    log = out / "guest.log"
    if not (out / "exit").exists() or (out / "exit").read_text().strip() != "0":
        sys.exit(f"the guest failed; see {out}:\n" + (log.read_text() if log.exists() else (out / "console").read_text())[-3000:])
    print(log.read_text(), end="")
    results = [json.loads(line) for line in open(out / "results")]
    sys.exit(report(cases, results, arguments.seed))


def report(cases, results, seed):
    """A line per case; 1 if files stay wrong."""
    print("case            cuts  wrong at boot  latest  silent at boot  success untrue  wrong for ever  wrong and told")
    bad = 0
    for name in cases:
        mine = [r for r in results if r["case"] == name]
        wrong = [r for r in mine if r.get("boot") or "mount" in r]
        silent = max((r["boot"].get("silent", 0) for r in wrong if "boot" in r), default=0)
        untrue = [r for r in wrong if r["after"]]
        forever = [r for r in mine if r.get("forever") or "mount" in r]
        # vfat that nobody mends with fsck is read-only from now on: no sync can help, but irsync has to say so.
        told = [r for r in forever if not CASES[name].fsck and CASES[name].fs == "vfat" and "sync disk" in r.get("said", "")]
        forever = [r for r in forever if r not in told]
        latest = max((r["at"] for r in wrong), default=0)
        print(f"{name:14} {len(mine):5} {len(wrong):14} {latest:+7.1f} {silent:15} {len(untrue):15} {len(forever):15} {len(told):15}")
        mixed = [r for r in mine if r.get("mixed")]
        if mixed:
            print(f"    {len(mixed)} cuts left neither the old set nor the new one")
        bad += len(untrue) + len(forever) + len(mixed)
        for r in (untrue + forever + mixed)[:3]:
            print("   ", json.dumps(r))
    print(f"seed {seed}: {bad} bad cuts of {len(results)}")
    return 1 if bad or not results else 0


if __name__ == "__main__":
    main()
