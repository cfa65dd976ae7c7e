# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptors that the broker holds for somebody, or that are on the way: nobody has all of them."""

import os
import select
import time
import signal
import socket

import lib
import varlink
from test_another import PARAMETERS, another, leases
from test_leases import take

MANY = {"RequestRate": 1000, "RequestBurst": 1000}


def granted():
    with varlink.Client() as client:
        reply = client.open("echo", "full")
        os.close(client.fd(reply))
        return reply["state"]


def both():
    return lib.echo(lib.allow("echo", "full"), lib.allow("echo", "full", "bob"))


def limit_of(function):
    """What limit it runs into."""
    try:
        function()
    except varlink.VarlinkError as error:
        return error.short, error.parameters.get("limit")
    return None


def test_undelivered():
    """Who does not read what was granted gets no ninth; others are served. What is read at last makes
    room, and so does the end of who did not read."""

    def body(child):
        clients = [varlink.Client() for _ in range(8)]
        for client in clients:
            client.start("Open", PARAMETERS, more=True)
            lib.expect_true(select.select([client.socket], [], [], 5)[0], "an answer")
        time.sleep(5.2)  # until then they may not have had the time
        ninth = varlink.Client()
        child.tell(limit_of(lambda: ninth.open("echo", "full")))
        child.hear()
        lib.expect(clients[0].reply()["state"], "granted")
        os.close(clients[0].fds.pop())
        child.tell(granted())
        child.hear()

    with both() as full:
        with lib.Child("alice", body) as alice:
            lib.expect(alice.hear(), ("LimitExceeded", "UndeliveredPerUser"))
            lib.expect(len(full.connections), 8)
            lib.expect(lib.as_user("bob", granted), "granted", "another user")
            alice.tell()
            lib.expect(alice.hear(), "granted")
        lib.expect(lib.as_user("alice", granted), "granted")


def test_undelivered_under_a_lease():
    """The same of one that asks for more under its lease; and the connection of who does not read is
    not kept for ever by having hung up."""

    def body(child):
        client = varlink.Client()
        reply, _ = take(client, "full")
        clients = [varlink.Client() for _ in range(8)]
        for more in clients:
            more.start("Open", {**PARAMETERS, "lease": reply["lease"]})
            lib.expect_true(select.select([more.socket], [], [], 5)[0], "an answer")
        time.sleep(5.2)
        child.tell(limit_of(lambda: another(reply["lease"])))
        for more in clients:
            more.close()
        child.tell(granted())

    with both(), lib.Child("alice", body) as alice:
        lib.expect(alice.hear(), ("LimitExceeded", "UndeliveredPerUser"))
        lib.expect(alice.hear(), "granted")


def open_all(child):
    """As many as one gets, by one lease; tells how many, and what ended it, and keeps them."""
    client = varlink.Client()
    reply, data = take(client, "full")
    held, limit = [data], None
    while not limit and len(held) < 600:
        try:
            held.append(another(reply["lease"]))
        except varlink.VarlinkError as error:
            limit = error.parameters.get("limit")
    child.tell((len(held), limit))
    child.hear()


def test_limit_of_a_user():
    """DescriptorsPerUser= is a limit by name; what has ended makes room; others have their own."""

    with lib.settings(DescriptorsPerUser=20, **MANY), both():
        with lib.Child("alice", open_all) as alice:
            count, limit = alice.hear()
            lib.expect(limit, "DescriptorsPerUser")
            # One is the process, two are connections: the lease's, and the one that asks.
            lib.expect(count, 17)
            with lib.Child("alice", lambda _: limit_of(granted)) as other:
                lib.expect(other.result(), ("LimitExceeded", "DescriptorsPerUser"))
            lib.expect(lib.as_user("bob", granted), "granted")
        lib.wait_for(lambda: not leases(), "the lease ends")
        with lib.Child("alice", open_all) as alice:
            lib.expect(alice.hear(), (count, limit), "the second time")


