#!/usr/bin/env python3
"""Proves irsync on whole boards: see `scripts/vm-test --help`."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from board import CACHE, HERE, Board, Failure, kvm_works, make_image, wait

TIMEOUT = 10  # the watchdog's, seconds
# The emulated hardware counts its timeout in two stages and QEMU's clock is the host's; what is added is our own time
# between the command and the answer on a busy machine.
SLACK = 20

INI = """\
log = syslog
watchdog_device = /dev/watchdog
watchdog_timeout = {timeout}
state_dir = /data/state
interval = 3s
jitter = 0
spread = 0
backoff_initial = 1s
backoff_max = 3s
activity_timeout = 60s
[tree]
source = rsync://10.0.2.2:{port}/tree/
destination = /data/tree/
options = -rlt --delete --contimeout=5
{more}
"""

SERVER = """\
address = 127.0.0.1
port = {port}
use chroot = no
{account}log file = {folder}/rsyncd.log
[tree]
path = {folder}/tree
read only = yes
"""


class Server:
    """An rsync daemon on the host's loopback, the board's 10.0.2.2."""

    def __init__(self, folder, port=0):
        self.folder, self.process = folder, None
        with socket.socket() as probe:
            # What the last one's connections left behind is no reason to fail.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            self.port = probe.getsockname()[1]
        (folder / "tree/sub").mkdir(parents=True)
        (folder / "tree/sub/a name with spaces").write_text("hello\n")
        (folder / "tree/big").write_bytes(bytes(range(256)) * 4000)
        # Started by root it would become nobody, who may not enter the folder.
        account = "uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""
        (folder / "rsyncd.conf").write_text(SERVER.format(port=self.port, folder=folder, account=account))
        self.start()

    def start(self):
        self.process = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={self.folder}/rsyncd.conf"],
                                        stdin=subprocess.DEVNULL)
        wait("the rsync daemon", 10, self.answers)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Story:
    """What every scenario has at hand."""

    destination = "/data/tree"

    def __init__(self, arch, binary, folder):
        self.server = Server(folder)
        self.folder = folder
        image = folder / "image.cpio.gz"
        make_image(arch, binary, self.ini(), image)
        self.board = Board(arch, image, folder)

    def ini(self, more=""):
        return INI.format(timeout=TIMEOUT, port=self.server.port, more=more)

    def irsync(self):
        """irsync's process id, or nothing. Not its guard's, and not that of a dead one that init has yet to bury."""
        def look():
            pids = self.board.run("for p in $(pidof irsync); do grep -qsx irsync /proc/$p/comm && "
                                  "grep -qs '^State:[[:space:]]*[^Z[:space:]]' /proc/$p/status && echo $p; done")[1].split()
            # The guard has irsync's name for the moment in which it is forked.
            return [(pids + [""])[0]] if len(pids) < 2 else None

        return wait("one irsync and no second one", 30, look)[0]

    def log(self):
        return self.board.run("grep -h irsync /var/log/messages")[1]

    def expect_sync(self, why):
        """A new file on the server arrives on the board's disk."""
        name = f"file-{time.time_ns()}"
        (self.folder / "tree" / name).write_text(why)
        wait(f"sync {why}", 90, lambda: self.board.run(f"cat {self.destination}/{name}")[1] == why)

    def expect_fed(self, seconds, why):
        """The board is not reset in the next `seconds`, and its watchdog stays armed."""
        since = time.time()
        while time.time() < since + seconds:
            time.sleep(1)
            if self.board.happened("WATCHDOG", since):
                raise Failure(f"{why}: the watchdog reset the board")
        state = self.board.output("cat /sys/class/watchdog/watchdog0/state")
        if state != "active":
            raise Failure(f"{why}: the watchdog is {state}")

    def expect_reset(self, since, limit):
        """The watchdog resets the board; seconds from `since`."""
        boots = self.board.boots()
        wait("WATCHDOG", limit, lambda: self.board.happened("WATCHDOG", since))
        at = self.board.happened("WATCHDOG", since)[0]
        wait("RESET", 10, lambda: self.board.happened("RESET", at))
        self.board.wait_boot(boots + 1)
        return f"{at - since:.1f} s"

    def cause(self):
        """What irsync says about the last boot."""
        def said():
            return [line for line in self.log().splitlines() if "last boot" in line]
        return wait("a word about the last boot", 30, said)[0]

    def expect_cause(self, words):
        cause = self.cause()
        if words not in cause:
            raise Failure(f"expected '{words}' of the last boot, irsync says: {cause}")


