# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward listen: a private socket that is always there, at a path and in a user unit."""

import contextlib
import os
import pwd
import signal
import socket
import stat
import time

import lib
from terminal import Terminal

PASSWORD = "alice-s password"
ALLOW = lib.allow("echo", "full")
UNIT = "doorward-listen@{}.{}"
OTHER = f"{lib.SOURCE}/build-check/gcc/tests/support/other-agent"


def runtime(user="alice"):
    return f"/run/user/{pwd.getpwnam(user).pw_uid}"


def connect_and_read(path):
    """What who connects hears first: the service's greeting, or "" if it is hung up on."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(path)
        try:
            return s.makefile("rb").readline().decode()
        except ConnectionResetError:
            return ""


def greet(path, user="alice"):
    return lib.as_user(user, connect_and_read, path)


@contextlib.contextmanager
def manager(user="alice"):
    """The user's own service manager, as after a login; gives a function that runs systemctl there."""
    unit = f"user@{pwd.getpwnam(user).pw_uid}.service"
    lib.ok("loginctl", "enable-linger", user)
    try:
        lib.systemctl("start", unit)
        lib.wait_for(lambda: os.path.exists(f"{runtime(user)}/systemd/private"), "the manager", 20)

        def systemctl(*argv):
            return lib.run(
                "systemctl", "--user", *argv,
                user=user, env={"XDG_RUNTIME_DIR": runtime(user)}, timeout=60,
            )

        yield systemctl
    finally:
        lib.ok("loginctl", "disable-linger", user)
        lib.run("systemctl", "stop", unit, timeout=60)


@contextlib.contextmanager
def enabled(systemctl, name="echo"):
    systemctl("enable", "--now", UNIT.format(name, "socket")).expect_status(0)
    try:
        yield f"{runtime()}/doorward/{name}"
    finally:
        systemctl("disable", "--now", UNIT.format(name, "socket")).expect_status(0)
        systemctl("stop", UNIT.format(name, "service")).expect_status(0)


def said(journal, name="echo"):
    unit = UNIT.format(name, "service")
    return [
        entry["MESSAGE"]
        for entry in journal.entries(_SYSTEMD_USER_UNIT=unit)
        if entry.get("SYSLOG_IDENTIFIER") == "doorward" or "doorward:" in entry["MESSAGE"]
    ]


def decisions(journal):
    return journal.entries(MESSAGE_ID=lib.GRANTED) + journal.entries(MESSAGE_ID=lib.REFUSED)


@lib.time_limit(120)
def test_user_unit():
    """systemctl --user enable --now, in a login: the socket is there, private; nothing is asked before
    somebody connects, and then once; it goes with the unit."""
    with lib.echo(ALLOW), manager() as systemctl:
        journal = lib.Journal()
        script = "systemctl --user enable --now doorward-listen@echo.socket && ls $XDG_RUNTIME_DIR/doorward"
        result = lib.login("alice", "sh", "-c", script).expect_status(0)
        lib.expect(result.out.split(), ["echo"])
        with enabled(systemctl) as path:
            lib.expect(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            lib.expect(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
            lib.expect(decisions(journal), [])
            for _ in range(10):
                lib.expect_in("uid=", greet(path))
            lib.expect(len(decisions(journal)), 1)
            (entry,) = decisions(journal)
            lib.expect_in("user@", entry["DOORWARD_SUBJECT_UNIT"])
            lib.expect(greet(path, user="root"), "", "root is hung up on")
            # run finds its own place beside it.
            out = lib.ok(
                "doorward", "run", "echo", "--", "echo", "{}",
                user="alice", env={"XDG_RUNTIME_DIR": runtime()},
            )
            lib.expect_true(out.startswith(f"{runtime()}/doorward/run-"), out)
        lib.expect(os.path.exists(path), False)
        lib.expect(len(journal.wait("both ends", 2, MESSAGE_ID=lib.ENDED)), 2)


@lib.time_limit(120)
def test_user_unit_read_only():
    """An instance ro-NAME is for read-only access; one is also found as systemd-escape(1) writes it."""
    with lib.echo(lib.allow("echo", "read-only")), manager() as systemctl:
        for name in ("ro-echo", "ro\\x2decho"):
            with enabled(systemctl, name) as path:
                journal = lib.Journal()
                lib.expect_in("uid=", greet(path))
                (entry,) = journal.entries(MESSAGE_ID=lib.GRANTED)
                lib.expect(entry["DOORWARD_ACCESS"], "read-only")


@lib.time_limit(120)
def test_refused_in_a_unit():
    """A password that nobody can be asked for, and a step-up, are refused: who connects is hung up on, the
    reason is told once, and policy is left alone for ten seconds; then it is asked again."""
    with lib.echo(), manager() as systemctl, enabled(systemctl) as path:
        journal = lib.Journal()
        begin = time.monotonic()
        for _ in range(20):
            lib.expect(greet(path), "")
        lib.expect(len(journal.entries(MESSAGE_ID=lib.REFUSED)), 1)
        reasons = [text for text in said(journal) if text.startswith("doorward: ")]
        lib.expect(len(reasons), 1, reasons)
        lib.expect(len(journal.entries(MESSAGE_ID=lib.REFUSED)), 1)
        lib.expect(lib.run("pgrep", "-x", "doorward-agent").out, "", "no agent of its own")
        with lib.rule(ALLOW):
            lib.expect_true(time.monotonic() - begin < 9, "it was quick enough")
            lib.expect(greet(path), "", "within ten seconds")
            time.sleep(max(0, begin + 11 - time.monotonic()))
            lib.expect_in("uid=", greet(path))
            # Before the rule goes: the lease then ends, which is told as well.
            reasons = [text for text in said(journal) if text.startswith("doorward: ")]
            lib.expect(len(reasons), 1, reasons)


def test_step_up_in_a_unit():
    """An endpoint that wants the caller's own password besides is refused: nobody could be asked."""
    text = lib.ECHO.replace("[Full]\n", "[Full]\nAuthenticate=self\n")
    with lib.echo(ALLOW), lib.definition("echo", text), manager() as systemctl:
        with enabled(systemctl) as path:
            journal = lib.Journal()
            lib.expect(greet(path), "")
            lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), 0)
            lib.wait_for(lambda: said(journal), "it is said why")
            lib.expect_in("no terminal here", "".join(said(journal)))


