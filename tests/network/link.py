"""The emulator: packets go from one TUN device to the other, or not, or later. Every accident is drawn from a seed."""

import heapq
import os
import random
import select
import struct
import threading
import time


class Way:
    """One direction of the link. Times in seconds, sizes in bytes, rates in bytes per second."""

    def __init__(self):
        self.loss = 0.0
        self.delay = 0.0
        self.rate = None
        self.queue = 64 * 1024
        self.largest = None  # larger packets vanish: a hole in path MTU discovery
        self.passed = 0  # bytes of packets that came out of it
        self.last, self.longest = time.monotonic(), 0.0  # when one did, and the longest time without any since `watch`
        self.free_at = 0.0

    def watch(self):
        """Begins to measure how long nothing comes out of it: a slow machine may do what the link was not asked for."""
        self.last, self.longest = time.monotonic(), 0.0

    def silence(self):
        """The longest time since `watch` in which nothing came out of it."""
        return max(self.longest, time.monotonic() - self.last)

    def came_out(self, size):
        """A packet has."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        self.passed += size


class Flow:
    """A TCP connection or a pair of UDP ports, as a NAT sees it."""

    def __init__(self, now):
        self.born = self.last = now
        self.bytes = 0
        self.dead = False


class Link:
    """Two ways, and what happens to both. Attributes may be changed while it runs."""

    def __init__(self, device, server, seed):
        self.random = random.Random(seed)
        self.up, self.down = Way(), Way()  # device to server, server to device
        self.silent = False  # nothing passes
        self.flap = None  # (seconds up, seconds down, whether a gap kills the flows)
        self.flow_life = None  # a flow dies silently so long after its first packet
        self.flow_bytes = None  # or after so many bytes, both ways together
        self.nat_idle = None  # a flow that was idle for so long is forgotten
        self.flows = {}
        self.began = time.monotonic()
        self._fds = {device: (self.up, server), server: (self.down, device)}
        self._heap, self._count = [], 0
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def both(self, **settings):
        """The same for both ways."""
        for way in (self.up, self.down):
            for name, value in settings.items():
                setattr(way, name, value)

    def shape(self, rate=None, delay=0.0, loss=0.0, queue=64 * 1024):
        """A plain link: the rate is the download's; the way up has as much."""
        self.both(rate=rate, delay=delay, loss=loss, queue=queue)

    def kill_flows(self):
        """What is connected now is cut silently: no packet of it passes any more, and nobody is told."""
        for flow in list(self.flows.values()):
            flow.dead = True

    def end(self):
        """Stops it."""
        os.write(self._stopped, b"x")
        self._thread.join()
        for fd in (*self._fds, self._stop, self._stopped):
            os.close(fd)

    def _work(self):
        poll = select.poll()
        for fd in (*self._fds, self._stop):
            poll.register(fd, select.POLLIN)
        while True:
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                _, _, way, out, packet = heapq.heappop(self._heap)
                try:
                    os.write(out, packet)
                    way.came_out(len(packet))
                except OSError:
                    pass  # the interface is down
            wait = None if not self._heap else max(0, self._heap[0][0] - now) * 1000
            for fd, _ in poll.poll(wait):
                if fd == self._stop:
                    return
                self._read(fd)

    def _read(self, fd):
        way, out = self._fds[fd]
        for _ in range(64):
            try:
                packet = os.read(fd, 65536)
            except OSError:
                return
            now = time.monotonic()
            if packet[0] >> 4 == 4 and self._passes(packet, way, now):
                self._send(packet, way, out, now)

    def _passes(self, packet, way, now):
        gap = 0
        if self.flap:
            up, down, _ = self.flap
            gap, phase = divmod(now - self.began, up + down)
            if phase >= up:
                return False
        if self.silent or (way.largest and len(packet) > way.largest) or self.random.random() < way.loss:
            return False
        return self._flow_lives(packet, gap, now)

    def _flow_lives(self, packet, gap, now):
        head = (packet[0] & 15) * 4
        if packet[9] not in (6, 17) or len(packet) < head + 14:
            return True
        ports = struct.unpack_from("!HH", packet, head)
        ends = frozenset([(packet[12:16], ports[0]), (packet[16:20], ports[1])])
        opens = packet[9] == 17 or packet[head + 13] & 0x12 == 0x02
        flow = self.flows.get(ends)
        if flow is None:
            # A NAT knows no flow that it did not see open.
            if not opens and self.nat_idle:
                return False
            flow = self.flows[ends] = Flow(now)
        if self.nat_idle and now - flow.last > self.nat_idle:
            del self.flows[ends]
            return False
        flow.last = now
        flow.bytes += len(packet)
        if self.flow_bytes and flow.bytes > self.flow_bytes:
            flow.dead = True
        if self.flow_life and now - flow.born > self.flow_life:
            flow.dead = True
        if self.flap and self.flap[2] and (flow.born - self.began) // (self.flap[0] + self.flap[1]) != gap:
            flow.dead = True
        return not flow.dead

    def _send(self, packet, way, out, now):
        if way.rate:
            start = max(now, way.free_at)
            if (start - now) * way.rate > way.queue:
                return
            way.free_at = now = start + len(packet) / way.rate
        self._count += 1
        heapq.heappush(self._heap, (now + way.delay, self._count, way, out, packet))
