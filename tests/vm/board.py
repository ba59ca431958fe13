"""A whole board under QEMU: real kernel, emulated hardware watchdog, a disk, a network, and a way to run commands in it."""

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

_XDG = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
CACHE = Path(os.environ.get("IRSYNC_CACHE") or Path(_XDG, "irsync"))
HERE = Path(__file__).resolve().parent

MACHINES = {
    "x86_64": ["qemu-system-x86_64", "-M", "q35", "-no-user-config"],
    "aarch64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
    "armv7": ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15"],
}
CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0", "armv7": "ttyAMA0"}
# Where Buildroot links these applets; the others go to /bin.
SBIN = set("init reboot poweroff halt modprobe insmod rmmod lsmod depmod ip ifconfig route syslogd klogd start-stop-daemon "
           "switch_root sysctl hwclock".split())


class Failure(Exception):
    """A board did not do what was expected of it."""


def wait(what, limit, condition):
    """Waits until condition() is true and gives its value; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {limit} s")
        time.sleep(0.1)


def kvm_works():
    """Whether a kernel runs under KVM here: it must print its first line. (The device may open and yet run nothing.)"""
    verdict = CACHE / "kvm-works"
    if not os.access("/dev/kvm", os.W_OK):
        return False
    if not verdict.exists():
        log = CACHE / "kvm-works.log"
        log.unlink(missing_ok=True)
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-M", "q35,accel=kvm", "-cpu", "host", "-m", "256", "-display", "none", "-nodefaults",
             "-no-reboot", "-serial", f"file:{log}", "-kernel", CACHE / "board/x86_64/kernel",
             "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1"], stderr=subprocess.DEVNULL)
        try:
            wait("KVM", 15, lambda: qemu.poll() is not None or (log.exists() and b"Linux version" in log.read_bytes()))
        except Failure:
            pass
        qemu.kill()
        qemu.wait()
        verdict.write_text("yes" if log.exists() and b"Linux version" in log.read_bytes() else "no")
    return verdict.read_text() == "yes"


def make_image(arch, binary, ini, out):
    """An initramfs: Debian's BusyBox and rsync, the files under root/, irsync with its own init script."""
    board, tree = CACHE / "board" / arch, out.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(board / "root", tree, symlinks=True)
    for name in "bin sbin usr/bin etc/init.d dev proc sys run tmp var/log root data lib".split():
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "var/run").symlink_to("../run")
    for applet in (board / "applets").read_text().split():
        link = tree / ("sbin" if applet in SBIN else "bin") / applet
        if not link.exists():
            link.symlink_to("../bin/busybox")
    shutil.copytree(HERE / "root", tree, dirs_exist_ok=True)
    shutil.copy(binary, tree / "usr/bin/irsync")
    (tree / "usr/bin/irsync").chmod(0o755)
    shutil.copy(HERE / "../../scripts/init/irsync.init", tree / "etc/init.d/S60irsync")
    (tree / "etc/irsync.ini").write_text(ini)
    (tree / "etc/irsync.ini").chmod(0o600)
    subprocess.run(f"find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -1 > '{out}'",
                   shell=True, check=True, cwd=tree)
    shutil.rmtree(tree)


