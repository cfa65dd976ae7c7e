# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each class of error, and its hint, followed to the letter by somebody who reads nothing else: see
reader.py. It leads to what was wanted, or to the sentence that says who can give it. The rows are
printed: class | message | hint | what was done | what came of it."""

import contextlib
import os
import re
import signal
import threading
import time

import agent
import lib
import varlink
from reader import PASSWORDS, Attempt, Reader

INTERFACE = f"{lib.SOURCE}/common/org.doorward.Broker.varlink"
HEADER = "/usr/include/doorward.h"
FULL = lib.allow("echo", "full")
OTHER = lib.ECHO.replace("Description=A", "Description=Another")
INSTANCES = """[Endpoint]
Description=A file
Instance=null
[Full]
OpenFile=/dev/%i
[Connect]
Device=char:mem
"""
EXEC = ("doorward", "exec", "echo", "--", "true")

# A program of the library's: what it says of an error is what the command would.
PROGRAM = """
import doorward, sys, time
try:
{body}
except doorward.Error as error:
    print(f"doorward: {{error.message}}", file=sys.stderr)
    print(f"Hint: {{error.hint}}", file=sys.stderr)
    sys.exit(80 + error.code)
"""


def program(*lines, **options):
    body = "".join(f"    {line}\n" for line in lines)
    return Attempt("/usr/bin/python3", "-I", "-c", PROGRAM.format(body=body), **options)


ROWS = {}


def row(code, *errors, granted=True):
    """A function that makes the world in which a class of the library's, and an error of the interface,
    come about, and gives the Attempt; and whether the hint leads to what is wanted, or only to who can
    give it."""

    def mark(function):
        ROWS[function.__name__] = (code, errors, granted, contextlib.contextmanager(function))
        return function

    return mark


@row("NO_ENDPOINT", "EndpointNotFound")
def new_definition():
    rule = lib.allow_generic("other", "full")
    with lib.echo(rule), lib.definition("other", OTHER, apply=False):
        yield Attempt("doorward", "exec", "other", "--", "true")
    lib.apply_definitions()


@row("ACCESS_UNSUPPORTED", "AccessUnsupported")
def no_read_only_form():
    text = re.sub(r"\[ReadOnly\]\n.*\n", "", OTHER)
    with lib.echo(lib.allow_generic("other", "full")), lib.definition("other", text):
        yield Attempt("doorward", "exec", "other:ro", "--", "true")


@row("DENIED", "PermissionDenied")
def denied():
    with lib.echo(lib.allow("echo", "full", result="NO")):
        yield Attempt(*EXEC)


@row("AUTH_NEEDED", "InteractiveAuthenticationRequired")
def nobody_to_ask():
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        yield Attempt(*EXEC)


@row("AUTH_FAILED", "AuthenticationFailed")
def wrong_password():
    lib.restart_broker()  # it remembers no failures
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        yield Attempt(*EXEC, terminal=True, typed=["wrong\n"] * 3)


@row("AUTH_CANCELLED")
def cancelled():
    with lib.echo(lib.allow("echo", "full", result="AUTH_SELF")):
        yield Attempt(*EXEC, terminal=True, typed=["\x04"])


@row("AUTH_UNAVAILABLE", "AuthenticationUnavailable")
def nobody_asks():
    text = lib.ECHO.replace("[Connect]", "Authenticate=self\n[Connect]")
    with lib.echo(FULL), lib.definition("echo", text):
        lib.systemctl("stop", "doorward-pam.socket")
        try:
            yield Attempt(*EXEC, terminal=True)
        finally:
            lib.systemctl("start", "doorward-pam.socket")


@row("POLICY_UNAVAILABLE", "PolicyUnavailable")
def polkit_hangs():
    with lib.settings(PolicyTimeoutSec="2s"), lib.echo(FULL):
        lib.broker_pid()
        with lib.frozen("polkit.service"):
            yield Attempt(*EXEC)


@row("ENDPOINT_DOWN", "EndpointUnavailable")
def changed_definition():
    with lib.definition("other", OTHER), lib.echo(lib.allow_generic("other", "full")):
        changed = OTHER.replace("Another", "Yet another")
        lib.write(f"{lib.DEFINITIONS}/other.conf", changed)
        lib.systemctl("reload", "doorward")
        yield Attempt("doorward", "exec", "other", "--", "true")


@row("ENDPOINT_DOWN", "EndpointUnavailable", granted=False)
def service_is_down():
    with lib.rule(FULL):
        yield Attempt(*EXEC)


@row("LIMIT", "LimitExceeded")
def too_fast():
    with lib.settings(RequestRate="1", RequestBurst="4"), lib.echo(FULL):
        for _ in range(20):
            attempt = Attempt(*EXEC)
            if not attempt.run():
                break
        yield attempt


@row("NO_LEASE", "LeaseNotFound", granted=False)
def no_lease():
    yield Attempt("doorward", "revoke", "0" * 32)


@row("NO_BROKER")
def no_broker():
    with lib.echo(FULL):
        lib.systemctl("stop", "doorward.socket", "doorward.service")
        try:
            yield Attempt(*EXEC)
        finally:
            lib.systemctl("start", "doorward.socket")


# Binds as a user who may not be the broker.
STRANGER = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
s.listen()
time.sleep(600)
"""


