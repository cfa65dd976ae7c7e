# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input of each sort: a clear error or a closed connection, no leak, no crash."""

import contextlib
import errno
import json
import os
import select
import socket
import time

import lib
import varlink

OPEN = {"method": "org.doorward.Broker.Open", "more": True}
INFO = b'{"method":"org.varlink.service.GetInfo"}'

EXPLAIN = (
    b'{"method":"org.doorward.Broker.Explain",'
    b'"parameters":{"endpoint":"echo","access":"full"%b}}\0'
)


def deep(levels):
    """A call of a method that there is not, of so many objects in each other."""
    parameters = b'{"a":' * (levels - 2) + b"{}" + b"}" * (levels - 2)
    return b'{"method":"a.b","parameters":' + parameters + b"}\0"


# Whoever sends these is no Varlink client; there is nothing to answer.
NOT_VARLINK = {
    "nothing": b"\0",
    "no JSON": b"GET / HTTP/1.1\r\n\r\n\0",
    "half an object": b'{"method":"org.varlink.service.GetInfo"\0',
    "two objects": INFO + INFO + b"\0",
    "trailing garbage": INFO + b"x\0",
    "an array": b"[]\0",
    "a string": b'"org.varlink.service.GetInfo"\0',
    "a number": b"1\0",
    "no method": b"{}\0",
    "method is no string": b'{"method":1}\0',
    "method is null": b'{"method":null}\0',
    "parameters are no object": b'{"method":"org.varlink.service.GetInfo","parameters":[]}\0',
    "more is no boolean": b'{"method":"org.varlink.service.GetInfo","more":1}\0',
    "a key twice": INFO[:-1] + b"," + INFO[1:] + b"\0",
    "a parameter twice": EXPLAIN % b',"access":"full"',
    "an unknown member": b'{"method":"org.varlink.service.GetInfo","surprise":true}\0',
    "invalid UTF-8": b'{"method":"org.varlink.service.GetInfo\xff\xfe"}\0',
    "an overlong NUL": b'{"method":"org.varlink.service.GetInfo\xc0\x80"}\0',
    "a lone surrogate": b'{"method":"org.varlink.service.GetInfo\\ud800"}\0',
    "an escaped NUL": b'{"method":"org.varlink.service.GetInfo\\u0000"}\0',
    "a NUL in a key": b'{"meth\\u0000od":"org.varlink.service.GetInfo"}\0',
    "depth": deep(600),
    "a level too deep": deep(17),
    "depth of arrays": b'{"method":"a.b","parameters":{"a":' + b"[" * 1800 + b"]" * 1800 + b"}}\0",
    "a byte more than 4 KiB": INFO + b" " * (4096 - len(INFO)) + b"\0",
    "4 KiB and more": INFO + b" " * 5000 + b"\0",
    "a megabyte of spaces": b" " * (1 << 20) + INFO + b"\0",
    "a megabyte without a NUL": b"a" * (1 << 20),
}

# Some of the same without what is wrong with them.
VARLINK = {
    "a key once": INFO + b"\0",
    "a parameter once": EXPLAIN % b"",
    "4 KiB": INFO + b" " * (4095 - len(INFO)) + b"\0",
    "deep enough": deep(16),
}

# These are calls; they are answered with an error.
BAD_NAMES = [
    "",
    ".",
    "..",
    "/",
    "/etc/shadow",
    "../echo",
    "echo/",
    "echo/..",
    "./echo",
    "Echo",
    "écho",
    "ech\u0000o",
    "echo\u0000",
    "echo\n",
    " echo",
    "echo ",
    "-echo",
    "ro-echo",
    "echo@",
    "@",
    "@echo",
    "echo@a",
    "serial@",
    "serial@/dev/kvm",
    "serial@..",
    "serial@.",
    "serial@tty/S0",
    "serial@ttyS0@ttyS1",
    "serial@" + "S" * 65,
    "serial@ttyS%i",
    "serial@ttyS*",
    "serial@\\x2e\\x2e",
    "e" * 49,
    "e" * 300,
    "%i",
    "%n%n%n%n",
    "$(id)",
    "echo;id",
    "nothing-of-that-name",
]


