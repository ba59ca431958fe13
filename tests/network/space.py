"""Network namespaces that exist only as long as this program: one for the device, one for the server."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LIBC = ctypes.CDLL(None, use_errno=True)

# Holds a namespace open. When its standard input ends, that is when the laboratory has gone in whatever way, it kills
# everything that still lives in the namespace.
HOLDER = """
import os, signal, sys
print("held", flush=True)
sys.stdin.read()
ours = os.stat("/proc/self/ns/net").st_ino
for pid in (p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()):
    try:
        if os.stat(f"/proc/{pid}/ns/net").st_ino == ours:
            os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""


class Space:
    """One network and mount namespace with a TUN device; `binds` are files or folders laid over existing ones."""

    def __init__(self, binds):
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-c", HOLDER],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        if self.holder.stdout.readline() != b"held\n":
            raise RuntimeError("cannot make a network namespace")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "--net", "--mount", "--"]
        self.ip("link", "set", "lo", "up")
        for source, target in binds.items():
            self.run("mount", "--bind", source, target)

    def run(self, *command, **options):
        """Runs a command inside to its end; what it says is given back."""
        return subprocess.run([*self.enter, *map(str, command)], check=True, capture_output=True, text=True, **options).stdout

    def ip(self, *words):
        """ip(8) inside."""
        return self.run("ip", *words)

    def start(self, *command, **options):
        """Starts a command inside; its process is the command itself."""
        return subprocess.Popen([*self.enter, *map(str, command)], **options)

    def _inside(self, make):
        # setns(2) moves one thread: a thread of its own goes in, and what it opened stays open.
        made = []

        def go():
            with open(f"/proc/{self.holder.pid}/ns/net", encoding="ascii") as namespace:
                if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(make())

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        return made[0]

    def socket(self, kind):
        """A socket that lives inside and is used from here."""
        return self._inside(lambda: socket.socket(socket.AF_INET, kind))

    def tun(self, address, peer):
        """A TUN device whose packets are read and written here."""

        def make():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
            return fd

        fd = self._inside(make)
        self.ip("link", "set", "tun0", "mtu", "1500", "txqueuelen", "1000", "up")
        self.ip("addr", "add", f"{address}/32", "dev", "tun0")
        self.ip("route", "add", peer, "dev", "tun0", "src", address)
        return fd

    def processes(self, *words):
        """The command lines of what runs inside, those that contain one of `words` (all without)."""
        ours, found = os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino, {}
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                if os.stat(f"/proc/{pid}/ns/net").st_ino != ours or pid == self.holder.pid:
                    continue
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if line and (not words or any(word in line for word in words)):
                found[pid] = line
        return found

    def end(self):
        """Kills what runs inside, and the namespace with it."""
        self.holder.stdin.close()
        self.holder.wait()


def folder():
    """A temporary folder with the programs' private files."""
    return Path(tempfile.mkdtemp(prefix="irsync-network-"))
