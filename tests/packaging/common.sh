# shellcheck shell=bash
# What the packaging checks share. Sourced by scripts/test-packaging, which sets WORK; each check runs in a subshell with
# errexit and says nothing unless it fails.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

# Who answers for the packages that the checks make.
export IRSYNC_PUBLISHER='Jo Doe <jo@irsync.test> https://irsync.test/irsync'

OK=0
FAILED=()
NOT_DONE=()

# check NAME FUNCTION [ARGUMENT...]
check() {
	local name=$1 log code=0
	shift
	log=$WORK/log-${name//[^a-z0-9_-]/_}
	# Not in a condition: there errexit would be off inside.
	set +e
	(
		set -euo pipefail
		"$@"
	) </dev/null >"$log" 2>&1
	code=$?
	set -e
	if [ $code = 0 ]; then
		OK=$((OK + 1))
		printf 'ok %s\n' "$name"
	else
		FAILED+=("$name")
		printf 'FAILED %s (%s)\n' "$name" "$code"
		tail -n 40 "$log" | sed 's/^/    /'
	fi
}

# skipped NAME WHY
skipped() {
	NOT_DONE+=("$1: $2")
	printf 'skipped %s: %s\n' "$1" "$2"
}

version() {
	sed -n 's/^version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml" | head -n 1
}

# The binary that goes into roots: a static one where it was built, a debug build otherwise.
host_binary() {
	local target=${CARGO_TARGET_DIR:-$ROOT/target} static
	static=$target/dist/irsync-$(version)-$(uname -m)
	if [ -n "${IRSYNC_BINARY:-}" ]; then
		echo "$IRSYNC_BINARY"
	elif [ -x "$static" ]; then
		echo "$static"
	else
		(cd "$ROOT" && cargo build --quiet --locked) >&2
		echo "$target/debug/irsync"
	fi
}

# sees_the_fleet COMMAND...: whether this "irsync fleet" of the folder $WORK/fleet has the view that only a server's build has.
sees_the_fleet() {
	mkdir -p "$WORK/fleet"
	echo nothing >"$WORK/fleet/pi-7.status"
	local code=0
	"$@" >"$WORK/fleet.out" 2>&1 || code=$?
	cat "$WORK/fleet.out"
	[ $code = 1 ] && grep -q '^1 device: 1 unreadable' "$WORK/fleet.out" && grep -q '^pi-7 ' "$WORK/fleet.out"
}

# into_root ROOT PROGRAM [PATH]: copies a program of this machine and the libraries it needs.
into_root() {
	local root=$1 program=$2 path=${3:-$2} library
	mkdir -p "$root/$(dirname "$path")"
	cp -L "$program" "$root/$path"
	for library in $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | sort -u); do
		mkdir -p "$root/$(dirname "$library")"
		[ -e "$root/$library" ] || cp -L "$library" "$root/$library"
	done
}

# qemu-user's name for a Debian architecture.
qemu_name() {
	case $1 in
	arm64) echo aarch64 ;;
	armhf) echo arm ;;
	*) return 1 ;;
	esac
}

# binfmt_here ARCH: whether this machine runs programs of that architecture inside a chroot already (flag F: the emulator
# need not be in there).
binfmt_here() {
	local entry
	entry=/proc/sys/fs/binfmt_misc/qemu-$(qemu_name "$1")
	grep -qx enabled "$entry" 2>/dev/null && grep -q '^flags:.*F' "$entry"
}

# on_arch ARCH COMMAND...: as root, where programs of a Debian architecture run, through qemu-user if they are foreign.
on_arch() {
	local arch=$1
	shift
	if [ "$arch" = "$(dpkg --print-architecture)" ] || binfmt_here "$arch"; then
		"$@"
	else
		with_binfmt "$(cat "/usr/lib/binfmt.d/qemu-$(qemu_name "$arch").conf")" "$@"
	fi
}

# can_run_arch ARCH: or says why not.
can_run_arch() {
	local name
	[ "$1" != "$(dpkg --print-architecture)" ] || return 0
	name=$(qemu_name "$1")
	binfmt_here "$1" || [ -e "/usr/lib/binfmt.d/qemu-$name.conf" ] || install_packages qemu-user-static >/dev/null 2>&1 || true
	if ! binfmt_here "$1" && [ ! -e "/usr/lib/binfmt.d/qemu-$name.conf" ]; then
		echo "no qemu-user (Debian package qemu-user-static)"
		return 1
	fi
	if ! on_arch "$1" true >/dev/null 2>&1; then
		echo "binfmt_misc knows no $name here, and a user namespace may have none of its own (Linux 6.7 or later, root)"
		return 1
	fi
}