DESKTOP = f"""
mkfifo "$1/stdin"
{OTHER} <"$1/stdin" >"$1/other" &
exec 3>"$1/stdin"
while ! grep -q ready "$1/other"; do sleep 0.05; done
socat - "UNIX-CONNECT:$2" </dev/null >"$1/heard"
exec 3>&-
wait
"""


@lib.time_limit(120)
def test_desktop_asks_for_a_unit():
    """Where policy wants a password, it is the agent of the user's session that asks, also for what runs
    in the user's manager; what is dismissed there is refused."""
    allowed = lib.allow("echo", "full", result="AUTH_SELF")
    with lib.echo(allowed), manager() as systemctl, enabled(systemctl) as path:
        with lib.scratch(0o777) as folder:
            lib.write(f"{folder}/script", DESKTOP)
            # A session is its user's display if it says of what type it is.
            lib.ok(
                "systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--uid=alice",
                "--property=PAMName=login", "--setenv=XDG_SESSION_TYPE=wayland",
                "sh", f"{folder}/script", folder, path,
            )
            lib.expect(
                lib.read(f"{folder}/other").split("\n")[:2],
                ["ready", "asked org.doorward.endpoint.echo.full"],
            )
            lib.expect(lib.read(f"{folder}/heard"), "")


def service(systemctl, name, unit="echo"):
    return systemctl("show", "--value", f"--property={name}", UNIT.format(unit, "service")).out.strip()


@lib.time_limit(120)
def test_revoked_in_a_unit():
    """After a revocation the next who connects has it asked for again; if they are kept out (--block), the
    service ends with status 90, and is not started over and over by who goes on trying."""
    with lib.echo(ALLOW) as full, manager() as systemctl, enabled(systemctl) as path:
        lib.expect_in("uid=", greet(path))
        first = service(systemctl, "MainPID")
        lib.ok("doorward", "revoke", "--endpoint=echo", "--user=alice")
        lib.expect_in("uid=", greet(path))
        lib.expect(service(systemctl, "MainPID"), first)
        lib.ok("doorward", "revoke", "--endpoint=echo", "--user=alice", "--block=5min")
        try:
            count = len(full.connections)
            lib.expect(greet(path), "")
            lib.wait_for(lambda: service(systemctl, "MainPID") == "0", "the service ends")
            lib.expect(service(systemctl, "ExecMainStatus"), "90")
            journal = lib.Journal()
            for _ in range(30):
                lib.expect(greet(path), "")
            second = service(systemctl, "MainPID")
            lib.expect_true(second not in ("0", first), f"it runs again: {second}")
            lib.expect(len(journal.entries(MESSAGE_ID=lib.REFUSED)), 1)
            lib.expect(service(systemctl, "NRestarts"), "0")
            lib.expect(systemctl("is-active", UNIT.format("echo", "socket")).out, "active\n")
            lib.expect(len(full.connections), count)
        finally:
            lib.ok("doorward", "revoke", "--user=alice", "--endpoint=echo", "--block=0")


@lib.time_limit(120)
def test_broker_restarted_under_a_unit():
    """A restart of the broker is nothing that who connects would notice."""
    with lib.echo(ALLOW), manager() as systemctl, enabled(systemctl) as path:
        lib.expect_in("uid=", greet(path))
        time.sleep(0.2)
        lib.systemctl("restart", "doorward.service")
        lib.expect_in("uid=", greet(path))


