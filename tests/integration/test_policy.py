# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit decides: rules take effect at the next open, and no way in which polkit fails grants."""

import fcntl
import os
import pty
import re
import select
import signal
import termios
import time

import lib
import varlink


def outcome(endpoint="echo", access="full", **more):
    """What an open comes to: "granted", or the error's name."""
    with varlink.Client() as client:
        try:
            return client.open(endpoint, access, **more)["state"]
        except varlink.VarlinkError as error:
            return error.short


@lib.both_kernel_paths
def test_rule_takes_effect_at_the_next_open():
    """A rule edit takes effect on the next open, with no restart of anything."""
    with lib.echo():
        pid, polkit = lib.broker_pid(), lib.unit_pid("polkit.service")
        lib.expect(lib.as_user("alice", outcome), "InteractiveAuthenticationRequired")
        with lib.rule(lib.allow("echo", "full")):
            lib.expect(lib.as_user("alice", outcome), "granted")
            lib.expect(lib.as_user("bob", outcome), "InteractiveAuthenticationRequired")
            lib.expect(
                lib.as_user("alice", outcome, "echo", "read_only"),
                "InteractiveAuthenticationRequired",
            )
        with lib.rule(lib.allow("echo", "full", result="NO")):
            lib.expect(lib.as_user("alice", outcome), "PermissionDenied")
        lib.expect(lib.as_user("alice", outcome), "InteractiveAuthenticationRequired")
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")
        lib.expect(lib.unit_pid("polkit.service"), polkit, "the same polkit")


def test_refusals_say_what_would_help():
    """A refusal names the action and what an administrator would do, a challenge its mechanisms."""
    with lib.echo():
        error = lib.as_user("alice", lambda: vars(varlink.refusal("echo", "full")))
        lib.expect(error["parameters"]["action"], "org.doorward.endpoint.echo.full")
        lib.expect_in("agent", error["parameters"]["mechanisms"])
        lib.expect_true(error["parameters"]["hint"], "a hint")
        with lib.rule(lib.allow("echo", "full", result="NO")):
            error = lib.as_user("alice", lambda: vars(varlink.refusal("echo", "full")))
            lib.expect(error["parameters"]["action"], "org.doorward.endpoint.echo.full")
            lib.expect_true(error["parameters"]["hint"], "a hint")


def test_details_that_rules_may_use():
    """A rule sees endpoint, access, kind and connect-as; no instance or user where there is none."""
    picky = """polkit.addRule(function(action, subject) {
    if (action.id == "org.doorward.endpoint.echo.full" && action.lookup("endpoint") == "echo" &&
        action.lookup("access") == "full" && action.lookup("kind") == "stream" &&
        action.lookup("connect-as") == "service" && action.lookup("instance") === undefined &&
        action.lookup("user") === undefined && subject.user == "alice")
        return polkit.Result.YES;
});
"""
    with lib.echo(picky):
        lib.expect(lib.as_user("alice", outcome), "granted")
    with lib.echo(picky.replace('"stream"', '"device"')):
        lib.expect(lib.as_user("alice", outcome), "InteractiveAuthenticationRequired")


def test_session_of_the_subject():
    """polkit judges the peer's own process: a login session is seen as one, a service as none."""
    with lib.echo(
        """polkit.addRule(function(action, subject) {
    if (action.id == "org.doorward.endpoint.echo.full" && subject.session)
        return polkit.Result.YES;
});
"""
    ):
        lib.expect(lib.as_user("alice", outcome), "InteractiveAuthenticationRequired")
        lib.login("alice", "doorward", "exec", "echo", "--", "true").expect_status(0)


