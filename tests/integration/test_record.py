# SPDX-License-Identifier: LGPL-2.1-or-later
"""The record: one journal entry per decision and per end, and no grant without one."""

import os
import select
import time

import lib
import varlink

FIELDS = (
    "ENDPOINT ACCESS DECISION HOW ACTION SUBJECT_UID IDENTITY_UID SUBJECT_PID SUBJECT_UNIT LEASE REQUEST"
)


def grant():
    with varlink.opened("echo", "full") as (_, reply, _):
        return reply, os.getpid()


def test_record_of_a_grant_and_its_end():
    """A grant has one entry with all fields, its end another, both with the lease."""
    with lib.echo(lib.allow("echo", "full")):
        journal = lib.Journal()
        reply, pid = lib.as_user("alice", grant)
        (entry,) = journal.wait("grant", DOORWARD_REQUEST=reply["requestId"], MESSAGE_ID=lib.GRANTED)
        for name in FIELDS.split():
            lib.expect_true(entry.get(f"DOORWARD_{name}"), f"no DOORWARD_{name} in {entry}")
        wanted = {
            "ENDPOINT": "echo",
            "ACCESS": "full",
            "DECISION": "authorized",
            "HOW": "implicit",
            "ACTION": "org.doorward.endpoint.echo.full",
            "SUBJECT_UID": lib.ok("id", "-u", "alice").strip(),
            "SUBJECT_PID": str(pid),
            "LEASE": reply["lease"],
        }
        for name, value in wanted.items():
            lib.expect(entry[f"DOORWARD_{name}"], value, name)
        lib.expect(entry["_UID"], lib.ok("id", "-u", "doorward").strip(), "who wrote it")
        (end,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.expect(end["DOORWARD_LEASE"], reply["lease"])
        # It closed its connection, and it ended: whichever was noticed first.
        lib.expect_in(end["DOORWARD_REASON"], ("client", "peer"))
        lib.expect(len(journal.entries(DOORWARD_LEASE=reply["lease"])), 2, "entries")


def test_record_of_a_session():
    """A caller in a login session is recorded with it."""
    with lib.echo(lib.allow("echo", "full")):
        journal = lib.Journal()
        lib.login("alice", "doorward", "exec", "echo", "--", "true").expect_status(0)
        (entry,) = journal.wait("grant", MESSAGE_ID=lib.GRANTED)
        lib.expect_true(entry.get("DOORWARD_SUBJECT_SESSION"), f"no session in {entry}")
        lib.expect_in("session-", entry["DOORWARD_SUBJECT_UNIT"])


def test_record_of_refusals():
    """Each refusal has one entry, with the error that the client got and the same request id."""

    def body(endpoint, access):
        error = varlink.refusal(endpoint, access)
        return error.short, error.parameters["requestId"]

    with lib.rule(lib.allow("echo", "full", result="NO"), lib.allow("echo", "read-only")):
        for endpoint, access, wanted in (
            ("echo", "full", "PermissionDenied"),
            ("echo", "read_only", "EndpointUnavailable"),
            ("libvirt", "full", "InteractiveAuthenticationRequired"),
            ("kvm", "read_only", "AccessUnsupported"),
            ("no-such-endpoint", "full", "EndpointNotFound"),
        ):
            journal = lib.Journal()
            name, request = lib.as_user("alice", body, endpoint, access)
            lib.expect(name, wanted)
            (entry,) = journal.wait("refusal", MESSAGE_ID=lib.REFUSED, DOORWARD_REQUEST=request)
            lib.expect(entry["DOORWARD_ERROR"], wanted)
            lib.expect(len(journal.entries(DOORWARD_REQUEST=request)), 1, "entries")


def test_opener_records_whom_it_served():
    """The opener's own record has the uid that it read from the client's connection."""
    with lib.echo(lib.allow("echo", "full")):
        journal = lib.Journal()
        lib.as_user("alice", grant)
        uid = lib.ok("id", "-u", "alice").strip()
        entries = journal.wait("the opener's record", DOORWARD_OPENER_UID=uid)
        lib.expect(entries[0]["_SYSTEMD_UNIT"], "doorward-opener@echo.service")


def test_opener_counts():
    """What one user opens again and again has an entry at once and then one a second, which says of
    how many: none is missing. An opener that is told to end writes what it has counted before."""

    def opens(count):
        for _ in range(count):
            grant()

    with lib.echo(lib.allow("echo", "full")):
        uid = lib.ok("id", "-u", "alice").strip()
        time.sleep(1.2)  # nothing of before is counted together with it
        journal = lib.Journal()

        def counts():
            entries = journal.entries(DOORWARD_OPENER_UID=uid, DOORWARD_OPENER_STATUS="ok")
            return [int(entry.get("DOORWARD_COUNT", 1)) for entry in entries]

        began = time.monotonic()
        lib.as_user("alice", opens, 12)
        seconds = int(time.monotonic() - began) + 1
        lib.wait_for(lambda: sum(counts()) == 12, "an entry of each")
        lib.expect_true(len(counts()) <= 2 * seconds, f"few entries: {counts()} in {seconds} s")
        lib.expect(counts()[0], 1, "the first by itself")

        time.sleep(1.2)
        journal = lib.Journal()
        lib.as_user("alice", opens, 4)
        lib.systemctl("stop", "doorward-opener@echo.service")
        lib.wait_for(lambda: sum(counts()) == 4, "an entry of each")


def test_no_client_chosen_text():
    """What a client sends as a name, and cannot be one, gets into no entry as it is."""
    ugly = "ugly\nMESSAGE_ID=ffffffffffffffffffffffffffffffff\nPRIORITY=0\x1b[31m"

    def body():
        return varlink.refusal(ugly, "full").short

    journal = lib.Journal()
    lib.expect_in(lib.as_user("alice", body), ("EndpointNotFound", "InvalidParameter"))
    for entry in journal.entries(_SYSTEMD_UNIT="doorward.service"):
        lib.expect_not_in("\n", str(entry.get("MESSAGE")))
        lib.expect_not_in("\x1b", str(entry))
        lib.expect(entry.get("MESSAGE_ID") == "f" * 32, False)


def test_forged_entries_have_their_writers_name():
    """Anybody can write an entry like the broker's; journald says that it is not the broker's, also of
    one that says it is."""
    journal = lib.Journal()
    request = f"forged-{lib.number()}"
    entry = "\n".join((f"MESSAGE_ID={lib.GRANTED}", "MESSAGE=alice got full access to echo",
                       "_SYSTEMD_UNIT=doorward.service", f"_UID={lib.ok('id', '-u', 'doorward').strip()}",
                       f"DOORWARD_REQUEST={request}", ""))
    lib.ok("logger", "--journald", user="alice", input=entry)
    (found,) = journal.wait("the forged entry", DOORWARD_REQUEST=request)
    lib.expect(found["MESSAGE_ID"], lib.GRANTED)
    lib.expect(found["_UID"], lib.ok("id", "-u", "alice").strip(), "who wrote it")
    lib.expect_true(found.get("_SYSTEMD_UNIT") != "doorward.service", "the unit is the writer's own")


def test_catalog():
    """Each kind of entry has an explanation in the journal's catalog."""
    header = lib.read(f"{lib.SOURCE}/broker/record.h")
    found = [line.split('"')[1] for line in header.splitlines() if "define RECORD_ID_" in line]
    lib.expect_true(len(found) >= 5, "message ids")
    for message_id in found:
        text = lib.ok("journalctl", "--dump-catalog", message_id)
        lib.expect_true(len(text.splitlines()) > 5, f"an explanation of {message_id}: {text!r}")


@lib.both_kernel_paths
def test_journald_stopped():
    """journald stands still and its queue is full: a grant is refused after about two seconds, what
    was opened for it is closed, and the broker goes on serving; afterwards all is as before, and the
    refusals are in the journal."""

    def refused():
        error, taken = varlink.timed(varlink.refusal, "echo", "full")
        return error.short, error.parameters, taken

    def others():
        with varlink.Client() as client:
            return varlink.timed(client.call, "GetBrokerInfo")[1]

    with lib.echo(lib.allow("echo", "full")) as full:
        lib.as_user("alice", grant)
        journal = lib.Journal()
        pid = lib.broker_pid()
        with lib.frozen("systemd-journald.service"):
            count = lib.fill_journal()
            lib.note(f"journald's queue took {count} entries")
            with lib.Child("alice", lambda _: refused()) as alice:
                lib.expect_true(lib.as_user("bob", others) < 1, "others wait")
                name, parameters, taken = alice.result()
            lib.expect(name, "EndpointUnavailable")
            lib.expect_in("journal", f"{parameters}")
            lib.expect_true(1.8 <= taken <= 4, f"refused after {taken:.2f} s")
            # What needs no record before its answer is answered at once.
            error, taken = lib.as_user(
                "bob", lambda: varlink.timed(lambda: varlink.refusal("echo", "full").short)
            )
            lib.expect(error, "InteractiveAuthenticationRequired")
            lib.expect_true(taken < 1.5, f"a refusal took {taken:.2f} s")
            request = parameters["requestId"]
        lib.wait_for(
            lambda: select.select(full.connections[1:], [], [], 0)[0], "the backend is hung up on"
        )
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
        (entry,) = journal.wait("the refusal", MESSAGE_ID=lib.REFUSED, DOORWARD_REQUEST=request)
        lib.expect(entry["DOORWARD_ERROR"], "EndpointUnavailable")
        lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])
        lib.as_user("alice", grant)


@lib.alone
def test_journald_wakes_up_in_time():
    """A grant whose entry waits for journald is granted if that comes back in time."""
    with lib.echo(lib.allow("echo", "full")):
        lib.as_user("alice", grant)
        journal = lib.Journal()
        with lib.frozen("systemd-journald.service"):
            lib.fill_journal()
            child = lib.Child("alice", lambda _: varlink.timed(grant)[1])
            select.select([], [], [], 1)
        with child:
            lib.expect_true(child.result() > 0.9, "it waited")
        journal.wait("grant", MESSAGE_ID=lib.GRANTED)


def test_journald_restarted():
    """After journald was restarted entries go to the new one."""
    with lib.echo(lib.allow("echo", "full")):
        lib.as_user("alice", grant)
        lib.systemctl("restart", "systemd-journald.service")
        journal = lib.Journal()
        lib.as_user("alice", grant)
        journal.wait("grant", MESSAGE_ID=lib.GRANTED)
