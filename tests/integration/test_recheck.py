# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is open is judged again whenever policy changes: what it says no to ends, and nothing else."""

import contextlib
import os
import time

import lib
import test_authentication
import varlink
from agent import subject
from holder import Holder
from terminal import Terminal, login
from test_leases import MODES

ALONE = True  # it is about milliseconds

MANY = {"RequestRate": 1000, "RequestBurst": 1000}
BUS_NAME = "org.freedesktop.PolicyKit1"
CHANGED = f"type='signal',interface='{BUS_NAME}.Authority',member='Changed'"

# An agent that registers and leaves: polkit says both times that something has changed.
AGENT = f"""started=$(cut -d ' ' -f 22 /proc/$$/stat)
uid=$(id -u)
while read -r line; do
        busctl call {BUS_NAME} /org/freedesktop/PolicyKit1/Authority {BUS_NAME}.Authority \\
                RegisterAuthenticationAgent '(sa{{sv}})ss' unix-process 3 \\
                pid u $$ start-time t "$started" uid i "$uid" C /nowhere || exit
done
"""


@contextlib.contextmanager
def many(*users):
    """The endpoint, and these users' rule."""
    with lib.settings(**MANY), lib.echo():
        with lib.rule(*[lib.allow("echo", "full", user) for user in users]) as path:
            yield path


