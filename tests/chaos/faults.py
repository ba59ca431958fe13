"""What may happen. Each fault is a function that does it and gives what undoes it, or nothing."""

import os
import resource
import signal
import shutil
import socket
import subprocess
import time

from watch import processes, send
from world import HERE

FAULTS = []


def fault(weight):
    """Takes a function among the faults; it happens that much more often than one of weight 1."""

    def take(function):
        FAULTS.extend([function] * weight)
        return function

    return take


def tree(chaos):
    """irsync's processes: what is not of our session, the daemon's or irsync itself."""
    daemon = chaos.world.daemon.pid if chaos.world.daemon else 0
    others = [one for one in processes() if one.pid != chaos.pid and one.session not in (daemon, os.getsid(0))]
    return [one for one in others if one.state != "Z"]


@fault(8)
def a_process_is_sent_a_signal(chaos):
    number = chaos.random.choice((signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL, signal.SIGTERM))
    found = tree(chaos)
    if found:
        one = chaos.random.choice(found)
        chaos.tell(f"{number.name} to {one.name} ({one.pid})")
        send(one.pid, number)


@fault(3)
def the_guard_is_sent_a_signal(chaos):
    number = chaos.random.choice((signal.SIGSTOP, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
    for one in processes():
        if one.name == "sync-guard":
            chaos.tell(f"{number.name}")
            send(one.pid, number)


@fault(2)
def signals_storm(chaos):
    end = time.monotonic() + chaos.random.uniform(0.05, 0.4)
    kinds = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGWINCH]
    chaos.was_asked(60)
    while time.monotonic() < end:
        send(chaos.pid, chaos.random.choice(kinds))
        time.sleep(0.002)
    chaos.was_asked(60)


@fault(2)
def irsync_stands_still(chaos):
    chaos.watch.stand_still(True)
    send(chaos.pid, signal.SIGSTOP)
    time.sleep(chaos.random.uniform(0.2, 2.5))
    send(chaos.pid, signal.SIGCONT)
    chaos.watch.stand_still(False)


@fault(2)
def the_daemon_is_killed(chaos):
    chaos.world.signal_daemon(signal.SIGKILL)
    return chaos.world.serve


@fault(2)
def the_daemon_is_silent(chaos):
    chaos.world.signal_daemon(signal.SIGSTOP)
    return chaos.world.serve


@fault(2)
def somebody_else_answers(chaos):
    answers = (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"@RSYNCD: 31.0\n@ERROR: max connections (1) reached\n",
               b"@RSYNCD: 31.0\n@RSYNCD: EXIT\n", chaos.random.randbytes(3000), b"@RSYNCD: 31.0\n" + b"x" * 100_000)
    chaos.world.mislead(chaos.random.choice(answers))
    return chaos.world.serve


@fault(2)
def the_card_is_full(chaos):
    path = chaos.world.card / ".filler"

    def undo():
        remount(chaos, "rw")
        path.unlink(missing_ok=True)

    try:
        with open(path, "wb", buffering=0) as file:
            while file.write(b"x" * 65536) == 65536:
                pass
    except OSError:
        pass
    return undo


def remount(chaos, mode):
    for _ in range(100):
        # EBUSY while somebody writes.
        if subprocess.run(["mount", "-o", f"remount,{mode}", chaos.world.card], capture_output=True).returncode == 0:
            return True
        time.sleep(0.02)
    return False


@fault(2)
def the_card_is_read_only(chaos):
    if remount(chaos, "ro"):
        return lambda: remount(chaos, "rw")


@fault(2)
def a_destination_is_gone(chaos):
    job = chaos.random.choice(chaos.world.jobs)
    away = job.target.with_name(f".{job.name}.away")
    if away.exists() or not job.target.is_dir():
        return None
    as_file = chaos.random.random() < 0.5
    chaos.tell(f"{job.name}, {'a file is in its place' if as_file else 'nothing is'}")

    def undo():
        remount(chaos, "rw")
        if job.target.is_file():
            job.target.unlink()
        elif job.target.is_dir():
            shutil.rmtree(job.target, ignore_errors=True)
        if not job.target.exists():
            away.rename(job.target)

    try:
        job.target.rename(away)
        if as_file:
            job.target.write_text("a file\n")
    except OSError:
        pass
    return undo if away.exists() else None


@fault(6)
def rsync_misbehaves(chaos):
    job = chaos.random.choice(chaos.world.jobs)
    mode = chaos.random.choice(("slow", "forking", "deaf", "silent", "closed", "flooding", "letters", "crash", "starved",
                                "exit-12", "exit-23", "exit-5", "late-12"))
    chaos.tell(f"{job.name}: {mode}")
    path = chaos.world.home / "modes" / job.name
    path.write_text(f"{mode}\n")
    return lambda: path.write_text("well\n")


@fault(2)
def rsync_is_another(chaos):
    job = chaos.random.choice(chaos.world.jobs)
    way = chaos.random.choice(("missing", "replaced", "not executable", "no program"))
    chaos.tell(f"{job.name}: {way}")
    new = job.program.with_name(f".{job.name}")

    def undo():
        shutil.copy(HERE / "rsync", new)
        new.rename(job.program)

    if way == "missing":
        job.program.unlink(missing_ok=True)
    elif way == "replaced":
        undo()
    elif way == "not executable":
        job.program.exists() and job.program.chmod(0o644)
    else:
        new.write_text("no program\n")
        new.chmod(0o755)
        new.rename(job.program)
    return undo


@fault(2)
def a_hook_misbehaves(chaos):
    job = chaos.random.choice([job for job in chaos.world.jobs if job.has_hooks] or chaos.world.jobs)
    path = chaos.world.home / "modes" / f"hook-{job.name}"
    path.write_text(chaos.random.choice(("silent", "exit-3", "leaving", "deaf-to-changes")) + "\n")
    return lambda: path.write_text("well\n")


@fault(2)
def the_run_folder_is_removed(chaos):
    shutil.rmtree(chaos.world.home / "run", ignore_errors=True)


@fault(1)
def the_log_is_removed(chaos):
    chaos.keep_log()
    (chaos.world.home / "log").unlink(missing_ok=True)


@fault(3)
def the_configuration_is_another(chaos):
    way = chaos.random.choice(("bad", "empty", "missing", "fewer jobs", "another interval"))
    chaos.tell(way)
    # What a job owes it owes no more when it is not in the configuration.
    chaos.forgets |= way in ("empty", "fewer jobs")
    parts = chaos.world.good.split("\n[")
    text = {"bad": chaos.world.good + "\nno_such_key = 1\n", "empty": "", "missing": None,
            "fewer jobs": "\n[".join(parts[: chaos.random.randint(1, len(parts))]) + "\n",
            "another interval": chaos.world.good.replace("\ninterval = ", "\ninterval = 1")}[way]
    if text is None:
        (chaos.world.home / "irsync.ini").unlink(missing_ok=True)
    else:
        chaos.world.configure(text)
    chaos.was_asked()
    send(chaos.pid, signal.SIGHUP)

    def undo():
        chaos.world.configure()
        chaos.was_asked()
        send(chaos.pid, signal.SIGHUP)

    return undo


LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE)


