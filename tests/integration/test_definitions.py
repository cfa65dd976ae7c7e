# SPDX-License-Identifier: LGPL-2.1-or-later
"""Definitions that are added, changed, removed, masked or wrong while everything runs."""

import contextlib
import os
import select
import socket
import time

import lib
import varlink

OTHER = lib.ECHO.replace("sends back", "sends it back")
COMMANDS = "systemctl daemon-reload && systemctl reload doorward"
ALICE_OTHER = (lib.allow_generic("other", "read-only"), lib.allow_generic("other", "full"))


def outcome(endpoint="other", access="read_only"):
    """"granted", or the error's name and its parameters."""
    with varlink.Client() as client:
        try:
            return client.open(endpoint, access)["state"], {}
        except varlink.VarlinkError as error:
            return error.short, error.parameters


def expect_outcome(wanted, endpoint="other", access="read_only", hint=None):
    name, parameters = lib.as_user("alice", outcome, endpoint, access)
    lib.expect(name, wanted, f"{endpoint}: {parameters}")
    if hint:
        lib.expect_in(hint, f"{parameters.get('hint')} {parameters.get('reason')}")
    return parameters


@contextlib.contextmanager
def echo_works():
    """Whatever becomes of other, echo goes on."""
    with lib.echo(*ALICE_OTHER, lib.allow("echo", "read-only")):
        yield lambda: expect_outcome("granted", "echo")


def test_added():
    """A new definition is unknown until the two commands were given, and then there at once."""
    with echo_works() as echo, lib.definition("other", OTHER, apply=False):
        expect_outcome("EndpointNotFound", hint=COMMANDS)
        echo()
        lib.apply_definitions()
        expect_outcome("granted")
        echo()
        os.unlink(f"{lib.DEFINITIONS}/other.conf")
        lib.apply_definitions()
        expect_outcome("EndpointNotFound")


def test_added_and_only_reloaded():
    """Without daemon-reload the broker knows a new endpoint that has no opener: the hint says what
    was left out."""
    rule = lib.allow_generic("fresh", "read-only")
    with echo_works() as echo, lib.rule(rule), lib.definition("fresh", OTHER, apply=False) as path:
        lib.systemctl("reload", "doorward")
        expect_outcome("EndpointUnavailable", "fresh", hint=COMMANDS)
        echo()
        lib.apply_definitions()
        expect_outcome("granted", "fresh")
        os.unlink(path)
        lib.apply_definitions()
        expect_outcome("EndpointNotFound", "fresh")


def test_added_with_daemon_reload_only():
    """The other half: there is an opener, and the broker knows no such endpoint."""
    with echo_works() as echo, lib.definition("other", OTHER, apply=False):
        lib.systemctl("daemon-reload")
        expect_outcome("EndpointNotFound", hint=COMMANDS)
        echo()
        lib.systemctl("reload", "doorward")
        expect_outcome("granted")
    lib.apply_definitions()


def test_added_while_the_broker_is_not_running():
    """The broker has gone idle; the two commands still do, and the endpoint is there."""
    with echo_works(), lib.definition("other", OTHER, apply=False):
        lib.systemctl("stop", "doorward.service")
        lib.systemctl("daemon-reload")
        # There is nothing to reload; whether that is an error is systemd's affair.
        lib.run("systemctl", "reload", "doorward")
        expect_outcome("granted")
    lib.apply_definitions()


def test_changed():
    """A changed definition is stale until the two commands were given, and opens nothing before."""

    def reached():
        with varlink.opened("other", "full") as (_, _, fd):
            with socket.socket(fileno=os.dup(fd)) as data:
                return data.getpeername()

    third = "/run/doorward-echo/third"
    changed = OTHER.replace("/run/doorward-echo/full", third)
    with echo_works() as echo, lib.definition("other", OTHER), lib.Backend(third) as backend:
        backend.serve()
        lib.expect(lib.as_user("alice", reached), "/run/doorward-echo/full")
        lib.write(f"{lib.DEFINITIONS}/other.conf", changed)
        for _ in range(3):
            expect_outcome("EndpointUnavailable", hint=COMMANDS)
        echo()
        # Half of it is not enough, either half.
        lib.systemctl("reload", "doorward")
        expect_outcome("EndpointUnavailable", hint=COMMANDS)
        lib.systemctl("daemon-reload")
        lib.expect(lib.as_user("alice", reached), third)
        # And with an opener that runs: the first open after the commands finds the new one.
        lib.write(f"{lib.DEFINITIONS}/other.conf", OTHER)
        lib.apply_definitions()
        lib.expect(lib.as_user("alice", reached), "/run/doorward-echo/full")
        echo()


