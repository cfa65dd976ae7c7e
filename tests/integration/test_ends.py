# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the end of a lease does to unmodified programs and to the services that they talk to."""

import contextlib
import os
import select
import signal
import time

import lib
import test_libvirt
import test_postgres
import varlink
from terminal import Terminal
from test_leases import take

ALONE = True  # it is about milliseconds

QUICK = 0.1


def leases(endpoint):
    """The live ones of an endpoint."""
    found = lib.json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
    return {lease["id"]: lease for lease in found if lease["endpoint"] == endpoint}


@contextlib.contextmanager
def new_lease(endpoint):
    """Gives a function that returns the one that was opened meanwhile."""
    before = leases(endpoint)

    def find():
        (lease,) = [lease for key, lease in leases(endpoint).items() if key not in before]
        return lease

    yield find


@contextlib.contextmanager
def time_limited(endpoint):
    """MaxSec= by a drop-in, as an administrator writes it."""
    path = f"{lib.DEFINITIONS}/{endpoint}.conf.d/tests.conf"
    try:
        with lib.file(path, "[Full]\nMaxSec=1s\n"):
            lib.apply_definitions()
            yield
    finally:
        os.rmdir(os.path.dirname(path))
        lib.apply_definitions()


# How a lease ends; each gives the time at which it was to.


def revoke(lease):
    begin = time.time()
    lib.ok("doorward", "revoke", lease["id"])
    return begin


def kill_holder(lease):
    begin = time.time()
    os.kill(lease["pid"], signal.SIGKILL)
    return begin


def wait_for_expiry(lease):
    lib.expect_true(abs(lease["expires"] - lease["since"] - 1e6) < 1000, f"a second: {lease}")
    return lease["expires"] / 1e6


# The kernel closes what a process has open before it says that the process has ended.
REASONS = {
    revoke: ("revoked",),
    kill_holder: ("peer", "client"),
    wait_for_expiry: ("expired",),
}


def expect_reason(journal, lease, reasons):
    (entry,) = journal.wait("the end", DOORWARD_LEASE=lease["id"], MESSAGE_ID=lib.ENDED)
    lib.expect_in(entry["DOORWARD_REASON"], reasons, "reason")


def expire():
    """Opens now and then. By how much too late the last of them ended."""
    held, late = [], []
    for _ in range(10):
        client = varlink.Client()
        held.append((client, *take(client, "full")))
        time.sleep(0.04)
    for client, reply, data in held:
        lib.expect(client.reply()["reason"], "expired")
        late.append(time.time() - reply["expires"] / 1e6)
        lib.expect(data.recv(1), b"")
    lib.expect_true(min(late) >= 0, f"not before its time: {late}")
    return max(late)


@lib.both_kernel_paths
def test_expiry():
    """MaxSec= is kept to whenever in a second something was opened: never before its time, and within
    100 ms of it."""
    with time_limited("echo"), lib.echo(lib.allow("echo", "full")):
        lib.expect_quick(lambda: lib.as_user("alice", expire), QUICK, "the latest of ten", times=1)


def test_why():
    """doorward stdio that ends because it was cut off says why, each time; so does doorward exec if
    its command lives a little longer than its connection."""
    commands = (("stdio", "echo"), ("exec", "echo=0", "--", "sh", "-c", "cat; sleep 0.2"))
    with lib.echo(lib.allow("echo", "full")):
        for command in commands * 5:
            process = lib.start(
                "doorward", *command, user="alice", stdin=lib.subprocess.PIPE,
                stdout=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE,
            )
            lib.expect_in(b"uid=", process.stdout.readline())
            lib.ok("doorward", "revoke", "--user=alice")
            _, err = process.communicate(timeout=10)
            lib.expect(err, b"doorward: The lease on echo was revoked.\n", command[0])


# psql and PostgreSQL.


@contextlib.contextmanager
def psql(folder):
    """One that stays open. Gives what it talks to it by, and the pid of the server's process."""
    process = lib.start(
        "psql", "-X", "-A", "-t", "-h", folder, "-U", "app", "-d", "postgres", user="alice",
        stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE,
    )
    try:
        process.stdin.write(b"select pg_backend_pid();\n")
        process.stdin.flush()
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def backends():
    """The processes in which the server serves somebody by the name of app."""
    words = ("psql", "-X", "-A", "-t", "-h", "/run/postgresql", "-d", "postgres", "-c")
    sql = "select pid from pg_stat_activity where usename = 'app'"
    return [int(pid) for pid in lib.ok(*words, sql, user="postgres").split()]


def time_of_end(pidfd):
    lib.expect_true(select.select([pidfd], [], [], 10)[0], "the server's process ends")
    return time.time()


def end_psql(folder, end):
    """How long it takes from what ends its lease until the server has let go of it."""
    with new_lease("postgresql") as find, psql(folder) as (process, backend):
        lib.expect(backends(), [backend])
        lease = find()
        pidfd = os.pidfd_open(backend)
        with lib.Child("root", lambda _: time_of_end(pidfd)) as watcher:
            journal = lib.Journal()
            begin = end(lease)
            seen = watcher.result()
        os.close(pidfd)
        lib.expect(backends(), [])
        _, err = process.communicate(b"select 1;\n", timeout=10)
        lib.expect_in(b"server closed the connection", err)
        expect_reason(journal, lease, REASONS[end])
        return seen - begin


