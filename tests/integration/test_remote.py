# SPDX-License-Identifier: LGPL-2.1-or-later
"""Endpoints of another machine, through the user's own ssh and a real sshd there."""

import contextlib
import os
import re
import select
import time

import far
import lib
from terminal import Terminal

ECHO = far.URI + "echo"
ECHO_FULL = ("lib.echo()", far.allow("echo", "full"))

DOMAIN = """<domain type='test'>
  <name>bobs-domain</name>
  <memory>65536</memory>
  <os><type>hvm</type></os>
</domain>
"""


def asked(answers, prompts):
    """Somebody who has these answers, and keeps what they were asked and told."""
    import doorward

    def callback(credential):
        prompts.append(credential.prompt)
        if not credential.wants_answer:
            return None
        # Of several administrators the first.
        if credential.type == doorward.CredentialType.AUTHNAME:
            return "carol"
        return answers.pop(0)

    return doorward.Auth(doorward.CredentialType, callback)


def first_line(connection):
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(connection.get_fd(), 1)
        if not piece:
            break
        data += piece
    return data.decode()


def failure(uri):
    """The error, as class, message and hint."""

    def body():
        import doorward

        try:
            doorward.open(uri).close()
        except doorward.Error as error:
            return (doorward.error_code_to_string(error.code), error.message, error.hint or "")
        return None

    return lib.as_user("alice", body)


@contextlib.contextmanager
def helper(name, uri):
    """A program that virsh starts: it joins its standard streams to this."""
    path = f"/usr/local/bin/{name}"
    try:
        lib.write(path, f"#!/bin/sh\nexec doorward stdio '{uri}'\n", 0o755)
        yield path
    finally:
        os.unlink(path)


def virsh(path, *argv):
    return lib.login("alice", "virsh", "--connect", f"test+ext:///default?command={path}", *argv)


@lib.time_limit(120)
def test_virsh():
    """virsh here manages libvirtd's test driver there, read-only and full; read-only, its define is
    refused by libvirtd itself."""
    read_only = far.URI + "libvirt?access=read-only"
    with helper("far-ro", read_only) as ro, helper("far", far.URI + "libvirt") as full:
        with lib.scratch() as folder:
            lib.write(f"{folder}/domain.xml", DOMAIN)
            result = virsh(ro, "list")
            lib.expect(result.status, 1, "without a rule there")
            with far.having(far.allow("libvirt", "read-only")):
                lib.expect_in("running", virsh(ro, "list").expect_status(0).out)
                result = virsh(ro, "define", f"{folder}/domain.xml")
                lib.expect(result.status, 1, f"{result!r}")
                lib.expect_in("read only access prevents", result.err)
                lib.expect(virsh(full, "list").status, 1, "read-only is not full")
            with far.having(far.allow("libvirt", "full")):
                result = virsh(full, "define", f"{folder}/domain.xml").expect_status(0)
                lib.expect_in("bobs-domain", result.out)


def test_open():
    """It is a connection like others; whom the machine there sees is bob."""

    def body():
        import doorward

        with doorward.open(ECHO) as connection:
            os.write(connection.get_fd(), b"ping\n")
            line = first_line(connection)
            info = connection.get_grant_info()
            kind = connection.get_type(), info.mode, connection.is_encrypted()
            lib.expect(connection.get_hostname(), "far")
            lib.expect(connection.get_host_info().hostname, "far")
            return line, connection.get_uri(), kind, first_line(connection)

    with far.having(*ECHO_FULL):
        line, uri, kind, ping = lib.as_user("alice", body)
        lib.expect(line[:4], "uid=")
        lib.expect(ping, "ping\n")
        lib.expect(uri, ECHO + "?access=full")
        lib.expect(kind, ("stream", "revocable", True))
        entry = far.value(
            "json.loads(lib.ok('journalctl', '--sync') + lib.ok('journalctl', '--quiet', "
            "'--output=json', '--lines=1', 'MESSAGE_ID=' + lib.GRANTED))"
        )
        bob = far.value("lib.pwd.getpwnam('bob').pw_uid")
        lib.expect(entry["DOORWARD_SUBJECT_UID"], str(bob))
        lib.expect(entry["DOORWARD_ENDPOINT"], "echo")


