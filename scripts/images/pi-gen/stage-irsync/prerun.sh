#!/bin/bash -e
# pi-gen: this stage builds on the one before it.
if [ ! -d "${ROOTFS_DIR:?}" ]; then
	copy_previous
fi
