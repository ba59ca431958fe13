# shellcheck shell=bash
# The layer with an OE-core and a bitbake that come by path. bitbake refuses root and wants a UTF-8 locale.

# oe COMMAND...: in a build folder with both layers, as an ordinary user. OE_BUILD names another such folder.
oe() {
	local as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	# PYTHONPATH: OE adds an empty entry to an empty one, the current folder, where a bitbake that is not this user's leaves
	# parser tables that the next bitbake 2.19 cannot use.
	# shellcheck disable=SC2016 # for the inner shell
	env -i PATH="$WORK/oe-bin:$PATH" HOME="$WORK/oe-home" LC_ALL=en_US.UTF-8 TERM=dumb BITBAKEDIR="$BITBAKE_DIR" PYTHONPATH="$BITBAKE_DIR/lib" \
		nice "${as[@]}" bash -c '. "$1/oe-init-build-env" "$2" "$3" >/dev/null && shift 3 && "$@"' \
		oe "$OE_CORE_DIR" "${OE_BUILD:-$WORK/oe-build}" "$BITBAKE_DIR" "$@"
}

oe_owns() {
	[ "$(id -u)" != 0 ] || chown -R 65534:65534 "$@"
}

oe_recipe() {
	echo "$WORK/pinned/yocto/meta-irsync/recipes-support/irsync/irsync_$(version).bb"
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
	# One by one: cargo may have the same crate in the caches of several registries.
	find "${CARGO_HOME:-$HOME/.cargo}"/registry/cache -name '*.crate' -exec cp {} "$WORK/oe-dl/" \;
	oe_owns "$WORK/oe-build" "$WORK/oe-home" "$WORK/oe-dl" "$WORK/pinned/yocto"
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
	oe bitbake -b "$(oe_recipe)" -c update_crates
	cmp "$WORK/pinned/yocto/meta-irsync/recipes-support/irsync/irsync-crates.inc" \
		"$ROOT/yocto/meta-irsync/recipes-support/irsync/irsync-crates.inc"
}

# The image's dependencies resolve, all of its tasks can be put in an order, and irsync is in it.
image() {
	oe bitbake -e irsync-image >"$WORK/image"
	grep -qE '^IMAGE_INSTALL="packagegroup-core-boot irsync ' "$WORK/image"
	oe bitbake -g irsync-image
	local one
	for one in irsync rsync busybox linux-yocto; do
		grep -qx "$one" "$WORK/oe-build/pn-buildlist"
	done
	grep -qE '^"irsync-image.do_rootfs" -> "irsync.do_package_write_' "$WORK/oe-build/task-depends.dot"
	oe bitbake -n irsync-image
}

# What is needed to compile a recipe without OE's own toolchain, which takes hours to build: this machine's.
oe_toolchain() {
	local program sysroot target=x86_64-unknown-linux-gnu
	[ "$(uname -m)" = x86_64 ] || return 1
	for program in ar as cpp g++ gcc ld nm objcopy objdump ranlib readelf strings strip; do
		ln -sf "$(command -v "$program")" "$WORK/oe-bin/x86_64-oe-linux-$program"
	done
	sysroot=$(rustc --print sysroot)
	# rustup's lies in a home that the ordinary user may not enter.
	if [ "$(id -u)" = 0 ] && ! oe "$sysroot/bin/rustc" --version; then
		mkdir -p "$WORK/oe-rust/bin" "$WORK/oe-rust/lib/rustlib"
		cp "$sysroot"/bin/{rustc,cargo} "$WORK/oe-rust/bin/"
		cp "$sysroot"/lib/*.so* "$WORK/oe-rust/lib/"
		cp -r "$sysroot/lib/rustlib/$target" "$WORK/oe-rust/lib/rustlib/"
		sysroot=$WORK/oe-rust
	fi
	ln -sf "$sysroot"/bin/{rustc,cargo} "$WORK/oe-bin/"
	oe rustc --version
	oe cargo --version
	# In the place of pseudo: a namespace where the ordinary user is root, for files that root shall own. -S stops a
	# server of pseudo's.
	# shellcheck disable=SC2016 # for the shell that runs it
	printf '#!/bin/sh\n[ "$1" = -S ] || exec unshare --map-root-user "$@"\n' >"$WORK/oe-bin/as-root"
	# The names of the sources for package -src. 255: cannot tell.
	printf '#!/bin/sh\nexit 255\n' >"$WORK/oe-bin/dwarfsrcfiles"
	chmod 755 "$WORK"/oe-bin/{as-root,dwarfsrcfiles}
	[ "$(oe as-root id -u)" = 0 ]
}

# packages INIT: fetch, unpack, configure, compile, install, package and package_write_deb, and what QA says of it.
# Whatever is not irsync counts as built already.
packages() {
	local build=$WORK/oe-$1 tools
	if ! [ -d "$build" ]; then
		mkdir -p "$build/conf"
		cp "$WORK/oe-build/conf/bblayers.conf" "$build/conf/"
		tools=$(cd "$WORK/oe-bin" && echo x86_64-oe-linux-*)
		cat >"$build/conf/local.conf" - "$WORK/oe-build/conf/local.conf" <<END
INIT_MANAGER = "$1"
DISTRO_FEATURES:append = " ptest"
PACKAGE_CLASSES = "package_deb"
BBMASK = "/meta/recipes-(?!kernel/linux/linux-yocto_)"
ASSUME_PROVIDED += "^(?!irsync|linux-yocto).+"
HOSTTOOLS += "rustc cargo dpkg-deb dwarfsrcfiles $tools"
RUST_BUILD_SYS:forcevariable = "x86_64-unknown-linux-gnu"
RUST_HOST_SYS:forcevariable = "x86_64-unknown-linux-gnu"
RUST_TARGET_SYS:forcevariable = "x86_64-unknown-linux-gnu"
TOOLCHAIN_OPTIONS = ""
DEBUG_PREFIX_MAP:remove = "-fcanon-prefix-map"
FAKEROOTCMD = "$WORK/oe-bin/as-root"
# Needs OE's rpm.
SKIP_FILEDEPS = "1"
# The user who is root in the namespace is the one that runs bitbake; what irsync depends on is left out.
ERROR_QA:remove = "host-user-contaminated build-deps"
WARN_QA:remove = "host-user-contaminated build-deps"
END
		oe_owns "$build"
	fi
	OE_BUILD=$build oe bitbake --no-setscene -c package_write_deb irsync | tee "$build/said"
	OE_BUILD=$build oe bitbake --no-setscene -c package_qa irsync | tee -a "$build/said"
	! grep -F 'QA Issue' "$build/said" || return 1
	rm -rf "$build/packages"
	mkdir "$build/packages"
	find "$build"/tmp*/deploy/deb -name 'irsync*.deb' -exec cp {} "$build/packages/" \;
}

