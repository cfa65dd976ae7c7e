# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward-filter by itself: the program that is installed, with the test as its broker and as the
service behind it; in a unit of the test's own, or in doorward's, where a listener starts it. What is refused and what is hidden is tests/unit/test-filter-session.c and its
like; docker and podman are test_docker.py."""

import contextlib
import fcntl
import os
import pwd
import re
import select
import socket
import struct
import termios
import threading
import time

import engine
import lib
import test_opener

PATH = "/run/doorward-tests-filter"
NAME = "doorward-tests-filter"
# Doorward's own.
INSTALLED_PATH = "/run/doorward/filter"
UNIT = "doorward-filter.service"
ENDPOINT = "tests-view"
# systemd's message of a unit that is being started: SD_MESSAGE_UNIT_STARTING in sd-messages(3).
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
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
REFUSED = b"DELETE /v1.41/containers/x HTTP/1.1\r\nHost: d\r\n\r\n"


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
    return struct.pack("<I", version) + text("docker") + text(profile) + text(ENDPOINT)


def serve(service):
    """Answers whatever is asked, and always the same."""
    with contextlib.suppress(OSError):
        while service.recv(65536):
            service.sendall(ANSWER)


class Filter:
    """One that was asked: the broker's connection, and what it replied."""

    def __init__(self, data, user="doorward", path=PATH):
        ours, theirs = socket.socketpair()
        self.service = ours
        self.broker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.broker.settimeout(20)
        with theirs, being(user), contextlib.suppress(BrokenPipeError):
            self.broker.connect(path)
            socket.send_fds(self.broker, [data], [theirs.fileno()])
        try:
            self.reply, fds, _flags, _address = socket.recv_fds(self.broker, 256, 1)
        except ConnectionResetError:
            self.reply, fds = b"", []
        self.client = socket.socket(fileno=fds[0]) if fds else None
        if self.client:
            self.client.settimeout(20)

    def pid(self):
        (pid,) = engine.filters()
        return pid

    def close(self):
        for each in (self.broker, self.service, self.client):
            if each:
                each.close()


@contextlib.contextmanager
def granted(profile="status", path=PATH):
    it = Filter(message(profile), path=path)
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
    """It answers; it has its sandbox, no privilege, three connections and nothing else, and hardly any
    memory; and it ends when the broker hangs up, with both of its sides."""
    with installed(), granted() as it:
        for _ in range(20):
            answer = ask(it)
            lib.expect_in('"Command":"(hidden by doorward)"', answer)
            lib.expect_not_in("secret", answer)
        it.client.sendall(REFUSED)
        refusal = it.client.recv(65536).decode()
        lib.expect_in("HTTP/1.1 403", refusal)
        lib.expect_in(ENDPOINT, refusal)

        pid = it.pid()
        lib.expect(status(pid, "Seccomp"), "2", "a filter of system calls")
        lib.expect(status(pid, "NoNewPrivs"), "1")
        lib.expect(status(pid, "Uid").split()[0], str(pwd.getpwnam(USER).pw_uid))
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            lib.expect(int(status(pid, key), 16), 0, key)
        lib.expect(os.stat(f"/proc/{pid}/maps").st_uid, 0, "whose /proc it is, being undumpable")
        # The broker's, the client's and the service's; not what it had of others, such as standard
        # error.
        lib.expect(sorted(os.listdir(f"/proc/{pid}/fd")), ["3", "4", "5"], "descriptors")
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


def layout(pid):
    """Where its program, its libraries and its stack are."""
    lines = lib.read(f"/proc/{pid}/maps").splitlines()
    names = PROGRAM, "libc.so.6", "[stack]"
    return [next(line.split("-")[0] for line in lines if line.endswith(name)) for name in names]


def test_listener():
    """In doorward's own unit each connection has a process of its own, of another layout, out of the
    others' reach; one that is killed is the end of one connection, and that the service is stopped of
    all; it starts again by itself. The listener has no connection, and cannot be looked into."""
    with contextlib.ExitStack() as stack:
        several = [stack.enter_context(granted(path=INSTALLED_PATH)) for _ in range(3)]
        pids = engine.filters()
        lib.expect(len(pids), 3, "filters")
        lib.expect(len({tuple(layout(pid)) for pid in pids}), 3, "layouts")
        for i in range(3):
            lib.expect(len({layout(pid)[i] for pid in pids}), 3, "places of each")
        listener = lib.unit_pid(UNIT)
        lib.expect(lib.read(f"/proc/{listener}/comm").strip(), "doorward-filter")
        lib.expect_true(listener not in pids, "it is another process")
        for pid in (listener, *pids):
            lib.expect(os.stat(f"/proc/{pid}/maps").st_uid, 0, "whose /proc it is, being undumpable")
            lib.expect(status(pid, "Uid").split()[0], str(pwd.getpwnam(USER).pw_uid))
            lib.expect(int(status(pid, "CapBnd"), 16), 0, "capabilities")
        # The standard ones, and the socket that it listens at: it has closed what it passed on.
        lib.wait_for(lambda: sorted(os.listdir(f"/proc/{listener}/fd")) == list("0123"), "no more")

        os.kill(pids[0], lib.signal.SIGKILL)
        lib.wait_for(lambda: not os.path.exists(f"/proc/{pids[0]}"), "it is gone")
        alive = [it for it in several if not hung_up(it.client)]
        lib.expect(len(alive), 2, "connections that live")
        for it in alive:
            lib.expect_in("HTTP/1.1 200 OK", ask(it))
        lib.expect(lib.unit_pid(UNIT), listener, "it goes on")

        lib.systemctl("stop", UNIT)
        lib.expect(engine.filters(), [])
        for it in alive:
            lib.expect(it.client.recv(1), b"", "the client's end")
        with granted(path=INSTALLED_PATH) as it:
            lib.expect_in("HTTP/1.1 200 OK", ask(it))