class Board:
    """One running QEMU. `folder` receives its console, events and disk."""

    def __init__(self, arch, image, folder):
        self.arch, self.folder = arch, folder
        self.console = folder / "console.log"
        self.console.touch()  # QEMU may answer before it has made it
        self.events = []  # (epoch, name)
        self.ids = itertools.count(1)
        self.accel = "kvm" if arch == "x86_64" and kvm_works() else "tcg"
        disk = folder / "disk"
        disk.unlink(missing_ok=True)
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", disk, "64M"], check=True, stdout=subprocess.DEVNULL)
        cpu = {"kvm": ["-cpu", "host"], "tcg": ["-cpu", "max"]}[self.accel] if arch == "x86_64" else []
        # Relative socket names: a path of more than 107 bytes is no address.
        command = MACHINES[arch] + cpu + [
            "-accel", self.accel, "-m", "512", "-display", "none", "-nodefaults",
            "-kernel", CACHE / "board" / arch / "kernel", "-initrd", image,
            "-append", f"console={CONSOLES[arch]} rdinit=/init",
            "-serial", f"file:{self.console}",
            "-qmp", "unix:qmp,server=on,wait=off",
            "-device", "virtio-serial-pci", "-chardev", "socket,id=agent,path=agent,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=board.agent",
            "-netdev", "user,id=net0,ipv6=off", "-device", "virtio-net-pci,netdev=net0,romfile=",
            "-device", "virtio-rng-pci",
            "-drive", f"if=none,id=d0,format=raw,file={disk}", "-device", "virtio-blk-pci,drive=d0",
            "-device", "i6300esb", "-action", "watchdog=reset,reboot=reset"]
        self.started = time.time()
        # Output to a file: nobody reads a pipe.
        with open(folder / "qemu.log", "w") as log:
            self.qemu = subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
        self.qmp = self._connect("qmp")
        self.qmp.sendall(b'{"execute":"qmp_capabilities"}\n')
        threading.Thread(target=self._read_events, daemon=True).start()
        self.agent = self._connect("agent")
        self.agent_lines = self.agent.makefile("r")

    def _connect(self, name):
        def attempt():
            if self.qemu.poll() is not None:
                raise Failure("QEMU did not start: " + (self.folder / "qemu.log").read_text())
            link = socket.socket(socket.AF_UNIX)
            here = os.open(self.folder, os.O_RDONLY)
            try:
                link.connect(f"/proc/self/fd/{here}/{name}")
                return link
            except OSError:
                link.close()
                return None
            finally:
                os.close(here)
        return wait(f"QEMU's socket {name}", 20, attempt)

    def _read_events(self):
        with open(self.folder / "events.log", "w") as log, self.qmp.makefile("r") as lines:
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    stamp = message["timestamp"]
                    at = stamp["seconds"] + stamp["microseconds"] / 1e6
                    self.events.append((at, message["event"]))
                    log.write(f"{at:.3f} {message['event']}\n")
                    log.flush()

    def happened(self, name, since=0.0):
        """Epoch times of this event."""
        return [at for at, event in list(self.events) if event == name and at >= since]

    def boots(self):
        """How many times it has been ready."""
        return self.console.read_bytes().count(b"BOARD-READY")

    def wait_boot(self, number, limit=240):
        """Waits until it is ready for the number-th time."""
        def ready():
            if self.qemu.poll() is not None:
                raise Failure("QEMU is gone")
            return self.boots() >= number
        wait(f"boot {number}", limit, ready)

    def run(self, command, limit=60):
        """Runs a shell command in the board: its exit code and what it printed."""
        number = str(next(self.ids))
        self.agent.settimeout(limit)
        self.agent.sendall(f"{number} {base64.b64encode(command.encode()).decode()}\n".encode())
        try:
            while True:
                words = self.agent_lines.readline().split()
                # After a reset an old answer may still be in the pipe.
                if len(words) >= 2 and words[0] == number:
                    output = base64.b64decode(words[2]) if len(words) > 2 else b""
                    return int(words[1]), output.decode(errors="replace").strip()
        except TimeoutError:
            # The reader cannot be used after a timeout.
            self.agent_lines = self.agent.makefile("r")
            raise Failure(f"no answer in {limit} s to: {command}") from None

    def output(self, command, limit=60):
        """What a command that must succeed printed."""
        code, output = self.run(command, limit)
        if code != 0:
            raise Failure(f"{command}: exit code {code}: {output}")
        return output

    def stop(self):
        """Ends QEMU."""
        if self.qemu.poll() is None:
            self.qemu.terminate()
            try:
                self.qemu.wait(10)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()
