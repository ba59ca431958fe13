# shellcheck shell=bash
# The external tree with a Buildroot that comes by path.

# check-package of Buildroot itself; it wants python-magic, shellcheck and flake8.
check_package() {
	local python=python3 files
	"$python" -c 'import magic' 2>/dev/null || python=/usr/bin/python3
	mapfile -t files < <(cd "$ROOT" && git ls-files buildroot | sed "s#^#$ROOT/#")
	cd "$BUILDROOT_DIR" || return
	PYTHONDONTWRITEBYTECODE=1 "$python" utils/check-package --br2-external "${files[@]}" >"$WORK/check-package" 2>&1 || true
	cat "$WORK/check-package"
	grep -q '^0 warnings generated' "$WORK/check-package"
}

# br OUTPUT TARGET...: with the pinned copy of the external tree.
br() {
	local output=$1
	shift
	make -s -C "$BUILDROOT_DIR" O="$output" BR2_EXTERNAL="$WORK/pinned/buildroot" BR2_DL_DIR="$WORK/dl" FORCE_UNSAFE_CONFIGURE=1 "$@"
}

# br_image TARGET...: with what the machine's owner brings, too. What BUILDROOT_MAKE holds are words.
br_image() {
	local more=()
	read -r -a more <<<"${BUILDROOT_MAKE:-}"
	br "$IMAGE_OUTPUT" BR2_EXTERNAL="$WORK/pinned/buildroot${BUILDROOT_EXTERNAL:+:$BUILDROOT_EXTERNAL}" BR2_DL_DIR="$IMAGE_DL" \
		${more[@]+"${more[@]}"} "$@"
}

# Every line of a defconfig is still there after olddefconfig: no misspelt or unreachable option.
defconfig() {
	local file=$ROOT/buildroot/configs/$1_defconfig output=$WORK/br-$1 line
	br "$output" "$1_defconfig"
	br "$output" olddefconfig
	while read -r line; do
		case $line in
		BR2_*) grep -qxF "$line" "$output/.config" || {
			echo "lost: $line"
			return 1
		} ;;
		esac
	done <"$file"
	grep -qx 'BR2_PACKAGE_RSYNC=y' "$output/.config"
}

show_info() {
	br "$WORK/br-qemu_x86_64_irsync" irsync-show-info >"$WORK/show-info"
	python3 - "$WORK/show-info" "$(version)" <<'PY'
import json, sys
info = json.load(open(sys.argv[1]))["irsync"]
assert info["version"] == sys.argv[2], info
assert info["downloads"][0]["source"] == "irsync-%s-vendored.tar.gz" % sys.argv[2], info
assert "rsync" in info["dependencies"] and "host-rustc" in info["dependencies"], info
PY
}

# The infrastructure builds Rust before it downloads, for the vendoring that our tarball does not need: left out by -o.
source_and_hash() {
	br "$WORK/br-qemu_x86_64_irsync" -o host-rustc irsync-source
	cmp "$WORK/dl/irsync/irsync-$(version)-vendored.tar.gz" "$WORK/release/irsync-$(version)-vendored.tar.gz"
	# Damaged on the way: refused.
	rm -r "$WORK/dl/irsync" "$WORK"/br-qemu_x86_64_irsync/build/irsync-*
	mkdir -p "$WORK/dl/irsync"
	cp "$WORK/release/irsync-$(version)-vendored.tar.gz" "$WORK/kept.tar.gz"
	echo damage >>"$WORK/release/irsync-$(version)-vendored.tar.gz"
	local code=0
	br "$WORK/br-qemu_x86_64_irsync" -o host-rustc irsync-source || code=$?
	cp "$WORK/kept.tar.gz" "$WORK/release/irsync-$(version)-vendored.tar.gz"
	[ $code != 0 ]
}

legal_info() {
	local output=$WORK/br-qemu_x86_64_irsync
	# Where this machine's tar is not to its taste Buildroot would download and build one.
	br "$output" -o host-rustc -o host-tar TAR=tar irsync-legal-info
	cmp "$ROOT/LICENSE" "$output/legal-info/licenses/irsync-$(version)/LICENSE"
}

