# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases: what a client's close and a peer's death do under each of the three modes."""

import os
import select
import signal
import socket

import lib
import varlink

MODES = """[Endpoint]
Description=One service, and each way to lease it
[ReadOnly]
ConnectStream=/run/doorward-echo/read-only
Lease={read_only}
[Full]
ConnectStream=/run/doorward-echo/full
Lease={full}
[Connect]
Groups=doorward-echo
"""


def works(data):
    """Whether the connection to the service is alive."""
    data.settimeout(5)
    try:
        data.sendall(b"ping")
        return data.recv(4) == b"ping"
    except (BrokenPipeError, ConnectionResetError):
        return False


def take(client, access, **more):
    """Opens; the reply, and the socket after its first line."""
    reply = client.open("echo", access, **more)
    data = socket.socket(fileno=client.fd(reply))
    varlink.line(data.fileno())
    return reply, data


@lib.both_kernel_paths
def test_client_close_of_a_revocable_lease():
    """revocable: closing the control connection cuts both ends, for every holder of a copy."""

    def body():
        client = varlink.Client()
        reply, data = take(client, "full")
        lib.expect(reply["mode"], "revocable")
        copy = data.dup()
        before = works(data)
        client.close()
        ready, _, _ = select.select([copy], [], [], 5)
        return before, bool(ready), copy.recv(10), works(data), reply["lease"]

    with lib.echo(lib.allow("echo", "full")) as full:
        journal = lib.Journal()
        before, ready, end, after, lease = lib.as_user("alice", body)
        lib.expect((before, ready, end, after), (True, True, b"", False))
        lib.wait_for(lambda: len(full.connections) == 1, "the service was reached once")
        (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.expect((entry["DOORWARD_REASON"], entry["DOORWARD_LEASE"]), ("client", lease))


@lib.both_kernel_paths
def test_client_close_of_a_tracked_lease():
    """tracked: closing the control connection ends the lease on the record; the descriptor goes on,
    since the kernel cannot recall it."""

    def body():
        client = varlink.Client()
        reply, data = take(client, "read_only")
        lib.expect(reply["mode"], "tracked")
        client.close()
        select.select([], [], [], 0.3)
        return works(data)

    with lib.echo(lib.allow("echo", "read-only")):
        journal = lib.Journal()
        lib.expect(lib.as_user("alice", body), True)
        (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_REASON"], "client")


def test_close_of_a_copy():
    """close(2) on the client's copy does not hang up a revocable lease, and does a tracked one."""

    def body(child, access):
        client = varlink.Client()
        _, data = take(client, access)
        data.close()
        child.tell()
        child.hear()

    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
        journal = lib.Journal()
        with lib.Child("alice", lambda c: body(c, "full")) as alice:
            alice.hear()
            select.select([], [], [], 0.3)
            lib.expect(len(full.connections), 1)
            lib.expect(select.select(full.connections, [], [], 0)[0], [], "hung up")
            lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])
            alice.tell()
            alice.result()
        lib.wait_for(
            lambda: select.select(full.connections, [], [], 0)[0], "the end of the lease hangs up"
        )


@lib.both_kernel_paths
def test_peer_death():
    """A peer that is killed ends its lease: a revocable one is cut, also for a child of the peer
    that holds both the descriptor and the control connection; a tracked one is recorded."""

    def body(child, access):
        client = varlink.Client()
        _, data = take(client, access)
        if os.fork() == 0:
            child.tell("ready")
            child.hear()
            child.tell(works(data))
            os._exit(0)
        signal.pause()

    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")):
        for access, alive in (("full", False), ("read_only", True)):
            journal = lib.Journal()
            with lib.Child("alice", lambda c, a=access: body(c, a)) as alice:
                lib.expect(alice.hear(), "ready")
                alice.kill()
                alice.reap()
                (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
                lib.expect(entry["DOORWARD_REASON"], "peer", access)
                alice.tell()
                lib.expect(alice.hear(), alive, access)


def test_lease_none():
    """none: nothing is held, the reply is the last one, and its end is nobody's business."""

    def body():
        client = varlink.Client()
        reply, data = take(client, "full")
        lib.expect(reply["mode"], "none")
        lib.expect_true(not reply.get("lease"), f"no lease: {reply}")
        client.close()
        select.select([], [], [], 0.2)
        return works(data)

    text = MODES.format(read_only="none", full="none")
    with lib.definition("echo", text), lib.echo(lib.allow("echo", "full")):
        pid = lib.broker_pid()
        journal = lib.Journal()
        lib.expect(lib.as_user("alice", body), True)
        lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])
        (entry,) = journal.entries(MESSAGE_ID=lib.GRANTED)
        lib.expect(entry["DOORWARD_MODE"], "none")
        lib.wait_for(
            lambda: "pidfd" not in str(lib.descriptors(pid)), "the broker forgets the client"
        )


