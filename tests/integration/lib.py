# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the integration tests are written with.

Everything here acts on the real thing, as root inside the container: polkit, the journal, systemd,
the broker. Whatever changes something is a context manager that puts it back, so a test that fails
half-way leaves as little behind as one that passes; reset() is the net below that.
"""

import collections
import contextlib
import ctypes
import errno
import glob
import grp
import itertools
import json
import os
import pickle
import pwd
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import traceback

BROKER_SOCKET = "/run/doorward/org.doorward.Broker"
OPENER_SOCKETS = "/run/doorward/opener"
SOURCE = "/opt/doorward"
PLACE = "/run/doorward-tests"
RULES = "/etc/polkit-1/rules.d"
DEFINITIONS = "/etc/doorward/endpoints.d"
SETTINGS = "/etc/doorward/doorward.conf"
UNITS = "/run/systemd/system"

# The message ids of the broker's record, as in broker/record.h.
GRANTED = "1a30fb61defb4b3a9306772b585776e9"
REFUSED = "abaf346509ee4c69a346b3eac851343c"
ENDED = "dd0d072c6cbb42679d932d37ab59d9ae"
SENDER_MISMATCH = "d7b0a613632447abbefab5b02a3c5e83"

_numbers = itertools.count(1)
_settings = {}
_notes = []


def number():
    """A number that nobody else has."""
    return f"{os.getpid()}-{next(_numbers)}"


class Failure(AssertionError):
    """What a test expected did not come true."""


def expect(actual, wanted, what=""):
    if actual != wanted:
        raise Failure(f"{what or 'value'}: got {actual!r}, wanted {wanted!r}")


def expect_in(part, whole, what=""):
    if part not in whole:
        raise Failure(f"{what or 'text'}: no {part!r} in {whole!r}")


def expect_not_in(part, whole, what=""):
    if part in whole:
        raise Failure(f"{what or 'text'}: {part!r} in {whole!r}")


def expect_true(condition, what):
    if not condition:
        raise Failure(what)


def wait_for(condition, what, timeout=5.0, interval=0.02):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout} s: {what}")
        time.sleep(interval)


def expect_quick(measure, limit, what, times=3, rounds=4):
    """measure() does something and returns how many seconds that took: a few times in a row that is
    no more than the limit. The machine may have much to do, and so this is tried again."""
    taken = []
    for _ in range(rounds):
        some = sorted(measure() for _ in range(times))
        taken.append([round(1000 * seconds) for seconds in some])
        if some[-1] <= limit:
            note(f"{what}: {taken[-1]} ms")
            return
    raise Failure(f"{what}: {taken} ms, more than {1000 * limit:.0f}")


def note(text):
    """Something that is worth knowing of a test that passed: the runner prints it."""
    _notes.append(text)


# How a test is to be run. The runner reads these marks.


def time_limit(seconds):
    """The test may take longer than others."""

    def mark(function):
        function.time_limit = seconds
        return function

    return mark


def alone(function):
    """The test measures time, or wants all of the machine: nothing is to be run beside it. A file
    of which that is true says ALONE = True."""
    function.alone = True
    return function


def both_kernel_paths(function):
    """The test runs twice: as this kernel has it, and as before Linux 6.5, where a peer proves its
    identity by a nonce."""
    function.both_kernel_paths = True
    return function


# Programs.


class Result:
    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def __repr__(self):
        return (
            f"{shlex.join(self.argv)}: status {self.status}\n"
            f"--- stdout\n{self.out}\n--- stderr\n{self.err}"
        )

    def expect_status(self, *wanted):
        if self.status not in wanted:
            raise Failure(f"status {wanted} was wanted of {self!r}")
        return self

    def json(self):
        return json.loads(self.out)


def user_environment(user):
    entry = pwd.getpwnam(user)
    return {
        "HOME": entry.pw_dir,
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    }


def start(*argv, user=None, env=None, groups=None, **options):
    """Starts a program as this user, with the user's groups, in no session."""
    entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    if os.getuid() == 0:
        options["user"] = entry.pw_uid
        options["group"] = entry.pw_gid
        options["extra_groups"] = (
            os.getgrouplist(entry.pw_name, entry.pw_gid) if groups is None else groups
        )
    options.setdefault("cwd", "/")
    return subprocess.Popen(
        argv,
        env={**user_environment(entry.pw_name), **(env or {})},
        start_new_session=True,
        **options,
    )