def test_generic_action():
    """An endpoint without actions of its own is judged by the generic one."""
    other = lib.ECHO.replace("sends back", "sends it back")
    with lib.definition("other", other), lib.echo(lib.allow_generic("other", "full")):
        lib.expect(lib.as_user("alice", outcome, "other"), "granted")
        lib.expect(lib.as_user("bob", outcome, "other"), "InteractiveAuthenticationRequired")
        lib.expect(lib.as_user("alice", outcome, "echo"), "InteractiveAuthenticationRequired")
        # With its own, the rule about the generic one is about something else.
        lib.ok("doorward", "policy", "--install", "other")
        try:
            lib.polkit_settle()
            lib.wait_for(
                lambda: lib.as_user("alice", outcome, "other") != "granted",
                "the installed action counts",
            )
            with lib.rule(lib.allow("other", "full")):
                lib.expect(lib.as_user("alice", outcome, "other"), "granted")
        finally:
            lib.ok("doorward", "policy", "--remove", "other")
        lib.wait_for(
            lambda: lib.as_user("alice", outcome, "other") == "granted",
            "the generic action counts again",
        )


# What happens to polkit. PolicyTimeoutSec= is short here, so that nobody waits.


def refused_in_time(minimum, maximum, **more):
    """The refusal, which must be PolicyUnavailable and take so long."""

    def body():
        return varlink.timed(lambda: vars(varlink.refusal("echo", "full", **more)))

    error, taken = lib.as_user("alice", body, timeout=60)
    lib.expect(error["name"], f"{varlink.BROKER}.PolicyUnavailable")
    lib.expect_true(error["parameters"]["hint"], "a hint")
    lib.expect_true(minimum <= taken <= maximum, f"refused after {taken:.2f} s")


def serves_others():
    """What needs no policy is answered at once."""

    def body():
        with varlink.Client() as client:
            client.call("org.varlink.service.GetInfo")
            client.call("GetBrokerInfo")
            client.call("ListEndpoints")

    _, taken = varlink.timed(lib.as_user, "bob", body)
    lib.expect_true(taken < 1, f"others waited {taken:.2f} s")


@lib.both_kernel_paths
def test_polkit_stopped():
    """polkit stands still (SIGSTOP): refused at the deadline, and others are served meanwhile."""
    with lib.settings(PolicyTimeoutSec="2"):
        with lib.echo(lib.allow("echo", "full")):
            lib.expect(lib.as_user("alice", outcome), "granted")
            journal = lib.Journal()
            with lib.frozen("polkit.service"):
                with lib.Child("alice", lambda _: varlink.timed(outcome)) as alice:
                    serves_others()
                    answer, taken = alice.result()
                    lib.expect(answer, "PolicyUnavailable")
                    lib.expect_true(1.9 <= taken <= 4, f"refused after {taken:.2f} s")
                refused_in_time(1.9, 4)
            # And it goes on as soon as polkit does.
            lib.expect(lib.as_user("alice", outcome), "granted")
            lib.expect(len(journal.entries(MESSAGE_ID=lib.GRANTED)), 1, "grants")


def test_client_timeout_is_shorter():
    """A client's own time-out ends its wait earlier, with TimedOut."""

    def body():
        return varlink.timed(outcome, timeout=500)

    with lib.echo(lib.allow("echo", "full")), lib.frozen("polkit.service"):
        answer, taken = lib.as_user("alice", body)
        lib.expect(answer, "TimedOut")
        lib.expect_true(0.4 <= taken <= 2, f"after {taken:.2f} s")


def test_polkit_killed():
    """polkit is killed in the middle of a question: no grant, others are served, and the next open
    has a new polkit."""
    with lib.settings(PolicyTimeoutSec="5"), lib.echo(lib.allow("echo", "full")):
        pid = lib.broker_pid()
        lib.expect(lib.as_user("alice", outcome), "granted")
        journal = lib.Journal()
        with lib.frozen("polkit.service") as polkit:
            with lib.Child("alice", lambda _: varlink.timed(outcome)) as alice:
                select.select([], [], [], 0.3)
                os.kill(polkit, signal.SIGKILL)
                serves_others()
                answer, taken = alice.result()
                lib.expect(answer, "PolicyUnavailable")
                lib.expect_true(taken < 6, f"refused after {taken:.2f} s")
        serves_others()
        lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])
        lib.wait_for(lambda: lib.as_user("alice", outcome) == "granted", "polkit comes back")
        serves_others()
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


