# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is asking: a peer that ends, executes, forks or hands its connection on, at each point where
the broker waits; and peers out of other namespaces.

The points: before the first message (connected), while a proof of identity is asked for, while
polkit is asked (polkit stands still), while the opener is asked (the opener stands still), while the
grant is recorded (journald stands still), and while the lease lives.
"""

import contextlib
import os
import select
import socket

import lib
import varlink

OPEN = {"endpoint": "echo", "access": "full"}


@contextlib.contextmanager
def waiting_for_policy():
    """polkit stands still: whoever opens waits for it."""
    with lib.frozen("polkit.service"):
        yield


@contextlib.contextmanager
def waiting_for_opener():
    """The opener stands still. It is started first, by an open of root's."""
    with varlink.opened("echo"):
        pass
    with lib.frozen("doorward-opener@echo.service"):
        yield


@contextlib.contextmanager
def waiting_for_record():
    """journald stands still and takes no more: a grant waits for its record."""
    with lib.frozen("systemd-journald.service"):
        lib.fill_journal()
        yield


WAITS = {
    "policy": waiting_for_policy,
    "opener": waiting_for_opener,
    "record": waiting_for_record,
}


def connect():
    """A connection that is proven already, so that Open goes at once to where it waits."""
    client = varlink.Client()
    client.call("GetBrokerInfo")
    return client


@contextlib.contextmanager
def nothing_granted():
    """No grant is recorded, the backend is reached for no longer than it takes to see that the
    client is gone, and the broker holds no more afterwards than before."""
    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
        # Whatever an open leaves for a while (the connection to the opener) is there already.
        with varlink.opened("echo"):
            pass
        pid = lib.broker_pid()
        lib.wait_for(lambda: "pidfd" not in str(lib.descriptors(pid)), "root's client is forgotten")
        before = lib.kinds(pid)
        journal = lib.Journal()
        yield journal
        lib.expect_no_more(pid, before, "what was held for the client")
        full.expect_deserted()
        lib.expect(
            [e["MESSAGE"] for e in journal.entries(MESSAGE_ID=lib.GRANTED)
             if e["DOORWARD_SUBJECT_UID"] != "0"],
            [],
            "grants",
        )
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


@lib.both_kernel_paths
def test_peer_exits_while_waiting():
    """A peer that is killed while policy or the opener is asked, or the grant is recorded, gets
    nothing, also when a child of it still holds the connection."""

    def body(child, keep_a_copy):
        client = connect()
        if keep_a_copy and os.fork() == 0:
            # Another process, with the same connection: sees it closed, and no descriptor.
            client.socket.settimeout(20)
            while True:
                try:
                    client.receive()
                    child.tell("answered")
                except varlink.Closed:
                    child.tell("closed" if not client.fds else "got a descriptor")
                    os._exit(0)
        client.start("Open", OPEN, more=True)
        child.tell("asked")
        child.hear()

    for point, wait in WAITS.items():
        for keep_a_copy in (False, True):
            with nothing_granted():
                with wait(), lib.Child("alice", lambda c: body(c, keep_a_copy)) as alice:
                    lib.expect(alice.hear(), "asked")
                    select.select([], [], [], 0.2)
                    alice.kill()
                    alice.reap()
                    if keep_a_copy:
                        lib.expect(alice.hear(10), "closed", f"{point}: the copy of the connection")


@lib.both_kernel_paths
def test_peer_hangs_up_while_waiting():
    """A peer that closes its connection while policy or the opener is asked gets nothing."""

    def body(child):
        client = connect()
        client.start("Open", OPEN, more=True)
        child.tell()
        child.hear()
        client.close()
        child.tell()
        child.hear()

    for wait in WAITS.values():
        with nothing_granted():
            with wait(), lib.Child("alice", body) as alice:
                alice.hear()
                select.select([], [], [], 0.2)
                alice.tell()
                alice.hear()
                select.select([], [], [], 0.2)
            # Thawed now; the child is gone as well.


