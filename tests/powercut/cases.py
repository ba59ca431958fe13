"""What is recorded: file systems, mount options, rsync's options, irsync's keys."""

from collections import namedtuple

# `keys` are lines of the job's section; `fsck` runs before the mount of a cut disk, as an image's init does.
Case = namedtuple("Case", "fs options keys fsck mount", defaults=("", "", ""))
SIZE = 192 << 20
MKFS = {
    "ext4": "mke2fs -q -F -t ext4",
    "f2fs": "mkfs.f2fs -q -f",
    "vfat": "mkfs.vfat -F 32",
    "exfat": "mkfs.exfat",
    "btrfs": "mkfs.btrfs -q -f",
}
MODULES = {"vfat": "nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 vfat", "f2fs": "crc32_generic f2fs", "exfat": "exfat"}
FULL = "-rltHS --delete"
FAT = "-rt --delete --modify-window=1"
CASES = {
    "ext4": Case("ext4", FULL),
    "ext4-inplace": Case("ext4", "-rltH --delete --inplace"),
    "ext4-partial": Case("ext4", FULL + " --partial-dir=.irsync-partial"),
    "f2fs": Case("f2fs", FULL),
    "f2fs-inplace": Case("f2fs", "-rltH --delete --inplace"),
    "f2fs-partial": Case("f2fs", FULL + " --partial-dir=.irsync-partial"),
    "ext4-atomic": Case("ext4", FULL, "atomic = yes"),
    "f2fs-atomic": Case("f2fs", FULL, "atomic = yes"),
    "btrfs-atomic": Case("btrfs", FULL, "atomic = yes"),
    "btrfs": Case("btrfs", FULL),
    "exfat": Case("exfat", FAT),
    "vfat": Case("vfat", FAT),
    "vfat-fsck": Case("vfat", FAT, fsck="fsck.vfat -a"),
}


def fat(case):
    """No links, no holes."""
    return case.fs in ("vfat", "exfat")