class Changes:
    """Counts how often polkit says that something has changed."""

    def __init__(self):
        self.process = lib.start(
            "busctl", "monitor", "--json=short", f"--match={CHANGED}",
            stdout=lib.subprocess.PIPE, stderr=lib.subprocess.STDOUT,
        )
        lib.expect_in(b"Monitoring bus", self.process.stdout.readline())
        os.set_blocking(self.process.stdout.fileno(), False)
        self._count = 0

    def count(self):
        while data := self.process.stdout.read():
            self._count += data.count(b'"Changed"')
        return self._count

    def wait(self, count):
        lib.wait_for(lambda: self.count() >= count, f"polkit says {count} times Changed", 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Agents:
    """Agents of a user who has no privileges, one after the other."""

    def __init__(self, user):
        self.process = lib.start(
            "sh", "-c", AGENT, user=user, stdin=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE
        )

    def come_and_go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _, err = self.process.communicate(timeout=30)
        lib.expect((self.process.returncode, err), (0, b""), "agents")


def change_much():
    """100 times Changed, which are about nothing that is open: agents, rules, a login."""
    with Changes() as changes, Agents("bob") as agents:
        for _ in range(28):
            agents.come_and_go()
        for i in range(20):
            lib.write(f"{lib.RULES}/50-doorward-tests-unrelated.rules", f"// {i}\n")
            time.sleep(0.02)
        lib.login("bob", "true").expect_status(0)
        changes.wait(100)
    # Until what was found is judged.
    time.sleep(1)


def expect_ended(journal, leases, reason="policy"):
    entries = journal.wait("the ends", len(leases), MESSAGE_ID=lib.ENDED)
    found = {entry["DOORWARD_LEASE"]: entry["DOORWARD_REASON"] for entry in entries}
    lib.expect(found, dict.fromkeys(leases, reason))


def end_all(end, reason="policy", endpoint="echo"):
    """100 leases. What end() does ends them; when it began to, it tells. How long that takes."""
    with Holder("alice", count=60, endpoint=endpoint) as one:
        with Holder("alice", where="session", count=40, endpoint=endpoint) as two:
            journal = lib.Journal()
            begin = end()
            ends = [holder.ends() for holder in (one, two)]
            for reasons, cut, _ in ends:
                lib.expect((reasons, cut), ({reason}, {True}))
            expect_ended(journal, one.leases + two.leases, reason)
            return max(at for _, _, at in ends) - begin


# What policy gave by itself.


@lib.both_kernel_paths
def test_rule_says_no():
    """A rule that is edited to NO ends 100 leases within a second: those that it is about."""
    yes, no = (lib.allow("echo", "full", result=result) for result in ("YES", "NO"))

    def end():
        begin = time.monotonic()
        lib.write(path, no)
        return begin

    def measure():
        lib.write(path, yes)
        lib.polkit_settle()
        return end_all(end)

    with many() as path, lib.rule(lib.allow("echo", "full", "bob")), Holder("bob") as bob:
        lib.expect_quick(measure, 1, "after the rule said NO", times=1)
        bob.expect_held()


@lib.both_kernel_paths
def test_rule_is_removed():
    """Without the rule polkit wants a password: what was given without one ends."""
    with many("alice") as path, Holder() as alice:
        lib.write(path, "")
        lib.expect(alice.ends()[:2], ({"policy"}, {True}))


def test_definition_is_removed():
    """A definition that is gone ends 100 leases within a second of the reload; one that is changed
    ends its own, too."""
    text = lib.ECHO.replace("sends back", "sends it back")
    folder = lib.DEFINITIONS

    def end():
        os.unlink(f"{folder}/other.conf")
        lib.systemctl("daemon-reload")
        begin = time.monotonic()
        lib.systemctl("reload", "--no-block", "doorward")
        return begin

    def measure():
        with lib.definition("other", text):
            return end_all(end, "definition", "other")

    with many("bob"), lib.rule(lib.allow_generic("other", "full")), Holder("bob") as bob:
        lib.expect_quick(measure, 1, "after the definition was removed", times=1)
        bob.expect_held()
        with lib.definition("other", text), Holder(endpoint="other") as alice:
            with lib.file(f"{folder}/other.conf.d/tests.conf", "[Full]\nMaxSec=1h\n"):
                lib.apply_definitions()
                lib.expect(alice.ends()[:2], ({"definition"}, {True}))


def test_polkit_is_away():
    """polkit that does not answer, or is not there, ends nothing; what it says when it is back
    does."""
    with lib.settings(PolicyTimeoutSec="1"), many("alice") as path, Holder() as alice:
        with lib.frozen("polkit.service"):
            lib.systemctl("reload", "doorward")
            alice.expect_held(1.7, "while polkit stands still")
        lib.ok("systemctl", "mask", "--runtime", "--now", "polkit.service")
        try:
            lib.write(path, lib.allow("echo", "full", result="NO"))
            alice.expect_held(1, "without polkit")
        finally:
            lib.ok("systemctl", "unmask", "--runtime", "polkit.service")
        lib.ok("systemctl", "start", "polkit.service")
        lib.expect(alice.ends()[:2], ({"policy"}, {True}))


# What rests on a password.


def live():
    """By id, the process that has it, and the access."""
    found = lib.json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
    return {lease["id"]: (lease["pid"], lease["access"]) for lease in found}


def is_kept(pid):
    """Whether polkit has kept an authorisation of this process."""
    words = ("--action-id", "org.doorward.endpoint.echo.read-only", "--process", subject(pid))
    return "temporary_authorization_id" in lib.run("pkcheck", *words).out


@contextlib.contextmanager
def both_revocable():
    """Full wants an administrator's password each time, read-only keeps it. Gives the rule."""
    text = MODES.format(read_only="revocable", full="revocable")
    with lib.definition("echo", text), test_authentication.echo():
        full = lib.allow("echo", "full", result="AUTH_ADMIN")
        with lib.rule(full, lib.allow("echo", "read-only", result="AUTH_ADMIN_KEEP")) as path:
            yield path


def give_password(terminal):
    terminal.expect("carol")
    terminal.expect("assword: ")
    terminal.answer("carol-s password")


# What is cut off is not always told why before it ends of that.
UNTIL_CUT = ("sh", "-c", "cat; sleep 1")

# It opens twice, the second time by what polkit has kept of the first.
TWICE = r"""
#include <doorward.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
        char data[256];
        doorward_conn *conns[2];
        for (int i = 0; i < 2; i++) {
                conns[i] = doorward_open_auth("echo", doorward_auth_default, DOORWARD_RO);
                if (!conns[i]) {
                        printf("refused: %s\n", doorward_get_last_error_message());
                        return 1;
                }
                printf("opened %d\n", i);
                fflush(stdout);
        }
        for (int i = 0; i < 2; i++)
                while (read(doorward_get_fd(conns[i]), data, sizeof(data)) > 0)
                        ;
        return 0;
}
"""


@lib.time_limit(120)
def test_given_for_a_password():
    """A lease that was given for an administrator's password lives on while that says nothing about
    it: through 100 changes, the end of the agent that asked, and that of what polkit has kept. It
    ends when a rule says NO."""
    command = ("doorward", "exec", "echo=0", "--", *UNTIL_CUT)
    with both_revocable() as path, lib.scratch() as folder, Terminal("alice", *command) as one:
        give_password(one)
        one.expect("uid=")
        lib.wait_for(lambda: not test_authentication.agents(), "the agent ends")
        program = test_authentication.build_opener(folder, TWICE)
        with login("alice", program) as two:
            give_password(two)
            two.expect("opened 1")
            leases = live()
            pids = {access: pid for pid, access in leases.values()}
            lib.expect(len(leases), 3)
            lib.expect(is_kept(pids["read_only"]), True, "kept")
            journal = lib.Journal()
            # It keeps this for five minutes, and only as long as it runs.
            lib.systemctl("restart", "polkit.service")
            lib.polkit_settle()
            lib.expect(is_kept(pids["read_only"]), False, "kept")
            change_much()
            lib.expect(live(), leases)
            lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])

            no = [lib.allow("echo", access, result="NO") for access in ("full", "read-only")]
            lib.write(path, "\n".join(no))
            expect_ended(journal, leases)
            one.expect("polkit no longer allows it")
            two.expect_status(0)  # both are cut


