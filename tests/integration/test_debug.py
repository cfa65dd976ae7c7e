# SPDX-License-Identifier: LGPL-2.1-or-later
"""How to see what goes on: --debug, the library's log, the broker's log level."""

import os
import signal

import lib
from terminal import Terminal
from test_secrets import CANARY, password

READ = ("doorward", "exec", "--read-only", "echo=0", "--", "true")


def lines_of(journal, request):
    """What the broker has logged of a request, beside the record."""
    found = journal.entries(DOORWARD_REQUEST=request, PRIORITY="7")
    lib.expect({e["_SYSTEMD_UNIT"] for e in found} - {"doorward.service"}, set())
    return [e["MESSAGE"] for e in found]


def request_of(text):
    """The number in the library's log."""
    return text.split(", request ", 1)[1].split()[0]


def test_command():
    """--debug writes what is done to standard error, for every command and no more than that: what is
    run does not inherit it."""
    with lib.echo(lib.allow("echo", "read-only")):
        plain = lib.run(*READ, user="alice").expect_status(0)
        lib.expect(plain.err, "")
        argv = ("doorward", "--debug", "exec", "--read-only", "echo=0", "--", "env")
        result = lib.run(*argv, user="alice").expect_status(0)
        lib.expect_not_in("DOORWARD_", result.out, "the environment")
        for word in (" debug uri: Opening ", " debug wire: Calling org.doorward.Broker.Open at ",
                     " debug trust: ", " info conn: Opened doorward:///echo?access=read-only: "):
            lib.expect_in(word, result.err, "standard error")
        lib.expect_in(" info conn: ", lib.run("doorward", "exec", "-r", "--debug=info", "echo=0", "--",
                                              "true", user="alice").err, "info")
        lib.expect_in(" wire: ", lib.run("doorward", "list", "--debug", user="alice").err, "list")
        lib.run("doorward", "--debug=loud", "list", user="alice").expect_status(2)


def test_journal():
    """The library's lines in the journal are the user's own, with their category."""
    with lib.echo(lib.allow("echo", "read-only")):
        journal = lib.Journal()
        lib.run(*READ, user="alice", env={"DOORWARD_LOG_OUTPUTS": "info:journald"}).expect_status(0)
        entry = journal.wait("a line", DOORWARD_CATEGORY="conn", SYSLOG_IDENTIFIER="doorward")[0]
        lib.expect(entry["_UID"], lib.ok("id", "-u", "alice").strip())
        lib.expect(entry["PRIORITY"], "6")
        lib.expect_in("Opened doorward:///echo", entry["MESSAGE"], "the line")


def test_level():
    """The broker's log level changes while it runs: nobody's lease notices, each step of a request is
    in the journal under the number that the client knows, and it stops as it is told."""
    with lib.echo(lib.allow("echo", "read-only"), lib.allow("echo", "full")):
        pid = lib.broker_pid()
        held = lib.start("doorward", "exec", "echo=0", "--", "sleep", "60", user="alice")
        try:
            lib.wait_for(lambda: lib.run("doorward", "leases", "--all", "--no-legend").out, "a lease")
            journal = lib.Journal()
            lib.ok("systemctl", "kill", "--signal=RTMIN+22", "doorward.service")
            journal.wait("the level", MESSAGE="The log level is debug from now on (uid 0).")
            request = request_of(lib.run("doorward", "--debug", *READ[1:], user="alice").err)
            messages = "\n".join(lines_of(journal, request))
            for word in ("calls org.doorward.Broker.Open", "Step: policy",
                         "polkit answers: authorized", "The opener answers: ok", "Step: record",
                         "Answered, with a descriptor"):
                lib.expect_in(word, messages, "the broker's lines")
            lib.expect(len(journal.entries(DOORWARD_REQUEST=request, MESSAGE_ID=lib.GRANTED)), 1)

            lib.ok("systemctl", "kill", "--signal=RTMIN+23", "doorward.service")
            journal.wait("the level", MESSAGE="The log level is info from now on (uid 0).")
            request = request_of(lib.run("doorward", "--debug", *READ[1:], user="alice").err)
            lib.expect(lines_of(journal, request), [])
            lib.expect(held.poll(), None, "the lease")
            lib.expect(lib.unit_pid("doorward.service"), pid)
        finally:
            held.kill()
            held.wait()


def test_level_of_settings():
    """LogLevel=debug has it so from the start, and a signal goes back to that."""
    with lib.echo(lib.allow("echo", "read-only")), lib.settings(LogLevel="debug"):
        journal = lib.Journal()
        os.kill(lib.broker_pid(), signal.SIGRTMIN + 23)
        journal.wait("the level", MESSAGE="The log level is debug from now on (uid 0).")
        request = request_of(lib.run("doorward", "--debug", *READ[1:], user="alice").err)
        lib.expect_true(lines_of(journal, request), "lines")


def test_who_may_change_it():
    """Nobody but root and the broker's own user, as the kernel has it for signals."""
    pid = lib.broker_pid()
    result = lib.run("kill", "-s", "RTMIN+22", str(pid), user="alice")
    lib.expect_true(result.status != 0, "alice is refused")
    lib.expect(lib.unit_pid("doorward.service"), pid)


@lib.time_limit(120)
def test_passwords():
    """With everything logged by everybody, a password that was typed is in no log."""
    with password("bob", CANARY), lib.echo(lib.allow("echo", "full", user="bob")), \
            lib.settings(LogLevel="debug"), lib.scratch(0o777) as folder:
        env = {"DOORWARD_LOG_OUTPUTS": f"debug:file:{folder}/log debug:journald"}
        argv = ("doorward", "exec", "--user=bob", "echo=0", "--", "head", "-n", "1")
        with Terminal("alice", *argv, env=env) as terminal:
            terminal.expect("assword: ")
            terminal.answer(CANARY)
            terminal.expect("uid=")
        log = lib.read(f"{folder}/log")
        lib.expect_in("debug conversation: Prompt 1 was answered", log, "the file")
        lib.expect_not_in(CANARY, log, "the file")
        text = lib.ok("journalctl", "--quiet", "--output=export", "--all")
        lib.expect_in("Step: identity", text, "the journal")
        lib.expect_not_in(CANARY, text, "the journal")
