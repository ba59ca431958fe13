"""The rows, each a function of the harness; what one prints is named in the table of docs/measured.md."""

import glob
import os
import re
import shutil
import subprocess

import measures
from fleet import fleet
from harness import median, read, show, wait_for

FILES = 200_000
FLOOD_LINES = 5_000_000
PEER_LINES = 100_000  # of which a peer may need an hour
JOBS = 1_000


def list_row(bench):
    source = os.path.join(bench.folder, "files")
    if not os.path.isdir(source):
        for n in range(FILES):
            if n % 1000 == 0:
                os.makedirs(f"{source}/{n // 1000}")
            with open(f"{source}/{n // 1000}/{n}", "w") as file:
                file.write("x")
    rsync = shutil.which("rsync")
    # A dry run is an order that irsync refuses. With -vv rsync names each file that is up to date, and copies none.
    target = os.path.join(bench.folder, "copy")
    subprocess.run([rsync, "-rlt", f"{source}/", f"{target}/"], check=True)
    args = ["-rltvv", f"{source}/", f"{target}/"]
    bare = ["sh", "-c", 'rsync "$@" | cat > /dev/null', "sh"] + args
    command, folder = bench.ini("")
    with open(f"{folder}/irsync.ini", "w") as file:
        file.write(f"status_file = {folder}/status\n[list]\nsource = {source}/\ndestination = {target}/\n")
        file.write(f"options = -rltvv\nrsync = {rsync}\n")
    work = {"bare": (bare, folder, None), "irsync": (command + ["once"], folder, None)}
    for name, peer in bench.loops(100_000, args).items():
        if name != "busybox":
            work[name] = (peer, bench.new_folder(), had_a_child())
    times = {name: [] for name in work}
    for _ in range(bench.pairs):
        for name, (command, folder, done) in work.items():
            times[name].append(bench.cpu(command, folder, done=done and had_a_child())[0])
    bare = times.pop("bare")
    for name, values in times.items():
        ratio = median([a / b for a, b in zip(values, bare)])
        show(f"list of {FILES:,} files, CPU of everything: {name}", ratio=f"{ratio:.2f}x",
             cpu=f"{median(values):.2f} s", bare=f"{median(bare):.2f} s")


def had_a_child():
    """A question for a pid: has it had a child, and has it none any more?"""
    seen = set()

    def done(pid):
        children = set()
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            children.update(read(path).split())
        children = {c for c in children if read(f"/proc/{c}/stat").rpartition(") ")[2][:1] != "Z"}
        seen.update(children)
        return seen and not children

    return done


