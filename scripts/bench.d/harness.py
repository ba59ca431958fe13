"""The work that rows and records share: irsync and its peers started with the shim as rsync, and what /proc says of them."""

import glob
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
LIMIT = 120  # seconds that anything may take


def in_memory():
    """Where disks do not count, if there is room for the longest log; else None."""
    try:
        memory = os.statvfs("/dev/shm")
    except OSError:
        return None
    if memory.f_flag & os.ST_NOEXEC:
        return None
    return "/dev/shm" if memory.f_bavail * memory.f_frsize > 4 << 30 else None


def find_irsync():
    names = glob.glob(os.path.join(TARGET, "dist", f"irsync-*-{platform.machine()}"))
    if names:
        return max(names, key=os.path.getmtime)
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked"], cwd=ROOT, check=True)
    return os.path.join(TARGET, "release", "irsync")


def wait_for(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit} s")
        time.sleep(0.002)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def tasks_switches(pid):
    """Context switches of all threads: none means that nothing woke up."""
    count = 0
    for task in glob.glob(f"/proc/{pid}/task/*/status"):
        count += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", read(task)))
    return count


def is_at_work(pid):
    """Whether one of its threads ran within the last 0.2 s."""
    before = tasks_switches(pid)
    time.sleep(0.2)
    return tasks_switches(pid) != before


def private_dirty(pid):
    found = re.search(r"Private_Dirty:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"))
    return int(found[1]) if found else 0


def own(pid):
    """KiB that it has written to. Of what it shares with another process, which one has forked the other, its part (Linux 5.3)."""
    found = re.search(r"Pss_Anon:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"))
    return int(found[1]) if found else 0


def guards(pid):
    """irsync's guard: a process of the same program that holds the other end of its pipe."""
    pipes = {os.readlink(fd) for fd in glob.glob(f"/proc/{pid}/fd/*") if os.path.islink(fd)}
    found = []
    for comm in glob.glob("/proc/[0-9]*/comm"):
        other = comm.split("/")[2]
        if read(comm).strip() != "sync-guard":
            continue
        try:
            held = {os.readlink(fd) for fd in glob.glob(f"/proc/{other}/fd/*")}
        except OSError:
            continue
        if any(pipe.startswith("pipe:") for pipe in held & pipes):
            found.append(int(other))
    return found


def median(values):
    return statistics.median(values)


def show(name, **columns):
    print(f"{name:66}" + "  ".join(f"{key} {value}" for key, value in columns.items()), flush=True)


class Bench:
    def __init__(self, args, folder):
        self.folder, self.pairs = folder, args.pairs
        self.irsync = os.path.abspath(args.irsync) if args.irsync else find_irsync()
        self.peers = {name: command.split() for name, command in (peer.split("=", 1) for peer in args.peer)}
        self.stamp = os.path.join(folder, "shim", "rsync")
        os.mkdir(os.path.dirname(self.stamp))
        source = os.path.join(HERE, "stamp.c")
        subprocess.run(["cc", "-O2", "-static", "-o", self.stamp, source], check=True)
        self.count = 0
        size = os.path.getsize(self.irsync) // 1024
        print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}")
        print(f"irsync: {os.path.basename(self.irsync)}, {size} KiB; {self.pairs} pairs, medians", flush=True)

    def new_folder(self):
        self.count += 1
        path = os.path.join(self.folder, str(self.count))
        os.mkdir(path)
        return path

    def ini(self, job, glob="", jobs=1, source="/nowhere/"):
        """Writes a configuration whose jobs are alike and gives (command, folder)."""
        folder = self.new_folder()
        text = f"status_file = {folder}/status\n{glob}\n"
        for n in range(jobs):
            text += f"[job{n}]\nsource = {source}\ndestination = {folder}/d{n}/\njitter = 0\nspread = 0\n{job}\n"
        path = os.path.join(folder, "irsync.ini")
        with open(path, "w") as file:
            file.write(text)
        return [self.irsync, "--config", path], folder

    def start(self, command, folder, mode="quick", path=None, extra=None):
        """Starts it with the shim as rsync; gives pid and the moment before."""
        # As short as an init script's: every start of a program copies it.
        env = {"PATH": os.environ["PATH"], "STAMPS": f"{folder}/stamps", "STAMP_MODE": mode, **(extra or {})}
        if path:
            env["PATH"] = f"{path}:{env['PATH']}"
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        null = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        before = time.monotonic_ns()
        pid = os.posix_spawnp(command[0], command, env, file_actions=actions, setpgroup=0)
        os.close(log)
        os.close(null)
        return pid, before

    def stop(self, pid):
        """SIGTERM, and how long its end took."""
        before = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        end = before + 30
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
            time.sleep(0.002)
        try:  # what a peer has left behind
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
        return time.monotonic() - before

    def stamps(self, folder, what):
        return [int(line.split()[1]) for line in read(f"{folder}/stamps").splitlines() if line.split()[0] == what]

    def cpu(self, command, folder, path=None, done=None):
        """Processor seconds of it and all it waited for, wall seconds, and in KiB its peak memory and what it had afterwards
        (private, dirty; of the pid alone)."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        pid, _ = self.start(command, folder, path=path)
        peak = left = 0
        if done:
            wait_for(lambda: done(pid), "a run", LIMIT * 3)
            wall = time.monotonic() - start
            # It may still be at the end of what it was sent.
            wait_for(lambda: not is_at_work(pid), "quiet")
            found = re.search(r"VmHWM:\s+(\d+)", read(f"/proc/{pid}/status"))
            peak, left = int(found[1]) if found else 0, private_dirty(pid)
            self.stop(pid)
        else:
            os.waitpid(pid, 0)
            wall = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), wall, peak, left

    def loops(self, seconds, arguments):
        """The peers that run rsync again and again, by name."""
        found = {}
        if shutil.which("busybox"):
            script = f'while :; do rsync "$@"; sleep {seconds}; done'
            found["busybox"] = ["busybox", "sh", "-c", script, "sh"] + arguments
        for name, command in self.peers.items():
            found[name] = command + [f"--irsync-interval-seconds={seconds}"] + arguments
        return found