@lib.time_limit(120)
def test_what_is_there():
    """The version, the limits and the capabilities are those of the machine there, as bob has them."""

    def body():
        import doorward

        with doorward.open(ECHO) as connection:
            limits = {name: limit.max for name, limit in connection.get_limits().items()}
            return connection.get_version(), limits, connection.get_capabilities()

    settings = "lib.settings(LeasesPerUser=77)"
    with far.having(*ECHO_FULL, settings):
        version, limits, capabilities = lib.as_user("alice", body)
        there = far.value("json.loads(lib.ok('doorward', 'capabilities', '--json=short', user='bob'))")
        major, minor, micro = map(int, there["broker"]["version"].split("."))
        lib.expect(version, major * 1000000 + minor * 1000 + micro)
        lib.expect(limits["LeasesPerUser"], 77)
        lib.expect(capabilities["host"]["hostname"], "far")
        for name in ("library", "broker", "kernel", "policy", "authentication", "endpoints"):
            lib.expect(capabilities[name], there[name], name)
        lib.expect_in("echo", [endpoint["name"] for endpoint in capabilities["endpoints"]])


@lib.time_limit(120)
def test_password():
    """The far side's passwords are asked here, with its name before them: polkit's for bob himself,
    the caller's own in addition (step-up), and an administrator's."""

    def body(answer):
        import doorward

        prompts = []
        with doorward.open_auth(ECHO, asked([answer], prompts)) as connection:
            return first_line(connection)[:4], prompts

    with far.having("lib.echo()", far.allow("echo", "full", "AUTH_SELF")):
        line, prompts = lib.as_user("alice", body, far.PASSWORD)
        lib.expect(line, "uid=")
        questions = [text for text in prompts if "assword" in text]
        lib.expect(len(questions), 1, f"{prompts}")
        lib.expect_true(all(text.startswith("bob@far: ") for text in prompts), f"{prompts}")
        code, message, _ = failure(ECHO)
        lib.expect(code, "auth-needed", message)
    with far.having("lib.echo()", far.allow("echo", "full", "AUTH_ADMIN")):
        line, prompts = lib.as_user("alice", body, "carol-s password")
        lib.expect(line, "uid=")


def test_wrong_password():
    """A wrong one is that, and a dismissed one cancels."""

    def body(answer):
        import doorward

        try:
            doorward.open_auth(ECHO, asked([answer], []))
        except doorward.Error as error:
            return doorward.error_code_to_string(error.code), error.message

    with far.having("lib.echo()", far.allow("echo", "full", "AUTH_SELF")):
        lib.expect(lib.as_user("alice", body, "wrong")[0], "auth-failed")
        far.run("lib.restart_broker()")


@lib.time_limit(90)
def test_terminal():
    """On a terminal the doorward command asks what the far side asks, and ssh what it asks: carol has
    no key for bob."""
    with far.having("lib.echo()", far.allow("echo", "full", "AUTH_SELF")):
        with Terminal("alice", "doorward", "stdio", ECHO) as terminal:
            terminal.expect("bob@far: ")
            terminal.expect("assword: ")
            terminal.answer(far.PASSWORD)
            terminal.expect("uid=")
            lib.expect_not_in(far.PASSWORD, terminal.text)
    with far.having(*ECHO_FULL):
        with Terminal("carol", "doorward", "stdio", ECHO) as terminal:
            terminal.expect("bob@far")
            terminal.expect("assword: ")
            terminal.answer(far.PASSWORD)
            terminal.expect("uid=")


def watch(child):
    """Opens, says so, and returns why it ended, and when."""
    import doorward

    ended = []

    def closed(_, reason):
        ended.append((doorward.close_reason_to_string(reason), time.monotonic()))

    with doorward.open(ECHO) as connection:
        connection.set_close_callback(closed)
        child.tell()
        while not ended:
            ready = select.select([connection.get_event_fd()], [], [], 40)[0]
            lib.expect_true(ready, "it is told")
            connection.process()
    return ended[0]


