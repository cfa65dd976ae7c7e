# SPDX-License-Identifier: LGPL-2.1-or-later
"""The opener protocol, spoken by whoever has taken the broker's place.

The encoding is written down here a second time on purpose: from the design, not from the product.
"""

import array
import glob
import re
import socket
import struct

VERSION = 1
READ_ONLY, FULL = 1, 2
OK, REFUSED_CLIENT, NO_ACCESS, INSTANCE = 1, 2, 3, 4


def definition_of(name="echo"):
    """The hash of the definition that the opener's unit was written from, as anybody can read it."""
    for path in glob.glob(f"/run/systemd/generator/doorward-opener@{name}.service.d/*.conf"):
        with open(path, encoding="utf-8") as file:
            if found := re.search(r"DOORWARD_DEFINITION=([0-9a-f]{64})", file.read()):
                return found[1].encode()
    return b"0" * 64


def request(number=1, access=FULL, instance=b"", version=VERSION, definition=None):
    text = definition_of() if definition is None else definition
    head = struct.pack("<IIBH", version, number, access, len(instance)) + instance
    return head + struct.pack("<H", len(text)) + text


def parse(data):
    """Of a reply: id, status, errno, detail."""
    version, number, status, error, length = struct.unpack_from("<IIBIH", data)
    assert version == VERSION and len(data) == 15 + length, data
    return number, status, error, data[15:].decode()


class Opener:
    """A connection to one instance."""

    def __init__(self, name="echo", folder="/run/doorward/opener", timeout=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(f"{folder}/{name}")
        self.fds = []

    def send(self, data, fds=()):
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        self.socket.sendmsg([data], ancillary)

    def reply(self):
        """The next reply, or None if the connection was closed."""
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
        except ConnectionResetError:
            return None
        self.fds.extend(fds)
        return parse(data) if data else None

    def ask(self, fd, **more):
        """Sends one request about the client with this connection; status and detail, or None."""
        try:
            self.send(request(**more), [fd])
        except (BrokenPipeError, ConnectionResetError):
            return None
        reply = self.reply()
        return reply and (reply[1], reply[3])

    def close(self):
        self.socket.close()
