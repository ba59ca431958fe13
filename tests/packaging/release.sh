# shellcheck shell=bash
# The release: version, hashes, crates, and that the tarballs build.

tarballs() {
	"$ROOT/scripts/release" --out "$WORK/release" tarball
	touch "$WORK/release/done"
}

# A second run gives the same bytes.
tarballs_again() {
	"$ROOT/scripts/release" --out "$WORK/release-again" tarball
	local file
	for file in "$WORK"/release-again/*; do
		cmp "$file" "$WORK/release/${file##*/}"
	done
}

tarball_builds_offline() {
	mkdir -p "$WORK/unpacked"
	tar -xzf "$WORK/release/irsync-$(version)-vendored.tar.gz" -C "$WORK/unpacked"
	cd "$WORK/unpacked/irsync-$(version)" || return
	CARGO_HOME=$WORK/empty-cargo-home CARGO_TARGET_DIR=$WORK/tarball-target cargo build --locked --offline
	"$WORK/tarball-target/debug/irsync" --help >/dev/null
}

# pinned: copies of buildroot/ and yocto/ with the hashes of the tarballs.
pinned() {
	mkdir -p "$WORK/pinned"
	cp -r "$ROOT/buildroot" "$ROOT/yocto" "$WORK/pinned/"
	"$ROOT/scripts/release" --out "$WORK/release" --pin "$WORK/pinned" --site "file://$WORK/release" pins
	local hash
	hash=$(sha256sum "$WORK/release/irsync-$(version)-vendored.tar.gz" | cut -d ' ' -f 1)
	grep -q "$hash" "$WORK/pinned/buildroot/package/irsync/irsync.hash"
	grep -q "file://$WORK/release" "$WORK/pinned/buildroot/package/irsync/irsync.mk"
	hash=$(sha256sum "$WORK/release/irsync-$(version).tar.gz" | cut -d ' ' -f 1)
	grep -q "$hash" "$WORK"/pinned/yocto/meta-irsync/recipes-support/irsync/irsync_*.bb
	touch "$WORK/pinned/done"
}

# A site that would break the makefile, the recipe or the sed is refused before anything is written.
site_is_checked() {
	local site
	# shellcheck disable=SC2016 # a makefile's
	local bad=('https://example.org/a&b' 'https://example.org/a|b' 'https://example.org/$(a)' 'example.org' 'https://example.org/a b')
	mkdir -p "$WORK/site"
	cp -r "$ROOT/buildroot" "$ROOT/yocto" "$WORK/site/"
	for site in "${bad[@]}"; do
		! "$ROOT/scripts/release" --out "$WORK/release" --pin "$WORK/site" --site "$site" pins || {
			echo "taken: $site"
			return 1
		}
	done
	diff -r "$ROOT/buildroot" "$WORK/site/buildroot"
	# Both trees get the same, once, whatever stood there before.
	"$ROOT/scripts/release" --out "$WORK/release" --pin "$WORK/site" --site https://example.org/first pins
	"$ROOT/scripts/release" --out "$WORK/release" --pin "$WORK/site" --site https://example.org/irsync/ pins
	[ "$(grep -x 'IRSYNC_SITE ?= .*' "$WORK/site/buildroot/package/irsync/irsync.mk")" = 'IRSYNC_SITE ?= https://example.org/irsync' ]
	[ "$(cat "$WORK"/site/yocto/meta-irsync/recipes-support/irsync/irsync_*.bb | grep -x 'IRSYNC_SITE ?= .*')" = \
		'IRSYNC_SITE ?= "https://example.org/irsync"' ]
	! grep -r example.org/first "$WORK/site"
}

