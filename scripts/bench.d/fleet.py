"""100,000 reports: `irsync fleet` beside `find | xargs cat`, which only reads them."""

import os
import resource
import subprocess
import time

from harness import ROOT, median, show

REPORTS = 100_000
# What the owner was promised.
SECONDS, KIB = 2.0, 200 * 1024


def built():
    """A release build with the feature; devices have none."""
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--features", "fleet"]
    target = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "fleet")
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": target}, check=True)
    return os.path.join(target, "release", "irsync")


def write_reports(folder):
    outcomes = ["success", "warning", "partial", "held", "busy", "transient", "permanent", "disk", "stalled", "skipped"]
    counts = "".join(f"runs_{outcome} = 9\n" for outcome in outcomes)
    for n in range(REPORTS):
        # One of fifty is not well.
        outcome = "success" if n % 50 else ("transient", "busy", "held", "disk")[n // 50 % 4]
        with open(f"{folder}/device{n:06}.status", "w") as file:
            file.write(
                "; irsync's status; read it with `irsync status`\n\n[irsync]\nversion = 0.1.0\npid = 412\nstate = running\n"
                "started_mono = 12.001\nstarted = 2026-11-22T17:40:29Z\nwritten_mono = 86400.000\n"
                "written = 2026-11-22T17:40:29Z\nboot_cause = power\n\n[job:media]\nstate = waiting\nsince_mono = 86390.123\n"
                "since = 2026-11-22T17:40:29Z\nnext_run_mono = 87290.123\nnext_run = 2026-11-22T17:40:29Z\n"
                "started_mono = 12.001\nstarted = 2026-11-22T17:40:29Z\nnext_run_in = 890.123\n"
                f"last_outcome = {outcome}\nlast_code = 0\nlast_reason = RERR_OK\nlast_ended_mono = 86390.000\n"
                "last_ended = 2026-11-22T17:40:29Z\nlast_duration = 1.532\nlast_files = 0\nlast_bytes = 1832\n"
                f"last_success_mono = {86390 - n % 50 * 300}.000\nlast_success = 2026-11-22T17:40:29Z\n"
                "stale_after = 9900.000\nfailures = 0\nruns = 96\nstalls = 0\nkills = 0\nfiles_total = 120\n"
                f"bytes_total = 1839201\n{counts}rsync_version = 3.2.7\n\n[report]\nuptime = 86400.000\n")


def run(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, shell=isinstance(command, str), stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return wall, spent, usage.ru_maxrss


def fleet(bench):
    program, folder = built(), bench.new_folder()
    write_reports(folder)
    work = {"irsync fleet": [program, "fleet", folder],
            "irsync fleet --html": [program, "fleet", folder, "--html", f"{folder}.html"],
            "find | xargs cat": f"find {folder} -name '*.status' -print0 | xargs -0 cat"}
    for name, command in work.items():
        runs = [run(command) for _ in range(bench.pairs)]
        wall, spent, peak = (median(values) for values in zip(*runs))
        met = {}
        if name.startswith("irsync"):
            # Others may have the machine: what two cores would need for it decides.
            met = {"promised": "kept" if spent / 2 < SECONDS and peak < KIB else "MISSED"}
        show(f"{REPORTS:,} reports: {name}", wall=f"{wall:.2f} s", processor=f"{spent:.2f} s", peak=f"{peak // 1024} MiB", **met)