@row("PROTOCOL")
def somebody_else():
    with lib.echo(FULL), lib.scratch(0o777) as folder:
        lib.systemctl("stop", "doorward.socket", "doorward.service")
        stranger = lib.start("python3", "-I", "-c", STRANGER, f"{folder}/socket", user="bob")
        try:
            lib.wait_for(lambda: os.path.exists(f"{folder}/socket"), "the stranger's socket")
            time.sleep(0.5)
            os.rename(f"{folder}/socket", lib.BROKER_SOCKET)
            yield Attempt(*EXEC)
        finally:
            stranger.kill()
            stranger.wait()
            lib.systemctl("restart", "doorward.socket")


class Call(Attempt):
    """An Open as it goes over the wire, for what the library keeps from its callers, or never asks for.
    again(error) is what is called then."""

    def __init__(self, again, **parameters):
        super().__init__("Open", user=None, again=self)
        self.next, self.parameters = again, parameters
        self.client = varlink.Client()

    def run(self):
        self.client.start("Open", {"endpoint": "echo", "access": "full", **self.parameters}, more=True)
        try:
            self.client.reply()
        except varlink.VarlinkError as error:
            self.status = 1
            self.text = f"doorward: {error.short}\nHint: {error.parameters['hint']}\n"
            self.error = error.short
            self.parameters = self.next(error.parameters)
            return False
        self.status, self.text = 0, ""
        return True


class Conversation(Attempt):
    """An Open that asks for the password of who asks, who answers, or takes the question back."""

    def __init__(self, answer, **more):
        super().__init__("Open", **more)
        self.answer = answer

    def run(self):
        self.error, hint = lib.as_user(self.user, self.converse)
        self.status = 1 if self.error else 0
        self.text = f"doorward: {self.error}\nHint: {hint}\n"
        return not self.error

    def converse(self):
        with varlink.Client() as client:
            client.open("echo", "full", allowInteractiveAuthentication=True)
            conversation = agent.Conversation(client.fds.pop())
            kind = None
            while kind not in (agent.ECHO_ON, agent.ECHO_OFF):
                kind, number, _ = conversation.prompt()
            if self.answer:
                conversation.answer(number, self.answer)
            else:
                conversation.cancel(number)
            try:
                lib.expect(client.reply()["state"], "granted")
            except varlink.VarlinkError as error:
                return error.short, error.parameters["hint"]
            return None, None


