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

release_checks() {
	check one-version "$ROOT/scripts/release" check
	check yocto-crates yocto_crates_sees_changes
	[ "$1" = full ] || return 0
	need_release
	check release-tarballs-reproducible tarballs_again
	check release-tarball-builds-offline tarball_builds_offline
}
