# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward-agent, and the library's end of what it talks over.

The encoding is written down here a second time on purpose: from the design, not from the product.
"""

import array
import os
import select
import socket
import struct
import subprocess

import lib

PROGRAM = "/usr/libexec/doorward/doorward-agent"
HELPER_SOCKET = "/run/polkit/agent-helper.socket"

READY, CHOOSE, CONVERSATION, END, UNAVAILABLE = 1, 2, 3, 4, 5
OF_ROOT, OF_OURS = 1, 2
AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE = 12, 13, 14
ECHO_ON, ECHO_OFF, INFO, ERROR = 2, 3, 4, 5


def start_time(pid):
    return int(lib.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[19])


def subject(pid):
    """A process as pkcheck wants it."""
    return f"{pid},{start_time(pid)},{os.stat(f'/proc/{pid}').st_uid}"


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, form):
        (value,) = struct.unpack_from("<" + form, self.data)
        self.data = self.data[struct.calcsize("<" + form) :]
        return value

    def text(self):
        n = self.take("H")
        text, self.data = self.data[:n], self.data[n:]
        assert len(text) == n
        return text.decode()

    def end(self):
        assert not self.data, self.data


class Message:
    def __init__(self, data):
        reader = Reader(data)
        assert reader.take("I") == 1
        self.type = reader.take("B")
        if self.type == CHOOSE:
            self.text = reader.text()
            self.names = [reader.text() for _ in range(reader.take("B"))]
        elif self.type == CONVERSATION:
            self.whose = reader.take("B")
            self.conversation = None
        elif self.type in (END, UNAVAILABLE):
            self.code = reader.take("B") if self.type == END else None
            self.text, self.hint = reader.text(), reader.text()
        reader.end()

    def __repr__(self):
        return repr(vars(self))


class Conversation:
    """Prompts, and answers to them."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.settimeout(20)

    def maker(self):
        """Who made the pair of sockets: pid, uid, gid."""
        data = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("<III", data)

    def prompt(self):
        """Kind, number and text; None at the end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            data = self.socket.recv(4096)
        except ConnectionResetError:
            return None
        if not data:
            return None
        reader = Reader(data)
        found = reader.take("B"), reader.take("I"), reader.text()
        reader.end()
        return found

    def answer(self, number, text):
        data = text.encode()
        self.socket.send(struct.pack("<BIH", 1, number, len(data)) + data)

    def cancel(self, number):
        self.socket.send(struct.pack("<BIH", 2, number, 0))

    def close(self):
        self.socket.close()


class Agent:
    """One for the process that makes this object."""

    def __init__(self, *more, process=None, started=None, program=PROGRAM):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        pid = os.getpid() if process is None else process
        self.process = subprocess.Popen(
            [
                program,
                f"--fd={theirs.fileno()}",
                f"--process={pid}",
                f"--start-time={start_time(os.getpid()) if started is None else started}",
                f"--socket={lib.BROKER_SOCKET}",
                *more,
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()

    def receive(self):
        """The next message; None if the agent is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 8192, 4)
        except ConnectionResetError:
            return None
        if not data:
            return None
        message = Message(data)
        lib.expect(len(fds), 1 if message.type == CONVERSATION else 0, "descriptors")
        if fds:
            message.conversation = Conversation(fds[0])
        return message

    def expect(self, kind):
        message = self.receive()
        if message is None or message.type != kind:
            raise lib.Failure(f"wanted a message of type {kind}: {message!r}")
        return message

    def is_silent(self, seconds=0.3):
        return not select.select([self.socket], [], [], seconds)[0]

    def choose(self, index=0):
        self.socket.send(struct.pack("<IBB", 1, 1, index))

    def cancel(self):
        self.socket.send(struct.pack("<IBB", 1, 2, 0))

    def send_bytes(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], ancillary)

    def hang_up(self):
        self.socket.close()

    def wait(self, timeout=10):
        return self.process.wait(timeout)


class Check:
    """pkcheck about this process, which may ask an agent."""

    def __init__(self, action="org.doorward.tests", pid=None):
        words = ["--action-id", action, "--process", subject(pid or os.getpid())]
        self.process = subprocess.Popen(
            ["pkcheck", "--allow-user-interaction", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, timeout=20):
        """Exit status and what it printed."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out + err

    def give_up(self):
        """polkit takes its question back, as for any caller that leaves the bus."""
        self.process.kill()
        self.process.communicate()
