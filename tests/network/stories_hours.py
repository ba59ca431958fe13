"""What an owner's hours do to a transfer. The clock of day is set by TZ: POSIX lets an offset have seconds."""

import os
import time

from story import story
from stories_links import MB, partial, wire
from servers import wait


def local_time(left):
    """Sets this process's zone, and that of all it starts, so that it is noon in `left` seconds."""
    offset = (12 * 3600 - left - int(time.time())) % 86400
    os.environ["TZ"] = f"LAB-{offset // 3600:02}:{offset // 60 % 60:02}:{offset % 60:02}"


@story(short=False)
def a_transfer_that_meets_the_end_of_its_window_goes_on_in_the_next(lab):
    lab.daemon()
    lab.file("film", 10 * MB)
    lab.link.shape(rate=150_000, delay=0.02)
    local_time(30)
    irsync = lab.irsync(window="11:00-12:00, 12:01-14:00")
    wait("some of it", 25, lambda: partial(lab) > MB)
    irsync.wait_line(40, "its window has closed; ending it")
    wait("no rsync", 10, lambda: not irsync.rsyncs())
    kept = (lab.copy / ".part/film").stat().st_size
    assert kept > MB, kept
    ended = time.monotonic()
    before = lab.link.down.passed
    wait("the next window", 75, lambda: lab.link.down.passed > before + 100_000)
    assert time.monotonic() - ended > 30, "it did not wait for its window"
    resumed = int(irsync.wait_line(120, "sync success", "resumed from").split("resumed from ")[1].split()[0])
    assert 0 <= kept - resumed < 100_000, (kept, resumed)
    assert lab.arrived() and wire(lab, 10 * MB) < 1.1, wire(lab, 10 * MB)
    return f"{wire(lab, 10 * MB):.2f} times its bytes"


@story(short=False)
def a_transfer_is_started_anew_when_the_owners_limit_falls(lab):
    lab.daemon()
    lab.file("film", 24 * MB)
    lab.link.shape(rate=250_000, delay=0.02)
    local_time(20)
    irsync = lab.irsync(bwlimit="12:00-14:00 150K")
    wait("rsync", 15, lambda: lab.device.processes("rsync "))
    limit = "--bwlimit=150"
    assert not lab.device.processes(limit), "it is limited from the start"
    wait("some of it", 20, lambda: partial(lab) > MB)
    irsync.wait_line(45, "bwlimit is lower from now on; ending it")
    wait("it goes on with the limit", 20, lambda: lab.device.processes(limit))
    irsync.wait_line(200, "sync success", "resumed from")
    assert lab.arrived() and wire(lab, 24 * MB) < 1.1, wire(lab, 24 * MB)
    return f"{wire(lab, 24 * MB):.2f} times its bytes"
