"""The two versions of a set that a sync leads from one to the other, and what a power cut made of it."""

import hashlib
import os
import random
from pathlib import Path

T1, T2 = 1790000000, 1790100000  # even: vfat stores no odd seconds
PLAN = ["new"] * 35 + ["other-size"] * 25 + ["same-size"] * 20 + ["deleted"] * 20 + ["unchanged"] * 20


def make(folder, seed, fat, every=1):
    """FOLDER/v1 and FOLDER/v2, with every so many of the files."""
    rng = random.Random(seed)
    for n, kind in enumerate(PLAN[::every]):
        name = f"dir{n % 7}/{kind}-{n:03}.bin"
        data = rng.randbytes(_size(rng))
        if kind != "new":
            _put(folder / "v1" / name, data, T1 + 2 * n)
        if kind == "unchanged":
            _put(folder / "v2" / name, data, T1 + 2 * n)
        elif kind != "deleted":
            data = rng.randbytes(len(data) if kind == "same-size" else _size(rng))
            _put(folder / "v2" / name, data, T2 + 2 * n)
    if not fat:
        for tree, stamp in (("v1", T1), ("v2", T2)):
            _specials(folder / tree, rng, stamp)
    for tree in ("v1", "v2"):
        for path in [folder / tree, *(folder / tree).iterdir()]:
            os.utime(path, (T1, T1), follow_symlinks=False)


def _specials(tree, rng, stamp):
    """Hard links, symbolic links, holes."""
    for n in range(3):
        _put(tree / f"dir0/linked-{n}.bin", rng.randbytes(_size(rng)), stamp)
        os.link(tree / f"dir0/linked-{n}.bin", tree / f"dir1/also-{n}.bin")
        (tree / f"dir2/link-{n}").symlink_to(f"../dir{stamp % 5 + n % 2}/x")
        _put(tree / f"dir3/sparse-{n}.bin", rng.randbytes(5000) + bytes(100_000) + rng.randbytes(5000), stamp)


def _size(rng):
    return int(1024 * 512 ** rng.random())


def _put(path, data, mtime):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))


def walk(tree):
    """path -> (size, mtime, digest), of links and files."""
    found = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(os.path.join(tree, folder)))
        except OSError as error:
            found[folder] = (-1, 0, f"unreadable: {error.errno}")
            continue
        for entry in entries:
            key = folder + entry.name
            try:
                if entry.is_symlink():
                    found[key] = (0, 0, "-> " + os.readlink(entry.path))
                elif entry.is_dir():
                    folders.append(key + "/")
                else:
                    found[key] = _look(entry.path)
            except OSError as error:
                found[key] = (-1, 0, f"unreadable: {error.errno}")
    return found


def _look(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        stat = os.fstat(fd)
        return stat.st_size, int(stat.st_mtime), hashlib.sha1(os.read(fd, stat.st_size + 1)).hexdigest()
    finally:
        os.close(fd)


def judge(new, old, found):
    """How many files are: old, absent, visibly wrong (rsync will see it), silent (right size and time, wrong content),
    undeleted, stray. Those that are as in the new set are not counted."""
    counts = {}
    for path, want in new.items():
        here = found.get(path)
        if here == want:
            continue
        if here is None:
            kind = "absent"
        elif here == old.get(path):
            kind = "old"
        elif here[:2] == want[:2] and here[2] != want[2]:
            kind = "silent"
        else:
            kind = "visible"
        counts[kind] = counts.get(kind, 0) + 1
    for path in found.keys() - new.keys():
        kind = "undeleted" if path in old else "stray"
        counts[kind] = counts.get(kind, 0) + 1
    return counts