def test_now():
    """policy --install --now is the two commands: for a new definition, and for one that has changed
    while the file of actions is right; --remove --now likewise. When it returns the opener listens,
    whether there is a broker or not."""
    actions = "/usr/share/polkit-1/actions/org.doorward.endpoint.other.policy"
    moved = OTHER.replace("/run/doorward-echo/read-only", "/run/nowhere/x")

    def now(what):
        result = lib.run("doorward", "policy", what, "--now", "other", timeout=60).expect_status(0)
        lib.expect_in("have taken up the definition", result.err)
        listens = lib.unit_is_active("doorward-opener@other.socket")
        lib.expect_true(listens or what == "--remove", "the opener's socket is there")
        return result.err

    rule = lib.allow("other", "read-only")
    with echo_works() as echo, lib.rule(rule), lib.definition("other", OTHER, apply=False) as path:
        for runs in (True, False):
            expect_outcome("EndpointNotFound", hint=COMMANDS)
            if not runs:
                lib.systemctl("stop", "doorward.service")
            lib.expect_in("Wrote", now("--install"))
            expect_outcome("granted")
            lib.write(path, moved)
            expect_outcome("EndpointUnavailable", hint=COMMANDS)
            if not runs:
                lib.systemctl("stop", "doorward.service")
            lib.expect_in("as it should be", now("--install"))
            lib.expect(expect_outcome("EndpointUnavailable").get("reason", "").count("stale"), 0)
            lib.write(path, OTHER)
            now("--install")
            expect_outcome("granted")
            os.unlink(path)
            now("--remove")
            lib.expect_true(not os.path.exists(actions), "the actions are gone")
            expect_outcome("EndpointNotFound")
            echo()
            lib.write(path, OTHER)


def test_now_and_a_slow_polkit():
    """policy --install --now waits until polkit has read the file, and --remove --now until it has no
    more of it: whoever asks next is judged by what there is now. One that does not run is not waited
    for."""

    def slowly(what, reached, finally_do=lambda: None):
        command = ["doorward", "policy", what, "--now", "other"]
        with lib.frozen("polkit.service"):
            process = lib.start(*command, stderr=lib.subprocess.PIPE)
            try:
                lib.wait_for(reached, f"{what} is with systemd and the broker", timeout=20)
                time.sleep(1)
                lib.expect(process.poll(), None, "it waits")
                finally_do()
            except BaseException:
                process.kill()
                raise
        _, err = process.communicate(timeout=60)
        lib.expect(process.returncode, 0, err.decode())

    rule = lib.allow("other", "read-only")
    with lib.echo(), lib.rule(rule), lib.definition("other", OTHER, apply=False) as path:
        slowly("--install", lambda: lib.unit_is_active("doorward-opener@other.socket"))
        expect_outcome("granted")
        os.unlink(path)
        slowly("--remove", lambda: "other" not in lib.ok("doorward", "list", "--no-check").split())
        expect_outcome("EndpointNotFound")
        lib.expect(lib.run("pkaction", "--action-id", "org.doorward.endpoint.other.full").status, 1)
        lib.write(path, OTHER)
        # It ends before it answers.
        slowly(
            "--install",
            lambda: lib.unit_is_active("doorward-opener@other.socket"),
            lambda: lib.systemctl("kill", "--signal=KILL", "polkit.service"),
        )
        expect_outcome("granted")
        os.unlink(path)
        lib.ok("doorward", "policy", "--remove", "--now", "other")
        lib.write(path, OTHER)
        lib.systemctl("stop", "polkit.service")
        lib.ok("doorward", "policy", "--install", "--now", "other")
        lib.expect_true(not lib.unit_is_active("polkit.service"), "polkit was not started for it")
        os.unlink(path)
        lib.ok("doorward", "policy", "--remove", "--now", "other")
        lib.systemctl("start", "polkit.service")
        lib.write(path, OTHER)


def test_changed_with_daemon_reload_only():
    """daemon-reload alone: the broker would judge by the old text, and the opener open by the new
    one, so nothing is opened at either level."""
    changed = OTHER.replace("[Full]\nConnectStream=/run/doorward-echo/full\n", "").replace(
        "ConnectStream=/run/doorward-echo/read-only",
        "ConnectStream=/run/doorward-echo/full\nLease=revocable",
    )
    with echo_works(), lib.definition("other", OTHER):
        expect_outcome("granted", access="full")
        lib.write(f"{lib.DEFINITIONS}/other.conf", changed)
        lib.systemctl("daemon-reload")
        # Also by the opener that was started with the old one, and by the next.
        for _ in range(2):
            expect_outcome("EndpointUnavailable", access="full", hint=COMMANDS)
            expect_outcome("EndpointUnavailable", hint=COMMANDS)
        lib.systemctl("reload", "doorward")
        expect_outcome("AccessUnsupported", access="full", hint="other has no full form")
        expect_outcome("granted")


