#!/bin/bash -e
# pi-gen: runs outside the image, whose root is ROOTFS_DIR. files/ holds install-into, irsync.deb (armhf or arm64, as the
# image is) and your irsync.ini. 00-packages has brought rsync.
ini=files/irsync.ini
[ -e "$ini" ] || ini=
files/install-into "${ROOTFS_DIR:?}" files/irsync.deb ${ini:+"$ini"}
