# shellcheck shell=bash
# The container, where a docker answers: the original's page with our image's name in its place.

TAG=irsync-packaging-test

remove_all() {
	docker ps --all --quiet --filter "name=irsync-packaging-" | xargs -r docker rm --force >/dev/null 2>&1 || true
}

image() {
	"$ROOT/scripts/container/build" --tag "$TAG" --binary "$(host_binary)" | tee "$WORK/image"
}

# A folder as the page has it.
data() {
	rm -rf "${WORK:?}/$1"
	mkdir -p "$WORK/$1/data/source" "$WORK/$1/data/dest"
	echo one >"$WORK/$1/data/source/test1.txt"
	cd "$WORK/$1" || return
}

arrives() {
	wait_for 30 cmp -s "data/source/$1" "data/dest/$1"
}

# docker run --rm … -pvrt --delete /data/source/ /data/dest/, stopped as docker stop does it.
example_local() {
	data local
	docker run --rm --name irsync-packaging-1 -v "$(pwd)"/data:/data $TAG \
		-pvrt --delete /data/source/ /data/dest/ >log 2>&1 &
	local runner=$! code=0 start
	arrives test1.txt
	start=$SECONDS
	docker stop -t 20 irsync-packaging-1
	[ $((SECONDS - start)) -lt 15 ] || { echo "stopping took $((SECONDS - start)) s"; return 1; }
	wait $runner || code=$?
	cat log
	[ $code = 0 ]
	# What rsync says is on stdout or stderr of the container: `docker logs` has it.
	grep -q irsync log
}

example_every_10_seconds() {
	data every
	docker run --rm --name irsync-packaging-2 -v "$(pwd)"/data:/data $TAG \
		--irsync-interval-seconds=10 \
		-pvrt --delete /data/source/ /data/dest/ >log 2>&1 &
	arrives test1.txt
	echo two >data/source/test2.txt
	rm data/source/test1.txt
	arrives test2.txt
	wait_for 30 test ! -e data/dest/test1.txt
	docker stop irsync-packaging-2
}

# -d --restart on-failure: a missing source fails rsync and not the container.
example_restart_on_failure() {
	data restart
	rm -r data/source
	docker run -d --name irsync-packaging-3 --restart on-failure \
		-v "$(pwd)"/data:/data $TAG \
		--irsync-interval-seconds=1 \
		-pvrt --delete /data/source/ /data/dest/
	wait_for 30 logged irsync-packaging-3 'rsync'
	mkdir data/source
	echo one >data/source/test1.txt
	arrives test1.txt
	[ "$(docker inspect --format '{{.RestartCount}} {{.State.Running}}' irsync-packaging-3)" = "0 true" ]
	# Killed from outside: docker starts it again, and it goes on.
	local old
	old=$(docker inspect --format '{{.State.Pid}}' irsync-packaging-3)
	kill -9 "$old"
	wait_for 30 restarted irsync-packaging-3
	echo three >data/source/test3.txt
	arrives test3.txt
	docker stop irsync-packaging-3
	[ "$(docker inspect --format '{{.State.ExitCode}}' irsync-packaging-3)" = 0 ]
	docker rm irsync-packaging-3
}

logged() {
	docker logs "$1" 2>&1 | grep -q -- "$2"
}

restarted() {
	[ "$(docker inspect --format '{{.RestartCount}}' "$1")" -ge 1 ]
}

# PID 1: nobody else is there to reap. A hook's orphans and rsync's own children leave no zombie behind.
pid_1_reaps() {
	data pid1
	docker run -d --name irsync-packaging-4 -v "$(pwd)"/data:/data $TAG \
		--irsync-interval-seconds=1 -pvrt --delete /data/source/ /data/dest/
	arrives test1.txt
	wait_for 30 three_syncs irsync-packaging-4
	local pid
	pid=$(docker inspect --format '{{.State.Pid}}' irsync-packaging-4)
	ps -o pid,ppid,stat,comm --ppid "$pid" || true
	wait_for 10 no_zombies "$pid"
	docker rm --force irsync-packaging-4
}

three_syncs() {
	[ "$(docker logs "$1" 2>&1 | grep -c 'success')" -ge 3 ]
}

no_zombies() {
	[ -z "$(ps -o stat= --ppid "$1" | sed -n /Z/p)" ]
}

# RSYNC_PASSWORD and the compose file; the logs do not have it.
compose_demo() {
	data compose
	cp "$ROOT"/scripts/container/{compose.yml,rsyncd.conf,rsyncd.secrets} .
	local compose=(docker-compose --file compose.yml --project-name irsync-packaging)
	if docker compose version >/dev/null 2>&1; then compose=(docker compose --file compose.yml --project-name irsync-packaging); fi
	export IRSYNC_IMAGE=$TAG
	"${compose[@]}" up -d
	local code=0
	wait_for 60 cmp -s data/source/test1.txt data/dest/test1.txt || code=$?
	echo later >data/source/later.txt
	[ $code != 0 ] || wait_for 90 cmp -s data/source/later.txt data/dest/later.txt || code=$?
	docker logs irsync-client >client.log 2>&1
	cat client.log
	"${compose[@]}" down
	[ $code = 0 ]
	! grep -q 'password' client.log
}