def boots_and_syncs(story):
    story.board.wait_boot(1)
    ready = time.time() - story.board.started
    story.expect_sync("after the first boot")
    story.board.output("cmp /data/tree/big /data/tree/big && test -f '/data/tree/sub/a name with spaces'")
    shown = story.board.output("cat /sys/class/watchdog/watchdog0/timeout")
    if int(shown) != TIMEOUT:
        raise Failure(f"the watchdog's timeout is {shown}")
    return f"ready in {ready:.1f} s"


def fed_for_three_timeouts(story):
    story.expect_fed(3 * TIMEOUT, "fed")
    return "no reset"


def killed(story):
    pid = story.irsync()
    story.board.output(f"sync; kill -9 {pid}")
    took = story.expect_reset(time.time(), TIMEOUT + SLACK)
    story.expect_cause("ended by the watchdog")
    story.expect_sync("after SIGKILL and reset")
    return took


def stopped_by_signal(story):
    pid = story.irsync()
    story.board.output(f"sync; kill -STOP {pid}")
    took = story.expect_reset(time.time(), TIMEOUT + SLACK)
    story.expect_sync("after SIGSTOP and reset")
    return took


def wedged_worker(story):
    story.board.output("sync; touch /run/wedge")
    since = time.time()
    # A worker is given up only after its own limit: the watchdog's timeout comes after that.
    took = story.expect_reset(since, 120 + TIMEOUT + SLACK)
    story.expect_sync("after a wedged worker and reset")
    return took


def server_gone(story):
    story.server.stop()
    try:
        story.expect_fed(4 * TIMEOUT, "server gone")
    finally:
        story.server.start()
    story.expect_sync("when the server is back")
    return "no reset"


def clock_jumps(story):
    # Not beyond January 2038: BusyBox on Debian 12's armhf still counts in 32 bits.
    for date in ["2037-12-01 00:00:00", "1999-01-01 00:00:00", "2026-06-01 00:00:00"]:
        story.board.output(f"date -s '{date}'")
        story.expect_sync(f"after the clock was set to {date}")
        story.expect_fed(TIMEOUT + 5, f"clock set to {date}")
    return "no effect"


def clean_stop(story):
    story.board.output("/etc/init.d/S60irsync stop")
    state = story.board.output("cat /sys/class/watchdog/watchdog0/state")
    if state != "inactive":
        raise Failure(f"after a clean stop the watchdog is {state}")
    if story.irsync() or story.board.run("pidof rsync")[0] == 0:
        raise Failure("after a clean stop there is still: " + story.board.run("ps")[1])
    since = time.time()
    time.sleep(2.5 * TIMEOUT)
    if story.board.happened("WATCHDOG", since):
        raise Failure("after a clean stop the watchdog reset the board")
    story.board.output("/etc/init.d/S60irsync start")
    story.expect_sync("started again")
    return "no reset"


