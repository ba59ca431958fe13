# shellcheck shell=bash
# The hooks of Armbian's build framework and of pi-gen, run as these run them on a Debian root; a read-only root.

image_root() {
	mkdir -p "$WORK/$1"
	tar -xf "$(root_tarball amd64)" -C "$WORK/$1"
	[ -e "$WORK/debs" ] || debs
	printf 'log = syslog\n[job]\nsource = /src/\ndestination = /dst/\ninterval = 1s\n' >"$WORK/my.ini"
}

installed() {
	cmp "$WORK/my.ini" "$1/etc/irsync.ini"
	[ "$(stat -c %a "$1/etc/irsync.ini")" = 640 ]
	chroot "$1" dpkg --status irsync | grep -q '^Status: install ok installed'
	ls "$1"/etc/rc2.d/S*irsync
	[ -e "$1/etc/systemd/system/multi-user.target.wants/irsync.service" ] || [ -L "$1/etc/systemd/system/multi-user.target.wants/irsync.service" ]
	[ ! -e "$1/usr/sbin/policy-rc.d" ]
	# Nothing was started.
	[ ! -e "$1/run/irsync.pid" ]
}

# customize-image.sh inside the chroot, overlay/ at /tmp/overlay.
armbian() {
	local root=$WORK/armbian
	image_root armbian
	mkdir -p "$root/tmp/overlay"
	# shellcheck disable=SC2153 # lib.sh sets it
	cp -L "$ROOT"/scripts/images/armbian/overlay/* "$root/tmp/overlay/"
	cp "$WORK/debs/irsync_$(version)_amd64.deb" "$root/tmp/overlay/irsync.deb"
	cp "$WORK/my.ini" "$root/tmp/overlay/irsync.ini"
	cp "$ROOT/scripts/images/armbian/customize-image.sh" "$root/tmp/"
	chroot "$root" /tmp/customize-image.sh bookworm meson64 odroidn2 no
	installed "$root"
}

# 00-run.sh outside, in its folder, with ROOTFS_DIR.
pi_gen() {
	local root=$WORK/pi-gen stage=$WORK/stage-irsync
	image_root pi-gen
	cp -rL "$ROOT/scripts/images/pi-gen/stage-irsync" "$stage"
	cp "$WORK/debs/irsync_$(version)_amd64.deb" "$stage/00-irsync/files/irsync.deb"
	cp "$WORK/my.ini" "$stage/00-irsync/files/irsync.ini"
	(cd "$stage/00-irsync" && ROOTFS_DIR=$root ./00-run.sh)
	installed "$root"
}

# A bad irsync.ini stops the making of the image.
bad_ini() {
	local root=$WORK/armbian
	echo 'nonsense = 1' >"$WORK/bad.ini"
	! "$ROOT/scripts/images/install-into" "$root" "$WORK/debs/irsync_$(version)_amd64.deb" "$WORK/bad.ini" || return 1
	[ ! -e "$root/usr/sbin/policy-rc.d" ]
}

# The image of above with its root read-only and /data and /run alone writable: it starts, syncs and stops.
read_only_root() {
	local root=$WORK/armbian
	sed -e 's#^source = .*#source = /data/source/#' -e 's#^options#interval = 1s\noptions#' \
		"$ROOT/scripts/images/read-only-root.ini" >"$root/etc/irsync.ini"
	mkdir -p "$root/data"
	cat >"$root/drive" <<'DRIVE'
#!/bin/bash
mkdir -p /data/source /data/irsync /data/irsync.d /data/media
echo content >/data/source/file
touch /etc/probe 2>/dev/null && { echo "FAULT: the root is writable"; exit 1; }
/etc/init.d/irsync start || exit 1
n=200
until [ -e /data/media/file ]; do n=$((n - 1)); [ $n -gt 0 ] || { echo "FAULT: nothing arrives"; ls -R /data /run; exit 1; }; sleep 0.1; done
/etc/init.d/irsync status || exit 1
/etc/init.d/irsync stop || exit 1
echo "ALL WELL: read-only root"
DRIVE
	chmod +x "$root/drive"
	# shellcheck disable=SC2016 # for the inner shell
	timeout -k 5 120 unshare --mount --pid --uts --ipc --fork sh -c '
		mount --bind "$1" "$1" && mount -t tmpfs tmpfs "$1/data" && mount -t tmpfs tmpfs "$1/run" && mount -t tmpfs tmpfs "$1/tmp" &&
		mount -t proc proc "$1/proc" && mount -o remount,bind,ro "$1" && exec chroot "$1" /drive' sh "$root" | tee "$WORK/read-only"
	grep -q '^ALL WELL: read-only root' "$WORK/read-only"
}

ini_files_are_valid() {
	local file ini=$WORK/checked.ini
	for file in "$ROOT"/buildroot/board/*/*.ini "$ROOT"/scripts/images/*.ini; do
		# check reads what a file includes.
		sed "s#^include = .*#include = $WORK/nowhere#" "$file" >"$ini"
		mkdir -p "$WORK/nowhere"
		"$(host_binary)" check --config "$ini"
	done
}

images_checks() {
	check ini-files-are-valid ini_files_are_valid
	if [ "$1" != full ]; then
		skipped images "takes minutes: scripts/test-packaging full images"
		return
	fi
	if [ "$(id -u)" != 0 ] || ! have dpkg-deb || [ "$(dpkg --print-architecture)" != amd64 ]; then
		skipped images "needs root on a Debian machine (amd64)"
		return
	fi
	local why
	if ! why=$(need_root amd64); then
		skipped images "$why"
		return
	fi
	check images-armbian armbian
	check images-pi-gen pi_gen
	check images-bad-ini bad_ini
	check images-read-only-root read_only_root
}
