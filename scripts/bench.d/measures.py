"""What is measured for a row and for the records alike: instructions, idle memory, sizes."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import HERE, LIMIT, TARGET, guards, own, read, tasks_switches, wait_for

# What rsync 3.2.7 says where nothing has changed. Without its statistics the sync would count as failed.
NOTHING = """receiving incremental file list

Number of files: 120 (reg: 112, dir: 8)
Number of created files: 0
Number of deleted files: 0
Number of regular files transferred: 0
Total file size: 73,400,320 bytes
Total transferred file size: 0 bytes
Literal data: 0 bytes
Matched data: 0 bytes
File list size: 2,841
File list generation time: 0.001 seconds
File list transfer time: 0.000 seconds
Total bytes sent: 28
Total bytes received: 2,884

sent 28 bytes  received 2,884 bytes  1,941.33 bytes/sec
total size is 73,400,320  speedup is 25,206.15
"""


def sizes():
    """Bytes of the static binaries that scripts/cross-build has left, by path; none of those for tests."""
    paths = sorted(glob.glob(os.path.join(TARGET, "dist", "irsync-*")))
    return {path: os.path.getsize(path) for path in paths if "+" not in path}


def idle(bench, jobs, then=lambda pid, folder: None, watched=5):
    """KiB that irsync and its guard have written to, each its part of what both share, and context switches in so many s, when
    every job has had its first sync."""
    command, folder = bench.ini(f"rsync = {bench.stamp}\ninterval = 1h", jobs=jobs)
    start = time.monotonic()
    pid, _ = bench.start(command, folder)
    wait_for(lambda: read(f"{folder}/log").count("next in") >= jobs, f"first syncs of {jobs} jobs")
    started = time.monotonic() - start
    # The status file is written a second later at most.
    settled = [0]

    def quiet():
        switches, now = tasks_switches(pid), time.monotonic()
        if switches != settled[0]:
            settled[:] = [switches, now]
        return now - settled[1] > 2

    wait_for(quiet, "quiet")
    mine, guard = own(pid), sum(own(g) for g in guards(pid))
    before = tasks_switches(pid)
    time.sleep(watched)
    woken = tasks_switches(pid) - before
    extra = then(pid, folder)
    return mine, guard, woken, started, bench.stop(pid), extra


def instruction_counts(bench):
    """By name; those that this machine can count."""
    counts = {}
    if shutil.which("valgrind"):
        counts["instructions per sync"] = counted(lambda runs: syncs(bench, runs), 10, 60)
        counts["instructions per kick"] = counted(lambda runs: kicks(bench, runs), 10, 60)
    if os.geteuid() == 0 and shutil.which("qemu-arm") and glob.glob(os.path.join(TARGET, "dist", "irsync-*-armv7")):
        counts["instructions per sync armv7"] = counted(lambda runs: syncs(bench, runs, emulated=True), 10, 60)
    return counts


def counted(count, few, many):
    """Instructions of one of what `count(N)` measures N of; by callgrind repeatable to some hundredths."""
    return (count(many) - count(few)) // (many - few)


def syncs(bench, runs, emulated=False):
    """Instructions of a run of so many syncs of nothing: by callgrind, or of the armv7 binary by QEMU's plugin."""
    folder = bench.new_folder()
    shim = f"{folder}/rsync"
    with open(shim, "w") as file:
        # Ends irsync, its parent, after so many syncs.
        file.write(f"#!/bin/sh\ncase $1 in -V | --version) echo 'rsync  version 3.2.7  protocol version 31'; exit;; esac\n"
                   f"echo >> {folder}/runs\n[ \"$(wc -l < {folder}/runs)\" -lt {runs} ] || kill $PPID\n"
                   f"cat <<'END'\n{NOTHING}END\n")
    os.chmod(shim, 0o755)
    command, work = bench.ini(f"rsync = {shim}\ninterval = 10ms\ndurable = no", source="rsync://server/media/")
    os.mkdir(f"{work}/d0")
    if emulated:
        command[0] = max(glob.glob(os.path.join(TARGET, "dist", "irsync-*-armv7")), key=os.path.getmtime)
        # Under the emulation irsync has to look through /proc after each sync: one with the same few processes each time.
        alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; :', "sh"]
        pid, _ = bench.start(alone + ["qemu-arm", "-plugin", plugin(bench)] + command, work, extra={"INSN_OUT": f"{folder}/count"})
        # The guard writes its own number, which is smaller: it was forked at the beginning.
        count = lambda: max(int(line) for line in read(f"{folder}/count").split())
    else:
        pid, count = callgrind(bench, command, work)
    wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] != 0, "a count", LIMIT * 2)
    return count()


def kicks(bench, wanted):
    """Instructions of a run that feeds a watchdog so many times (systemd's: it needs no device)."""
    command, folder = bench.ini(f"rsync = {bench.stamp}\ninterval = 1h")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{folder}/notify")
        notify.settimeout(LIMIT)
        pid, count = callgrind(bench, command, folder, {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "300000"})
        # Those of the first sync are not idle.
        wait_for(lambda: read(f"{folder}/log").count("next in") >= 1, "the first sync")
        while wanted:
            wanted -= notify.recv(4096).count(b"WATCHDOG=1")
        # In a namespace irsync is the only child of what made that; else it is the process itself.
        children = read(f"/proc/{pid}/task/{pid}/children").split() if os.geteuid() == 0 else []
        os.kill(int((children or [pid])[0]), signal.SIGTERM)
    wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] != 0, "the end")
    return count()


def callgrind(bench, command, folder, environment=None):
    """Starts it under callgrind; gives the pid and a question for its instructions, to be asked when it has ended."""
    out = f"{folder}/callgrind"
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}.%p"]
    if os.geteuid() == 0:
        # As PID 1 it has no guard. valgrind cannot execute /proc/self/exe, and a guard that is replaced again and again would count.
        valgrind = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] + valgrind
        pid, _ = bench.start(valgrind + command, folder, extra=environment)
        name = f"{out}.1"
    else:
        pid, _ = bench.start(valgrind + command, folder, extra=environment)
        name = f"{out}.{pid}"
    return pid, lambda: int(re.search(r"^(?:summary|totals): (\d+)", read(name), re.M)[1])


def plugin(bench):
    path = os.path.join(bench.folder, "insncount.so")
    if not os.path.exists(path):
        source = os.path.join(HERE, "insncount.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", path, source], check=True)
    return path