def respawned_by_init(story):
    board = story.board
    board.output("/etc/init.d/S60irsync stop")
    # The last line of the recipe, as an owner would copy it.
    recipe = (HERE / "../../scripts/init/inittab.irsync").read_text().splitlines()[-1]
    board.output(f"cp /etc/inittab /run/inittab.old && echo '{recipe}' >> /etc/inittab && kill -HUP 1")
    first = wait("irsync by init", 30, story.irsync)
    story.expect_sync("by init")
    since = time.time()
    board.output(f"kill -9 {first}")
    wait("irsync again", 30, lambda: story.irsync() not in ("", first))
    story.expect_sync("after init's respawn")
    story.expect_fed(2 * TIMEOUT, "respawned")
    took = board.happened("WATCHDOG", since)
    if took:
        raise Failure("the watchdog reset the board although init started irsync again")
    # Back to the init script: init forgets the line, and what it started is stopped.
    board.output("cp /run/inittab.old /etc/inittab && kill -HUP 1; sleep 2; killall irsync; true")
    wait("irsync gone", 30, lambda: not story.irsync())
    board.output("/etc/init.d/S60irsync start")
    story.expect_sync("by the init script again")
    return "no reset"


def device_held(story):
    board = story.board
    board.output("/etc/init.d/S60irsync stop && watchdog -t 2 -T 30 /dev/watchdog && /etc/init.d/S60irsync start")
    story.expect_sync("without the device")
    wait("the holder's name", 10, lambda: "watchdog (process " in story.log())
    held = board.output("irsync check")
    if "watchdog (process " not in held:
        raise Failure(f"irsync check does not name the holder: {held}")
    board.output("/etc/init.d/S60irsync stop && killall watchdog")
    wait("the holder gone", 10, lambda: not board.run("pidof watchdog")[1])
    board.output("/etc/init.d/S60irsync start")
    story.expect_sync("with the device again")
    story.expect_fed(TIMEOUT + 5, "device had again")
    return "named; syncs"


def reboot_after(story):
    board, after = story.board, 30
    story.server.stop()
    try:
        board.output("cat > /data/irsync.ini <<'E'\n" + story.ini(f"reboot_after = {after}s") + "E\n"
                     "chmod 600 /data/irsync.ini && cp /data/irsync.ini /etc/irsync.ini && /etc/init.d/S60irsync restart && sync")
        since = time.time()
        took = story.expect_reset(since, after + TIMEOUT + SLACK)
        story.expect_cause("reboot_after of job tree")
        # The budget is spent, and no clock changes that.
        for date in ["2037-12-01 00:00:00", "1999-01-01 00:00:00"]:
            board.output(f"date -s '{date}'")
            story.expect_fed(after + 2 * TIMEOUT, f"budget spent, clock set to {date}")
    finally:
        story.server.start()
    story.expect_sync("when the server is back")
    return f"{took}, then none"


def damaged_record(story):
    board, after = story.board, 30
    board.output("/etc/init.d/S60irsync stop && echo 'irsync boot rec' > /data/state/boot-record && sync")
    story.server.stop()
    try:
        board.output("/etc/init.d/S60irsync start")
        story.expect_fed(after + 2 * TIMEOUT, "damaged boot record")
    finally:
        story.server.start()
    return "no reset"


def powers_off(story):
    story.board.run("(sleep 1; poweroff) > /dev/null 2>&1 &")
    wait("SHUTDOWN", 60, lambda: story.board.happened("SHUTDOWN"))
    if story.board.console.read_bytes().count(b"BOARD-STOPS") == 0:
        raise Failure("the init scripts were not stopped")
    return "clean"


SCENARIOS = {
    "boots, syncs": boots_and_syncs,
    "fed for 3 timeouts": fed_for_three_timeouts,
    "SIGKILL": killed,
    "SIGSTOP": stopped_by_signal,
    "wedged worker": wedged_worker,
    "server gone for 4 timeouts": server_gone,
    "clock years forward and back": clock_jumps,
    "killed, init respawns": respawned_by_init,
    "clean stop": clean_stop,
    "device held by another process": device_held,
    "reboot_after 30 s, limit 1": reboot_after,
    "damaged boot record": damaged_record,
    "poweroff": powers_off,
}

