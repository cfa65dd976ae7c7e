# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward run: private sockets, for programs that can only be told a path."""

import contextlib
import os
import pwd
import signal
import stat
import textwrap
import time

import fuse
import lib
from terminal import Terminal

PASSWORD = "alice-s password"

# What the programs below begin with: connect() to the path that is their first argument.
CONNECT = """
import os, select, signal, socket, struct, sys, time

# Python's own handler has time.sleep() sleep on if it was just about to begin.
signal.signal(signal.SIGINT, signal.SIG_DFL)

def connect(path=sys.argv[1]):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s

def hear(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(min(n - len(data), 1 << 20))
        if not part:
            break
        data += part
    return data

def greeted():
    s = connect()
    line = b""
    while not line.endswith(b"\\n"):
        part = s.recv(1)
        if not part:
            raise SystemExit("hung up on")
        line += part
    return s
"""

ALLOW = lib.allow("echo", "full")


def program(text):
    return ("python3", "-c", CONNECT + textwrap.dedent(text), "{}")


def run(text, *, endpoint="echo", user="alice", **options):
    return lib.run("doorward", "run", endpoint, "--", *program(text), user=user, **options)


def start(text, *, endpoint="echo", **options):
    return lib.start(
        "doorward", "run", endpoint, "--", *program(text), user="alice",
        stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE, **options,
    )


def remains(user="alice"):
    """What is left of private folders."""
    places = [(f"/run/user/{pwd.getpwnam(user).pw_uid}/doorward", "run-"), ("/tmp", "doorward-run-")]
    return [
        f"{folder}/{name}"
        for folder, prefix in places
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.startswith(prefix)
    ]


def checks(journal):
    return journal.entries(MESSAGE_ID=lib.GRANTED) + journal.entries(MESSAGE_ID=lib.REFUSED)


