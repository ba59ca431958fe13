"""A disk that remembers: an NBD server behind a socket pair, for the kernel it runs on, that logs every write and flush.

The disk of any moment is rebuilt from the log. Model A: all that was sent before the moment is on the disk. Model B: a
drive with a volatile cache; of the last second's writes that no flush has followed, each is lost with probability 1/2.
"""

import fcntl
import os
import random
import socket
import struct
import threading
import time
from pathlib import Path

BLOCK = 4096
# linux/nbd.h and linux/fs.h
SET_SOCK, SET_BLKSIZE, DO_IT, SET_SIZE_BLOCKS, SET_FLAGS = 0xAB00, 0xAB01, 0xAB03, 0xAB07, 0xAB0A
FLUSH_BUFFERS = 0x1261
HAS_FLAGS, SEND_FLUSH = 1, 4
LOOP_SET_FD = 0x4C00  # linux/loop.h


class Disk:
    """One /dev/nbdN. What was never written is zeros."""

    def __init__(self, number, size):
        self.device = f"/dev/nbd{number}"
        self.blocks = {}
        self.log = None  # while recording: (kind, time, offset, data)
        self.rate = 0  # bytes a second that the card can write; 0: as fast as memory
        mine, kernels = socket.socketpair()
        fd = os.open(self.device, os.O_RDWR)
        fcntl.ioctl(fd, SET_BLKSIZE, 512)
        fcntl.ioctl(fd, SET_SIZE_BLOCKS, size // 512)
        fcntl.ioctl(fd, SET_FLAGS, HAS_FLAGS | SEND_FLUSH)
        fcntl.ioctl(fd, SET_SOCK, kernels.fileno())
        threading.Thread(target=self._serve, args=(mine,), daemon=True).start()
        # NBD_DO_IT returns when the disk is gone; the interpreter lock is free meanwhile, so it takes a process.
        if os.fork() == 0:
            fcntl.ioctl(fd, DO_IT)
            os._exit(0)
        os.close(fd)
        kernels.close()
        end = time.monotonic() + 600
        while int(Path(f"/sys/block/nbd{number}/size").read_text()) * 512 != size:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.device} does not come up")
            time.sleep(0.01)

    def switch(self, blocks):
        """Other content, while nothing is mounted."""
        fd = os.open(self.device, os.O_RDWR)
        fcntl.ioctl(fd, FLUSH_BUFFERS)
        self.blocks = blocks
        fcntl.ioctl(fd, FLUSH_BUFFERS)
        os.close(fd)

    def _serve(self, link):
        while True:
            head = _exactly(link, 28)
            if head is None:
                return
            _, kind, handle, offset, length = struct.unpack(">IIQQI", head)
            kind &= 0xFFFF
            answer = struct.pack(">IIQ", 0x67446698, 0, handle)
            if kind == 0:
                link.sendall(answer + read(self.blocks, offset, length))
                continue
            data = _exactly(link, length) if kind == 1 else b""
            if kind == 1:
                if self.rate:
                    time.sleep(length / self.rate + 0.0002)
                write(self.blocks, offset, data)
            elif kind == 2:
                return
            if self.log is not None:
                self.log.append(("W" if kind == 1 else "F", time.time(), offset, data))
            link.sendall(answer)


class Image:
    """A loop device over a file in memory: no process serves it, so that trying a cut out costs little. `number` is that of
    /dev/loopN."""

    def __init__(self, number, size, path):
        self.device, self.size = f"/dev/loop{number}", size
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.ftruncate(self.file, size)
        self.loop = os.open(self.device, os.O_RDWR)
        fcntl.ioctl(self.loop, LOOP_SET_FD, self.file)

    def fill(self, blocks):
        """Other content, while nothing is mounted."""
        os.ftruncate(self.file, 0)
        os.ftruncate(self.file, self.size)
        begin, run = 0, []
        for n in sorted(blocks):
            if n != begin + len(run):
                os.pwritev(self.file, run, begin * BLOCK)
                begin, run = n, []
            run.append(blocks[n])
            if len(run) == 512:
                os.pwritev(self.file, run, begin * BLOCK)
                begin, run = n + 1, []
        os.pwritev(self.file, run, begin * BLOCK)
        fcntl.ioctl(self.loop, FLUSH_BUFFERS)


def _exactly(link, count):
    parts = []
    while count:
        part = link.recv(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read(blocks, offset, length):
    """Bytes of a disk."""
    first, last = offset // BLOCK, (offset + length - 1) // BLOCK
    whole = b"".join(blocks.get(n) or bytes(BLOCK) for n in range(first, last + 1))
    return whole[offset - first * BLOCK:][:length]


def write(blocks, offset, data):
    """Writes into a disk; whole sectors, not always whole blocks."""
    at = 0
    while at < len(data):
        n, inside = divmod(offset + at, BLOCK)
        part = data[at:at + BLOCK - inside]
        if len(part) < BLOCK:
            old = blocks.get(n) or bytes(BLOCK)
            part = old[:inside] + part + old[inside + len(part):]
        blocks[n] = part
        at += BLOCK - inside


def cut(base, log, upto, model, seed):
    """The disk after the first `upto` requests of the log, and what it is known by; in model B some of the last are lost."""
    blocks = dict(base)
    flushed = max((n for n in range(upto) if log[n][0] == "F"), default=-1)
    moment = log[upto - 1][1] if upto else 0
    rng = random.Random(seed)
    last, lost = -1, []
    for n, (kind, at, offset, data) in enumerate(log[:upto]):
        if kind == "F":
            continue
        if model == "B" and n > flushed and moment - at < 1 and rng.random() < 0.5:
            lost.append(n)
            continue
        last = n
        write(blocks, offset, data)
    return (last, *(n for n in lost if n < last)), blocks
