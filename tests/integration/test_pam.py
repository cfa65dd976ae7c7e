# SPDX-License-Identifier: LGPL-2.1-or-later
"""PAM: the real stacks, and modules that ask, lie, hang and crash."""

import contextlib
import glob
import os
import time

import lib
from terminal import Terminal

PASSWORD = "alice-s password"
MODULE = f"{lib.SOURCE}/build-check/gcc/tests/unit/pam_doorward_test.so"
SERVICE = "/etc/pam.d/doorward"
COMMAND = ("doorward", "exec", "echo=0", "--", "head", "-n", "1")
# The test module's, in its order; a text has no answer.
QUESTIONS = (
    ("Some information", None),
    ("Name: ", "visible"),
    ("An error", None),
    ("Password: ", "hidden"),
)
REFUSED = tuple(range(1, 126))
STEP_UP = lib.ECHO.replace("[Connect]", "Authenticate=self\n[Connect]")
ACCOUNT = lib.ECHO.replace("[Connect]", "PAMAccount=yes\n[Connect]")


@contextlib.contextmanager
def step_up(*lines):
    """Everybody is let in who is who they are, by these lines of PAM in place of the usual ones."""
    text = "\n".join([*lines, ""])
    lib.restart_broker()  # it remembers no failures
    with contextlib.ExitStack() as stack:
        stack.enter_context(lib.echo(lib.allow("echo", "full")))
        stack.enter_context(lib.definition("echo", STEP_UP))
        if lines:
            stack.enter_context(lib.file(SERVICE, text))
        yield


def test_yescrypt():
    """pam_unix with the hash that Debian makes today."""
    with open("/etc/shadow", encoding="ascii") as file:
        hashes = dict(line.split(":")[:2] for line in file)
    lib.expect(hashes["alice"][:3], "$y$", "alice's hash")
    with step_up():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect("uid=")
            terminal.expect_status(0)


def test_four_questions():
    """All four styles, in order: two answers, two texts."""
    with step_up(f"auth required {MODULE} four", "account required pam_permit.so"):
        with Terminal("alice", *COMMAND) as terminal:
            for text, answer in QUESTIONS:
                terminal.expect(text)
                if answer is not None:
                    terminal.type(answer + "\n")
            terminal.expect("uid=")
            terminal.expect_status(0)


@lib.time_limit(120)
def test_faillock():
    """Six wrong ones, and the right one is refused."""
    lines = (
        "auth required pam_faillock.so preauth deny=5 unlock_time=600",
        "auth [success=1 default=ignore] pam_unix.so nodelay",
        "auth [default=die] pam_faillock.so authfail deny=5 unlock_time=600",
        "auth required pam_permit.so",
        "account required pam_faillock.so",
        "account required pam_unix.so",
    )
    with step_up(*lines):
        try:
            for _ in range(2):
                with Terminal("alice", *COMMAND) as terminal:
                    for _ in range(3):
                        terminal.expect("assword: ")
                        terminal.answer("wrong")
                    lib.expect_true(terminal.status() > 0, "refused")
            with Terminal("alice", *COMMAND) as terminal:
                terminal.expect("assword: ")
                terminal.answer(PASSWORD)
                terminal.expect("assword: ")
                terminal.type("\x03")
                terminal.status()
                lib.expect_not_in("uid=", terminal.text)
        finally:
            for path in glob.glob("/run/faillock/*"):
                os.unlink(path)


def test_account_of_the_caller():
    """PAMAccount=yes: an account that has expired, a time and a place that do not fit."""
    with lib.echo(lib.allow("echo", "full")), lib.definition("echo", ACCOUNT):
        lib.expect_in("uid=", lib.ok(*COMMAND, user="alice"))
        lib.ok("chage", "--expiredate", "2000-01-01", "alice")
        try:
            lib.expect_in("account", lib.run(*COMMAND, user="alice").expect_status(*REFUSED).err)
        finally:
            lib.ok("chage", "--expiredate", "-1", "alice")
        lib.expect_in("uid=", lib.ok(*COMMAND, user="alice"))

        time_conf = lib.read("/etc/security/time.conf")
        lines = "account required pam_time.so\naccount required pam_unix.so\n"
        with lib.file(SERVICE, "auth required pam_unix.so\n" + lines):
            with lib.file("/etc/security/time.conf", time_conf + "doorward;*;alice;!Al0000-2400\n"):
                lib.run(*COMMAND, user="alice").expect_status(*REFUSED)
            lib.expect_in("uid=", lib.ok(*COMMAND, user="alice"))


def test_expired_password():
    """It has to be changed first, and the hint says how."""
    lib.ok("chage", "--lastday", "2000-01-01", "--maxdays", "1", "alice")
    try:
        with step_up():
            with Terminal("alice", *COMMAND) as terminal:
                terminal.expect("assword: ")
                terminal.answer(PASSWORD)
                terminal.expect("passwd")
                lib.expect_true(terminal.status() > 0, "refused")
    finally:
        lib.ok("chage", "--lastday", time.strftime("%Y-%m-%d"), "--maxdays", "99999", "alice")


def test_module_that_changes_the_user():
    with step_up(f"auth required {MODULE} user=root", "account required pam_permit.so"):
        journal = lib.Journal()
        result = attempt()
        lib.expect_not_in("uid=", result)
        entry = journal.wait("a refusal", MESSAGE_ID=lib.REFUSED)[0]
        lib.expect_in("changed", entry["DOORWARD_CAUSE"])


def attempt(timeout=30):
    with Terminal("alice", *COMMAND) as terminal:
        terminal.status(timeout)
        return terminal.text


def test_module_that_crashes():
    """A clear error, and the broker is unharmed."""
    with step_up(f"auth required {MODULE} crash", "account required pam_permit.so"):
        pid = lib.broker_pid()
        lib.expect_in("Hint", attempt())
        lib.expect(lib.broker_pid(), pid, "the same broker")


@lib.time_limit(90)
def test_module_that_hangs():
    """The deadline ends it; and before that, the client's hanging up does, at once."""
    with step_up(f"auth required {MODULE} hang", "account required pam_permit.so"):
        with Terminal("alice", *COMMAND) as terminal:
            lib.wait_for(helpers, "the helper runs", 10)
            terminal.type("\x03")
            terminal.status(5)
        lib.wait_for(lambda: not helpers(), "the helper is gone with its client", 5)
        with lib.settings(InteractiveTimeoutSec=10):
            lib.expect_in("Hint", attempt())
        lib.wait_for(lambda: not helpers(), "the helper is gone after the deadline", 5)


def helpers():
    return lib.run("pgrep", "-r", "R,S,D,T", "-x", "doorward-pam").out.split()


@lib.time_limit(120)
def test_penalty():
    """Ten wrong ones, and for a minute nobody of that user is asked; others are."""
    with lib.settings(AuthenticationFailuresMax=3, AuthenticationPenaltySec=5), step_up(
        "auth required pam_unix.so nodelay", "account required pam_unix.so"
    ):
        with Terminal("alice", *COMMAND) as terminal:
            for _ in range(3):
                terminal.expect("assword: ")
                terminal.answer("wrong")
            lib.expect_true(terminal.status() > 0, "refused")
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("seconds")
            lib.expect_true(terminal.status() > 0, "refused")
        time.sleep(5.5)
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect("uid=")
