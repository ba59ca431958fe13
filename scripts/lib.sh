# shellcheck shell=bash
# Shared by the scripts: messages, and the installation of what a step needs. Sourced, never run.

# Root of the checkout, wherever a script is called from.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT CROSS_CONFIG=cross.toml
# Stories wait more than they compute: on two processors, eight take a third of the time that two take.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + 6))}

say() {
	printf '\n== %s\n' "$*"
}

# A step that this machine cannot do is named, never silent; the names are repeated at the end.
SKIPPED=()
skip() {
	printf 'SKIPPED: %s\n' "$*"
	SKIPPED+=("$*")
}

die() {
	printf 'scripts: %s\n' "$*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# Cargo, also in a shell that was there before rustup was.
need_rust() {
	have cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
	have cargo
}

# As root, or through a sudo that asks no questions; fails where there is neither.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		return 1
	fi
}

# need COMMAND[=PACKAGE]...: installs the Debian packages of the commands that are missing; fails, naming what is
# missing, where it may not.
need() {
	local pair packages=()
	for pair in "$@"; do
		have "${pair%%=*}" || packages+=("${pair#*=}")
	done
	[ ${#packages[@]} -gt 0 ] || return 0
	install_packages "${packages[@]}" || true
	for pair in "$@"; do
		if ! have "${pair%%=*}"; then
			printf 'missing: %s (Debian package %s)\n' "${pair%%=*}" "${pair#*=}" >&2
			return 1
		fi
	done
}

# A C compiler that also links, as Rust asks it to: gcc alone has neither the C library's headers nor its start-up code.
need_cc() {
	need cc=gcc || return 1
	links || install_packages libc6-dev || true
	links || { printf 'missing: a cc that links (Debian package libc6-dev)\n' >&2; return 1; }
}

links() {
	cc -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null
}

# Python with what its virtual environments are made of, which Debian packs apart: scripts/cross-build takes zig from one.
need_venv() {
	need python3 || return 1
	python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv || true
	python3 -c 'import ensurepip' 2>/dev/null || { printf 'missing: ensurepip (Debian package python3-venv)\n' >&2; return 1; }
}

# install_packages PACKAGE...: with apt, where that is allowed.
install_packages() {
	have apt-get || return 1
	local log apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
	# Two at a time would fail: apt waits for the lock of the packages, not for that of their lists. What packages start must
	# not inherit ours.
	! have flock || apt=(flock --close "$ROOT/scripts/lib.sh" "${apt[@]}")
	log=$(mktemp)
	if as_root "${apt[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 ||
		{ as_root "${apt[@]}" update >"$log" 2>&1 &&
			as_root "${apt[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1; }; then
		rm -f "$log"
		return 0
	fi
	tail -n 5 "$log" >&2
	rm -f "$log"
	return 1
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

# with_binfmt LINE COMMAND...: as root, where the kernel runs what LINE says through an interpreter (see binfmt_misc, the form
# of its file "register"). It is told to a user namespace with a binfmt_misc of its own (Linux 6.7 or later), so that nothing
# is left behind.
with_binfmt() {
	local line=$1 pid own code=0
	shift
	own=$(readlink /proc/self/ns/user)
	# It waits for its users: before, it is nobody.
	# shellcheck disable=SC2016 # for the inner shell
	unshare --user --mount sh -c '
		until read -r _ </proc/self/gid_map; do sleep 0.1; done
		mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && printf "%s\n" "$1" >/proc/sys/fs/binfmt_misc/register &&
		shift && exec "$@"' sh "$line" "$@" &
	pid=$!
	# All that programs may ask for, which only somebody outside can give.
	if ! wait_for 10 has_other_user_namespace "$pid" "$own" ||
		! echo "0 0 65536" >"/proc/$pid/uid_map" || ! echo "0 0 65536" >"/proc/$pid/gid_map"; then
		kill "$pid" 2>/dev/null || true
		return 1
	fi
	wait "$pid" || code=$?
	return $code
}

has_other_user_namespace() {
	local its
	its=$(readlink "/proc/$1/ns/user") && [ "$its" != "$2" ]
}

# publisher: sets PUBLISHER ('NAME <MAIL>') and PUBLISHER_HOMEPAGE from IRSYNC_PUBLISHER, or says what that must look like.
# Both stand in control files, in recipes and in a sed command.
publisher() {
	local said=${IRSYNC_PUBLISHER:-}
	local form='^([^<>|&"$\\]+ <[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+>) (https?://[A-Za-z0-9._~:/%@+,=-]+)$'
	[[ $said =~ $form && $said != *$'\n'* ]] ||
		die "IRSYNC_PUBLISHER must say who answers for the packages and where irsync is at home, as 'NAME <MAIL> URL'; it is '$said'"
	# shellcheck disable=SC2034 # for who asks
	PUBLISHER=${BASH_REMATCH[1]} PUBLISHER_HOMEPAGE=${BASH_REMATCH[2]}
}