@contextlib.contextmanager
def watched():
    with lib.Child("alice", watch) as child:
        child.hear(20)
        yield child


CUT = (
    "t = time.monotonic()\n"
    "pids = lib.ok('pgrep', '-f', '^sshd: bob').split()\n"
    "[os.kill(int(pid), 9) for pid in pids]\n"
    "print(json.dumps(time.monotonic()))\n"
)


@lib.time_limit(90)
def test_connection_lost():
    """When the connection is cut in the middle the close callback is called within a second, and the
    lease there is gone."""
    with far.having(*ECHO_FULL), watched() as child:
        lib.expect(far.leases(), 1)
        cut = float(far.run(CUT))
        reason, moment = child.result(30)
        lib.expect(reason, "transport")
        lib.note(f"told after {1000 * (moment - cut):.0f} ms")
        lib.expect_true(moment - cut <= 1.0, f"told within a second: {moment - cut:.3f} s")
        far.expect_leases(0)


@lib.time_limit(120)
def test_wire_cut():
    """Where the wire itself is cut, ssh notices as its configuration says, and the callback is called
    then; the lease there is gone once that machine hears of it."""
    config = "/home/alice/.ssh/config"
    try:
        lib.write(config, "ServerAliveInterval 1\nServerAliveCountMax 2\n", 0o600)
        lib.ok("chown", "alice:", config)
        with far.having(*ECHO_FULL), watched() as child:
            try:
                lib.ok("ip", "link", "set", "doorward0", "down")
                reason, _ = child.result(40)
                lib.expect(reason, "transport")
            finally:
                lib.ok("ip", "link", "set", "doorward0", "up")
            # With the wire back it may have heard of it by itself.
            far.run("lib.run('pkill', '-KILL', '-f', '^sshd: bob')")
            far.expect_leases(0, 20)
    finally:
        os.unlink(config)


@lib.time_limit(90)
def test_revoked():
    """What is revoked there ends here, with that reason; what is closed here ends there."""

    def close():
        import doorward

        doorward.open(ECHO).close()

    with far.having(*ECHO_FULL):
        with watched() as child:
            far.run("lib.ok('doorward', 'revoke', '--endpoint=echo')")
            lib.expect(child.result(30)[0], "revoked")
        lib.as_user("alice", close)
        far.expect_leases(0, 3)


@lib.time_limit(90)
def test_errors():
    """Errors of the far side keep class and hint, and errors of the way there say what ssh said."""
    far.prepare()
    code, message, hint = failure(ECHO)
    lib.expect(code, "auth-needed", message)
    lib.expect_in("bob@far: ", message)
    code, message, hint = failure(far.URI + "nothing-of-that-name")
    lib.expect(code, "no-endpoint", message)
    lib.expect_in("bob@far: There is no endpoint called nothing-of-that-name.", message)

    code, message, hint = failure("doorward+ssh://bob@far:1/echo")
    lib.expect(code, "no-broker", message)
    lib.expect_in("bob@far could not be reached: ", message)
    lib.expect_in("Connection refused", message)
    code, message, hint = failure(ECHO + "?command=/nonexistent/doorward")
    lib.expect(code, "no-broker", message)
    lib.expect_in("installed", hint)
    code, message, hint = failure("doorward+ssh://carol@far/echo")
    lib.expect_in("Permission denied", message)
    # A host that nobody knows is not asked about.
    code, message, hint = failure("doorward+ssh://bob@10.99.0.2/echo")
    lib.expect_in("Host key verification failed", message)


def test_local_only():
    """A program that wants to stay on its machine does."""

    def body():
        import doorward

        try:
            doorward.open_auth(ECHO, None, doorward.Flags.LOCAL_ONLY)
        except doorward.Error as error:
            return doorward.error_code_to_string(error.code)

    lib.expect(lib.as_user("alice", body), "bad-uri")


