# SPDX-License-Identifier: LGPL-2.1-or-later
"""The broker ends, in each way, and comes back."""

import os
import select
import signal
import socket

import lib
import test_peer
import varlink


def outcome(endpoint="echo", access="full"):
    with varlink.Client() as client:
        try:
            return client.open(endpoint, access)["state"]
        except varlink.VarlinkError as error:
            return error.short


def test_killed_in_mid_request():
    """The broker is killed while polkit, or the opener, is waited for: the client is told clearly,
    has nothing, and the next request starts the broker again, by its socket."""
    unit = "doorward.service"
    # By default systemd does it by itself, before anybody asks.
    with lib.echo(lib.allow("echo", "full")) as full, lib.drop_in(unit, "[Service]\nRestart=no\n"):
        for point in ("policy", "opener"):
            with test_peer.WAITS[point]():
                pid = lib.broker_pid()
                command = lib.start(
                    "doorward", "exec", "echo", "--", "true", user="alice",
                    stdout=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE,
                )
                select.select([], [], [], 0.5)
                lib.expect(command.poll(), None, f"{point}: the command waits")
                os.kill(pid, signal.SIGKILL)
                # An opener that was asked has the client's connection, too, until it looks at it.
                lib.run("systemctl", "kill", "--signal=CONT", "doorward-opener@echo.service")
                _, err = command.communicate(timeout=10)
            lib.expect(command.returncode, 86, f"{point}: the status of no-broker")
            lib.expect_in("broker", err.decode())

            lib.wait_for(lambda: lib.unit_property(unit, "ActiveState") == "failed", "it has ended")
            lib.expect(lib.unit_property("doorward.socket", "SubState"), "listening", point)
            lib.expect(lib.as_user("alice", outcome), "granted", point)
            lib.expect_true(lib.unit_pid(unit) not in (0, pid), "a new broker")
            full.expect_deserted()


def test_killed_again_and_again():
    """No start limit: ten deaths in a row, and it is there."""
    with lib.echo(lib.allow("echo", "full")):
        for _ in range(10):
            os.kill(lib.broker_pid(), signal.SIGKILL)
            lib.wait_for(lambda: lib.unit_is_active("doorward.socket"), "the socket stays")
            lib.wait_for(lambda: lib.as_user("alice", outcome) == "granted", "it is there again")


def test_descriptors_outlive_the_broker():
    """A tracked connection goes on when the broker dies: the broker is not in the data path."""

    def body(child):
        client = varlink.Client()
        reply = client.open("echo", "read_only")
        with socket.socket(fileno=client.fd(reply)) as data:
            varlink.line(data.fileno())
            child.tell()
            child.hear()
            data.settimeout(5)
            data.sendall(b"ping")
            answer = data.recv(10)
            client.expect_closed()
            return answer

    with lib.echo(lib.allow("echo", "read-only")):
        with lib.Child("alice", body) as alice:
            alice.hear()
            os.kill(lib.broker_pid(), signal.SIGKILL)
            alice.tell()
            lib.expect(alice.result(), b"ping")