def exchange(data):
    """Sends bytes as they are; the name of the error that comes back, or "closed"."""
    with varlink.Client(timeout=10) as client:
        try:
            client.send_bytes(data)
            message = client.receive()
        except varlink.Closed:
            return "closed"
        return message.get("error", message)


def test_what_is_not_varlink():
    """Malformed JSON, duplicate keys, too long, too deep, no NUL: the connection is closed, and
    what was just not that is answered."""
    journal = lib.Journal()
    pid = lib.broker_pid()
    for what, data in NOT_VARLINK.items():
        lib.expect(lib.as_user("alice", exchange, data), "closed", what)
    for what, data in VARLINK.items():
        lib.expect_true(lib.as_user("alice", exchange, data) != "closed", f"{what} is answered")
    lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
    lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [], "grants")


def test_what_is_cut_short():
    """A client that goes away in the middle of a message, at each length, harms nobody."""
    pid = lib.broker_pid()
    data = json.dumps({**OPEN, "parameters": {"endpoint": "echo", "access": "full"}}).encode()

    def body():
        for length in range(0, len(data), 7):
            with varlink.Client() as client:
                client.send_bytes(data[:length])

    lib.as_user("alice", body)
    lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


def test_half_a_request():
    """A request that does not come to its end within RequestTimeoutSec= ends the connection."""

    def body():
        with varlink.Client() as client:
            client.send_bytes(INFO)
            _, taken = varlink.timed(client.expect_closed)
            return taken

    with lib.settings(RequestTimeoutSec="1"):
        taken = lib.as_user("alice", body)
        lib.expect_true(0.5 < taken < 3, f"closed after {taken:.1f} s")


def test_a_byte_at_a_time():
    """A slow, honest client is served."""

    def body():
        with varlink.Client() as client:
            for byte in INFO + b"\0":
                client.send_bytes(bytes([byte]))
            return client.reply()["product"]

    lib.as_user("alice", body)


def test_bad_names():
    """Endpoint names with slashes, dots, NULs, 300 characters: an error, whoever asks."""
    pid = lib.broker_pid()

    def body():
        answers = {}
        for name in BAD_NAMES:
            for method in ("Open", "Explain"):
                with varlink.Client() as client:
                    try:
                        client.call(
                            method, {"endpoint": name, "access": "full"}, more=method == "Open"
                        )
                        answers[name, method] = "served"
                    except varlink.VarlinkError as error:
                        answers[name, method] = error.short
                    except varlink.Closed:
                        answers[name, method] = "closed"
                    lib.expect(client.fds, [])
        return answers

    with lib.settings(RequestRate="1000", RequestBurst="1000"):
        pid = lib.broker_pid()
        for user in ("alice", "root"):
            for (name, method), answer in lib.as_user(user, body).items():
                wanted = ("EndpointNotFound", "InvalidParameter")
                if "\0" in name:
                    wanted += ("closed",)
                lib.expect_in(answer, wanted, f"{method} of {name!r} by {user}")
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


def test_bad_parameters():
    """Values of the wrong type and out of range are InvalidParameter, and name the parameter."""
    good = {"endpoint": "echo", "access": "full"}
    bad = [
        {"endpoint": 1},
        {"endpoint": ["echo"]},
        {"endpoint": {"name": "echo"}},
        {"access": "read-only"},
        {"access": ""},
        {"access": 1},
        {"timeout": "1"},
        {"timeout": 1.5},
        {"timeout": -1},
        {"allowInteractiveAuthentication": "yes"},
        {"allowInteractiveAuthentication": 1},
        {"proof": 1},
        {"hold": 0},
        {"detached": "no"},
        {"user": 0},
        {"user": True},
        {"lease": 5},
        {"nonsense": None},
    ]

    def body(parameters):
        with varlink.Client() as client:
            try:
                return client.call("Open", parameters, more=True)
            except varlink.VarlinkError as error:
                return error.name, error.parameters.get("parameter")
            except varlink.Closed:
                return "closed", None

    with lib.settings(RequestRate="1000", RequestBurst="1000"):
        for wrong in bad:
            name, parameter = lib.as_user("alice", body, {**good, **wrong})
            lib.expect(name, f"{varlink.SERVICE}.InvalidParameter", f"{wrong}")
            lib.expect(parameter, next(iter(wrong)))