def test_detached():
    """detached is for endpoints whose lease is none, without more; elsewhere it is refused."""

    def body(more):
        with varlink.Client() as client:
            parameters = {"endpoint": "echo", "access": "full", "detached": True}
            try:
                reply = client.call("Open", parameters, more=more)
            except varlink.VarlinkError as error:
                return error.short, error.parameters
            with socket.socket(fileno=client.fd(reply)) as data:
                varlink.line(data.fileno())
                client.close()
                return works(data), reply

    with lib.echo(lib.allow("echo", "full")):
        for more in (True, False):
            name, parameters = lib.as_user("alice", body, more)
            lib.expect(name, "AccessUnsupported")
            lib.expect_in("Lease=none", parameters["hint"])
        with lib.definition("echo", MODES.format(read_only="none", full="none")):
            alive, reply = lib.as_user("alice", body, False)
            lib.expect((alive, reply["mode"]), (True, "none"))


def test_leases_of_one_uid():
    """LeasesPerUser= is a limit by name, and a lease that ends gives its place back."""

    def body():
        leases = []
        for _ in range(3):
            client = varlink.Client()
            leases.append((client, *take(client, "read_only")))
        error = varlink.refusal("echo", "read_only")
        answers = [(error.short, error.parameters["limit"])]
        leases[0][0].close()
        select.select([], [], [], 0.3)
        with varlink.Client() as client:
            answers.append(client.open("echo", "read_only")["state"])
        return answers

    with lib.settings(LeasesPerUser="3"), lib.echo(lib.allow("echo", "read-only")):
        lib.expect(
            lib.as_user("alice", body), [("LimitExceeded", "LeasesPerUser"), "granted"]
        )


def test_parameters_that_do_not_go_together():
    """What makes no sense together is refused with a clear error, and never half done."""

    def body(more):
        with varlink.Client() as client:
            try:
                return client.open("echo", "full", **more)
            except varlink.VarlinkError as error:
                lib.expect(client.fds, [])
                return error.name

    with lib.echo(lib.allow("echo", "full")) as full:
        for more, error in (  # an Open with more is no call under a lease
            ({"hold": True, "detached": True}, "InvalidParameter"),
            ({"lease": "0" * 32}, "InvalidParameter"),
        ):
            answer = lib.as_user("alice", body, more)
            lib.expect(answer.rsplit(".", 1)[1], error, f"{more}")
        lib.expect(full.connections, [], "connections")


def test_client_speaks_during_its_lease():
    """On the connection of a lease nothing more is called: what comes ends neither the broker nor
    somebody else's lease."""

    def body(child):
        client = varlink.Client()
        _, data = take(client, "full")
        child.tell()
        child.hear()
        answer = works(data)
        child.tell(answer)
        child.hear()

    def rude():
        client = varlink.Client()
        take(client, "full")
        client.send_bytes(b"\0\0\0garbage" * 10000)

    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "full", "bob")):
        pid = lib.broker_pid()
        with lib.Child("alice", body) as alice:
            alice.hear()
            try:
                lib.as_user("bob", rude)
            except lib.Failure as failure:
                lib.expect_in("Closed", str(failure))
            alice.tell()
            lib.expect(alice.hear(), True)
            lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
