# shellcheck shell=bash
# What the packaging checks share. Sourced by scripts/test-packaging, which sets WORK; each check runs in a subshell with
# errexit and says nothing unless it fails.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

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

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ $SECONDS -ge $limit ]; then
			echo "not within the limit: $*" >&2
			return 1
		fi
		sleep 0.1
	done
}
