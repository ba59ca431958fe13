# shellcheck shell=bash
# The init script, the inittab recipe and OpenRC's script, under BusyBox init as PID 1 of its own namespace; the unit.

# The same bytes go into every image.
copies_are_the_same() {
	# shellcheck disable=SC2153 # lib.sh sets it
	local buildroot=$ROOT/buildroot/package/irsync yocto=$ROOT/yocto/meta-irsync/recipes-support/irsync/files
	cmp "$ROOT/scripts/init/irsync.init" "$buildroot/S60irsync"
	cmp "$ROOT/scripts/init/irsync.service" "$buildroot/irsync.service"
	cmp "$ROOT/scripts/init/irsync.init" "$yocto/irsync.init"
	cmp "$ROOT/scripts/init/irsync.service" "$yocto/irsync.service"
}

# busybox_root FOLDER [dpkg]: BusyBox, irsync, rsync, a job from /src to /dst; with dpkg's start-stop-daemon on request.
busybox_root() {
	local root=$1 daemon=${2:-busybox} applet
	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc/init.d,etc/default,proc,dev,tmp,run,var,src,dst,dst2}
	ln -s ../run "$root/var/run"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $("$root/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	ln -s ../bin/busybox "$root/sbin/init"
	into_root "$root" "$(command -v rsync)" /usr/bin/rsync
	into_root "$root" "$(host_binary)" /usr/bin/irsync
	if [ "$daemon" = dpkg ]; then
		rm -f "$root/bin/start-stop-daemon"
		into_root "$root" "$(command -v start-stop-daemon)" /sbin/start-stop-daemon
	fi
	cp "$ROOT/scripts/init/irsync.init" "$root/etc/init.d/S60irsync"
	cp "$ROOT"/tests/packaging/drive-* "$root/"
	cp "$ROOT/tests/packaging/slow-rsync" "$root/bin/"
	echo content >"$root/src/file"
	cat >"$root/etc/irsync.ini" <<'INI'
log = /tmp/log
rsync = /usr/bin/rsync
interval = 1s
[job]
source = /src/
destination = /dst/
INI
}

# boot FOLDER: init as PID 1; ends when the root powers off.
boot() {
	# shellcheck disable=SC2016 # for the inner shell
	timeout -k 5 120 unshare --mount --pid --uts --ipc --fork sh -c '
		mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/run" && mount -t tmpfs tmpfs "$1/dev" &&
		mknod "$1/dev/null" c 1 3 && mknod "$1/dev/console" c 1 3 && mknod "$1/dev/urandom" c 1 9 && chmod 666 "$1"/dev/* &&
		exec chroot "$1" /sbin/init' sh "$1" || true
	cat "$1/tmp/driven"
}

init_script() {
	local root=$WORK/root-$1
	busybox_root "$root" "$1"
	cat >"$root/etc/inittab" <<'TAB'
::sysinit:/bin/sh -c '/drive-init > /tmp/driven 2>&1'
::sysinit:/bin/poweroff -f
TAB
	boot "$root"
	grep -q '^ALL WELL: init script' "$root/tmp/driven"
}

# The recipe itself is what is tested.
respawn() {
	local root=$WORK/root-respawn line
	busybox_root "$root"
	line=$(tail -n 1 "$ROOT/scripts/init/inittab.irsync")
	cat >"$root/etc/inittab" <<TAB
$line
::once:/bin/sh -c '/drive-respawn > /tmp/driven 2>&1'
TAB
	boot "$root"
	grep -q '^ALL WELL: respawn' "$root/tmp/driven"
}

# openrc_packages: Debian's, unpacked and not installed.
openrc_packages() {
	"$ROOT/scripts/debian-packages" "$WORK/openrc" openrc librc1 libeinfo1
}

# Boots as Alpine does: BusyBox init and shell, OpenRC's runlevels and supervisor. The boot starts irsync, a shutdown ends it.
openrc() {
	local root=$WORK/root-openrc program library
	busybox_root "$root"
	cp -a "$WORK/openrc"/{bin,sbin,lib} "$root/"
	for program in "$WORK"/openrc/{sbin/*,lib/rc/bin/*}; do
		for library in $(LD_LIBRARY_PATH="$(echo "$WORK"/openrc/lib/*-linux-gnu*)" ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | sort -u); do
			case $library in "$WORK"/*) continue ;; esac
			[ -e "$root/$library" ] || install -D "$library" "$root/$library"
		done
	done
	rm -r "$root/etc/init.d"
	mkdir -p "$root"/etc/{init.d,conf.d,runlevels/{sysinit,boot,default,shutdown}} "$root/sys"
	cp "$WORK/openrc/etc/rc.conf" "$root/etc/"
	# Debian's OpenRC asks for them.
	mkdir "$root/etc/insserv.conf.d"
	touch "$root/etc/insserv.conf"
	cp "$ROOT/scripts/init/irsync.openrc" "$root/etc/init.d/irsync"
	ln -s ../../init.d/irsync "$root/etc/runlevels/default/irsync"
	# The test kills it often and is not to wait long.
	echo 'respawn_delay=1' >"$root/etc/conf.d/irsync"
	cat >"$root/etc/inittab" <<'TAB'
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
::once:/bin/sh -c '/drive-openrc > /tmp/driven 2>&1'
::shutdown:/sbin/openrc shutdown
TAB
	boot "$root"
	grep -q '^ALL WELL: openrc' "$root/tmp/driven"
	# Emptied before the shutdown.
	cat "$root/tmp/log"
	grep -q '\[INFO\] stopped$' "$root/tmp/log"
}

unit_is_valid() {
	local said
	mkdir -p "$WORK/unit/usr/bin" "$WORK/unit/etc/systemd/system"
	cp "$ROOT/scripts/init/irsync.service" "$WORK/unit/irsync.service"
	# verify wants the program where the unit says it is.
	sed -i 's#^ExecStart=/usr/bin/irsync#ExecStart=/bin/true#' "$WORK/unit/irsync.service"
	said=$(systemd-analyze verify --man=no "$WORK/unit/irsync.service" 2>&1)
	echo "$said"
	# What it says of units that are not ours is not ours.
	! grep -q irsync <<<"$said"
}

# Recorded, and held: less hardening fails.
unit_is_hardened() {
	local score
	score=$(systemd-analyze security --offline=yes --no-pager "$ROOT/scripts/init/irsync.service" | grep -oE '[0-9.]+ [A-Z]+' | tail -n 1)
	echo "$score"
	awk -v s="${score%% *}" 'BEGIN { exit !(s > 0 && s <= 4.3) }'
	echo "$score" >"$WORK/unit-score"
}

init_checks() {
	check copies-of-the-init-files copies_are_the_same
	if [ "$(id -u)" != 0 ] || ! unshare --mount --pid --fork true 2>/dev/null; then
		skipped init-script "needs root and namespaces"
	elif ! need busybox=busybox-static rsync start-stop-daemon=dpkg; then
		skipped init-script "needs busybox-static"
	else
		check init-script-busybox init_script busybox
		check init-script-dpkg init_script dpkg
		check inittab-respawn respawn
		if openrc_packages >"$WORK/log-openrc-packages" 2>&1; then
			check openrc openrc
		else
			skipped openrc "$(tail -n 1 "$WORK/log-openrc-packages")"
		fi
	fi
	if have systemd-analyze; then
		check unit-verify unit_is_valid
		check unit-security unit_is_hardened
		[ ! -e "$WORK/unit-score" ] || echo "   exposure of the unit: $(cat "$WORK/unit-score")"
	else
		skipped unit-verify "no systemd-analyze (Debian package systemd)"
	fi
}
