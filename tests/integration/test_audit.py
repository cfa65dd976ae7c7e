# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit log's helper: what it has, who may use it, and that nothing waits for it.

systemd-nspawn lets nobody in a container have a socket of the audit log's. What is written there is
therefore tested with a stand-in (tests/unit/test-audit-server.c, test-audit-entry.c); here the helper
is started against its ConditionSecurity=audit, and says that it cannot write."""

import contextlib
import os
import pwd
import socket
import struct
import time

import lib
import varlink

PATH = "/run/doorward/audit"
UNIT = "doorward-audit.service"
CAP_AUDIT_WRITE = 29
NETLINK_AUDIT = 9


def text(value):
    return struct.pack("<H", len(value)) + value


def event():
    """A refusal, as the broker sends it."""
    numbers = struct.pack("<IBBIIIII", 1, 2, 0, 1000, 1000, 4711, 2**32 - 1, 2**32 - 1)
    return numbers + text(b"") + text(b"EndpointNotFound") + text(b"") + text(b"5f0c") + bytes(4)


def connect():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(5)
    connection.connect(PATH)
    return connection


def say(data):
    """Whether the helper goes on listening."""
    with connect() as connection:
        connection.send(data)
        connection.settimeout(1)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False


def grant():
    with varlink.opened("echo", "full"):
        pass


def has_audit():
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def helper():
    """The helper's socket, also where there is no audit log."""
    try:
        with lib.drop_in("doorward-audit.socket", "[Unit]\nConditionSecurity=\n"):
            lib.systemctl("start", "doorward-audit.socket")
            lib.restart_broker()
            yield
    finally:
        lib.systemctl("stop", "doorward-audit.socket", UNIT)


def test_condition():
    """Where the kernel keeps no audit log for it, the helper is not even listened for."""
    lib.systemctl("start", "doorward-audit.socket")
    lib.expect(os.path.exists(PATH), has_audit(), "the socket is there")


def test_one_capability():
    """The helper has CAP_AUDIT_WRITE and no other in any set, is a user of its own, and cannot gain
    privileges."""
    with helper():
        lib.expect(lib.as_user("doorward", say, event()), True, "the broker's user is heard")
        pid = lib.unit_pid(UNIT)
        lines = lib.read(f"/proc/{pid}/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            lib.expect(int(status[name], 16), 1 << CAP_AUDIT_WRITE, name)
        uid = str(pwd.getpwnam("doorward-audit").pw_uid)
        lib.expect(status["Uid"].split(), [uid] * 4, "its user")
        lib.expect(set(status["Groups"].split()) - {status["Gid"].split()[0]}, set(), "its groups")
        lib.expect((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))


def test_broker_only():
    """Others cannot connect, root is hung up on, and so is who sends anything else."""
    with helper():
        for user in ("alice", "doorward-opener", "doorward-audit"):
            try:
                lib.as_user(user, connect)
            except lib.Failure as failure:
                lib.expect_in("PermissionError", str(failure))
            else:
                raise lib.Failure(f"{user} could connect to the audit helper")
        lib.expect(lib.as_user("root", say, event()), False, "root is heard")
        for data in (b"x", event()[:-1], event() + b"x", event().replace(b"5f0c", b"5 f=")):
            lib.expect(lib.as_user("doorward", say, data), False, f"{data!r} is heard")
        lib.expect(lib.as_user("doorward", say, event()), True, "the broker's user is heard")


def test_broker_tells_it():
    """A grant reaches the helper, which ends when the broker has nothing more to say; that it cannot
    write is said once, and keeps nobody from anything."""
    with lib.echo(lib.allow("echo", "full")), helper():
        journal = lib.Journal()
        lib.as_user("alice", grant)
        lib.wait_for(lambda: lib.unit_pid(UNIT), "the helper is started")
        sockets = [t for t in lib.descriptors(lib.unit_pid(UNIT)).values() if "socket:" in t]
        lib.expect_true(len(sockets) >= 2, f"the broker is connected: {sockets}")
        for _ in range(5):
            lib.as_user("alice", grant)
        if not has_audit():
            journal.wait("what the helper says", _SYSTEMD_UNIT=UNIT)
            entries = journal.entries(_SYSTEMD_UNIT=UNIT)
            said = [e for e in entries if "The audit log cannot be written" in e["MESSAGE"]]
            lib.expect(len(said), 1, "complaints")


def test_helper_stands_still():
    """A helper that reads nothing delays no grant, nor does one that was killed."""

    def many(count):
        for _ in range(count):
            grant()

    with lib.settings(RequestRate=1000, RequestBurst=1000):
        with lib.echo(lib.allow("echo", "full")), helper():
            lib.as_user("alice", grant)
            lib.wait_for(lambda: lib.unit_pid(UNIT), "the helper is started")
            with lib.frozen(UNIT):
                began = time.monotonic()
                lib.as_user("alice", many, 300)
                lib.expect_true(time.monotonic() - began < 20, "grants are delayed")
            lib.systemctl("kill", "--signal=KILL", UNIT)
            lib.as_user("alice", grant)