# At a path.


@contextlib.contextmanager
def own_folder(mode=0o700, owner="alice"):
    with lib.scratch() as folder:
        path = f"{folder}/own"
        os.mkdir(path)
        lib.shutil.chown(path, owner, owner)
        os.chmod(path, mode)
        yield path


@contextlib.contextmanager
def listening(*argv, env=None):
    """Gives the process and the path that it prints."""
    process = lib.start(
        "doorward", "listen", *argv,
        user="alice", env=env, stdout=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE,
    )
    try:
        path = process.stdout.readline().decode().strip()
        if not path:
            raise lib.Failure(f"listen {argv}: {process.communicate()!r}")
        yield process, path
    finally:
        process.kill()
        process.communicate()


def test_at_a_path():
    """listen asks at once, prints the path, serves whoever of its user connects, and removes the socket
    when it is told to end."""
    with lib.echo(ALLOW), own_folder() as folder:
        journal = lib.Journal()
        numbers = [
            signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
            signal.SIGALRM, signal.SIGRTMIN,
        ]
        for number in numbers:
            with listening("echo", f"--at={folder}/socket") as (process, path):
                lib.expect(path, f"{folder}/socket")
                lib.expect(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                for _ in range(3):
                    lib.expect_in("uid=", greet(path))
                process.send_signal(number)
                lib.expect(process.wait(10), 0)
                lib.expect(os.listdir(folder), [])
        lib.expect(len(decisions(journal)), len(numbers))
    with lib.echo():
        result = lib.run("doorward", "listen", "echo", user="alice")
        lib.expect(result.status, 91, f"{result!r}")


def test_at_the_usual_path():
    """Without --at it is $XDG_RUNTIME_DIR/doorward/NAME, and ro-NAME; where that cannot be, it is said."""
    with lib.echo(ALLOW, lib.allow("echo", "read-only")), own_folder() as folder:
        env = {"XDG_RUNTIME_DIR": folder}
        for argv, name in ((["echo"], "echo"), (["echo:ro"], "ro-echo"), (["-r", "echo"], "ro-echo")):
            with listening(*argv, env=env) as (_, path):
                lib.expect(path, f"{folder}/doorward/{name}")
                lib.expect_in("uid=", greet(path))
        os.chmod(folder, 0o755)
        result = lib.run("doorward", "listen", "echo", user="alice", env=env)
        lib.expect(result.status, 1, f"{result!r}")
        lib.expect_in("--at", result.err)


def test_what_is_no_stream():
    """A socket in whose place nothing private can stand is refused before anybody is asked, and not
    only when somebody connects."""
    for endpoint in ("kmsg:ro", "serial@ttyS0", "tun"):
        result = lib.run("doorward", "listen", endpoint, user="alice").expect_status(85)
        lib.expect_in("and no socket can stand in its place.\nHint: 'doorward exec'", result.err)
        lib.expect(result.out, "")


@lib.time_limit(60)
def test_what_is_no_stream_in_a_unit():
    """Nor is it in a unit: its service says so and ends, and has nobody asked for anything."""
    with lib.rule(lib.allow("kmsg", "read-only")), manager() as systemctl:
        journal = lib.Journal()
        with enabled(systemctl, "ro-kmsg") as path:
            lib.expect(greet(path), "")
            lib.wait_for(lambda: said(journal, "ro-kmsg"), "it is said why")
            lib.expect_in("no socket can stand in its place", "".join(said(journal, "ro-kmsg")))
            service = UNIT.format("ro-kmsg", "service")
            shown = systemctl("show", "--value", "--property=ExecMainStatus", service)
            lib.expect(shown.out.strip(), "85")
        lib.expect(decisions(journal), [])


def test_what_is_there():
    """What is no dead socket of one's own is left alone; nor is a folder taken that others can write."""
    with lib.echo(ALLOW), own_folder() as folder:
        path = f"{folder}/socket"

        def refused(what):
            result = lib.run("doorward", "listen", "echo", f"--at={path}", user="alice")
            lib.expect(result.status, 1, f"{what}: {result!r}")
            lib.expect_in("--at", result.err, what)
            return result.err

        lib.write(path, "precious")
        refused("a file")
        lib.expect(lib.read(path), "precious")
        os.unlink(path)

        os.symlink("/nonexistent", path)
        refused("a link")
        os.unlink(path)

        lib.write(f"{folder}/.socket.lock", "precious")
        lib.shutil.chown(f"{folder}/.socket.lock", "alice")
        lib.expect_in(".socket.lock beside it is not", refused("another program's lock"))
        lib.expect(lib.read(f"{folder}/.socket.lock"), "precious")
        os.unlink(f"{folder}/.socket.lock")

        with listening("echo", f"--at={path}"):
            refused("one that somebody listens on")
            lib.expect_in("uid=", greet(path))
        # That one was killed: it is dead, and ours.
        with listening("echo", f"--at={path}"):
            lib.expect_in("uid=", greet(path))
        lib.shutil.chown(path, "bob")
        refused("another's")
        os.unlink(path)

        for mode in (0o770, 0o707, 0o1777):
            os.chmod(folder, mode)
            refused(f"a folder of mode {mode:o}")
        os.chmod(folder, 0o700)
        for words in (["--at=socket"], [f"--at={folder}/none/socket"], [f"--at={folder}/{'x' * 120}"]):
            result = lib.run("doorward", "listen", "echo", *words, user="alice")
            lib.expect_in(result.status, (1, 2), f"{result!r}")


def test_two_at_one_path():
    """Who wants to listen where another does is told who that is; one that was killed is replaced, and of
    many who come at once one listens."""
    with lib.echo(ALLOW) as full, own_folder() as folder:
        path = f"{folder}/socket"
        with listening("echo", f"--at={path}") as (first, _):
            count = len(full.connections)
            result = lib.run("doorward", "listen", "echo", f"--at={path}", user="alice")
            lib.expect(result.status, 1, f"{result!r}")
            lib.expect_in(f"another 'doorward listen' does, process {first.pid}.", result.err)
            lib.expect_in(f"Name another path with --at=, or end that one: kill {first.pid}\n", result.err)
            lib.expect(len(full.connections), count, "nobody has to connect to find that out")
            with listening("echo", f"--at={folder}/other"):
                lib.expect_in("uid=", greet(path))
        # Both were killed.
        lib.expect(sorted(os.listdir(folder)), [".other.lock", ".socket.lock", "other", "socket"])
        processes = [
            lib.start(
                "doorward", "listen", "echo", f"--at={path}", user="alice",
                stdout=lib.subprocess.PIPE, stderr=lib.subprocess.DEVNULL,
            )
            for _ in range(6)
        ]
        try:
            lib.wait_for(
                lambda: sum(process.poll() is None for process in processes) == 1, "one is left", 20
            )
            (winner,) = [process for process in processes if process.poll() is None]
            lib.expect(winner.stdout.readline(), f"{path}\n".encode())
            lib.expect_in("uid=", greet(path))
            winner.terminate()
            lib.expect(winner.wait(10), 0)
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        lib.expect(sorted(os.listdir(folder)), [".other.lock", "other"])


def test_leaves_what_is_anothers():
    """Who ends removes nothing that another has put there meanwhile."""
    with lib.echo(ALLOW), own_folder() as folder:
        path = f"{folder}/socket"
        with listening("echo", f"--at={path}") as (first, _):
            os.unlink(path)
            os.unlink(f"{folder}/.socket.lock")
            with listening("echo", f"--at={path}") as (second, _):
                first.terminate()
                lib.expect(first.wait(10), 0)
                lib.expect(sorted(os.listdir(folder)), [".socket.lock", "socket"])
                lib.expect_in("uid=", greet(path))
                os.unlink(path)
                with lib.Backend(path):
                    second.terminate()
                    lib.expect(second.wait(10), 0)
                    lib.expect(os.listdir(folder), ["socket"])


def test_ignored_signal():
    """A signal that was ignored when it was started (nohup) does not end it."""
    with lib.echo(ALLOW), own_folder() as folder:
        script = "trap '' HUP; exec doorward listen echo --at=$0"
        process = lib.start("sh", "-c", script, f"{folder}/socket", user="alice", stdout=lib.subprocess.PIPE)
        lib.expect(process.stdout.readline(), f"{folder}/socket\n".encode())
        process.send_signal(signal.SIGHUP)
        lib.expect_in("uid=", greet(f"{folder}/socket"))
        process.terminate()
        lib.expect(process.wait(10), 0)


def test_asks_on_the_terminal():
    """On a terminal passwords are asked for there, also by who connects after the lease has ended."""
    lib.restart_broker()
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")), own_folder() as folder:
        with Terminal("alice", "doorward", "listen", "echo", f"--at={folder}/socket") as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect(f"{folder}/socket")
            lib.expect_in("uid=", greet(f"{folder}/socket"))
            lib.ok("doorward", "revoke", "--endpoint=echo", "--user=alice")
            terminal.expect("was revoked")
            with lib.Child("alice", lambda _: connect_and_read(f"{folder}/socket")) as child:
                terminal.expect("assword: ")
                terminal.answer(PASSWORD)
                lib.expect_in("uid=", child.result())
            terminal.type("\x03")
            lib.expect(terminal.status(), 0)
        lib.expect(os.listdir(folder), [])