# The slow half.
LONG = ("wedged worker", "reboot_after 30 s, limit 1", "damaged boot record", "poweroff")


def prove(arch, tell, scenarios, keep):
    """Runs the scenarios on one board, that of the story which `tell` makes in a folder: {scenario: result}, and whether
    all held."""
    folder = Path(tempfile.mkdtemp(prefix=f"irsync-vm-{arch}-"))
    story, results, good = None, {}, True
    try:
        story = tell(folder)
        for name, scenario in scenarios.items():
            began = time.time()
            try:
                results[name] = scenario(story)
            except (Failure, OSError, ValueError) as failure:
                results[name], good = f"FAILED: {failure}", False
            print(f"{arch:8} {name:30} {results[name]}  [{time.time() - began:.0f} s]", flush=True)
            if not good:
                break
        if not good:
            keep = True
            print(f"--- {arch}: irsync's log in the board\n" + "\n".join(story.log().splitlines()[-40:]))
    except Failure as failure:
        good, keep = False, True
        print(f"{arch:8} {failure}", flush=True)
    finally:
        if story:
            results["QEMU's accelerator"] = story.board.accel
            story.board.stop()
            story.server.stop()
        if keep:
            print(f"--- {arch}: console, events and disk are in {folder}", flush=True)
        else:
            shutil.rmtree(folder)
    return results, good


def halves(scenarios):
    """The scenarios for two boards: each boots; those of LONG, which build on each other, are for one of them."""
    first = [name for name in scenarios if name not in LONG]
    second = ["boots, syncs"] + [name for name in scenarios if name in LONG]
    return [{name: scenarios[name] for name in names} for names in (first, second) if len(names) > 1]


def table(results):
    """The table of docs/watchdog.md."""
    archs = list(results)
    lines = ["| scenario | " + " | ".join(archs) + " |", "|---" * (len(archs) + 1) + "|"]
    for name in [*SCENARIOS, "QEMU's accelerator"]:
        if any(name in results[arch] for arch in archs):
            lines.append(f"| {name} | " + " | ".join(results[arch].get(name, "") for arch in archs) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="vm-test", description=f"Boots whole boards with a hardware watchdog "
                                     f"(timeout {TIMEOUT} s) and real kernels under QEMU, and breaks irsync on them.")
    parser.add_argument("arch", nargs="*", default=["x86_64", "aarch64", "armv7"], help="x86_64, aarch64, armv7")
    parser.add_argument("--binary", action="append", default=[], metavar="ARCH=FILE",
                        help="a static irsync with the feature fault-injection")
    parser.add_argument("--only", action="append", help="only the scenarios whose name contains this word")
    parser.add_argument("--keep", action="store_true", help="keep console, events and disk")
    options = parser.parse_args()
    binaries = dict(pair.split("=", 1) for pair in options.binary)
    for arch in options.arch:
        if not (CACHE / "board" / arch / "kernel").exists():
            subprocess.run([HERE / "fetch-board", arch], check=True)
    if "x86_64" in options.arch:
        kvm_works()
    chosen = {name: scenario for name, scenario in SCENARIOS.items()
              if not options.only or name == "boots, syncs" or any(word in name for word in options.only)}
    # Most of a scenario is waiting: the boards run side by side, and one alone is made two that share the scenarios.
    shares = halves(chosen) if len(options.arch) == 1 else [chosen]
    with ThreadPoolExecutor() as pool:
        boards = [(arch, pool.submit(prove, arch, partial(Story, arch, Path(binaries[arch]).resolve()), share, options.keep))
                  for arch in options.arch for share in shares]
    results = {arch: {} for arch in options.arch}
    for arch, board in boards:
        results[arch].update(board.result()[0])
    print("\n" + table(results))
    return 0 if all(board.result()[1] for _, board in boards) else 1


if __name__ == "__main__":
    sys.exit(main())
