# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward exec: devices and files by an inherited descriptor, for programs that know nothing."""

import contextlib
import os
import select
import signal

import lib

LOG = """[Endpoint]
Description=The application's log
[ReadOnly]
OpenFile={path}
[Full]
OpenFile={path}
[Connect]
Groups=adm
"""

LISTENER = r"""
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

int main(void) {
        char **names = NULL, buf[100];
        int n = sd_listen_fds_with_names(1, &names);

        printf("%d\n", n);
        for (int i = 0; i < n; i++) {
                ssize_t k = read(SD_LISTEN_FDS_START + i, buf, sizeof(buf) - 1);

                buf[k < 0 ? 0 : k] = 0;
                printf("%s: %s", names[i], buf);
                if (write(SD_LISTEN_FDS_START + i, "x", 1) < 0)
                        printf("write: %s\n", strerror(errno));
        }
        return n > 0 ? 0 : 1;
}
"""


@contextlib.contextmanager
def log():
    """A root-owned log file that only the group adm may read, as the endpoint applog."""
    with lib.scratch() as folder:
        with lib.file(f"{folder}/log", "first line\nsecond line\n", mode=0o640, group="adm") as path:
            with lib.definition("applog", LOG.format(path=path)):
                with lib.rule(lib.allow_generic("applog", "read-only")):
                    yield path


def test_without_doorward():
    """The file itself is out of alice's reach, also once she has a descriptor of it."""
    with log() as path:
        lib.expect(lib.run("cat", path, user="alice").status, 1)
        result = lib.run(
            "doorward", "exec", "applog:ro=0", "--", "cat", "/dev/fd/0", user="alice"
        )
        lib.expect_in("Permission denied", result.err)


@lib.both_kernel_paths
def test_as_standard_input():
    """As 0: a filter reads it."""
    with log():
        out = lib.login("alice", "doorward", "exec", "applog:ro=0", "--", "tail", "-n", "1")
        lib.expect(out.expect_status(0).out, "second line\n")


def test_as_number():
    """As N: the program finds it there, and at no other number."""
    with log():
        script = "cat <&7; ls /proc/self/fd"
        out = lib.ok("doorward", "exec", "applog:ro=7", "--", "bash", "-c", script, user="alice")
        lib.expect(out.splitlines()[:2], ["first line", "second line"])
        lib.expect_in("7", out.splitlines()[2:])
        script = "exec 7<&-; ls -l /proc/self/fd"
        out = lib.ok("doorward", "exec", "applog:ro=7", "--", "bash", "-c", script, user="alice")
        lib.expect_not_in("log", out)
        lib.expect_not_in("socket:", out)


@contextlib.contextmanager
def listener():
    """A program that reads from, and writes to, what sd_listen_fds(3) says that it has."""
    with lib.scratch() as folder:
        lib.write(f"{folder}/listener.c", LISTENER)
        lib.ok("gcc", "-o", f"{folder}/listener", f"{folder}/listener.c", "-lsystemd")
        yield f"{folder}/listener"


def test_listen_fds():
    """As LISTEN_FDS: a program with sd_listen_fds(3) takes it by its name."""
    with log(), listener() as program:
        out = lib.ok("doorward", "exec", "applog:ro", "--", program, user="alice")
        lib.expect(
            out.splitlines(),
            ["1", "applog: first line", "second line", "write: Bad file descriptor"],
        )


def test_braces():
    """{} in the command becomes the number."""
    with log():
        out = lib.ok(
            "doorward", "exec", "applog:ro", "--", "bash", "-c", "cat <&{}", user="alice"
        )
        lib.expect(out, "first line\nsecond line\n")


def test_write_on_a_read_only_one():
    """A write on a read-only descriptor fails with EBADF, and the file stays as it was."""
    script = "import os; os.write(5, b'x')"
    with log() as path:
        before = lib.read(path)
        result = lib.run(
            "doorward", "exec", "applog:ro=5", "--", "python3", "-c", script, user="alice"
        )
        lib.expect(result.status, 1)
        lib.expect_in("[Errno 9]", result.err)
        lib.expect(lib.read(path), before)


def test_full_is_refused():
    """What the rule does not grant is refused, with the hint and an exit status of its class."""
    with log():
        result = lib.run("doorward", "exec", "applog=0", "--", "cat", user="alice")
        lib.expect(result.status, 91, f"auth-needed: {result!r}")
        lib.expect(result.out, "")
        lib.expect_in("applog", result.err)
        lib.expect_in("Request:", result.err)


