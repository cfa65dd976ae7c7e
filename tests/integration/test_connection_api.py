# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection API of libvirt, call by call, and what each became here.

A test for each, called after it, in the order of libvirt's connection guide; what has no counterpart,
since libvirt itself gave it up, is not here (virConnResetLastError and its like). The library is
called as C programs call it, through ctypes and nothing between, by alice, with the real broker.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import subprocess
import time

import lib

INTEGRATED = f"{lib.SOURCE}/build-check/gcc/client/integrated"
PASSWORD = b"alice-s password"

FULL = lib.allow("echo", "full")
READ_ONLY = lib.allow("echo", "read-only")
ASK = lib.allow("echo", "full", result="AUTH_SELF")
NO = lib.allow("echo", "full", result="NO")

# doorward.h.
(OK, SYSTEM, INVALID_ARG, INVALID_CONN, BAD_URI, UNSUPPORTED, NO_BROKER, PROTOCOL, NO_ENDPOINT,
 ACCESS_UNSUPPORTED, DENIED, AUTH_NEEDED, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE) = range(15)
LEASE_ENDED = 20
LIBRARY, POLICY = 1, 4
FLAG_RO, FLAG_NO_INTERACTION, FLAG_FALLBACK_RO, FLAG_DETACHED, FLAG_LOCAL_ONLY = 1, 4, 8, 16, 32
CRED_PASSPHRASE = 5
CLOSE_NONE, CLOSE_BACKEND, CLOSE_REVOKED = 0, 3, 5


class Error(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("domain", "code", "errnum")),
        *((name, ctypes.c_char_p) for name in (
            "message", "hint", "endpoint", "action_id", "request_id")),
        ("reserved", ctypes.c_void_p * 4),
    ]


class GrantInfo(ctypes.Structure):
    _fields_ = [
        ("access", ctypes.c_char_p), ("mode", ctypes.c_char_p), ("kept", ctypes.c_int),
        ("expires", ctypes.c_longlong), ("lease_id", ctypes.c_char_p),
        ("request_id", ctypes.c_char_p), ("action_id", ctypes.c_char_p),
        ("how", ctypes.c_char_p), ("connect_as", ctypes.c_char_p),
        ("ends_at_logout", ctypes.c_int),
    ]


class SecurityModel(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in (
        "authorizer", "connect_as", "read_only", "mode", "label")]


class HostNode(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_uint), ("cpus", ctypes.c_uint), ("memory_total", ctypes.c_ulonglong),
        ("memory_free", ctypes.c_ulonglong), ("reserved", ctypes.c_void_p * 4),
    ]


class HostInfo(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_char_p) for name in (
            "hostname", "machine_id", "os_name", "kernel", "architecture")),
        ("cpus", ctypes.c_uint), ("n_nodes", ctypes.c_uint),
        ("nodes", ctypes.POINTER(HostNode)),
        *((name, ctypes.c_ulonglong) for name in (
            "memory_total", "memory_free", "memory_available")),
    ]


class Limit(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("max", ctypes.c_longlong), ("used", ctypes.c_longlong),
        ("reserved", ctypes.c_void_p * 4),
    ]


class Limits(ctypes.Structure):
    _fields_ = [("n_limits", ctypes.c_uint), ("limits", ctypes.POINTER(Limit))]


class Credential(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("prompt", ctypes.c_char_p), ("challenge", ctypes.c_char_p),
        ("defresult", ctypes.c_char_p), ("result", ctypes.c_void_p),
        ("resultlen", ctypes.c_uint),
    ]


Collect = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(Credential), ctypes.c_uint, ctypes.c_void_p)
Close = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
Free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
ErrorFunc = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Error))


class Auth(ctypes.Structure):
    _fields_ = [
        ("credtype", ctypes.POINTER(ctypes.c_int)), ("ncredtype", ctypes.c_uint),
        ("cb", Collect), ("cbdata", ctypes.c_void_p),
    ]


POINTERS = {
    "get_grant_info": ctypes.POINTER(GrantInfo),
    "get_security_model": ctypes.POINTER(SecurityModel),
    "get_host_info": ctypes.POINTER(HostInfo),
    "get_limits": ctypes.POINTER(Limits),
    "get_last_error": ctypes.POINTER(Error),
    "save_last_error": ctypes.POINTER(Error),
    "get_type": ctypes.c_char_p,
    "get_last_error_message": ctypes.c_char_p,
    "error_code_to_string": ctypes.c_char_p,
    "version": ctypes.c_ulong,
}
OPENS = ("open", "open_read_only", "open_auth", "open_start")
HANDLES = (*OPENS, "open_finish", "get_uri", "get_hostname", "get_capabilities")


class Library:
    """doorward_NAME() as an attribute. Connections are numbers, NULL is None."""

    def __init__(self):
        self._library = ctypes.CDLL("libdoorward.so.1", use_errno=True)
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype = ctypes.c_void_p
        self._libc.free.argtypes = [ctypes.c_void_p]

    def __getattr__(self, name):
        function = self._library[f"doorward_{name}"]
        function.restype = POINTERS.get(name, ctypes.c_void_p if name in HANDLES else ctypes.c_int)
        if name in OPENS:
            return lambda uri, *more: function(uri and uri.encode(), *more)

        def call(*args):
            return function(*(ctypes.c_void_p(a) if isinstance(a, int) and a > 2**31 else a
                              for a in args))

        return call

    def text(self, pointer):
        """A string that was the caller's to free."""
        if pointer is None:
            return None
        value = ctypes.string_at(pointer).decode()
        self._libc.free(pointer)
        return value

    def malloc(self, data):
        pointer = self._libc.malloc(len(data) + 1)
        ctypes.memmove(pointer, data + b"\0", len(data) + 1)
        return pointer

    def uri(self, conn):
        return self.text(self.get_uri(conn))

    def code(self):
        return self.get_last_error_code()

    def error(self):
        return self.get_last_error().contents

    def opened(self, uri, access="full"):
        """A connection that is there."""
        conn = self.open_read_only(uri) if access == "read-only" else self.open(uri)
        lib.expect_true(conn, f"{uri}: {self.get_last_error_message()}")
        return conn

    def refused(self, conn, code):
        """There is none, for this reason."""
        lib.expect(conn, None)
        lib.expect(self.code(), code, f"{self.get_last_error_message()}")
        return self.error()

    def lease(self, conn):
        info = self.get_grant_info(conn)
        value = info.contents.lease_id.decode()
        self.grant_info_free(info)
        return value


