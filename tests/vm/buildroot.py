#!/usr/bin/env python3
"""Boots an image that Buildroot made and proves what its irsync does there (tests/packaging/buildroot.sh calls it).

To the image come only the drivers of the kernel it boots with, Debian's, and what lets the test run commands in it."""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from board import CACHE, HERE, Board, Failure, wait
from scenarios import SLACK, TIMEOUT, Server, Story, prove


def with_drivers(arch, image, out):
    """The image and behind it a second archive with modules and scripts. No folder of the image's is in that: where the
    image has a link in its place, as with a merged /usr, the link would be lost."""
    tree = out.with_suffix(".tree")
    shutil.copytree(CACHE / "board" / arch / "root/lib/modules", tree / "lib/modules")
    for source, name in [("sbin/board-agent", "sbin/board-agent"), ("etc/init.d/S00board", "etc/init.d/S00board"),
                         ("etc/init.d/board-ready", "etc/init.d/S99board-ready")]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "root" / source, tree / name)
    archive = "find lib/modules sbin/* etc/init.d/* | cpio -o -H newc -R 0:0 --quiet | gzip -1"
    subprocess.run(["sh", "-c", f'{archive} | cat "$1" - > "$2"', "sh", image, out], check=True, cwd=tree)
    shutil.rmtree(tree)


class ImageStory(Story):
    """A board of which nothing but the image's own init has started anything."""

    destination = "/srv/media"

    def __init__(self, arch, image, port, folder):
        with_drivers(arch, image, folder / "image.cpio.gz")
        self.folder, self.server = folder, Server(folder, port)
        try:
            self.board = Board(arch, folder / "image.cpio.gz", folder)
        except Exception:
            # Nobody else knows of it yet.
            self.server.stop()
            raise

    def log(self):
        return self.board.run("grep -h 'irsync\\[' /var/log/messages")[1]

    def on_console(self, words):
        """How often these words were printed there."""
        return self.board.console.read_bytes().count(words.encode())

    def expect_armed(self):
        """The watchdog is irsync's, with the timeout of the image's irsync.ini."""
        shown = self.board.output("cd /sys/class/watchdog/watchdog0 && cat state timeout").split()
        if shown != ["active", str(TIMEOUT)]:
            raise Failure(f"the watchdog is {shown}")
        opened = self.board.output(f"for fd in /proc/{self.irsync()}/fd/*; do readlink $fd; done").split()
        if "/dev/watchdog" not in opened:
            raise Failure(f"irsync has not opened the watchdog, but {opened}")


def boots_and_syncs(story):
    story.board.wait_boot(1)
    ready = time.time() - story.board.started
    story.expect_sync("after the first boot")
    story.board.output("cmp /srv/media/big /srv/media/big && test -f '/srv/media/sub/a name with spaces'")
    story.expect_armed()
    mode = story.board.output("ls -l /etc/irsync.ini | awk '{ print $1, $3, $4 }'")
    if mode != "-rw-r----- root root":
        raise Failure(f"/etc/irsync.ini is {mode}")
    return f"ready in {ready:.0f} s"


def started_by_script(story):
    board = story.board
    if story.on_console("Starting irsync: OK") != 1:
        raise Failure("the console does not say that irsync was started: " + board.console.read_text(errors="replace")[-2000:])
    if board.output("/etc/init.d/S60irsync status") != "irsync is running":
        raise Failure("S60irsync does not say that irsync runs")
    pid = story.irsync()
    if board.output("cat /var/run/irsync.pid") != pid:
        raise Failure(f"the pid file is not of process {pid}")
    board.output("/etc/init.d/S60irsync reload")
    wait("a word about the reload", 30, lambda: "SIGHUP: configuration read" in story.log())
    if story.irsync() != pid:
        raise Failure("a reload is not the end of irsync")
    story.expect_sync("after a reload")
    return f"process {pid}"


def fed_for_three_timeouts(story):
    story.expect_fed(3 * TIMEOUT, "fed")
    return "no reset"