def hung_up(connection):
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


@lib.alone
def test_no_room():
    """Where no further process may be, who asks is hung up on and the journal says why; those who are
    there go on, and there is room again once one has ended. (TasksMax= does not count in the
    container; this does, and is the same to who forks: but of the user, in another container, too.)"""
    with lib.drop_in(UNIT, "[Service]\nLimitNPROC=3\n"), contextlib.ExitStack() as stack:
        lib.systemctl("stop", UNIT)
        lib.wait_for(lambda: lib.run("pgrep", "--euid", USER).status != 0, "none is left of before")
        journal = lib.Journal()
        first = stack.enter_context(granted(path=INSTALLED_PATH))
        second = stack.enter_context(contextlib.closing(Filter(message(), path=INSTALLED_PATH)))
        lib.expect_true(second.client, "there is room for two")
        for _ in range(3):
            with contextlib.closing(Filter(message(), path=INSTALLED_PATH)) as it:
                lib.expect((it.reply, it.client), (b"", None), "there is none for three")
        (entry, *_) = journal.wait("why", _SYSTEMD_UNIT=UNIT, SYSLOG_IDENTIFIER="doorward-filter")
        lib.expect_in("No filter can be started: Resource temporarily unavailable", entry["MESSAGE"])
        lib.expect_in("HTTP/1.1 200 OK", ask(first))

        second.close()
        lib.wait_for(lambda: len(engine.filters()) == 1, "one is gone")
        with granted(path=INSTALLED_PATH) as it:
            lib.expect_in("HTTP/1.1 200 OK", ask(it))


def test_limits():
    """The service has room for as many filters as the broker lets there be. No filter can grow, and none
    has a limit of memory that another one's use would count for."""
    most = int(lib.run("doorward", "info", "--json=short").json()["limits"]["FiltersMax"])
    lib.expect_true(int(lib.unit_property(UNIT, "TasksMax")) > most, "a process for each, and one")
    lib.expect(lib.unit_property(UNIT, "MemoryMax"), "infinity")
    lib.expect(lib.unit_property(UNIT, "OOMPolicy"), "continue")
    with granted(path=INSTALLED_PATH):
        (pid,) = engine.filters()
        limits = dict(
            re.match(r"(.*?)  +(\w+ +\w+)", line).groups()
            for line in lib.read(f"/proc/{pid}/limits").splitlines()
        )
        lib.expect(limits["Max stack size"].split(), [str(128 * 1024)] * 2)
        lib.expect(limits["Max core file size"].split(), ["0", "0"])


def test_reexec():
    """systemd that was executed anew starts it, too: its limits are for a moment those of a process
    that is as large as systemd."""
    for _ in range(3):
        lib.systemctl("stop", UNIT)
        lib.systemctl("daemon-reexec")
        with granted(path=INSTALLED_PATH) as it:
            lib.expect_in("HTTP/1.1 200 OK", ask(it))


def test_unread():
    """What a client does not read it can keep when all else has ended, and it is little."""
    with granted(path=INSTALLED_PATH) as it:
        it.client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                it.client.sendall(REQUEST)
        lib.wait_for(lambda: stands_still(it.client), "nothing more comes")
        it.broker.close()
        lib.wait_for(lambda: not engine.filters(), "it has ended")
        kept = b""
        # It left something unread, too.
        with contextlib.suppress(ConnectionResetError):
            while more := it.client.recv(65536):
                kept += more
        lib.expect_true(1000 < len(kept) < 32 * 1024, f"{len(kept)} bytes are left")


def stands_still(connection):
    """How much there is to be read is what there was a moment ago."""
    before = pending(connection)
    time.sleep(0.2)
    return before > 0 and pending(connection) == before


def pending(connection):
    return struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]


def test_cannot_be_started():
    """One that cannot be started hangs up on each who asks, once, without being tried for ever; the
    socket stays, and it works again as soon as it is mended."""
    journal = lib.Journal()
    with lib.drop_in(UNIT, "[Service]\nExecStart=\nExecStart=/run/doorward-tests-nothing\n"):
        lib.systemctl("stop", UNIT)
        for _ in range(40):
            with contextlib.closing(Filter(message(), path=INSTALLED_PATH)) as it:
                lib.expect((it.reply, it.client), (b"", None), "nothing is granted")
        time.sleep(0.5)
        lib.expect_true(lib.unit_is_active("doorward-filter.socket"), "somebody listens")
    tries = journal.entries(MESSAGE_ID=STARTING, UNIT=UNIT)
    lib.expect_true(1 <= len(tries) <= 40, f"{len(tries)} starts")
    with granted(path=INSTALLED_PATH) as it:
        lib.expect_in("HTTP/1.1 200 OK", ask(it))