@contextlib.contextmanager
def echo(*rules):
    with lib.echo(*(rules or (FULL, READ_ONLY))) as backend:
        yield backend


def alice(body, timeout=30):
    """Runs body(library) as alice."""
    return lib.as_user("alice", lambda: body(Library()), timeout=timeout)


def collector(library, answer):
    """A doorward_auth that knows one answer, None being that it cancels; and what it was asked."""
    asked = []

    def collect(credentials, count, _):
        lib.expect(count, 1)
        asked.append(credentials[0].prompt)
        if answer is None:
            return -1
        credentials[0].result = library.malloc(answer)
        credentials[0].resultlen = len(answer)
        return 0

    auth = Auth((ctypes.c_int * 1)(CRED_PASSPHRASE), 1, Collect(collect), None)
    return auth, asked


# 3.1: open, close, references.


@lib.both_kernel_paths
def test_virConnectOpen():
    """virConnectOpen(name) became doorward_open(uri): full access, nobody is ever asked for a
    password, NULL is an error and nothing is probed; the endpoints are listed instead."""

    def granted(library):
        conn = library.opened("doorward:///echo")
        lib.expect(library.uri(conn), "doorward:///echo?access=full")
        lib.expect(os.read(library.get_fd(conn), 4), b"uid=")
        for nothing in (None, ""):
            error = library.refused(library.open(nothing), BAD_URI)
            for name in (b"echo", b"docker", b"libvirt"):
                lib.expect_in(name, error.hint)
        lib.expect(library.close(conn), 0)

    def asked(library):
        started = time.monotonic()
        error = library.refused(library.open("doorward:///echo"), AUTH_NEEDED)
        lib.expect((error.domain, error.endpoint), (POLICY, b"echo"))
        lib.expect_true(error.hint and error.request_id, "a hint, and the number of the record")
        lib.expect_true(time.monotonic() - started < 5, "nobody was waited for")

    with echo():
        alice(granted)
    with echo(ASK):
        alice(asked)


def test_virConnectOpenReadOnly():
    """virConnectOpenReadOnly(name) became doorward_open_read_only(uri): what makes it read-only is
    the endpoint, and what has no such form is refused; it never becomes full."""

    def body(library):
        conn = library.opened("doorward:///echo", "read-only")
        lib.expect(library.uri(conn), "doorward:///echo?access=read-only")
        library.refused(library.open_read_only("kvm"), ACCESS_UNSUPPORTED)
        library.refused(library.open_read_only("doorward:///echo?access=full"), BAD_URI)
        library.refused(library.open("doorward:///echo"), AUTH_NEEDED)
        lib.expect(library.close(conn), 0)

    with echo(READ_ONLY):
        alice(body)


def test_virConnectOpenAuth():
    """virConnectOpenAuth(name, auth, flags) became doorward_open_auth(): credentials serve PAM and
    polkit alike; unknown flags are always an error; what falls back to read-only says so."""

    def flags(library):
        for unknown in (0x10000, 1 << 31, 0x80):
            error = library.refused(library.open_auth("echo", None, unknown), INVALID_ARG)
            lib.expect_in(b"flags", error.message)
        for some in (FLAG_RO, FLAG_FALLBACK_RO, FLAG_RO | FLAG_LOCAL_ONLY | FLAG_NO_INTERACTION):
            conn = library.open_auth("echo", None, some)
            lib.expect(library.uri(conn), "doorward:///echo?access=read-only")
            lib.expect(library.close(conn), 0)
        library.refused(library.open_auth("echo", None, FLAG_DETACHED | FLAG_RO),
                        ACCESS_UNSUPPORTED)

    def credentials(library):
        auth, asked = collector(library, PASSWORD)
        conn = library.open_auth("echo", ctypes.byref(auth), 0)
        lib.expect_true(conn, f"{library.get_last_error_message()}")
        lib.expect(len(asked), 1)
        lib.expect(library.close(conn), 0)
        library.refused(library.open_auth("echo", ctypes.byref(auth), FLAG_NO_INTERACTION),
                        AUTH_NEEDED)
        lib.expect(len(asked), 1)

    with echo(NO, READ_ONLY):
        alice(flags)
    with echo(ASK):
        alice(credentials)


def test_virConnectClose():
    """virConnectClose(conn) became doorward_close(conn), with the same 1, 0 and -1: the last one ends
    the lease, and the broker hangs up on whoever has a copy of the descriptor."""

    def body(library):
        conn = library.opened("doorward:///echo")
        lease = library.lease(conn)
        copy = os.dup(library.get_fd(conn))
        lib.expect(library.ref(conn), 0)
        lib.expect(library.close(conn), 1)
        with socket.socket(fileno=os.dup(copy)) as talk:
            talk.settimeout(5)
            talk.sendall(b"ping")
            data = b""
            while b"ping" not in data:
                data += talk.recv(100)
        lib.expect(library.close(conn), 0)
        ready, _, _ = select.select([copy], [], [], 5)
        lib.expect_true(ready and os.read(copy, 1) == b"", "the copy was hung up on")
        lib.expect_not_in(lease, lib.ok("doorward", "leases", "--json=short"))
        lib.expect(library.close(None), -1)
        lib.expect(library.code(), INVALID_CONN)

    with echo() as backend:
        alice(body)
        backend.expect_deserted()


def test_virConnectRef():
    """virConnectRef(conn) became doorward_ref(conn): atomic, with no child objects that hold one."""

    def body(library):
        conn = library.opened("doorward:///echo")

        def some(_):
            return [library.ref(conn) for _ in range(500)]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            lib.expect(set(sum(pool.map(some, range(8)), [])), {0})
        for _ in range(8 * 500):
            lib.expect(library.close(conn), 1)
        lib.expect(library.is_alive(conn), 1)
        lib.expect(library.close(conn), 0)
        lib.expect(library.ref(None), -1)

    with echo():
        alice(body)


