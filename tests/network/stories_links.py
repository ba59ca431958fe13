"""Links that break: every byte that arrived stays, and everything ends in time."""

import os
import subprocess
import threading
import time

from lab import DEVICE, OTHER, SERVER, Lab
from servers import NAME, PATIENCE, RSYNC, Portal, wait
from story import story

MB = 1_000_000
# What a sync that is ended may cost: what was on its way, and what an rsync that is killed has not written to its file yet.
ON_ITS_WAY, UNWRITTEN = 100_000, 300_000


def partial(lab):
    """Bytes of the file that are here: arrived, put aside, or in rsync's temporary file."""
    places = [*lab.copy.glob(".film.*"), *lab.copy.glob(".part/film"), *lab.copy.glob("film")]
    return max((place.stat().st_size for place in places if place.exists()), default=0)


def most_bytes(lab, size, times=1.1):
    """What may come down for a file of this size, after as many ended syncs as there were."""
    ends = [line for instance in lab.instances for line in instance.lines(" j: sync ") if "sync success" not in line]
    return size * times + sum(UNWRITTEN if "SIGKILL" in line else ON_ITS_WAY for line in ends)


def arrives(lab, size, times=1.1, patience=PATIENCE):
    """Waits for the file, and holds the bytes that came down: nothing that arrived is fetched twice."""
    began = time.monotonic()
    wait("the file arrives", lab.arrived, patience)
    took, most = time.monotonic() - began, most_bytes(lab, size, times)
    assert lab.link.down.passed <= most, f"{lab.link.down.passed} bytes came down, at most {most:.0f} should have"
    return f"after {took:.0f} s, {lab.link.down.passed / size:.2f} times its bytes"


@story(short=True)
def a_pull_into_a_black_hole_is_ended_and_resumed(lab):
    lab.daemon()
    lab.file("film", 4 * MB)
    lab.link.shape(rate=400_000, delay=0.02)
    irsync = lab.irsync(activity_timeout="4s")
    wait("half of it", lambda: partial(lab) > 2 * MB)
    lab.link.silent = True
    irsync.wait_line("no progress for 4s after", "bytes of data")
    irsync.wait_line("sync stalled", "bytes of data")
    lab.link.silent = False
    said = arrives(lab, 4 * MB)
    resumed = int(irsync.wait_line("sync success", "resumed from").split("resumed from ")[1].split()[0])
    assert 1.8 * MB < resumed < 4 * MB, resumed
    wait("the status", lambda: irsync.status().get("last_resumed") == str(resumed))
    assert int(irsync.status()["last_fetched"]) == 4 * MB - resumed, irsync.status()
    return said


@story(short=True)
def a_push_into_a_black_hole_is_ended_and_goes_on(lab):
    lab.daemon()
    lab.link.shape(rate=400_000, delay=0.02)
    (lab.copy / "film").write_bytes(lab.random.randbytes(3 * MB))
    irsync = lab.irsync(activity_timeout="4s", source=f"{lab.copy}/", destination=lab.outside)
    wait("a third of it is sent", lambda: lab.link.up.passed > MB)
    lab.link.silent = True
    irsync.wait_line("no progress for 4s")
    irsync.wait_line("sync stalled")
    lab.link.silent = False
    wait("it arrives", lambda: (lab.inbox / lab.home.name / "film").exists())


@story(short=True)
def flows_that_die_do_not_make_the_limit_grow(lab):
    """5 MB in flows of 1 MB each: some five stalls, and after each that moved data the limit is as it was."""
    lab.daemon()
    lab.file("film", 5 * MB)
    lab.link.shape(rate=250_000, delay=0.02)
    lab.link.flow_bytes = MB
    irsync = lab.irsync(activity_timeout="3s", backoff_initial="1s", backoff_max="1s")
    said = arrives(lab, 5 * MB)
    stalls = irsync.lines("no progress for", "ending it")
    after_data = [next_one for stall, next_one in zip(stalls, stalls[1:]) if "bytes of data" in stall]
    assert len(after_data) >= 3 and all("no progress for 3s" in line for line in after_data), stalls
    return f"{said}, {len(stalls)} stalls"