def expect_silence(client):
    """No answer is there yet: whoever asked still waits."""
    lib.expect(select.select([client.socket], [], [], 0)[0], [], "an answer before its time")


def ask_and_wait(child, client):
    """Opens once the parent has made the broker wait, and returns when that is so."""
    child.tell("connected")
    child.hear()
    client.start("Open", OPEN, more=True)
    select.select([], [], [], 0.3)
    expect_silence(client)
    child.tell("waits")
    child.hear()
    expect_silence(client)


@contextlib.contextmanager
def waiting(point, full, alice):
    """The other side of ask_and_wait(): inside, the broker waits at this point and alice goes on."""
    before = len(full.connections)
    lib.expect(alice.hear(), "connected")
    with WAITS[point]():
        alice.tell()
        lib.expect(alice.hear(), "waits")
        # The one thing that tells from outside how far it has come.
        lib.expect(len(full.connections) - before, int(point == "record"), f"{point}: connections")
        alice.tell()
        yield


# Grants wait for their record for as long as a test needs.
PATIENT = {"AuditTimeoutSec": "20"}

# What a peer becomes. How it comes to its reply is put in.
PROGRAM = """
import sys
sys.path.insert(0, "/opt/doorward/tests/integration")
sys.dont_write_bytecode = True
import os, select, socket, varlink
client = varlink.Client(existing=socket.socket(fileno=int(sys.argv[1])))
early = bool(select.select([client.socket], [], [], 0)[0])
os.write(int(sys.argv[2]), b"early\\n" if early else b"executed\\n")
reply = {reply}
with socket.socket(fileno=client.fd(reply)) as data:
    uid = varlink.line(data.fileno()).strip()
    os.write(int(sys.argv[2]), f"{{reply['state']}} {{uid}}\\n".encode())
"""


def execute(client, output, reply):
    """Becomes that program, with the connection."""
    for fd in (client.socket.fileno(), output):
        os.set_inheritable(fd, True)
    script = PROGRAM.format(reply=reply)
    numbers = [str(client.socket.fileno()), str(output)]
    os.execv("/usr/bin/python3", ["python3", "-I", "-c", script, *numbers])


def expect_served(output, what=""):
    """What the program that was executed writes."""
    uid = lib.ok("id", "-u", "doorward-opener").strip()
    lib.expect(varlink.line(output, 15), f"granted uid={uid}\n", what)


@contextlib.contextmanager
def executing(body):
    """alice runs body(child, output). Gives her and the other end of output."""
    read_end, write_end = os.pipe()
    with lib.Child("alice", lambda child: body(child, write_end)) as alice:
        os.close(write_end)
        try:
            yield alice, read_end
            alice.reap()
        finally:
            os.close(read_end)


@lib.both_kernel_paths
def test_peer_executes_while_waiting():
    """A peer that executes another program while policy or the opener is asked, or the grant is
    recorded, is the same process, and is served."""

    def body(child, output):
        client = connect()
        ask_and_wait(child, client)
        execute(client, output, "client.reply()")

    with lib.settings(**PATIENT):
        with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
            for point in WAITS:
                with executing(body) as (alice, output):
                    with waiting(point, full, alice):
                        lib.expect(varlink.line(output), "executed\n", point)
                    expect_served(output, point)


@lib.both_kernel_paths
def test_peer_executes_before_the_first_message():
    """The same where nothing was said before."""

    def body(_, output):
        execute(varlink.Client(), output, "client.open('echo', 'full')")

    with lib.echo(lib.allow("echo", "full")), executing(body) as (_, output):
        lib.expect(varlink.line(output), "executed\n")
        expect_served(output)


def ask_for_a_nonce():
    """A connection on which a proof was asked for, and the parameters that have it."""
    client = varlink.Client()
    client.start("Open", OPEN, more=True)
    try:
        reply = client.reply()
    except varlink.VarlinkError as error:
        lib.expect(error.short, "IdentityProofRequired")
        return client, {**OPEN, "proof": error.parameters["nonce"]}
    raise lib.Failure(f"no proof was asked for: {reply}")