def test_full_writes():
    """At full a log can be written to, with ReadWritePaths= by the generator and the group's leave."""
    with lib.scratch() as folder, lib.rule(lib.allow_generic("applog", "full")):
        with lib.file(f"{folder}/log", "", mode=0o660, group="adm") as path:
            with lib.definition("applog", LOG.format(path=path)):
                lib.ok("doorward", "exec", "applog=1", "--", "echo", "by alice", user="alice")
                lib.expect(lib.read(path), "by alice\n")


def test_several():
    """Several endpoints at once, each where it was asked for."""
    with log(), lib.echo(lib.allow("echo", "full")):
        script = "head -n 1 <&4; head -n 1 <&{echo}"
        out = lib.ok(
            "doorward", "exec", "applog:ro=4", "echo", "--", "bash", "-c", script, user="alice"
        )
        lib.expect(out.splitlines()[0], "first line")
        lib.expect_in("uid=", out.splitlines()[1])


def test_status_is_the_commands():
    """The exit status is CMD's: its own, 128 and the signal, 126 and 127 as of env(1)."""
    with log():
        for words, status in (
            (["sh", "-c", "exit 7"], 7),
            (["sh", "-c", "kill -TERM $$"], 128 + 15),
            (["sh", "-c", "kill -KILL $$"], 128 + 9),
            (["/etc/passwd"], 126),
            (["/nonexistent"], 127),
        ):
            result = lib.run("doorward", "exec", "applog:ro", "--", *words, user="alice")
            lib.expect(result.status, status, f"{words}: {result!r}")


