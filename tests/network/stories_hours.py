"""What an owner's hours do to a transfer. The clock of day is set by TZ: POSIX lets an offset have seconds."""

import os
import time

from story import story
from stories_links import MB, arrives, partial
from servers import wait


def local_time(left):
    """Sets this process's zone, and that of all it starts, so that it is noon in `left` seconds; noon, as seconds since 1970."""
    noon = int(time.time()) + left
    offset = (12 * 3600 - noon) % 86400
    os.environ["TZ"] = f"LAB-{offset // 3600:02}:{offset // 60 % 60:02}:{offset % 60:02}"
    return noon


@story(short=False)
def a_transfer_that_meets_the_end_of_its_window_goes_on_in_the_next(lab):
    lab.daemon()
    lab.file("film", 10 * MB)
    lab.link.shape(rate=150_000, delay=0.02)
    noon = local_time(45)
    irsync = lab.irsync(activity_timeout="10s", window="11:00-12:00, 12:01-14:00")
    wait("some of it", lambda: partial(lab) > MB)
    irsync.wait_line("its window has closed; ending it")
    wait("no rsync", lambda: not irsync.rsyncs())
    kept = (lab.copy / ".part/film").stat().st_size
    assert kept > MB, kept
    before = lab.link.down.passed
    wait("the next window", lambda: lab.link.down.passed > before + 100_000)
    assert time.time() >= noon + 60, "it did not wait for its window"
    resumed = int(irsync.wait_line("sync success", "resumed from").split("resumed from ")[1].split()[0])
    assert 0 <= kept - resumed < 100_000, (kept, resumed)
    return arrives(lab, 10 * MB)


@story(short=False)
def a_transfer_is_started_anew_when_the_owners_limit_falls(lab):
    lab.daemon()
    lab.file("film", 24 * MB)
    lab.link.shape(rate=250_000, delay=0.02)
    noon = local_time(40)
    irsync = lab.irsync(activity_timeout="10s", bwlimit="12:00-14:00 150K")
    wait("rsync", lambda: lab.device.processes("rsync "))
    limit = "--bwlimit=150"
    assert not lab.device.processes(limit) or time.time() >= noon, "it is limited from the start"
    wait("some of it", lambda: partial(lab) > MB)
    irsync.wait_line("bwlimit is lower from now on; ending it")
    wait("it goes on with the limit", lambda: lab.device.processes(limit))
    irsync.wait_line("sync success", "resumed from")
    return arrives(lab, 24 * MB)
