# shellcheck shell=bash
# scripts/demo on a new machine: a fresh Debian with git, a bare gcc and this machine's Rust, and nothing else; the demo
# brings the rest by itself. What reaches the registries from here is taken over: apt's settings, cargo's, the certificates.

# new_machine ROOT: the fresh Debian, and how this machine's cargo is told of its registry.
new_machine() {
	local root=$1 apt=$WORK/new-machine-apt cargo=${CARGO_HOME:-$HOME/.cargo} part
	# Of the certificates it needs only a place for this machine's.
	(apt-config dump | grep -iE '^Acquire::(https?|ftp|Retries|Check-Valid-Until)' || true) >"$apt"
	fresh_debian amd64 apt git,gcc,ca-certificates "$root" --aptopt="$apt"
	mkdir -p "$root$cargo" "$root${RUSTUP_HOME:-$HOME/.rustup}" "$root/irsync"
	# Not its credentials.
	for part in bin env config config.toml registry; do
		[ ! -e "$cargo/$part" ] || cp -a "$cargo/$part" "$root$cargo/"
	done
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	# What git would hand on, with what is not committed yet.
	# shellcheck disable=SC2153 # lib.sh sets it
	(cd "$ROOT" && git ls-files --cached --others --exclude-standard -z | tar --create --null --ignore-failed-read -T -) |
		tar --extract --no-same-owner -C "$root/irsync"
}

# in_new_machine ROOT COMMAND...: with a login's environment, and what here tells cargo and rustup where to look.
in_new_machine() {
	local root=$1 kept=() variable
	shift
	while IFS= read -r -d '' variable; do
		case $variable in
		CARGO_TARGET_DIR=* | CARGO_BUILD_* | CARGO_*TOKEN=*) ;;
		CARGO_* | RUSTUP_* | SSL_CERT_* | CURL_CA_BUNDLE=* | *_proxy=* | *_PROXY=*) kept+=("$variable") ;;
		esac
	done < <(env -0)
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --uts --ipc --fork --kill-child sh -c '
		set -eu
		root=$1 rustup=$2
		shift 2
		mount --make-rprivate /
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount -t sysfs sysfs "$root/sys"
		mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
		mount -t tmpfs tmpfs "$root/run"
		mount --bind "$rustup" "$root$rustup"
		[ ! -d /etc/ssl/certs ] || mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
		exec chroot "$root" "$@"' sh "$root" "${RUSTUP_HOME:-$HOME/.rustup}" \
		env -i HOME="$HOME" USER=root LANG=C.UTF-8 PATH="${CARGO_HOME:-$HOME/.cargo}/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
		${kept[@]+"${kept[@]}"} "$@"
}

# As the README says, from its checkout; twice, as the second time everything is there.
demo_runs() {
	local root=$WORK/new-machine
	new_machine "$root"
	! in_new_machine "$root" sh -c 'command -v rsync' || { echo "rsync is there already: nothing is shown"; return 1; }
	in_new_machine "$root" sh -c 'cd /irsync && scripts/demo' | tee "$WORK/demo-said"
	grep -qx '== All of it happened\.' "$WORK/demo-said"
	# It installed rsync, and no more than it needed.
	chroot "$root" dpkg --status rsync | grep -q '^Status: install ok installed'
	rm -rf "$root"
}

# Without apt it names what is missing, with Debian's name for it, and goes no further.
demo_names_what_is_missing() {
	local bin=$WORK/demo-bin said code=0 program
	mkdir -p "$bin/tmp"
	for program in bash env dirname mktemp rm tail id cargo sed cat; do
		ln -sf "$(command -v "$program")" "$bin/$program"
	done
	said=$(env PATH="$bin" TMPDIR="$bin/tmp" "$ROOT/scripts/demo" 2>&1) || code=$?
	printf '%s\n' "$said"
	[ $code = 1 ]
	grep -qF 'missing: rsync (Debian package rsync)' <<<"$said"
	! grep -q '== 1\.' <<<"$said"
	[ -z "$(ls "$bin/tmp")" ]
}

demo_checks() {
	check demo-names-what-is-missing demo_names_what_is_missing
	if ! have dpkg || [ "$(dpkg --print-architecture)" != amd64 ]; then
		skipped demo-new-machine "not a Debian machine (amd64)"
	elif [ "$(id -u)" != 0 ] || ! unshare --mount --pid --fork true 2>/dev/null; then
		skipped demo-new-machine "needs root and namespaces"
	elif ! have rustup; then
		skipped demo-new-machine "Rust is not rustup's here"
	elif ! need mmdebstrap arch-test >/dev/null 2>&1; then
		skipped demo-new-machine "no mmdebstrap"
	else
		check demo-new-machine demo_runs
	fi
}
