# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python module, as it is installed, with the real broker."""

import asyncio
import errno
import os
import select
import selectors
import signal
import socket
import stat
import time

import lib

PASSWORD = "alice-s password"
FULL = lib.allow("echo", "full")
READ_ONLY = lib.allow("echo", "read-only")


def ask(result="AUTH_SELF"):
    return lib.allow("echo", "full", result=result)


def error_of(kind, function):
    try:
        function()
    except kind as error:
        lib.expect(type(error), kind)
        return error
    raise lib.Failure(f"no {kind}")


def line(sock):
    with sock.makefile("rb") as file:
        return file.readline().decode()


def test_installed():
    """Debian's python3 finds it without being told, as any user, and its version is the library's."""
    program = "import doorward; print(doorward.__file__, doorward.version())"
    out = lib.ok("/usr/bin/python3", "-I", "-c", program, user="alice").split()
    lib.expect(out[0], "/usr/lib/python3/dist-packages/doorward/__init__.py")
    major, minor, micro = map(int, lib.ok("pkg-config", "--modversion", "doorward").split("."))
    lib.expect(int(out[1]), major * 1000000 + minor * 1000 + micro)
    folder = os.path.dirname(out[0])
    for name in ("__init__.py", "_library.py", "py.typed"):
        lib.expect(stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode), 0o644)


@lib.both_kernel_paths
def test_open():
    """Full and read-only access, with what a connection says of itself; sockets work, and hang up."""

    def body():
        import doorward

        with doorward.open("echo") as connection:
            with connection.socket() as sock:
                lib.expect(line(sock)[:4], "uid=")
                sock.sendall(b"ping")
                lib.expect(sock.recv(10), b"ping")
            with connection.open_another_socket() as sock:
                lib.expect(line(sock)[:4], "uid=")
                sock.sendall(b"pong")
                lib.expect(sock.recv(10), b"pong")
            error = error_of(doorward.InvalidConnection, connection.steal_fd)
            lib.expect(error.errno, errno.EBUSY)
            uri, info = connection.get_uri(), connection.get_grant_info()
            lib.expect((uri, connection.get_type()), ("doorward:///echo?access=full", "stream"))
            lib.expect((info.access, info.mode, info.how), ("full", "revocable", "implicit"))
            lib.expect(info.action_id, "org.doorward.endpoint.echo.full")
            lib.expect(connection.get_version(), doorward.version())
            lib.expect(connection.is_alive(), True)
        with doorward.open_read_only("echo") as connection:
            lib.expect(connection.get_uri(), "doorward:///echo?access=read-only")
            fd = connection.steal_fd()
        with socket.socket(fileno=fd) as sock:
            lib.expect(line(sock)[:4], "uid=")
            sock.sendall(b"still")
            lib.expect(sock.recv(10), b"still")
        with doorward.open_auth("echo", None, doorward.RO) as connection:
            with doorward.open(connection.get_uri()) as again:
                lib.expect(again.get_grant_info().access, "read-only")
        with doorward.open_auth("echo", None, doorward.HOLD) as connection:
            with connection.open_another_socket() as sock:
                lib.expect(line(sock)[:4], "uid=")

    with lib.echo(FULL, READ_ONLY) as full:
        lib.as_user("alice", body)
        full.expect_deserted()