# deb INIT PACKAGE: the file that packages made.
deb() {
	echo "$WORK/oe-$1/packages/$2_$(version)-"*.deb
}

# deb_lists FILE MODE PATH: root's.
deb_lists() {
	dpkg-deb -c "$1" >"$1.list"
	grep -E "^$2 +root/root .* \./${3//./\\.}\$" "$1.list"
}

# deb_depends FILE PACKAGE
deb_depends() {
	dpkg-deb -f "$1" Depends | tr -d ' ' | tr ',' '\n' | grep -x "$2"
}

# What is the same under every init.
packages_hold() {
	local main ptest config=$WORK/oe-$1/irsync.ini
	main=$(deb "$1" irsync)
	deb_lists "$main" -rwxr-xr-x usr/bin/irsync
	deb_lists "$main" -rw-r----- etc/irsync.ini
	dpkg-deb -I "$main" conffiles | grep -x /etc/irsync.ini
	deb_depends "$main" rsync
	dpkg-deb --fsys-tarfile "$main" | tar -xO ./etc/irsync.ini >"$config"
	grep -x 'log = syslog' "$config"
	ptest=$(deb "$1" irsync-ptest)
	deb_lists "$ptest" -rwxr-xr-x usr/lib/irsync/ptest/run-ptest
	deb_depends "$ptest" irsync
	# The symbols are there, and not in the binary that goes to the device.
	deb_lists "$(deb "$1" irsync-dbg)" -rwxr-xr-x usr/bin/.debug/irsync
	dpkg-deb --fsys-tarfile "$main" | tar -xO ./usr/bin/irsync >"$WORK/oe-$1/irsync"
	! readelf -S "$WORK/oe-$1/irsync" | grep -E ' \.(symtab|debug_)' || return 1
	deb_lists "$(deb "$1" irsync-doc)" -rw-r--r-- usr/share/man/man8/irsync.8
	deb_lists "$(deb "$1" irsync-bash-completion)" -rw-r--r-- usr/share/bash-completion/completions/irsync
	deb_lists "$(deb "$1" irsync-zsh-completion)" -rw-r--r-- usr/share/zsh/site-functions/_irsync
	# A program: nothing to link with.
	! dpkg-deb -c "$(deb "$1" irsync-dev)" | grep rlib
}

sysvinit_packages_hold() {
	local main
	packages_hold sysvinit
	main=$(deb sysvinit irsync)
	deb_lists "$main" -rwxr-xr-x etc/init.d/irsync
	! grep -F systemd "$main.list" || return 1
	# shellcheck disable=SC2016 # the package's
	dpkg-deb -I "$main" postinst | grep -E '^[[:space:]]*update-rc\.d \$OPT irsync defaults 60 40$'
	dpkg-deb -I "$main" prerm | grep -F '/etc/init.d/irsync stop'
	dpkg-deb -I "$main" postrm | grep -E 'update-rc\.d .*irsync remove'
}

systemd_packages_hold() {
	local main
	packages_hold systemd
	main=$(deb systemd irsync)
	deb_lists "$main" -rw-r--r-- usr/lib/systemd/system/irsync.service
	! grep -F init.d "$main.list" || return 1
	dpkg-deb --fsys-tarfile "$main" | tar -xO ./usr/lib/systemd/system-preset/98-irsync.preset | grep -x 'enable irsync.service'
	dpkg-deb -I "$main" postinst >"$main.postinst"
	grep -F systemctl "$main.postinst"
	! grep -F update-rc.d "$main.postinst"
}