@lib.both_kernel_paths
def test_connects():
    """Bytes go both ways, under one lease that ends with CMD; the service sees the opener."""
    with lib.echo(ALLOW):
        journal = lib.Journal()
        out = run("""
            s = greeted()
            s.sendall(b"hello")
            print(hear(s, 5).decode())
        """).expect_status(0).out
        lib.expect(out, "hello\n")
        (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_ENDPOINT"], "echo")
        lib.expect(remains(), [])


def test_refused():
    """What policy refuses is refused before CMD runs, with the class's status."""
    with lib.echo():
        result = run("print('ran')")
        lib.expect(result.status, 91, f"{result!r}")
        lib.expect(result.out, "")
        lib.expect(remains(), [])


def test_after_a_change():
    """An opener that still runs with the definition as it was is replaced, also for who has a lease
    already, as each connection of `run` has."""
    with lib.echo(ALLOW):
        run("greeted()").expect_status(0)
        with lib.file(f"{lib.DEFINITIONS}/echo.conf.d/tests.conf", "[Full]\nMaxSec=1h\n"):
            lib.apply_definitions()
            run("greeted()").expect_status(0)
    lib.apply_definitions()


def test_hundred_connections_ask_once():
    """A hundred connections in a row are opened under one lease: policy is asked once."""
    with lib.echo(ALLOW) as full:
        journal = lib.Journal()
        run("""
            for i in range(100):
                s = greeted()
                s.sendall(b"x")
                assert hear(s, 1) == b"x"
                s.close()
        """).expect_status(0)
        lib.expect(len(full.connections), 100)
        lib.expect(len(checks(journal)), 1, "records of a decision")


def test_half_close():
    """The end of one way is passed on and leaves the other open, whichever is first."""
    with lib.scratch() as folder, lib.rule(lib.allow_generic("halves", "full")):
        text = f"[Full]\nConnectStream={folder}/halves\n[Connect]\nGroups=doorward-echo\n"
        with lib.Backend(f"{folder}/halves") as backend, lib.definition("halves", text):
            process = start("""
                s = connect()
                s.sendall(b"question")
                s.shutdown(socket.SHUT_WR)
                print(hear(s, 100).decode(), flush=True)
                s = connect()
                print(hear(s, 100).decode(), flush=True)
                s.sendall(b"late")
                s.close()
                sys.stdin.read()
            """, endpoint="halves")
            first, _ = backend.socket.accept()
            lib.expect(first.recv(100, lib.socket.MSG_WAITALL), b"question")
            time.sleep(0.1)
            first.sendall(b"answer")
            first.close()
            lib.expect(process.stdout.readline(), b"answer\n")
            second, _ = backend.socket.accept()
            second.sendall(b"greeting")
            second.shutdown(lib.socket.SHUT_WR)
            lib.expect(process.stdout.readline(), b"greeting\n")
            lib.expect(second.recv(100, lib.socket.MSG_WAITALL), b"late")
            process.stdin.close()
            lib.expect(process.wait(10), 0)


def test_last_words_arrive():
    """What CMD writes just before it ends arrives, also if nobody had been let in yet."""
    with lib.scratch() as folder, lib.rule(lib.allow_generic("words", "full")):
        text = f"[Full]\nConnectStream={folder}/words\n[Connect]\nGroups=doorward-echo\n"
        with lib.Backend(f"{folder}/words") as backend, lib.definition("words", text):
            for _ in range(5):
                run('connect().sendall(b"x" * 100000)', endpoint="words").expect_status(0)
                connection, _ = backend.socket.accept()
                connection.settimeout(5)
                data = b""
                while part := connection.recv(1 << 20):
                    data += part
                lib.expect(len(data), 100000)


def test_back_pressure():
    """Who does not read slows the other side; what was sent arrives whole; nobody is busy meanwhile."""
    with lib.echo(ALLOW):
        process = start("""
            s = greeted()
            s.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += s.send(b"x" * 65536)
                except BlockingIOError:
                    if not select.select([], [s], [], 0.5)[1]:
                        break
            print(sent, flush=True)
            sys.stdin.readline()
            s.setblocking(True)
            s.shutdown(socket.SHUT_WR)
            print(len(hear(s, sent + 1)), flush=True)
        """)
        sent = int(process.stdout.readline())
        lib.expect_true(100000 < sent < 16 << 20, f"{sent} bytes")
        before = cpu_ticks(process.pid)
        time.sleep(1)
        lib.expect_true(cpu_ticks(process.pid) - before <= 2, "nothing to do, and nothing done")
        process.stdin.write(b"\n")
        process.stdin.close()
        lib.expect(int(process.stdout.readline()), sent)
        lib.expect(process.wait(10), 0)


def cpu_ticks(pid):
    fields = lib.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def private_dirty(pid):
    for line in lib.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise lib.Failure("no Private_Dirty")


@lib.time_limit(90)
def test_thousand_idle_connections():
    """A thousand idle connections cost the relay their descriptors and at most 1 MB."""
    with lib.echo(ALLOW), lib.settings(RequestRate="1000"):
        process = start("""
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
            first = greeted()
            print("ready", flush=True)
            sys.stdin.readline()
            some = [greeted() for _ in range(1000)]
            for s in some:
                s.sendall(b"x" * 1000)
            for s in some:
                assert hear(s, 1000) == b"x" * 1000
            print("idle", flush=True)
            sys.stdin.readline()
        """)
        lib.expect(process.stdout.readline(), b"ready\n")
        before = private_dirty(process.pid)
        descriptors = len(lib.descriptors(process.pid))
        process.stdin.write(b"\n")
        process.stdin.flush()
        lib.expect(process.stdout.readline(), b"idle\n")
        kilobytes = private_dirty(process.pid) - before
        lib.note(f"{kilobytes} KB for 1000 idle connections")
        lib.expect_true(kilobytes <= 1024, f"{kilobytes} KB")
        opened = len(lib.descriptors(process.pid)) - descriptors
        lib.expect_true(2000 <= opened <= 2012, f"{opened} descriptors")
        ticks = cpu_ticks(process.pid)
        time.sleep(1)
        lib.expect(cpu_ticks(process.pid), ticks, "nothing to do, and nothing done")
        process.stdin.close()
        lib.expect(process.wait(20), 0)


def test_socket_is_private():
    """The socket is 0600 in folders of 0700, and who is not its owner is hung up on, root too."""
    with lib.echo(ALLOW) as full:
        process = start("""
            print(sys.argv[1], flush=True)
            sys.stdin.readline()
        """)
        path = process.stdout.readline().decode().strip()
        lib.expect(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        lib.expect(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
        lib.expect(os.path.basename(path), "full", "the name of the service's own socket")

        with lib.socket.socket(lib.socket.AF_UNIX) as root:
            root.connect(path)
            root.settimeout(5)
            lib.expect(root.recv(1), b"", "root is hung up on")

        def other_user(_):
            with lib.socket.socket(lib.socket.AF_UNIX) as s:
                try:
                    s.connect(path)
                except PermissionError:
                    return "refused"
            return "connected"

        lib.expect(lib.as_user("bob", other_user, None), "refused")

        # Also one who can reach it, by a descriptor of the folder, say.
        os.chmod(os.path.dirname(path), 0o755)
        os.chmod(path, 0o666)

        def hung_up_on():
            with lib.socket.socket(lib.socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(path)
                return s.recv(1)

        lib.expect(lib.as_user("bob", hung_up_on), b"")
        lib.expect(full.connections, [], "nobody was joined to the service")
        process.stdin.close()
        lib.expect(process.wait(10), 0)
        lib.expect(remains(), [])


@contextlib.contextmanager
def runtime_folder(make):
    """An XDG_RUNTIME_DIR that make(path) makes of nothing."""
    with lib.scratch() as folder:
        path = f"{folder}/runtime"
        make(path)
        yield path


def owned(mode, user="alice"):
    def make(path):
        os.mkdir(path, mode)
        os.chmod(path, mode)
        lib.shutil.chown(path, user)

    return make


def test_runtime_folder():
    """$XDG_RUNTIME_DIR is used if it is the user's and nobody else's; else a new folder in /tmp."""

    def link(path):
        owned(0o700)(path + "-real")
        os.symlink(path + "-real", path)

    def plain_file(path):
        lib.write(path, "")

    def linked_doorward(path):
        owned(0o700)(path)
        owned(0o700)(path + "-elsewhere")
        os.symlink(path + "-elsewhere", path + "/doorward")

    def open_doorward(path):
        owned(0o700)(path)
        owned(0o755)(path + "/doorward")

    def others_doorward(path):
        owned(0o700)(path)
        owned(0o700, "bob")(path + "/doorward")

    def odd_name(path):
        owned(0o700)(path)

    cases = [
        ("right", owned(0o700), True),
        ("a link", link, False),
        ("a file", plain_file, False),
        ("others can look in", owned(0o755), False),
        ("others can write", owned(0o770), False),
        ("another's", owned(0o700, "bob"), False),
        ("missing", lambda path: None, False),
        ("doorward is a link", linked_doorward, False),
        ("others can look into doorward", open_doorward, False),
        ("another's doorward", others_doorward, False),
    ]
    with lib.echo(ALLOW):
        for what, make, good in cases:
            with runtime_folder(make) as path:
                out = run(
                    "s = greeted(); print(sys.argv[1])", env={"XDG_RUNTIME_DIR": path}
                ).expect_status(0).out.strip()
                wanted = f"{path}/doorward/run-" if good else "/tmp/doorward-run-"
                lib.expect_true(out.startswith(wanted), f"{what}: {out}")
                lib.expect(remains(), [], what)
                if good:
                    lib.expect(os.listdir(f"{path}/doorward"), [])
        with runtime_folder(owned(0o700)) as path:
            os.rename(path, path + " x")
            out = run("print(sys.argv[1])", env={"XDG_RUNTIME_DIR": path + " x"}).out
            lib.expect_true(out.startswith("/tmp/doorward-run-"), f"not plain: {out}")
        out = run("print(sys.argv[1])", env={"XDG_RUNTIME_DIR": "."}).out
        lib.expect_true(out.startswith("/tmp/doorward-run-"), f"relative: {out}")


def test_status_is_the_commands():
    """The exit status is CMD's: its own, 128 and the signal, 126 and 127 as of env(1)."""
    with lib.echo(ALLOW):
        for words, status in (
            (["sh", "-c", "exit 7"], 7),
            (["sh", "-c", "kill -TERM $$"], 128 + 15),
            (["sh", "-c", "kill -KILL $$"], 128 + 9),
            (["/etc/passwd"], 126),
            (["/nonexistent"], 127),
        ):
            result = lib.run("doorward", "run", "echo", "--", *words, user="alice")
            lib.expect(result.status, status, f"{words}: {result!r}")
            lib.expect(remains(), [], words)


def test_nobody_reads_what_is_said():
    """That whoever read standard error is gone ends nobody before what was made is removed."""
    with lib.echo(ALLOW):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as stderr:
            process = lib.start(
                "doorward", "run", "echo", "--", "/nonexistent", user="alice", stderr=stderr
            )
            lib.expect(process.wait(20), 127)
        lib.expect(remains(), [])


def test_signals_reach_the_command():
    """HUP, INT, QUIT, TERM, USR1, USR2 and WINCH to doorward reach CMD, and nothing is left when one
    ends it."""
    with lib.echo(ALLOW):
        process = start("""
            for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"):
                signal.signal(getattr(signal, "SIG" + name), lambda n, f: os.write(1, b"%d\\n" % n))
            print("ready", flush=True)
            s = greeted()
            time.sleep(20)
        """)
        lib.expect(process.stdout.readline(), b"ready\n")
        for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"):
            number = getattr(signal, f"SIG{name}")
            os.kill(process.pid, number)
            lib.expect(process.stdout.readline(), b"%d\n" % number, name)
        lib.run("pkill", "-KILL", "-u", "alice", "python3")
        lib.expect(process.wait(10), 128 + 9)
        lib.expect(remains(), [])

        for name in ("HUP", "INT", "QUIT", "TERM", "ALRM", "XCPU", "RTMIN"):
            process = start("print('ready', flush=True); s = greeted(); time.sleep(20)")
            lib.expect(process.stdout.readline(), b"ready\n")
            os.kill(process.pid, getattr(signal, f"SIG{name}"))
            lib.expect(process.wait(10), 128 + getattr(signal, f"SIG{name}"), name)
            lib.expect(remains(), [], name)


def test_killed():
    """Killed, it leaves its folder, which the next one removes; that of one who lives stays."""
    text = "greeted(); print('ready', flush=True); sys.stdin.readline()"
    with lib.echo(ALLOW):
        lives, dies = start(text), start(text)
        for process in (lives, dies):
            lib.expect(process.stdout.readline(), b"ready\n")
        lib.expect(len(remains()), 2)
        dies.kill()
        dies.wait(10)
        lib.expect(len(remains()), 2)
        run("greeted()").expect_status(0)
        lib.expect(len(remains()), 1)
        lives.stdin.close()
        lib.expect(lives.wait(10), 0)
        lib.expect(remains(), [])
        dies.stdin.close()


def test_killed_it_seems():
    """What another mounts in /tmp under such a name, and serves, holds up nobody: it is not asked."""
    folder = "/tmp/doorward-run-0"
    with lib.echo(ALLOW):
        os.mkdir(folder)
        lib.shutil.chown(folder, "bob", "bob")
        try:
            with fuse.mounted(folder, "bob"):
                result = run("greeted(); print(sys.argv[1])").expect_status(0)
                lib.expect_true(result.out.startswith("/tmp/doorward-run-"), f"{result!r}")
        finally:
            os.rmdir(folder)
        lib.expect(remains(), [])


def test_nothing_else_is_inherited():
    """CMD gets no descriptor of doorward's, and the limits, mask and dispositions that there were."""
    script = "ls -l /proc/self/fd | wc -l; ulimit -n; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"
    with lib.echo(ALLOW):
        plain = lib.ok("sh", "-c", script, user="alice")
        out = lib.ok(
            "doorward", "run", "echo", "--", "sh", "-c", script,
            user="alice", env={"LISTEN_FDS": "3", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x:y:z"},
        )
        lib.expect(out, plain)


def test_environment():
    """Environment= of the definition is set, with the path and the folder of the socket."""
    text = lib.ECHO + (
        "[Client]\nEnvironment=ECHO_URL=unix://%s?100%%\nEnvironment=ECHO_FOLDER=%d\n"
    )
    with lib.echo(ALLOW), lib.definition("echo", text):
        out = lib.ok(
            "doorward", "run", "echo", "--", "sh", "-c", 'echo "$ECHO_URL $ECHO_FOLDER {} $OTHER"',
            user="alice", env={"ECHO_URL": "mine", "OTHER": "same"},
        ).split()
        url, folder, path, other = out
        lib.expect(url, f"unix://{path}?100%")
        lib.expect(folder, os.path.dirname(path))
        lib.expect(other, "same")


def test_several():
    """Several endpoints at once, each by its own name; which is meant must be said."""
    with lib.echo(ALLOW, lib.allow("echo", "read-only")) as full:
        out = lib.ok(
            "doorward", "run", "echo", "echo:ro", "--", "sh", "-c",
            "for s in {echo} {echo:ro}; do socat - UNIX-CONNECT:$s </dev/null; echo $s; done",
            user="alice",
        ).splitlines()
        lib.expect_in("uid=", out[0])
        lib.expect_in("uid=", out[2])
        lib.expect([os.path.basename(out[1]), os.path.basename(out[3])], ["full", "read-only"])
        lib.expect(len(full.connections), 1)
        result = lib.run("doorward", "run", "echo", "echo:ro", "--", "echo", "{}", user="alice")
        lib.expect(result.status, 2, f"{result!r}")
        lib.expect_in("{echo}", result.err)
        lib.expect(remains(), [])


def test_kinds_without_a_socket():
    """What is neither a stream socket nor a terminal line is refused with what to do instead; where the
    definition says so already, before anybody is asked."""
    with lib.scratch() as folder:
        text = f"[Full]\nConnectSequentialPacket={folder}/packets\n"
        with lib.definition("packets", text):
            journal = lib.Journal()
            result = lib.run("doorward", "run", "packets", "--", "true", user="alice")
            lib.expect(result.status, 85, f"{result!r}")
            lib.expect_in("Write 'exec'", result.err)
            lib.expect(checks(journal), [])
    text = "[Full]\nOpenFile=/dev/null\n[Connect]\nDevice=char:mem\n"
    with lib.rule(lib.allow_generic("nothing", "full")), lib.definition("nothing", text):
        result = lib.run("doorward", "run", "nothing", "--", "true", user="alice")
        lib.expect(result.status, 85, f"{result!r}")
        lib.expect_in("Write 'exec'", result.err)


def test_no_new_privs():
    """It works for a process that can gain no privileges any more."""
    with lib.echo(ALLOW):
        out = lib.ok(
            "setpriv", "--no-new-privs", "doorward", "run", "echo", "--",
            *program("greeted(); print('greeted')"), user="alice",
        )
        lib.expect(out, "greeted\n")


def test_asks_on_the_terminal():
    """The password is asked for once, on the terminal, before CMD runs; whoever mistypes tries again."""
    lib.restart_broker()
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        journal = lib.Journal()
        text = "for _ in range(3): greeted()\nprint('greeted')"
        with Terminal("alice", "doorward", "run", "echo", "--", *program(text)) as terminal:
            terminal.expect("assword: ")
            terminal.answer("not it")
            terminal.expect("Try again")
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect("greeted")
            terminal.expect_status(0)
        lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), 1)


def test_interrupt():
    """^C at the prompt, and while CMD runs, leaves nothing behind."""
    lib.restart_broker()
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        with Terminal("alice", "doorward", "run", "echo", "--", "echo", "ran") as terminal:
            terminal.expect("assword: ")
            lib.wait_for(lambda: not terminal.echoes(), "the prompt")
            terminal.type("\x03")
            terminal.status()
            lib.expect_not_in("ran", terminal.text)
        lib.expect(remains(), [])
    with lib.echo(ALLOW) as full:
        text = "greeted(); print('ready', flush=True); time.sleep(30)"
        with Terminal("alice", "doorward", "run", "echo", "--", *program(text)) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            terminal.expect_status(128 + signal.SIGINT)
        lib.expect(remains(), [])
        full.expect_deserted()
        # Who goes on is not left without the socket.
        script = "trap 'echo caught; exec sleep 1' INT; echo ready; while :; do sleep 0.1; done"
        words = ("sh", "-c", script)
        with Terminal("alice", "doorward", "run", "echo", "--", *words) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            terminal.expect("caught")
            lib.expect(len(remains()), 1)
            terminal.expect_status(0)
        lib.expect(remains(), [])


def test_revoked():
    """What is revoked is cut at once, at read-only access, too, which the broker could not cut; the next
    who connects has it asked for again."""
    with lib.echo(ALLOW, lib.allow("echo", "read-only")):
        for endpoint in ("echo", "echo:ro"):
            journal = lib.Journal()
            process = start("""
                s = greeted()
                print("ready", flush=True)
                assert hear(s, 1) == b""
                print("cut", flush=True)
                greeted()
                print("again", flush=True)
            """, endpoint=endpoint, stderr=lib.subprocess.PIPE)
            lib.expect(process.stdout.readline(), b"ready\n")
            lib.ok("doorward", "revoke", "--endpoint=echo", "--user=alice")
            lib.expect(process.stdout.readline(), b"cut\n")
            lib.expect(process.stdout.readline(), b"again\n")
            out, err = process.communicate(timeout=10)
            lib.expect(process.returncode, 0, f"{out!r} {err!r}")
            lib.expect_in(b"The lease on echo was revoked.", err)
            lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), 2)


def test_kept_out():
    """Who is kept out is not let in again, and policy is left alone for a while: one refusal is
    recorded and told, however often CMD tries."""
    with lib.echo(ALLOW) as full:
        journal = lib.Journal()
        process = start("""
            s = greeted()
            print("ready", flush=True)
            assert hear(s, 1) == b""
            for _ in range(20):
                assert hear(connect(), 1) == b""
            print("hung up on", flush=True)
        """, stderr=lib.subprocess.PIPE)
        lib.expect(process.stdout.readline(), b"ready\n")
        try:
            lib.ok("doorward", "revoke", "--endpoint=echo", "--user=alice", "--block=5min")
            out, err = process.communicate(timeout=20)
        finally:
            lib.ok("doorward", "revoke", "--user=alice", "--endpoint=echo", "--block=0")
        lib.expect(out, b"hung up on\n")
        lib.expect(process.returncode, 0)
        lib.expect(err.count(b"Access was taken back"), 1, f"{err!r}")
        lib.expect(len(journal.entries(MESSAGE_ID=lib.REFUSED)), 1)
        lib.expect(len(full.connections), 1)


def test_broker_restarted():
    """A restart of the broker keeps what is connected, and new connections; also where the lease was not
    kept, as at read-only access."""
    with lib.echo(ALLOW, lib.allow("echo", "read-only")):
        for endpoint, grants in (("echo", 1), ("echo:ro", 2)):
            journal = lib.Journal()
            process = start("""
                s = greeted()
                print("ready", flush=True)
                sys.stdin.readline()
                s.sendall(b"still")
                assert hear(s, 5) == b"still"
                greeted()
                print("well", flush=True)
            """, endpoint=endpoint)
            lib.expect(process.stdout.readline(), b"ready\n")
            time.sleep(0.2)  # the lease is stored after the hand-over
            lib.systemctl("restart", "doorward.service")
            process.stdin.write(b"\n")
            process.stdin.close()
            lib.expect(process.stdout.readline(), b"well\n", endpoint)
            lib.expect(process.wait(10), 0)
            lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), grants, endpoint)