def test_refused():
    """Each refusal is its exception, with a hint, and with the number by which the journal has it."""

    def body():
        import doorward

        found = {
            "denied": error_of(doorward.AccessDenied, lambda: doorward.open("echo")),
            "password": error_of(doorward.AuthenticationNeeded, lambda: doorward.open("docker")),
            "absent": error_of(doorward.NoEndpoint, lambda: doorward.open("no-such-endpoint")),
            "read-only": error_of(
                doorward.AccessUnsupported, lambda: doorward.open_read_only("kvm")
            ),
            "down": error_of(doorward.EndpointDown, lambda: doorward.open_read_only("echo")),
            "detached": error_of(
                doorward.AccessUnsupported,
                lambda: doorward.open_auth("echo", None, doorward.RO | doorward.DETACHED),
            ),
            "uri": error_of(doorward.BadURI, lambda: doorward.open("doorward:///echo?nonsense=1")),
        }
        for what, error in found.items():
            lib.expect_true(error.hint, f"{what}: a hint")
            lib.expect_in(error.hint, str(error))
        os.environ["DOORWARD_SOCKET"] = "/nowhere"
        error_of(doorward.NoBroker, lambda: doorward.open("echo"))
        return {what: (error.request_id, error.endpoint, error.errno) for what, error in found.items()}

    journal = lib.Journal()
    with lib.rule(lib.allow("echo", "full", result="NO"), READ_ONLY):
        found = lib.as_user("alice", body)
    lib.expect(found["absent"][1], "no-such-endpoint")
    lib.expect(found["down"][2], errno.ENOENT)
    for what in ("denied", "password", "read-only", "down"):
        (entry,) = journal.wait(what, MESSAGE_ID=lib.REFUSED, DOORWARD_REQUEST=found[what][0])
        lib.expect(entry["DOORWARD_ENDPOINT"], found[what][1])


@lib.time_limit(120)
def test_prompts():
    """A callback answers polkit's prompt with the password: right, wrong, cancelled, raised; and
    nobody is asked where that is forbidden."""

    def body():
        import doorward

        asked = []

        def answering(answer):
            def callback(credential):
                asked.append(credential)
                if isinstance(answer, BaseException):
                    raise answer
                return answer

            return doorward.Auth([doorward.CRED_PASSPHRASE], callback)

        password = bytearray(PASSWORD.encode())
        with doorward.open_auth("echo", answering(password)) as connection:
            with connection.socket() as sock:
                lib.expect(line(sock)[:4], "uid=")
            lib.expect(connection.get_grant_info().how, "challenged")
        lib.expect(password, bytearray(len(password)), "the array is wiped")
        lib.expect([(c.type, c.prompt) for c in asked], [(5, "Password: ")])

        for answer, kind in (
            (None, doorward.AuthenticationCancelled),
            ("wrong", doorward.AuthenticationFailed),
            (LookupError("mine"), LookupError),
        ):
            error_of(kind, lambda a=answer: doorward.open_auth("echo", answering(a)))
        lib.expect(len(asked), 4)
        quiet = answering(PASSWORD)
        error_of(
            doorward.AuthenticationNeeded,
            lambda: doorward.open_auth("echo", quiet, doorward.NO_INTERACTION),
        )
        error_of(
            doorward.AuthenticationUnavailable,
            lambda: doorward.open_auth("echo", doorward.Auth([])),
        )
        lib.expect(len(asked), 4)

    lib.restart_broker()
    with lib.echo(ask()):
        lib.as_user("alice", body, timeout=100)


def test_as_somebody_else():
    """A URI that asks as whom: the callback says both."""

    def body():
        import doorward

        def callback(credential):
            if credential.type == doorward.CRED_AUTHNAME:
                return "bob"
            return "bob-s password"

        auth = doorward.Auth([doorward.CRED_AUTHNAME, doorward.CRED_NOECHOPROMPT], callback)
        with doorward.open_auth("doorward://@/echo", auth) as connection:
            return connection.get_uri()

    lib.restart_broker()
    with lib.echo(lib.allow("echo", "full", user="bob")):
        lib.expect_in("/echo?access=full", lib.as_user("alice", body))


@lib.both_kernel_paths
def test_revoked():
    """A selector sees the end, the callback gets the reason, and the socket is cut."""

    def body(child):
        import doorward

        told = []
        with doorward.open("echo") as connection, connection.socket() as sock:
            line(sock)
            connection.set_close_callback(lambda c, reason: told.append((c is connection, reason)))
            lib.expect(connection.process(), False)
            with selectors.DefaultSelector() as selector:
                selector.register(connection.get_event_fd(), selectors.EVENT_READ)
                child.tell(connection.get_grant_info().lease_id)
                lib.expect(len(selector.select(10)), 1)
            lib.expect(connection.process(), True)
            lib.expect(told, [(True, doorward.CLOSE_REVOKED)])
            lib.expect(sock.recv(1), b"")
            lib.expect(connection.is_alive(), False)
            error_of(doorward.LeaseEnded, connection.open_another)
        return doorward.close_reason_to_string(told[0][1])

    with lib.echo(FULL), lib.Child("alice", body) as alice:
        lib.ok("doorward", "revoke", alice.hear())
        lib.expect(alice.result(), "revoked")


