# SPDX-License-Identifier: LGPL-2.1-or-later
"""ConnectAs=client: the service sees the user who asks, with the definition's groups; and that user
gets nothing more by the process that is them for a moment."""

import contextlib
import errno
import glob
import grp
import os
import pty
import pwd
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import lib
import opener
import test_install
import test_opener
import varlink

MINE = """[Endpoint]
Description=A service that sees who asks
[ReadOnly]
ConnectStream=/run/doorward-echo/read-only
[Full]
ConnectStream=/run/doorward-echo/full
[Connect]
ConnectAs=client
Groups=doorward-echo
"""

UNIT = "doorward-opener@mine.service"
SO_PEERGROUPS = 59


def allowed(*users, access="full"):
    return [lib.allow_generic("mine", access.replace("_", "-"), user) for user in users]


@contextlib.contextmanager
def mine(*rules, text=MINE):
    with lib.definition("mine", text), lib.rule(*(rules or allowed("alice", "bob"))):
        yield


def first_line(endpoint="mine"):
    """As a client, what the service says first."""
    with varlink.opened(endpoint, "full") as (_, _, fd):
        return varlink.line(fd)


def leases_meanwhile():
    """As a client, what is shown of its lease."""
    with varlink.opened("mine", "full"):
        return (
            lib.run("doorward", "leases", "--json=short").json(),
            lib.ok("doorward", "leases", "--no-legend"),
        )


def refusal(access="full", more=None):
    """As a client, how it is refused: the error, its errno, and all that it says."""
    error = varlink.refusal("mine", access, **(more or {}))
    return error.name.rsplit(".", 1)[1], error.parameters.get("errno"), str(error.parameters)


def groups_of(connection):
    """Of whom the service has accepted."""
    credentials = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, 17, 12))
    data = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 400)
    return credentials, struct.unpack(f"{len(data) // 4}I", data)


@lib.both_kernel_paths
def test_service_sees_the_client():
    """Each client is itself to the service, by uid, with no group but the definition's and the
    opener's own, and cannot get there without doorward. Lists, replies and records say so."""
    ids = grp.getgrnam("doorward-echo").gr_gid, pwd.getpwnam("doorward-opener").pw_gid
    with mine(), lib.echo() as full:
        journal = lib.Journal()
        for user in ("alice", "bob", "alice"):
            uid = pwd.getpwnam(user).pw_uid
            lib.expect(lib.as_user(user, first_line), f"uid={uid}\n")
            (_, seen, gid), groups = groups_of(full.connections[-1])
            lib.expect((seen, gid), (uid, ids[1]))
            lib.expect(set(groups) - {ids[1]}, {ids[0]}, "its other groups")
        direct = lib.run("socat", "-u", "UNIX-CONNECT:/run/doorward-echo/full", "-", user="alice")
        lib.expect_in("Permission denied", direct.err, "the group alone opens it")

        uid = str(pwd.getpwnam("bob").pw_uid)
        (granted,) = journal.wait("the grant", MESSAGE_ID=lib.GRANTED, DOORWARD_SUBJECT_UID=uid)
        lib.expect(granted["DOORWARD_CONNECT_AS"], "client")
        (opened,) = journal.wait("the opener's own", DOORWARD_OPENER_UID=uid, _SYSTEMD_UNIT=UNIT)
        lib.expect(opened["DOORWARD_OPENER_STATUS"], "ok")
        row = next(
            line for line in lib.ok("doorward", "list", user="alice").splitlines() if "mine" in line
        )
        lib.expect_in(" client ", row)
        lib.expect_in("sees you", lib.ok("doorward", "explain", "mine", user="alice"))

        # And so do leases.
        (lease,), table = lib.as_user("alice", leases_meanwhile)
        lib.expect(lease["connectAs"], "client")
        lib.expect(table.split()[7:9], ["revocable", "alice"])


