# SPDX-License-Identifier: LGPL-2.1-or-later
"""The opener, and what a hostile broker, or another opener, could do with it."""

import contextlib
import ctypes
import errno
import json
import os
import pwd
import signal
import socket
import stat
import struct
import time

import lib
import opener
import test_postgres
import varlink

def ask_hostile(what, more=None):
    """As a client of the hostile broker; what it says that it learnt."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(lib.BROKER_SOCKET)
    client.sendall(what.encode())
    if more:
        time.sleep(0.3)  # a message of its own
        client.sendall(json.dumps(more).encode())
    data = b""
    while not data.endswith(b"\n"):
        got = client.recv(65536)
        if not got:
            raise lib.Failure("the hostile broker ended")
        data += got
    return json.loads(data)


@contextlib.contextmanager
def libvirt_of_a_group():
    """libvirtd's socket is for the group libvirt, as where polkit is not to decide."""
    sockets = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")

    def restart():
        lib.systemctl("stop", "libvirtd.service", *sockets)
        lib.systemctl("start", *sockets)

    try:
        with lib.drop_in("libvirtd.socket", "[Socket]\nSocketMode=0660\nSocketGroup=libvirt\n"):
            restart()
            yield
    finally:
        restart()


@contextlib.contextmanager
def device(path):
    """A /dev/null that everybody can open, by another name."""
    os.mknod(path, stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(path, 0o666)
    try:
        yield path
    finally:
        os.unlink(path)


@lib.time_limit(120)
def test_broker_cannot_open_endpoints():
    """The broker itself, by its user and in its sandbox, cannot open what stands behind one: files
    and sockets of groups, also of real services, are not for its user, and devices are out of its
    sight, whatever their mode."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(lib.scratch())
        stack.enter_context(lib.file(f"{folder}/log", "secret", mode=0o640, group="adm"))
        stack.enter_context(lib.echo())
        stack.enter_context(libvirt_of_a_group())
        stack.enter_context(test_postgres.server(mode=0o770))
        stack.enter_context(device("/dev/ttyUSB7"))
        stack.enter_context(lib.hostile_broker())
        wanted = {
            f"{folder}/log": errno.EACCES,
            "/etc/shadow": errno.EACCES,
            "/run/doorward-echo/full": errno.EACCES,
            "/run/doorward-echo/read-only": errno.EACCES,
            "/run/libvirt/libvirt-sock": errno.EACCES,
            "/run/postgresql/.s.PGSQL.5432": errno.EACCES,
            "/dev/ttyUSB7": errno.ENOENT,
            # What everybody can have, to see that it would be found out.
            "/etc/passwd": "opened",
            "/run/dbus/system_bus_socket": "opened",
        }
        for path in wanted:
            lib.expect_true(os.path.exists(path), f"{path} is there")
        lib.expect(lib.as_user("alice", ask_hostile, "files", list(wanted)), wanted)
        # These the container may not have at all.
        more = ["/dev/kmsg", "/dev/kvm", "/dev/ttyS0"]
        for path, answer in lib.as_user("alice", ask_hostile, "files", more).items():
            lib.expect_in(answer, (errno.EACCES, errno.EPERM, errno.ENOENT), path)


def test_opener_takes_a_clients_connection():
    """What the tests below rely on: for a client that is connected the opener does open."""
    with lib.echo() as full, lib.hostile_broker():
        answers = lib.as_user("alice", ask_hostile, "this")
        lib.expect(answers["read-only"], {"answer": [opener.OK, ""], "fds": 1})
        lib.expect(answers["full"], {"answer": [opener.OK, ""], "fds": 1})
        lib.wait_for(lambda: len(full.connections) == 1, "the backend is reached, at full")


def test_opener_refuses_what_is_no_connection():
    """A hostile broker offers socketpairs, listening sockets, its own connections, pipes, files:
    each is refused, and nothing is opened."""
    with lib.echo() as full, lib.hostile_broker():
        answers = lib.as_user("alice", ask_hostile, "others")
        lib.expect_true(len(answers) >= 12, f"all of them were tried: {answers}")
        for name, answer in answers.items():
            lib.expect(answer["fds"], 0, name)
            status = answer["answer"] and answer["answer"][0]
            lib.expect(status, opener.REFUSED_CLIENT, f"{name}: {answer}")
        lib.expect(full.connections, [], "connections to the backend")


def test_opener_refuses_a_dead_client():
    """A client that has ended is no client, though a child of it holds the connection."""

    def body():
        client = socket.socket(socket.AF_UNIX)
        client.connect(lib.BROKER_SOCKET)
        child = os.fork()
        if child == 0:
            client.recv(4)
            data = b""
            while not data.endswith(b"\n"):
                data += client.recv(4096)
            os.write(write_end, data)
            os._exit(0)
        client.sendall(b"dead")

    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if kernel < (6, 5):
        return  # Only SO_PEERPIDFD tells an opener.
    read_end, write_end = os.pipe()
    with lib.echo(), lib.hostile_broker():
        lib.as_user("alice", body)
        (answer,) = json.loads(os.read(read_end, 4096)).values()
        lib.expect(answer["fds"], 0)
        lib.expect(answer["answer"][0], opener.REFUSED_CLIENT)
        lib.expect_in("ended", answer["answer"][1])


def as_broker_user(body, *args):
    """Runs it as the broker's user, without any sandbox: more than a broker could do."""
    return lib.as_user("doorward", body, *args)


def forge(listener_path, kind, genuine=None):
    """In a mount namespace of our own, where we may bind what path we like: a socket with the name
    of the broker's, that says of itself what kind wants; or else the genuine one. Gives what the
    opener said."""
    CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_PRIVATE = 0x20000, 0x10000000, 0x4000, 1 << 18
    uid, gid = os.getuid(), os.getgid()
    # While the real path is in sight.
    connection = opener.Opener()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    lib_write("/proc/self/setgroups", "deny")
    lib_write("/proc/self/uid_map", f"{uid} {uid} 1")
    lib_write("/proc/self/gid_map", f"{gid} {gid} 1")
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    target = None
    if kind == "connected" and not listener_path.startswith("\0"):
        target = os.open(listener_path, os.O_PATH)
    if libc.mount(b"tmpfs", b"/run/doorward", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    if kind == "genuine":
        forged = genuine
    elif kind == "socketpair":
        forged, _other = socket.socketpair()
        forged.bind(lib.BROKER_SOCKET)
    elif kind == "connected":
        forged = socket.socket(socket.AF_UNIX)
        forged.bind(lib.BROKER_SOCKET)
        forged.connect(f"/proc/self/fd/{target}" if target is not None else listener_path)
    elif kind == "accepted":
        own = socket.socket(socket.AF_UNIX)
        own.bind(lib.BROKER_SOCKET)
        own.listen()
        dialed = socket.socket(socket.AF_UNIX)
        dialed.connect(lib.BROKER_SOCKET)
        forged, _ = own.accept()
    credentials = struct.unpack("iII", forged.getsockopt(socket.SOL_SOCKET, 17, 12))
    name = forged.getsockname()
    answer = connection.ask(forged.fileno())
    return name, credentials[1], answer, len(connection.fds)


def lib_write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


OWN_USERS = "the client runs as one of doorward's own users"
NAMED = "the other end of the connection has a name, and a client's has none"


def expect_forgery_refused(kind, uid, reason, listener_path=None):
    """uid is whom the forged connection names. (In the forger's own user namespace all but itself
    look like the overflow uid; the opener sees them as they are.)"""
    name, claimed, answer, fds = as_broker_user(forge, listener_path, kind)
    lib.expect(name, lib.BROKER_SOCKET, "the forged name")
    own = pwd.getpwnam("doorward").pw_uid
    lib.expect(claimed, own if uid == own else 65534, "the uid that the forged connection claims")
    lib.expect((answer, fds), ((opener.REFUSED_CLIENT, reason), 0), "answer and descriptors")


@contextlib.contextmanager
def connection_of(user):
    """A client's connection to the broker's path, at the broker's end: we listen in its place."""

    def connect(child):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(lib.BROKER_SOCKET)
            child.tell()
            child.hear()

    lib.systemctl("stop", "doorward.socket", "doorward.service")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(lib.BROKER_SOCKET)
            os.chmod(lib.BROKER_SOCKET, 0o666)
            listener.listen()
            with lib.Child(user, connect) as child:
                child.hear()
                with listener.accept()[0] as accepted:
                    yield accepted
    finally:
        os.unlink(lib.BROKER_SOCKET)
        lib.restart_broker()


def test_forgery_but_genuine():
    """What the tests below rely on: it is not where forgers are that has them refused. From there,
    a client's own connection is served."""
    with lib.echo() as full, connection_of("alice") as genuine:
        name, _, answer, fds = as_broker_user(forge, None, "genuine", genuine)
        lib.expect((name, answer, fds), (lib.BROKER_SOCKET, (opener.OK, ""), 1))
        lib.wait_for(lambda: len(full.connections) == 1, "the backend is reached")


def test_forgery_by_socketpair():
    """A socketpair with the broker's path for a name claims its maker's uid, doorward: refused."""
    with lib.echo() as full:
        uid = pwd.getpwnam("doorward").pw_uid
        expect_forgery_refused("socketpair", uid, OWN_USERS)
        expect_forgery_refused("accepted", uid, OWN_USERS)
        lib.expect(full.connections, [])


def test_forgery_by_a_bound_client():
    """A connecting socket that is bound to the broker's path claims the uid of whoever listens at
    the other end (alice, root), and has a named peer: refused."""
    with lib.scratch() as folder, lib.echo() as full:
        for user in ("alice", "root"):
            for path in (f"{folder}/{user}", f"\0doorward-tests-{lib.number()}"):

                def listen(child, where=path):
                    listener = socket.socket(socket.AF_UNIX)
                    listener.bind(where)
                    if not where.startswith("\0"):
                        os.chmod(where, 0o666)
                    listener.listen()
                    child.tell()
                    child.hear()

                os.chmod(folder, 0o1777)
                with lib.Child(user, listen) as child:
                    child.hear()
                    expect_forgery_refused("connected", pwd.getpwnam(user).pw_uid, NAMED, path)
        # And a real service that root's systemd listens for.
        expect_forgery_refused("connected", 0, NAMED, "/run/systemd/journal/stdout")
        lib.expect(full.connections, [])


def test_opener_serves_the_broker_only():
    """Nobody but uid doorward gets an answer: others cannot even connect, and root is hung up on."""
    for user in ("alice", "doorward-opener", "nobody"):
        try:
            lib.as_user(user, opener.Opener)
        except lib.Failure as failure:
            lib.expect_in("PermissionError", str(failure))
        else:
            raise lib.Failure(f"{user} could connect to the opener")

    def body():
        connection = opener.Opener()
        client = socket.socket(socket.AF_UNIX)
        client.connect(lib.BROKER_SOCKET)
        return connection.ask(client.fileno()), connection.fds

    with lib.echo() as full:
        lib.expect(lib.as_user("root", body), (None, []))
        lib.expect(full.connections, [])


def test_opener_and_bad_messages():
    """Anything malformed closes the connection, opens nothing and leaks nothing."""
    good = opener.request()
    long = b"a" * 65
    bad = {
        "nothing": b"",
        "one byte": b"\1",
        "cut short": good[:-1],
        "one byte too many": good + b"\0",
        "a kilobyte too many": good + b"\0" * 1024,
        "version 0": opener.request(version=0),
        "version 2": opener.request(version=2),
        "access 0": opener.request(access=0),
        "access 3": opener.request(access=3),
        "access 255": opener.request(access=255),
        "instance of 65": opener.request(instance=long),
        "instance with a slash": opener.request(instance=b"../kvm"),
        "instance with a NUL": opener.request(instance=b"a\0b"),
        "instance ..": opener.request(instance=b".."),
        "length without text": struct.pack("<IIBH", 1, 1, 1, 5),
        "length 65535": struct.pack("<IIBH", 1, 1, 1, 65535),
    }

    def body(data, count):
        connection = opener.Opener()
        client = socket.socket(socket.AF_UNIX)
        client.connect(lib.BROKER_SOCKET)
        try:
            connection.send(data, [client.fileno()] * count)
            reply = connection.reply()
        except (BrokenPipeError, ConnectionResetError):
            reply = None
        return reply, connection.fds

    with lib.echo() as full:
        lib.expect_in(as_broker_user(body, good, 1)[0][1], (opener.REFUSED_CLIENT,))
        pid = lib.unit_pid("doorward-opener@echo.service")
        before = lib.kinds(pid)
        for what, data in bad.items():
            reply, fds = as_broker_user(body, data, 1)
            lib.expect(fds, [], what)
            lib.expect_true(reply is None or reply[1] != opener.OK, f"{what}: {reply}")
        for count in (0, 2, 3, 100, 253):
            reply, fds = as_broker_user(body, good, count)
            lib.expect((reply, fds), (None, []), f"{count} descriptors")
        lib.expect_no_more(pid, before, "what was sent to the opener")
        lib.expect(lib.unit_pid("doorward-opener@echo.service"), pid, "the same opener")
        lib.expect(full.connections, [])


ATTACKER = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
address = int(sys.argv[2], 16)
outcome = {}

def call(name, number, *arguments):
    value = libc.syscall(number, *arguments)
    outcome[name] = "done" if value >= 0 else os.strerror(ctypes.get_errno())
    return value

class IOVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

buffer = ctypes.create_string_buffer(8)
ours = IOVec(ctypes.cast(buffer, ctypes.c_void_p), 8)
theirs = IOVec(address, 8)
call("ptrace attach", 101, 16, pid, 0, 0)
call("ptrace seize", 101, 0x4206, pid, 0, 0)
call("process_vm_readv", 310, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
call("process_vm_writev", 311, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
call("kcmp", 312, pid, os.getpid(), 0, 0, 0)
call("prlimit", 302, pid, 7, 0, ctypes.byref((ctypes.c_uint64 * 2)()))
try:
    pidfd = os.pidfd_open(pid)
    for number in range(3, 12):
        call(f"pidfd_getfd {number}", 438, pidfd, number, 0)
except OSError as error:
    outcome["pidfd_open"] = error.strerror
for name in ("mem", "environ", "maps", "auxv", "syscall", "stack"):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            file.seek(address if name == "mem" else 0)
            outcome[name] = "done" if file.read(1) else "empty"
    except (OSError, OverflowError) as error:
        outcome[name] = str(error)
try:
    with open(f"/proc/{pid}/mem", "r+b"):
        outcome["mem, to write"] = "done"
except OSError as error:
    outcome["mem, to write"] = error.strerror
try:
    for number in os.listdir(f"/proc/{pid}/fd"):
        outcome[f"fd {number}"] = "done " + os.readlink(f"/proc/{pid}/fd/{number}")
except OSError as error:
    outcome["fd"] = error.strerror
for name in ("root", "cwd", "exe", "ns/mnt"):
    try:
        outcome[name] = "done " + os.readlink(f"/proc/{pid}/{name}")
    except OSError as error:
        outcome[name] = error.strerror
outcome["uid"] = os.getuid()
print(json.dumps(outcome), flush=True)
"""


def victim():
    """The opener of echo, running; its pid and an address in it."""
    with lib.echo(), varlink.opened("echo"):
        pid = lib.unit_pid("doorward-opener@echo.service")
        mapped = next(
            line for line in lib.read(f"/proc/{pid}/maps").splitlines() if " rw-p " in line
        )
        return pid, mapped.split("-")[0]


def expect_nothing_done(outcome, where, user="doorward-opener"):
    lib.expect(outcome.pop("uid"), pwd.getpwnam(user).pw_uid, "the attacker's uid")
    lib.expect_true(len(outcome) >= 10, f"{where}: the attacks were tried: {outcome}")
    for attack, answer in outcome.items():
        lib.expect_true(not answer.startswith("done"), f"{where}: {attack}: {answer}")


def test_opener_out_of_reach_of_its_uid():
    """A program that runs as the openers' user, with no sandbox at all, cannot read, trace or take
    descriptors from an opener."""
    pid, address = victim()
    with lib.scratch() as folder:
        lib.write(f"{folder}/attacker.py", ATTACKER)
        result = lib.run(
            "/usr/bin/python3", "-I", f"{folder}/attacker.py", str(pid), address,
            user="doorward-opener",
        )
        outcome = result.expect_status(0).json()
        # The kernel lets a user see and set the limits of what runs as that user; the sandbox does not.
        outcome.pop("prlimit")
        expect_nothing_done(outcome, "no sandbox")
    lib.expect(lib.unit_pid("doorward-opener@echo.service"), pid, "the victim lives")


def test_opener_out_of_reach_of_another():
    """The same by what has taken over another opener, in that one's unit and sandbox."""
    with lib.scratch() as folder:
        lib.write(f"{folder}/attacker.py", ATTACKER)
        with contextlib.ExitStack() as stack:
            stack.enter_context(
                lib.definition("attacker", lib.ECHO.replace("sends back", "sends it back"))
            )
            pid, address = victim()
            stack.enter_context(
                lib.drop_in(
                    "doorward-opener@attacker.service",
                    f"""[Service]
Type=oneshot
ExecStart=
ExecStart=/usr/bin/python3 -I {folder}/attacker.py {pid} {address}
StandardOutput=truncate:/run/doorward-tests/attacker.out
""",
                )
            )
            lib.systemctl("start", "doorward-opener@attacker.service")
            outcome = json.loads(lib.read("/run/doorward-tests/attacker.out"))
            expect_nothing_done(outcome, "the sandbox")
            lib.expect(lib.unit_pid("doorward-opener@echo.service"), pid, "the victim lives")


def test_opener_out_of_reach_before_it_runs():
    """What waits for the moment in which an opener exists and has not run a line yet (the loader's
    work comes before its first statement) cannot get at it either: a descriptor of its memory
    would be good for ever after."""
    entry = pwd.getpwnam("doorward-opener")
    opener_path = "/usr/libexec/doorward/doorward-opener"
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME: exec stops before the first instruction
        os.execv(opener_path, [opener_path, "echo"])
    try:
        _, status = os.waitpid(pid, 0)
        lib.expect_true(os.WIFSTOPPED(status), "it stands at its exec")
        for name, mode in (("mem", "r+b"), ("environ", "rb"), ("maps", "rb")):
            code = f"open('/proc/{pid}/{name}', '{mode}', 0)"
            result = lib.run("/usr/bin/python3", "-I", "-c", code, user="doorward-opener")
            lib.expect_in("PermissionError", result.err, name)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_opener_holds_what_its_definition_says():
    """An opener runs as the openers' user with the groups of its definition, no capability, no new
    privileges, a seccomp filter, and not dumpable."""
    pid, _ = victim()
    status = dict(
        line.split(":\t", 1) for line in lib.read(f"/proc/{pid}/status").splitlines() if ":\t" in line
    )
    entry = pwd.getpwnam("doorward-opener")
    lib.expect(status["Uid"].split(), [str(entry.pw_uid)] * 4)
    groups = {int(group) for group in status["Groups"].split()} - {entry.pw_gid}
    lib.expect(groups, {int(lib.ok("getent", "group", "doorward-echo").split(":")[2])})
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        lib.expect(int(status[name], 16), 0, name)
    lib.expect(status["NoNewPrivs"], "1")
    lib.expect(status["Seccomp"], "2")
    # What is not dumpable belongs to root in /proc.
    lib.expect(os.stat(f"/proc/{pid}/environ").st_uid, 0)


def test_opener_with_too_much_power_refuses():
    """An opener that was given more than its definition says does not serve: a group too many, a
    capability too many."""
    for line in ("SupplementaryGroups=disk", "CapabilityBoundingSet=CAP_CHOWN\nAmbientCapabilities=CAP_CHOWN"):
        with lib.drop_in("doorward-opener@echo.service", f"[Service]\n{line}\n"):
            lib.run("systemctl", "stop", "doorward-opener@echo.service")
            with lib.echo():
                error = varlink.refusal("echo")
                lib.expect(error.short, "EndpointUnavailable", line)
            lib.run("systemctl", "reset-failed", "doorward-opener@echo.service")
        lib.systemctl("start", "doorward-openers.target")
        with lib.echo(), varlink.opened("echo"):
            pass