def test_removed():
    """A removed definition opens nothing from that moment on, and is unknown after the commands."""
    with echo_works() as echo, lib.definition("other", OTHER) as path:
        expect_outcome("granted")
        os.unlink(path)
        expect_outcome("EndpointUnavailable", hint=COMMANDS)
        echo()
        lib.apply_definitions()
        expect_outcome("EndpointNotFound")
        lib.wait_for(
            lambda: not os.path.exists("/run/doorward/opener/other")
            or not lib.unit_is_active("doorward-opener@other.service"),
            "no opener is left",
        )
        echo()
        lib.write(path, OTHER)


def test_removed_and_only_reloaded():
    """Without daemon-reload the opener is still to be had; the broker asks it for nothing."""
    with echo_works() as echo, lib.definition("other", OTHER) as path:
        expect_outcome("granted")
        os.unlink(path)
        lib.systemctl("reload", "doorward")
        expect_outcome("EndpointNotFound", hint=COMMANDS)
        echo()
        lib.write(path, OTHER)


def test_removed_with_daemon_reload_only():
    """The other half: the broker still knows the endpoint, and its opener opens nothing, whether it
    runs already or not."""
    for runs in (True, False):
        with echo_works() as echo, lib.definition("other", OTHER) as path:
            expect_outcome("granted")
            if not runs:
                lib.systemctl("stop", "doorward-opener@other.service")
            os.unlink(path)
            lib.systemctl("daemon-reload")
            for _ in range(2):
                parameters = expect_outcome("EndpointUnavailable", hint=COMMANDS)
                lib.expect(parameters["reason"], "stale: the definition is gone")
            echo()
            lib.systemctl("reload", "doorward")
            expect_outcome("EndpointNotFound", hint=COMMANDS)
            lib.write(path, OTHER)


def test_leases_of_what_is_gone_or_changed():
    """Reload ends the leases of endpoints that are gone or changed, with reason definition, and no
    other lease."""

    def body(child):
        clients = {}
        for endpoint in ("other", "echo"):
            clients[endpoint] = varlink.Client()
            clients[endpoint].open(endpoint, "full")
        child.tell()
        child.hear()
        reply = clients["other"].reply()
        ready, _, _ = select.select([clients["echo"].socket], [], [], 0.5)
        return reply["state"], reply["reason"], bool(ready)

    rules = (*ALICE_OTHER, lib.allow("echo", "full"))
    for change in ("changed", "gone"):
        with lib.echo(*rules), lib.definition("other", OTHER) as path:
            with lib.Child("alice", body) as alice:
                alice.hear()
                if change == "gone":
                    os.unlink(path)
                else:
                    lib.write(path, OTHER + "# changed\n")
                lib.apply_definitions()
                alice.tell()
                lib.expect(alice.result(), ("ended", "definition", False), change)
            lib.write(path, OTHER)


def test_bad_file_keeps_the_old_entry():
    """A definition that has become wrong keeps its old entry on reload, which the new opener does not
    serve; verify says what is wrong; every other endpoint works."""
    with echo_works() as echo, lib.definition("other", OTHER) as path:
        journal = lib.Journal()
        lib.write(path, OTHER.replace("ConnectStream=/run", "ConnectStream=run"))
        lib.apply_definitions()
        expect_outcome("EndpointUnavailable")
        echo()
        result = lib.run("doorward", "verify", "other")
        lib.expect_true(result.status != 0, f"verify finds it: {result!r}")
        lib.expect_in("other.conf:4", result.out + result.err)
        said = [entry["MESSAGE"] for entry in journal.entries(_SYSTEMD_UNIT="doorward.service")]
        lib.expect_true(any("other" in message for message in said), f"the broker says so: {said}")


def test_masked():
    """An empty file, or a link to /dev/null, of a folder that comes earlier masks an endpoint."""
    path = f"{lib.DEFINITIONS}/libvirt.conf"
    with lib.rule(lib.allow("libvirt", "read-only")):
        expect_outcome("granted", "libvirt")
        with lib.definition("libvirt", ""):
            expect_outcome("EndpointNotFound", "libvirt")
        expect_outcome("granted", "libvirt")
        os.symlink("/dev/null", path)
        try:
            lib.apply_definitions()
            expect_outcome("EndpointNotFound", "libvirt")
        finally:
            os.unlink(path)
            lib.apply_definitions()
        expect_outcome("granted", "libvirt")