def test_peer_executes_with_a_nonce():
    """The same where a proof of identity was asked for: the program gives it."""

    def body(_, output):
        client, parameters = ask_for_a_nonce()
        execute(client, output, f"client.call('Open', {parameters!r}, more=True)")

    with lib.settings(IdentityProof="always"), lib.echo(lib.allow("echo", "full")):
        with executing(body) as (_, output):
            lib.expect(varlink.line(output), "executed\n")
            expect_served(output)


def test_peer_ends_with_a_nonce():
    """A peer that ends while its proof is waited for has none to give any more: neither by a child
    of it, nor by a process of the same user that got its number before the broker looked."""

    def proves(client, parameters):
        try:
            client.start("Open", parameters, more=True)
            client.expect_closed()
        except varlink.Closed:
            pass
        return "closed", client.fds

    def leaves_a_child(child):
        client, parameters = ask_for_a_nonce()
        if os.fork() == 0:
            child.hear()
            child.tell(proves(client, parameters))
            os._exit(0)

    def hands_it_over(child, end):
        client, parameters = ask_for_a_nonce()
        socket.send_fds(end, [b"x"], [client.socket.fileno()])
        child.tell(parameters)
        child.hear()

    with lib.settings(IdentityProof="always"):
        with nothing_granted(), lib.Child("alice", leaves_a_child) as alice:
            alice.result()
            alice.tell()
            lib.expect(alice.hear(), ("closed", []), "a child of it")

        ours, theirs = socket.socketpair()
        with ours, theirs, nothing_granted():
            with lib.Child("alice", lambda child: hands_it_over(child, theirs)) as first:
                parameters = first.hear()
                _, fds, _, _ = socket.recv_fds(ours, 1, 1)
                client = varlink.Client(existing=socket.socket(fileno=fds[0]))
                with lib.frozen("doorward.service"):
                    first.kill()
                    first.reap()
                    second = lib.Child("alice", lambda _: proves(client, parameters), pid=first.pid)
                    select.select([], [], [], 0.2)
                with second, client:
                    lib.expect(second.pid, first.pid, "the same pid")
                    lib.expect(second.result(), ("closed", []), "whoever got its number")


@lib.both_kernel_paths
def test_peer_forks_while_waiting():
    """A peer that forks while it waits is served; what the child says on the connection ends it."""

    def fork_and_wait(body=lambda: None):
        pid = os.fork()
        if pid == 0:
            body()
            os._exit(0)
        os.waitpid(pid, 0)

    def body(child):
        client = connect()
        ask_and_wait(child, client)
        fork_and_wait()
        expect_silence(client)
        child.tell("forked")
        reply = client.reply()
        os.close(client.fd(reply))
        # The lease lives. A child that speaks on the connection is somebody else.
        fork_and_wait(lambda: client.start("org.varlink.service.GetInfo"))
        client.expect_closed()
        return reply["state"]

    with lib.settings(**PATIENT):
        with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
            for point in WAITS:
                with lib.Child("alice", body) as alice:
                    with waiting(point, full, alice):
                        lib.expect(alice.hear(), "forked", point)
                    lib.expect(alice.result(), "granted", point)


@lib.both_kernel_paths
def test_child_speaks_on_the_connection():
    """A message from a child of the peer closes the connection, and is recorded."""

    def body():
        client = connect()
        pid = os.fork()
        if pid == 0:
            client.start("Open", OPEN, more=True)
            os._exit(0)
        os.waitpid(pid, 0)
        client.expect_closed()
        return pid

    with nothing_granted() as journal:
        pid = lib.as_user("alice", body)
        (entry,) = journal.wait("sender mismatch", MESSAGE_ID=lib.SENDER_MISMATCH)
        uid = lib.ok("id", "-u", "alice").strip()
        lib.expect_in(f"process {pid} of user {uid} wrote", entry["MESSAGE"])


@lib.both_kernel_paths
def test_child_sends_the_first_message():
    """The same where nothing was said before: the peer is who connected."""

    def body():
        client = varlink.Client()
        pid = os.fork()
        if pid == 0:
            client.start("Open", OPEN, more=True)
            os._exit(0)
        os.waitpid(pid, 0)
        client.expect_closed()

    with nothing_granted():
        lib.as_user("alice", body)


