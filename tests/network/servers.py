"""What answers on the server's side: an rsync daemon, two ssh servers, a name server, captive portals."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

NAME, RSYNC, SSH, DROPBEAR = "server.lab", 873, 22, 2222
# Seconds until what should have happened is given up: nothing that goes well takes so long, however slow the machine.
PATIENCE = 300


def wait(what, condition, patience=PATIENCE, period=0.05):
    """Waits until condition() is true and gives its value; fails after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience} s")
        time.sleep(period)


class Daemon:
    """A real rsync daemon. `extra` are lines of the module `files`."""

    def __init__(self, space, home, extra="", name="rsyncd", port=RSYNC):
        conf = home / f"{name}.conf"
        (home / "secrets").write_text("user:right\n")
        (home / "secrets").chmod(0o600)
        conf.write_text(f"""use chroot = no
uid = 0
gid = 0
log file = {home}/{name}.log
[files]
path = {home}/files
{extra}
[locked]
path = {home}/files
auth users = user
secrets file = {home}/secrets
[inbox]
path = {home}/inbox
read only = no
""")
        self.space, self.port = space, port
        self.command = ["rsync", "--daemon", "--no-detach", f"--config={conf}", f"--port={port}"]
        self.start()

    def start(self):
        """Starts it, again after `kill`."""
        self.process = self.space.start(*self.command, stdin=subprocess.DEVNULL)
        wait("the rsync daemon", lambda: listens(self.space, self.port))

    def kill(self):
        """Kills it and its children, as a server that is switched off."""
        self.process.kill()
        self.process.wait()
        for pid in self.space.processes(f"--port={self.port}"):
            os.kill(pid, signal.SIGKILL)


def listens(space, port):
    """Whether something listens on this TCP port."""
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
               for table in ("tcp", "tcp6") for line in space.run("cat", f"/proc/net/{table}").splitlines()[1:])


def start_sshd(space, home, port=SSH, extra=""):
    """A real OpenSSH server that lets root in with the key `home`/key."""
    conf = home / f"sshd-{port}.conf"
    conf.write_text(f"""Port {port}
HostKey {home}/host
AuthorizedKeysFile {home}/authorized
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
{extra}
""")
    process = space.start("/usr/sbin/sshd", "-D", "-E", home / f"sshd-{port}.log", "-f", conf, stdin=subprocess.DEVNULL)
    wait("sshd", lambda: listens(space, port))
    return process


def start_dropbear(space, home, port=DROPBEAR):
    """dropbear's server, with the authorized_keys of the space's /root/.ssh."""
    key = home / "dropbear-host"
    if not key.exists():
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", key], check=True, capture_output=True)
    with open(home / "dropbear.log", "ab") as log:
        process = space.start("dropbear", "-F", "-E", "-p", port, "-r", key, stdin=subprocess.DEVNULL, stderr=log)
    wait("dropbear", lambda: listens(space, port))
    return process


class Names:
    """A name server. `answers` are addresses by name; None for silence."""

    def __init__(self, space, address):
        self.answers, self.silent = {NAME: address}, False
        self.socket = space.socket(socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", 53))
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            if not self.silent:
                self.socket.sendto(self._answer(query), peer)

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, kind = query[12:at + 5], struct.unpack_from("!H", query, at + 1)[0]
        known = self.answers.get(".".join(labels))
        data = b""
        if known and kind == 1:
            data = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(known)
        return query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, 1 if data else 0, 0, 0) + question + data


class Portal:
    """A captive portal on rsync's port: `says` at once, `answers` to whatever is said; then it keeps silent or hangs up."""

    def __init__(self, space, says=b"", answers=b"", hangs_up=True):
        self.says, self.answers, self.hangs_up, self.held = says, answers, hangs_up, []
        self.socket = space.socket(socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("0.0.0.0", RSYNC))
        self.socket.listen(8)
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        self.held.append(peer)
        try:
            if self.says:
                peer.sendall(self.says)
            if self.answers and peer.recv(1024):
                peer.sendall(self.answers)
            if self.hangs_up:
                peer.close()
        except OSError:
            pass

    def end(self):
        """Hangs up everywhere and listens no more."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for peer in self.held:
            peer.close()