def test_service_restarted():
    """A service that is away is no end of the lease: who connects meanwhile is hung up on."""
    with lib.rule(ALLOW):
        with lib.echo() as full:
            process = start("""
                s = greeted()
                print("ready", flush=True)
                assert hear(s, 1) == b""
                sys.stdin.readline()
                for _ in range(3):
                    assert hear(connect(), 1) == b""
                print("away", flush=True)
                sys.stdin.readline()
                greeted()
                print("back", flush=True)
            """, stderr=lib.subprocess.PIPE)
            lib.expect(process.stdout.readline(), b"ready\n")
            full.connections[0].shutdown(lib.socket.SHUT_RDWR)
        process.stdin.write(b"\n")
        process.stdin.flush()
        lib.expect(process.stdout.readline(), b"away\n")
        journal = lib.Journal()
        with lib.echo():
            out, err = process.communicate(b"\n", timeout=20)
        lib.expect(out, b"back\n")
        lib.expect(err.count(b"Hint:"), 1, f"{err!r}")
        lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])


def state(pid):
    return lib.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0]


# As a shell starts a job: in a group of its own, of a session that goes on. Says who that is.
JOB = """
import os, sys
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.write(1, b"%d\\n" % os.getpid())
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

STOPPED = """
s = greeted()
print(os.getpid(), flush=True)
sys.stdin.readline()
s.sendall(b"on")
print(hear(s, 2).decode(), flush=True)
"""


def test_stops_with_the_command():
    """When CMD stops, doorward stops; when it is continued, so is CMD, and what is connected goes on."""
    with lib.echo(ALLOW):
        for number in (signal.SIGSTOP, signal.SIGTSTP):
            process = lib.start(
                "python3", "-c", JOB, "doorward", "run", "echo", "--", *program(STOPPED),
                user="alice", stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE,
            )
            doorward = int(process.stdout.readline())
            child = int(process.stdout.readline())
            os.kill(child, number)
            lib.wait_for(lambda: state(doorward) == "T", "doorward stops")
            process.stdin.write(b"\n")
            process.stdin.close()
            os.kill(doorward, signal.SIGCONT)
            lib.expect(process.stdout.readline(), b"on\n")
            lib.expect(process.wait(10), 0)


def test_stopped_without_a_shell():
    """Where no shell watches over the job, there is nobody to continue doorward, and it does not stop: who
    stopped CMD alone can continue it alone."""
    with lib.echo(ALLOW):
        process = start(STOPPED)
        child = int(process.stdout.readline())
        os.kill(child, signal.SIGSTOP)
        lib.wait_for(lambda: state(child) == "T", "CMD stops")
        time.sleep(0.2)
        os.kill(child, signal.SIGCONT)
        process.stdin.write(b"\n")
        process.stdin.close()
        lib.expect(process.stdout.readline(), b"on\n")
        lib.expect(process.wait(10), 0)


def test_what_cannot_be():
    """What is on another machine, and what has no lease, is refused; so is a socket whose path would be
    too long, and then nothing is left."""
    result = lib.run("doorward", "run", "doorward+ssh://nowhere/echo", "--", "true", user="alice")
    lib.expect(result.status, 85, f"{result!r}")
    lib.expect_in("another machine", result.err)

    with lib.rule(lib.allow_generic("given", "full")):
        text = "[Full]\nConnectStream=/run/doorward-echo/full\nLease=none\n"
        with lib.definition("given", text):
            result = lib.run("doorward", "run", "given", "--", "true", user="alice")
            lib.expect(result.status, 89, f"{result!r}")

    with runtime_folder(owned(0o700)) as path, lib.rule(lib.allow_generic("long", "full")):
        text = f"[Full]\nConnectStream=/run/doorward-tests/{'x' * 80}\n"
        with lib.definition("long", text):
            result = lib.run(
                "doorward", "run", "long", "--", "true", user="alice", env={"XDG_RUNTIME_DIR": path}
            )
            lib.expect(result.status, 1, f"{result!r}")
            lib.expect(os.listdir(f"{path}/doorward"), [])
