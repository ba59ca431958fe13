SUMMARY = "A small image that keeps its files in step with an rsync server"
DESCRIPTION = "core-image-minimal with irsync. Bring your own irsync.ini with a .bbappend of the recipe irsync."
HOMEPAGE = "https://releases.irsync.invalid"
BUGTRACKER = "https://releases.irsync.invalid"
SECTION = "images"
CVE_PRODUCT = ""
LICENSE = "MIT"

inherit core-image

IMAGE_INSTALL = "packagegroup-core-boot irsync ${CORE_IMAGE_EXTRA_INSTALL}"

# Serial consoles, no development tools; room for what is synced is the board's matter.
IMAGE_LINGUAS = ""
IMAGE_ROOTFS_EXTRA_SPACE ?= "65536"