def test_virConnectIsAlive_virConnectRegisterCloseCallback():
    """virConnectIsAlive, virConnectRegisterCloseCallback and virConnectSetKeepAlive became
    doorward_is_alive() and doorward_set_close_callback(), with reasons that say who ended it; nothing
    is to be kept alive, since the kernel tells when the other end is gone."""

    def watched(library, end):
        conn = library.opened("doorward:///echo")
        told, freed = [], []
        close = Close(lambda conn, reason, userdata: told.append((reason, userdata)))
        free = Free(freed.append)
        lib.expect(library.is_alive(conn), 1)
        lib.expect(library.set_close_callback(conn, close, ctypes.c_void_p(7), free), 0)
        lib.expect(library.process(conn), 0)
        end(library, conn)
        ready, _, _ = select.select([library.get_event_fd(conn)], [], [], 5)
        lib.expect_true(ready, "the end is there to be read")
        lib.expect(library.is_alive(conn), 0)
        lib.expect(told, [])
        lib.expect((library.process(conn), library.process(conn)), (1, 1))
        reason = library.get_close_reason(conn)
        lib.expect(told, [(reason, 7)])
        lib.expect(library.close(conn), 0)
        lib.expect(freed, [7])
        return reason

    def revoke(library, conn):
        lib.ok("doorward", "revoke", library.lease(conn))

    def hang_up(library, conn):
        # The service ends its side when ours is at its end.
        with socket.socket(fileno=os.dup(library.get_fd(conn))) as talk:
            talk.shutdown(socket.SHUT_WR)

    with echo():
        lib.expect(alice(lambda library: watched(library, revoke)), CLOSE_REVOKED)
        lib.expect(alice(lambda library: watched(library, hang_up)), CLOSE_BACKEND)


def test_no_counterpart_the_descriptor():
    """libvirt hides its descriptor; here it is the product: doorward_get_fd() lends it and
    doorward_steal_fd() gives it away, where it can outlive the lease."""

    def body(library):
        conn = library.opened("doorward:///echo")
        fd = library.get_fd(conn)
        lib.expect_true(fd > 2, "no standard stream")
        lib.expect(fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.FD_CLOEXEC)
        lib.expect(library.steal_fd(conn), -1)
        lib.expect((library.code(), library.error().errnum), (INVALID_CONN, errno.EBUSY))
        lib.expect(library.close(conn), 0)

        conn = library.opened("doorward:///apifile", "read-only")
        fd = library.steal_fd(conn)
        lib.expect(fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.FD_CLOEXEC)
        lib.expect(library.get_fd(conn), -1)
        lib.expect(library.error().errnum, errno.EBADF)
        lib.expect(library.close(conn), 0)
        lib.expect(os.read(fd, 100), b"contents\n")

    with echo(FULL, lib.allow_generic("apifile", "read-only")), a_file():
        alice(body)


A_FILE = """[Endpoint]
Description=A file
[ReadOnly]
OpenFile={path}
[Connect]
Groups=doorward-echo
"""


@contextlib.contextmanager
def a_file():
    path = f"{lib.PLACE}/api-file"
    with lib.file(path, "contents\n", mode=0o640, group="doorward-echo"):
        with lib.definition("apifile", A_FILE.format(path=path)):
            yield path


# 3.2: URIs.


def test_URI_local_and_remote():
    """driver:///path, driver+unix:///, driver+ssh://user@host/ became doorward:///ENDPOINT,
    doorward+unix:///ENDPOINT?socket=PATH, doorward+ssh://user@host/ENDPOINT; an endpoint is a name of
    the administrator's and never a path of the client's, and there is no tls or tcp."""

    def body(library):
        for uri in ("echo", "doorward:///echo", "doorward:///echo?access=full",
                    f"doorward+unix:///echo?socket={lib.BROKER_SOCKET}"):
            conn = library.opened(uri)
            # What is canonical comes to the same again.
            canonical = library.uri(conn)
            again = library.opened(canonical)
            lib.expect(library.uri(again), canonical)
            lib.expect((library.close(again), library.close(conn)), (0, 0))
        # "Another machine" is this one here: whatever leads to a relay leads to an endpoint.
        conn = library.opened("doorward+ext:///echo?command=/usr/bin/doorward")
        lib.expect(os.read(library.get_fd(conn), 4), b"uid=")
        lib.expect(library.text(library.get_hostname(conn)), os.uname().nodename)
        lib.expect(version_of("get_lib_version", library, conn), library.version())
        lib.expect((library.is_secure(conn), library.is_encrypted(conn)), (0, 0))
        lib.expect(version_of("get_version", library, conn), library.version())
        limits = library.get_limits(conn)
        names = [limits.contents.limits[i].name for i in range(limits.contents.n_limits)]
        lib.expect_in(b"LeasesPerUser", names)
        library.limits_free(limits)
        there = json.loads(library.text(library.get_capabilities(conn)))
        here = json.loads(library.text(library.get_capabilities(None)))
        lib.expect(set(there), set(here))
        for name in ("library", "broker", "kernel", "policy", "authentication", "endpoints"):
            lib.expect(there[name], here[name], name)
        lib.expect(library.close(conn), 0)
        for uri in ("doorward+ssh://alice@host.invalid/echo", "doorward+ext:///echo?command=/x"):
            error = library.refused(library.open_auth(uri, None, FLAG_LOCAL_ONLY), BAD_URI)
            lib.expect(error.errnum, errno.EREMOTE)
        for uri in ("doorward:////run/docker.sock", "doorward:///../echo", "/run/docker.sock",
                    "doorward+tls://host/echo", "doorward+tcp://host/echo",
                    "doorward+unix://host/echo"):
            library.refused(library.open(uri), BAD_URI)

    with echo():
        alice(body)


