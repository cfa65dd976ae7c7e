# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serial lines by their path: doorward run puts a pty in the place of a terminal line. The line is a
pty, too, at whose other end the test is the board."""

import contextlib
import errno
import os
import select
import termios
import tty

import lib
import terminal


class Board:
    """What is at the other end of the line."""

    def __init__(self):
        self.master, self.line = os.openpty()
        tty.setraw(self.line)
        self.path = os.ttyname(self.line)
        os.chmod(self.path, 0o666)

    def say(self, data):
        os.write(self.master, data)

    def expect(self, data, timeout=10):
        """It comes, after whatever else."""
        heard = b""
        while data not in heard:
            ready = select.select([self.master], [], [], timeout)[0]
            lib.expect_true(ready, f"the board hears {data!r}, after {heard!r}")
            heard += os.read(self.master, 4096)

    def hears_nothing(self):
        return not select.select([self.master], [], [], 0.3)[0]

    def settings(self):
        return termios.tcgetattr(self.line)

    def expect_speed(self, speed):
        lib.wait_for(lambda: self.settings()[5] == speed, f"the line's speed is {speed}")

    def close(self):
        for fd in (self.master, self.line):
            with contextlib.suppress(OSError):
                os.close(fd)


TEXT = """[Endpoint]
Description=A board
[ReadOnly]
OpenFile={path}
ReadOnlyMeans=open-flags
[Full]
OpenFile={path}
[Connect]
Device=char:pts
{more}
"""


@contextlib.contextmanager
def board(more="", access=("full",)):
    found = Board()
    try:
        rules = [lib.allow_generic("board", level) for level in access]
        with lib.definition("board", TEXT.format(path=found.path, more=more)), lib.rule(*rules):
            yield found
    finally:
        found.close()


def leases():
    found = lib.run("doorward", "leases", "--json=short", user="alice").expect_status(0).json()
    return [lease for lease in found if lease["endpoint"] == "board"]


def picocom(*options, endpoint="board"):
    argv = ("doorward", "run", endpoint, "--", "picocom", "--nolock", *options, "{}")
    return terminal.Terminal("alice", *argv)


def test_picocom():
    """An unmodified picocom on the pty: what is typed goes to the board, what that says is seen; the
    speed, also one that is changed later and one of no standard, is the line's."""
    with board() as line, picocom("-b", "115200", "-f", "h") as person:
        person.expect("Terminal ready")
        line.expect_speed(termios.B115200)
        lib.expect_true(line.settings()[2] & termios.CRTSCTS, "flow control is the line's")
        line.say(b"U-Boot 2023.01\r\n")
        person.expect("U-Boot 2023.01")
        person.type("printenv\r")
        line.expect(b"printenv\r")
        person.type("\x01\x15")  # ^A ^U: faster
        line.expect_speed(termios.B230400)
        lib.expect([lease["mode"] for lease in leases()], ["tracked"])
        person.type("\x01\x18")  # ^A ^X: the end
        person.expect("Thanks for using picocom")
        lib.expect(person.status(), 0)
        lib.wait_for(lambda: not leases(), "the lease has ended")


def test_revoked():
    """The end of the lease ends picocom's line, at once; the note says why."""
    with board() as line, picocom("-b", "9600") as person:
        person.expect("Terminal ready")
        lib.run("doorward", "revoke", leases()[0]["id"], user="alice").expect_status(0)
        person.expect("was revoked")
        lib.expect_true(person.status() != 0, "picocom has failed")
        # Nothing of alice's has the line open any more.
        line.say(b"x")
        lib.expect(os.read(line.line, 1), b"x")


def test_device_gone():
    """A device that goes ends picocom's line, too."""
    with board() as line, picocom("-b", "9600") as person:
        person.expect("Terminal ready")
        os.close(line.line)
        os.close(line.master)
        person.expect("board has hung up")
        lib.expect_true(person.status() != 0, "picocom has failed")


def test_read_only():
    """At read-only the board is heard. What is written is dropped, and that is said once; settings
    still are carried, as list and explain say of devices."""
    with board(access=("read-only",)) as line, picocom("-b", "19200", endpoint="board:ro") as person:
        person.expect("Terminal ready")
        line.expect_speed(termios.B19200)
        line.say(b"temperature 21\r\n")
        person.expect("temperature 21")
        person.type("reset\r")
        person.expect("opened for reading only: what is written to it is dropped")
        person.type("reset\r")
        lib.expect_true(line.hears_nothing(), "nothing is written")
        person.type("\x01\x18")
        lib.expect(person.status(), 0)
        lib.expect(person.text.count("reading only"), 1)


def test_private():
    """Only this user can open the pty; it goes with the command."""
    with board() as line:
        show = ("sh", "-c", "echo $0; stat -c %a:%U $0; exec cat", "{}")
        command = lib.start(
            "doorward", "run", "board", "--", *show, user="alice", stdin=lib.subprocess.PIPE,
            stdout=lib.subprocess.PIPE,
        )
        path = command.stdout.readline().decode().strip()
        lib.expect_true(path.startswith("/dev/pts/"), path)
        lib.expect(command.stdout.readline().decode().strip(), "600:alice")
        result = lib.as_user("bob", open_line, path)
        lib.expect(result, errno.EACCES)
        lib.expect(lib.as_user("alice", open_line, path), 0)
        command.communicate(timeout=10)
        lib.expect(command.returncode, 0)
        line.say(b"still there")
        lib.expect(os.read(line.line, 100), b"still there")


def open_line(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        return error.errno
    return 0


def test_opened_again():
    """Each part of a script opens the line by itself, and what one has set the next one finds. What
    was written last arrives before the command's end counts."""
    script = 'stty -F "$0" 57600 raw -echo; echo one >"$0"; stty -F "$0" speed; echo two >"$0"'
    with board() as line:
        out = lib.ok("doorward", "run", "board", "--", "sh", "-c", script, "{}", user="alice")
        lib.expect(out, "57600\n")
        line.expect(b"two\n")
        line.expect_speed(termios.B57600)


def test_hangup_on_close():
    """HangupOnClose=no: the opener clears HUPCL, and a program that sets it on the pty does not set it
    on the line. Without the key the program decides."""
    script = 'stty -F "$0" hupcl 4800; stty -F "$0" -a'
    run = ("doorward", "run", "board", "--", "sh", "-c", script, "{}")
    for more, wanted in (("HangupOnClose=no", 0), ("", termios.HUPCL)):
        with board(more) as line:
            attributes = line.settings()
            attributes[2] |= termios.HUPCL
            termios.tcsetattr(line.line, termios.TCSANOW, attributes)
            shown = "stty -a <&3"
            out = lib.ok("doorward", "exec", "board=3", "--", "sh", "-c", shown, user="alice")
            lib.expect_in(" hupcl" if wanted else "-hupcl", out)
            lib.ok(*run, user="alice")
            line.expect_speed(termios.B4800)
            lib.expect(line.settings()[2] & termios.HUPCL, wanted, more)


def test_no_line():
    """A device that is no terminal line has nothing that could stand in its place."""
    text = "[Endpoint]\nDescription=Z\n[Full]\nOpenFile=/dev/zero\n[Connect]\nDevice=char:mem\n"
    with lib.definition("zero", text), lib.rule(lib.allow_generic("zero", "full")):
        result = lib.run("doorward", "run", "zero", "--", "true", user="alice").expect_status(85)
        lib.expect_in("no terminal line", result.err)
        lib.expect_in("Write 'exec'", result.err)