@lib.time_limit(90)
def test_limit_of_all():
    """LimitNOFILE= of the unit, by a drop-in, is what all can have together: named when it is reached,
    and shown. A user has an eighth of it, unless the settings say otherwise."""

    def shown():
        with varlink.Client() as client:
            return client.call("GetBrokerInfo")["limits"]["LimitNOFILE"]

    try:
        with lib.drop_in("doorward.service", "[Service]\nLimitNOFILE=1500\n"):
            with lib.settings(**MANY), both():
                most = shown()
                lib.expect_true(most <= 1500 - 512, f"{most} of 1500")
                with lib.Child("alice", open_all) as alice:
                    count, limit = alice.hear()
                    lib.expect(limit, "DescriptorsPerUser")
                    lib.expect_true(most // 8 - 6 <= count < most // 8, f"{count} of {most}")
                    lib.expect(lib.as_user("bob", granted), "granted")
            with lib.settings(DescriptorsPerUser=100000, **MANY), both():
                pid = lib.broker_pid()
                with lib.Child("alice", open_all) as alice:
                    count, limit = alice.hear()
                    lib.expect(limit, "LimitNOFILE")
                    lib.expect_true(most - 6 <= count < most, f"{count} of {most}")
                    answer = lib.as_user("bob", limit_of, granted)
                    lib.expect(answer, ("LimitExceeded", "LimitNOFILE"))
                lib.wait_for(lambda: not leases(), "the lease ends")
                lib.expect(lib.as_user("bob", granted), "granted")
                lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
    finally:
        lib.restart_broker()


def test_nothing_is_left():
    """However clients go away, nothing stays with the broker: no descriptor, and no charge, which it
    asserts when it ends."""

    def leased(child):
        client = varlink.Client()
        reply, data = take(client, "full")
        return client, data, [another(reply["lease"]) for _ in range(5)]

    def held(child):
        client = varlink.Client()
        reply = client.open("echo", "full", hold=True)
        return client, another(reply["lease"])

    def unread(child):
        clients = [varlink.Client() for _ in range(4)]
        for client in clients:
            client.start("Open", PARAMETERS, more=True)
            select.select([client.socket], [], [], 5)
        return clients

    def unread_under_a_lease(child):
        client = varlink.Client()
        reply, _ = take(client, "full")
        more = varlink.Client()
        more.start("Open", {**PARAMETERS, "lease": reply["lease"]})
        select.select([more.socket], [], [], 5)
        return client, more

    def asks(child):
        clients = [varlink.Client() for _ in range(4)]
        for client in clients:
            client.start("Open", PARAMETERS, more=True)
        return clients

    def refused(child):
        return limit_of(lambda: another("0" * 32))

    def inherited(child):
        client = varlink.Client()
        found = take(client, "full")
        if os.fork() == 0:
            child.tell()
            signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
        return found

    def live(child, body):
        kept = body(child)
        child.tell()
        child.hear()
        return bool(kept)

    with lib.settings(**MANY), both() as full:
        lib.as_user("alice", granted)
        pid = lib.broker_pid()
        lib.wait_for(lambda: not leases(), "nothing is there")
        before = lib.kinds(pid)
        journal = lib.Journal()
        bodies = (leased, held, unread, unread_under_a_lease, asks, refused, inherited)
        for body in bodies:
            for ending in ("kill", "exit", "revoke", "hang up"):
                first = len(full.connections)
                with lib.Child("alice", lambda c, b=body: live(c, b)) as alice:
                    alice.hear()
                    if ending == "kill":
                        alice.kill()
                    elif ending == "revoke":
                        lib.ok("doorward", "revoke", "--user=alice")
                    elif ending == "hang up":
                        for connection in full.connections[first:]:
                            connection.shutdown(socket.SHUT_RDWR)
                    if ending != "kill" and body is not inherited:
                        alice.tell()
                        alice.result()
        lib.wait_for(lambda: not leases(), "the leases end")
        lib.expect_no_more(pid, before, "after all of these", 20)
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
        lib.systemctl("stop", "doorward.service")
        lib.expect(lib.unit_property("doorward.service", "Result"), "success")
        lib.expect(lib.unit_property("doorward.service", "ExecMainStatus"), "0")
        said = [entry.get("MESSAGE", "") for entry in journal.entries()]
        lib.expect([text for text in said if "ssertion" in str(text)], [])