def test_URI_missing_slash():
    """qemu://system, which libvirt answers with "maybe you want qemu:///system", and what has no
    scheme or another: errors that say what was likely meant."""

    def body(library):
        error = library.refused(library.open("doorward://echo"), BAD_URI)
        lib.expect_in(b"doorward:///echo", error.hint)
        for uri in ("qemu:///system", "dorward:///echo"):
            error = library.refused(library.open(uri), BAD_URI)
            lib.expect_true(error.hint, f"a hint about {uri}")

    with echo():
        alice(body)


def test_URI_unknown_parameters():
    """Parameters that libvirt does not know go to the far end; here they are errors, with what was
    likely meant."""

    def body(library):
        error = library.refused(library.open("doorward:///echo?acess=full"), BAD_URI)
        lib.expect_in(b"access", error.hint)
        for query in ("access=all", "access=full&access=full", "socket=/x", "access"):
            library.refused(library.open(f"doorward:///echo?{query}"), BAD_URI)

    with echo():
        alice(body)


# 3.3: capabilities.


def test_virConnectGetCapabilities():
    """virConnectGetCapabilities(conn) became doorward_get_capabilities(conn): JSON, with the
    endpoints and what policy would say of both levels to this caller; and 'doorward capabilities'."""

    def ask(library):
        capabilities = json.loads(library.text(library.get_capabilities(None)))
        endpoints = {e["name"]: e for e in capabilities.pop("endpoints")}
        decisions = [endpoints["echo"][level]["decision"] for level in ("readOnly", "full")]
        lib.expect(endpoints["kvm"]["readOnly"]["provided"], False)
        lib.expect(endpoints["docker"]["readOnly"]["means"], "filter")
        lib.expect(endpoints["docker"]["full"]["decision"], "challenge")
        return decisions, capabilities

    def with_connection(library):
        conn = library.opened("doorward:///echo")
        capabilities = json.loads(library.text(library.get_capabilities(conn)))
        lib.expect(library.close(conn), 0)
        return capabilities

    with echo(FULL, lib.allow("echo", "read-only", result="NO")):
        decisions, of_alice = alice(ask)
        lib.expect(decisions, ["denied", "authorized"])
        decisions, _ = lib.as_user("bob", lambda: ask(Library()))
        lib.expect(decisions, ["challenge", "challenge"])
        lib.expect(alice(with_connection)["broker"], of_alice["broker"])
        printed = json.loads(lib.ok("doorward", "capabilities", "--json=short", user="alice"))
        for name in ("library", "broker", "kernel", "policy", "authentication"):
            lib.expect(printed[name], of_alice[name], name)
        text = lib.ok("doorward", "capabilities", "--no-pager", user="alice")
        lib.expect_in("echo: read-only no, full yes", text)

    lib.expect(of_alice["broker"]["interface"], "org.doorward.Broker")
    lib.expect(of_alice["broker"]["secure"], True)
    lib.expect(of_alice["broker"]["socket"], lib.BROKER_SOCKET)
    lib.expect(of_alice["kernel"]["pidfd"], True)
    lib.expect_in("polkit", of_alice["policy"]["authority"])
    lib.expect_in("temporary-authorization", of_alice["policy"]["features"])
    lib.expect(of_alice["authentication"]["mechanisms"], ["agent", "conversation"])
    lib.expect(of_alice["host"]["hostname"], os.uname().nodename)


# 3.4: about the host and the connection.


def of_echo(ask, access="full"):
    """What ask(library, conn) says of a connection of alice's."""

    def body(library):
        conn = library.opened("doorward:///echo", access)
        value = ask(library, conn)
        lib.expect(library.close(conn), 0)
        return value

    with echo():
        return alice(body)


def test_virConnectGetHostname():
    """char *virConnectGetHostname(conn) became doorward_get_hostname(conn): of the machine that has
    the endpoint, as that has it; the caller frees."""
    name = of_echo(lambda library, conn: library.text(library.get_hostname(conn)))
    lib.expect(name, os.uname().nodename)
    lib.expect(alice(lambda library: library.text(library.get_hostname(None))), name)


def test_virConnectGetMaxVcpus():
    """virConnectGetMaxVcpus(conn, type), how much there may be of something, became
    doorward_get_limits(conn): what this user may have of each thing, and has."""

    def body(library):
        def limits(conn):
            found = library.get_limits(conn)
            array = [found.contents.limits[i] for i in range(found.contents.n_limits)]
            value = {limit.name.decode(): (limit.used, limit.max) for limit in array}
            library.limits_free(found)
            return value

        before = limits(None)
        conns = [library.opened("doorward:///echo") for _ in range(3)]
        during = limits(conns[0])
        for conn in conns:
            lib.expect(library.close(conn), 0)
        lib.wait_for(lambda: limits(None)["LeasesPerUser"][0] == 0, "the leases are given back")
        return before, during

    with echo(), lib.settings(LeasesPerUser=5):
        before, during = alice(body)
        lib.expect(before["LeasesPerUser"], (0, 5))
        lib.expect(during["LeasesPerUser"], (3, 5))
        lib.expect_true(during["ConnectionsPerUser"][0] >= 1, "the question is a connection")
        lib.expect_true(during["DescriptorsPerUser"][0] > before["DescriptorsPerUser"][0], "held")
        lib.expect(during["LeasesMax"][0], -1, "what all have together is not told")
        out = lib.ok("doorward", "info", "--no-pager", user="alice")
        lib.expect_in("LeasesPerUser=0 of 5", out)


def test_limits_of_others():
    """What others have of the broker nobody is told by it, not even in sum."""

    def holder(child):
        library = Library()
        conn = library.opened("doorward:///echo")
        child.tell()
        child.hear()
        return library.close(conn)

    def uses():
        info = json.loads(lib.ok("doorward", "info", "--json=short", user="bob"))
        return info["use"]

    with echo():
        before = uses()
        with lib.Child("alice", holder) as child:
            child.hear()
            lib.expect({**uses(), "RequestBurst": 0}, {**before, "RequestBurst": 0})
            child.tell()
            lib.expect(child.result(), 0)
    lib.expect(sorted(set(before) & {"LeasesMax", "ConnectionsMax", "LimitNOFILE"}), [])


