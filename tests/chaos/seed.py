"""One seed, as process 1 of namespaces of its own: jobs start, things happen, everything heals, and all must be well."""

import argparse
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
from watch import Watch, descriptors, held, memory, process, processes, send, words
from world import DOG_TIMEOUT, KINDS, World

RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[(ERROR|WARN|INFO|DEBUG|TRACE)\] [^\x00-\x1f\x7f]*")
WINDOW = 2  # seconds in which starts of rsync are counted
PATIENCE = 30  # seconds until what must come has come, on a quiet machine; a loop in irsync's place gets fewer


class Wrong(Exception):
    """One of the promises was broken, and the rest cannot be looked at."""


class Chaos:
    """One seed's course."""

    def __init__(self, options):
        self.random, self.options = random.Random(options.seed), options
        self.began, self.world = time.monotonic(), World(options.home, self.random, ("pull", "push", "local") if Path(options.irsync).name == "loop" else KINDS)
        self.wrong, self.undo, self.done, self.asked, self.logs = [], [], {}, [], []
        self.limits = {}
        # Of CLOCK_MONOTONIC, as irsync's: what status says has to be of later.
        self.healed = 0
        self.forgets = False
        self.process = self.watch = None
        self.is_loop = Path(options.irsync).name == "loop"

    @property
    def pid(self):
        return self.process.pid

    def tell(self, what):
        """For whoever looks into a seed that failed."""
        print(f"{time.monotonic() - self.began:7.2f} {what}", flush=True)

    def was_asked(self, starts=4):
        """Somebody has asked for syncs out of turn: so many starts of an rsync may come of it."""
        self.asked.append((uptime(), starts))

    def start(self):
        """Starts irsync."""
        self.was_asked()
        out = open(self.world.home / "stderr", "ab")
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        command = [self.options.irsync, "--config", str(self.world.home / "irsync.ini")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                                        start_new_session=True, umask=0o022)
        out.close()
        if self.watch:
            self.watch.irsync = self.process
        return self.process

    def ask(self, *command):
        """A command that asks the running irsync: code and output."""
        words = [self.options.irsync, *command[:1], "--config", str(self.world.home / "irsync.ini"), *command[1:]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=10 * PATIENCE)
        return done.returncode, done.stdout + done.stderr

    def until(self, what, condition):
        """Waits until the condition gives nothing to complain of."""
        began, patience = time.monotonic(), 15 if self.is_loop else int(PATIENCE * self.world.slowness)
        while True:
            complaint = condition()
            if not complaint:
                return time.monotonic() - began
            if self.process.poll() is not None:
                raise Wrong(f"irsync ended with {self.process.returncode} {what}")
            if time.monotonic() - began > patience:
                raise Wrong(f"{what}, not within {patience} s: {complaint}")
            time.sleep(0.1)

    def unwell(self):
        """What is not well with the jobs; None if all of them have succeeded with what their sources hold now."""
        for job in self.world.jobs:
            difference = job.difference()
            if difference:
                return f"{job.name}: {difference}"
            seen = self.world.home / "changed" / job.name
            if job.has_hooks and not self.is_loop and (not seen.exists() or seen.read_text() != job.mark()):
                return f"{job.name}: run_on_change has not seen generation {job.generation}"
        if self.is_loop:
            return None
        code, jobs = self.status()
        if code != 0:
            return f"status gives {code}: {jobs}"
        for job in self.world.jobs:
            found = jobs.get(job.name, {})
            if found.get("last_outcome") not in ("success", "warning"):
                return f"{job.name}: status says {found.get('last_outcome')}"
            if found["last_success_mono"] < self.healed:
                return f"{job.name}: status tells of a success that was before the end of the faults"
        return None if self.guards() else "there is no guard"

    def guards(self):
        """The guard, as a list of one or none."""
        return [one.pid for one in processes() if one.name == "sync-guard" and one.state != "Z"]

    def kill_guard(self):
        """And waits until it has gone."""
        for pid in self.guards():
            send(pid, signal.SIGKILL)
            while pid in self.guards():
                time.sleep(0.01)

    def status(self):
        """What status tells: its code, and the jobs by name, or what it says instead."""
        code, text = self.ask("status", "--json")
        try:
            return code, {job["name"]: job for job in json.loads(text)["jobs"]}
        except (ValueError, KeyError):
            return code or 1, text[:2000]

    def mode_of(self, job):
        """The file that says how its rsync behaves."""
        return self.world.home / "modes" / job.name

    def begin_badly(self, job, code, deaf):
        """The rsync of one job fails from the start, and status has to say so; hooks of others fail, and are asked for again."""

        def unsaid():
            _, jobs = self.status()
            found = jobs.get(job.name, {}) if isinstance(jobs, dict) else {}
            if found.get("last_outcome") in ("success", "warning"):
                raise Wrong(f"{job.name}: rsync exits with {code}, and status says {found['last_outcome']}")
            told = self.world.home / "changed" / f"{job.name}.failed"
            if job.has_hooks and not told.exists():
                return f"{job.name}: run_on_failure has not run"
            return None if found.get("last_code") == code and found["failures"] > 1 else f"{job.name}: status says {found}"

        if not self.is_loop:
            self.until("a job fails and that is told", unsaid)
            seen = [self.world.home / "changed" / f"{one.name}.deaf" for one in deaf]
            self.until("changes are told", lambda: next((f"{path.name} is missing" for path in seen if not path.exists()), None))
        self.mode_of(job).write_text("well\n")
        for one in deaf:
            (self.world.home / "modes" / f"hook-{one.name}").write_text("well\n")

    def calm(self):
        """Takes all jobs out of turn and waits until nothing of them runs: what irsync has then, it has for good."""
        if self.is_loop:
            return {}
        self.ask("pause")

        def busy():
            # What is written to the pipes of a hook's daemon is read as long as that lives.
            for one in processes():
                self._is_hooks(one) and send(one.pid, signal.SIGKILL)
            _, jobs = self.status()
            states = {job["state"] for job in jobs.values()} if isinstance(jobs, dict) else {jobs}
            running = [words(one.pid) or one.name for one in faults.tree(self) if one.name != "sync-guard" and not self._is_hooks(one)]
            return f"{states}, {running}" if states - {"paused"} or running else None

        self.until("all are paused", busy)
        # The log's and the status's threads are at the end of what they were told a moment later.
        last, steady = None, 0
        while steady < 3:
            now = (descriptors(self.pid), process(self.pid).ticks)
            steady = steady + 1 if now == last else 0
            last = now
            time.sleep(0.2)
        if self.random.random() < 0.25:
            # Nothing wakes irsync but the watchdog's need.
            time.sleep(DOG_TIMEOUT + self.world.slowness + 1)
        found = {"descriptors": descriptors(self.pid), "threads": len(os.listdir(f"/proc/{self.pid}/task")), "memory": memory(self.pid)}
        before = process(self.pid).ticks
        time.sleep(1)
        found["ticks"] = process(self.pid).ticks - before
        found["zombies"] = [one.name for one in processes() if one.parent == self.pid and one.state == "Z"]
        return found

    def reload(self, text=None):
        """Gives irsync this configuration, and waits until it has taken it over; the good one unless told otherwise."""
        self.world.configure(text)
        self.was_asked()
        code, said = self.ask("reload")
        if code != 0:
            raise Wrong(f"irsync reload gives {code}: {said}")

    def sleepers(self, job):
        """The rsyncs of a job that do nothing for long."""
        lock = str(self.world.home / "locks" / job.name)
        return {one.pid for one in faults.tree(self) if words(one.pid) == "sleep 1000" and lock in held(one.pid)}

    def workers(self):
        """irsync's threads, by job."""
        found = {}
        for path in Path(f"/proc/{self.pid}/task").glob("*/comm"):
            try:
                found[path.read_text().strip()] = path.parent
            except OSError:
                pass
        return {job.name: found[job.name] for job in self.world.jobs if job.name in found}

    def close_pipes(self):
        """An rsync closes its pipes and does nothing: its worker sleeps, on a busy machine as well."""
        job = self.random.choice(self.world.jobs)
        self.mode_of(job).write_text("closed\n")
        self.until("an rsync has closed its pipes", lambda: None if self.sleepers(job) else "none has")
        asleep, before = 0, None
        while asleep < 10 and self.sleepers(job):
            fields = (self.workers()[job.name] / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            before = ticks if before is None else before
            # Either it sleeps at last, or it uses up what a sleeper does not, however long a busy machine makes it take.
            asleep = asleep + 1 if fields[0] == "S" else 0
            if ticks - before > 5:
                self.wrong.append(f"{job.name}: it spins: the worker does not sleep while its rsync does nothing")
                break
            time.sleep(0.01)
        self.mode_of(job).write_text("well\n")
        for pid in self.sleepers(job):
            send(pid, signal.SIGKILL)

    def come_and_go(self):
        """All jobs leave and come back while the rsync of one of them does not end; in half of the cases at first without the
        descriptors for more than one worker. No job is in its turn when this begins."""
        slow = self.random.choice(self.world.jobs)
        self.tell(f"all jobs leave and come back; the rsync of {slow.name} stays")
        # Longer than anything here takes: whoever waits until that job has left waits for ever.
        self.reload(re.sub(r"(?m)^stop_timeout = .*", "stop_timeout = 1h", self.world.good))
        self.mode_of(slow).write_text("deaf\n")
        self.ask("resume")
        self.until("an rsync is deaf", lambda: None if self.sleepers(slow) else "none is")
        deaf = self.sleepers(slow)
        self.reload("enabled = no\n" + self.world.good)
        if not deaf <= self.sleepers(slow):
            self.wrong.append(f"{slow.name}: irsync has waited until the job had left")
        self.mode_of(slow).write_text("well\n")
        if self.random.random() < 0.5:
            self.tell("descriptors for one worker")
            self.until("all others have left", lambda: None if set(self.workers()) <= {slow.name} else f"{set(self.workers())} are there")
            kind, used = resource.RLIMIT_NOFILE, {int(name) for name in os.listdir(f"/proc/{self.pid}/fd")}
            # All numbers below the lowest that is free are taken. The configuration has to be read with it before.
            lowest = min(set(range(len(used) + 1)) - used)
            resource.prlimit(self.pid, kind, (lowest + 1, self.limits[kind][1]))
            self.world.configure()
            self.was_asked()
            self.ask("reload")
            resource.prlimit(self.pid, kind, self.limits[kind])
        self.reload()
        for pid in deaf:
            send(pid, signal.SIGKILL)
        self.until("all is well after the jobs have left and come back", self.unwell)

    def happen(self):
        """Things happen for some seconds."""
        end = time.monotonic() + self.random.uniform(3, 7)
        while time.monotonic() < end:
            fault = self.random.choice(faults.FAULTS)
            self.tell(fault.__name__.replace("_", " "))
            undo = fault(self)
            self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            if undo:
                self.undo.append((fault.__name__, undo))
            if self.undo and self.random.random() < 0.3:
                name, undo = self.undo.pop(self.random.randrange(len(self.undo)))
                self.tell(f"no more: {name.replace('_', ' ')}")
                undo()
            time.sleep(self.random.expovariate(1 / 0.15))
            if self.process.poll() is not None:
                raise Wrong(f"irsync ended with {self.process.returncode} during the faults")

    def heal(self):
        """Everything is as it was, and each source has something new."""
        self.tell("everything heals")
        for one in processes():
            send(one.pid, signal.SIGCONT)
        for _, undo in reversed(self.undo):
            undo()
        self.undo.clear()
        self.world.serve()
        for job in self.world.jobs:
            # The others have to tell of what has changed during the faults.
            if self.forgets or self.random.random() < 0.5:
                job.write("file-of-the-end")
                job.advance()
        self.world.configure()
        self.was_asked()
        send(self.pid, signal.SIGHUP)
        self.healed = time.monotonic()

    def keep_log(self):
        """What was logged so far is looked at in the end, also if it is removed now."""
        for name in ("log.old", "log"):
            try:
                # A write of some pages is seen page by page: what ends in mid-record is looked at again.
                for _ in range(50):
                    text = (self.world.home / name).read_bytes()
                    if text[-1:] in (b"", b"\n"):
                        break
                    time.sleep(0.02)
                self.logs.append(text)
            except OSError:
                pass

    def judge(self, before, after):
        """What the calm after the faults must have in common with the one before them."""
        for kind in set(before["descriptors"]) | set(after["descriptors"]):
            if after["descriptors"].get(kind, 0) > before["descriptors"].get(kind, 0) + (kind.startswith("/") and 1):
                self.wrong.append(f"descriptors have grown: {before['descriptors']}, then {after['descriptors']}")
                break
        if after["threads"] > before["threads"]:
            self.wrong.append(f"threads have grown from {before['threads']} to {after['threads']}")
        if after["memory"] > before["memory"] + 4096:
            self.wrong.append(f"memory has grown from {before['memory']} to {after['memory']} KiB")
        if after["ticks"] > 10:
            self.wrong.append(f"it spins: {after['ticks']} hundredths of a second in one that is idle")
        if after["zombies"]:
            self.wrong.append(f"zombies: {after['zombies']}")
        for job in self.world.jobs:
            starts = [float(line.split()[0]) for line in (self.world.home / "starts" / job.name).read_text().splitlines()]
            # Each sync may take two passes, or ask two servers; whoever asks for a sync gets it at once.
            most = 2 * int(WINDOW / (self.world.interval / 1000) + 1) + 4
            for at in starts:
                number = sum(at <= other < at + WINDOW for other in starts)
                asked = sum(weight for asked, weight in self.asked if abs(at - asked) < WINDOW)
                if number > most + asked:
                    self.wrong.append(f"{job.name}: {number} starts of rsync in {WINDOW} s, at most {most + asked} were called for")
                    break

    def end(self):
        """One of the ways to end; nothing may be left."""
        way = self.random.choice(("TERM", "KILL", "new guard, then KILL", "both killed"))
        if self.random.random() < 0.7:
            self.tell("syncs hang")
            for job in self.world.jobs:
                (self.world.home / "modes" / job.name).write_text(self.random.choice(("silent", "deaf", "family", "slow")))
                if way != "both killed" and self.random.random() < 0.3:
                    # A hook bears no mark: once both are gone nobody finds what it has started.
                    (self.world.home / "modes" / f"hook-{job.name}").write_text("silent\n")
            send(self.pid, signal.SIGUSR1)
            time.sleep(self.random.uniform(0.3, 1.2))
        self.tell(f"the end: {way}")
        if way == "both killed" and not self.is_loop:
            send(self.pid, signal.SIGSTOP)
            self.watch.stand_still(True)
            self.kill_guard()
            self.process.kill()
            self.process.wait()
            for job in self.world.jobs:
                (self.world.home / "modes" / job.name).write_text("well\n")
                job.advance()
            # Half of the boards have lost their locks as well.
            if self.random.random() < 0.5:
                faults.the_run_folder_is_removed(self)
            self.start()
            self.watch.stand_still(False)
            self.until("all is well after the second start", self.unwell)
            way = "TERM"
        elif way == "new guard, then KILL" and not self.is_loop:
            # The next one has to know what runs already. What a hook has started bears no mark, so that it has to be told.
            for job in [job for job in self.world.jobs if job.has_hooks][:1]:
                self.mode_of(job).write_text("well\n")
                (self.world.home / "modes" / f"hook-{job.name}").write_text("silent\n")
                self.until("a hook hangs", lambda: None if any(words(one.pid) == "sleep 2000" for one in faults.tree(self)) else "none does")
            self.kill_guard()
            self.until("there is a guard again", lambda: None if self.guards() else "there is none")
        if way == "TERM" or self.is_loop:
            self.process.terminate()
        else:
            self.process.kill()
        self.watch.stand_still(True)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Wrong("irsync does not end within 30 s after SIGTERM") from None
        if way == "TERM" and code != 0 and not self.is_loop:
            self.wrong.append(f"irsync ends with {code} after SIGTERM")
        # The kernel and the guard may take a moment; daemons of a hook are nobody's.
        began = time.monotonic()
        while left := [one for one in faults.tree(self) if not self._is_hooks(one)]:
            if time.monotonic() - began > (1 if way == "TERM" else 15):
                self.wrong.append(f"left after {way}: {[words(one.pid) or one.name for one in left]}")
                break
            time.sleep(0.1)
        began = time.monotonic()
        # A child of irsync's that has not come to its exec may hold the lock for a moment.
        while not self.is_loop and (told := self.ask("status"))[0] != 3:
            if time.monotonic() - began > 10:
                self.wrong.append(f"status gives {told} after the end")
                break

    def _is_hooks(self, one):
        # rsync and all that it starts hold the lock of its run.
        if words(one.pid) != "sleep 1000" or any("/locks/" in path for path in held(one.pid)):
            return False
        return b"IRSYNC_JOB=" in environment(one.pid)

    def account(self):
        """For whoever looks into it: what there is."""
        for one in processes():
            self.tell(f"{one.pid} {one.state} child of {one.parent} in {one.session}: {words(one.pid) or one.name}")
        if not self.is_loop and self.process.poll() is None:
            self.tell(self.ask("status", "--json")[1])

    def read_back(self):
        """What was written meanwhile."""
        overlaps = (self.world.home / "overlaps").read_text().splitlines()
        if overlaps:
            self.wrong.append(f"two rsyncs at once, {len(overlaps)} times: {overlaps[0]}")
        self.keep_log()
        secret = self.world.secret.encode()
        texts = [*self.logs, (self.world.home / "stderr").read_bytes()]
        for path in [*(self.world.home / "run").glob("*"), *(self.world.home / "state").glob("*")]:
            path.is_file() and texts.append(path.read_bytes())
        if any(secret in text for text in texts):
            self.wrong.append("the password is in a log or in the status")
        if not self.is_loop and not (self.world.home / "log").exists():
            self.wrong.append("there is no log")
        for text in self.logs:
            # The last record may be longer than what is left.
            if len(text) > self.world.log_size:
                self.wrong.append(f"the log has grown to {len(text)} of {self.world.log_size} bytes")
            if strange := [line for line in text.splitlines() if not RECORD.fullmatch(line)]:
                self.wrong.append(f"no record of the log: {strange[0][:200]}")
            if b"a worker hangs" in text:
                self.wrong.append("a worker was taken for one that hangs")
            if b"forged" in text and re.search(rb"(?m)^[^\n]{20,40}\] media: a record", text):
                self.wrong.append("rsync has forged a record")

    def run(self):
        """All of it; gives what was wrong."""
        self.tell(f"this machine is taken for {self.world.slowness:.1f} times slower than a quiet one")
        self.world.configure()
        self.world.serve()
        bad, code = self.random.choice(self.world.jobs), self.random.choice((5, 10, 12))
        # Before it has copied anything, or afterwards.
        self.mode_of(bad).write_text(f"{self.random.choice(('exit', 'late'))}-{code}\n")
        deaf = [job for job in self.world.jobs if job.has_hooks and job is not bad]
        for job in deaf:
            (self.world.home / "modes" / f"hook-{job.name}").write_text("deaf-to-changes\n")
        self.watch = Watch(self.world, self.start(), not self.is_loop)
        self.watch.start()
        try:
            self.begin_badly(bad, code, deaf)
            self.until("all is well before the faults", self.unwell)
            self.limits = {kind: resource.prlimit(self.pid, kind) for kind in faults.LIMITS}
            before = self.calm()
            if before:
                self.come_and_go()
                self.close_pipes()
            self.happen()
            self.heal()
            took = self.until("all is well after the faults", self.unwell)
            self.tell(f"all is well after {took:.1f} s")
            if self.is_loop:
                before = None
            after = self.calm()
            if before:
                self.judge(before, after)
                self.ask("resume")
            self.end()
        except Wrong as wrong:
            self.wrong.append(str(wrong))
            self.account()
        self.read_back()
        self.watch.end()
        self.world.mislead(None)
        self.world.signal_daemon(signal.SIGKILL)
        self.tell(f"longest without food {self.watch.longest_hunger:.1f} s")
        return self.wrong + self.watch.wrong


def uptime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def environment(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--irsync")
    chaos = Chaos(parser.parse_args())
    try:
        wrong = chaos.run()
    except Exception:
        import traceback
        traceback.print_exc()
        wrong = ["the runner itself failed: " + traceback.format_exc().splitlines()[-1]]
    (chaos.world.home / "wrong").write_text("".join(f"{line}\n" for line in wrong))
    # Threads of ours may hang on what was killed.
    os._exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
