# shellcheck shell=bash
# The Debian package.

debs() {
	mkdir -p "$WORK/debs"
	# shellcheck disable=SC2153 # lib.sh sets it
	"$ROOT/scripts/package-deb" --out "$WORK/debs" amd64 "$(host_binary)"
	local arch name
	for arch in aarch64=arm64 armv7=armhf; do
		name=${CARGO_TARGET_DIR:-$ROOT/target}/dist/irsync-$(version)-${arch%=*}
		[ ! -x "$name" ] || "$ROOT/scripts/package-deb" --out "$WORK/debs" "${arch#*=}" "$name"
	done
}

deb_content() {
	local deb
	deb=$WORK/debs/irsync_$(version)_amd64.deb
	dpkg-deb --info "$deb"
	dpkg-deb --contents "$deb" >"$WORK/deb-content"
	cat "$WORK/deb-content"
	grep -q -- '-rw-r----- root/root .* \./etc/irsync.ini$' "$WORK/deb-content"
	grep -q -- '-rwxr-xr-x root/root .* \./usr/bin/irsync$' "$WORK/deb-content"
	grep -q '\./usr/lib/systemd/system/irsync.service$' "$WORK/deb-content"
	dpkg-deb --field "$deb" Depends | grep -qw rsync
}

# Clean but for what is not there to be packed yet, or cannot be in a test's debug build.
lintian_clean() {
	local allow=()
	ls "$ROOT"/man/irsync.* >/dev/null 2>&1 || allow+=(no-manual-page)
	case $(host_binary) in */debug/*) allow+=(unstripped-binary-or-object) ;; esac
	local said suppress=()
	[ ${#allow[@]} = 0 ] || suppress=(--suppress-tags "$(IFS=,; echo "${allow[*]}")")
	said=$(lintian --allow-root "${suppress[@]}" "$WORK"/debs/*.deb 2>&1) || true
	echo "$said"
	! grep -E '^[EW]:' <<<"$said"
}

debian_root() {
	local sources=/etc/apt/sources.list.d/debian.sources
	[ -e "$sources" ] || sources=/etc/apt/sources.list
	mmdebstrap --quiet --variant=apt --include=rsync,procps "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$WORK/debian.tar" "$sources"
}

# The package once more as a later version with another sample INI.
later_version() {
	local tree=$WORK/later
	dpkg-deb --raw-extract "$1" "$tree"
	sed -i 's/^Version: .*/&+later/' "$tree/DEBIAN/control"
	echo '; a new sample' >>"$tree/etc/irsync.ini"
	dpkg-deb --root-owner-group --build "$tree" "$2"
}

deb_lives() {
	local root=$WORK/debian-root
	mkdir -p "$root"
	tar -xf "${IRSYNC_DEBIAN_ROOT:-$WORK/debian.tar}" -C "$root"
	mkdir -p "$root/debs"
	cp "$WORK/debs/irsync_$(version)_amd64.deb" "$root/debs/old.deb"
	later_version "$root/debs/old.deb" "$root/debs/new.deb"
	cp "$ROOT/tests/packaging/drive-deb" "$root/"
	# Without an init of its own invoke-rc.d wants to be told that it may.
	printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	# shellcheck disable=SC2016 # for the inner shell
	timeout -k 5 300 unshare --mount --pid --uts --ipc --fork sh -c '
		mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/run" && exec chroot "$1" /drive-deb' sh "$root" |
		tee "$WORK/deb-lives"
	grep -q '^ALL WELL: deb' "$WORK/deb-lives"
}

debian_checks() {
	if ! have dpkg-deb || [ "$(dpkg --print-architecture)" != amd64 ]; then
		skipped deb "not a Debian machine (amd64)"
		return
	fi
	check deb-build debs
	check deb-content deb_content
	if need lintian; then
		check deb-lintian lintian_clean
	else
		skipped deb-lintian "no lintian"
	fi
	if [ "$1" != full ]; then
		skipped deb-lifecycle "takes minutes: scripts/test-packaging full debian"
	elif [ "$(id -u)" != 0 ] || ! unshare --mount --pid --fork true 2>/dev/null; then
		skipped deb-lifecycle "needs root and namespaces"
	else
		if [ -z "${IRSYNC_DEBIAN_ROOT:-}" ]; then
			if ! need mmdebstrap; then
				skipped deb-lifecycle "no mmdebstrap"
				return
			fi
			check deb-root debian_root
		fi
		check deb-lifecycle deb_lives
	fi
}