@lib.time_limit(120)
def test_psql():
    """A psql that is open is cut within 100 ms of doorward revoke, of the end of MaxSec=, and of the
    death of what holds its lease; PostgreSQL sees it gone."""
    with test_postgres.server(), lib.rule(lib.allow("postgresql", "full")):
        with test_postgres.forwarded() as folder:
            for end in (revoke, kill_holder):
                lib.expect_quick(lambda e=end: end_psql(folder, e), QUICK, end.__name__)
            with time_limited("postgresql"):
                lib.expect_quick(lambda: end_psql(folder, wait_for_expiry), QUICK, "expiry", 2)


# virsh and libvirtd.


def libvirt_sockets():
    """Those that libvirtd has open."""
    found = lib.descriptors(lib.unit_pid("libvirtd.service")).values()
    return {target for target in found if target.startswith("socket:")}


def clients():
    """How many libvirtd has, by its own account."""
    out = lib.ok("virt-admin", "client-list", "libvirtd")
    return len([line for line in out.splitlines()[2:] if line.strip()])


@contextlib.contextmanager
def virsh():
    """One with somebody at it."""
    before = libvirt_sockets()
    with Terminal("alice", "virsh", "--quiet", "--connect", test_libvirt.FULL) as terminal:
        terminal.type("list\n")
        terminal.expect("running")
        sockets = libvirt_sockets() - before
        lib.expect(len(sockets), 1, "connections to libvirtd")
        yield terminal, sockets


def time_of_hang_up(sockets):
    pid = lib.unit_pid("libvirtd.service")
    lib.wait_for(
        lambda: not sockets & set(lib.descriptors(pid).values()), "libvirtd hangs up", 10, 0.001
    )
    return time.time()


def end_virsh(end):
    """How long it takes from what ends its lease until libvirtd has let go of it."""
    with new_lease("libvirt") as find, virsh() as (terminal, sockets):
        before = clients()
        lease = find()
        with lib.Child("root", lambda _: time_of_hang_up(sockets)) as watcher:
            journal = lib.Journal()
            begin = end(lease)
            seen = watcher.result()
        lib.expect((before, clients()), (1, 0))
        terminal.expect("Disconnected from")
        expect_reason(journal, lease, REASONS[end])
        return seen - begin


@contextlib.contextmanager
def libvirt():
    lib.systemctl("start", "libvirtd.service", "libvirtd-admin.socket")
    with lib.rule(lib.allow("libvirt", "full")):
        yield


@lib.time_limit(120)
def test_virsh():
    """The same of a virsh that somebody sits at, and of libvirtd."""
    with libvirt():
        for end in (revoke, kill_holder):
            lib.expect_quick(lambda e=end: end_virsh(e), QUICK, end.__name__)
        with time_limited("libvirt"):
            lib.expect_quick(lambda: end_virsh(wait_for_expiry), QUICK, "expiry", 2)


@lib.time_limit(90)
def test_virsh_is_kept_out():
    """virsh connects again by itself. With --block= it cannot, until that is over."""
    with libvirt(), new_lease("libvirt") as find, virsh() as (terminal, sockets):
        terminal.type("list\n")
        terminal.expect("running")
        lib.ok("doorward", "revoke", find()["id"], "--block=4s")
        begin = time.monotonic()
        time_of_hang_up(sockets)
        terminal.expect("Disconnected from")
        terminal.type("list\n")
        terminal.expect("is not given again for another")
        lib.expect(leases("libvirt"), {})
        time.sleep(max(0, begin + 4.1 - time.monotonic()))
        terminal.type("list\n")
        terminal.expect("running")
        lib.expect(len(leases("libvirt")), 1)

        # And without it, it can.
        lib.ok("doorward", "revoke", find()["id"])
        terminal.expect("Disconnected from")
        terminal.type("list\n")
        terminal.expect("running")


# What cannot be recalled.


def test_tracked():
    """The end of a tracked lease is on the record, and what was handed over goes on: the record, the
    command and the list say so in plain words. Who closes it themselves is told no such thing."""
    words = "goes on until its holder closes it: the kernel cannot recall it."
    file = "[Endpoint]\nDescription=A file\n[ReadOnly]\nOpenFile=/run/doorward-echo/file\n"
    name = "/run/doorward-echo/file"
    with lib.file(name, "before\n"), lib.definition("file", file):
        with lib.echo(lib.allow_generic("file", "read-only")):
            script = "read a; echo $a; read b </dev/tty; read a; echo $a; cat </dev/tty"
            command = ("doorward", "exec", "file:ro=0", "--", "sh", "-c", script)
            with Terminal("alice", *command) as terminal:
                terminal.expect("before")
                (lease,) = leases("file")
                lib.expect_in("kernel cannot", lib.ok("doorward", "leases", "--all"))
                journal = lib.Journal()
                out = lib.ok("doorward", "revoke", lease)
                lib.expect_in("Ended 1 lease.\nIt had handed over what the kernel cannot", out)
                terminal.expect("doorward: ")
                terminal.expect("was revoked")
                (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
                lib.expect(
                    (entry["DOORWARD_REASON"], entry["DOORWARD_MODE"]), ("revoked", "tracked")
                )
                lib.expect_in(words, entry["MESSAGE"])
                lib.expect(leases("file"), {})
                with open(name, "a", encoding="ascii") as more:
                    more.write("after\n")
                terminal.type("\n")
                terminal.expect("after")
            journal = lib.Journal()
            lib.ok("doorward", "exec", "file:ro", "--", "true", user="alice")
            (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
            lib.expect_not_in("goes on", entry["MESSAGE"])