@row("AUTH_CANCELLED", "AuthenticationCancelled")
def taken_back():
    text = lib.ECHO.replace("[Connect]", "Authenticate=self\n[Connect]")
    with lib.echo(FULL), lib.definition("echo", text):
        yield Conversation(None, again=Conversation(PASSWORDS["alice"]))


@row("PROTOCOL", "IdentityProofRequired")
def proof():
    with lib.settings(IdentityProof="always"), lib.echo():
        yield Call(lambda parameters: {"proof": parameters["nonce"]})


@row("TIMEOUT", "TimedOut")
def little_time():
    with lib.settings(PolicyTimeoutSec="20s"), lib.echo():
        lib.broker_pid()
        with lib.frozen("polkit.service") as pid:
            timer = threading.Timer(3, os.kill, (pid, signal.SIGCONT))
            timer.start()
            yield Call(lambda parameters: {"timeout": 30000}, timeout=500)
            timer.join()


@row("BAD_URI")
def misspelt():
    with lib.echo(FULL, lib.allow("echo", "read-only")):
        yield Attempt("doorward", "exec", "doorward:///echo?acess=read-only", "--", "true")


@row("UNSUPPORTED")
def no_stream():
    text = "[Endpoint]\nDescription=Nothing\n[Full]\nOpenFile=/dev/null\n[Connect]\nDevice=char:mem\n"
    with lib.rule(lib.allow_generic("other", "full")), lib.definition("other", text):
        yield Attempt("doorward", "run", "other", "--", "true")


@row("INVALID_ARG", granted=False)
def unknown_flag():
    yield program("doorward.open_auth('echo', None, 1 << 20)")


@row("INVALID_CONN", granted=False)
def closed():
    with lib.echo(FULL):
        yield program("c = doorward.open('echo')", "fd = c.steal_fd()")


@row("LEASE_ENDED")
def revoked():
    with lib.echo(FULL):
        stop = threading.Event()

        def revoke():
            while not stop.wait(0.3):
                lib.run("doorward", "revoke", "--user=alice")

        thread = threading.Thread(target=revoke)
        thread.start()
        try:
            yield program(
                "c = doorward.open('echo')",
                "while c.is_alive(): time.sleep(0.1)",
                "c.open_another_socket()",
                again=program("doorward.open('echo').close()"),
            )
        finally:
            stop.set()
            thread.join()


@row("SYSTEM")
def not_root():
    with lib.definition("other", OTHER):
        try:
            yield Attempt("doorward", "policy", "--install", "other")
        finally:
            lib.run("doorward", "policy", "--remove", "other")


# The same classes by other ways.


@row("NO_ENDPOINT", "EndpointNotFound")
def no_instance():
    with lib.definition("other@", INSTANCES), lib.rule(lib.allow_generic("other", "full")):
        yield Attempt("doorward", "exec", "other", "--", "true")


@row("NO_ENDPOINT", "EndpointNotFound")
def another_instance():
    with lib.definition("other@", INSTANCES), lib.rule(lib.allow_generic("other", "full")):
        yield Attempt("doorward", "exec", "other@zero", "--", "true")


@row("ENDPOINT_DOWN", "EndpointUnavailable")
def nobody_opens():
    with lib.echo(FULL):
        lib.systemctl("stop", "doorward-opener@echo.socket", "doorward-opener@echo.service")
        try:
            yield Attempt(*EXEC)
        finally:
            lib.systemctl("start", "doorward-opener@echo.socket")


@row("ENDPOINT_DOWN", "EndpointUnavailable", granted=False)
def missing_group():
    text = OTHER.replace("Groups=", "Groups=no-such-group ")
    with lib.echo(lib.allow_generic("other", "full")), lib.definition("other", text):
        yield Attempt("doorward", "exec", "other", "--", "true")


@row("ENDPOINT_DOWN", "EndpointUnavailable", granted=False)
def wrong_kind():
    text = OTHER.replace("/run/doorward-echo/full", "/etc/passwd")
    with lib.echo(lib.allow_generic("other", "full")), lib.definition("other", text):
        yield Attempt("doorward", "exec", "other", "--", "true")


