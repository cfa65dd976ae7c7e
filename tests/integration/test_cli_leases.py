# SPDX-License-Identifier: LGPL-2.1-or-later
"""The doorward command: who holds what, taking it back, and watching."""

import contextlib
import json
import os
import re
import signal
import socket
import time

import lib
import varlink

OTHER = lib.ECHO.replace("Description=A", "Description=Another")

# What is refused of others' leases ends with: no, or only after a password, which nobody is asked for.
REFUSED = (90, 91)

BOTH = (
    lib.allow("echo", "full"),
    lib.allow("echo", "read-only"),
    lib.allow("echo", "full", "bob"),
)

MANAGER = """polkit.addRule(function(action, subject) {
    if (action.id == "org.doorward.manage-leases" && subject.user == "carol")
        return polkit.Result.YES;
});
"""


def doorward(*argv, **options):
    return lib.run("doorward", *argv, **options)


def hold(child, endpoint, access):
    """What a holder's process does: opens, and then what it is told to."""
    client = varlink.Client()
    reply = client.open(endpoint, access)
    lib.expect(reply["state"], "granted")
    data = socket.socket(fileno=client.fd(reply))
    varlink.line(data.fileno())
    data.settimeout(5)
    child.tell((reply["lease"], os.getpid()))
    while True:
        order = child.hear(120)
        if order == "reason":
            client.socket.settimeout(10)
            child.tell(client.reply()["reason"])
        else:
            try:
                data.sendall(b"ping")
                child.tell(data.recv(4) == b"ping")
            except (BrokenPipeError, ConnectionResetError):
                child.tell(False)


class Holder(lib.Child):
    """A process that has an endpoint open until it is ended."""

    def __init__(self, user, endpoint="echo", access="full"):
        super().__init__(user, lambda child: hold(child, endpoint, access))
        self.lease, self.holder = self.hear()

    def works(self):
        self.tell("works")
        return self.hear()

    def reason(self):
        """Why the lease ended, as the client hears it."""
        self.tell("reason")
        return self.hear()


def leases(*argv, user=None):
    """The live leases, as they are printed for programs."""
    return doorward("leases", "--json=short", *argv, user=user).expect_status(0).json()


def ids(*argv, user=None):
    return sorted(lease["id"] for lease in leases(*argv, user=user))


def rows(*argv, user=None):
    """The table, without its headings, as lists of words."""
    out = doorward("leases", "--no-legend", *argv, user=user).expect_status(0).out
    return [line.split() for line in out.splitlines()]


def expect_hint(result, *statuses):
    """Refused as other commands are: a sentence, what to do, and the request's number."""
    result.expect_status(*statuses)
    lib.expect(result.out, "")
    for line in ("doorward: ", "Hint: ", "Request: "):
        lib.expect_in(line, result.err)


@lib.both_kernel_paths
def test_own_and_everybodys():
    """leases shows one's own; with --all, everybody's to root and to whom a rule allows it, and to
    nobody else."""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob") as bob:
        lib.expect(ids(user="alice"), [alice.lease])
        lib.expect(ids(user="bob"), [bob.lease])
        lib.expect(ids(), [])
        lib.expect(ids("--all"), sorted([alice.lease, bob.lease]))
        expect_hint(doorward("leases", "--all", user="alice"), *REFUSED)
        expect_hint(doorward("leases", "--all", user="carol"), *REFUSED)
        with lib.rule(MANAGER):
            lib.expect(ids("--all", user="carol"), sorted([alice.lease, bob.lease]))
            expect_hint(doorward("leases", "--all", user="alice"), *REFUSED)


def test_table():
    """The table names who holds what; as much of an ID stands there as tells them apart; nothing is
    left of a lease that has ended."""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob") as bob:
        out = doorward("leases", "--all").expect_status(0).out
        lib.expect(
            out.splitlines()[0].split(),
            "ID USER PID COMMAND WHERE ENDPOINT ACCESS MODE CONNECT-AS SINCE UNTIL FDS KEPT".split(),
        )
        lib.expect(len(out.splitlines()), 3, out)
        found = {row[1]: row for row in rows("--all")}
        for user, holder in (("alice", alice), ("bob", bob)):
            row = found[user]
            lib.expect_true(holder.lease.startswith(row[0]) and len(row[0]) >= 8, str(row))
            lib.expect(row[2], str(holder.holder))
            lib.expect(row[5:9], ["echo", "full", "revocable", "service"])
            lib.expect_true(re.fullmatch(r"\d\d:\d\d:\d\d", row[-4]), str(row))
            lib.expect(row[-3:-1], ["-", "1"])
            lib.expect_in(row[-1], ("yes", "no"))
    lib.wait_for(lambda: not ids("--all"), "the leases have ended")
    lib.expect(doorward("leases").expect_status(0).out, "No leases.\n")
    lib.expect(doorward("leases", "--no-legend").expect_status(0).out, "")