def test_virNodeGetInfo_virNodeGetFreeMemory_virNodeGetCellsFreeMemory():
    """virNodeGetFreeMemory, virNodeGetInfo and virNodeGetCellsFreeMemory became
    doorward_get_host_info(conn): all in bytes, read by the library itself, with its nodes."""

    def body(library):
        info = library.get_host_info(None)
        it = info.contents
        nodes = [(n.cpus, n.memory_total, n.memory_free) for n in it.nodes[:it.n_nodes]]
        value = (it.hostname, it.machine_id, it.os_name, it.kernel, it.architecture, it.cpus,
                 it.memory_total, it.memory_free, it.memory_available, nodes)
        library.host_info_free(info)
        return value

    hostname, machine_id, os_name, kernel, machine, cpus, total, free, available, nodes = alice(body)
    names = os.uname()
    lib.expect((hostname.decode(), kernel.decode(), machine.decode()),
               (names.nodename, names.release, names.machine))
    lib.expect(machine_id.decode(), lib.read("/etc/machine-id").strip())
    lib.expect_in(f'PRETTY_NAME="{os_name.decode()}"', lib.read("/etc/os-release"))
    lib.expect(cpus, os.sysconf("SC_NPROCESSORS_ONLN"))
    lib.expect(total, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    lib.expect_true(0 < free <= available <= total, f"{free}, {available}, {total}")
    lib.expect(sum(n[0] for n in nodes), cpus)
    for _, node_total, node_free in nodes:
        lib.expect_true(0 < node_free <= node_total, "of a node, in bytes")


def test_virConnectGetType():
    """const char *virConnectGetType(conn) became doorward_get_type(conn): what the descriptor is; a
    static string."""

    def body(library):
        conn = library.opened("doorward:///echo")
        file = library.opened("doorward:///apifile", "read-only")
        value = library.get_type(conn), library.get_type(file)
        lib.expect((library.close(file), library.close(conn)), (0, 0))
        return value

    with echo(FULL, lib.allow_generic("apifile", "read-only")), a_file():
        lib.expect(alice(body), (b"stream", b"file"))


def version_of(name, library, conn):
    version = ctypes.c_ulong(7)
    lib.expect(getattr(library, name)(conn, ctypes.byref(version)), 0)
    lib.expect(getattr(library, name)(conn, None), -1)
    lib.expect(library.code(), INVALID_ARG)
    return version.value


def product_version():
    major, minor, micro = map(int, lib.ok("pkg-config", "--modversion", "doorward").split("."))
    return major * 1000000 + minor * 1000 + micro


def test_virConnectGetVersion():
    """virConnectGetVersion(conn, ver), the hypervisor's, became doorward_get_version(conn, ver): the
    broker's, as major * 1000000 + minor * 1000 + micro."""
    lib.expect(of_echo(lambda *of: version_of("get_version", *of)), product_version())


def test_virConnectGetLibVersion_virGetVersion():
    """virConnectGetLibVersion(conn, ver) and virGetVersion() became doorward_get_lib_version() and
    doorward_version(), in the same format: of the library at the other end, and of this one."""
    lib.expect(of_echo(lambda *of: version_of("get_lib_version", *of)), product_version())
    lib.expect(alice(lambda library: library.version()), product_version())


def test_virConnectGetURI():
    """char *virConnectGetURI(conn) became doorward_get_uri(conn): canonical, with the access that was
    granted; it can be opened again."""

    def body(library):
        conn = library.open_auth("echo", None, FLAG_FALLBACK_RO)
        uri = library.uri(conn)
        lib.expect(uri, "doorward:///echo?access=read-only")
        again = library.opened(uri, "read-only")
        lib.expect(library.uri(again), uri)
        lib.expect((library.close(again), library.close(conn)), (0, 0))

    with echo(NO, READ_ONLY):
        alice(body)


def test_virConnectIsEncrypted():
    """virConnectIsEncrypted(conn) became doorward_is_encrypted(conn): 0 on this machine, as for
    libvirt's unix sockets; -1 where there is no connection."""
    lib.expect(of_echo(lambda library, conn: library.is_encrypted(conn)), 0)
    lib.expect(alice(lambda library: (library.is_encrypted(None), library.code())),
               (-1, INVALID_CONN))


def test_virConnectIsSecure():
    """virConnectIsSecure(conn) became doorward_is_secure(conn): 1 where it is certain that the
    system's broker answers, and pessimistic; doorward_get_grant_info() says what was granted."""

    def ask(library, conn):
        info = library.get_grant_info(conn)
        it = info.contents
        value = (it.access, it.mode, it.how, it.action_id, it.connect_as, it.expires)
        lib.expect_true(it.lease_id and it.request_id, "by which the journal has it")
        library.grant_info_free(info)
        return library.is_secure(conn), value

    secure, grant = of_echo(ask)
    lib.expect(secure, 1)
    lib.expect(grant, (b"full", b"revocable", b"implicit", b"org.doorward.endpoint.echo.full",
                       b"service", 0))
    # In a user namespace to which root does not belong nobody can tell who answers.
    program = ("import ctypes, sys; l = ctypes.CDLL('libdoorward.so.1');"
               "l.doorward_open_read_only.restype = ctypes.c_void_p;"
               "c = l.doorward_open_read_only(b'echo');"
               "print(l.doorward_is_secure(ctypes.c_void_p(c)))")
    with echo(), lib.settings(AllowForeignUserNamespace="read-only"):
        out = lib.ok("unshare", "--user", "/usr/bin/python3", "-c", program, user="alice")
    lib.expect(out, "0\n")


# 3.5: events.


def test_virEventRegisterImpl():
    """virEventRegisterImpl() and virEventRunDefaultImpl(), one registry for the process, have no
    place here: each connection has its own descriptor to wait on, in whatever loop there is."""

    def body(library):
        first, second = (library.opened("doorward:///echo") for _ in range(2))
        fds = {library.get_event_fd(conn): conn for conn in (first, second)}
        lib.expect(len(fds), 2)
        with select.epoll() as epoll:
            for fd in fds:
                lib.expect_true(fd > 2 and fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC,
                                "close-on-exec")
                epoll.register(fd, select.EPOLLIN)
            lib.expect(epoll.poll(0.1), [])
            lib.ok("doorward", "revoke", library.lease(second))
            ready = [fd for fd, _ in epoll.poll(5)]
            lib.expect([fds[fd] for fd in ready], [second])
            lib.expect((library.process(first), library.process(second)), (0, 1))
            for fd in fds:
                epoll.unregister(fd)
        lib.expect((library.close(first), library.close(second)), (0, 0))

    with echo():
        alice(body)


def test_virEventAddHandle_virEventAddTimeout():
    """virEventAddHandle() and virEventAddTimeout(), by which libvirt itself has the program's loop wait
    for it, became what says what to wait for, and for how long: doorward_get_events() and
    doorward_get_timeout(), and for an open that does not block doorward_open_start() and its like."""

    def open_by(library, opening, epoll):
        """The connection, from a loop; and how often it turned."""
        turns = 0
        while (r := library.open_process(opening)) == 1:
            turns += 1
            usec = ctypes.c_longlong(-7)
            timed = library.open_get_timeout(opening, ctypes.byref(usec))
            lib.expect_true(timed in (0, 1) and usec.value != -7, "a time, or that there is none")
            left = usec.value / 1e6 - time.monotonic() if timed else 10
            lib.expect_true(library.open_get_events(opening) in (0, select.POLLIN), "bits of poll")
            epoll.poll(max(0, min(left, 10)))
        lib.expect(r, 0)
        return library.open_finish(opening), turns

    def body(library):
        conns = []
        for uri in ("doorward:///echo", "doorward:///echo?access=read-only"):
            opening = library.open_start(uri, None, 0)
            with select.epoll() as epoll:
                fd = library.open_get_event_fd(opening)
                epoll.register(fd, select.EPOLLIN)
                conn, turns = open_by(library, opening, epoll)
                epoll.unregister(fd)
            lib.expect_true(conn and turns > 0, "it was waited for, and came")
            lib.expect(library.uri(conn), uri if "?" in uri else f"{uri}?access=full")
            library.open_free(opening)
            conns.append(conn)
        for conn in conns:
            usec = ctypes.c_longlong(-7)
            lib.expect(library.get_events(conn), select.POLLIN)
            lib.expect(library.get_timeout(conn, ctypes.byref(usec)), 0)
            lib.expect(usec.value, 2**63 - 1)
            lib.expect(library.close(conn), 0)

        # What is given up leaves nothing; what cannot be is an error of the first call.
        opening = library.open_start("doorward:///echo", None, 0)
        lib.expect(library.open_process(opening), 1)
        library.open_free(opening)
        library.refused(library.open_start("doorward:///echo?nonsense=1", None, 0), BAD_URI)

    with echo() as backend:
        alice(body)
        backend.expect_deserted()


# 3.6: the security model.


def test_virNodeGetSecurityModel():
    """virNodeGetSecurityModel(conn, model) became doorward_get_security_model(conn): who said yes, as
    whom the service sees it, by what read-only is enforced, what can end it, and the other end's label
    for the kernel's security module."""

    def model_of(library, conn):
        model = library.get_security_model(conn)
        it = model.contents
        value = tuple(getattr(it, name).decode() for name, _ in SecurityModel._fields_)
        library.security_model_free(model)
        return value

    def label_of(fd):
        with socket.socket(fileno=os.dup(fd)) as sock:
            try:
                label = sock.getsockopt(socket.SOL_SOCKET, 31, 4096)  # SO_PEERSEC
            except OSError:
                return ""
        return label.split(b"\0")[0].decode().strip()

    def body(library):
        models = []
        for uri, access in (("echo", "full"), ("echo", "read-only"), ("apifile", "read-only")):
            conn = library.opened(f"doorward:///{uri}", access)
            models.append(model_of(library, conn))
            fd = library.get_fd(conn)
            lib.expect(models[-1][-1], label_of(fd) if uri == "echo" else "")
            lib.expect(library.close(conn), 0)
        return [model[:-1] for model in models]

    def with_password(library):
        auth, _ = collector(library, PASSWORD)
        conn = library.open_auth("doorward:///echo", ctypes.byref(auth), 0)
        lib.expect_true(conn, f"{library.get_last_error_message()}")
        value = model_of(library, conn)
        lib.expect(library.close(conn), 0)
        return value[0]

    with echo(FULL, READ_ONLY, lib.allow_generic("apifile", "read-only")), a_file():
        lib.expect(alice(body), [
            ("polkit", "service", "none", "revocable"),
            ("polkit", "service", "socket", "tracked"),
            ("polkit", "service", "open-flags", "tracked"),
        ])
    # polkit's password is polkit's; one's own in addition is PAM's.
    with echo(ASK):
        lib.expect(alice(with_password), "polkit")
    step_up = lib.ECHO.replace("[Connect]", "Authenticate=self\n[Connect]")
    with echo(FULL), lib.definition("echo", step_up):
        lib.expect(alice(with_password), "polkit+pam")


# 3.7: errors.


def mistake(library):
    """One that is made without anybody being asked."""
    library.refused(library.open("doorward:///echo?nonsense=1"), BAD_URI)


def test_virSetErrorFunc():
    """virSetErrorFunc(userdata, f) became doorward_set_error_func(): f sees every error; NULL is
    silence, which is how it starts, where libvirt prints."""

    def body(library):
        seen = []
        func = ErrorFunc(lambda userdata, error: seen.append((userdata, error.contents.code)))
        mistake(library)
        library.set_error_func(ctypes.c_void_p(9), func)
        mistake(library)
        lib.expect(library.close(None), -1)
        lib.expect(seen, [(9, BAD_URI), (9, INVALID_CONN)])
        library.set_error_func(None, ErrorFunc())
        mistake(library)
        lib.expect(len(seen), 2)

    alice(body)
    program = ("import ctypes; l = ctypes.CDLL('libdoorward.so.1');"
               "l.doorward_set_error_func(None, None); l.doorward_open(b'doorward://');"
               "l.doorward_open(b'doorward:///no-such-endpoint'); l.doorward_close(None)")
    result = lib.run("/usr/bin/python3", "-c", program, user="alice").expect_status(0)
    lib.expect((result.out, result.err), ("", ""), "nothing is ever printed")


def test_virConnSetErrorFunc():
    """virConnSetErrorFunc(conn, ...), a function for each connection, was left out: an error is its
    thread's, and says which endpoint it is about."""

    def body(library):
        error = library.refused(library.open("doorward:///echo"), DENIED)
        lib.expect(error.endpoint, b"echo")
        lib.expect(error.action_id, b"org.doorward.endpoint.echo.full")
        lib.expect_true(not hasattr(ctypes.CDLL("libdoorward.so.1"),
                                    "doorward_conn_set_error_func"), "there is none")

    with echo(NO):
        alice(body)


def test_virCopyLastError():
    """virCopyLastError(to) became doorward_copy_last_error(to): a deep copy, the class; 0 if there is
    none; -1 if there is nowhere to copy to."""

    def body(library):
        copy = Error()
        lib.expect(library.copy_last_error(ctypes.byref(copy)), 0)
        lib.expect((copy.code, copy.message), (0, None))
        mistake(library)
        lib.expect(library.copy_last_error(ctypes.byref(copy)), BAD_URI)
        lib.expect(library.copy_last_error(None), -1)
        library.reset_last_error()
        lib.expect((copy.code, copy.domain), (BAD_URI, LIBRARY))
        lib.expect_in(b"nonsense", copy.message)
        library.error_clear(ctypes.byref(copy))
        lib.expect((copy.code, copy.message, copy.hint), (0, None, None))

    alice(body)


def test_virGetLastError():
    """virGetLastError() became doorward_get_last_error(): the thread's own, NULL if there is none, and
    forgotten by the next call that succeeds."""

    def body(library):
        lib.expect(bool(library.get_last_error()), False)
        mistake(library)
        lib.expect(library.error().code, BAD_URI)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            lib.expect(pool.submit(lambda: bool(library.get_last_error())).result(), False)
            pool.submit(lambda: library.close(None)).result()
            lib.expect(pool.submit(library.code).result(), INVALID_CONN)
        lib.expect(library.code(), BAD_URI)
        library.text(library.get_hostname(None))
        lib.expect(bool(library.get_last_error()), False)

    alice(body)


def test_virSaveLastError():
    """virSaveLastError() became doorward_save_last_error(): a copy that outlives the next error, freed
    by doorward_error_free(); NULL if there is none, where libvirt gives an empty one."""

    def body(library):
        lib.expect(bool(library.save_last_error()), False)
        mistake(library)
        saved = library.save_last_error()
        lib.expect(library.close(None), -1)
        lib.expect((saved.contents.code, library.code()), (BAD_URI, INVALID_CONN))
        library.error_free(saved)

    alice(body)


def test_virResetError_virFreeError():
    """virResetError(err) and virFreeError(err) became doorward_error_clear() and
    doorward_error_free(): clear what is one's own, clear and free what was saved; NULL is allowed."""

    def body(library):
        mistake(library)
        copy = Error()
        lib.expect(library.copy_last_error(ctypes.byref(copy)), BAD_URI)
        for _ in range(2):
            library.error_clear(ctypes.byref(copy))
            lib.expect(bytes(copy), bytes(ctypes.sizeof(copy)))
        library.error_free(library.save_last_error())
        library.error_clear(None)
        library.error_free(None)
        lib.expect(library.code(), BAD_URI, "none of them touches the last error")

    alice(body)


def test_virGetLastErrorCode_Domain_Message_virResetLastError():
    """virGetLastErrorCode(), -Domain(), -Message() and virResetLastError() stayed what they are:
    "no error" if there is none."""

    def body(library):
        def all_three():
            return (library.code(), library.get_last_error_domain(),
                    library.get_last_error_message())

        lib.expect(all_three(), (0, 0, b"no error"))
        mistake(library)
        lib.expect(all_three()[:2], (BAD_URI, LIBRARY))
        lib.expect(all_three()[2], library.error().message)
        library.reset_last_error()
        lib.expect(all_three(), (0, 0, b"no error"))

    alice(body)


def test_virErrorNumber():
    """libvirt's codes about authentication became classes of their own, each with a word, and an exit
    status of the command: refused, a password wanted, wrong, cancelled, nobody to ask it of."""

    def classes(library):
        wanted = {NO_ENDPOINT: ("nothing", "no-endpoint"), ACCESS_UNSUPPORTED: ("kvm:ro", ""),
                  BAD_URI: ("doorward://", "bad-uri")}
        for code, (name, word) in wanted.items():
            plain = name.removesuffix(":ro")
            conn = library.open_read_only(plain) if plain != name else library.open(plain)
            library.refused(conn, code)
            word = word or "access-unsupported"
            lib.expect(library.error_code_to_string(code), word.encode())
        lib.expect(library.error_code_to_string(12345), b"unknown")

    def asked(library):
        for answer, code in ((b"wrong", AUTH_FAILED), (None, AUTH_CANCELLED)):
            auth, prompts = collector(library, answer)
            library.refused(library.open_auth("echo", ctypes.byref(auth), 0), code)
            lib.expect(len(prompts), 1)
        library.refused(library.open("echo"), AUTH_NEEDED)

    with echo(NO):
        alice(classes)
        alice(lambda library: library.refused(library.open("echo"), DENIED).code)
        status = lib.run("doorward", "exec", "echo", "--", "true", user="alice").status
        lib.expect(status, 80 + DENIED)
    with echo(ASK):
        alice(asked)
        result = lib.run("doorward", "exec", "--no-ask-password", "echo", "--", "true", user="alice")
        lib.expect(result.status, 80 + AUTH_NEEDED)
    # The broker is away, or is none.
    result = lib.run("doorward", "list", user="alice", env={"DOORWARD_SOCKET": "/nowhere"})
    lib.expect(result.status, 80 + NO_BROKER)


# 3.8: debugging.


def test_LIBVIRT_DEBUG_LOG_FILTERS_LOG_OUTPUTS():
    """LIBVIRT_DEBUG, LIBVIRT_LOG_FILTERS and LIBVIRT_LOG_OUTPUTS became DOORWARD_DEBUG,
    DOORWARD_LOG_FILTERS and DOORWARD_LOG_OUTPUTS, in any program; bad values are told and left out."""
    program = ("/usr/bin/python3", "-c",
               "import ctypes; ctypes.CDLL('libdoorward.so.1').doorward_open(b'echo')")

    def errors(**env):
        variables = {f"DOORWARD_{name}": value for name, value in env.items()}
        return lib.run(*program, user="alice", env=variables).expect_status(0).err

    with echo(), lib.scratch(0o1777) as folder:
        lib.expect(errors(), "")
        lib.expect_in(" conn: ", errors(DEBUG="debug"))
        some = errors(LOG_FILTERS="debug:conn")
        lib.expect_in(" conn: ", some)
        lib.expect_not_in(" wire: ", some)
        lib.expect(errors(LOG_OUTPUTS=f"debug:file:{folder}/log"), "")
        lib.expect_in(" conn: ", lib.read(f"{folder}/log"))
        lib.expect(errors(DEBUG="loud").count("loud"), 1)


def test_LIBVIRT_DEFAULT_URI():
    """LIBVIRT_DEFAULT_URI became DOORWARD_DEFAULT_URI: what NULL means."""

    def body(library):
        os.environ["DOORWARD_DEFAULT_URI"] = "doorward:///echo?access=read-only"
        conn = library.open_auth(None, None, 0)
        lib.expect_true(conn, f"{library.get_last_error_message()}")
        lib.expect(library.uri(conn), "doorward:///echo?access=read-only")
        lib.expect(library.close(conn), 0)

    with echo():
        alice(body)


def test_virGlobalInit_privileged():
    """libvirt refuses to work in programs that run with somebody else's privileges; here they work,
    and the environment, which is the caller's, does not count in them."""
    with echo(*(lib.allow("echo", access, user="bob") for access in ("full", "read-only"))):
        with lib.scratch(0o1777) as folder:
            env = {"DOORWARD_SOCKET": "/nowhere", "DOORWARD_DEBUG": "debug",
                   "DOORWARD_LOG_OUTPUTS": f"debug:file:{folder}/log"}
            # The kernel has two users for it, as for any program of another's that alice runs.
            result = lib.run("setpriv", "--ruid=alice", "--euid=bob", "--clear-groups",
                             INTEGRATED, "echo", env=env).expect_status(0)
            lib.expect(result.err, "")
            lib.expect_in("connection 3: doorward:///echo?access=read-only", result.out)
            lib.expect(os.listdir(folder), [], "nothing was logged")
            result = lib.run(INTEGRATED, "echo", user="bob", env=env).expect_status(1)
            lib.expect_in("open 0: no-broker", result.out)
            lib.expect(os.listdir(folder), ["log"])


# 3.9: the integrated example.


def test_integrated():
    """The guide's last example became client/examples/integrated.c: four opens, error classes, every
    fact, the descriptor, a lease that is taken back, references."""
    with echo() as backend:
        process = lib.start(
            INTEGRATED, "doorward:///echo", "hello", "wait", user="alice",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("waiting: "):
                lib.ok("doorward", "revoke", line.split()[1], user="alice")
        err = process.stderr.read()
        lib.expect((process.wait(30), err), (0, ""), "\n".join(lines))
        backend.expect_deserted()

    version = product_version()
    lib.expect(lines[:11], [
        "error: invalid-argument of library", "error: no-endpoint of endpoint",
        "error: bad-uri of library", "error: invalid-argument of library",
        "error: invalid-connection of library", "errors shown: 5",
        f"copied: {NO_ENDPOINT}", f"last: {NO_ENDPOINT}, 6", "reset: no error",
        "saved: no-endpoint no-such-endpoint",
        "connection 0: doorward:///echo?access=full",
    ])
    of_first = [
        "  type: stream, descriptor: 1",
        f"  broker: {version}, library: {version}, {version}",
        "  alive: 1, secure: 1, encrypted: 0, ended: none",
    ]
    for number, access in enumerate(("full", "read-only", "full", "read-only")):
        at = lines.index(f"connection {number}: doorward:///echo?access={access}") + 1
        lib.expect(lines[at:at + 3], of_first)
        mode, means = ("revocable", "none") if access == "full" else ("tracked", "socket")
        lib.expect_in(f"  access: {access}, {mode}, lease yes", lines[at + 3])
        lib.expect(lines[at + 4],
                   f"  action: org.doorward.endpoint.echo.{access}, implicit, request yes")
        lib.expect_in(f"  security: polkit, as service, read-only by {means}, {mode}, label '",
                      lines[at + 5])
    text = "\n".join(lines)
    lib.expect_in(f"\nhost: {os.uname().nodename}, ", text)
    lib.expect_in("\nlimit: LeasesPerUser, 4 of ", text)
    capabilities = next(line for line in lines if line.startswith("capabilities: "))
    lib.expect_in("endpoints", json.loads(capabilities.split(" ", 1)[1]))
    lib.expect_in("hello", text)
    end = lines.index("taken back: revoked")
    lib.expect(lines[end:], ["taken back: revoked", "alive: 0"]
               + [f"closed {number}: 1, 0" for number in (3, 2, 1, 0)])


def test_integrated_refused():
    """Without a rule it says for each open why there is none, and ends."""
    with echo(NO, lib.allow("echo", "read-only", result="AUTH_SELF")):
        result = lib.run(INTEGRATED, "doorward:///echo", user="alice").expect_status(1)
    lib.expect(result.out.splitlines(), [
        "open 0: denied", "open 1: auth-needed", "open 2: denied", "open 3: auth-needed"])
    lib.expect_in("Policy does not allow you full access to echo.", result.err)