@row("ENDPOINT_DOWN", "EndpointUnavailable", granted=False)
def wrong_definition():
    with lib.definition("other", OTHER + "\n[Full]\nLease=maybe\n"):
        yield Attempt("doorward", "exec", "other", "--", "true")


@row("DENIED", "PermissionDenied")
def kept_out():
    with lib.echo(FULL):
        lib.ok("doorward", "revoke", "--user=alice", "--endpoint=echo", "--block=1h")
        yield Attempt(*EXEC)


@row("DENIED", "PermissionDenied", granted=False)
def in_a_sandbox():
    with lib.echo(FULL):
        yield Attempt("unshare", "--user", *EXEC)


@row("AUTH_NEEDED", "InteractiveAuthenticationRequired")
def leases_of_others():
    yield Attempt("doorward", "leases", "--all")


@row("LIMIT", "LimitExceeded", granted=False)
def enough():
    with lib.settings(LeasesPerUser="1"), lib.echo(FULL):
        held = lib.start(*EXEC[:-1], "sleep", "600", user="alice")
        try:
            lib.wait_for(lambda: "echo" in lib.ok("doorward", "leases", user="alice"), "a lease")
            yield Attempt(*EXEC)
        finally:
            held.kill()
            held.wait()


def names():
    """All classes: those of the library, and the errors of the interface."""
    codes = set(re.findall(r"^\s+DOORWARD_ERR_(\w+) = [1-9]", lib.read(HEADER), re.M))
    errors = set(re.findall(r"^error (\w+)", lib.read(INTERFACE), re.M))
    return codes, errors


def try_row(name):
    """The table's line."""
    code, errors, granted, world = ROWS[name]
    with lib.scratch(0o777) as folder, world() as attempt:
        log = f"{folder}/log"
        attempt.env = {"DOORWARD_LOG_OUTPUTS": f"debug:file:{log}", "DOORWARD_DEBUG": "debug"}
        lib.expect(attempt.run(), False, name)
        # Where it is the library's own, the broker may have said before that a password is needed.
        said = answered(attempt, log)[-1:]
        if errors or said != ["InteractiveAuthenticationRequired"]:
            lib.expect(said, list(errors), f"what the broker answered, {name}")
        lib.expect(attempt.status in (1, 2, 80 + number(code)), True, f"{name}: {attempt.status}")
        message, hint = attempt.message, attempt.hint
        reader = Reader(attempt)
        try:
            outcome = reader.follow()
        finally:
            reader.put_back()
        lib.expect(outcome == "granted", granted, f"{hint} leads to {outcome}, after {reader.done}")
    what = " ".join([code.lower().replace("_", "-"), *errors])
    return " | ".join([what, message, hint, "; ".join(reader.done) or "-", outcome])


def number(code):
    return int(re.search(rf"DOORWARD_ERR_{code} = (\d+)", lib.read(HEADER))[1])


def answered(attempt, log):
    """The errors that the broker answered, as the library logs them."""
    if isinstance(attempt, (Call, Conversation)):
        return [attempt.error]
    text = lib.read(log) if os.path.exists(log) else ""
    return re.findall(r"The broker answered \S*\.(\w+), request", text)


@lib.time_limit(300)
def test_followed():
    """What each hint says is done, and leads on: the table."""
    failed = []
    for name in ROWS:
        try:
            lib.note(try_row(name))
        except lib.Failure as failure:
            failed.append(f"{name}: {failure}")
    lib.expect(failed, [])


def test_no_class_is_left_out():
    """Each class of the library's and each error of the interface has its row."""
    codes, errors = names()
    lib.expect(codes - {code for code, _, _, _ in ROWS.values()}, set(), "classes without a row")
    lib.expect(errors - {e for _, these, _, _ in ROWS.values() for e in these}, set(), "errors")
    lib.expect_true(len(codes) >= 20 and len(errors) >= 13, "they are read")