def test_lease_lasts_as_long_as_the_command():
    """The lease begins before CMD and ends when it ends, also when doorward itself is killed."""
    with lib.echo(lib.allow("echo", "full")) as full:
        journal = lib.Journal()
        process = lib.start("doorward", "exec", "echo", "--", "sleep", "30", user="alice")
        lib.wait_for(lambda: full.connections, "the connection")
        lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])
        lib.ok("pkill", "-TERM", "-x", "sleep", "-u", "alice")
        lib.expect(process.wait(10), 128 + 15)
        (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        # It hangs up and ends: the broker may see both at once.
        lib.expect_in(entry["DOORWARD_REASON"], ("client", "peer"))

        process = lib.start("doorward", "exec", "echo", "--", "sleep", "31", user="alice")
        lib.wait_for(lambda: len(full.connections) == 2, "the connection")
        process.kill()
        process.wait()
        journal.wait("both ends", 2, MESSAGE_ID=lib.ENDED)
        lib.wait_for(
            lambda: select.select(full.connections[1:], [], [], 0)[0], "the backend is hung up on"
        )
        lib.run("pkill", "-KILL", "-x", "sleep", "-u", "alice")


def test_signals_reach_the_command():
    """HUP, INT, TERM, USR1 and WINCH to doorward reach CMD."""
    script = """
import os, signal, sys, time
for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"):
    signal.signal(getattr(signal, "SIG" + name), lambda n, f: os.write(1, b"%d\\n" % n))
print("ready", flush=True)
end = time.monotonic() + 10
while time.monotonic() < end:
    time.sleep(1)
"""
    with log():
        process = lib.start(
            "doorward", "exec", "applog:ro", "--", "python3", "-c", script,
            user="alice", stdout=lib.subprocess.PIPE,
        )
        lib.expect(process.stdout.readline(), b"ready\n")
        for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"):
            number = getattr(signal, f"SIG{name}")
            os.kill(process.pid, number)
            lib.expect(process.stdout.readline(), b"%d\n" % number, name)
        process.kill()
        process.wait()
        lib.run("pkill", "-KILL", "-u", "alice", "python3")


def test_nothing_else_is_inherited():
    """CMD gets the descriptor and nothing of doorward's own; LISTEN_* of the caller are gone."""
    with log():
        script = "ls -l /proc/self/fd | wc -l; env | grep ^LISTEN_ | sort"
        plain = lib.ok("sh", "-c", "ls -l /proc/self/fd | wc -l", user="alice").strip()
        out = lib.ok(
            "doorward", "exec", "applog:ro=0", "--", "sh", "-c", script,
            user="alice", env={"LISTEN_FDS": "3", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x:y:z"},
        )
        lib.expect(out.splitlines(), [plain])


@contextlib.contextmanager
def serial_line():
    """A tty of group dialout, as the endpoint line; gives the other end."""
    with lib.scratch() as folder:
        process = lib.start(
            "socat", f"pty,raw,echo=0,link={folder}/line,group=dialout,mode=660",
            f"pty,raw,echo=0,link={folder}/far",
        )
        lib.wait_for(lambda: os.path.exists(f"{folder}/far"), "socat makes the pair")
        text = f"""[Endpoint]
Description=A serial line
[ReadOnly]
OpenFile={folder}/line
Type=device
ReadOnlyMeans=open-flags
[Full]
OpenFile={folder}/line
Type=device
[Connect]
Groups=dialout
Device=char:pts
"""
        far = os.open(f"{folder}/far", os.O_RDWR | os.O_NOCTTY)
        try:
            with lib.definition("line", text):
                yield far
        finally:
            os.close(far)
            process.kill()
            process.wait()


def test_serial_line_read_only():
    """A tty, read-only: what comes in is read, a write fails with EBADF, the speed can still change;
    explain and list say so."""
    with serial_line() as far, lib.rule(lib.allow_generic("line", "read-only")):
        os.write(far, b"hello\n")
        out = lib.ok("doorward", "exec", "line:ro=0", "--", "head", "-n", "1", user="alice")
        lib.expect(out, "hello\n")
        result = lib.run(
            "doorward", "exec", "line:ro=4", "--", "python3", "-c",
            "import os; os.write(4, b'x')", user="alice",
        )
        lib.expect_in("[Errno 9]", result.err)
        out = lib.ok(
            "doorward", "exec", "line:ro=0", "--", "sh", "-c", "stty speed; stty 1200; stty speed",
            user="alice",
        )
        lib.expect(out.split()[-1], "1200")
        text = lib.run("doorward", "explain", "line:ro", user="alice").out
        lib.expect_in("device controls", text)
        out = lib.ok("doorward", "list", user="alice")
        rows = {row.split()[0]: row for row in out.splitlines()}
        lib.expect_in("no writes, but device controls work", rows["line"])
        lib.expect_not_in("device controls", rows["echo"])


def test_serial_line_by_listen_fds():
    """A tty as LISTEN_FDS, at either level."""
    with serial_line() as far, listener() as program, lib.rule(
        lib.allow_generic("line", "read-only"), lib.allow_generic("line", "full")
    ):
        os.write(far, b"hello\n")
        out = lib.ok("doorward", "exec", "line:ro", "--", program, user="alice")
        lib.expect(out.splitlines(), ["1", "line: hello", "write: Bad file descriptor"])
        lib.expect(select.select([far], [], [], 0.2)[0], [], "nothing is written")
        os.write(far, b"hello again\n")
        out = lib.ok("doorward", "exec", "line", "--", program, user="alice")
        lib.expect(out.splitlines(), ["1", "line: hello again"])
        lib.expect_true(select.select([far], [], [], 5)[0], "something is written")
        lib.expect(os.read(far, 10), b"x")


def test_serial_line_by_braces():
    """A tty as the number that {} becomes, at either level."""
    script = "head -n 1 <&{}; echo answer >&{}"
    with serial_line() as far, lib.rule(
        lib.allow_generic("line", "read-only"), lib.allow_generic("line", "full")
    ):
        for name, written in (("line:ro", b""), ("line", b"answer\n")):
            os.write(far, b"question\n")
            result = lib.run("doorward", "exec", name, "--", "bash", "-c", script, user="alice")
            lib.expect(result.out, "question\n", name)
            lib.expect("Bad file descriptor" in result.err, not written, f"{name}: {result!r}")
            ready = select.select([far], [], [], 5 if written else 0.2)[0]
            lib.expect(os.read(far, 100) if ready else b"", written, name)


def test_real_serial_line():
    """The shipped serial@, with a real ttyS where the machine has one."""
    if not os.path.exists("/dev/ttyS0"):
        try:
            os.mknod("/dev/ttyS0", 0o020660, os.makedev(4, 64))
            os.chown("/dev/ttyS0", 0, lib.grp.getgrnam("dialout").gr_gid)
            os.close(os.open("/dev/ttyS0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        except OSError as error:
            lib.note(f"no serial line here: {error}")
            return
    try:
        rules = lib.allow("serial", "read-only").replace(
            "subject.user", 'action.lookup("instance") == "ttyS0" && subject.user'
        )
        with lib.rule(rules):
            out = lib.ok(
                "doorward", "exec", "serial@ttyS0:ro=0", "--", "stty", "-a", user="alice"
            )
            lib.expect_in("speed", out)
            result = lib.run("doorward", "exec", "serial@ttyS1:ro=0", "--", "true", user="alice")
            lib.expect(result.status, 91, f"another instance: {result!r}")
    finally:
        os.unlink("/dev/ttyS0")