def test_precedence_and_drop_ins():
    """/etc wins over /run; a drop-in changes what it names; cat-config shows how it came about."""
    elsewhere = OTHER.replace("/run/doorward-echo/", "/run/nowhere/")
    with echo_works(), contextlib.ExitStack() as stack:
        stack.enter_context(
            lib.definition("other", elsewhere, apply=False, folder="/run/doorward/endpoints.d")
        )
        lib.apply_definitions()
        expect_outcome("EndpointUnavailable")
        stack.enter_context(lib.definition("other", OTHER))
        expect_outcome("granted")
        drop_in = "/run/doorward/endpoints.d/other.conf.d/50-tests.conf"
        stack.enter_context(
            lib.file(drop_in, "[ReadOnly]\nConnectStream=\nConnectStream=/run/nowhere/x\n")
        )
        lib.apply_definitions()
        expect_outcome("EndpointUnavailable")
        expect_outcome("granted", access="full")
        text = lib.ok("doorward", "cat-config", "other", user="alice")
        lib.expect_in(f"# {lib.DEFINITIONS}/other.conf", text)
        lib.expect_in(f"# {drop_in}", text)
        lib.expect_not_in("/run/nowhere/full", text)


def test_not_roots_alone():
    """A definition that somebody else owns, or can write, is refused, and verify says why."""
    with echo_works() as echo:
        for options, word in (
            ({"mode": 0o666}, "writ"),
            ({"mode": 0o664, "group": "alice"}, "writ"),
            ({"owner": "alice"}, "root"),
        ):
            with lib.definition("other", OTHER, **options):
                name, parameters = lib.as_user("alice", outcome)
                lib.expect_in(name, ("EndpointUnavailable", "EndpointNotFound"), str(options))
                result = lib.run("doorward", "verify", "other")
                lib.expect_true(result.status != 0, f"verify finds it: {result!r}")
                lib.expect_in(word, result.out + result.err)
                echo()


def test_unknown_key_is_a_warning():
    """A key that nobody knows is a warning that names the nearest known one; the endpoint works."""
    text = OTHER.replace("Description=", "Descripton=")
    with echo_works(), lib.definition("other", text):
        expect_outcome("granted")
        result = lib.run("doorward", "verify", "other")
        lib.expect_in("Descripton", result.out + result.err)
        lib.expect_in("Description", result.out + result.err)


def test_group_that_does_not_exist():
    """A definition with a group that is not there: that endpoint says so, every other one works."""
    text = OTHER.replace("Groups=doorward-echo", "Groups=doorward-echo no-such-group")
    with echo_works() as echo, lib.definition("other", text):
        expect_outcome("EndpointUnavailable", hint="no-such-group")
        echo()
        lib.ok("groupadd", "--system", "no-such-group")
        try:
            lib.apply_definitions()
            expect_outcome("granted")
        finally:
            lib.ok("groupdel", "no-such-group")
    lib.expect(lib.ok("systemctl", "list-units", "--failed", "--no-legend", "doorward*").strip(), "")


def test_user_that_does_not_exist():
    """The same with a user in ConnectAs=."""
    text = OTHER + "ConnectAs=no-such-user\n"
    with echo_works() as echo, lib.definition("other", text):
        expect_outcome("EndpointUnavailable", hint="no-such-user")
        echo()


def test_opener_socket_stopped():
    """No socket of an opener: EndpointUnavailable, with the commands as the hint."""
    with echo_works():
        lib.systemctl("stop", "doorward-opener@echo.socket", "doorward-opener@echo.service")
        try:
            expect_outcome("EndpointUnavailable", "echo", hint=COMMANDS)
        finally:
            lib.systemctl("start", "doorward-openers.target", "doorward-opener@echo.socket")
        expect_outcome("granted", "echo")


def test_reload_under_load():
    """Reloads in the middle of opens: each open is granted or clearly refused, and none hangs."""

    def body(child):
        answers = {}
        while not child.is_told():
            name, _ = outcome("echo")
            answers[name] = answers.get(name, 0) + 1
        child.hear()
        return answers

    with lib.settings(RequestRate="100000", RequestBurst="100000"):
        with lib.echo(lib.allow("echo", "read-only")), lib.Child("alice", body) as alice:
            for index in range(8):
                lib.write(f"{lib.DEFINITIONS}/echo.conf", f"{lib.ECHO}# {index}\n")
                lib.apply_definitions()
                select.select([], [], [], 0.05)
            lib.write(f"{lib.DEFINITIONS}/echo.conf", lib.ECHO)
            lib.apply_definitions()
            expect_outcome("granted", "echo")
            alice.tell()
            answers = alice.result()
            lib.expect_true(answers.get("granted", 0) > 5, str(answers))
            lib.expect_true(set(answers) <= {"granted", "EndpointUnavailable"}, str(answers))