@lib.both_kernel_paths
def test_peer_ends_before_the_first_message():
    """Connect, give the connection to a child, and end: the child is not the peer, whatever it
    says, and its uid does not matter."""

    def body(child):
        client = varlink.Client()
        if os.fork() == 0:
            child.hear()
            try:
                client.start("Open", OPEN, more=True)
                client.expect_closed()
                child.tell("closed")
            except varlink.Closed:
                child.tell("closed")
            os._exit(0)
        return None

    for user in ("alice", "root"):
        with nothing_granted():
            with lib.Child(user, body) as child:
                child.result()
                child.tell()
                lib.expect(child.hear(), "closed", user)


@lib.both_kernel_paths
def test_connection_handed_to_another_user():
    """A connection of root's, or of alice's, that was passed to bob is good for nothing to bob."""
    for user in ("root", "alice"):
        ours, theirs = socket.socketpair()

        def giver(child, end=ours):
            client = connect()
            socket.send_fds(end, [b"x"], [client.socket.fileno()])
            child.tell()
            child.hear()

        def taker(end=theirs):
            _, fds, _, _ = socket.recv_fds(end, 1, 1)
            client = varlink.Client(existing=socket.socket(fileno=fds[0]))
            try:
                client.start("Open", OPEN, more=True)
                client.expect_closed()
            except varlink.Closed:
                pass
            return client.fds

        with nothing_granted() as journal:
            with lib.Child(user, giver) as child:
                child.hear()
                lib.expect(lib.as_user("bob", taker), [], "bob's descriptors")
                journal.wait("sender mismatch", MESSAGE_ID=lib.SENDER_MISMATCH)
        ours.close()
        theirs.close()


@lib.both_kernel_paths
def test_proof_by_somebody_else():
    """A nonce that another process answers proves nothing."""

    def body():
        client = varlink.Client()
        client.start("Open", OPEN, more=True)
        try:
            client.reply()
        except varlink.VarlinkError as error:
            if error.short != "IdentityProofRequired":
                return error.short
            if os.fork() == 0:
                proof = error.parameters["nonce"]
                client.start("Open", {**OPEN, "proof": proof}, more=True)
                os._exit(0)
            client.expect_closed()
            return "closed"
        return "granted"

    with lib.settings(IdentityProof="always"), nothing_granted():
        lib.expect(lib.as_user("alice", body), "closed")


# Other namespaces.

OPENER_SCRIPT = """
import sys
sys.path.insert(0, "/opt/doorward/tests/integration")
sys.dont_write_bytecode = True
import json, varlink
answers = {}
for access in ("read_only", "full"):
    try:
        with varlink.opened("echo", access) as (client, reply, fd):
            answers[access] = reply["state"]
    except varlink.VarlinkError as error:
        answers[access] = error.short
        answers[access + "-hint"] = error.parameters.get("hint")
    except varlink.Closed:
        answers[access] = "closed"
print(json.dumps(answers))
"""


def open_from(*prefix, user="root"):
    """What an open of each access comes to, by a program that runs behind this prefix."""
    result = lib.run(*prefix, "/usr/bin/python3", "-I", "-c", OPENER_SCRIPT, user=user)
    return result.expect_status(0).json()


@lib.both_kernel_paths
def test_root_of_another_pid_namespace():
    """uid 0 out of another pid namespace is refused, whatever polkit says of root."""
    with lib.echo():
        lib.expect(open_from()["full"], "granted", "root itself")
        answers = open_from("unshare", "--pid", "--fork", "--mount-proc")
        lib.expect(answers["full"], "PermissionDenied")
        lib.expect(answers["read_only"], "PermissionDenied")


