"""What is recorded: file systems, mount options, rsync's options, irsync's keys."""

from collections import namedtuple

# `keys` are lines of the job's section; `fsck` runs before the mount of a cut disk, as an image's init does; `story` is what
# is recorded: a sync, or the life of irsync's own files (own.py); `rsync` is another one than the host's.
Case = namedtuple("Case", "fs options keys fsck mount story rsync", defaults=("", "", "", "sync", ""))
SIZE = 192 << 20
MKFS = {
    "ext4": "mke2fs -q -F -t ext4",
    "f2fs": "mkfs.f2fs -q -f",
    "vfat": "mkfs.vfat -F 32",
    "exfat": "mkfs.exfat",
    "btrfs": "mkfs.btrfs -q -f",
}
MODULES = {"vfat": "nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 vfat", "f2fs": "crc32_generic f2fs", "exfat": "nls_utf8 exfat"}
LINKS = "-rltH --delete"
FULL = LINKS + " --sparse"
PARTIAL = " --partial-dir=.irsync-partial"
FAT = "-rt --delete --modify-window=1"
CASES = {}
for fs in ("ext4", "f2fs", "btrfs"):
    CASES |= {
        fs: Case(fs, FULL),
        fs + "-inplace": Case(fs, LINKS + " --inplace"),
        fs + "-partial": Case(fs, FULL + PARTIAL),
        fs + "-atomic": Case(fs, FULL, "atomic = yes"),
    }
    # An rsync that knows no --fsync: before a cut is known as such at the next start, files stay wrong; not in the default set.
    CASES |= {f"{name}-old": CASES[name]._replace(rsync="rsync-old") for name in (fs, fs + "-inplace", fs + "-atomic")}
for fs in ("exfat", "vfat"):
    CASES |= {fs: Case(fs, FAT), fs + "-inplace": Case(fs, FAT + " --inplace"), fs + "-partial": Case(fs, FAT + PARTIAL)}
    CASES[fs + "-old"] = CASES[fs]._replace(rsync="rsync-old")
# What mends, before a mount, what the kernel makes read-only when it finds errors on it.
FSCK = {"vfat": "fsck.vfat -a", "exfat": "fsck.exfat -p"}
CASES["vfat-fsck"] = CASES["vfat"]._replace(fsck=FSCK["vfat"])
CASES["exfat-inplace-fsck"] = CASES["exfat-inplace"]._replace(fsck=FSCK["exfat"])
for fs in ("ext4", "f2fs", "btrfs", "exfat"):
    CASES[fs + "-own"] = Case(fs, FAT, story="own")
# What each pass of scripts/test takes: each file system once, and those in which a mutant is noticed.
QUICK = ["ext4", "ext4-inplace", "f2fs", "btrfs", "exfat", "vfat", "vfat-fsck", "ext4-atomic", "f2fs-atomic", "ext4-own"]

# What promises rest on, and the cases in which it is missed. `fault` is left out by irsync itself (src/os/fault.rs). `late`: the
# kernel writes nothing by itself, or it might make good what was left out before a slow machine comes to `success`.
Mutant = namedtuple("Mutant", "cases fault without_fsync late", defaults=("", False, True))
MUTANTS = {
    "--fsync": Mutant(["ext4-inplace", "f2fs"], without_fsync=True, late=False),
    "syncfs": Mutant(["ext4", "f2fs"], "syncfs"),
    # rsync's --fsync alone keeps contents whole: it is taken away too, as an old rsync has none.
    "syncfs before the exchange": Mutant(["ext4-atomic", "f2fs-atomic"], "syncfs-before-exchange", True),
    "fsync of the parent": Mutant(["ext4-atomic"], "fsync-of-parent"),
    "fsync of records": Mutant(["ext4-own", "f2fs-own"], "fsync-of-records"),
}


def fat(case):
    """No links, no holes."""
    return case.fs in ("vfat", "exfat")
