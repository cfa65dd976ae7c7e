# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backend that is missing, refuses, is full or is somebody else's; an opener that dies."""

import contextlib
import errno
import os
import select
import signal
import socket

import lib
import varlink


def refused(access="full"):
    """As alice: the refusal's name, its parameters, how long it took."""

    def body():
        error, taken = varlink.timed(varlink.refusal, "echo", access)
        return error.short, error.parameters, taken

    return lib.as_user("alice", body, timeout=60)


def expect_unavailable(number, maximum=3):
    name, parameters, taken = refused()
    lib.expect((name, parameters.get("errno")), ("EndpointUnavailable", number), str(parameters))
    lib.expect_true(parameters["hint"] and parameters["reason"], f"hint and reason: {parameters}")
    lib.expect_true(taken <= maximum, f"refused after {taken:.2f} s")
    return parameters


def test_missing():
    """Nothing stands at the path: ENOENT."""
    with lib.rule(lib.allow("echo", "full")):
        expect_unavailable(errno.ENOENT)


def test_refusing():
    """A socket that nobody listens on: ECONNREFUSED."""
    with lib.rule(lib.allow("echo", "full")):
        with lib.Backend("/run/doorward-echo/full") as backend:
            backend.socket.close()
            expect_unavailable(errno.ECONNREFUSED)
            # The Backend's end wants something to close.
            backend.socket = socket.socket(socket.AF_UNIX)


def test_queue_full():
    """A backend whose accept queue is full: within the deadline ETIMEDOUT; another endpoint's opens,
    and a place in the queue that becomes free, are served meanwhile."""

    def fill(path, stack):
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            try:
                filler.connect(path)
            except BlockingIOError:
                return

    with lib.rule(lib.allow("echo", "full"), lib.allow("echo", "read-only")):
        path = "/run/doorward-echo/full"
        with lib.Backend(path, backlog=0) as backend, contextlib.ExitStack() as stack:
            with lib.Backend("/run/doorward-echo/read-only") as read_only:
                read_only.serve()
                fill(path, stack)
                with lib.Child("alice", lambda _: varlink.timed(varlink.refusal, "echo", "full")[1]) as alice:
                    select.select([], [], [], 0.2)

                    def quick():
                        with varlink.opened("echo"):
                            return True

                    _, taken = varlink.timed(lib.as_user, "alice", quick)
                    lib.expect_true(taken < 1, f"the other level took {taken:.2f} s")
                    taken = alice.result()
                    lib.expect_true(4 < taken < 8, f"refused after {taken:.2f} s")
                parameters = expect_unavailable(errno.ETIMEDOUT, 8)
                lib.expect_in("queue", parameters["reason"])

                def waits():
                    with varlink.opened("echo", "full"):
                        return True

                with lib.Child("alice", lambda _: waits()) as alice:
                    select.select([], [], [], 1)
                    # Room for one: the filler that was first goes.
                    backend.socket.accept()[0].close()
                    lib.expect(alice.result(), True)


def test_somebody_elses():
    """A socket that was made by another user than PeerUser= says is not connected to."""

    def listen(child, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen()
        child.tell()
        child.hear()
        listener.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            return connection.recv(10)
        return None

    path = "/run/doorward-echo/full"
    os.chmod("/run/doorward-echo", 0o1777)
    try:
        with lib.rule(lib.allow("echo", "full")):
            with lib.Child("bob", lambda c: listen(c, path)) as bob:
                bob.hear()
                os.chmod("/run/doorward-echo", 0o755)
                name, parameters, _ = refused()
                lib.expect(name, "EndpointUnavailable")
                lib.expect_in("PeerUser=", f"{parameters}")
                bob.tell()
                lib.expect_in(bob.result(), (None, b""), "what bob got")
    finally:
        os.chmod("/run/doorward-echo", 0o755)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def test_not_permitted():
    """A backend that the opener's groups do not reach: EACCES."""
    with lib.rule(lib.allow("echo", "full")):
        with lib.Backend("/run/doorward-echo/full", mode=0o600) as backend:
            backend.serve()
            expect_unavailable(errno.EACCES)


def test_opener_dies():
    """An opener that is killed in the middle of a request: ECONNRESET, no second try; the next open
    has a new one."""
    with lib.echo(lib.allow("echo", "full")) as full:

        def works():
            with varlink.opened("echo", "full"):
                return True

        lib.expect(lib.as_user("alice", works), True)
        with lib.frozen("doorward-opener@echo.service") as pid:
            with lib.Child("alice", lambda _: varlink.refusal("echo", "full").parameters) as alice:
                select.select([], [], [], 0.3)
                os.kill(pid, signal.SIGKILL)
                parameters = alice.result()
                lib.expect(parameters["errno"], errno.ECONNRESET)
        lib.expect(len(full.connections), 1)
        lib.expect(lib.as_user("alice", works), True)


def test_opener_stands_still():
    """An opener that does not answer: ETIMEDOUT within OpenTimeoutSec=; others are served."""
    with lib.settings(OpenTimeoutSec="6"), lib.echo(lib.allow("echo", "full")):

        def works():
            with varlink.opened("echo", "full"):
                return True

        lib.expect(lib.as_user("alice", works), True)
        with lib.frozen("doorward-opener@echo.service"):
            with lib.Child("alice", lambda _: varlink.timed(varlink.refusal, "echo", "full")) as alice:

                def info():
                    with varlink.Client() as client:
                        return varlink.timed(client.call, "GetBrokerInfo")[1]

                lib.expect_true(lib.as_user("bob", info) < 1, "others wait")
                alice_error, taken = alice.result()
                lib.expect(alice_error.parameters["errno"], errno.ETIMEDOUT)
                lib.expect_true(5 < taken < 8, f"refused after {taken:.2f} s")
        lib.expect(lib.as_user("alice", works), True)


def test_opener_goes_idle_and_comes_back():
    """An opener that ended is started again by its socket, and no unit has failed."""
    with lib.echo(lib.allow("echo", "full")):

        def works():
            with varlink.opened("echo", "full"):
                return True

        lib.expect(lib.as_user("alice", works), True)
        lib.systemctl("stop", "doorward-opener@echo.service")
        lib.expect(lib.as_user("alice", works), True)
        lib.expect(lib.ok("systemctl", "list-units", "--failed", "--no-legend", "doorward*").strip(), "")