# The defconfig, what the test needs (the root as an initramfs for Debian's kernel), what the machine's owner brings. The
# irsync.ini is that of the demonstration with a port of the test's own and a timeout that does not keep it waiting.
image_config() {
	local line ini=$WORK/image.ini
	sed -e "s#10.0.2.2:8730/media/#10.0.2.2:$IMAGE_PORT/tree/#" -e 's/^watchdog_device.*/&\nwatchdog_timeout = 10s/' \
		"$ROOT/buildroot/board/qemu/irsync.ini" >"$ini"
	grep -q "$IMAGE_PORT/tree/" "$ini"
	grep -q '^watchdog_timeout' "$ini"
	cat >"$WORK/image.fragment" <<-END
		# BR2_LINUX_KERNEL is not set
		# BR2_TARGET_ROOTFS_EXT2 is not set
		BR2_TARGET_ROOTFS_CPIO=y
		BR2_TARGET_ROOTFS_CPIO_GZIP=y
		BR2_PACKAGE_IRSYNC_INI="$ini"
	END
	cat "$BUILDROOT_FRAGMENT" >>"$WORK/image.fragment"
	cat "$ROOT/buildroot/configs/$1_defconfig" "$WORK/image.fragment" >"$WORK/image_defconfig"
	br_image BR2_DEFCONFIG="$WORK/image_defconfig" defconfig
	br_image olddefconfig
	while read -r line; do
		case $line in
		BR2_* | '# BR2_'*' is not set') grep -qxF "$line" "$IMAGE_OUTPUT/.config" || {
			echo "lost: $line"
			return 1
		} ;;
		esac
	done <"$WORK/image.fragment"
}

# in_image MODE FILE: the image has the file, root's, with that mode (as ls writes it).
in_image() {
	zcat "$IMAGE_OUTPUT/images/rootfs.cpio.gz" | cpio -tv --quiet >"$WORK/listing" 2>/dev/null
	grep -Eq "^$1 +[0-9]+ root +root .* $2\$" "$WORK/listing" || {
		echo "not in the image as $1: $2"
		grep -F "$2" "$WORK/listing"
		return 1
	}
}