# The fourth example: an image with its own arguments. Its server does not answer: the container goes on.
custom_image() {
	data custom
	sed "s#^FROM irsync#FROM $TAG#" "$ROOT/scripts/container/custom.Dockerfile" >Dockerfile
	docker build -t $TAG-custom .
	docker run -d --name irsync-packaging-5 --restart on-failure -v "$(pwd)"/data:/data $TAG-custom
	wait_for 60 logged irsync-packaging-5 'next in'
	[ "$(docker inspect --format '{{.RestartCount}} {{.State.Running}}' irsync-packaging-5)" = "0 true" ]
	docker rm --force irsync-packaging-5
	docker rmi $TAG-custom
}

# Nothing of a checkout but what the Dockerfile copies is sent to the engine.
build_context() {
	local context
	printf 'FROM scratch\nCOPY . /context/\nCMD ["none"]\n' | docker build --file - --tag $TAG-context "$ROOT"
	docker create --name irsync-packaging-context $TAG-context
	context=$(docker export irsync-packaging-context | tar -t | sed -n 's#^context/\([^/]\{1,\}\).*#\1#p' | sort -u | xargs)
	docker rm irsync-packaging-context
	docker rmi $TAG-context
	echo "$context"
	[ "$context" = "Cargo.lock Cargo.toml README.md src" ]
}

# Base images in place of those that only a registry has: Debian, once with this machine's Rust and once without rsync.
base_images() {
	mkdir -p "$WORK/rust/rust" "$WORK/run"
	tar --create --directory "$(rustc --print sysroot)" --exclude=lib/rustlib/src bin/cargo bin/rustc lib |
		tar --extract --directory "$WORK/rust/rust"
	# The machine's own, as its way to the crates may have a certificate of its own.
	cp -L /etc/ssl/certs/ca-certificates.crt "$WORK/rust/"
	printf 'FROM %s\nCOPY rust /usr/local\nCOPY ca-certificates.crt /etc/ssl/certs/\n%s\n' $TAG-root \
		'RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev' >"$WORK/rust/Dockerfile"
	docker build --tag $TAG-rust "$WORK/rust"
	printf 'FROM %s\nRUN dpkg --purge rsync\n' $TAG-root >"$WORK/run/Dockerfile"
	docker build --tag $TAG-run "$WORK/run"
}

dockerfile() {
	local build=(docker build --file "$ROOT/scripts/container/Dockerfile" --build-arg "BUILD_IMAGE=$TAG-rust"
		--build-arg "RUN_IMAGE=$TAG-run")
	# With a name the first stage can be removed again.
	"${build[@]}" --target build --tag $TAG-build "$ROOT"
	"${build[@]}" --tag $TAG-dockerfile "$ROOT"
	sees_the_fleet docker run --rm -v "$WORK/fleet:/reports" $TAG-dockerfile fleet /reports
}

# examples PREFIX: all of them with the image $TAG.
examples() {
	check "$1-local" example_local
	check "$1-every-10-seconds" example_every_10_seconds
	check "$1-restart-on-failure" example_restart_on_failure
	check "$1-pid-1" pid_1_reaps
	check "$1-custom-image" custom_image
	if have docker-compose || docker compose version >/dev/null 2>&1; then
		check "$1-compose-demo" compose_demo
	else
		skipped "$1-compose-demo" "no docker-compose"
	fi
	remove_all
}

# The Dockerfile, as far as it goes without a registry.
dockerfile_checks() {
	local why
	check container-build-context build_context
	if ! have rustc || [ "$(id -u)" != 0 ] || ! have dpkg || [ "$(dpkg --print-architecture)" != amd64 ]; then
		skipped container-dockerfile "its stand-in for base images needs Rust and root on a Debian machine (amd64)"
		return
	fi
	if ! why=$(need_root amd64); then
		skipped container-dockerfile "$why"
		return
	fi
	docker import "$(root_tarball amd64)" "$TAG-root" >/dev/null
	if ! docker run --rm "$TAG-root" apt-get update >"$WORK/log-network" 2>&1; then
		skipped container-dockerfile "containers have no network here"
		return
	fi
	check container-base-images base_images
	check container-dockerfile dockerfile
	local TAG=$TAG-dockerfile
	examples container-dockerfile
}

container_checks() {
	if ! have docker || ! docker info >/dev/null 2>&1; then
		skipped container "no docker answers"
		return
	fi
	if [ "$1" != full ]; then
		skipped container "takes minutes: scripts/test-packaging full container"
		return
	fi
	if readelf -l "$(host_binary)" | grep -q INTERP; then
		skipped container "wants a static binary: scripts/cross-build $(uname -m)"
		return
	fi
	remove_all
	check container-image image
	[ ! -e "$WORK/image" ] || sed 's/^/   /' "$WORK/image"
	examples container
	dockerfile_checks
	docker images --quiet "$TAG*" | xargs -r docker rmi --force >/dev/null 2>&1 || true
}
