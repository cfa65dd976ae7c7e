#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process that holds leases, wherever it has to live: in a session, under a user's manager, in a
service, or in none of them.

holder.py ENDPOINT ACCESS COUNT opens so many leases, says so, and then what becomes of them, an
object of JSON a line. It outlives SIGHUP and SIGTERM, so that it can be left behind by its session,
and ends when nobody is there to be told.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import lib  # noqa: E402
import varlink  # noqa: E402

PROGRAM = f"{lib.SOURCE}/tests/integration/holder.py"
UNIT = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=TimeoutStopSec=5")

# A session's leader: it leaves as soon as it is told to, and what it has started stays.
LEADER = "setsid \"$@\" </dev/null & read -r line"


def _command(where, user):
    if where == "session":
        unit = (*UNIT, f"--uid={user}", "--property=PAMName=login")
        return (*unit, "/bin/sh", "-c", LEADER, "sh"), {}
    if where == "service":
        return (*UNIT, f"--uid={user}"), {}
    if where == "manager":
        entry = lib.pwd.getpwnam(user)
        env = {"XDG_RUNTIME_DIR": f"/run/user/{entry.pw_uid}"}
        return (UNIT[0], "--user", *UNIT[1:]), {"user": user, "env": env}
    return (), {"user": user}


class Holder:
    """One of those, seen from outside. where is session, manager, service, or nothing."""

    def __init__(self, user="alice", where=None, endpoint="echo", access="full", count=1):
        argv, options = _command(where, user)
        self._ended = {}
        self._text = b""
        self.pid = None
        self.process = lib.start(
            *argv, PROGRAM, endpoint, access, str(count), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, **options,
        )
        try:
            said = self._hear(time.monotonic() + 40)
        except BaseException:
            self.close()
            raise
        self.pid, self.replies = said["pid"], said["replies"]
        self.leases = [reply["lease"] for reply in self.replies]

    def _hear(self, deadline):
        """The next that it says; None if that is not before this time."""
        while b"\n" not in self._text:
            left = max(0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                return None
            data = os.read(self.process.stdout.fileno(), 65536)
            lib.expect_true(data, "the holder lives")
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        return json.loads(line)

    def ends(self, timeout=10):
        """Waits until each lease has ended. Why they did, whether all was cut, and when the last
        one did, by time.monotonic()."""
        deadline = time.monotonic() + timeout
        while len(self._ended) < len(self.leases):
            end = self._hear(deadline)
            if end is None:
                raise lib.Failure(f"{len(self._ended)} of {len(self.leases)} ended in {timeout} s")
            self._ended[end["lease"]] = end
        ends = self._ended.values()
        return (
            {end["reason"] for end in ends},
            {end["cut"] for end in ends},
            max(end["at"] for end in ends),
        )

    def expect_held(self, seconds=0.0, what="held"):
        """No lease ends for so long."""
        deadline = time.monotonic() + seconds
        while end := self._hear(deadline):
            self._ended[end["lease"]] = end
        lib.expect([end["reason"] for end in self._ended.values()], [], what)

    def leave(self):
        """The session's leader ends: whoever it is of logs out. The holder stays behind."""
        self.process.stdin.close()
        self.process.wait(20)

    def close(self):
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.stdout.close()
        if not self.pid:
            self.process.kill()
        self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _is_cut(data):
    ready = select.select([data], [], [], 1)[0]
    return bool(ready) and not data.recv(1)


def main():
    endpoint, access, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    replies, held = [], {}
    poll = select.poll()
    for _ in range(count):
        client = varlink.Client()
        replies.append(client.open(endpoint, access))
        data = socket.socket(fileno=client.fd(replies[-1]))
        varlink.line(data.fileno())
        held[client.socket.fileno()] = client, data, replies[-1]["lease"]
        poll.register(client.socket, select.POLLIN)
    print(json.dumps({"pid": os.getpid(), "replies": replies}), flush=True)

    poll.register(1, 0)
    while True:
        for fd, _ in poll.poll():
            if fd == 1:
                return
            at = time.monotonic()
            client, data, lease = held.pop(fd)
            poll.unregister(fd)
            end = {"lease": lease, "reason": client.reply()["reason"], "at": at}
            print(json.dumps({**end, "cut": _is_cut(data)}), flush=True)
            client.close()
            data.close()


if __name__ == "__main__":
    main()
