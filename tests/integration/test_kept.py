# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases that outlive the broker: what is kept goes on, whatever way it ends."""

import contextlib
import os
import select
import signal
import socket
import time

import lib
import varlink

UNIT = "doorward.service"
MANY = 100


def holder(n, access="full", endpoint="echo"):
    """A body that has so many leases, and does what it is told: "count" how many of the connections
    carry bytes, "reasons" with which they ended, "end"."""

    def body(child):
        clients, sockets, kept = [], [], 0
        for _ in range(n):
            client = varlink.Client()
            reply = client.open(endpoint, access)
            data = socket.socket(fileno=client.fd(reply))
            varlink.line(data.fileno())
            data.settimeout(5)
            clients.append(client)
            sockets.append(data)
            kept += reply["kept"]
        child.tell(kept)
        while (wish := child.hear()) != "end":
            if wish == "count":
                child.tell(sum(map(carries, sockets)))
            elif wish == "reasons":
                child.tell(reasons(clients))
        return None

    return body


def carries(data):
    try:
        data.sendall(b"ping")
        return data.recv(4) == b"ping"
    except (BrokenPipeError, ConnectionResetError):
        return False


def reasons(clients):
    """How many were told what; those that live were told nothing."""
    counts = {}
    for client in clients:
        word = "none"
        if select.select([client.socket], [], [], 0)[0]:
            try:
                word = client.reply()["reason"]
            except varlink.Closed:
                word = "closed"
        counts[word] = counts.get(word, 0) + 1
    return counts


def ask(child, wish):
    child.tell(wish)
    return child.hear()


def leases():
    return [
        lease for lease in lib.json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
    ]


def restart():
    lib.systemctl("restart", UNIT)


def kill():
    pid = lib.broker_pid()
    os.kill(pid, signal.SIGKILL)
    lib.wait_for(
        lambda: lib.unit_pid(UNIT) not in (0, pid) and lib.unit_is_active(UNIT),
        "systemd starts another",
    )


def stored():
    return int(lib.unit_property(UNIT, "NFileDescriptorStore"))


def go_on(end):
    """All of them go on over this end of the broker, and can be ended as before."""
    settings = {"RequestRate": "1000", "RequestBurst": "1000"}
    with lib.settings(**settings), lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", holder(MANY)) as alice:
            lib.expect(alice.hear(), MANY, "what is kept, by the grants")
            lib.wait_for(lambda: stored() >= 2 * MANY + 1, "systemd has all")
            before = {lease["id"]: lease for lease in leases()}
            end()
            lib.expect(ask(alice, "count"), MANY, "carry bytes")
            after = {lease["id"]: lease for lease in leases()}
            lib.expect(after, before, "the leases")
            lib.expect(ask(alice, "reasons"), {"none": MANY}, "told meanwhile")

            # One, and then the rest.
            first = min(after)
            lib.ok("doorward", "revoke", first)
            lib.expect(ask(alice, "count"), MANY - 1, "carry bytes after one was revoked")
            journal = lib.Journal()
            lib.ok("doorward", "revoke", "--user=alice")
            lib.expect(ask(alice, "count"), 0, "carry bytes after all were revoked")
            lib.expect(ask(alice, "reasons"), {"revoked": MANY}, "told")
            lib.expect(
                len(journal.wait("end", MESSAGE_ID=lib.ENDED, count=MANY - 1)), MANY - 1, "recorded"
            )
            lib.wait_for(lambda: stored() == 0, "systemd keeps nothing of them")
            alice.tell("end")
            alice.result()


@lib.both_kernel_paths
def test_restart():
    """systemctl restart interrupts none of a hundred connections, and loses none."""
    go_on(restart)


@lib.both_kernel_paths
def test_killed():
    """Nor does a broker that is killed."""
    go_on(kill)


@lib.alone
def test_time_runs_on():
    """MaxSec= is kept to across a restart, to the moment."""
    text = lib.read("/etc/doorward/endpoints.d/echo.conf").replace("[Full]", "[Full]\nMaxSec=4s")
    with lib.definition("echo", text), lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", holder(3)) as alice:
            began = time.monotonic()
            alice.hear()
            lib.wait_for(lambda: stored() >= 7, "systemd has all")
            restart()
            lib.expect(ask(alice, "count"), 3, "before its time")
            lib.wait_for(lambda: ask(alice, "count") == 0, "after its time", timeout=8)
            passed = time.monotonic() - began
            lib.expect_true(3.9 < passed < 6, f"after {passed:.1f} s")
            lib.expect(ask(alice, "reasons"), {"expired": 3})
            alice.tell("end")
            alice.result()


def test_ended_meanwhile():
    """What ends while no broker runs is over: a process that ended, a client that hung up, a
    service that did; a definition that was changed, a rule that says no."""
    with lib.echo(lib.allow("echo", "full")) as full, lib.drop_in(UNIT, "[Service]\nRestartSec=2s\n"):
        with contextlib.ExitStack() as stack:
            # One after the other: the first connection is of her who has two.
            alice = stack.enter_context(lib.Child("alice", holder(2)))
            alice.hear()
            other = stack.enter_context(lib.Child("alice", holder(1)))
            other.hear()
            lib.wait_for(lambda: stored() >= 7, "systemd has all")
            journal = lib.Journal()
            os.kill(lib.broker_pid(), signal.SIGKILL)
            os.kill(other.pid, signal.SIGKILL)
            full.connections[0].shutdown(socket.SHUT_RDWR)
            lib.wait_for(lambda: lib.unit_pid(UNIT) != 0, "a broker", timeout=10)
            entries = journal.wait("ends", MESSAGE_ID=lib.ENDED, count=2)
            lib.expect(
                sorted(entry["DOORWARD_REASON"] for entry in entries), ["backend", "peer"]
            )
            lib.expect(len(leases()), 1)
            lib.expect(ask(alice, "count"), 1)
            alice.tell("end")
            alice.result()