def test_polkit_absent():
    """No polkit at all: refused, quickly, with a hint; the broker goes on."""
    with lib.settings(PolicyTimeoutSec="5"), lib.echo(lib.allow("echo", "full")):
        pid = lib.broker_pid()
        lib.ok("systemctl", "mask", "--runtime", "--now", "polkit.service")
        try:
            refused_in_time(0, 6)
            serves_others()
        finally:
            lib.ok("systemctl", "unmask", "--runtime", "polkit.service")
            lib.ok("systemctl", "start", "polkit.service")
        lib.wait_for(lambda: lib.as_user("alice", outcome) == "granted", "polkit comes back")
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


def test_polkit_absent_when_the_broker_starts():
    """A broker that starts without polkit refuses, and grants as soon as there is one."""
    with lib.echo(lib.allow("echo", "full")):
        lib.ok("systemctl", "mask", "--runtime", "--now", "polkit.service")
        try:
            with lib.settings(PolicyTimeoutSec="3"):
                refused_in_time(0, 4)
        finally:
            lib.ok("systemctl", "unmask", "--runtime", "polkit.service")
        lib.restart_broker()
        lib.wait_for(lambda: lib.as_user("alice", outcome) == "granted", "polkit comes back")


@lib.time_limit(90)
def test_polkit_with_slow_rules():
    """A rule that takes longer than the deadline: refused in time; what it says later is nothing."""
    slow = """polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.doorward.endpoint.echo.") == 0) {
        var end = Date.now() + 5000;
        while (Date.now() < end)
            ;
        return polkit.Result.YES;
    }
});
"""
    with lib.settings(PolicyTimeoutSec="1"), lib.echo(slow):
        journal = lib.Journal()
        refused_in_time(0.9, 4)
        serves_others()
        select.select([], [], [], 6)
        lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])
    with lib.echo(lib.allow("echo", "full")):
        lib.wait_for(lambda: lib.as_user("alice", outcome) == "granted", "all is well", 15)


def rule_that(body):
    return f"""polkit.addRule(function(action, subject) {{
    if (action.id.indexOf("org.doorward.endpoint.echo.") == 0) {{
        {body}
    }}
}});
"""


def test_polkit_with_broken_rules():
    """A rule that throws, or says what polkit does not know, grants nothing."""
    for body in ("throw 'no';", "return 'yes please';", "nothing.at.all;", "return 'YES';"):
        with lib.echo(rule_that(body)):
            lib.expect_in(
                lib.as_user("alice", outcome),
                ("PermissionDenied", "InteractiveAuthenticationRequired", "PolicyUnavailable"),
                body,
            )


def test_polkit_that_a_rule_hangs():
    """A rule that returns a number sends polkit 122 into an endless loop: refused at the deadline,
    others are served, and a new polkit serves again."""
    with lib.settings(PolicyTimeoutSec="1"):
        with lib.echo(lib.allow("echo", "read-only")):
            with lib.rule(rule_that("return 1;")):
                journal = lib.Journal()
                refused_in_time(0, 3)
                serves_others()
                refused_in_time(0, 3)
                lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])
                lib.ok("systemctl", "kill", "--signal=KILL", "polkit.service")
                select.select([], [], [], 0.3)
                lib.run("systemctl", "reset-failed", "polkit.service")
                lib.ok("systemctl", "start", "polkit.service")
            lib.wait_for(
                lambda: lib.as_user("alice", outcome, "echo", "read_only") == "granted",
                "polkit comes back",
            )