def flood(bench):
    lines, block = 5_000, bench.new_folder() + "/block"
    with open(block, "w") as file:
        for n in range(lines):
            file.write(f"{n:08} ".ljust(79, "x") + "\n")
    shim, short = bench.new_folder(), bench.new_folder()
    # It stamps its own end, which its reader cannot be far behind: no more than a pipe holds.
    for path, wanted in (shim, FLOOD_LINES), (short, PEER_LINES):
        with open(f"{path}/rsync", "w") as file:
            file.write("#!/bin/sh\ncase $1 in -V | --version) echo 'rsync  version 3.2.7  protocol version 31'; exit;; esac\n")
            file.write("cat" + f" {block}" * (wanted // lines) + " || exit\necho end > \"$STAMPS\"\n")
        os.chmod(f"{path}/rsync", 0o755)
    job = f"rsync = {shim}/rsync\ninterval = 1h"
    bare = ["sh", "-c", f"{shim}/rsync | cat > /dev/null; exec sleep 1000"]
    work = {"cat": lambda: (bare, bench.new_folder())}
    work["irsync, not logged"] = lambda: bench.ini(job)
    work["irsync, debug to a file"] = lambda: logging_to_a_file(bench, job)
    ours = list(work)
    for name, command in bench.loops(100_000, ["a", "b"]).items():
        if name != "busybox":
            work[name] = lambda command=command: (command, bench.new_folder())
    walls, cpus, peaks, afters, lost = ({name: [] for name in work} for _ in range(5))
    for _ in range(bench.pairs):
        for name, prepare in work.items():
            command, folder = prepare()
            sent, path = (FLOOD_LINES, shim) if name in ours else (PEER_LINES, short)
            cpu, wall, peak, after = bench.cpu(command, folder, path, lambda pid: read(f"{folder}/stamps"))
            walls[name].append(wall / sent)
            cpus[name].append(cpu * 1e6 / sent)
            peaks[name].append(peak)
            afters[name].append(after)
            if os.path.exists(f"{folder}/file"):
                lost[name].append(sum(int(n) for n in re.findall(r"(\d+) log lines? lost", tail_of_losses(f"{folder}/file"))))
                os.remove(f"{folder}/file")
    for name in list(walls)[1:]:
        rate = median([a / b for a, b in zip(walls["cat"], walls[name])])
        cpu = median([a - b for a, b in zip(cpus[name], cpus["cat"])])
        extra = {"lost": f"{median(lost[name]) / FLOOD_LINES:.1%}"} if lost[name] else {}
        show(f"flood of {FLOOD_LINES:,} lines of 80 bytes: {name}", speed=f"{rate:.4f} of cat",
             cpu=f"{cpu:.2f} s per million lines over cat's", peak=f"{median(peaks[name])} KiB",
             after=f"{median(afters[name])} KiB", **extra)


def logging_to_a_file(bench, job):
    command, folder = bench.ini(job, "log_level = debug\nlog_max_size = 1G")
    with open(f"{folder}/irsync.ini") as file:
        text = file.read()
    with open(f"{folder}/irsync.ini", "w") as file:
        file.write(f"log = {folder}/file\n" + text)
    return command, folder


def tail_of_losses(path):
    found = subprocess.run(["grep", "-a", "lost: the log", path], capture_output=True, text=True, check=False)
    return found.stdout


def exec_row(bench):
    work = {"irsync": lambda: bench.ini(f"rsync = {bench.stamp}\ninterval = 1h")}
    for name, command in bench.loops(100_000, ["a", "b"]).items():
        work[name] = lambda command=command: (command, bench.new_folder())
    times = {name: [] for name in ["irsync, its question for rsync's version", *work]}
    for _ in range(bench.pairs * 4):
        for name, prepare in work.items():
            command, folder = prepare()
            pid, before = bench.start(command, folder, path=os.path.dirname(bench.stamp))
            wait_for(lambda: bench.stamps(folder, "end"), name)
            times[name].append((bench.stamps(folder, "start")[0] - before) / 1e6)
            for asked in bench.stamps(folder, "asked")[:1]:
                times[name + ", its question for rsync's version"].append((asked - before) / 1e6)
            bench.stop(pid)
    for name, values in times.items():
        show(f"exec to first rsync: {name}", median=f"{median(values):.2f} ms", best=f"{min(values):.2f} ms")


def interval(bench):
    work = {"irsync": bench.ini(f"rsync = {bench.stamp}\ninterval = 1s")}
    for name, command in bench.loops(1, ["a", "b"]).items():
        work[name] = command, bench.new_folder()
    runs = bench.pairs * 2 + 1
    pids = [bench.start(command, folder, path=os.path.dirname(bench.stamp))[0] for command, folder in work.values()]
    wait_for(lambda: all(len(bench.stamps(f, "end")) >= runs for _, f in work.values()), "intervals")
    for pid in pids:
        bench.stop(pid)
    for name, (_, folder) in work.items():
        starts, ends = bench.stamps(folder, "start"), bench.stamps(folder, "end")
        errors = [(b - a) / 1e6 - 1000 for a, b in zip(ends, starts[1:])]
        show(f"interval of 1 s, end to start: {name}", error=f"{median(errors):.2f} ms", worst=f"{max(errors):.2f} ms")


def timing(bench):
    command, folder = bench.ini(f"rsync = {bench.stamp}\ninterval = 10ms\nbackoff_initial = 10ms\nbackoff_max = 10ms\n"
                               "activity_timeout = 500ms\nmax_runtime = off")
    runs = bench.pairs + 1
    pid, _ = bench.start(command, folder, "silent")
    wait_for(lambda: len(bench.stamps(folder, "term")) >= 1, "the first limit")
    first = (bench.stamps(folder, "term")[0] - bench.stamps(folder, "wrote")[0]) / 1e6 - 500
    bench.stop(pid)
    errors = [first]
    while len(errors) < runs:
        os.remove(f"{folder}/stamps")
        pid, _ = bench.start(command, folder, "silent")
        wait_for(lambda: bench.stamps(folder, "term"), "a limit")
        errors.append((bench.stamps(folder, "term")[0] - bench.stamps(folder, "wrote")[0]) / 1e6 - 500)
        bench.stop(pid)
    show("end of activity limit to SIGTERM: irsync", median=f"{median(errors):.2f} ms", worst=f"{max(errors):.2f} ms")
    command, folder = bench.ini(f"rsync = {bench.stamp}\ninterval = 500ms")
    pid, _ = bench.start(command, folder, "holder")
    wait_for(lambda: len(bench.stamps(folder, "end")) > runs, "syncs with a grandchild")
    bench.stop(pid)
    starts, ends = bench.stamps(folder, "start"), bench.stamps(folder, "end")
    errors = [(b - a) / 1e6 - 500 for a, b in zip(ends, starts[1:])]
    show("exit noticed and next sync planned, a grandchild holds the pipe", median=f"{median(errors):.2f} ms",
         worst=f"{max(errors):.2f} ms")


def instructions(bench):
    counts = measures.instruction_counts(bench)
    for name, count in counts.items():
        per_hour = count * (720 if "kick" in name else 120)
        what = "kicks of a 15 s watchdog" if "kick" in name else "syncs, nothing between"
        show(name, count=f"{count:,}", hour=f"{per_hour:,} ({per_hour // count} {what})")
    if not counts:
        show("instructions", skipped="neither valgrind nor, as root, qemu-user")


def memory(bench):
    sizes = {}
    for jobs in (1, 11, 101):
        mine, guard, woken, *_ = measures.idle(bench, jobs)
        sizes[jobs] = mine + guard
        show(f"idle, anonymous memory, {jobs} job{'s' * (jobs > 1)}", sum=f"{mine + guard} KiB", irsync=f"{mine}",
             guard=f"{guard}", switches=f"{woken} in 5 s")
    show("the same, each further job", kib=f"{(sizes[101] - sizes[1]) / 100:.1f} KiB")


def many(bench):
    mine, guard, woken, started, stopped, _ = measures.idle(bench, JOBS)
    show(f"{JOBS} jobs in one irsync", first_syncs=f"{started:.1f} s", dirty=f"{mine + guard} KiB",
         switches=f"{woken} in 5 s", stops=f"{stopped:.2f} s")
    command, folder = bench.ini(f"rsync = {bench.stamp}\nstop_timeout = 5s", jobs=JOBS)
    pid, _ = bench.start(command, folder, "silent")
    wait_for(lambda: len(bench.stamps(folder, "wrote")) >= JOBS, "running syncs")
    show(f"{JOBS} jobs, all of them in a sync", stops=f"{bench.stop(pid):.2f} s")


def size(_):
    for path, found in measures.sizes().items():
        show(f"size of {os.path.basename(path)}", size=f"{found // 1024} KiB")


ROWS = {"list": list_row, "flood": flood, "exec": exec_row, "interval": interval, "timing": timing, "instructions": instructions,
        "memory": memory, "many": many, "size": size, "fleet": fleet}
