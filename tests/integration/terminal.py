# SPDX-License-Identifier: LGPL-2.1-or-later
"""A terminal with somebody at it: a program on a pty of its own, which is its controlling terminal."""

import contextlib
import os
import pty
import pwd
import select
import signal
import termios
import time

import lib


class Terminal:
    """Runs argv as this user, in a session of its own on a new terminal."""

    def __init__(self, user, *argv, env=None):
        entry = pwd.getpwnam(user)
        environment = {**lib.user_environment(user), "TERM": "dumb", **(env or {})}
        groups = os.getgrouplist(user, entry.pw_gid)
        self.text = ""
        self._seen = 0
        self._status = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                signal.alarm(0)
                os.fchown(0, entry.pw_uid, -1)
                os.setgroups(groups)
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
                os.chdir("/")
                os.execvpe(argv[0], argv, environment)
            finally:
                os._exit(127)

    def _read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has it open any more
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, text, timeout=20):
        """Waits until it has printed this, after what was expected before."""
        deadline = time.monotonic() + timeout
        while text not in self.text[self._seen :]:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise lib.Failure(f"no {text!r} on the terminal, but {self.text!r}")
        self._seen = self.text.index(text, self._seen) + len(text)

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def answer(self, text):
        """Types a password: once it is not echoed, since what came before is dropped."""
        lib.wait_for(lambda: not self.echoes(), "the password is not echoed", 20)
        self.type(text + "\n")

    def type(self, text):
        os.write(self.master, text.encode())

    def status(self, timeout=30):
        """Waits until it has ended: its exit status, or minus the signal."""
        deadline = time.monotonic() + timeout
        while self._status is None:
            pid, value = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(value)
                while self.master >= 0 and self._read(0):
                    pass
            elif time.monotonic() > deadline:
                raise lib.Failure(f"still runs: {self.text!r}")
            elif self.master >= 0:
                self._read(0.05)
            else:
                time.sleep(0.05)
        return self._status

    def expect_status(self, wanted, timeout=30):
        status = self.status(timeout)
        if status != wanted:
            raise lib.Failure(f"status {status}, wanted {wanted}: {self.text!r}")

    def serve(self, answer, timeout=60):
        """Types what answer() makes of the line of each prompt, until it ends: its exit status."""
        deadline = time.monotonic() + timeout
        while self._status is None:
            if "assword: " in self.text[self._seen :] and not self.echoes():
                self._seen = len(self.text)
                self.type(answer(self.text.splitlines()[-1]))
            with contextlib.suppress(lib.Failure):
                self.status(0.1)
            if time.monotonic() > deadline:
                raise lib.Failure(f"still runs: {self.text!r}")
        return self._status

    def hang_up(self):
        """As a terminal window that is closed."""
        os.close(self.master)
        self.master = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        if self.master >= 0:
            os.close(self.master)


def login(user, *argv, env=None):
    """The same in a login session, as getty and sshd make them."""
    os.makedirs(lib.PLACE, exist_ok=True)
    script = f"{lib.PLACE}/login-{lib.number()}"
    lines = [f"export {key}={lib.shlex.quote(value)}" for key, value in (env or {}).items()]
    lib.write(script, "\n".join([*lines, "cd /", "exec " + lib.shlex.join(argv), ""]))
    return Terminal(
        "root", "systemd-run", "--quiet", "--wait", "--pty", "--collect", f"--uid={user}",
        "--property=PAMName=login", "--property=TimeoutStopSec=5", "/bin/sh", script,
    )