def test_huge_numbers():
    """A number that no integer holds is refused, and no time-out is mistaken for another."""

    def body():
        return [
            exchange(
                b'{"method":"org.doorward.Broker.Open","more":true,"parameters":'
                b'{"endpoint":"echo","access":"full","timeout":' + number + b"}}\0"
            )
            for number in (b"9223372036854775807", b"9223372036854775808", b"1e400", b"-0", b"NaN")
        ]

    for answer in lib.as_user("alice", body):
        lib.expect_true(isinstance(answer, str), f"granted: {answer}")


def send_descriptors(client, count):
    """A call, with so many descriptors of one pipe. What came of it, and the end of the pipe at
    which can be read that nobody has the other any more."""
    read_end, write_end = os.pipe()
    try:
        socket.send_fds(client.socket, [INFO + b"\0"], [write_end] * count)
        client.receive()
        return "served", read_end
    except varlink.Closed:
        return "closed", read_end
    except OSError as error:
        return errno.errorcode[error.errno], read_end
    finally:
        os.close(write_end)


def expect_dropped(read_end):
    """Nobody holds what was sent: not the broker, and not a socket on its way there."""
    lib.expect_true(select.select([read_end], [], [], 5)[0], "the descriptors are closed")
    lib.expect(os.read(read_end, 1), b"")
    os.close(read_end)


@lib.both_kernel_paths
def test_descriptors_are_never_accepted():
    """Descriptors that a client sends along get nowhere: since Linux 6.16 the client is told when
    it sends them, and is served all the same; before, it is hung up on. The broker keeps none."""
    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    wanted = "EPERM" if kernel >= (6, 16) else "closed"

    def body():
        for count in (1, 4, 253):
            with varlink.Client() as client:
                what, read_end = send_descriptors(client, count)
                lib.expect(what, wanted, f"{count} descriptors")
                if wanted == "EPERM":
                    lib.expect_in("interfaces", client.call("org.varlink.service.GetInfo"))
                expect_dropped(read_end)

    pid = lib.broker_pid()
    lib.as_user("alice", body)
    before = lib.kinds(pid)
    for _ in range(20):
        lib.as_user("alice", body)
    lib.expect_no_more(pid, before, "what clients sent")


def test_descriptors_that_no_kernel_holds_back():
    """As before Linux 6.16, on connections that were made while systemd alone listened: what is
    sent on them arrives. Whether it came before the broker or later, it is closed with the
    connection."""

    def body():
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(varlink.Client()) for _ in range(4)]
            for client, count in zip(clients, (1, 4, 253)):
                # Already there when the broker starts, which is only now, and takes its time.
                begin = time.monotonic()
                what, read_end = send_descriptors(client, count)
                lib.expect(what, "closed", f"{count} descriptors, {time.monotonic() - begin:.1f} s")
                expect_dropped(read_end)
            lib.expect_in("interfaces", clients[3].call("org.varlink.service.GetInfo"))
            what, read_end = send_descriptors(clients[3], 1)
            lib.expect(what, "closed", "in a later call")
            expect_dropped(read_end)

    with lib.drop_in("doorward.service", "[Service]\nExecStartPre=/bin/sleep 1\n"):
        # The broker says to its socket what it wants: that of a broker that ran is no new one.
        lib.systemctl("stop", "doorward.socket", "doorward.service")
        lib.systemctl("start", "doorward.socket")
        lib.as_user("alice", body)
        pid = lib.broker_pid()
        info = lib.as_user("bob", lambda: varlink.Client().call("org.varlink.service.GetInfo"))
        lib.expect_in("interfaces", info)
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


def test_connections_of_one_uid():
    """The 17th connection of a uid is refused by name, and another uid is served all the same."""

    def flood():
        clients = [varlink.Client() for _ in range(16)]
        for client in clients:
            client.call("org.varlink.service.GetInfo")
        with varlink.Client() as one_more:
            try:
                one_more.call("org.varlink.service.GetInfo")
                answer = "served"
            except varlink.VarlinkError as error:
                answer = error.short, error.parameters["limit"]
            except varlink.Closed:
                answer = "closed"
        return answer

    def flood_and_wait(child):
        clients = [varlink.Client() for _ in range(16)]
        for client in clients:
            client.call("org.varlink.service.GetInfo")
        child.tell()
        child.hear()

    lib.expect(lib.as_user("alice", flood), ("LimitExceeded", "ConnectionsPerUser"))
    with lib.Child("alice", flood_and_wait) as alice:
        alice.hear()
        info = lib.as_user("bob", lambda: varlink.Client().call("org.varlink.service.GetInfo"))
        lib.expect_in("interfaces", info)
        alice.tell()
        alice.result()