def test_only_such_openers_can_become_others():
    """One capability and the two system calls are theirs, and no other opener's."""
    with mine():
        lib.expect(lib.unit_property(UNIT, "CapabilityBoundingSet"), "cap_setuid")
        lib.expect(lib.unit_property(UNIT, "User"), "doorward-opener")
        lib.expect(lib.unit_property(UNIT, "TasksMax"), "129", "one that comes for each that ends")
        calls = lib.unit_property(UNIT, "SystemCallFilter").split()
        lib.expect_true({"setresuid", "capset"} <= set(calls), "what it takes")
        for name in ("setuid", "setgroups", "setfsuid", "kill", "ptrace", "pidfd_getfd"):
            lib.expect_not_in(name, calls)
        others = lib.unit_property("doorward-opener@echo.service", "SystemCallFilter").split()
        lib.expect_not_in("setresuid", others)
        lib.expect_not_in("capset", others)
        for line in ("NoNewPrivileges", "RestrictSUIDSGID", "PrivateNetwork", "PrivateDevices"):
            lib.expect(lib.unit_property(UNIT, line), "yes", line)
        lib.expect_true(test_install.exposure(UNIT) <= 0.9, "its score of units/README.md")
        # A power more than the definition's, and it does not run.
        with lib.drop_in(UNIT, "[Service]\nGroup=doorward-echo\n"), lib.echo() as full:
            lib.expect(lib.as_user("alice", refusal)[0], "EndpointUnavailable")
            lib.expect(full.connections, [])


def test_root_is_refused():
    """Nothing is opened as root, whoever asks: the broker says so before policy is asked, with a
    hint, and so does the opener to a broker that does not."""
    with mine(), lib.echo() as full:
        result = lib.run("doorward", "exec", "mine", "--", "true")
        lib.expect_in("never as root", result.err)
        lib.expect_in("runuser", result.err)
        lib.expect_in("never as root", lib.run("doorward", "explain", "mine").out)

        def body(accepted):
            connection = opener.Opener("mine")
            answer = connection.ask(
                accepted.fileno(), definition=opener.definition_of("mine"))
            return answer, len(connection.fds)

        with test_opener.connection_of("root") as accepted:
            (status, detail), fds = lib.as_user("doorward", body, accepted)
            lib.expect((status, fds), (opener.REFUSED_CLIENT, 0))
            lib.expect_in("root", detail)
        lib.expect(full.connections, [])
        with test_opener.connection_of("bob") as accepted:
            lib.expect(lib.as_user("doorward", body, accepted), ((opener.OK, ""), 1), "of a user")


def test_another_identity_is_refused():
    """doorward://bob@/ is refused before anybody is asked for a password."""
    with mine(), lib.echo() as full:
        journal = lib.Journal()
        more = {"user": "bob", "allowInteractiveAuthentication": True}
        error, _, text = lib.as_user("alice", refusal, "full", more)
        lib.expect(error, "AccessUnsupported")
        lib.expect_in("become that user first (su - USER)", text)
        (refused,) = journal.wait("the refusal", MESSAGE_ID=lib.REFUSED)
        lib.expect(refused["DOORWARD_ERROR"], "AccessUnsupported")
        lib.expect(full.connections, [])


FILE = """[ReadOnly]
OpenFile={folder}/{name}
[Full]
OpenFile={folder}/{name}
[Connect]
ConnectAs=client
Groups=doorward-echo
"""


def read_whole(access):
    with varlink.opened("mine", access) as (_, _, fd):
        return os.read(fd, 100)


