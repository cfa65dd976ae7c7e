# SPDX-License-Identifier: LGPL-2.1-or-later
"""The broker's end of the wire, by a script: a thread that takes calls and says what it is told to.

It is the test's own instance, at a path of its own, and so the library talks to it. What goes wrong
in the script fails the test as it ends.
"""

import array
import json
import os
import select
import socket
import struct
import tempfile
import threading
import unittest

TIMEOUT = 5.0
ERROR = "org.doorward.Broker."


def grant(mode="revocable", **more):
    """The reply that grants."""
    parameters = {"state": "granted", "access": "full", "mode": mode, "requestId": "r1"}
    if mode != "none":
        parameters["lease"] = "l1"
    return {"parameters": {**parameters, **more}, "continues": mode != "none"}


def ended(reason):
    return {"parameters": {"state": "ended", "reason": reason, "requestId": "r1"}}


def refusal(error, **parameters):
    return {"error": ERROR + error, "parameters": {"requestId": "r1", **parameters}}


class Broker:
    def __init__(self, script):
        self._script = script
        self._failure = None
        self._folder = tempfile.TemporaryDirectory(prefix="doorward-test-")
        self.path = self._folder.name + "/broker"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        # As the socket unit has it: each message names its sender.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._listener.listen()
        self._listener.settimeout(TIMEOUT)
        self.client = None
        self._buffer = b""
        self.kept = []  # what is not to be closed before the end
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self._script(self)
        except BaseException as failure:  # pylint: disable=broad-except
            self._failure = failure
        finally:
            self.hang_up()

    def __enter__(self):
        os.environ["DOORWARD_SOCKET"] = self.path
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._thread.join(4 * TIMEOUT)
        del os.environ["DOORWARD_SOCKET"]
        self._listener.close()
        for kept in self.kept:
            kept.close()
        self._folder.cleanup()
        if self._failure and not kind:
            raise AssertionError("the broker's side") from self._failure
        assert not self._thread.is_alive(), "the script did not end"

    # For scripts.

    def accept(self):
        self.hang_up()
        self.client, _ = self._listener.accept()
        self.client.settimeout(TIMEOUT)
        self._buffer = b""

    def hang_up(self):
        if self.client:
            self.client.close()
        self.client = None

    def put_aside(self):
        """Keeps the connection that there is, for another to be accepted."""
        self.kept.append(self.client)
        client, self.client = self.client, None
        return client

    def call(self):
        """The next call: its method, without the interface, and its parameters."""
        while b"\0" not in self._buffer:
            data = self.client.recv(65536)
            assert data, "the client hung up, a call was expected"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(message)
        return message["method"].rsplit(".", 1)[1], message.get("parameters", {})

    def send(self, message, *sockets):
        control = []
        if sockets:
            fds = array.array("i", [each.fileno() for each in sockets])
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
        self.client.sendmsg([json.dumps(message).encode() + b"\0"], control)

    def give(self, message, kind=socket.SOCK_STREAM):
        """Sends it with one end of a new pair, and returns the other."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.settimeout(TIMEOUT)
        message["parameters"]["connection"] = 0
        self.kept.append(ours)
        self.send(message, theirs)
        theirs.close()
        return ours

    def open(self, message):
        """Takes one call, whatever it is, and grants it so."""
        self.accept()
        self.call()
        return self.give(message)

    def converse(self, kind, text):
        """One prompt (or a text, for which there is no answer) by a helper's end of a conversation;
        what is answered, None for a cancel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ours, theirs:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(TIMEOUT)
        data = text.encode()
        ours.send(struct.pack("<BIH", kind, 7, len(data)) + data)
        parameters = {"state": "conversation", "conversation": 0, "requestId": "r1"}
        self.send({"parameters": parameters, "continues": True}, theirs)
        theirs.close()
        if kind in (PROMPT_INFO, PROMPT_ERROR):
            ours.close()
            return None
        answer = ours.recv(1024)
        ours.close()
        if not answer:  # hanging up cancels, too
            return None
        what, number, length = struct.unpack("<BIH", answer[:7])
        assert number == 7 and length == len(answer) - 7, answer
        return answer[7:] if what == 1 else None

    def wait_for_end(self):
        """The client is to hang up, without another word."""
        assert not self._buffer
        try:
            data = self.client.recv(1)
        except ConnectionResetError:
            return
        assert not data, "the client said more instead of hanging up"


PROMPT_NAME, PROMPT_ECHO_ON, PROMPT_ECHO_OFF, PROMPT_INFO, PROMPT_ERROR = range(1, 6)


def readable(fd, timeout=TIMEOUT):
    return bool(select.select([fd], [], [], timeout)[0])


def descriptors():
    return len(os.listdir("/proc/self/fd"))


class TestCase(unittest.TestCase):
    """Each test ends with as many descriptors as it began with."""

    def setUp(self):
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before, "descriptors"))


needs_root = unittest.skipUnless(os.getuid() == 0, "only root may ask for a password")