def test_given_to_an_identity():
    """What was given to somebody whom the client proved to be is judged as theirs."""
    command = ("doorward", "exec", "--user=bob", "echo=0", "--", *UNTIL_CUT)
    with test_authentication.echo(), many("bob") as path:
        with Terminal("alice", *command) as terminal:
            terminal.expect("assword: ")
            terminal.answer("bob-s password")
            terminal.expect("uid=")
            leases = live()
            # About alice it may say no: it is not she who has it.
            yes = lib.allow("echo", "full", "bob")
            lib.write(path, yes + lib.allow("echo", "full", result="NO"))
            lib.polkit_settle()
            time.sleep(1)
            lib.expect((live(), len(leases)), (leases, 1))
            journal = lib.Journal()
            lib.write(path, lib.allow("echo", "full", "bob", "NO"))
            expect_ended(journal, leases)
            terminal.expect("polkit no longer allows it")
            terminal.status()


# Much is changed.


def open_again_and_again(child):
    """How long each took."""
    taken = []
    child.tell()
    while not child.is_told():
        with varlink.Client() as client:
            reply, seconds = varlink.timed(client.open, "echo", "full")
            lib.expect(reply["state"], "granted")
            os.close(client.fd(reply))
        taken.append(seconds)
        time.sleep(0.1)
    # Who ends with something unheard has the other side's end fail before it has read the answer.
    child.hear()
    return taken


@lib.time_limit(90)
def test_policy_storm():
    """Somebody without privileges makes polkit say Changed 20 times a second, while 200 leases of
    four users live: whoever opens something is served, and nothing ends."""
    users = ("alice", "bob", "carol", "root")
    with many(*users), contextlib.ExitStack() as stack:
        holders = [stack.enter_context(Holder(user, count=50)) for user in users]
        changes = stack.enter_context(Changes())
        storm = [stack.enter_context(Agents("alice")) for _ in range(2)]
        bob = stack.enter_context(lib.Child("bob", open_again_and_again))
        bob.hear()
        begin = time.monotonic()
        for i in range(50):
            storm[i % 2].come_and_go()
            time.sleep(max(0, begin + (i + 1) / 10 - time.monotonic()))
        changes.wait(100)
        rate = changes.count() / (time.monotonic() - begin)
        bob.tell()
        taken = bob.result()
        lib.note(
            f"{rate:.0f} times Changed a second; of {len(taken)} opens the slowest took "
            f"{1000 * max(taken):.0f} ms"
        )
        lib.expect_true(len(taken) >= 5 and max(taken) < 5, f"opens took {taken} s")
        for holder in holders:
            holder.expect_held(0.5)
