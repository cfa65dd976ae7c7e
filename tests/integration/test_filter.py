# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward-filter by itself: the program that is installed, in a unit, with the test as its broker and
as the service behind it. What is refused and what is hidden is tests/unit/test-filter-session.c and its
like; docker and podman are test_docker.py."""

import contextlib
import os
import pwd
import socket
import struct
import threading

import lib
import test_opener

PATH = "/run/doorward-tests-filter"
NAME = "doorward-tests-filter"
# Who runs it as it is installed, too.
USER = "doorward-filter"
PROGRAM = "/usr/libexec/doorward/doorward-filter"

SOCKET = f"""[Socket]
ListenSequentialPacket={PATH}
SocketMode=0666
PassCredentials=yes
Accept=yes
"""
# Nothing that its own unit would take away, so that what is gone it gave up by itself.
SERVICE = f"""[Unit]
CollectMode=inactive-or-failed
[Service]
ExecStart={PROGRAM}
User={{user}}
CapabilityBoundingSet={{capabilities}}
"""

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 35\r\n\r\n"
    b'[{"Id":"4f","Command":"sh secret"}]'
)
REQUEST = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n\r\n"


@contextlib.contextmanager
def installed(user=USER, capabilities=""):
    service = SERVICE.format(user=user, capabilities=capabilities)
    with lib.unit(f"{NAME}@.service", service), lib.unit(f"{NAME}.socket", SOCKET):
        lib.systemctl("start", f"{NAME}.socket")
        yield


@contextlib.contextmanager
def being(user):
    """As this user, to the kernel: what is connected and sent meanwhile is theirs."""
    uid = pwd.getpwnam(user).pw_uid
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def text(value):
    return struct.pack("<H", len(value)) + value.encode()


def message(profile="status", version=1):
    return struct.pack("<I", version) + text("docker") + text(profile) + text("docker")


def serve(service):
    """Answers whatever is asked, and always the same."""
    with contextlib.suppress(OSError):
        while service.recv(65536):
            service.sendall(ANSWER)


class Filter:
    """One that was asked: the broker's connection, and what it replied."""

    def __init__(self, data, user="doorward"):
        ours, theirs = socket.socketpair()
        self.service = ours
        self.broker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.broker.settimeout(20)
        with theirs, being(user):
            self.broker.connect(PATH)
            socket.send_fds(self.broker, [data], [theirs.fileno()])
        try:
            self.reply, fds, _flags, _address = socket.recv_fds(self.broker, 256, 1)
        except ConnectionResetError:
            self.reply, fds = b"", []
        self.client = socket.socket(fileno=fds[0]) if fds else None
        if self.client:
            self.client.settimeout(20)

    def pid(self):
        pids = lib.ok("pgrep", "--exact", "--full", PROGRAM).split()
        lib.expect(len(pids), 1, "filters that run")
        return int(pids[0])

    def close(self):
        for each in (self.broker, self.service, self.client):
            if each:
                each.close()


@contextlib.contextmanager
def granted(profile="status"):
    it = Filter(message(profile))
    with contextlib.closing(it):
        lib.expect(it.reply, struct.pack("<IB", 1, 1), "the reply")
        threading.Thread(target=serve, args=(it.service,), daemon=True).start()
        yield it


def ask(it):
    """Until the end of the answer."""
    it.client.sendall(REQUEST)
    got = b""
    while not got.endswith(b"0\r\n\r\n"):
        got += it.client.recv(65536)
    return got.decode()


def status(pid, key):
    lines = lib.read(f"/proc/{pid}/status").splitlines()
    return next(line.split(None, 1)[1] for line in lines if line.startswith(f"{key}:"))


def test_process():
    """It answers; it has its sandbox, no privilege, three connections and hardly any memory; and it
    ends when the broker hangs up, with both of its sides."""
    with installed(), granted() as it:
        for _ in range(20):
            answer = ask(it)
            lib.expect_in('"Command":"(hidden by doorward)"', answer)
            lib.expect_not_in("secret", answer)

        pid = it.pid()
        lib.expect(status(pid, "Seccomp"), "2", "a filter of system calls")
        lib.expect(status(pid, "NoNewPrivs"), "1")
        lib.expect(status(pid, "Uid").split()[0], str(pwd.getpwnam(USER).pw_uid))
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            lib.expect(int(status(pid, key), 16), 0, key)
        lib.expect(os.stat(f"/proc/{pid}/maps").st_uid, 0, "whose /proc it is, being undumpable")
        # Standard input, output and error, the broker's, the client's and the service's.
        lib.expect(len(os.listdir(f"/proc/{pid}/fd")), 6, "descriptors")
        dirty = next(
            line for line in lib.read(f"/proc/{pid}/smaps_rollup").splitlines()
            if line.startswith("Private_Dirty:")
        )
        lib.expect_true(int(dirty.split()[1]) <= 400, f"its memory: {dirty}")

        it.broker.close()
        lib.expect(it.client.recv(1), b"", "the client's end")
        lib.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "it ends")


def test_out_of_reach():
    """A program of the filters' own user, with no sandbox at all, cannot read, trace or take
    descriptors from one."""
    with installed(), granted() as it, lib.scratch() as folder:
        pid = it.pid()
        mapped = next(
            line for line in lib.read(f"/proc/{pid}/maps").splitlines() if " rw-p " in line
        )
        lib.write(f"{folder}/attacker.py", test_opener.ATTACKER)
        argv = ("-I", f"{folder}/attacker.py", str(pid), mapped.split("-")[0])
        result = lib.run("/usr/bin/python3", *argv, user=USER)
        outcome = result.expect_status(0).json()
        # The kernel lets a user see and set the limits of what runs as that user; a filter has no such
        # call.
        outcome.pop("prlimit")
        test_opener.expect_nothing_done(outcome, "no sandbox", USER)
        lib.expect_in("HTTP/1.1 200 OK", ask(it), "it lives")


def test_asked_by_others():
    """Only the broker's user may ask, in one form, for what there is."""
    with installed():
        for user in ("alice", "root"):
            with contextlib.closing(Filter(message(), user=user)) as it:
                lib.expect((it.reply, it.client), (b"", None), f"{user} is refused")
        for data in (message(version=2), message("everything"), b"x", message() + b"x"):
            with contextlib.closing(Filter(data)) as it:
                lib.expect(it.reply[:5], struct.pack("<IB", 1, 2), f"{data} is refused")
                lib.expect(it.client, None)


def test_privileged():
    """As root, or with a capability within its reach, it does not run."""
    for user, capabilities in (("root", ""), (USER, "CAP_CHOWN")):
        with installed(user, capabilities):
            with contextlib.closing(Filter(message())) as it:
                lib.expect((it.reply, it.client), (b"", None), f"{user} {capabilities}")