# The packages and the sums, from binaries that scripts/cross-build has left in target/dist.
debs_and_sums() {
	local out=$WORK/release-all dist=${CARGO_TARGET_DIR:-$ROOT/target}/dist file arch
	mkdir -p "$out"
	cp "$WORK"/release/*.tar.gz "$out/"
	cp "$dist/irsync-$(version)"-{x86_64,aarch64,armv7} "$out/"
	# Of another version, and not finished: none of this one's.
	touch "$out/irsync-0.0.0.tar.gz" "$out/irsync-$(version).tar.gz.new"
	"$ROOT/scripts/release" --out "$out" debs sums
	[ "$(cut -d ' ' -f 3 "$out/SHA256SUMS" | xargs)" = "$(cd "$out" && echo irsync-"$(version)"-{aarch64,armv7,vendored.tar.gz,x86_64} \
		irsync-"$(version)".tar.gz irsync_"$(version)"_{amd64,arm64,armhf}.deb)" ]
	(cd "$out" && sha256sum --check --strict SHA256SUMS)
	for arch in amd64 arm64 armhf; do
		file=$out/irsync_$(version)_$arch.deb
		[ "$(dpkg-deb --field "$file" Version Architecture | xargs)" = "Version: $(version) Architecture: $arch" ]
	done
	mkdir -p "$WORK/deb-$(uname -m)"
	dpkg-deb --extract "$out/irsync_$(version)_$(dpkg --print-architecture).deb" "$WORK/deb-$(uname -m)"
	sees_the_fleet "$WORK/deb-$(uname -m)/usr/bin/irsync" fleet "$WORK/fleet"
	# Once more, with another umask: the same bytes.
	cp "$out/SHA256SUMS" "$WORK/sums"
	(umask 077 && "$ROOT/scripts/release" --out "$out" debs sums)
	cmp "$WORK/sums" "$out/SHA256SUMS"
	# And they notice.
	echo damage >>"$out/irsync_$(version)_armhf.deb"
	! (cd "$out" && sha256sum --check --quiet SHA256SUMS)
}

# check finds each thing that a new version may be forgotten in; nothing of it is built.
version_check_sees_changes() {
	local copy=$WORK/version-check change
	mkdir -p "$copy"
	(cd "$ROOT" && cp -r --parents buildroot yocto scripts Cargo.toml Cargo.lock LICENSE CHANGELOG.md "$copy/")
	"$copy/scripts/release" check
	for change in 'Cargo.toml:s/^version = .*/version = "9.9.9"/' 'LICENSE:s/Copyright/copyright/' 'CHANGELOG.md:s/[0-9]\.[0-9]/x/g' \
		'Cargo.lock:/^name = "irsync"$/{n;s/".*"/"9.9.9"/}' 'Cargo.lock:0,/^checksum = "./s//&0/' \
		'buildroot/package/irsync/irsync.mk:s/^IRSYNC_VERSION = .*/&1/'; do
		cp "$copy/${change%%:*}" "$WORK/kept"
		sed -i "${change#*:}" "$copy/${change%%:*}"
		! cmp -s "$WORK/kept" "$copy/${change%%:*}" || { echo "no change: $change"; return 1; }
		! "$copy/scripts/release" check || { echo "not seen: $change"; return 1; }
		cp "$WORK/kept" "$copy/${change%%:*}"
	done
	"$copy/scripts/release" check
}

# One checksum changed, one crate gone: both are seen.
yocto_crates_sees_changes() {
	local inc=$WORK/crates.inc
	cd "$ROOT" || return
	scripts/yocto-crates Cargo.lock "$inc"
	scripts/yocto-crates --check Cargo.lock "$inc"
	[ "$(grep -c 'sha256sum' "$inc")" = "$(grep -c '^checksum' Cargo.lock)" ]
	sed -i '0,/sha256sum\] = "./s/sha256sum\] = "./sha256sum] = "x/' "$inc"
	! scripts/yocto-crates --check Cargo.lock "$inc" || return 1
	scripts/yocto-crates Cargo.lock "$inc"
	sed -i '0,/crate:/{/crate:/d}' "$inc"
	! scripts/yocto-crates --check Cargo.lock "$inc" || return 1
	printf '[[package]]\nname = "a"\nversion = "1"\nsource = "git+https://example.com"\n' >"$WORK/git.lock"
	! scripts/yocto-crates "$WORK/git.lock" "$inc"
}

need_release() {
	[ -e "$WORK/release/done" ] || check release-tarballs tarballs
	[ -e "$WORK/pinned/done" ] || check release-pins pinned
}

# Who answers for the packages must be said, before anything is built, and stands in every package then.
publisher_is_asked_for() {
	local said bad
	for bad in '' 'Jo Doe' 'Jo Doe <jo@irsync.test>' 'https://irsync.test' 'Jo <jo@irsync.test> https://irsync.test/a|b' \
		'Jo "x" <jo@irsync.test> https://irsync.test' $'Jo\nDepends: x <jo@irsync.test> https://irsync.test'; do
		! said=$(IRSYNC_PUBLISHER=$bad "$ROOT/scripts/release" --out "$WORK/nobodys" debs 2>&1) || return 1
		grep -F "IRSYNC_PUBLISHER must say" <<<"$said"
		[ ! -e "$WORK/nobodys" ]
	done
	# A build of one's own needs none, and says what it is.
	IRSYNC_PUBLISHER='' "$ROOT/scripts/package-deb" --out "$WORK/own" amd64 "$(host_binary)"
	[ "$(dpkg-deb --field "$WORK/own"/*.deb Maintainer)" = 'Local build <nobody@irsync.invalid>' ]
	[ -z "$(dpkg-deb --field "$WORK/own"/*.deb Homepage)" ]
	grep -qx "HOMEPAGE = \"${IRSYNC_PUBLISHER##* }\"" "$WORK"/pinned/yocto/meta-irsync/recipes-support/irsync/irsync_*.bb
	! grep -r irsync.invalid "$WORK"/pinned/yocto --include='*.bb' || return 1
}

release_checks() {
	check one-version "$ROOT/scripts/release" check
	check version-check-sees-changes version_check_sees_changes
	check yocto-crates yocto_crates_sees_changes
	[ "$1" = full ] || return 0
	need_release
	check release-publisher publisher_is_asked_for
	check release-tarballs-reproducible tarballs_again
	check release-tarball-builds-offline tarball_builds_offline
	check release-site site_is_checked
	local arch
	for arch in x86_64 aarch64 armv7; do
		if ! have dpkg-deb || [ ! -x "${CARGO_TARGET_DIR:-$ROOT/target}/dist/irsync-$(version)-$arch" ]; then
			skipped release-debs-and-sums "no dpkg-deb, or no binaries: scripts/cross-build"
			return
		fi
	done
	check release-debs-and-sums debs_and_sums
}