def test_files_as_the_client():
    """A file is opened with the client's own permissions, and those of the definition's groups: what
    is only alice's she gets and bob does not; what is the group's both get, as far as it may."""
    rules = allowed("alice", "bob") + allowed("alice", "bob", access="read_only")
    with lib.scratch() as folder:
        with lib.file(f"{folder}/own", "own", 0o600, "alice"):
            with mine(*rules, text=FILE.format(folder=folder, name="own")):
                lib.expect(lib.as_user("alice", read_whole, "read_only"), b"own")
                lib.expect(lib.as_user("alice", read_whole, "full"), b"own")
                answer = lib.as_user("bob", refusal, "read_only")
                lib.expect(answer[:2], ("EndpointUnavailable", 13))
        with lib.file(f"{folder}/group", "group", 0o640, "root", "doorward-echo"):
            with mine(*rules, text=FILE.format(folder=folder, name="group")):
                for user in ("alice", "bob"):
                    lib.expect(lib.as_user(user, read_whole, "read_only"), b"group")
                    answer = lib.as_user(user, refusal, "full")
                    lib.expect(answer[:2], ("EndpointUnavailable", 13), "nobody may write it")


DEVICE = """[Full]
OpenFile={path}
[Connect]
ConnectAs=client
Groups=dialout
Device=char:{driver}
"""


@contextlib.contextmanager
def terminal(owner, group, mode):
    """The path of a terminal line that is somebody's."""
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    try:
        lib.shutil.chown(path, owner, group)
        os.chmod(path, mode)
        yield path
    finally:
        os.close(slave)
        os.close(master)


def write_to_line():
    with varlink.opened("mine", "full") as (_, _, fd):
        return os.isatty(fd), os.write(fd, b"x")


def test_devices_as_the_client():
    """A device is opened with the client's own permissions, and those of the definition's groups; of
    another driver than Device= it is refused."""

    def outcome(user, owner, group, mode, driver="pts"):
        with terminal(owner, group, mode) as path:
            with mine(text=DEVICE.format(path=path, driver=driver)):
                try:
                    return lib.as_user(user, write_to_line)
                except lib.Failure:
                    name, number, text = lib.as_user(user, refusal)
                    lib.expect(name, "EndpointUnavailable")
                    return number, "is not a device of the definition's Device=" in text

    for user in ("alice", "bob"):
        lib.expect(outcome(user, "root", "dialout", 0o660), (True, 1), "the group's")
        lib.expect(outcome(user, "root", "root", 0o600), (errno.EACCES, False), "nobody's")
    lib.expect(outcome("alice", "alice", "root", 0o600), (True, 1), "her own")
    lib.expect(outcome("bob", "alice", "root", 0o600), (errno.EACCES, False), "somebody else's")
    lib.expect(outcome("alice", "alice", "dialout", 0o660, "ttyS"), (0, True), "another driver's")


def test_template_as_the_client():
    """An instance of a template is the client's own connection, too; one that it does not name is
    nobody's."""
    text = MINE.replace("who asks\n", "who asks\nInstance=f*\n")
    text = text.replace("[ReadOnly]\nConnectStream=/run/doorward-echo/read-only\n", "")
    text = text.replace("/full", "/%i")
    rules = [lib.allow_generic("mine", "full", user) for user in ("alice", "bob")]
    with lib.definition("mine@", text), lib.rule(*rules), lib.echo():
        for user in ("alice", "bob"):
            line = lib.as_user(user, first_line, "mine@full")
            lib.expect(line, f"uid={pwd.getpwnam(user).pw_uid}\n")
        error = lib.as_user("alice", varlink.refusal, "mine@read-only", "full")
        lib.expect(error.short, "EndpointNotFound")


@contextlib.contextmanager
def status_service():
    """A service that answers each request in HTTP, with who asks. Gives the requests that it got."""
    path, requests = "/run/doorward-echo/read-only", []

    def serve(connection):
        with connection:
            (_, uid, _), _ = groups_of(connection)
            while data := connection.recv(4096):
                requests.append(data)
                body = b"%d" % uid
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with lib.Backend(path) as backend:
        threading.Thread(target=accept, args=(backend.socket,), daemon=True).start()
        yield requests


