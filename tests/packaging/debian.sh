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
	grep -q -- '-rw-r--r-- root/root .* \./usr/share/bash-completion/completions/irsync$' "$WORK/deb-content"
	grep -q -- '-rw-r--r-- root/root .* \./usr/share/zsh/vendor-completions/_irsync$' "$WORK/deb-content"
	dpkg-deb --field "$deb" Depends | grep -qw rsync
	[ "$(dpkg-deb --field "$deb" Maintainer)" = 'Jo Doe <jo@irsync.test>' ]
	[ "$(dpkg-deb --field "$deb" Homepage)" = https://irsync.test/irsync ]
}

# Clean but for what is not there to be packed yet, or cannot be in a test's debug build.
lintian_clean() {
	local allow=()
	ls "$ROOT"/man/irsync.* >/dev/null 2>&1 || allow+=(no-manual-page)
	case $(host_binary) in */debug/*) allow+=(unstripped-binary-or-object missing-dependency-on-libc) ;; esac
	local said suppress=()
	[ ${#allow[@]} = 0 ] || suppress=(--suppress-tags "$(IFS=,; echo "${allow[*]}")")
	said=$(lintian --allow-root "${suppress[@]}" "$WORK"/debs/*.deb 2>&1) || true
	echo "$said"
	! grep -E '^[EW]:' <<<"$said"
}

# fresh_debian ARCH VARIANT PACKAGE,... OUT [OPTION...]: this machine's own Debian from its own sources, another architecture
# under qemu-user; a folder or a tarball.
fresh_debian() {
	local arch=$1 variant=$2 packages=$3 out=$4 own=$WORK/sources-$1.list
	shift 4
	# Without the security updates: long lists, for a root that lives for minutes.
	"$ROOT/scripts/debian-sources" >"$own"
	[ -s "$own" ] || { echo "E: apt knows no Debian here" >&2; return 1; }
	on_arch "$arch" mmdebstrap --quiet --variant="$variant" --architectures="$arch" --include="$packages" "$@" \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" "$out" "$own"
}

debian_root() {
	fresh_debian "$1" apt rsync,procps "$WORK/debian-$1.tar"
}

# root_tarball ARCH: one given by path, or the one that debian_root makes.
root_tarball() {
	local given=IRSYNC_DEBIAN_ROOT
	[ "$1" = amd64 ] || given=IRSYNC_DEBIAN_ROOT_${1^^}
	echo "${!given:-$WORK/debian-$1.tar}"
}

# need_root ARCH: makes one unless it is there; fails, saying why, where that cannot be done.
need_root() {
	[ "$(root_tarball "$1")" = "$WORK/debian-$1.tar" ] && [ ! -s "$WORK/debian-$1.tar" ] || return 0
	# arch-test is how mmdebstrap asks whether it can run what it installs.
	if ! need mmdebstrap arch-test >/dev/null 2>&1; then
		echo "no mmdebstrap"
		return 1
	fi
	local log=$WORK/log-debian-root-$1
	if ! debian_root "$1" >"$log" 2>&1; then
		rm -f "$WORK/debian-$1.tar"
		echo "mmdebstrap made no root of $1: $(grep '^E:' "$log" | head -n 1)"
		return 1
	fi
}

# The package once more as a later version with another sample INI.
later_version() {
	local tree=$1.later
	dpkg-deb --raw-extract "$1" "$tree"
	sed -i 's/^Version: .*/&+later/' "$tree/DEBIAN/control"
	echo '; a new sample' >>"$tree/etc/irsync.ini"
	dpkg-deb --root-owner-group --build "$tree" "$2"
}

# deb_lives ARCH
deb_lives() {
	local root=$WORK/debian-root-$1
	mkdir -p "$root"
	tar -xf "$(root_tarball "$1")" -C "$root"
	[ "$(chroot_arch "$root")" = "$1" ] || { echo "the root is of $(chroot_arch "$root")"; return 1; }
	mkdir -p "$root/debs"
	cp "$WORK/debs/irsync_$(version)_$1.deb" "$root/debs/old.deb"
	later_version "$root/debs/old.deb" "$root/debs/new.deb"
	cp "$ROOT/tests/packaging/drive-deb" "$root/"
	# Without an init of its own invoke-rc.d wants to be told that it may.
	printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	# shellcheck disable=SC2016 # for the inner shell
	on_arch "$1" timeout -k 5 600 unshare --mount --pid --uts --ipc --fork sh -c '
		mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/run" && exec chroot "$1" /drive-deb' sh "$root" |
		tee "$WORK/deb-lives-$1"
	grep -q '^ALL WELL: deb' "$WORK/deb-lives-$1"
}

# The architecture that dpkg in a root is of, read without running it.
chroot_arch() {
	awk '$1 == "Package:" { dpkg = $2 == "dpkg" } dpkg && $1 == "Architecture:" { print $2 }' "$1/var/lib/dpkg/status"
}

# deb_lifecycle ARCH: the check, or why not.
deb_lifecycle() {
	local name=deb-lifecycle why
	[ "$1" = amd64 ] || name=deb-lifecycle-$1
	if [ ! -e "$WORK/debs/irsync_$(version)_$1.deb" ]; then
		skipped "$name" "no static binary for it: scripts/cross-build"
		return
	fi
	if ! why=$(can_run_arch "$1"); then
		skipped "$name" "$why"
		return
	fi
	if ! why=$(need_root "$1"); then
		skipped "$name" "$why"
		return
	fi
	check "$name" deb_lives "$1"
}

# In both of apt's formats; those of others, sources and what is switched off are left out.
debian_sources() {
	local etc=$WORK/apt-etc codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mkdir -p "$etc/sources.list.d"
	sed "s/CODE/$codename/" >"$etc/sources.list" <<-X
		# deb http://comment.example.org/debian CODE main
		deb http://one.example.org/debian/ CODE main contrib
		deb-src http://source.example.org/debian/ CODE main
		deb [arch=amd64 signed-by=/k.gpg] http://two.example.org/debian CODE-updates main
		deb [arch=amd64] https://docker.example.com/linux/debian CODE stable
		deb https://postgres.example.com CODE-pgdg main
	X
	sed "s/CODE/$codename/" >"$etc/sources.list.d/x.sources" <<-X
		Types: deb deb-src
		URIs: http://three.example.org/debian http://four.example.org/debian
		Suites: CODE CODE-security
		Components: main
		Signed-By: /k.gpg

		Enabled: no
		Types: deb
		URIs: http://no.example.org
		Suites: CODE
		Components: main
	X
	sed -i "s/CODE/$codename/" "$etc/sources.list.d/x.sources"
	IRSYNC_APT_ETC=$etc "$ROOT/scripts/debian-sources" | tee "$WORK/sources-found"
	cmp "$WORK/sources-found" <<-X
		deb http://one.example.org/debian/ $codename main contrib
		deb [signed-by=/k.gpg] http://two.example.org/debian $codename-updates main
		deb [signed-by=/k.gpg] http://three.example.org/debian $codename main
		deb [signed-by=/k.gpg] http://four.example.org/debian $codename main
	X
	[ "$(IRSYNC_APT_ETC=$etc "$ROOT/scripts/debian-sources" ALL | grep -c security)" = 2 ]
}

debian_checks() {
	if ! have dpkg-deb || [ "$(dpkg --print-architecture)" != amd64 ]; then
		skipped deb "not a Debian machine (amd64)"
		return
	fi
	check debian-sources debian_sources
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
		deb_lifecycle amd64
		deb_lifecycle arm64
		deb_lifecycle armhf
	fi
}
