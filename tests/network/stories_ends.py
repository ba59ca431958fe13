"""How things end: with the partial put aside, and with nothing left behind."""

import os
import signal
import subprocess
from pathlib import Path

from servers import NAME, PATIENCE, wait
from story import story
from stories_links import MB, arrives, partial


def ended_pulls(lab, times, keys):
    """Stops irsync in mid-pull again and again; every time the partial must be put aside and no stray be left."""
    lab.file("film", 60 * MB)
    lab.link.shape(rate=4 * MB, delay=0.005)
    lost, slowest = [], 0.0
    for n in range(times):
        irsync = lab.irsync(**keys)
        # Not always at the same moment.
        wait("it runs", lambda: partial(lab) > lab.random.randint(0, MB))
        slowest = max(slowest, irsync.stop())
        kept = lab.copy / ".part/film"
        strays = list(lab.copy.glob(".film.*"))
        if not kept.exists() or strays:
            lost.append((n, kept.exists(), [stray.name for stray in strays]))
        assert not irsync.rsyncs(), irsync.rsyncs()
        # The next one starts afresh, so that all are alike.
        for file in [kept, *strays]:
            file.unlink(missing_ok=True)
    assert not lost, f"{len(lost)} of {times} lost their partial or left a stray: {lost}"
    return f"{times} of {times} kept, the slowest stop took {slowest:.1f} s"


@story(short=True)
def a_pull_that_is_killed_each_time_goes_on_all_the_same(lab):
    """rsync has no time to put its half file aside: irsync does it."""
    lab.daemon()
    lab.file("film", 6 * MB)
    lab.link.shape(rate=250_000, delay=0.02)
    lab.link.flow_bytes = 2 * MB
    irsync = lab.irsync(activity_timeout="4s", stop_timeout="10ms", backoff_initial="1s", backoff_max="1s")
    said = arrives(lab, 6 * MB)
    assert irsync.lines("SIGKILL") and irsync.lines("put aside", "the next one goes on from it"), irsync.log()
    return said


@story(short=True)
def pulls_over_rsync_that_are_stopped_keep_their_partial(lab):
    lab.daemon()
    return ended_pulls(lab, 6, {})


@story(short=True)
def pulls_over_ssh_that_are_stopped_keep_their_partial(lab):
    lab.sshd()
    return ended_pulls(lab, 8, lab.over_ssh())


def parent(pid):
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


@story(short=True)
def a_receiver_over_ssh_gets_the_time_to_put_its_partial_aside(lab):
    """It is made to need a second for each step, and rsync's leader has long gone."""
    lab.sshd()
    lab.file("film", 60 * MB)
    lab.link.shape(rate=4 * MB, delay=0.005)
    irsync = lab.irsync(stop_timeout="60s", **lab.over_ssh())
    wait("it runs", lambda: partial(lab) > MB)
    rsyncs = [pid for pid, line in lab.device.processes("rsync ").items() if line.startswith("rsync ")]
    receiver, = (pid for pid in rsyncs if parent(pid) in rsyncs)
    calls = "mkdir,mkdirat,rename,renameat,renameat2"
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-p", str(receiver), "-e", f"inject={calls}:delay_enter=1000000"])
    lab.closers.append(tracer.kill)
    wait("it is slow", lambda: "TracerPid:\t0" not in Path(f"/proc/{receiver}/status").read_text())
    took = irsync.stop()
    assert took > 1, "nothing was slow"
    assert (lab.copy / ".part/film").stat().st_size > MB and not list(lab.copy.glob(".film.*")), "the partial was lost"
    assert not irsync.rsyncs(), irsync.rsyncs()
    return f"the stop took {took:.1f} s"


@story(short=False)
def forty_eight_pulls_over_rsync_that_are_stopped_keep_their_partial(lab):
    lab.daemon()
    return ended_pulls(lab, 48, {})


@story(short=False)
def forty_eight_pulls_over_ssh_that_are_stopped_keep_their_partial(lab):
    lab.sshd()
    return ended_pulls(lab, 48, lab.over_ssh())


@story(short=True)
def a_pull_over_ssh_into_a_black_hole_is_resumed(lab):
    lab.sshd()
    lab.file("film", 4 * MB)
    lab.link.shape(rate=400_000, delay=0.02)
    irsync = lab.irsync(activity_timeout="4s", **lab.over_ssh())
    wait("half of it", lambda: partial(lab) > 2 * MB)
    lab.link.silent = True
    irsync.wait_line("sync stalled", "bytes of data")
    assert partial(lab) > 1.8 * MB and not list(lab.copy.glob(".film.*")), "the partial was lost"
    lab.link.silent = False
    # ssh's handshakes are more than the few bytes of a daemon's.
    return arrives(lab, 4 * MB, times=1.15)


def with_master(lab, control="control"):
    """The keys of a pull through an ssh master that stays."""
    return lab.over_ssh(f"-o ControlMaster=auto -o ControlPath={lab.home}/{control} -o ControlPersist=yes")


def masters(lab):
    """The ssh masters on the device."""
    return lab.device.processes("[mux]")


@story(short=True)
def a_stop_or_a_kill_leaves_no_ssh_master(lab):
    lab.sshd()
    lab.file("film", 1000)
    for how in (signal.SIGTERM, signal.SIGKILL):
        irsync = lab.irsync(**with_master(lab))
        irsync.wait_line("sync success")
        first = wait("a master", lambda: masters(lab))
        irsync.wait_line("sync success", count=2)
        assert masters(lab) == first, "the master must live between good syncs"
        irsync.stop(how)
        wait(f"nothing is left after {how.name}", lambda: not lab.device.processes("ssh"))


@story(short=True)
def a_dead_master_costs_one_failed_sync(lab):
    lab.sshd()
    lab.file("film", 1000)
    keys = with_master(lab)
    # Without a keepalive only irsync can notice that it is dead.
    keys["options"] = keys["options"].replace("ServerAliveInterval=15", "ServerAliveInterval=0")
    irsync = lab.irsync(activity_timeout="10s", **keys)
    irsync.wait_line("sync success")
    wait("a master", lambda: masters(lab))
    lab.link.kill_flows()
    lab.file("second", 1000)
    irsync.wait_line("sync stalled")
    wait("it arrives", lambda: lab.arrived("second"))
    assert len(irsync.lines("sync stalled")) == 1, irsync.lines("sync stalled")


@story(short=True)
def a_foreign_master_is_left_alone(lab):
    lab.sshd()
    lab.file("film", 1000)
    path = lab.home / "control"
    # The same command as irsync's rsync would start, so that it looks the same.
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    lab.device.start("ssh", "-o", "BatchMode=yes", "-o", "ControlMaster=auto", "-o", f"ControlPath={path}",
                     "-o", "ControlPersist=yes", NAME, "true", **quiet).wait(PATIENCE)
    ours = wait("a master", lambda: masters(lab))
    irsync = lab.irsync(activity_timeout="4s", **with_master(lab))
    irsync.wait_line("sync success")
    lab.link.silent = True
    irsync.wait_line("sync stalled")
    irsync.stop()
    assert masters(lab) == ours, "somebody else's master was ended"
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