def killed(story):
    story.board.output(f"kill -9 {story.irsync()}")
    took = story.expect_reset(time.time(), TIMEOUT + SLACK)
    story.expect_sync("after SIGKILL and reset")
    story.expect_armed()
    # WDIOF_CARDRESET: irsync itself tells it only with a state_dir, which a root in memory has no place for.
    status = story.board.output("cat /sys/class/watchdog/watchdog0/bootstatus")
    if status != "32":
        raise Failure(f"the watchdog's word about the last boot is {status}")
    return took


def stopped_and_started(story):
    board = story.board
    board.output("/etc/init.d/S60irsync stop")
    state = board.output("cat /sys/class/watchdog/watchdog0/state")
    if state != "inactive" or story.irsync():
        raise Failure(f"after a stop the watchdog is {state}, irsync's process '{story.irsync()}'")
    if board.run("/etc/init.d/S60irsync status") != (3, "irsync is not running"):
        raise Failure("S60irsync does not say that irsync is stopped")
    board.output("/etc/init.d/S60irsync start")
    story.expect_sync("started again")
    story.expect_armed()
    return "disarmed, armed"


def restarted_by_script(story):
    first = story.irsync()
    story.board.output("/etc/init.d/S60irsync restart")
    if story.irsync() in ("", first):
        raise Failure("it is still the same irsync")
    story.expect_sync("restarted")
    return "another process"


def started_by_init(story):
    board = story.board
    if board.run("ls /etc/init.d/S60irsync")[0] == 0:
        raise Failure("there is an init script as well")
    parent = board.output(f"awk '/^PPid/ {{ print $2 }}' /proc/{story.irsync()}/status")
    if parent != "1":
        raise Failure(f"irsync is a child of {parent}")
    return board.output("grep irsync /etc/inittab")


def respawned(story):
    board, first, since = story.board, story.irsync(), time.time()
    board.output(f"kill -9 {first}")
    wait("irsync again", 30, lambda: story.irsync() not in ("", first))
    story.expect_sync("after init's respawn")
    story.expect_armed()
    story.expect_fed(3 * TIMEOUT, "respawned")
    if board.happened("WATCHDOG", since):
        raise Failure("the watchdog reset the board although init started irsync again")
    return "no reset"


def powers_off(story):
    stops = story.on_console("Stopping irsync: OK")
    script = story.board.run("ls /etc/init.d/S60irsync")[0] == 0
    story.board.run("(sleep 1; poweroff) > /dev/null 2>&1 &")
    wait("SHUTDOWN", 60, lambda: story.board.happened("SHUTDOWN"))
    if script and story.on_console("Stopping irsync: OK") != stops + 1:
        raise Failure("init did not stop irsync")
    return "clean"


BY_SCRIPT = {
    "boots, syncs": boots_and_syncs,
    "started by S60irsync": started_by_script,
    "fed for 3 timeouts": fed_for_three_timeouts,
    "SIGKILL": killed,
    "S60irsync stop, start": stopped_and_started,
    "S60irsync restart": restarted_by_script,
    "poweroff": powers_off,
}
BY_INIT = {
    "boots, syncs": boots_and_syncs,
    "started by init": started_by_init,
    "killed, init respawns": respawned,
    "poweroff": powers_off,
}


def main():
    parser = argparse.ArgumentParser(description="Boots an image of Buildroot's and proves its irsync.")
    parser.add_argument("arch", help="x86_64, aarch64, armv7")
    parser.add_argument("image", type=Path, help="rootfs.cpio.gz, its irsync.ini that of buildroot/board/qemu with "
                        f"another port, watchdog_timeout = {TIMEOUT}s, module [tree]")
    parser.add_argument("port", type=int, help="where that irsync.ini expects the rsync daemon on 10.0.2.2")
    parser.add_argument("--respawn", action="store_true", help="made with BR2_PACKAGE_IRSYNC_RESPAWN")
    options = parser.parse_args()
    if not (CACHE / "board" / options.arch / "kernel").exists():
        subprocess.run([HERE / "fetch-board", options.arch], check=True)

    def tell(folder):
        return ImageStory(options.arch, options.image.resolve(), options.port, folder)
    _, good = prove(options.arch, tell, BY_INIT if options.respawn else BY_SCRIPT, False)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