# The packages in a BusyBox root, as far as programs go the board's; the package's own test runs there.
ptest() {
	local tree=$WORK/oe-$1/root applet
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,dev,tmp,run,usr/bin}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	for applet in $("$tree/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
	done
	into_root "$tree" "$(command -v rsync)" /usr/bin/rsync
	dpkg-deb -x "$(deb "$1" irsync)" "$tree"
	dpkg-deb -x "$(deb "$1" irsync-ptest)" "$tree"
	# The libraries by the names this machine has them.
	into_root "$tree" "$tree/usr/bin/irsync" /tmp/irsync
	: >"$tree/dev/null"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --map-root-user sh -c 'mount --bind /dev/null "$1/dev/null" && exec chroot "$1" env -i PATH=/usr/bin:/bin \
		/usr/lib/irsync/ptest/run-ptest' sh "$tree" | tee "$WORK/ptest"
	[ "$(grep -c '^PASS: ' "$WORK/ptest")" = "$(grep -c '^verdict ' "$tree/usr/lib/irsync/ptest/run-ptest")" ]
	! grep -v '^PASS: ' "$WORK/ptest"
	# Where no temporary folder can be made it leaves the board alone.
	! chroot "$tree" env -i PATH=/usr/bin:/bin TMPDIR=/absent /usr/lib/irsync/ptest/run-ptest >"$WORK/ptest" 2>&1
	grep '^FAIL: no temporary folder' "$WORK/ptest"
	[ ! -e "$tree/irsync.ini" ] && [ ! -e "$tree/source" ]
}

# readme SECTION PATTERN: the lines of the layer's README to copy from that section.
readme() {
	sed -n "/^## $1/,/^## /s/^    //p" "$ROOT/yocto/meta-irsync/README.md" | grep -E "$2"
}

# A layer of one's own just as the README has it: its irsync.ini is the package's, its watchdog.cfg is the kernel's.
own_layer() {
	local own=$WORK/oe-own/meta-own build=$WORK/oe-systemd main folder found=0
	mkdir "$WORK/oe-own"
	oe_owns "$WORK/oe-own"
	OE_BUILD=$build oe bitbake-layers create-layer "$own"
	OE_BUILD=$build oe bitbake-layers add-layer "$own"
	mkdir -p "$own"/recipes-{support/irsync,kernel/linux}/files
	readme 'Your own irsync.ini' . >"$own/recipes-support/irsync/irsync_%.bbappend"
	printf '[own]\nsource = rsync://server/own/\ndestination = /srv/own/\n' >"$own/recipes-support/irsync/files/irsync.ini"
	readme "The board's watchdog" '^(FILESEXTRAPATHS|SRC_URI)' >"$own/recipes-kernel/linux/linux-yocto_%.bbappend"
	readme "The board's watchdog" '^(CONFIG_|#)' >"$own/recipes-kernel/linux/files/watchdog.cfg"
	oe_owns "$own"
	packages systemd
	main=$(deb systemd irsync)
	deb_lists "$main" -rw-r----- etc/irsync.ini
	dpkg-deb -I "$main" conffiles | grep -x /etc/irsync.ini
	dpkg-deb --fsys-tarfile "$main" | tar -xO ./etc/irsync.ini | cmp - "$own/recipes-support/irsync/files/irsync.ini"
	OE_BUILD=$build oe bitbake -e linux-yocto >"$WORK/kernel"
	grep -E '^SRC_URI=".* file://watchdog\.cfg\b' "$WORK/kernel"
	for folder in $(sed -n 's/^FILESPATH="\(.*\)"$/\1/p' "$WORK/kernel" | tr ':' ' '); do
		[ ! -e "$folder/watchdog.cfg" ] || found=1
	done
	[ $found = 1 ]
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
	local release
	if have oelint-adv; then
		# latest: the newest series it knows.
		for release in scarthgap wrynose latest; do
			check "oelint-$release" lint "$release"
		done
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
	check yocto-image image
	if ! oe_toolchain >"$WORK/log-toolchain" 2>&1; then
		tail -n 3 "$WORK/log-toolchain"
		skipped yocto-compile "needs x86_64, gcc, Rust, user namespaces"
	elif ! need dpkg-deb=dpkg busybox=busybox-static rsync; then
		skipped yocto-compile "needs dpkg-deb, busybox-static, rsync"
	else
		printf 'compiled with %s, %s\n' "$(oe rustc --version)" "$(gcc --version | head -n 1)"
		check yocto-packages-sysvinit packages sysvinit
		check yocto-packages-sysvinit-hold sysvinit_packages_hold
		check yocto-packages-systemd packages systemd
		check yocto-packages-systemd-hold systemd_packages_hold
		check yocto-ptest ptest systemd
		check yocto-own-layer own_layer
	fi
	if [ "${YOCTO_CHECK_LAYER:-}" = 1 ]; then
		check yocto-check-layer check_layer
	else
		skipped yocto-check-layer "takes 18 minutes: YOCTO_CHECK_LAYER=1"
	fi
}