@fault(2)
def limits_are_low(chaos):
    kind = chaos.random.choice(LIMITS)
    old = chaos.limits[kind]
    held = len(os.listdir(f"/proc/{chaos.pid}/fd"))
    low = {resource.RLIMIT_NOFILE: held + chaos.random.randint(0, 6), resource.RLIMIT_NPROC: 1, resource.RLIMIT_FSIZE: 100_000}[kind]
    chaos.tell(f"{kind}: {low}")
    resource.prlimit(chaos.pid, kind, (low, old[1]))
    return lambda: resource.prlimit(chaos.pid, kind, old)


@fault(1)
def the_socket_is_sent_nonsense(chaos):
    chaos.was_asked()
    for text in (b"", b"now", b"\xff" * 2000, b"stop\0", chaos.random.randbytes(100)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            try:
                asker.setblocking(False)
                asker.sendto(text, str(chaos.world.home / "run/status.control"))
            except OSError:
                pass


@fault(3)
def the_source_changes(chaos):
    job = chaos.random.choice(chaos.world.jobs)
    files = sorted(path for path in job.source.rglob("file*"))
    if files and chaos.random.random() < 0.3:
        chaos.random.choice(files).unlink()
    job.write(f"file{chaos.random.randint(0, 30)}")
    job.advance()


@fault(1)
def a_source_is_emptied(chaos):
    job = chaos.random.choice(chaos.world.jobs)
    away = job.source.with_name(f".{job.name}.away")
    if away.exists():
        return None
    shutil.copytree(job.source, away)
    before = len(list(job.target.rglob("file*"))) if job.target.is_dir() else 0
    number = chaos.done.get(a_destination_is_gone.__name__, 0)
    chaos.tell(job.name)
    for path in list(job.source.rglob("*")):
        path.is_file() and path.unlink()

    def undo():
        left = len(list(job.target.rglob("file*"))) if job.target.is_dir() else 0
        untouched = chaos.done.get(a_destination_is_gone.__name__, 0) == number
        if untouched and before >= 4 and left == 0:
            chaos.watch.complain(f"{job.name}: {before} files were deleted because the source was empty")
        for path in away.rglob("*"):
            if path.is_file() and not (job.source / path.relative_to(away)).exists():
                (job.source / path.relative_to(away).parent).mkdir(exist_ok=True)
                shutil.copy2(path, job.source / path.relative_to(away))
        shutil.rmtree(away)

    return undo
