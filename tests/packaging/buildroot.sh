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
	skipped buildroot-image "a whole image takes a toolchain, a kernel and Rust from the network; see docs/images.md"
}