# irsync comes anew from the released tarball, whatever a kept output or download folder has of it, and the root is laid out
# anew: Buildroot takes nothing out of it again, such as the inittab's line of the last respawning image.
image_build() {
	rm -rf "$IMAGE_DL/irsync" "$IMAGE_OUTPUT/target"
	[ ! -d "$IMAGE_OUTPUT/build" ] || find "$IMAGE_OUTPUT/build" -name .stamp_target_installed -delete
	br_image irsync-dirclean
	br_image
	cmp "$IMAGE_DL/irsync/irsync-$(version)-vendored.tar.gz" "$WORK/release/irsync-$(version)-vendored.tar.gz"
	in_image -rwxr-xr-x usr/bin/irsync
	in_image -rwxr-xr-x usr/bin/rsync
	in_image -rwxr-xr-x etc/init.d/S60irsync
	in_image -rw-r----- etc/irsync.ini
	cmp "$WORK/image.ini" "$IMAGE_OUTPUT/target/etc/irsync.ini"
	readelf -SW "$IMAGE_OUTPUT/target/usr/bin/irsync" >"$WORK/sections"
	! grep -q '\.debug_info\|\.symtab' "$WORK/sections" || return 1
	[ -x "$IMAGE_OUTPUT/images/start-qemu.sh" ]
	ls -l "$IMAGE_OUTPUT/target/usr/bin/irsync" "$IMAGE_OUTPUT"/images/*
	touch "$WORK/image-built"
}

image_boot() {
	python3 "$ROOT/tests/vm/buildroot.py" "$@"
}

# The same image, but for the one option.
respawn_build() {
	sed -i 's/^# BR2_PACKAGE_IRSYNC_RESPAWN is not set$/BR2_PACKAGE_IRSYNC_RESPAWN=y/' "$IMAGE_OUTPUT/.config"
	br_image olddefconfig
	grep -qx 'BR2_PACKAGE_IRSYNC_RESPAWN=y' "$IMAGE_OUTPUT/.config"
	br_image irsync-reinstall all
	! in_image -rwxr-xr-x etc/init.d/S60irsync || return 1
	[ "$(grep irsync "$IMAGE_OUTPUT/target/etc/inittab")" = "$(tail -n 1 "$ROOT/scripts/init/inittab.irsync")" ]
}

# The checkout in place of the tarball. Its crates are fetched by Buildroot's cargo, or found where cargo keeps them.
override_build() {
	local home=$WORK/br-cargo-home part
	mkdir -p "$home/registry"
	for part in cache index; do
		[ ! -d "${CARGO_HOME:-$HOME/.cargo}/registry/$part" ] || cp -a "${CARGO_HOME:-$HOME/.cargo}/registry/$part" "$home/registry/"
	done
	br_image irsync-dirclean
	br_image IRSYNC_OVERRIDE_SRCDIR="$ROOT" irsync-dirclean
	br_image IRSYNC_OVERRIDE_SRCDIR="$ROOT" BR_CARGO_HOME="$home" irsync
	[ -e "$IMAGE_OUTPUT/build/irsync-custom/.stamp_rsynced" ]
	[ ! -e "$IMAGE_OUTPUT/build/irsync-custom/target/debug" ]
	cmp "$IMAGE_OUTPUT/build/irsync-custom/Cargo.lock" "$ROOT/Cargo.lock"
	[ -x "$IMAGE_OUTPUT/target/usr/bin/irsync" ]
}

image_checks() {
	local arch=${BUILDROOT_ARCH:-x86_64} name qemu
	case $arch in
	x86_64) name=qemu_x86_64_irsync qemu=qemu-system-x86_64 ;;
	aarch64) name=qemu_aarch64_virt_irsync qemu=qemu-system-aarch64 ;;
	armv7) name=qemu_arm_virt_irsync qemu=qemu-system-arm ;;
	*) die "BUILDROOT_ARCH is $arch (x86_64, aarch64, armv7)" ;;
	esac
	if [ -z "${BUILDROOT_FRAGMENT:-}" ]; then
		skipped buildroot-image "BUILDROOT_FRAGMENT names no lines for the defconfig (see also BUILDROOT_ARCH, _DOWNLOADS, _MAKE, _EXTERNAL, _OUTPUT)"
		return
	fi
	if ! have "$qemu" || ! have cpio || ! have rsync; then
		skipped buildroot-image "no $qemu, cpio or rsync"
		return
	fi
	IMAGE_OUTPUT=${BUILDROOT_OUTPUT:-$WORK/br-image-$arch}
	IMAGE_DL=${BUILDROOT_DOWNLOADS:-$WORK/dl}
	IMAGE_PORT=$((20000 + RANDOM % 10000))
	check buildroot-image-config image_config "$name"
	check buildroot-image image_build
	[ -e "$WORK/image-built" ] || return 0
	check buildroot-image-boot image_boot "$arch" "$IMAGE_OUTPUT/images/rootfs.cpio.gz" "$IMAGE_PORT"
	check buildroot-image-respawn respawn_build
	check buildroot-image-respawn-boot image_boot "$arch" "$IMAGE_OUTPUT/images/rootfs.cpio.gz" "$IMAGE_PORT" --respawn
	check buildroot-override override_build
}

buildroot_checks() {
	if [ -z "${BUILDROOT_DIR:-}" ]; then
		skipped buildroot "BUILDROOT_DIR names no Buildroot tree"
		return
	fi
	printf 'with Buildroot %s\n' "$(sed -n 's/^export BR2_VERSION := //p' "$BUILDROOT_DIR/Makefile")"
	check buildroot-check-package check_package
	need_release
	local file name
	for file in "$ROOT"/buildroot/configs/*_defconfig; do
		name=${file##*/}
		check "buildroot-${name%_defconfig}" defconfig "${name%_defconfig}"
	done
	check buildroot-show-info show_info
	[ "$1" = full ] || return 0
	check buildroot-source source_and_hash
	check buildroot-legal-info legal_info
	image_checks
}
