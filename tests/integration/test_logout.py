# SPDX-License-Identifier: LGPL-2.1-or-later
"""RevokeOnLogout=: leases end with the session of whoever holds them, as logind knows it."""

import contextlib
import time

import lib
from holder import Holder

ALONE = True  # it is about milliseconds

# Read-only it can be revoked, too, and the end of a session is nothing to it.
ECHO = lib.ECHO.replace("[ReadOnly]", "[ReadOnly]\nLease=revocable").replace(
    "[Full]", "[Full]\nRevokeOnLogout=yes"
)
MANY = {"RequestRate": 1000, "RequestBurst": 1000}


@contextlib.contextmanager
def echo():
    rules = [lib.allow("echo", "full", user) for user in ("alice", "bob")]
    with lib.definition("echo", ECHO), lib.settings(**MANY):
        with lib.echo(*rules, lib.allow("echo", "read-only")) as full:
            yield full


def session_of(holder):
    """logind's name of the session, as the broker saw it."""
    found = lib.ok("doorward", "leases", "--all", "--json=short")
    sessions = {lease["id"]: lease.get("session") for lease in lib.json.loads(found)}
    return sessions[holder.leases[0]]


def expect_ended(journal, holder):
    """All of its leases, cut and on the record, while it lives. When the last one ended."""
    reasons, cut, at = holder.ends()
    lib.expect((reasons, cut), ({"logout"}, {True}))
    entries = journal.wait("the ends", len(holder.leases), MESSAGE_ID=lib.ENDED)
    found = {e["DOORWARD_LEASE"]: e["DOORWARD_REASON"] for e in entries}
    lib.expect(found, dict.fromkeys(holder.leases, "logout"))
    lib.expect_in("holder.py", lib.read(f"/proc/{holder.pid}/cmdline"), "the holder lives")
    return at


def end_session(full, end):
    """100 leases of a session, which end() ends: how long that takes."""
    first = len(full.connections)
    with Holder("bob") as bystander, Holder("alice", where="session", count=100) as holder:
        lib.expect({reply["logout"] for reply in holder.replies}, {True})
        journal = lib.Journal()
        begin = time.monotonic()
        end(holder)
        at = expect_ended(journal, holder)
        bystander.expect_held()
        lib.expect(len(full.connections), first + 101)
    full.expect_deserted(first)
    return at - begin


@lib.both_kernel_paths
def test_session_is_terminated():
    """loginctl terminate-session ends 100 leases within a second, also of a process that does not
    let itself be ended by it; nobody else's."""

    def end(holder):
        lib.ok("loginctl", "terminate-session", session_of(holder))

    with echo() as full:
        lib.expect_quick(lambda: end_session(full, end), 1, "after terminate-session", times=1)


def test_session_is_left():
    """Whoever logs out has no lease any more, within a second, though what they left running goes
    on, and the session with it (it is closing)."""

    def end(holder):
        session = session_of(holder)
        holder.leave()
        state = lib.ok("loginctl", "show-session", "--value", "--property=State", session)
        lib.expect(state.strip(), "closing")

    with echo() as full:
        lib.expect_quick(lambda: end_session(full, end), 1, "after the logout", times=1)


def test_opened_by_what_was_left_behind():
    """A process that its session has left behind opens, and has not got it for long."""
    with echo(), lib.scratch() as folder:
        script = f"{folder}/command"
        lib.write(script, f"""
exec >{folder}/out 2>&1
setsid sh -c 'while ! test -e {folder}/go; do sleep 0.1; done
doorward exec echo=0 -- sh -c "cat; sleep 1"; echo status=$?' </dev/null &
""")
        lib.run(*("chmod", "0777", folder))
        lib.login("alice", "sh", script).expect_status(0)
        journal = lib.Journal()
        lib.write(f"{folder}/go", "")
        (entry,) = journal.wait("the end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_REASON"], "logout")
        lib.wait_for(lambda: "status=" in lib.read(f"{folder}/out"), "it is over")
        lib.expect_in("ended with the session", lib.read(f"{folder}/out"))


def test_user_manager():
    """What a user's service manager has started ends with the last session of that user, and not
    before; another user's goes on."""
    with echo(), contextlib.ExitStack() as stack:
        one = stack.enter_context(Holder("alice", where="session"))
        two = stack.enter_context(Holder("alice", where="session"))
        bob = stack.enter_context(Holder("bob", where="session"))
        service = stack.enter_context(Holder("alice", where="manager", count=100))
        bobs = stack.enter_context(Holder("bob", where="manager"))
        lib.expect(session_of(service), None)
        lib.expect({reply["logout"] for reply in service.replies}, {True})
        one.leave()
        lib.expect(one.ends()[0], {"logout"})
        service.expect_held(1, "while there is another session")
        two.expect_held()

        journal = lib.Journal()
        begin = time.monotonic()
        two.leave()
        at = max(service.ends()[2], two.ends()[2])
        entries = journal.wait("the ends", 101, MESSAGE_ID=lib.ENDED)
        lib.expect({entry["DOORWARD_REASON"] for entry in entries}, {"logout"})
        lib.note(f"{1000 * (at - begin):.0f} ms after the last session")
        bob.expect_held()
        bobs.expect_held()


def test_no_session():
    """A system service's process is of no session, and is told that: logouts are nothing to it, nor
    is that its user has none. Nor are they to a lease of which RevokeOnLogout= says nothing."""
    with echo(), Holder("alice", where="service") as service, Holder("alice") as none:
        for holder in (service, none):
            lib.expect([reply["logout"] for reply in holder.replies], [False])
            lib.expect(session_of(holder), None)
        with Holder("alice", where="session", access="read_only") as unasked:
            lib.expect([reply.get("logout") for reply in unasked.replies], [None])
            unasked.leave()
            with Holder("alice", where="session") as session:
                session.leave()
                lib.expect(session.ends()[0], {"logout"})
            unasked.expect_held()
        service.expect_held(1)
        none.expect_held()