def test_stopped():
    """A stop ends every lease with reason shutdown, tells the client, and cuts what can be cut."""

    def body(child):
        client = varlink.Client()
        reply = client.open("echo", "full")
        with socket.socket(fileno=client.fd(reply)) as data:
            varlink.line(data.fileno())
            child.tell()
            ended = client.reply()
            data.settimeout(5)
            return ended["state"], ended["reason"], data.recv(1)

    with lib.echo(lib.allow("echo", "full")):
        journal = lib.Journal()
        with lib.Child("alice", body) as alice:
            alice.hear()
            lib.systemctl("stop", "doorward.service")
            lib.expect(alice.result(), ("ended", "shutdown", b""))
        (entry,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_REASON"], "shutdown")
        lib.expect(lib.unit_property("doorward.service", "Result"), "success")
        lib.expect(lib.as_user("alice", outcome), "granted", "the socket starts it again")


def test_idle_exit():
    """With nothing to do it exits after IdleExitSec=, which is no failure; with a lease it stays; the
    next request starts it."""

    def body(child):
        client = varlink.Client()
        client.open("echo", "full")
        child.tell()
        child.hear()

    with lib.settings(IdleExitSec="1"), lib.echo(lib.allow("echo", "full")):
        with lib.Child("alice", body) as alice:
            alice.hear()
            pid = lib.unit_pid("doorward.service")
            select.select([], [], [], 2.5)
            lib.expect(lib.unit_pid("doorward.service"), pid, "the broker of a lease")
            alice.tell()
            alice.result()
        lib.wait_for(lambda: not lib.unit_pid("doorward.service"), "it exits", 5)
        select.select([], [], [], 0.5)
        lib.expect(lib.unit_property("doorward.service", "ActiveState"), "inactive")
        lib.expect(lib.unit_property("doorward.service", "ExecMainStatus"), "75")
        lib.expect(lib.as_user("alice", outcome), "granted")


def test_watchdog():
    """A broker that stands still is ended by systemd's watchdog and started again."""
    with lib.drop_in("doorward.service", "[Service]\nWatchdogSec=2s\n"):
        lib.restart_broker()
        with lib.echo(lib.allow("echo", "full")):
            pid = lib.broker_pid()
            select.select([], [], [], 3)
            lib.expect(lib.unit_pid("doorward.service"), pid, "a healthy broker")
            os.kill(pid, signal.SIGSTOP)
            lib.wait_for(
                lambda: lib.unit_pid("doorward.service") not in (0, pid), "a new broker", 20, 0.2
            )
            lib.expect(lib.as_user("alice", outcome), "granted")
    lib.restart_broker()


def becoming(user, *options):
    """The beginning of a command that runs as this user, with more of setpriv(1)'s options."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *options)


def test_refuses_to_run_with_power():
    """The broker refuses to run as root, with a capability in any set, where it could gain any, or
    without its socket."""
    for prefix, words in (
        ((), "it runs as root"),
        (becoming("doorward", "--inh-caps=+chown"), "it has capabilities"),
        (becoming("doorward"), "it could gain privileges"),
        (becoming("doorward", "--no-new-privs"), "socket"),
    ):
        result = lib.run(*prefix, "/usr/libexec/doorward/doorwardd").expect_status(1)
        lib.expect_in(words, result.err, f"{prefix}")


def test_filter_refuses_to_run_with_power():
    """A filter refuses to run as root, and with a capability in any set, were it only that it is to be
    had or to be passed on; one without goes on to ask who connected."""
    script = "exec /usr/libexec/doorward/doorward-filter 3<&0"
    user = "doorward-filter"
    nothing = becoming(user, "--bounding-set=-all")
    for prefix, words in (
        ((), "it runs as root"),
        (becoming(user), "it has capabilities"),
        (("setpriv", "--inh-caps=+chown", *nothing), "it has capabilities"),
        (nothing, "Not asked by the broker"),
    ):
        result = lib.run(*prefix, "sh", "-c", script).expect_status(1)
        lib.expect_in(words, result.err, f"{prefix}")


def test_broker_holds_nothing():
    """The running broker: uid doorward, no group but its own, no capability, no new privileges, a
    seccomp filter, no network."""
    pid = lib.broker_pid()
    status = dict(
        line.split(":\t", 1) for line in lib.read(f"/proc/{pid}/status").splitlines() if ":\t" in line
    )
    entry = lib.pwd.getpwnam("doorward")
    lib.expect(status["Uid"].split(), [str(entry.pw_uid)] * 4)
    lib.expect(status["Gid"].split(), [str(entry.pw_gid)] * 4)
    lib.expect_true(set(status["Groups"].split()) <= {str(entry.pw_gid)}, status["Groups"])
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        lib.expect(int(status[name], 16), 0, name)
    lib.expect(status["NoNewPrivs"], "1")
    lib.expect(status["Seccomp"], "2")
    lib.expect_true(
        os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/1/ns/net"), "a network of its own"
    )