def test_request_rate():
    """Too many requests are LimitExceeded, with when to come back; another uid is not bothered."""

    def body(count):
        answers = []
        with varlink.Client() as client:
            for _ in range(count):
                try:
                    client.call("Explain", {"endpoint": "echo", "access": "full"})
                    answers.append(None)
                except varlink.VarlinkError as error:
                    answers.append((error.short, error.parameters))
        return answers

    with lib.settings(RequestRate="2", RequestBurst="5"):
        answers = lib.as_user("alice", body, 12)
        lib.expect(answers[:5], [None] * 5, "the burst")
        name, parameters = answers[11]
        lib.expect((name, parameters["limit"]), ("LimitExceeded", "RequestRate"))
        lib.expect_true(0 < parameters["retryAfter"] <= 1000, f"retryAfter: {parameters}")
        lib.expect(lib.as_user("bob", body, 5), [None] * 5, "another uid")
        time.sleep(parameters["retryAfter"] / 1000)
        lib.expect(lib.as_user("alice", body, 1), [None], "after retryAfter")


def test_client_that_never_reads():
    """A client that asks and never reads the answers is hung up on; others are served."""
    pid = lib.broker_pid()

    def body(child):
        client = varlink.Client()
        client.socket.setblocking(False)
        call = {"method": "org.varlink.service.GetInterfaceDescription"}
        call["parameters"] = {"interface": varlink.BROKER}
        data = json.dumps(call).encode() + b"\0"
        for _ in range(2000):
            try:
                client.socket.send(data)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                break
        child.tell()
        child.hear()

    with lib.Child("alice", body) as alice:
        alice.hear()
        info = lib.as_user("bob", lambda: varlink.Client().call("org.varlink.service.GetInfo"))
        lib.expect_in("interfaces", info)
        rss = int(
            next(l for l in lib.read(f"/proc/{pid}/status").splitlines() if l.startswith("VmRSS"))
            .split()[1]
        )
        lib.expect_true(rss < 64 * 1024, f"the broker has grown to {rss} kB")
        alice.tell()
        alice.result()


@lib.time_limit(240)
def test_ten_thousand_requests_leak_nothing():
    """After 10 000 requests of every sort the broker holds the descriptors that it held before."""

    def errors(count):
        """Refusals on one connection."""
        with varlink.Client() as client:
            for index in range(count):
                try:
                    client.call(
                        "Explain",
                        {"endpoint": ("nothing", "echo@x", "/")[index % 3], "access": "full"},
                    )
                except varlink.VarlinkError:
                    pass

    def connections(count):
        """Bad input, each on a connection of its own."""
        data = list(NOT_VARLINK.values())[:-2]
        for index in range(count):
            exchange(data[index % len(data)])

    def denials(count):
        """Opens that policy refuses."""
        for _ in range(count):
            varlink.refusal("echo", "full")

    def grants(count):
        for _ in range(count):
            with varlink.opened("echo"):
                pass

    def everything(scale):
        lib.as_user("alice", errors, 6000 * scale // 10, timeout=200)
        lib.as_user("alice", connections, 2600 * scale // 10, timeout=200)
        lib.as_user("alice", denials, 400 * scale // 10, timeout=200)
        lib.as_user("alice", grants, 1000 * scale // 10, timeout=200)

    with lib.settings(RequestRate="1000000", RequestBurst="1000000"):
        with lib.echo(lib.allow("echo", "read-only"), lib.allow("echo", "full", result="NO")):
            pid = lib.broker_pid()
            everything(1)
            opener = lib.unit_pid("doorward-opener@echo.service")
            # What a user is remembered for, and connections to openers, are given up soon.
            time.sleep(0.5)
            before = {process: lib.kinds(process) for process in (pid, opener)}
            everything(10)
            for process, held in before.items():
                lib.expect_no_more(process, held, lib.read(f"/proc/{process}/comm"), 20)
            lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
            lib.expect(lib.unit_pid("doorward-opener@echo.service"), opener, "the same opener")
