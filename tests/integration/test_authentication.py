# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prompts: on a terminal, by callback, for polkit and beside it, with the real PAM."""

import contextlib
import os
import re
import signal
import time

import lib
import test_ssh
import varlink
from terminal import Terminal, login

EXAMPLES = f"{lib.SOURCE}/build-check/gcc/client"
PASSWORD = "alice-s password"
ECHO_FULL = "org.doorward.endpoint.echo.full"
COMMAND = ("doorward", "exec", "echo=0", "--", "head", "-n", "1")


def echo(*rules):
    """The endpoint, and a broker that remembers no failures."""
    lib.restart_broker()
    return lib.echo(*rules)


def ask(result="AUTH_SELF", access="full", user="alice"):
    return lib.rule(lib.allow("echo", access, user=user, result=result))


def expect_granted(terminal):
    terminal.expect("uid=")
    terminal.expect_status(0)


def expect_another_prompt():
    """No dialog is left behind: there is one prompt a user, and the next one appears."""
    with Terminal("alice", *COMMAND) as terminal:
        terminal.expect("assword: ")
        terminal.answer(PASSWORD)
        expect_granted(terminal)


# What a rule can say.


def test_own_password():
    """AUTH_SELF: asked once, on the terminal, and granted; on the record as challenged."""
    with echo(), ask():
        journal = lib.Journal()
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)
            lib.expect(terminal.text.count("assword: "), 1, "prompts")
            lib.expect_not_in(PASSWORD, terminal.text)
            lib.expect_true(terminal.echoes(), "the terminal is as before")
        entry = journal.wait("a grant", MESSAGE_ID=lib.GRANTED)[0]
        lib.expect(entry["DOORWARD_HOW"], "challenged")


def test_administrators_password():
    """AUTH_ADMIN: carol's, who is an administrator."""
    with echo(), ask("AUTH_ADMIN"):
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("carol")
            terminal.expect("assword: ")
            terminal.answer("carol-s password")
            expect_granted(terminal)


def test_several_administrators():
    """Whose password it is to be is asked, where there are several."""
    lib.ok("usermod", "--append", "--groups", "sudo", "bob")
    try:
        with echo(), ask("AUTH_ADMIN"):
            with Terminal("alice", *COMMAND) as terminal:
                terminal.expect("carol")
                terminal.type("bob\n")
                terminal.expect("assword: ")
                terminal.answer("bob-s password")
                expect_granted(terminal)
    finally:
        lib.ok("gpasswd", "--delete", "bob", "sudo")


@lib.time_limit(90)
def test_wrong_three_times():
    """Wrong three times: said so each time, and refused; nothing is left in polkit."""
    with echo(), ask():
        journal = lib.Journal()
        with Terminal("alice", *COMMAND) as terminal:
            for _ in range(3):
                terminal.expect("assword: ")
                terminal.answer("wrong")
            terminal.expect("Hint")
            lib.expect_true(terminal.status() not in (0, 1), "a status of its own")
            lib.expect_not_in("uid=", terminal.text)
        refused = journal.wait("refusals", 3, MESSAGE_ID=lib.REFUSED)
        lib.expect({e.get("DOORWARD_ERROR") for e in refused} >= {"AuthenticationFailed"}, True)
        expect_another_prompt()


@lib.time_limit(90)
def test_wrong_then_right():
    """A slip is no drama."""
    with echo(), ask():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer("wrong")
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)


def test_interrupted():
    """^C ends it at once, the terminal is as before, and no dialog stays in polkit."""
    with echo(), ask():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            lib.wait_for(lambda: not terminal.echoes(), "the prompt reads")
            terminal.type("\x03")
            lib.expect(terminal.status(5), -signal.SIGINT)
            lib.expect_true(terminal.echoes(), "the terminal is as before")
        lib.wait_for(lambda: not agents(), "no agent stays")
        expect_another_prompt()


def test_end_of_input():
    """^D cancels, with the status for that."""
    with echo(), ask():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            lib.wait_for(lambda: not terminal.echoes(), "the prompt reads")
            terminal.type("\x04")
            terminal.expect("cancelled")
            lib.expect_true(terminal.status(5) > 0, "refused")
        expect_another_prompt()


def agents():
    return lib.run("pgrep", "-r", "R,S,D,T", "-x", "doorward-agent").out.split()


