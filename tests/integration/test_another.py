# SPDX-License-Identifier: LGPL-2.1-or-later
"""More descriptors under a lease: for the process that has it, and for nobody else."""

import contextlib
import json
import os
import select
import socket
import sys

import lib
import varlink
from test_leases import take, works

PARAMETERS = {"endpoint": "echo", "access": "full"}


def another(lease, client=None, **more):
    """One more under this lease: the socket."""
    with client or varlink.Client() as asking:
        reply = asking.call("Open", {**PARAMETERS, "lease": lease, **more})
        lib.expect((reply["state"], reply["lease"]), ("granted", lease))
        data = socket.socket(fileno=asking.fd(reply))
    varlink.line(data.fileno())
    return data


def refused(lease, **more):
    """What error there is, and that nothing came with it."""
    with varlink.Client() as client:
        try:
            reply = client.call("Open", {**PARAMETERS, "lease": lease, **more})
        except varlink.VarlinkError as error:
            lib.expect(client.fds, [])
            return error.short, error.parameters.get("limit")
        raise lib.Failure(f"granted where a refusal was wanted: {reply}")


def leases():
    return json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))


def expect_refused(journal, lease, cause):
    """The refusal is on the record, which names the lease if there is one."""
    (entry,) = journal.wait("the refusal", MESSAGE_ID=lib.REFUSED)
    names = ("ERROR", "CAUSE", "ENDPOINT", "ACCESS", "LEASE")
    wanted = ["LeaseNotFound", cause, "echo", "full", lease]
    lib.expect([entry.get(f"DOORWARD_{name}") for name in names], wanted)


def closed(data):
    return bool(select.select([data], [], [], 5)[0]) and not data.recv(1)


# One authorization, many descriptors.