@lib.both_kernel_paths
def test_root_of_another_user_namespace():
    """uid 0 in a user namespace is refused if it is the host's root, and is its owner if not."""
    with lib.echo(lib.allow("echo", "read-only"), lib.allow("echo", "full")):
        answers = open_from("unshare", "--user", "--map-root-user")
        lib.expect(answers["full"], "PermissionDenied")
        lib.expect(answers["read_only"], "PermissionDenied")
        # alice, who is root there: still alice here.
        answers = open_from("unshare", "--user", "--map-root-user", user="alice")
        lib.expect(answers["read_only"], "granted")
        lib.expect(answers["full"], "PermissionDenied")
        lib.expect_in("AllowForeignUserNamespace", answers["full-hint"])


def test_user_of_another_user_namespace():
    """AllowForeignUserNamespace= decides for other uids: read-only by default."""
    with lib.echo(lib.allow("echo", "read-only"), lib.allow("echo", "full")):
        for value, read_only, full in (
            ("no", "PermissionDenied", "PermissionDenied"),
            ("read-only", "granted", "PermissionDenied"),
            ("yes", "granted", "granted"),
        ):
            with lib.settings(AllowForeignUserNamespace=value):
                answers = open_from("unshare", "--user", user="alice")
                lib.expect((answers["read_only"], answers["full"]), (read_only, full), value)


@lib.both_kernel_paths
def test_user_of_another_pid_namespace():
    """An ordinary user in a pid namespace of its own is judged like any other."""
    with lib.echo(lib.allow("echo", "read-only")):
        answers = open_from(
            "unshare", "--pid", "--fork", "--mount-proc", "setpriv", "--reuid=alice",
            "--regid=alice", "--init-groups",
        )
        lib.expect(answers["read_only"], "granted")
        lib.expect(answers["full"], "InteractiveAuthenticationRequired")


def test_uid_that_nobody_has():
    """A uid that the user database does not know is an ordinary stranger; the overflow uid and those
    from 2^31 on are never served."""

    def body(uid):
        with contextlib.ExitStack() as stack:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            client = stack.enter_context(varlink.Client())
            try:
                return client.call("Open", OPEN, more=True)["state"]
            except varlink.VarlinkError as error:
                return error.short
            except varlink.Closed:
                return "closed"

    with lib.echo("polkit.addRule(function(a, s) { return polkit.Result.YES; });"):
        for uid in (65534, 1 << 31, (1 << 32) - 2):
            lib.expect_in(lib.as_user("root", body, uid), ("PermissionDenied", "closed"), str(uid))


@lib.both_kernel_paths
def test_pid_that_is_used_again():
    """The pid of a peer that ended, used again by another process, does not inherit the connection:
    neither when the broker knew the first peer, nor when it meets the connection only afterwards."""

    def connects(child, end):
        client = varlink.Client()
        socket.send_fds(end, [b"x"], [client.socket.fileno()])
        child.tell()
        child.hear()

    def speaks(connection):
        """Open on it, with whatever proof is asked for."""
        client = varlink.Client(existing=connection)
        try:
            client.open("echo", "full")
            return "granted"
        except varlink.VarlinkError as error:
            return error.short
        except varlink.Closed:
            return "closed"

    for met_before in (True, False):
        with nothing_granted():
            ours, theirs = socket.socketpair()
            with contextlib.ExitStack() as stack:
                if not met_before:
                    thawed = stack.enter_context(contextlib.ExitStack())
                    thawed.enter_context(lib.frozen("doorward.service"))
                with lib.Child("alice", lambda c, e=theirs: connects(c, e)) as alice:
                    alice.hear()
                    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
                    if met_before:
                        select.select([], [], [], 0.3)
                # alice's process was reaped: its number is free.
                with lib.Child("bob", lambda _, n=fds[0]: speaks(socket.socket(fileno=n)),
                               pid=alice.pid) as bob:
                    if not met_before:
                        select.select([], [], [], 0.2)
                        thawed.close()
                    lib.expect(bob.pid, alice.pid, "the same pid")
                    lib.expect_in(
                        bob.result(),
                        ("closed", "PermissionDenied", "PolicyUnavailable", "IdentityProofRequired"),
                    )
                os.close(fds[0])
            ours.close()
            theirs.close()