def test_hung_up():
    """A terminal window that is closed takes the prompt with it."""
    with echo(), ask():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.hang_up()
            lib.expect_true(terminal.status(10) < 0, "the signal ends it")
        lib.wait_for(lambda: not agents(), "no agent stays")
        expect_another_prompt()


TWO = """[Endpoint]
Description=The same under another name
[Full]
ConnectStream=/run/doorward-echo/full
[Connect]
Groups=doorward-echo
"""


def test_kept_for_one_endpoint():
    """Under AUTH_SELF_KEEP a program that opens twice is asked once, and for the other endpoint
    again."""
    with echo(), lib.definition("other", TWO):
        lib.ok("doorward", "policy", "--install", "other")
        try:
            rules = (
                lib.allow("echo", "full", result="AUTH_SELF_KEEP"),
                lib.allow("other", "full", result="AUTH_SELF_KEEP"),
            )
            with lib.rule(*rules), lib.scratch() as folder:
                program = build_opener(folder)
                with Terminal("alice", program, "echo", "echo", "other") as terminal:
                    terminal.expect("assword: ")
                    terminal.answer(PASSWORD)
                    terminal.expect("opened echo")
                    terminal.expect("opened echo")
                    terminal.expect("assword: ")
                    terminal.answer(PASSWORD)
                    terminal.expect("opened other")
                    terminal.expect_status(0)
        finally:
            lib.ok("doorward", "policy", "--remove", "other")


OPENER = r"""
#include <doorward.h>
#include <stdio.h>
int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                doorward_conn *c = doorward_open_auth(argv[i], doorward_auth_default, 0);
                if (!c) {
                        printf("refused %s: %s\n", argv[i], doorward_get_last_error_message());
                        return 1;
                }
                printf("opened %s\n", argv[i]);
                fflush(stdout);
                doorward_close(c);
        }
        return 0;
}
"""


def build_opener(folder, text=OPENER):
    lib.write(f"{folder}/opener.c", text)
    lib.ok("gcc", "-o", f"{folder}/opener", f"{folder}/opener.c", "-ldoorward")
    return f"{folder}/opener"


# Where it is asked from.


def test_login_session():
    with echo(), ask():
        with login("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)


def test_no_new_privileges():
    """Where no setuid program would work."""
    with echo(), ask():
        with Terminal("alice", "setpriv", "--no-new-privs", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)


@contextlib.contextmanager
def without_setuid_helper():
    path = "/usr/lib/polkit-1/polkit-agent-helper-1"
    mode = os.stat(path).st_mode
    os.chmod(path, 0o755)
    try:
        yield
    finally:
        os.chmod(path, mode)


def test_without_setuid_helper():
    """polkit's own setuid helper is not needed for anything."""
    with echo(), ask(), without_setuid_helper():
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)


def test_system_service():
    """In a service there is no terminal: refused, with a hint that says what would help."""
    with echo(), ask():
        result = lib.run(
            "systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--uid=alice", *COMMAND
        )
        lib.expect_true(result.status != 0, repr(result))
        lib.expect_in("Hint", result.err)


def test_callback_in_a_service():
    """With a callback of the program's own it is asked there, by polkit and beside it."""
    service = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--uid=alice")
    program = (f"{EXAMPLES}/ex4", "doorward:///echo")
    with echo(), ask():
        lib.run(*service, *program, input=PASSWORD + "\n").expect_status(0)
        lib.expect_true(lib.run(*service, *program, input="wrong\n").status > 0, "refused")
    with echo(lib.allow("echo", "full")), lib.definition("echo", STEP_UP.format(more="")):
        lib.run(*service, *program, input=PASSWORD + "\n").expect_status(0)
        lib.expect_true(lib.run(*service, *program, input="wrong\n").status > 0, "refused")


@lib.time_limit(90)
def test_over_ssh():
    """In a session that sshd made, which has no seat and no agent."""
    command = test_ssh.SSH + ("-tt", "alice@shell", "--", *COMMAND)
    with test_ssh.shell(), echo(), ask(), lib.rule(lib.allow_generic("shell", "full")):
        with Terminal("alice", *command) as terminal:
            terminal.expect("Authenticating as alice")
            terminal.expect("assword: ")
            time.sleep(0.5)  # whether it is echoed is a matter of the terminal at the other end
            terminal.type(PASSWORD + "\n")
            expect_granted(terminal)
            lib.expect_not_in(PASSWORD, terminal.text)