def test_json():
    """--json has a lease as the wire has it, with times in microseconds."""
    with lib.definition("echo", lib.ECHO.replace("[Full]", "[Full]\nMaxSec=1h")):
        with lib.echo(*BOTH), Holder("alice") as alice:
            (lease,) = leases(user="alice")
            now = time.time_ns() // 1000
            wanted = {
                "id": alice.lease,
                "uid": int(lib.ok("id", "-u", "alice")),
                "pid": alice.holder,
                "endpoint": "echo",
                "access": "full",
                "mode": "revocable",
                "connectAs": "service",
                "descriptors": 1,
            }
            lib.expect({key: lease[key] for key in wanted}, wanted)
            lib.expect_true(now - 60_000_000 < lease["since"] <= now, str(lease))
            length = lease["expires"] - lease["since"]
            lib.expect_true(abs(length - 3600_000_000) < 5_000_000, str(lease))
            lib.expect_in(lease["kept"], (True, False))
            pretty = doorward("leases", "--json=pretty", user="alice").expect_status(0)
            lib.expect(pretty.json(), [lease])
    lib.wait_for(lambda: not ids("--all"), "the lease has ended")
    lib.expect(leases(user="alice"), [])


@lib.both_kernel_paths
def test_revoke_by_id():
    """revoke cuts what an ID names, at once and on the record, and nothing else; the second time
    there is no such lease."""
    with lib.echo(*BOTH) as full, Holder("alice") as one, Holder("alice") as two:
        journal = lib.Journal()
        result = doorward("revoke", one.lease, user="alice").expect_status(0)
        lib.expect(result.out, "Ended 1 lease.\n")
        lib.expect((one.works(), one.reason()), (False, "revoked"))
        lib.expect(two.works(), True)
        (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_LEASE"], one.lease)
        lib.expect(entry["DOORWARD_REASON"], "revoked")
        lib.expect(len(full.connections), 2)
        lib.expect(ids(user="alice"), [two.lease])
        result = doorward("revoke", one.lease, user="alice").expect_status(99)
        lib.expect_in("no such lease", result.err)
        # That one is gone keeps the other not.
        result = doorward("revoke", one.lease, two.lease, user="alice").expect_status(99)
        lib.expect(result.out, "Ended 1 lease.\n")
        lib.expect(two.works(), False)


def test_revoke_by_prefix():
    """What the table shows of an ID can be revoked: one's own, and by who may also others'."""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob") as bob:
        (row,) = rows(user="alice")
        doorward("revoke", row[0], user="alice").expect_status(0)
        lib.expect((alice.works(), bob.works()), (False, True))
        (row,) = rows("--all")
        doorward("revoke", "ffffffff", user="bob").expect_status(99)
        doorward("revoke", row[0][:7], user="bob").expect_status(2)
        lib.expect(bob.works(), True)
        result = doorward("revoke", "--json=short", row[0]).expect_status(0).json()
        lib.expect((result["ended"], result["irrevocable"]), (1, 0))
        lib.expect(bob.works(), False)


def test_revoke_by_filters():
    """All of a user, all of an endpoint, and with both what is of both; that there is nothing is no
    error."""
    with lib.definition("other", OTHER), lib.echo(
        *BOTH, lib.allow_generic("other", "full"), lib.allow_generic("other", "full", "bob")
    ):
        for argv, wanted in (
            (["--user=alice"], [False, False, True, True]),
            ([f"--user={lib.ok('id', '-u', 'bob').strip()}"], [True, True, False, False]),
            (["--endpoint=other"], [True, False, True, False]),
            (["--user=bob", "--endpoint=echo"], [True, True, False, True]),
        ):
            with contextlib.ExitStack() as stack:
                holders = [
                    stack.enter_context(Holder(user, endpoint))
                    for user in ("alice", "bob")
                    for endpoint in ("echo", "other")
                ]
                out = doorward("revoke", *argv).expect_status(0).out
                lib.expect([holder.works() for holder in holders], wanted, str(argv))
                count = wanted.count(False)
                lib.expect(out, f"Ended {count} lease{'s' if count > 1 else ''}.\n", str(argv))
                out = doorward("revoke", *argv).expect_status(0).out
                lib.expect(out, "No lease to end.\n", str(argv))
            lib.wait_for(lambda: not ids("--all"), "the leases have ended")
    doorward("revoke", "--user=no-such-user").expect_status(2)
    lib.expect(doorward("revoke", "--quiet", "--user=alice").expect_status(0).out, "")


def test_revoke_own_by_filter():
    """Whoever names nobody but themselves needs no permission."""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob") as bob:
        out = doorward("revoke", "--user=alice", user="alice").expect_status(0).out
        lib.expect(out, "Ended 1 lease.\n")
        lib.expect((alice.works(), bob.works()), (False, True))


def test_revoke_of_others():
    """Others' leases end for nobody whom policy does not allow it, however they are named, and do for
    whom it does."""
    with lib.echo(*BOTH), Holder("bob") as bob:
        lib.expect(doorward("revoke", bob.lease, user="alice").status in (*REFUSED, 99), True)
        doorward("revoke", bob.lease[:8], user="alice").expect_status(99)
        expect_hint(doorward("revoke", "--user=bob", user="alice"), *REFUSED)
        expect_hint(doorward("revoke", "--user=bob", "--block=1h", user="alice"), *REFUSED)
        lib.expect(bob.works(), True)
        doorward("exec", "echo", "--", "true", user="bob").expect_status(0)
        with lib.rule(MANAGER):
            expect_hint(doorward("revoke", "--user=bob", user="alice"), *REFUSED)
            doorward("revoke", bob.lease[:10], user="carol").expect_status(0)
        lib.expect(bob.works(), False)


def open_status(user):
    return doorward("exec", "echo", "--", "true", user=user).status


@lib.time_limit(90)
def test_block():
    """--block= keeps whoever had it out of that endpoint for the time, and lets them in afterwards;
    nobody else, and also where there was nothing to end."""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob") as bob:
        out = doorward("revoke", alice.lease, "--block=5s").expect_status(0).out
        lib.expect_in("Ended 1 lease.\nWhoever had it is not let in to the same endpoint", out)
        lib.expect_in(" for 5s.\n", out)
        begin = time.monotonic()
        lib.expect(alice.works(), False)
        result = doorward("exec", "echo", "--", "true", user="alice").expect_status(90)
        lib.expect_in("Hint: ", result.err)
        lib.expect((bob.works(), open_status("bob")), (True, 0))
        # The other access is of the same endpoint.
        lib.expect(doorward("exec", "echo:ro", "--", "true", user="alice").status, 90)
        lib.wait_for(lambda: open_status("alice") == 0, "alice is let in again", 20, 0.5)
        lib.expect_true(time.monotonic() - begin > 4, "let in too soon")

        argv = ["revoke", "--user=alice", "--endpoint=echo", "--block=3s"]
        lib.wait_for(lambda: not ids(user="alice"), "alice holds nothing")
        out = doorward(*argv).expect_status(0).out
        lib.expect(out, "No lease to end.\nalice is not let in to echo for 3s.\n")
        lib.expect((open_status("alice"), open_status("bob")), (90, 0))
        lib.wait_for(lambda: open_status("alice") == 0, "alice is let in again", 20, 0.5)


@contextlib.contextmanager
def nobody_kept_out():
    """In the end alice is let in again, however far the test came."""
    try:
        yield
    finally:
        doorward("revoke", "--user=alice", "--block=0")


def test_let_in():
    """--block=0 says that somebody is let in only where that is so: not of whom somebody else keeps
    out, nor by the name of one endpoint of whom all are closed to. The hint says how it is done."""
    own = ["revoke", "--user=alice"]
    with lib.echo(*BOTH), nobody_kept_out(), Holder("alice"):
        # Of all, and of the endpoint that she had.
        out = doorward(*own, "--block=1h").expect_status(0).out
        lib.expect(out, "Ended 1 lease.\nalice is not let in for 1h.\n")
        refused = doorward("exec", "echo", "--", "true", user="alice").expect_status(90)
        result = doorward(*own, "--block=0", user="alice").expect_status(90)
        lib.expect_in("alice is kept out still.\nHint: It was not you", result.err)
        result = doorward(*own, "--endpoint=echo", "--block=0").expect_status(90)
        lib.expect_in("alice is kept out still.\nHint: It is not this endpoint alone.", result.err)
        lib.expect(open_status("alice"), 90)
        lib.expect_true(re.search(r" for another (1h|59min \d+s)\. ", refused.err), repr(refused))
        command = refused.err.split("gives it back with: ")[1].splitlines()[0]
        lib.typed(command).expect_status(0)
        lib.expect(open_status("alice"), 0)
        # One that they have made themselves they end themselves.
        doorward(*own, "--block=1h", user="alice").expect_status(0)
        doorward(*own, "--block=0", user="alice").expect_status(0)
        lib.expect(open_status("alice"), 0)


def test_revoke_of_what_is_none():
    """An endpoint that is written wrong is an error, and keeps nobody out."""
    for argv in (["--user=alice", "--block=1h"], [], ["--user=alice", "--block=0"]):
        result = doorward("revoke", "--endpoint=ehco", *argv).expect_status(88)
        lib.expect_in("There is no endpoint called ehco.", result.err)
    doorward("revoke", "--endpoint=serial").expect_status(0)
    doorward("revoke", "--endpoint=serial@ttyS0").expect_status(0)
    doorward("revoke", "--endpoint=serial@nothing").expect_status(88)


def test_tracked():
    """Of a tracked lease leases and revoke say what its end does not do, and that is so."""
    with lib.echo(*BOTH), Holder("alice", access="read_only") as alice:
        out = doorward("leases", user="alice").expect_status(0).out
        lib.expect_in("\n\nThe end of a tracked lease is recorded, but the kernel cannot", out)
        lib.expect(len(rows(user="alice")), 1)
        out = doorward("revoke", alice.lease, user="alice").expect_status(0).out
        lib.expect_in("Ended 1 lease.\nIt had handed over what the kernel cannot recall", out)
        lib.expect((alice.reason(), alice.works()), ("revoked", True))
        lib.expect(ids(user="alice"), [])


def test_revoke_usage():
    """What is to be ended has to be said, and in one way."""
    result = doorward("revoke", user="alice").expect_status(2)
    lib.expect_in("Hint: ", result.err)
    for argv in (
        ["--block=1h"],
        ["docker"],
        ["0b1f5c7d", "--user=alice"],
        ["--endpoint=docker:ro"],
        ["--user=alice", "--block=soon"],
        ["--all"],
    ):
        doorward("revoke", *argv, user="alice").expect_status(2)


class Monitor:
    """doorward monitor, with what it has printed so far."""

    def __init__(self, *argv, user=None):
        self._scratch = lib.scratch()
        self._path = f"{self._scratch.__enter__()}/out"
        with open(self._path, "wb") as out:
            self.process = lib.start(
                "doorward", "monitor", *argv, user=user, stdin=lib.subprocess.DEVNULL, stdout=out,
                stderr=lib.subprocess.PIPE,
            )

    def lines(self):
        return lib.read(self._path).splitlines()

    def wait_ready(self, user):
        """Nothing says that it has begun but what it shows, so something is made to happen."""

        def seen():
            doorward("exec", "echo", "--", "true", user=user).expect_status(0)
            time.sleep(0.2)
            return self.lines()

        lib.wait_for(seen, "the monitor shows something", 20)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.result()

    def result(self):
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._scratch.__exit__(None, None, None)


def make_events():
    """One of each kind, by alice; the lease."""
    with Holder("alice") as alice:
        doorward("revoke", alice.lease).expect_status(0)
        lib.expect(doorward("exec", "libvirt", "--", "true", user="alice").status, 91)
        return alice.lease


@lib.time_limit(90)
def test_monitor():
    """monitor shows what is granted, refused and ended, of oneself a line each, and ends on ^C."""
    with lib.echo(*BOTH), Monitor(user="alice") as own, Monitor(user="bob") as bobs:
        own.wait_ready("alice")
        bobs.wait_ready("bob")
        lib.expect(own.lines()[0].split()[:3], ["TIME", "EVENT", "USER"])
        lease = make_events()

        def of_lease():
            return [line.split() for line in own.lines() if lease in line]

        lib.wait_for(lambda: len(of_lease()) == 2, "grant and end are shown")
        granted, ended = of_lease()
        lib.expect(granted[2:4], ["granted", "alice"])
        lib.expect(granted[5:], ["echo", "full", "implicit", lease])
        lib.expect(ended[2:4], ["ended", "alice"])
        lib.expect(ended[5:], ["echo", "full", "revoked", lease])

        def refused():
            return [line.split() for line in own.lines() if " refused " in line]

        lib.wait_for(refused, "the refusal is shown")
        lib.expect(refused()[-1][5:], ["libvirt", "full", "InteractiveAuthenticationRequired", "-"])
        lib.expect([line for line in bobs.lines() if "alice" in line], [])
        lib.expect(own.end(), (0, ""))
        lib.expect(bobs.end(signal.SIGTERM), (0, ""))


@lib.time_limit(90)
def test_monitor_everybody():
    """With --all monitor shows everybody's to root and to whom a rule allows it, and to nobody else;
    with --json an object a line, as the wire has it."""
    expect_hint(doorward("monitor", "--all", user="alice"), *REFUSED)
    with lib.echo(*BOTH, MANAGER), Monitor("--all", "--json=short") as root:
        with Monitor("--all", "--json=short", user="carol") as carol:
            for monitor in (root, carol):
                monitor.wait_ready("bob")
            lease = make_events()
            for monitor in (root, carol):
                lib.wait_for(
                    lambda m=monitor: sum(lease in line for line in m.lines()) == 2,
                    "grant and end are shown",
                )
                events = [json.loads(line) for line in monitor.lines()]
                found = {event["event"]: event for event in events if event.get("lease") == lease}
                lib.expect(sorted(found), ["ended", "granted"])
                event = found["ended"]
                lib.expect(event["outcome"], "revoked")
                lib.expect({event["connectAs"] for event in found.values()}, {"service"})
                lib.expect(event["uid"], int(lib.ok("id", "-u", "alice")))
                lib.expect_true(abs(event["time"] / 1e6 - time.time()) < 60, str(event))
                lib.expect(found["granted"]["access"], "full")
                # The record has the same request.
                journal = lib.ok(
                    "journalctl", "--output=json", f"MESSAGE_ID={lib.GRANTED}",
                    f"DOORWARD_REQUEST={found['granted']['request']}",
                )
                lib.expect(json.loads(journal)["DOORWARD_LEASE"], lease)
                lib.expect(monitor.end(), (0, ""))


def test_monitor_ends():
    """monitor says that the broker has gone, by its status too; and ends quietly with its reader."""
    with lib.echo(*BOTH):
        with Monitor(user="alice") as monitor:
            monitor.wait_ready("alice")
            lib.restart_broker()
            status, err = monitor.result()
            lib.expect(status, 86, err)
            lib.expect_in("The broker has hung up", err)
        script = "doorward monitor --no-legend 2>&1 | head -n 1; echo ${PIPESTATUS[0]}"
        process = lib.start(
            "bash", "-c", script, user="alice", stdin=lib.subprocess.DEVNULL,
            stdout=lib.subprocess.PIPE,
        )
        lib.wait_for(
            lambda: (open_status("alice"), process.poll())[1] is not None, "it ends", 20, 0.2
        )
        out = process.communicate()[0].decode().splitlines()
        lib.expect((len(out), out[-1]), (2, "0"), str(out))


def test_completion():
    """The shells complete the IDs of one's own leases, endpoints and users."""
    script = """
. /usr/share/bash-completion/bash_completion
_completion_loader doorward
try() {
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _doorward
        printf '%s\\n' "${COMPREPLY[@]}"
}
try "$1"
"""
    with lib.echo(*BOTH), Holder("alice") as alice, Holder("bob"):
        prefix = alice.lease[:8]
        for line, wanted in (
            (f"doorward revoke {prefix[:4]}", prefix),
            ("doorward revoke --endpoint=ec", "echo"),
            ("doorward revoke --user=ali", "alice"),
        ):
            out = lib.ok("bash", "-c", script, "bash", line, user="alice")
            lib.expect_true(wanted in out.split(), f"bash, {line}: {out}")
        out = lib.ok("fish", "--command", "complete --do-complete 'doorward revoke '", user="alice")
        lib.expect([text.split("\t")[0] for text in out.splitlines()], [prefix])
