# shellcheck shell=bash
# The layer with an OE-core and a bitbake that come by path. bitbake refuses root and wants a UTF-8 locale.

# oe COMMAND...: in a build folder with both layers, as an ordinary user.
oe() {
	local as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	# shellcheck disable=SC2016 # for the inner shell
	env -i PATH="$PATH:$WORK/oe-bin" HOME="$WORK/oe-home" LC_ALL=en_US.UTF-8 TERM=dumb BITBAKEDIR="$BITBAKE_DIR" \
		nice "${as[@]}" bash -c '. "$1/oe-init-build-env" "$2" "$3" >/dev/null && shift 3 && "$@"' \
		oe "$OE_CORE_DIR" "$WORK/oe-build" "$BITBAKE_DIR" "$@"
}

oe_set_up() {
	mkdir -p "$WORK/oe-build/conf" "$WORK/oe-home" "$WORK/oe-dl" "$WORK/oe-bin"
	ln -s /usr/bin/python3 "$WORK/oe-bin/nativepython3"
	chmod 755 "$WORK"
	cat >"$WORK/oe-build/conf/bblayers.conf" <<END
POKY_BBLAYERS_CONF_VERSION = "2"
BBPATH = "\${TOPDIR}"
BBFILES ?= ""
BBLAYERS ?= "$OE_CORE_DIR/meta $WORK/pinned/yocto/meta-irsync"
END
	cat >"$WORK/oe-build/conf/local.conf" <<END
MACHINE = "qemux86-64"
DISTRO = "nodistro"
INHERIT:remove = "sanity uninative"
CONNECTIVITY_CHECK_URIS = ""
BB_NO_NETWORK = "1"
BB_NUMBER_THREADS = "2"
BB_NUMBER_PARSE_THREADS = "2"
DL_DIR = "$WORK/oe-dl"
IRSYNC_SITE = "file://$WORK/release"
HOSTTOOLS += "nativepython3"
ASSUME_PROVIDED += "quilt-native patch-native python3-native xz-native gzip-native"
END
	# The crates that cargo has already brought here, under the names bitbake gives them; their checksums are still checked.
	(cd "$ROOT" && cargo fetch --quiet --locked)
	cp "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/*.crate "$WORK/oe-dl/"
	[ "$(id -u)" != 0 ] || chown -R 65534:65534 "$WORK/oe-build" "$WORK/oe-home" "$WORK/oe-dl" "$WORK/pinned/yocto"
}

parse() {
	oe_set_up
	oe bitbake -p
	grep -q . "$WORK/oe-build/bitbake-cookerdaemon.log"
}

show_recipes() {
	oe bitbake-layers show-recipes 'irsync*' | tee "$WORK/recipes"
	grep -A1 '^irsync:' "$WORK/recipes" | grep -qE "meta-irsync +$(version)"
	grep -A1 '^irsync-image:' "$WORK/recipes" | grep -q meta-irsync
}

# What packages depend on and keep, as bitbake understands it.
recipe_says() {
	oe bitbake -e irsync >"$WORK/recipe"
	grep -qE '^RDEPENDS:irsync=".*\brsync\b' "$WORK/recipe"
	grep -qE '^CONFFILES:irsync=".*/etc/irsync.ini' "$WORK/recipe"
	grep -qE '^INITSCRIPT_PARAMS="defaults 60 40"' "$WORK/recipe"
	grep -qE "^S=\".*/irsync-$(version)\"" "$WORK/recipe"
}

# Fetch with every checksum, unpack, and the class that writes the crates' file writes the same.
unpack() {
	oe bitbake -c unpack irsync
	local source
	source=$(sed -n 's/^S="\(.*\)"/\1/p' "$WORK/recipe")
	cmp "$source/Cargo.lock" "$ROOT/Cargo.lock"
	# By its file: without what it would build first, of which it needs a Python only.
	oe bitbake -b "$WORK/pinned/yocto/meta-irsync/recipes-support/irsync/irsync_$(version).bb" -c update_crates
	cmp "$WORK/pinned/yocto/meta-irsync/recipes-support/irsync/irsync-crates.inc" \
		"$ROOT/yocto/meta-irsync/recipes-support/irsync/irsync-crates.inc"
}

lint() {
	local files
	# The crates' file is in the form that OE-core's own class gives it; a program for boards has no native form; the
	# place of releases is not reachable from everywhere.
	mapfile -t files < <(find "$ROOT/yocto" -name "*.bb")
	oelint-adv --release "$1" --quiet --exit-zero --suppress oelint.vars.homepageping --suppress oelint.var.bbclassextend "${files[@]}" >"$WORK/oelint" 2>&1
	cat "$WORK/oelint"
	! grep -v '/irsync-crates\.inc:' "$WORK/oelint" | grep -E ':(error|warning|info):'
}

# Writes where it stands and takes a quarter of an hour.
check_layer() {
	sed -i "s# $WORK/pinned/yocto/meta-irsync##" "$WORK/oe-build/conf/bblayers.conf"
	oe yocto-check-layer "$WORK/pinned/yocto/meta-irsync"
}

yocto_checks() {
	if have oelint-adv; then
		check oelint-scarthgap lint scarthgap
	else
		skipped oelint "no oelint-adv (pip install oelint-adv)"
	fi
	if [ -z "${OE_CORE_DIR:-}" ] || [ -z "${BITBAKE_DIR:-}" ]; then
		skipped yocto "OE_CORE_DIR and BITBAKE_DIR name no trees"
		return
	fi
	if [ "$1" != full ]; then
		skipped yocto "takes minutes: scripts/test-packaging full yocto"
		return
	fi
	if ! need chrpath diffstat gawk lz4c=lz4 zstd file; then
		skipped yocto "bitbake wants them"
		return
	fi
	if ! locale -a | grep -qix 'en_US.utf-\?8'; then
		if ! install_packages locales || ! as_root localedef -i en_US -f UTF-8 en_US.UTF-8; then
			skipped yocto "bitbake wants the locale en_US.UTF-8"
			return
		fi
	fi
	printf 'with OE-core %s\n' "$(sed -n 's/^LAYERSERIES_CORENAMES = //p' "$OE_CORE_DIR/meta/conf/layer.conf")"
	need_release
	check yocto-parse parse
	check yocto-show-recipes show_recipes
	check yocto-recipe recipe_says
	check yocto-unpack unpack
	if [ "${YOCTO_CHECK_LAYER:-}" = 1 ]; then
		check yocto-check-layer check_layer
	else
		skipped yocto-check-layer "takes 18 minutes: YOCTO_CHECK_LAYER=1"
	fi
}