@lib.both_kernel_paths
def test_all_end_together():
    """Policy is asked once for 200 descriptors; revoke cuts all of them, and the record of the end
    has their number."""

    def body(child):
        client = varlink.Client()
        reply, data = take(client, "full")
        held = [data] + [another(reply["lease"]) for _ in range(199)]
        lib.expect(all(works(data) for data in held), True)
        child.tell(reply["lease"])
        child.hear()
        ended = client.reply()
        return ended["reason"], all(closed(data) for data in held)

    with lib.echo(lib.allow("echo", "full")) as full:
        journal = lib.Journal()
        with lib.Child("alice", body) as alice:
            lease = alice.hear()
            (found,) = leases()
            lib.expect((found["id"], found["descriptors"]), (lease, 200))
            lib.expect(len(full.connections), 200)
            lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), 1)
            lib.ok("doorward", "revoke", lease)
            full.expect_deserted()
            alice.tell()
            lib.expect(alice.result(), ("revoked", True))
        (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_OPENED"], "200")


def test_service_hangs_up_on_one():
    """A service that hangs up on one takes that one only; on the last, the lease."""

    def body(child):
        client = varlink.Client()
        reply, data = take(client, "full")
        more = another(reply["lease"])
        child.tell(reply["lease"])
        child.hear()
        child.tell((closed(data), works(more)))
        child.hear()
        return client.reply()["reason"], closed(more)

    with lib.echo(lib.allow("echo", "full")) as full, lib.Child("alice", body) as alice:
        lease = alice.hear()
        full.connections[0].shutdown(socket.SHUT_RDWR)
        alice.tell()
        lib.expect(alice.hear(), (True, True))
        (found,) = leases()
        lib.expect((found["id"], found["descriptors"]), (lease, 1))
        full.connections[1].shutdown(socket.SHUT_RDWR)
        alice.tell()
        lib.expect(alice.result(), ("backend", True))


@lib.both_kernel_paths
def test_held():
    """With hold policy is asked and nothing is opened; what comes under the lease may come and go;
    it ends with the client, as any does."""

    def body(child):
        client = varlink.Client()
        reply = client.open("echo", "full", hold=True)
        lib.expect((reply["mode"], reply.get("connection")), ("revocable", None))
        child.tell(reply["lease"])
        for _ in range(2):
            child.hear()
            data = another(reply["lease"])
            child.tell(works(data))
            child.hear()
            child.tell(closed(data))
        child.hear()
        data = another(reply["lease"])
        client.close()
        return closed(data)

    with lib.echo(lib.allow("echo", "full")) as full, lib.Child("alice", body) as alice:
        lease = alice.hear()
        lib.expect((full.connections, leases()[0]["descriptors"]), ([], 0))
        for i in range(2):
            alice.tell()
            lib.expect(alice.hear(), True)
            lib.expect(leases()[0]["descriptors"], 1)
            full.connections[i].shutdown(socket.SHUT_RDWR)
            alice.tell()
            lib.expect(alice.hear(), True)
            lib.wait_for(lambda: leases()[0]["descriptors"] == 0, "it has none")
            lib.expect(leases()[0]["id"], lease)
        alice.tell()
        lib.expect(alice.result(), True)
        lib.wait_for(lambda: not leases(), "the lease ends")


def test_held_is_ended():
    """A lease that has nothing open is revoked as any; nothing can be opened under it after that."""

    def body(child):
        client = varlink.Client()
        lease = client.open("echo", "full", hold=True)["lease"]
        child.tell(lease)
        child.hear()
        return client.reply()["reason"], refused(lease)

    with lib.echo(lib.allow("echo", "full")) as full, lib.Child("alice", body) as alice:
        lib.ok("doorward", "revoke", alice.hear())
        alice.tell()
        lib.expect(alice.result(), ("revoked", ("LeaseNotFound", None)))
        lib.expect(full.connections, [])


def test_limit_of_a_lease():
    """DescriptorsPerLease= is a limit by name, of those that are open."""

    def body(child):
        client = varlink.Client()
        reply, data = take(client, "full")
        lease = reply["lease"]
        for _ in range(3):
            another(lease).detach()
        answers = [refused(lease)]
        child.tell()
        child.hear()
        answers.append((closed(data), works(another(lease))))
        return answers

    settings = lib.settings(DescriptorsPerLease=4)
    with settings, lib.echo(lib.allow("echo", "full")) as full:
        with lib.Child("alice", body) as alice:
            alice.hear()
            lib.expect(len(full.connections), 4)
            full.connections[0].shutdown(socket.SHUT_RDWR)
            lib.wait_for(lambda: leases()[0]["descriptors"] == 3, "the place is free")
            alice.tell()
            lib.expect(alice.result(), [("LimitExceeded", "DescriptorsPerLease"), (True, True)])


def test_tracked():
    """Under a tracked lease, too; their number is known, and nothing is held."""

    def body(child):
        client = varlink.Client()
        reply, data = take(client, "read_only")
        more = another(reply["lease"], access="read_only")
        child.tell()
        child.hear()
        return client.reply()["reason"], works(data), works(more)

    with lib.echo(lib.allow("echo", "read-only")), lib.Child("alice", body) as alice:
        alice.hear()
        (found,) = leases()
        lib.expect((found["mode"], found["descriptors"]), ("tracked", 2))
        result = json.loads(lib.ok("doorward", "revoke", "--json=short", found["id"]))
        lib.expect((result["ended"], result["irrevocable"]), (1, 1))
        alice.tell()
        lib.expect(alice.result(), ("revoked", True, True))


# For whom.


@contextlib.contextmanager
def held_by_alice():
    """A lease of alice's, for which she herself can have more. Gives its id, and the service."""

    def body(child):
        client = varlink.Client()
        reply, _ = take(client, "full")
        child.tell(reply["lease"])
        child.hear(60)
        return works(another(reply["lease"]))

    users = ("alice", "bob", "root")
    with lib.echo(*[lib.allow("echo", "full", user) for user in users]) as full:
        with lib.Child("alice", body) as alice:
            lease = alice.hear()
            yield lease, full
            # It is there, and it works.
            alice.tell()
            lib.expect(alice.result(), True)


@lib.both_kernel_paths
def test_stolen():
    """A lease is of a process: another one of the same user, one of another user, and root, are
    answered as if there were none; on the record, and without anything that is opened."""
    with held_by_alice() as (lease, full):
        for user in ("alice", "bob", "root"):
            journal = lib.Journal()
            lib.expect(lib.as_user(user, refused, lease), ("LeaseNotFound", None), user)
            expect_refused(journal, lease, "a lease of another process")
        lib.expect(len(full.connections), 1)


@lib.both_kernel_paths
def test_guessed():
    """So is one that guesses; a guess costs a request, which there are not many of."""
    with lib.settings(RequestRate=1, RequestBurst=8), held_by_alice() as (lease, full):
        journal = lib.Journal()
        wrong = lease[:-1] + ("0" if lease[-1] != "0" else "1")
        lib.expect(lib.as_user("bob", refused, wrong), ("LeaseNotFound", None))
        expect_refused(journal, None, "no such lease")

        def guess():
            return [refused(f"{i:032x}") for i in range(12)]

        answers = lib.as_user("bob", guess)
        lib.expect(answers[0], ("LeaseNotFound", None))
        lib.expect(answers[-1], ("LimitExceeded", "RequestRate"))
        for bad in ("", "x", lease[:-1], lease + "0", "../" + lease[3:], "%n" * 16):
            lib.expect(lib.as_user("root", refused, bad), ("LeaseNotFound", None), repr(bad))
        lib.expect(len(full.connections), 1)


@lib.both_kernel_paths
def test_child():
    """A child of the holder, with all that the holder had: on a connection of its own it has no
    lease, on one that it has inherited it is not listened to; neither hands anything over. The
    holder's lease goes on."""

    def body(child):
        client = varlink.Client()
        reply, data = take(client, "full")
        spare = varlink.Client()
        spare.call("GetBrokerInfo")
        lease = reply["lease"]
        if os.fork() == 0:
            found = refused(lease)
            try:
                another(lease, spare)
                child.tell((found, "granted"))
            except varlink.Closed:
                child.tell((found, "closed"))
            os._exit(0)
        os.wait()
        child.hear()
        return works(data), works(another(lease)), lease

    with lib.echo(lib.allow("echo", "full")) as full:
        journal = lib.Journal()
        with lib.Child("alice", body) as alice:
            lib.expect(alice.hear(), (("LeaseNotFound", None), "closed"))
            lib.expect(len(full.connections), 1)
            alice.tell()
            *answers, lease = alice.result()
            lib.expect(answers, [True, True])
        expect_refused(journal, lease, "a lease of another process")
        journal.wait("the mismatch", MESSAGE_ID=lib.SENDER_MISMATCH)


def test_child_on_the_leases_connection():
    """A child that writes on the connection of the lease itself ends it, if anything: it has nothing
    of it."""

    def body(child):
        client = varlink.Client()
        reply, _ = take(client, "full")
        if os.fork() == 0:
            with contextlib.suppress(varlink.Closed, varlink.VarlinkError):
                client.call("Open", {**PARAMETERS, "lease": reply["lease"]})
            child.tell(client.fds)
            os._exit(0)
        os.wait()

    with lib.echo(lib.allow("echo", "full")) as full, lib.Child("alice", body) as alice:
        lib.expect(alice.hear(), [])
        lib.expect(len(full.connections), 1)
        alice.result()


EXECUTED = """
import os, sys
sys.path.insert(0, {folder!r})
sys.dont_write_bytecode = True
import test_another
print(os.getpid(), test_another.works(test_another.another(sys.argv[1])), flush=True)
"""


@lib.both_kernel_paths
def test_same_process_after_exec():
    """A process that has executed another program is the same, and has its lease still."""

    def body(script, out):
        client = varlink.Client()
        reply, _ = take(client, "full")
        client.socket.set_inheritable(True)
        os.dup2(os.open(out, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, script, reply["lease"]])

    with lib.echo(lib.allow("echo", "full")) as full, lib.scratch() as folder:
        script, out = f"{folder}/script.py", f"{folder}/out"
        lib.write(script, EXECUTED.format(folder=os.path.dirname(__file__)))
        lib.write(out, "", 0o666)
        with lib.Child("alice", lambda _: body(script, out)) as alice:
            lib.expect(alice.reap(), 0)
            lib.expect(lib.read(out), f"{alice.pid} True\n")
        lib.expect(len(full.connections), 2)


def test_of_something_else():
    """A lease is of one endpoint and one access, and of no more; nor does anything else go with it."""

    def body():
        client = varlink.Client()
        reply, _ = take(client, "full")
        lease = reply["lease"]
        return [
            refused(lease, **more)[0]
            for more in (
                {"access": "read_only"},
                {"endpoint": "libvirt"},
                {"endpoint": "no-such"},
                {"hold": True},
                {"detached": True},
                {"user": "bob"},
            )
        ]

    users = [lib.allow("echo", access) for access in ("full", "read-only")]
    with lib.echo(*users) as full:
        lib.expect(lib.as_user("alice", body), ["LeaseNotFound"] * 3 + ["InvalidParameter"] * 3)
        lib.expect(len(full.connections), 1)


def test_rule_says_no_meanwhile():
    """Policy is not asked again for one more; what it says no to meanwhile has no lease any more."""

    def body(child):
        client = varlink.Client()
        reply, _ = take(client, "full")
        child.tell()
        child.hear()
        return client.reply()["reason"], refused(reply["lease"])[0]

    with lib.echo(), lib.rule(lib.allow("echo", "full")) as path:
        with lib.Child("alice", body) as alice:
            alice.hear()
            lib.write(path, lib.allow("echo", "full", result="NO"))
            alice.tell()
            lib.expect(alice.result(), ("policy", "LeaseNotFound"))