def run(*argv, user=None, input="", timeout=30, env=None, groups=None, **options):
    """Runs it to its end and returns its Result. One that takes too long is a failure."""
    process = start(
        *argv,
        user=user,
        env=env,
        groups=groups,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    data = input if isinstance(input, bytes) else input.encode()
    try:
        out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        result = Result(argv, "none", out.decode(errors="replace"), err.decode(errors="replace"))
        raise Failure(f"not within {timeout} s: {result!r}") from None
    return Result(
        argv, process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )


def ok(*argv, **options):
    """Runs it, expects it to succeed, and returns what it wrote to stdout."""
    return run(*argv, **options).expect_status(0).out


def typed(command, user=None, **options):
    """What is printed for people to type, typed in a shell."""
    return run("sh", "-c", command, user=user, **{"timeout": 60, **options})


def login(user, *argv, timeout=30, input="", env=None):
    """Runs it in a login session of its own, by PAM, as getty and sshd do."""
    with scratch() as folder:
        # systemd-run would expand $ in arguments: they go into a file.
        script = f"{folder}/command"
        lines = [f"export {key}={shlex.quote(value)}" for key, value in (env or {}).items()]
        write(script, "\n".join([*lines, "cd /", "exec " + shlex.join(argv), ""]))
        return run(
            "systemd-run",
            "--quiet",
            "--wait",
            "--pipe",
            "--collect",
            f"--uid={user}",
            "--property=PAMName=login",
            "--property=TimeoutStopSec=5",
            "/bin/sh",
            script,
            input=input,
            timeout=timeout,
        )


# Children that are somebody else, step by step.

SYS_CLONE3 = 435
PR_SET_DUMPABLE = 4


def fork_as(pid):
    """fork(2), and the child gets this pid."""
    wanted = ctypes.c_int(pid)
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = signal.SIGCHLD  # exit_signal
    arguments[8] = ctypes.addressof(wanted)  # set_tid
    arguments[9] = 1  # set_tid_size
    libc = ctypes.CDLL(None, use_errno=True)
    value = libc.syscall(SYS_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if value < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return value


class Child:
    """A forked process that becomes user and runs body(child) there. The two exchange values:
    tell() on one side is hear() on the other. What body returns is what result() gives the parent,
    and what it raises, result() raises there. With pid it gets that number, which must be free."""

    def __init__(self, user, body, groups=None, pid=0):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = fork_as(pid) if pid else os.fork()
        if self.pid == 0:
            ours.close()
            self._channel = theirs
            self._become(user, body, groups)
        theirs.close()
        self._channel = ours
        self._status = None

    def _become(self, user, body, groups):
        try:
            signal.alarm(0)
            os.setsid()
            if user != "root":
                entry = pwd.getpwnam(user)
                if groups is None:
                    groups = os.getgrouplist(user, entry.pw_gid)
                os.setgroups(groups)
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
                # As a program that was executed: its /proc belongs to its user.
                ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            os.chdir("/")
            answer = ("result", body(self))
        except BaseException:  # pylint: disable=broad-except
            answer = ("raised", traceback.format_exc())
        try:
            self._channel.send(pickle.dumps(answer))
        finally:
            os._exit(0)

    def tell(self, value=None):
        self._channel.send(pickle.dumps(("told", value)))

    def _receive(self, timeout):
        ready, _, _ = select.select([self._channel], [], [], timeout)
        if not ready:
            raise Failure(f"process {self.pid} said nothing within {timeout} s")
        data = self._channel.recv(1 << 20)
        if not data:
            raise Failure(f"process {self.pid} ended without a word")
        return pickle.loads(data)

    def hear(self, timeout=30):
        kind, value = self._receive(timeout)
        if kind == "raised":
            raise Failure(f"in process {self.pid}:\n{value}")
        expect(kind, "told", f"process {self.pid} went on")
        return value

    def is_told(self):
        """Whether hear() would not wait."""
        return bool(select.select([self._channel], [], [], 0)[0])

    def result(self, timeout=30):
        """What is told to a child must have been heard before this."""
        kind, value = self._receive(timeout)
        self.reap()
        if kind == "raised":
            raise Failure(f"in process {self.pid}:\n{value}")
        expect(kind, "result", f"process {self.pid} did not end")
        return value

    def kill(self, number=signal.SIGKILL):
        if self._status is None:
            os.kill(self.pid, number)

    def reap(self):
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.reap()
        self._channel.close()


def as_user(user, body, *args, timeout=30, groups=None):
    """Runs body(*args) in a process of this user and returns what it returns."""
    with Child(user, lambda _: body(*args), groups) as child:
        return child.result(timeout)


@contextlib.contextmanager
def system_user(name):
    """A user for a while, as a package makes one."""
    ok("useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", name)
    try:
        yield name
    finally:
        ok("userdel", name)


# Files.


def write(path, text, mode=0o644):
    """Replaces it at once: whoever reads it sees the old or the new."""
    new = f"{path}.new-{number()}"
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(new, mode)
    os.rename(new, path)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


@contextlib.contextmanager
def scratch(mode=0o755):
    """A folder that all users can look into, with the path of which no step is anybody else's."""
    os.makedirs(PLACE, exist_ok=True)
    path = tempfile.mkdtemp(dir=PLACE)
    os.chmod(path, mode)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def file(path, text="", mode=0o644, owner="root", group="root"):
    """A file for a while; what stood there before is put back."""
    before = None
    if os.path.lexists(path):
        before = f"{path}.before-{number()}"
        os.rename(path, before)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, text, mode)
    shutil.chown(path, owner, group)
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        if before:
            os.rename(before, path)


# polkit.


def polkit_knows(generation):
    """Whether polkit has read the rule of polkit_settle() with this number. Now and then polkit 122
    stands still for 15 seconds, and then goes on: that is no answer."""
    started = read("/proc/self/stat").rsplit(")", 1)[1].split()[19]
    process = f"{os.getpid()},{started},{pwd.getpwnam('nobody').pw_uid}"
    words = ["--action-id", "org.doorward.tests", "--process", process]
    try:
        return run("pkcheck", *words, "--detail", "generation", generation, timeout=5).status == 0
    except Failure:
        return False


def polkit_settle(timeout=40):
    """Waits until polkit has read every rule that is there now. A rule of our own with a new number
    is written last, and asked about until polkit knows that number."""
    generation = number()
    write(
        f"{RULES}/00-doorward-tests-generation.rules",
        f"""polkit.addRule(function(action, subject) {{
    if (action.id == "org.doorward.tests" && action.lookup("generation") == "{generation}")
        return polkit.Result.YES;
}});
""",
    )
    wait_for(lambda: polkit_knows(generation), "polkit reads its rules", timeout)


def allow(endpoint, access, user="alice", result="YES"):
    """The rule that an administrator writes to let a user in."""
    return f"""polkit.addRule(function(action, subject) {{
    if (action.id == "org.doorward.endpoint.{endpoint}.{access}" && subject.user == "{user}")
        return polkit.Result.{result};
}});
"""


def allow_generic(endpoint, access, user="alice", result="YES"):
    """The same for an endpoint that has no action of its own."""
    return f"""polkit.addRule(function(action, subject) {{
    if (action.id == "org.doorward.{access}" && action.lookup("endpoint") == "{endpoint}" &&
        subject.user == "{user}")
        return polkit.Result.{result};
}});
"""


@contextlib.contextmanager
def rule(*texts):
    """polkit's rules have these, too."""
    path = f"{RULES}/50-doorward-tests-{number()}.rules"
    try:
        with file(path, "\n".join(texts)):
            polkit_settle()
            yield path
    finally:
        polkit_settle()


# systemd, and what runs under it.


def systemctl(*argv, **options):
    return ok("systemctl", *argv, timeout=60, **options)


def unit_property(unit, name):
    return systemctl("show", "--value", f"--property={name}", unit).strip()


def unit_is_active(unit):
    return unit_property(unit, "ActiveState") == "active"


def unit_pid(unit):
    """Its main process, or 0."""
    return int(unit_property(unit, "MainPID") or 0)


@contextlib.contextmanager
def unit(name, text):
    """A unit for a while; it is not started here."""
    try:
        with file(f"{UNITS}/{name}", text):
            systemctl("daemon-reload")
            try:
                yield name
            finally:
                run("systemctl", "stop", name, timeout=60)
                run("systemctl", "reset-failed", name)
    finally:
        systemctl("daemon-reload")


@contextlib.contextmanager
def drop_in(unit_name, text):
    """The unit is changed by this, for whoever starts it now."""
    try:
        with file(f"{UNITS}/{unit_name}.d/tests-{number()}.conf", text):
            systemctl("daemon-reload")
            yield
    finally:
        systemctl("daemon-reload")


@contextlib.contextmanager
def frozen(unit_name):
    """Its main process stands still (SIGSTOP)."""
    pid = unit_pid(unit_name)
    expect_true(pid > 1, f"{unit_name} does not run")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def restart_broker():
    run("systemctl", "reset-failed", "doorward.service", "doorward.socket")
    systemctl("restart", "doorward.socket", "doorward.service")


def broker_pid():
    """The broker's process; it is started if it is not there."""
    pid = unit_pid("doorward.service")
    if not pid:
        systemctl("start", "doorward.service")
        pid = unit_pid("doorward.service")
    expect_true(pid > 1, "the broker runs")
    return pid


def descriptors(pid):
    """What the process has open: number to target."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
    return found


def kinds(pid):
    """How many descriptors of each kind the process has open."""
    return collections.Counter(target.split(":")[0] for target in descriptors(pid).values())


def expect_no_more(pid, before, what, timeout=5):
    """Waits until the process has no more open than before, of any kind. Fewer are fine: idle
    connections go by themselves."""
    deadline = time.monotonic() + timeout
    while surplus := kinds(pid) - before:
        if time.monotonic() > deadline:
            raise Failure(f"{what}: still open: {dict(surplus)}; {descriptors(pid)}")
        time.sleep(0.02)


@contextlib.contextmanager
def settings(**values):
    """doorward.conf says this, beside what an enclosing settings() said."""
    values = {**_settings, **values}
    before = dict(_settings)
    lines = [f"{key}={value}" for key, value in values.items()]
    _settings.update(values)
    try:
        with file(SETTINGS, "\n".join(["[Broker]", *lines, ""])):
            restart_broker()
            yield
    finally:
        _settings.clear()
        _settings.update(before)
        restart_broker()


HOSTILE = """[Service]
ExecStart=
ExecStart=/usr/bin/python3 -I {SOURCE}/tests/integration/{program}
WatchdogSec=0
Restart=no
ExecReload=
"""


@contextlib.contextmanager
def hostile_broker(program="hostile-broker.py"):
    """Somebody has taken the broker over: another program in its unit."""
    try:
        with drop_in("doorward.service", HOSTILE.format(SOURCE=SOURCE, program=program)):
            restart_broker()
            yield
    finally:
        restart_broker()


def apply_definitions():
    """The two commands that every hint names."""
    systemctl("daemon-reload")
    broker_pid()
    systemctl("reload", "doorward")


@contextlib.contextmanager
def definition(name, text, apply=True, folder=DEFINITIONS, **options):
    try:
        with file(f"{folder}/{name}.conf", text, **options) as path:
            if apply:
                apply_definitions()
            yield path
    finally:
        if apply:
            apply_definitions()
            # One that runs with it still would have to tell the next who asks.
            run("systemctl", "stop", f"doorward-opener@{name.rstrip('@')}.service")


# Backends.


class Backend:
    """A service on a unix socket, made by root: PeerUser= is about who made it. By default it sends
    back what it gets, and each connection begins with who connected: "uid=994\n"."""

    def __init__(self, path, mode=0o660, group="doorward-echo", kind=socket.SOCK_STREAM, backlog=64):
        self.path = path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        os.chown(path, 0, grp.getgrnam(group).gr_gid)
        os.chmod(path, mode)
        self.socket.listen(backlog)
        self.connections = []
        self._thread = None

    def serve(self):
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with contextlib.suppress(OSError):
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            connection.send(b"uid=%d\n" % int.from_bytes(credentials[4:8], "little"))
            while data := connection.recv(65536):
                connection.send(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _is_deserted(self, first):
        # What is connected and was not accepted yet is there, too.
        if select.select([self.socket], [], [], 0)[0]:
            return False
        for connection in self.connections[first:]:
            try:
                if connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return False
            except BlockingIOError:
                return False
            except OSError:
                pass
        return True

    def expect_deserted(self, first=0, timeout=5):
        """Waits until the other end of each connection is closed, from this one on."""
        wait_for(lambda: self._is_deserted(first), f"{self.path} is hung up on", timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


# The journal.


class Journal:
    """What came into the journal since this object was made."""

    def __init__(self):
        out = ok("journalctl", "--quiet", "--lines=0", "--show-cursor")
        self._cursor = out.rsplit("-- cursor: ", 1)[1].strip() if "-- cursor: " in out else None

    def entries(self, **fields):
        # The matching is done here: journalctl of systemd 252 loses the first entry after a cursor
        # that does not itself match.
        ok("journalctl", "--sync")
        since = [f"--after-cursor={self._cursor}"] if self._cursor else []
        out = ok("journalctl", "--quiet", "--output=json", "--all", *since)
        found = [json.loads(line) for line in out.splitlines()]
        return [e for e in found if all(e.get(key) == value for key, value in fields.items())]

    def wait(self, what, count=1, timeout=5, **fields):
        """Waits for so many entries with these fields, and returns them."""

        def enough():
            found = self.entries(**fields)
            return found if len(found) >= count else None

        return wait_for(enough, what, timeout)


def fill_journal():
    """Sends to journald, which stands still, until its queue takes no more
    (net.unix.max_dgram_qlen entries, whoever sends)."""
    count = 0
    for _ in range(1000):
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.setblocking(False)
        before = count
        try:
            while True:
                sender.sendto(b"MESSAGE=filler of the tests\n", "/run/systemd/journal/socket")
                count += 1
        except OSError as error:
            expect(error.errno, errno.EAGAIN)
        # This one's own buffer is full; the queue is when a new one can send nothing at all.
        if count == before:
            return count
    raise Failure("journald's queue has no end")


def notes():
    return _notes


# How a test finds the machine.

ECHO = """[Endpoint]
Description=A service that sends back what it gets
[ReadOnly]
ConnectStream=/run/doorward-echo/read-only
[Full]
ConnectStream=/run/doorward-echo/full
[Connect]
Groups=doorward-echo
"""

TEST_ACTION = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<policyconfig>
  <action id="org.doorward.tests">
    <description>Whether polkit has read the rules of the tests</description>
    <message>Nobody is ever asked this</message>
    <defaults>
      <allow_any>no</allow_any>
      <allow_inactive>no</allow_inactive>
      <allow_active>no</allow_active>
    </defaults>
  </action>
</policyconfig>
"""


def prepare():
    """Once, before the first test: an endpoint called echo that is always there, with actions of
    its own. What is behind it, and rules, are a test's own affair: see echo()."""
    os.makedirs(PLACE, exist_ok=True)
    os.makedirs("/run/doorward-echo", exist_ok=True)
    os.makedirs(DEFINITIONS, exist_ok=True)
    os.makedirs(RULES, exist_ok=True)
    os.makedirs(UNITS, exist_ok=True)
    ok("groupadd", "--force", "--system", "doorward-echo")
    write("/usr/share/polkit-1/actions/org.doorward.tests.policy", TEST_ACTION)
    write(f"{DEFINITIONS}/echo.conf", ECHO)
    if shutil.which("doorward"):
        ok("doorward", "policy", "--install", "echo")
        apply_definitions()
    polkit_settle()


# The broker and the opener under address, leak and undefined-behaviour sanitizers.

SANITIZED = f"{SOURCE}/build-check/stage-sanitized/usr/libexec/doorward"

# The leak check at exit stops the process from a thread of its own by ptrace(2), which what is not
# dumpable, or filters system calls, does not let happen.
DUMPABLE = """#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...) {
        unsigned long a[4];
        va_list args;

        va_start(args, option);
        for (int i = 0; i < 4; i++)
                a[i] = va_arg(args, unsigned long);
        va_end(args);
        if (option == PR_SET_DUMPABLE)
                return 0;
        return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}
"""

SANITIZED_UNIT = """[Service]
Environment=LD_PRELOAD={asan}:/usr/local/lib/doorward-tests-dumpable.so
Environment=ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
Environment=UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
SystemCallFilter=
TasksMax=infinity
MemoryMax=infinity
TimeoutStopSec=5s
"""


def sanitize():
    """From now on the sanitized programs run in place of the others, in their units, with only those
    lines of the sandbox relaxed that would keep the sanitizers from working. (The leak check hangs now
    and then when threads of GLib's end meanwhile: the time to stop is short.)"""
    os.makedirs(PLACE, exist_ok=True)
    write(f"{PLACE}/dumpable.c", DUMPABLE)
    ok(
        "gcc", "-shared", "-fPIC", "-o", "/usr/local/lib/doorward-tests-dumpable.so",
        f"{PLACE}/dumpable.c",
    )
    asan = os.path.realpath(ok("gcc", "-print-file-name=libasan.so").strip())
    run("systemctl", "stop", "doorward.service", "doorward-opener@*.service")
    for name in ("doorwardd", "doorward-opener"):
        shutil.copy(f"{SANITIZED}/{name}", f"/usr/libexec/doorward/{name}")
    for name in ("doorward.service", "doorward-opener@.service"):
        os.makedirs(f"{UNITS}/{name}.d", exist_ok=True)
        write(f"{UNITS}/{name}.d/sanitizers.conf", SANITIZED_UNIT.format(asan=asan))
    systemctl("daemon-reload")


def sanitizer_reports():
    """What the sanitizers said so far. (The broker is stopped, and openers end by themselves.)"""
    pid = broker_pid()
    expect_in("libasan", read(f"/proc/{pid}/maps"), "what the broker runs with")
    systemctl("stop", "doorward.service")
    wait_for(
        lambda: not run("pgrep", "-x", "doorward-opener").out,
        "idle openers end",
        90,
        0.5,
    )
    lines = ok("journalctl", "--sync") + ok("journalctl", "--quiet", "--output=cat", "-u", "doorward*")
    words = ("Sanitizer", "runtime error:", "SUMMARY:")
    return [line for line in lines.splitlines() if any(word in line for word in words)]


@contextlib.contextmanager
def echo(*rules):
    """The services behind the endpoint echo, and these rules. Gives the full one's Backend."""
    with Backend("/run/doorward-echo/read-only") as read_only:
        with Backend("/run/doorward-echo/full") as full:
            read_only.serve()
            full.serve()
            with rule(*rules) if rules else contextlib.nullcontext():
                yield full


def _remove(*patterns):
    found = False
    for pattern in patterns:
        for path in glob.glob(pattern):
            found = True
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
    return found


def reset():
    """Called after each test, passed or not: what a test left is put away."""
    for name in ("polkit.service", "systemd-journald.service", "dbus.service", "doorward.service"):
        pid = unit_pid(name)
        if pid and read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] == "T":
            os.kill(pid, signal.SIGCONT)
    if _remove(f"{UNITS}/*.before-*", f"{UNITS}/doorward*.service.d/tests-*", f"{UNITS}/tests-*"):
        systemctl("daemon-reload")
    _remove(f"{RULES}/50-doorward-tests-*")
    try:
        polkit_settle(20)
    except Failure:
        # polkit 122 does not survive every rule.
        systemctl("kill", "--signal=KILL", "polkit.service")
        run("systemctl", "reset-failed", "polkit.service")
        systemctl("start", "polkit.service")
        polkit_settle()
    left = [f"{DEFINITIONS}/*", "/run/doorward/endpoints.d/*", SETTINGS + "*"]
    kept = f"{DEFINITIONS}/echo.conf"
    if any(path != kept for pattern in left for path in glob.glob(pattern)):
        text = read(kept)
        _remove(*left)
        write(kept, text)
        apply_definitions()
        restart_broker()
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(PLACE, exist_ok=True)


def is_set_id(path):
    return bool(os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)) and os.path.isfile(path)