def test_checks_are_fair_by_uid():
    """One uid that floods polkit does not keep another from being asked about in between."""
    slow = """polkit.addRule(function(action, subject) {
    if (action.id == "org.doorward.endpoint.echo.full") {
        var end = Date.now() + 300;
        while (Date.now() < end)
            ;
        return polkit.Result.YES;
    }
});
"""

    def flood(child):
        clients = [varlink.Client() for _ in range(16)]
        for client in clients:
            client.call("GetBrokerInfo")
        for client in clients:
            client.start("Open", {"endpoint": "echo", "access": "full"}, more=True)
        child.tell()
        for client in clients:
            client.reply()

    with lib.echo(slow):
        journal = lib.Journal()
        with lib.Child("alice", flood) as alice:
            alice.hear()
            lib.expect(lib.as_user("bob", outcome), "granted")
            alice.result()
        uids = [entry["DOORWARD_SUBJECT_UID"] for entry in journal.entries(MESSAGE_ID=lib.GRANTED)]
        lib.expect(len(uids), 17, "grants")
        # Those of alice that polkit was asked about already, and what came while bob connected.
        before = uids.index(lib.ok("id", "-u", "bob").strip())
        lib.expect_true(before <= 8, f"{before} of alice's 16 went before bob's one")
        lib.note(f"{before} of alice's 16 went before bob's one")


# Who asks cannot be seen.


def expect_unseen(user, cause, hint):
    """Neither level is granted to the user, for this reason; the hint says what would help."""
    for access in ("read_only", "full"):
        journal = lib.Journal()
        error = lib.as_user(user, lambda: vars(varlink.refusal("echo", access)))
        lib.expect(error["name"], f"{varlink.BROKER}.PolicyUnavailable", f"{user}, {access}")
        lib.expect_in(hint, error["parameters"]["hint"])
        request = error["parameters"]["requestId"]
        (entry,) = journal.wait("the refusal", DOORWARD_REQUEST=request)
        lib.expect_in(cause, entry["DOORWARD_CAUSE"])


@lib.both_kernel_paths
def test_proc_hides_who_asks():
    """The broker's /proc is mounted with hidepid=2: nothing is granted, not to root either, and the
    hint names that. What needs no policy is answered."""
    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
        try:
            with lib.drop_in("doorward.service", "[Service]\nProtectProc=invisible\n"):
                lib.restart_broker()
                mounts = lib.read(f"/proc/{lib.broker_pid()}/mountinfo")
                lib.expect_in("hidepid=invisible", mounts, "the broker's mounts")
                for user in ("alice", "root"):
                    expect_unseen(user, "/proc does not show the client's process", "hidepid=")
                serves_others()
        finally:
            lib.restart_broker()
        lib.expect(full.connections, [])
        lib.expect(lib.as_user("alice", outcome), "granted", "with the unit's own")


def test_proc_hides_who_asks_from_polkit():
    """The machine's /proc is: the broker's own shows it who asks, and polkit, which does not see
    them, is no authority. Nothing is granted."""
    with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")) as full:
        pid = lib.broker_pid()
        lib.ok("mount", "-o", "remount,hidepid=2", "/proc")
        try:
            for user in ("alice", "root"):
                expect_unseen(user, "polkit: ", "polkit")
            serves_others()
        finally:
            lib.ok("mount", "-o", "remount,hidepid=0", "/proc")
        lib.expect(full.connections, [])
        lib.expect(lib.as_user("alice", outcome), "granted", "without hidepid=")
        lib.expect(lib.unit_pid("doorward.service"), pid, "the same broker")


# Somebody is asked. polkit's own text agent, on a terminal of its own.


