#!/bin/bash
# For Armbian's build framework: userpatches/customize-image.sh, with userpatches/overlay/ holding what stands in overlay/
# here: install-into, irsync.deb of the board's architecture, and your irsync.ini. Runs inside the image's chroot, where
# overlay/ is /tmp/overlay. Arguments: RELEASE LINUXFAMILY BOARD BUILD_DESKTOP.
set -e
ini=/tmp/overlay/irsync.ini
[ -e "$ini" ] || ini=
/tmp/overlay/install-into / /tmp/overlay/irsync.deb ${ini:+"$ini"}
