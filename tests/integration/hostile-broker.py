#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody can do who has taken over the broker: runs in its place, in its unit, as its user,
with its listening socket and its sandbox. Each connection gets a line of JSON: what the opener of
the endpoint echo said about this connection, and about things that are none."""

import contextlib
import json
import os
import select
import socket
import stat
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True

import opener  # noqa: E402


def ask(fd, **more):
    """A connection to the opener for each question, as a careful attacker would."""
    connection = opener.Opener()
    try:
        answer = connection.ask(fd, **more)
        return {"answer": answer, "fds": len(connection.fds)}
    except OSError as error:
        return {"answer": str(error), "fds": len(connection.fds)}
    finally:
        connection.close()


def not_connections(listener):
    """Descriptors that are no client's connection, by name."""
    pair = socket.socketpair()
    yield "socketpair", pair[0].fileno()
    packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield "seqpacket socketpair", packets[0].fileno()
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    yield "datagram socketpair", datagrams[0].fileno()
    yield "the listening socket", listener.fileno()
    own = socket.socket(socket.AF_UNIX)
    own.connect(listener.getsockname())
    yield "a connection of the broker's own, client's end", own.fileno()
    bus = socket.socket(socket.AF_UNIX)
    bus.connect("/run/dbus/system_bus_socket")
    yield "a connection to the bus", bus.fileno()
    unconnected = socket.socket(socket.AF_UNIX)
    yield "an unconnected socket", unconnected.fileno()
    ends = os.pipe()
    yield "a pipe", ends[0]
    yield "a file", os.open("/etc/passwd", os.O_RDONLY)
    yield "a path", os.open("/run/doorward/org.doorward.Broker", os.O_PATH)
    yield "an epoll", select.epoll().fileno()
    with contextlib.suppress(OSError):
        yield "a pidfd", os.pidfd_open(os.getpid())
    with contextlib.suppress(OSError):
        yield "a memfd", os.memfd_create("x")
    with tempfile.TemporaryDirectory() as folder:
        other = socket.socket(socket.AF_UNIX)
        other.bind(f"{folder}/org.doorward.Broker")
        other.listen()
        dialed = socket.socket(socket.AF_UNIX)
        dialed.connect(f"{folder}/org.doorward.Broker")
        accepted, _ = other.accept()
        yield "a connection to a socket of another path", accepted.fileno()


def serve(listener):
    while True:
        client, _ = listener.accept()
        wanted = client.recv(100).decode()
        answers = {}
        if wanted == "this":
            answers["read-only"] = ask(client.fileno(), access=opener.READ_ONLY)
            answers["full"] = ask(client.fileno())
        elif wanted == "others":
            for name, fd in not_connections(listener):
                answers[name] = ask(fd)
        elif wanted == "dead":
            # The client ends; its connection stays with us, and with a child of the client.
            client.sendall(b"end\n")
            select.select([], [], [], 0.5)
            answers["dead"] = ask(client.fileno())
        elif wanted == "files":
            for path in json.loads(client.recv(4096)):
                try:
                    if stat.S_ISSOCK(os.stat(path).st_mode):
                        socket.socket(socket.AF_UNIX).connect(path)
                    else:
                        os.close(os.open(path, os.O_RDONLY))
                    answers[path] = "opened"
                except OSError as error:
                    answers[path] = error.errno
        with contextlib.suppress(OSError):
            client.sendall(json.dumps(answers).encode() + b"\n")
        client.close()


def main():
    assert os.environ["LISTEN_FDS"] == "1"
    listener = socket.socket(fileno=3)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    serve(listener)


main()