def test_no_ask_password():
    with echo(), ask():
        with Terminal("alice", "doorward", "--no-ask-password", *COMMAND[1:]) as terminal:
            terminal.expect("Hint")
            lib.expect_true(terminal.status() != 0, "refused")
            lib.expect_not_in("assword:", terminal.text)


def test_background():
    """In the background of a terminal nobody is asked, and nothing is stopped by it."""
    with echo(), ask():
        script = " ".join(COMMAND) + " </dev/null & wait $!; echo status=$?"
        with Terminal("alice", "bash", "-m", "-c", script) as terminal:
            terminal.expect("status=")
            terminal.status()
            lib.expect_true(re.search(r"status=[1-9]", terminal.text), terminal.text)


# The guide's five programs.


def example(number, *argv, input=""):
    return lib.run(f"{EXAMPLES}/ex{number}", *argv, user="alice", input=input)


def test_examples_without_a_password():
    """ex1, ex2 and ex5 open what policy gives at once, and are refused what it does not."""
    with echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")):
        for number in (1, 2, 5):
            example(number, "doorward:///echo").expect_status(0)
    with echo(), ask(), ask(access="read-only"):
        for number in (1, 2, 5):
            result = example(number, "doorward:///echo")
            lib.expect_true(result.status != 0, repr(result))


def test_example_default_auth():
    """ex3 asks on the terminal."""
    with echo(), ask():
        with Terminal("alice", f"{EXAMPLES}/ex3", "doorward:///echo") as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect_status(0)
        with Terminal("alice", f"{EXAMPLES}/ex3", "doorward:///echo") as terminal:
            for _ in range(3):
                terminal.expect("assword: ")
                terminal.answer("wrong")
            lib.expect_true(terminal.status() > 0, "refused")


def test_example_callback():
    """ex4 collects AUTHNAME and PASSPHRASE itself."""
    with echo(), ask():
        example(4, "doorward:///echo", input=PASSWORD + "\n").expect_status(0)
        lib.expect_true(example(4, "doorward:///echo", input="wrong\n").status > 0, "refused")
    with echo(), lib.rule(lib.allow("echo", "full", user="bob")):
        example(4, "doorward://@/echo", input="bob\nbob-s password\n").expect_status(0)
        lib.expect_true(
            example(4, "doorward://@/echo", input="bob\nwrong\n").status > 0, "refused"
        )


# As somebody else.


def test_as_bob():
    """A rule that lets bob in: his password is asked once, and alice's process is served."""
    with echo(), lib.rule(lib.allow("echo", "full", user="bob")):
        journal = lib.Journal()
        with Terminal("alice", "doorward", "exec", "--user=bob", *COMMAND[2:]) as terminal:
            terminal.expect("assword: ")
            terminal.answer("bob-s password")
            expect_granted(terminal)
            lib.expect(terminal.text.count("assword: "), 1, "prompts")
        entry = journal.wait("a grant", MESSAGE_ID=lib.GRANTED)[0]
        lib.expect(entry["DOORWARD_PROOF"], "identity")
        lib.expect(int(entry["DOORWARD_SUBJECT_UID"]), lib.pwd.getpwnam("alice").pw_uid)
        lib.expect(int(entry["DOORWARD_IDENTITY_UID"]), lib.pwd.getpwnam("bob").pw_uid)


def test_as_bob_who_has_to_authenticate():
    """Twice: once to prove to be bob, once by polkit's rule; all on alice's terminal."""
    with echo(), lib.rule(lib.allow("echo", "full", user="bob", result="AUTH_SELF")):
        with Terminal("alice", "doorward", "exec", "--user=bob", *COMMAND[2:]) as terminal:
            for _ in range(2):
                terminal.expect("assword: ")
                terminal.answer("bob-s password")
            expect_granted(terminal)