def test_policy_changed_meanwhile():
    """A rule that says no while no broker runs ends what is kept once there is one."""
    with lib.echo(), lib.drop_in(UNIT, "[Service]\nRestartSec=2s\n"):
        with lib.Child("alice", _open_by_rule) as alice:
            with lib.rule(lib.allow("echo", "full")):
                alice.tell()
                alice.hear()
                lib.wait_for(lambda: stored() >= 3, "systemd has it")
                os.kill(lib.broker_pid(), signal.SIGKILL)
            lib.expect(alice.result(), "policy")


def _open_by_rule(child):
    child.hear()
    client = varlink.Client()
    client.open("echo", "full")
    child.tell()
    return client.reply()["reason"]


def test_blocks_are_kept():
    """Who is kept out stays so across a restart, for as long as was said."""

    def body():
        with varlink.Client() as client:
            try:
                return client.open("echo", "full")["state"]
            except varlink.VarlinkError as error:
                return error.short

    with lib.echo(lib.allow("echo", "full")):
        lib.ok("doorward", "revoke", "--user=alice", "--endpoint=echo", "--block=1h")
        for end in (restart, kill):
            lib.wait_for(lambda: stored() == 1, "systemd has it")
            end()
            lib.expect(lib.as_user("alice", body), "PermissionDenied")
        lib.ok("doorward", "revoke", "--user=alice", "--block=0")
        lib.expect(lib.as_user("alice", body), "granted")


def test_more_than_are_kept():
    """What there is no room for is told so in its grant, ends with a restart, and says restart; the
    others go on. A stop ends all, with shutdown."""
    settings = {"KeptLeasesMax": "6", "RequestRate": "1000", "RequestBurst": "1000"}
    with lib.settings(**settings), lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", holder(8)) as alice:
            lib.expect(alice.hear(), 3, "what is kept, by the grants")
            lib.wait_for(lambda: stored() >= 7, "systemd has three")
            lib.expect(sum(lease["kept"] for lease in leases()), 3)
            restart()
            lib.expect(ask(alice, "count"), 3, "carry bytes")
            lib.expect(ask(alice, "reasons"), {"none": 3, "restart": 5})
            alice.tell("end")
            alice.result()
        with lib.Child("alice", holder(8)) as alice:
            alice.hear()
            lib.wait_for(lambda: stored() >= 7, "systemd has three")
            lib.systemctl("stop", UNIT)
            lib.expect(ask(alice, "count"), 0, "carry bytes")
            lib.expect(ask(alice, "reasons"), {"shutdown": 8})
            alice.tell("end")
            alice.result()
        lib.systemctl("start", UNIT)
        lib.expect(leases(), [])


@lib.time_limit(180)
def test_many():
    """Thousands of leases, and as many are kept as there is room for: a restart works, keeps those,
    and each other one is told."""
    settings = {
        "KeptLeasesMax": "512", "LeasesPerUser": "10000", "RequestRate": "100000",
        "RequestBurst": "100000", "DescriptorsPerUser": "10000",
    }
    # Those that are of no use to the store are many, and it makes no difference.
    groups = [("alice", "read_only", 450)] * 5 + [("bob", "read_only", 450)] * 5
    groups += [("carol", "full", 250)] * 2
    rules = [lib.allow("echo", access.replace("_", "-"), user=user)
             for user, access, _ in sorted(set(groups))]
    with lib.settings(**settings), lib.echo(*rules):
        children = [lib.Child(user, holder(n, access)) for user, access, n in groups]
        lib.expect(sum(child.hear(timeout=150) for child in children), 256, "kept")
        lib.wait_for(lambda: stored() >= 2 * 256 + 1, "systemd has them", timeout=10)
        restart()
        totals = {}
        for child in children:
            for word, n in ask(child, "reasons").items():
                totals[word] = totals.get(word, 0) + n
        lib.expect(totals, {"none": 256, "restart": 5000 - 256})
        lib.expect(len(leases()), 256)
        for child in children:
            child.tell("end")
            child.result()


def test_reload_drops_nothing():
    """A reload ends no lease of what has not changed."""
    with lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", holder(5)) as alice:
            alice.hear()
            lib.systemctl("reload", UNIT)
            lib.expect(ask(alice, "count"), 5)
            lib.expect(ask(alice, "reasons"), {"none": 5})
            alice.tell("end")
            alice.result()


def test_state_that_cannot_be_read():
    """A state that nobody can read leaves no connection that nobody can end."""
    with lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", holder(2)) as alice:
            alice.hear()
            lib.wait_for(lambda: stored() >= 5, "systemd has all")
            spoil()
            kill()
            lib.expect(ask(alice, "count"), 0)
            lib.expect(leases(), [])
            alice.tell("end")
            alice.result()


def spoil():
    """Writes over the state, of which the broker has a copy."""
    folder = f"/proc/{lib.broker_pid()}/fd"
    (memfd,) = [
        f"{folder}/{name}"
        for name in os.listdir(folder)
        if "memfd:" in os.readlink(f"{folder}/{name}")
    ]
    with open(memfd, "r+b", buffering=0) as file:
        for offset in range(0, os.fstat(file.fileno()).st_size, 4096):
            os.pwrite(file.fileno(), b"x" * 64, offset)