@lib.time_limit(90)
def test_shared_connection():
    """ssh's shared connections are used, and one that is closed takes no other with it."""
    config = "/home/alice/.ssh/config"

    def body():
        import doorward

        with doorward.open(ECHO) as first:
            begin = time.monotonic()
            second = doorward.open(ECHO)
            taken = time.monotonic() - begin
            second.close()
            os.write(first.get_fd(), b"ping\n")
            return first_line(first)[:4], first_line(first), taken

    try:
        lib.write(
            config,
            "ControlMaster auto\nControlPath /home/alice/.ssh/c-%C\nControlPersist 20\n",
            0o600,
        )
        lib.ok("chown", "alice:", config)
        with far.having(*ECHO_FULL):
            line, ping, taken = lib.as_user("alice", body)
            lib.expect((line, ping), ("uid=", "ping\n"))
            lib.note(f"the second was open after {1000 * taken:.0f} ms")
            far.expect_leases(0)
    finally:
        os.unlink(config)
        lib.run("pkill", "-u", "alice", "-x", "ssh")


def test_ext():
    """A program can be the way: doorward itself is its own far side."""

    def body():
        import doorward

        with doorward.open("doorward+ext:///echo?command=/usr/bin/doorward") as connection:
            return first_line(connection)[:4], connection.is_encrypted()

    with lib.echo(lib.allow("echo", "full")):
        line, encrypted = lib.as_user("alice", body)
        lib.expect(line, "uid=")
        lib.expect(bool(encrypted), False)


def example(kind):
    """The shell blocks of docs/fleet.md for that machine, with the names that there are here."""
    text = lib.read(f"{lib.SOURCE}/docs/fleet.md")
    for before, after in (
        ("alice@vm1", "bob@far"),
        ("ssh root@vm1", lib.shlex.join(far.SSH)),
        ("qemu+ext:///system", "test+ext:///default"),
    ):
        text = text.replace(before, after)
    return re.findall(rf"^```sh {kind}\n(.*?)^```$", text, re.M | re.S)


def of_bob(block):
    return re.sub(r"\balice\b", "bob", block)


@lib.time_limit(120)
def test_fleet():
    """The example of docs/fleet.md, as it stands there, with the two machines for its three."""
    rules = "/etc/polkit-1/rules.d/60-vm-operators.rules"
    folder = "/var/log/journal/remote"
    (host,) = example("host")
    settings, virsh_list = example("desk")
    gather, revoke = example("collector")
    far.prepare()
    try:
        far.run(f"lib.ok('/bin/sh', '-ec', {of_bob(host)!r})\nlib.polkit_settle()")
        lib.ok("/bin/sh", "-ec", settings, user="alice")
        result = lib.login("alice", "/bin/sh", "-ec", virsh_list).expect_status(0)
        lib.expect_in("running", result.out)

        lib.expect_in("libvirt", lib.ok("/bin/sh", "-ec", gather))
        uid = far.value("lib.pwd.getpwnam('bob').pw_uid")
        entries = lib.ok(
            "journalctl", f"--file={folder}/vm1.journal", "--output=json",
            "DOORWARD_ENDPOINT=libvirt", f"DOORWARD_SUBJECT_UID={uid}",
        )
        lib.expect_in(lib.GRANTED, entries)

        lib.ok("/bin/sh", "-ec", of_bob(revoke))
        result = lib.login("alice", "/bin/sh", "-ec", virsh_list)
        lib.expect(result.status, 1, f"kept out: {result!r}")
    finally:
        far.run(
            "lib.run('doorward', 'revoke', '--user=bob', '--endpoint=libvirt', '--block=0')\n"
            f"lib.run('rm', '-f', {rules!r})\nlib.run('groupdel', 'vm-operators')\n"
            "lib.polkit_settle()"
        )
        lib.run("rm", "-rf", folder, "/home/alice/.config/doorward", "/home/alice/bin")