def ask_status(*wanted):
    """Asks through the read-only view: of each request, what its answer has in it."""
    with varlink.opened("mine", "read_only") as (_, reply, fd):
        lib.expect(reply["mode"], "revocable")
        with socket.socket(fileno=os.dup(fd)) as connection:
            connection.settimeout(10)
            for request, words in wanted:
                connection.send(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = ""
                while words not in answer:
                    data = connection.recv(4096).decode()
                    lib.expect_true(data, f"{words!r} after {answer!r}")
                    answer += data


def test_filter_as_the_client():
    """With Filter= the service sees the client as well, behind whose connection the filter stands:
    what that does not pass never gets there."""
    text = MINE.replace("[Full]", "Filter=docker status\n[Full]")
    rules = allowed("alice", "bob", access="read_only")
    with mine(*rules, text=text), status_service() as got:
        for user in ("alice", "bob"):
            uid = pwd.getpwnam(user).pw_uid
            ping, inspect = ("GET /_ping", f"\r\n{uid}"), ("GET /containers/one/json", " 403 ")
            lib.as_user(user, ask_status, ping, inspect)
        lib.expect([request.split()[1] for request in got], [b"/_ping"] * 2)


def test_peer_user_holds():
    """Who made the listening socket is looked at here, too."""
    with mine(text=MINE + "PeerUser=bob\n"), lib.echo():
        name, _, reason = lib.as_user("alice", refusal)
        lib.expect(name, "EndpointUnavailable")
        lib.expect_in("PeerUser=bob", reason)


# The worker, held where it stays longest: at a service whose queue is full.


@contextlib.contextmanager
def full_queue():
    """The service of mine takes no connections. Gives its Backend."""
    path = "/run/doorward-echo/full"
    with lib.Backend(path, backlog=0) as backend, contextlib.ExitStack() as stack:
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            try:
                filler.connect(path)
            except BlockingIOError:
                break
        yield backend


def workers(user="alice"):
    found = lib.run("pgrep", "--euid", user, "--full", "doorward-opener mine").out.split()
    return [int(pid) for pid in found]


@contextlib.contextmanager
def held(user="alice", env=None):
    """A process that asks, and the worker that waits for it."""
    process = lib.start(
        "doorward", "exec", "mine", "--", "true", user=user, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        (worker,) = lib.wait_for(lambda: workers(user), "its worker")
        # It has become the client, and connects.
        lib.wait_for(lambda: "socket" in "".join(lib.descriptors(worker).values()), "it connects")
        yield process, worker
    finally:
        process.kill()
        process.communicate()


def status_of(pid):
    lines = lib.read(f"/proc/{pid}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def expect_cut_off(process, words, within=10):
    out, err = process.communicate(timeout=within)
    lib.expect_true(process.returncode not in (0, None), f"it was refused: {out} {err}")
    lib.expect_in(words, err)
    lib.expect_in("Try again", err)


def test_worker_holds_nothing_more():
    """It is the client in every respect but its group, with the definition's groups, without any
    capability and any way to more; of descriptors it has its own five."""
    with mine(), full_queue(), held() as (_, worker):
        status = status_of(worker)
        alice, own = pwd.getpwnam("alice").pw_uid, pwd.getpwnam("doorward-opener")
        lib.expect(status["Uid"].split(), [str(alice)] * 4)
        lib.expect(status["Gid"].split(), [str(own.pw_gid)] * 4)
        groups = {int(group) for group in status["Groups"].split()} - {own.pw_gid}
        lib.expect(groups, {grp.getgrnam("doorward-echo").gr_gid})
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            lib.expect(int(status[name], 16), 0, name)
        lib.expect((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        lib.expect(os.stat(f"/proc/{worker}/environ").st_uid, 0, "it is not dumpable")
        targets = sorted(lib.descriptors(worker).values())
        lib.expect(len(targets), 5, f"descriptors: {targets}")
        lib.expect(sum("socket:" in target for target in targets), 2, f"{targets}")
        lib.expect(targets[0], "/", f"{targets}")
        lib.expect_in(f"/proc/{worker}/mountinfo", targets)
        lib.expect_in("/run/doorward-echo/full", targets)
        parent = lib.unit_pid(UNIT)
        lib.expect(status["PPid"], str(parent))
        lib.expect(status_of(parent)["Uid"].split(), [str(own.pw_uid)] * 4)


def test_worker_out_of_reach_of_its_user():
    """Its user, without any sandbox, cannot trace it, read or write its memory, take its descriptors,
    or change its limits: the definition's groups are not to be had by it."""
    with mine(), lib.scratch() as folder, full_queue(), held() as (_, worker):
        lib.write(f"{folder}/attacker.py", test_opener.ATTACKER)
        mapped = next(
            line for line in lib.read(f"/proc/{worker}/maps").splitlines() if " rw-p " in line
        )
        command = ("/usr/bin/python3", "-I", f"{folder}/attacker.py", str(worker))
        result = lib.run(*command, mapped.split("-")[0], user="alice").expect_status(0)
        test_opener.expect_nothing_done(result.json(), "its user", "alice")
        lib.expect(workers(), [worker], "it lives")


def test_environment_of_the_client():
    """What the client has in its environment stays there: the worker has the unit's, and none of the
    libraries that the client was told to load."""
    library = glob.glob("/usr/lib/*/libz.so.1")[0]
    hostile = {
        "LD_PRELOAD": library,
        "LD_LIBRARY_PATH": "/tmp",
        "GLIBC_TUNABLES": "glibc.malloc.perturb=7",
        "DOORWARD_DEFINITION": "0" * 64,
    }
    with mine(), full_queue(), held(env=hostile) as (process, worker):
        name = os.path.basename(os.path.realpath(library))
        lib.expect_in(name, lib.read(f"/proc/{process.pid}/maps"), "the client has it")
        lib.expect_not_in(name, lib.read(f"/proc/{worker}/maps"), "the worker")
        environment = lib.read(f"/proc/{worker}/environ")
        lib.expect(environment, lib.read(f"/proc/{lib.unit_pid(UNIT)}/environ"), "that of the unit")
        for key in ("LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "0" * 64):
            lib.expect_not_in(key, environment)


def end_of(pid, folder, kill):
    """How a process ends, as its tracer hears it."""
    trace = f"{folder}/trace-{pid}"
    tracer = lib.start("strace", "-qq", "-e", "trace=none", "-o", trace, "-p", str(pid))
    try:
        lib.wait_for(lambda: status_of(pid)["TracerPid"] != "0", "it is traced")
        kill()
        tracer.wait(10)
    finally:
        tracer.kill()
    return lib.read(trace)


def test_worker_leaves_no_core():
    """A signal by which processes leave a core leaves none of a worker; of any other of the same user
    it does, where the system writes cores beside them."""
    with mine(), lib.scratch() as folder, full_queue():
        for number in (signal.SIGSEGV, signal.SIGQUIT, signal.SIGABRT):
            with held() as (process, worker):
                limits = lib.read(f"/proc/{worker}/limits")
                lib.expect_true(re.search(r"^Max core file size +0 +0 ", limits, re.M), limits)
                ended = end_of(
                    worker, folder,
                    lambda: lib.ok("kill", f"-{number.value}", str(worker), user="alice"))
                lib.expect_in(f"killed by {number.name} +++", ended)
                expect_cut_off(process, "was ended")

        lib.shutil.chown(folder, "alice")
        if "/" not in lib.read("/proc/sys/kernel/core_pattern"):
            plain = lib.start(
                "sh", "-c", "ulimit -c unlimited; exec sleep 60", user="alice", cwd=folder)
            lib.wait_for(lambda: status_of(plain.pid)["Name"] == "sleep", "it sleeps")
            ended = end_of(plain.pid, folder, lambda: plain.send_signal(signal.SIGSEGV))
            plain.wait()
            lib.expect_in("(core dumped)", ended)


def test_worker_killed():
    """Its user can end it: that is an error to that user, at once, and to nobody else."""
    with mine(), full_queue() as backend:
        with held("bob") as (other, _):
            pid = lib.unit_pid(UNIT)
            for number in (signal.SIGKILL, signal.SIGSEGV):
                with held() as (process, worker):
                    lib.run("kill", f"-{number.value}", str(worker), user="alice").expect_status(0)
                    begin = time.monotonic()
                    expect_cut_off(process, "was ended")
                    lib.expect_true(time.monotonic() - begin < 3, "at once")
            lib.expect(lib.unit_pid(UNIT), pid, "the same opener")
            # Room for one.
            backend.serve()
            lib.expect(other.wait(10), 0, "bob's was not disturbed")
            lib.expect(lib.as_user("alice", first_line), f"uid={pwd.getpwnam('alice').pw_uid}\n")


@lib.time_limit(90)
def test_worker_stopped():
    """Its user can stop it: the client hears so within seconds, others are served meanwhile, and the
    kernel ends what nobody else could, so that nothing stays."""
    with mine(), full_queue() as backend, held() as (process, worker):
        lib.run("kill", "-STOP", str(worker), user="alice").expect_status(0)
        backend.serve()
        lib.expect(lib.as_user("bob", first_line), f"uid={pwd.getpwnam('bob').pw_uid}\n")
        lib.expect(workers(), [worker], "it stands still")
        expect_cut_off(process, "stands still")
        lib.wait_for(lambda: not workers(), "it is gone")
        lib.expect(lib.as_user("alice", first_line), f"uid={pwd.getpwnam('alice').pw_uid}\n")


def test_workers_end_with_the_opener():
    """An opener that ends leaves no process of its clients' users, not even a stopped one."""
    with mine(), full_queue(), held() as (process, worker):
        lib.run("kill", "-STOP", str(worker), user="alice").expect_status(0)
        os.kill(lib.unit_pid(UNIT), signal.SIGKILL)
        lib.wait_for(lambda: not os.path.exists(f"/proc/{worker}"), "the worker is gone", 2)
        process.communicate(timeout=20)
        lib.expect_true(process.returncode != 0, "it was refused")


def test_many_of_one_user():
    """One user has so many workers and no more, and others are served beside them."""
    room = lib.settings(ConnectionsPerUser=64)
    with room, mine(), full_queue() as backend, contextlib.ExitStack() as stack:
        words = ("sh", "-c", "for i in $(seq 20); do doorward exec mine -- true & done; wait")
        many = lib.start(*words, user="alice", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
        stack.callback(many.kill)
        lib.wait_for(lambda: len(workers()) == 16, "all that she can have")
        with held("bob") as (other, _):
            backend.serve()
            lib.expect(other.wait(10), 0)
        text = many.communicate(timeout=20)[0]
        lib.expect_in("Too many of your requests", text)
        lib.wait_for(lambda: not workers(), "all are gone")


def test_user_without_processes_left():
    """A user who may have no more processes (RLIMIT_NPROC) is served: what acts as them was there
    before, and executes nothing."""

    def body():
        resource.setrlimit(resource.RLIMIT_NPROC, (5, 5))
        try:
            os.fork()
        except BlockingIOError:
            return first_line()
        os._exit(0)

    # The openers' user has one limit for all of them, those of other containers on this machine
    # included: it is one that these do not reach, and alice has.
    with mine(), lib.echo(), contextlib.ExitStack() as stack:
        lib.systemctl("stop", "doorward-opener@*.service")
        for _ in range(60):
            stack.callback(lib.start("sleep", "60", user="alice").kill)
        with lib.drop_in(UNIT, "[Service]\nLimitNPROC=50\n"):
            line = lib.as_user("alice", body)
            lib.expect(line, f"uid={pwd.getpwnam('alice').pw_uid}\n")
            limits = lib.read(f"/proc/{lib.unit_pid(UNIT)}/limits")
            lib.expect_true(re.search(r"^Max processes +50 +50 ", limits, re.M), limits)