def test_asyncio():
    """asyncio: the service by streams, the end by a reader of its loop."""

    async def main(child):
        import doorward

        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        with doorward.open("echo") as connection:
            connection.set_close_callback(lambda _, reason: ended.set_result(int(reason)))
            loop.add_reader(connection.get_event_fd(), connection.process)
            reader, writer = await asyncio.open_connection(sock=connection.socket())
            lib.expect((await reader.readline())[:4], b"uid=")
            writer.write(b"ping\n")
            lib.expect(await reader.readline(), b"ping\n")
            child.tell(connection.get_grant_info().lease_id)
            reason = await asyncio.wait_for(ended, 10)
            lib.expect(await reader.read(), b"")
            writer.close()
            loop.remove_reader(connection.get_event_fd())
            return reason == doorward.CLOSE_REVOKED

    with lib.echo(FULL), lib.Child("alice", lambda child: asyncio.run(main(child))) as alice:
        lib.ok("doorward", "revoke", alice.hear())
        lib.expect(alice.result(), True)


def test_collected():
    """A connection that a program loses ends with it, in the record, too."""

    def body(child):
        import doorward

        doorward.open("echo").get_uri()
        child.hear()

    with lib.echo(FULL) as full:
        journal = lib.Journal()
        # It goes on until that is recorded: of one that has ended, too, that would be the reason.
        with lib.Child("alice", body) as child:
            full.expect_deserted()
            (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
            lib.expect(entry["DOORWARD_REASON"], "client")
            child.tell()
            child.result()


@lib.time_limit(90)
def test_step_by_step():
    """An open in steps, whose question is answered when the program has the answer; and one that is
    given up while somebody is asked, which leaves no prompt behind."""

    def wait(opening, until):
        while opening.process() and not until():
            timeout = opening.get_timeout()
            left = 10 if timeout is None else max(0, timeout - time.monotonic())
            select.select([opening], [], [], min(left, 10))

    def body():
        import doorward

        auth = doorward.Auth([doorward.CRED_PASSPHRASE], lambda _: doorward.AUTH_LATER)
        for answered in False, True:
            with doorward.open_start("echo", auth) as opening:
                wait(opening, opening.is_asking)
                lib.expect(opening.is_asking(), True)
                if answered:
                    lib.expect(opening.answer(bytearray(PASSWORD.encode())), True)
                    wait(opening, lambda: False)
                    with opening.finish() as connection:
                        lib.expect(connection.get_grant_info().how, "challenged")
            # polkit knows an agent for some moments more.
            time.sleep(1)

        # In its callback: what that says then counts for nothing.
        asked = []

        def close(credential):
            asked.append(credential.type)
            opening.close()
            return PASSWORD

        opening = doorward.open_start("echo", doorward.Auth([doorward.CRED_PASSPHRASE], close))
        wait(opening, lambda: False)
        lib.expect(asked, [doorward.CRED_PASSPHRASE])

    lib.restart_broker()
    with lib.echo(ask()):
        lib.as_user("alice", body, timeout=80)


def test_interrupted():
    """^C ends an open that waits for polkit, at once, and the broker asks no more."""

    def body(child):
        import doorward

        signal.signal(signal.SIGINT, signal.default_int_handler)
        child.tell()
        try:
            doorward.open("echo")
        except KeyboardInterrupt:
            return "interrupted"
        return "opened"

    with lib.echo(FULL):
        before = lib.kinds(lib.broker_pid())
        with lib.frozen("polkit.service"), lib.Child("alice", body) as alice:
            alice.hear()
            time.sleep(0.5)
            lib.expect(alice.is_told(), False, "it waits")
            alice.kill(signal.SIGINT)
            lib.expect(alice.result(timeout=5), "interrupted")
        lib.expect_no_more(lib.broker_pid(), before, "the broker")