class Agent:
    """pkttyagent of alice's, for one process of hers, with us at the keyboard."""

    def __init__(self, pid):
        self.master, slave = pty.openpty()
        ready, notify = os.pipe()
        self.process = lib.start(
            "pkttyagent", "--process", str(pid), "--notify-fd", str(notify),
            user="alice", stdin=slave, stdout=slave, stderr=slave, pass_fds=[notify],
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        os.close(notify)
        lib.expect_true(select.select([ready], [], [], 10)[0], "the agent registers")
        os.close(ready)
        self.text = ""

    def expect(self, pattern, timeout=15):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            if not ready:
                raise lib.Failure(f"no {pattern!r} in {self.text!r}")
            self.text += os.read(self.master, 4096).decode(errors="replace")

    def answer(self, text):
        # The agent prints its prompt, then turns the echo off, and drops what came until then.
        lib.wait_for(
            lambda: not termios.tcgetattr(self.master)[3] & termios.ECHO, "the agent reads"
        )
        os.write(self.master, text.encode() + b"\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def asks(child, endpoint="echo"):
    """Opens with a prompt allowed."""
    child.tell(os.getpid())
    child.hear()
    answers = []
    with varlink.Client(timeout=60) as client:
        try:
            client.open(endpoint, "full", allowInteractiveAuthentication=True)
            answers.append("granted")
        except varlink.VarlinkError as error:
            answers.append(error.short)
        return answers


def test_prompt_answered():
    """With a prompt allowed and an agent there, the right password grants, on the record as
    challenged; the prompt tells what it is for."""
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        journal = lib.Journal()
        with lib.Child("alice", asks) as alice, Agent(alice.hear()) as agent:
            alice.tell()
            agent.expect("Password:")
            lib.expect_in("sends back what it gets", agent.text)
            agent.answer("alice-s password")
            lib.expect(alice.result(60), ["granted"])
        (entry,) = journal.entries(MESSAGE_ID=lib.GRANTED)
        lib.expect(entry["DOORWARD_HOW"], "challenged")


def test_prompt_not_allowed():
    """Without allowInteractiveAuthentication nobody is asked, agent or not."""

    def body(child):
        child.tell(os.getpid())
        child.hear()
        return outcome()

    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        with lib.Child("alice", body) as alice, Agent(alice.hear()) as agent:
            alice.tell()
            lib.expect(alice.result(), "InteractiveAuthenticationRequired")
            lib.expect_not_in("Password", agent.text)


def test_prompt_with_a_wrong_password():
    """A wrong password is no grant."""
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        journal = lib.Journal()
        with lib.Child("alice", asks) as alice, Agent(alice.hear()) as agent:
            alice.tell()
            agent.expect("Password:")
            agent.answer("wrong")
            (answer,) = alice.result(60)
            lib.expect(answer, "AuthenticationFailed")
        lib.expect(journal.entries(MESSAGE_ID=lib.GRANTED), [])


def test_prompt_without_an_agent():
    """A prompt that nobody can show is a refusal, at once."""

    def body():
        return varlink.timed(outcome, allowInteractiveAuthentication=True)

    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        answer, taken = lib.as_user("alice", body)
        lib.expect(answer, "InteractiveAuthenticationRequired")
        lib.expect_true(taken < 5, f"after {taken:.1f} s")


def test_prompt_ends_with_the_client():
    """A client that goes away while its user is asked takes the prompt with it."""
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        with lib.Child("alice", asks) as alice, Agent(alice.hear()) as agent:
            alice.tell()
            agent.expect("Password:")
            # What polkit tells the agent: pkttyagent itself is deaf while it reads the terminal.
            monitor = lib.start(
                "busctl", "monitor", "--match=member='CancelAuthentication'",
                stdout=lib.subprocess.PIPE, stderr=lib.subprocess.STDOUT,
            )
            lib.expect_in(b"Monitoring bus", monitor.stdout.readline())
            alice.kill()
            ready, _, _ = select.select([monitor.stdout], [], [], 10)
            lib.expect_true(ready, "polkit is told that nobody needs the answer any more")
            monitor.kill()
            monitor.wait()


def test_keep_on_a_shared_action():
    """On an action that endpoints share, an answer that polkit would keep is treated as a denial:
    it would open the others too. The hint says so."""
    other = lib.ECHO.replace("sends back", "sends it back")
    with lib.definition("other", other), lib.echo(
        lib.allow_generic("other", "full", result="AUTH_SELF_KEEP")
    ):
        error = lib.as_user("alice", lambda: vars(varlink.refusal("other", "full")))
        lib.expect(error["name"], f"{varlink.BROKER}.PermissionDenied")
        lib.expect_in("doorward policy --install other", error["parameters"]["hint"])
        with lib.Child("alice", lambda c: asks(c, "other")) as alice, Agent(alice.hear()) as agent:
            alice.tell()
            lib.expect(alice.result(), ["PermissionDenied"])
            lib.expect_not_in("Password", agent.text)