def test_identities_that_are_refused():
    """Root by any name, system users, and those without a shell: before anything is asked."""
    lib.ok("useradd", "--non-unique", "--uid", "0", "toor")
    lib.ok("useradd", "--shell", "/usr/sbin/nologin", "shellless")
    try:
        with echo():
            for user in ("root", "daemon", "toor", "shellless", "nobody", "nosuchuser"):
                with Terminal(
                    "alice", "doorward", "exec", f"--user={user}", *COMMAND[2:]
                ) as terminal:
                    terminal.expect("Hint")
                    lib.expect_true(terminal.status() > 0, f"{user} is refused")
                    lib.expect_not_in("assword:", terminal.text)
    finally:
        lib.ok("userdel", "--force", "toor")
        lib.ok("userdel", "shellless")


# Step-up.

STEP_UP = lib.ECHO.replace("[Connect]", "Authenticate=self\n{more}[Connect]")


def test_step_up():
    """Whatever the rule says, the own password is asked for; without an agent's help."""
    with echo(lib.allow("echo", "full")), lib.definition("echo", STEP_UP.format(more="")):
        with Terminal("alice", "setpriv", "--no-new-privs", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            expect_granted(terminal)
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")
            terminal.answer("bob-s password")
            terminal.expect("assword: ")
            terminal.type("\x03")
            terminal.status()
            lib.expect_not_in("uid=", terminal.text)
        # Root is never asked, and who is not there cannot be.
        lib.expect_in("uid=", lib.ok(*COMMAND, user="root"))
        lib.expect_true(lib.run(*COMMAND, user="alice").status > 0, "refused without a terminal")


def test_step_up_exempt():
    more = "AuthenticateExempt=doorward-exempt\n"
    lib.ok("groupadd", "--force", "--system", "doorward-exempt")
    try:
        with echo(lib.allow("echo", "full")), lib.definition("echo", STEP_UP.format(more=more)):
            gid = lib.grp.getgrnam("doorward-exempt").gr_gid
            lib.expect_in("uid=", lib.ok(*COMMAND, user="alice", groups=[gid]))
            lib.expect_true(lib.run(*COMMAND, user="alice").status > 0, "nobody else")
    finally:
        lib.ok("groupdel", "doorward-exempt")


def test_step_up_remembered():
    """Within the session, on the terminal, until it is forgotten."""
    definition = STEP_UP.format(more="AuthenticateKeepSec=5min\n")
    with echo(lib.allow("echo", "full")), lib.definition("echo", definition):
        one = " ".join(COMMAND)
        script = f"{one}; {one}; doorward forget; {one}"
        with login("alice", "bash", "-c", script) as terminal:
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect("uid=")
            terminal.expect("uid=")
            terminal.expect("assword: ")
            terminal.answer(PASSWORD)
            terminal.expect("uid=")
            terminal.expect_status(0)
        # Outside of a session nothing is remembered.
        with Terminal("alice", "bash", "-c", f"{one}; {one}") as terminal:
            for _ in range(2):
                terminal.expect("assword: ")
                terminal.answer(PASSWORD)
                terminal.expect("uid=")
            terminal.expect_status(0)


# Too much.


@lib.time_limit(120)
def test_many_at_once():
    """50 at once of one user: one prompt; another user is served meanwhile."""
    rules = (lib.allow("echo", "full", result="AUTH_SELF"), lib.allow("echo", "full", user="bob"))
    with lib.settings(ConnectionsPerUser=128, RequestRate=1000, RequestBurst=1000), echo(*rules):
        with Terminal("alice", *COMMAND) as terminal:
            terminal.expect("assword: ")

            def body(_):
                clients = [varlink.Client() for _ in range(50)]
                answers = []
                for client in clients:
                    try:
                        client.open("echo", "full", allowInteractiveAuthentication=True)
                        answers.append("granted")
                    except varlink.VarlinkError as error:
                        answers.append(error.parameters.get("limit"))
                return answers

            with lib.Child("alice", body) as child:
                lib.expect(child.result(), ["prompts"] * 50)
            lib.expect_in("uid=", lib.ok(*COMMAND, user="bob"))
            terminal.answer(PASSWORD)
            expect_granted(terminal)


def test_agent_respond_is_no_oracle():
    """Without a check of polkit's that waits for that user, there is no conversation."""

    def body():
        with varlink.Client() as client:
            try:
                client.call("AgentRespond", {"cookie": "x", "user": 0}, more=True)
                return "answered"
            except varlink.VarlinkError as error:
                return error.short

    lib.expect(lib.as_user("alice", body), "PermissionDenied")
