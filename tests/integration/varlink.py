# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Varlink client that can also behave badly.

It knows the framing (JSON objects, each ended by a NUL), takes descriptors, and proves who it is
when asked to. It shares no code with the product, so the two check each other.
"""

import array
import contextlib
import json
import os
import select
import socket
import time

import lib

BROKER = "org.doorward.Broker"
SERVICE = "org.varlink.service"


class Closed(Exception):
    """The broker hung up."""


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(name, parameters)
        self.name, self.parameters = name, parameters

    @property
    def short(self):
        return self.name.rsplit(".", 1)[1]


class Client:
    def __init__(self, path=lib.BROKER_SOCKET, timeout=30, existing=None):
        if existing is not None:
            self.socket = existing
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(path)
        self.socket.settimeout(timeout)
        self._buffer = b""
        self.fds = []
        self.proofs = 0  # how often the broker asked for one

    # Bytes.

    def send_bytes(self, data):
        # Who is refused a connection can be told why before having asked: that is there to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def send(self, message):
        self.send_bytes(json.dumps(message).encode() + b"\0")

    def receive(self):
        """The next message. Descriptors are put into fds as they come."""
        while b"\0" not in self._buffer:
            try:
                data, ancillary, flags, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4 * 253))
            except ConnectionResetError:
                raise Closed from None
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(value[: len(value) - len(value) % 4])
                    self.fds.extend(numbers)
            lib.expect(flags & socket.MSG_CTRUNC, 0, "truncated descriptors")
            if not data:
                raise Closed
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def expect_closed(self, timeout=10):
        """The broker hangs up, and says nothing more."""
        self.socket.settimeout(timeout)
        try:
            message = self.receive()
        except Closed:
            return
        raise lib.Failure(f"an answer where the connection was to be closed: {message}")

    # Calls.

    def start(self, method, parameters=None, more=False, oneway=False):
        if "." not in method:
            method = f"{BROKER}.{method}"
        call = {"method": method, "parameters": parameters or {}}
        if more:
            call["more"] = True
        if oneway:
            call["oneway"] = True
        self.send(call)

    def reply(self):
        """The parameters of the next reply; VarlinkError if it is an error."""
        message = self.receive()
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message.get("parameters", {})

    def call(self, method, parameters=None, more=False):
        """Calls, and proves who we are if that is asked for. The first reply."""
        parameters = dict(parameters or {})
        self.start(method, parameters, more)
        try:
            return self.reply()
        except VarlinkError as error:
            if error.name != f"{BROKER}.IdentityProofRequired":
                raise
            self.proofs += 1
            self.start(method, {**parameters, "proof": error.parameters["nonce"]}, more)
            return self.reply()

    def open(self, endpoint, access="read_only", **more):
        """A leased open. Returns the reply of state granted; its descriptor is taken by fd()."""
        return self.call("Open", {"endpoint": endpoint, "access": access, **more}, more=True)

    def fd(self, reply):
        """Takes the descriptor that a reply names."""
        lib.expect(reply.get("connection"), 0, "index of the descriptor")
        lib.expect(len(self.fds), 1, "descriptors with the reply")
        return self.fds.pop()

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def opened(endpoint, access="read_only", **more):
    """An endpoint, opened: the client, the reply, and a socket or a number."""
    with Client() as client:
        reply = client.open(endpoint, access, **more)
        lib.expect(reply["state"], "granted")
        fd = client.fd(reply)
        try:
            yield client, reply, fd
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)


def refusal(endpoint, access="read_only", **more):
    """Opens, expects to be refused, and returns the VarlinkError."""
    with Client() as client:
        try:
            reply = client.open(endpoint, access, **more)
        except VarlinkError as error:
            lib.expect(client.fds, [], "descriptors with a refusal")
            lib.expect_true(error.parameters.get("requestId"), f"no requestId in {error}")
            return error
        raise lib.Failure(f"granted where a refusal was wanted: {reply}")


def timed(function, *args, **more):
    """What it returns, and how long it took."""
    begin = time.monotonic()
    value = function(*args, **more)
    return value, time.monotonic() - begin


def line(fd, timeout=10):
    """The first line that a descriptor gives."""
    text = b""
    while not text.endswith(b"\n"):
        lib.expect_true(select.select([fd], [], [], timeout)[0], f"a line in {timeout} s: {text}")
        data = os.read(fd, 1)
        if not data:
            break
        text += data
    return text.decode()