@story(short=False)
def twenty_megabytes_in_flows_that_die_every_20_s(lab):
    """Beside a loop with a limit of 10 s that never grows, on a link of the same kind."""
    fixed = Lab(1)
    lab.closers.append(fixed.end)
    for one in (lab, fixed):
        one.daemon()
        one.file("film", 20 * MB)
        one.link.shape(rate=250_000, delay=0.02)
        one.link.flow_life = 20
    took = []
    other = threading.Thread(target=lambda: took.append(pulled_with_a_fixed_limit(fixed, 10)), daemon=True)
    other.start()
    began = time.monotonic()
    lab.irsync(activity_timeout="10s", backoff_initial="2s", backoff_max="10s")
    said = arrives(lab, 20 * MB, patience=4 * PATIENCE)
    irsyncs = time.monotonic() - began
    other.join(4 * PATIENCE)
    # One flow more or less is chance.
    assert irsyncs <= 1.1 * took[0] + 20, f"{irsyncs:.0f} s, with a fixed limit {took[0]:.0f} s"
    return f"{said}; with a fixed limit after {took[0]:.0f} s"


def pulled_with_a_fixed_limit(lab, limit):
    """Pulls with a plain rsync that is ended when nothing came out of the link for `limit` seconds; how long it took. What
    rsync's own --timeout does is something else: it goes on as long as the kernel takes its keepalives."""
    began = time.monotonic()
    while not lab.arrived():
        rsync = lab.device.start("rsync", "-rlt", "--partial-dir=.part", f"rsync://{NAME}/files/", lab.copy, stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        lab.link.down.watch()
        while rsync.poll() is None:
            if time.monotonic() - lab.link.down.last > limit:
                rsync.terminate()
            time.sleep(0.1)
        time.sleep(2)
    return time.monotonic() - began


@story(short=False)
def five_seconds_up_and_five_down_arrives(lab):
    lab.daemon()
    lab.file("film", 20 * MB)
    lab.link.shape(rate=MB, delay=0.01)
    lab.link.flap = (5, 5, True)
    lab.irsync(activity_timeout="4s", backoff_initial="1s", backoff_max="5s")
    return arrives(lab, 20 * MB, patience=4 * PATIENCE)


@story(short=True)
def a_list_that_is_silent_for_longer_than_the_limit_is_waited_for_in_the_end(lab):
    """The server needs 8 s before it says a word, the limit is 3 s: it grows to 6, then 12."""
    lab.daemon(extra="pre-xfer exec = /bin/sleep 8")
    lab.file("film", 1000)
    irsync = lab.irsync(activity_timeout="3s")
    wait("it arrives", lab.arrived)
    limits = [line.split("no progress for ")[1].split(";")[0].split(" ", 1) for line in irsync.lines("ending it")]
    assert len(limits) >= 2 and [limit for limit, _ in limits] == [f"{3 << n}s" for n in range(len(limits))], limits
    assert limits[-1][1] == "while building the list", limits


@story(short=True)
def a_trickle_is_no_stall(lab):
    lab.daemon()
    lab.file("film", 10_000)
    # The queue holds all of it: where packets of a trickle are dropped, the silence is real.
    lab.link.shape(rate=400, queue=30_000)
    began = time.monotonic()
    irsync = lab.irsync(activity_timeout="20s")
    wait("it arrives", lambda: lab.arrived() or irsync.lines("no progress"))
    assert time.monotonic() - began > 20, "it took less than the limit"
    return never_ended(irsync, lab.link.down, 20) or f"after {time.monotonic() - began:.0f} s"


def never_ended(irsync, way, limit):
    """A sync may have been ended for want of progress only if really nothing came this way for so long."""
    ended = irsync.lines("no progress")
    # Half of the limit: what comes out of the link has its way to rsync, and to irsync, before it.
    assert not ended or way.silence() > limit / 2, ended
    return f"this machine kept the link silent for {way.silence():.0f} s: nothing was found out" if ended else None


@story(short=True)
def a_push_that_moves_is_not_killed(lab):
    """Megabytes sit in the kernel's buffers: rsync itself does nothing while 2 kB/s flow."""
    lab.daemon()
    (lab.copy / "film").write_bytes(lab.random.randbytes(3 * MB))
    lab.link.shape(rate=2000, queue=6000)
    return pushes(lab, 5, 70_000)


def pushes(lab, limit, size):
    """A push that is not ended until so many bytes went up, which takes several times its limit."""
    irsync = lab.irsync(activity_timeout=f"{limit}s", source=f"{lab.copy}/", destination=lab.outside)
    wait("it is sent", lambda: lab.link.up.passed > 8000)
    # What says that a push moves are the acknowledgements.
    lab.link.down.watch()
    began = time.monotonic()
    wait("so much is sent", lambda: lab.link.up.passed > size or irsync.lines("no progress"), 4 * PATIENCE)
    took = time.monotonic() - began
    said = never_ended(irsync, lab.link.down, limit)
    assert said or took > 5 * limit, took
    return said or f"{lab.link.up.passed} bytes went up in {took:.0f} s"


@story(short=False)
def a_push_at_2_kB_per_second_runs_for_ten_minutes(lab):
    lab.daemon()
    (lab.copy / "film").write_bytes(lab.random.randbytes(3 * MB))
    lab.link.shape(rate=2000, queue=6000)
    return pushes(lab, 10, 1_200_000)


@story(short=True)
def a_push_in_flows_that_die_goes_on_where_the_server_notices(lab):
    """What the server has of a file it keeps for the next push only when its rsync has ended, and that learns of a dead flow
    from its kernel alone: see syncs.md."""
    lab.notices(1, 1, 2)
    lab.daemon()
    (lab.copy / "film").write_bytes(lab.random.randbytes(4 * MB))
    lab.link.shape(rate=250_000, delay=0.02)
    lab.link.flow_bytes = MB
    irsync = lab.irsync(activity_timeout="6s", backoff_initial="1s", backoff_max="1s", source=f"{lab.copy}/", destination=lab.outside)
    wait("it arrives", lab.sent)
    ends = len(irsync.lines("sync stalled"))
    # Each push that was ended may cost what was on its way, and what the server's rsync had in its hands.
    assert ends >= 3 and lab.link.up.passed < 4.4 * MB + ends * UNWRITTEN, (ends, lab.link.up.passed)
    return f"{lab.link.up.passed / (4 * MB):.2f} times its bytes, {ends} stalls"


@story(short=True)
def a_push_to_a_frozen_receiver_is_ended_in_time(lab):
    """Its kernel acknowledges until its buffer is full; from then on nothing moves."""
    lab.daemon()
    (lab.copy / "film").write_bytes(lab.random.randbytes(30 * MB))
    lab.link.shape(rate=2 * MB, queue=300_000)
    irsync = lab.irsync(activity_timeout="5s", source=f"{lab.copy}/", destination=lab.outside)
    wait("it is sent", lambda: lab.link.up.passed > 3 * MB)
    for pid in lab.server.processes("rsync --daemon"):
        os.kill(pid, 19)
    began = time.monotonic()
    irsync.wait_line("no progress for 5s")
    return f"after {time.monotonic() - began:.0f} s"


@story(short=True)
def an_own_address_that_changes_is_survived(lab):
    lab.daemon()
    lab.file("film", 3 * MB)
    lab.link.shape(rate=300_000, delay=0.02)
    lab.irsync(activity_timeout="4s")
    wait("a third of it", lambda: partial(lab) > MB)
    lab.device.ip("addr", "add", f"{OTHER}/32", "dev", "tun0")
    lab.device.ip("route", "replace", SERVER, "dev", "tun0", "src", OTHER)
    lab.device.ip("addr", "del", f"{DEVICE}/32", "dev", "tun0")
    return arrives(lab, 3 * MB)


@story(short=True)
def a_hole_for_large_packets_is_ended_and_passes(lab):
    lab.daemon()
    lab.file("film", 2 * MB)
    lab.link.shape(rate=300_000)
    lab.link.down.largest = 900
    irsync = lab.irsync(activity_timeout="4s")
    irsync.wait_line("no progress for 4s")
    lab.link.down.largest = None
    return arrives(lab, 2 * MB)


@story(short=True)
def a_server_that_was_switched_off_is_noticed(lab):
    """Half open: the server knows the connection no more, and the device, which only listens, is not told."""
    daemon = lab.daemon()
    lab.file("film", 3 * MB)
    lab.link.shape(rate=300_000)
    irsync = lab.irsync(activity_timeout="4s")
    wait("a third of it", lambda: partial(lab) > MB)
    lab.link.silent = True
    daemon.kill()
    daemon.start()
    lab.link.kill_flows()
    lab.link.silent = False
    irsync.wait_line("no progress for 4s")
    return arrives(lab, 3 * MB)


@story(short=True)
def a_nat_that_forgets_idle_flows_costs_one_stall(lab):
    lab.daemon(extra="pre-xfer exec = /bin/sleep 5")
    lab.file("film", MB)
    lab.link.nat_idle = 4
    irsync = lab.irsync(activity_timeout="8s")
    irsync.wait_line("no progress for 8s")
    lab.link.nat_idle = 30
    return arrives(lab, MB)


@story(short=True)
def captive_portals_are_named_or_ended(lab):
    lab.file("film", 1000)
    html = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Accept our terms</html>\r\n"
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://login.lab/\r\n\r\n"
    irsync = None
    for n, portal in enumerate(({"says": html}, {"answers": redirect}, {"hangs_up": False})):
        running = Portal(lab.server, **portal)
        irsync = irsync or lab.irsync(activity_timeout="4s", backoff_max="1s")
        said = "what answers is not an rsync server" if n < 2 else "no progress"
        before = len(irsync.lines(said))
        irsync.wait_line(said, count=before + 1)
        running.end()
    assert not lab.server.processes("rsync --daemon")
    lab.daemon()
    wait("it arrives", lab.arrived)


@story(short=True)
def a_name_that_cannot_be_resolved_is_no_permanent_failure(lab):
    lab.daemon()
    lab.file("film", 1000)
    lab.names.answers = {}
    irsync = lab.irsync()
    irsync.wait_line("sync transient")
    lab.names.answers = {NAME: SERVER}
    wait("it arrives", lab.arrived)


@story(short=True)
def a_name_server_that_is_silent_is_a_stall_while_connecting(lab):
    lab.daemon()
    lab.file("film", 1000)
    lab.names.silent = True
    irsync = lab.irsync(activity_timeout="3s")
    irsync.wait_line("sync stalled", "while connecting: the name server does not answer")
    lab.names.silent = False
    wait("it arrives", lab.arrived)


@story(short=True)
def a_host_that_does_not_answer_is_a_stall_while_connecting(lab):
    lab.daemon()
    lab.file("film", 1000)
    lab.link.silent = True
    irsync = lab.irsync(activity_timeout="3s", source=f"rsync://{SERVER}/files/")
    line = irsync.wait_line("sync stalled", "while connecting")
    assert "name server" not in line, line
    lab.link.silent = False
    wait("it arrives", lab.arrived)


@story(short=True)
def an_interface_that_goes_down_comes_back(lab):
    lab.daemon()
    lab.file("film", 2 * MB)
    lab.link.shape(rate=300_000)
    irsync = lab.irsync(activity_timeout="4s", backoff_max="1s")
    wait("a third of it", lambda: partial(lab) > 700_000)
    lab.device.ip("link", "set", "tun0", "down")
    irsync.wait_line(" j: sync ", count=3)
    lab.device.ip("link", "set", "tun0", "up")
    lab.device.ip("route", "replace", SERVER, "dev", "tun0", "src", DEVICE)
    return arrives(lab, 2 * MB)


@story(short=False)
def a_radio_that_is_silent_for_40_s_costs_nothing_twice(lab):
    lab.daemon()
    lab.file("film", 4 * MB)
    lab.link.shape(rate=300_000, delay=0.05)
    lab.irsync(activity_timeout="10s")
    wait("a third of it", lambda: partial(lab) > MB)
    lab.link.silent = True
    time.sleep(40)
    lab.link.silent = False
    return arrives(lab, 4 * MB)


@story(short=True)
def loss_delay_and_a_slow_radio_are_worked_through(lab):
    lab.daemon()
    lab.file("film", 300_000)
    lab.link.shape(rate=125_000, delay=0.1, loss=0.05)
    lab.irsync()
    return arrives(lab, 300_000, times=1.6)


@story(short=True)
def a_connection_refused_is_told_at_once(lab):
    irsync = lab.irsync()
    line = irsync.wait_line("sync transient")
    assert f"port {RSYNC}" in irsync.log() or "Connection refused" in irsync.log(), line


@story(short=True)
def a_fallback_is_asked_when_the_first_is_not_there(lab):
    lab.daemon()
    lab.file("film", MB)
    lab.device.ip("route", "add", "10.77.1.9", "dev", "tun0")
    irsync = lab.irsync(source="rsync://10.77.1.9/files/", fallback=f"rsync://{NAME}/locked/ rsync://{NAME}/files/",
                        activity_timeout="10s", backoff_initial="1h", backoff_max="1h", interval="1s")
    irsync.wait_line("sync success", count=2)
    assert lab.arrived()
    assert len(irsync.lines("did not serve")) == 2, irsync.lines("did not serve")
    irsync.wait_line("did not serve", "10.77.1.9", "asking rsync://server.lab/locked/")
