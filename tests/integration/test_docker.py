# SPDX-License-Identifier: LGPL-2.1-or-later
"""docker and podman as people run them, whole and read-only, with podman's service behind them."""

import json
import os
import select
import socket
import subprocess

import engine
import lib
import varlink
from terminal import Terminal

FULL = lib.allow("docker", "full")
READ_ONLY = lib.allow("docker", "read-only")


def docker(*argv, access=":ro", endpoint="docker", user="alice", **options):
    return lib.run("doorward", "run", endpoint + access, "--", "docker", *argv, user=user, **options)


def shown(*argv, **options):
    return docker(*argv, **options).expect_status(0).out


def refused(*argv, profile="status", **options):
    """The program prints the sentence: whose refusal it is, and by which profile."""
    result = docker(*argv, **options)
    lib.expect_true(result.status != 0, f"{argv} is refused: {result!r}")
    lib.expect_in(f"doorward: the read-only view '{profile}' of docker does not pass", result.err)
    return result


def expect_no_secrets(text, what):
    for secret in engine.SECRETS:
        lib.expect_not_in(secret, text, what)


@lib.time_limit(120)
def test_full():
    """At full docker does what it does: ps, images, info, version, create, start, exec, logs -f,
    attach, cp, rm."""

    def run(*argv, **options):
        return shown(*argv, access="", **options)

    with engine.engine(image=True) as it, lib.rule(FULL):
        it.start_container()
        lib.expect_in("one", run("ps"))
        lib.expect_in("tiny", run("images"))
        lib.expect_in("Containers: 1", run("info"))
        lib.expect_in("Podman Engine", run("version"))
        lib.expect(run("exec", "one", "echo", "inside"), "inside\n")
        lib.expect(run("exec", "--interactive", "one", "cat", input="in\n"), "in\n")
        lib.expect(run("logs", "one"), "hello from one\n")
        run("cp", "one:/bin/sh", "/tmp/doorward-tests-sh", user="alice")
        lib.expect(
            os.path.getsize("/tmp/doorward-tests-sh"), os.path.getsize("/bin/busybox"), "copied"
        )
        os.unlink("/tmp/doorward-tests-sh")

        # What goes both ways for a while, on a connection that stops being HTTP.
        run("create", "--interactive", "--network", "none", "--name", "two", "tiny:1", "cat")
        lib.expect(run("start", "--attach", "--interactive", "two", input="over\n"), "over\n")
        run("create", "--network", "none", "--name", "three", "tiny:1",
            "sh", "-c", "sleep 0.5; echo a; sleep 0.5; echo b")
        run("start", "three")
        lib.expect(run("logs", "--follow", "three"), "a\nb\n")
        run("rm", "three")
        lib.expect_not_in("three", run("ps", "--all"))

        # And nobody is in between.
        lib.expect(engine.filters(), [])


def attach(name):
    """What is written goes to the container's standard input, and what that says comes back."""
    process = lib.start(
        "doorward", "run", "docker", "--", "docker", "attach", "--sig-proxy=false", name,
        user="alice", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    for word in b"over\n", b"and over\n":
        process.stdin.write(word)
        process.stdin.flush()
        lib.expect(process.stdout.readline(), word)
    return process


@lib.time_limit(120)
def test_attach():
    """At full docker attach joins a container that runs, both ways; who goes, or whose lease is revoked,
    leaves it running, and on a terminal ^P^Q detaches."""

    def start(name, *options):
        it.docker(
            "run", "--detach", "--interactive", *options, "--network", "none", "--name", name,
            "tiny:1", "sh", "-c", "cat; sleep 1000",
        )

    def running():
        return sorted(it.docker("ps", "--format", "{{.Names}}").split())

    with engine.engine(image=True) as it, lib.rule(FULL):
        start("one")
        with attach("one") as process:
            # Some versions of docker do not end at SIGTERM while nothing is to be read.
            (docker_pid,) = lib.read(f"/proc/{process.pid}/task/{process.pid}/children").split()
            os.kill(int(docker_pid), lib.signal.SIGKILL)
            lib.expect(process.wait(10), 128 + lib.signal.SIGKILL)
        start("two")
        with attach("two") as process:
            lib.ok("doorward", "revoke", "--endpoint=docker", "--user=alice")
            lib.expect(process.stdout.read(), b"", "it is hung up on")
            process.stdin.close()
            process.wait(10)
        start("three", "--tty")
        words = ("doorward", "run", "docker", "--", "docker", "attach", "three")
        with Terminal("alice", *words) as terminal:
            terminal.type("typed\n")
            terminal.expect("typed")
            terminal.expect("typed")
            terminal.type("\x10\x11")
            terminal.expect("read escape sequence")
            terminal.status()
        lib.expect(running(), ["one", "three", "two"])


@lib.time_limit(120)
def test_status():
    """By the profile status: what runs is shown; whatever changes something, or reads what is in a
    container, is refused with a sentence that docker prints."""
    with engine.engine(image=True) as it, lib.rule(READ_ONLY):
        it.start_container()
        for argv, word in (
            (["ps", "--all"], "one"),
            (["images"], "tiny"),
            (["info"], "Containers: 1"),
            (["version"], "Podman Engine"),
            (["volume", "ls"], "VOLUME"),
            (["network", "ls"], "NETWORK"),
        ):
            out = shown(*argv)
            lib.expect_in(word, out)
            expect_no_secrets(out, argv)

        lib.expect_in("'Filter=docker inspect'", refused("inspect", "one").err)
        for argv in (
            ["logs", "one"],
            ["create", "tiny:1", "true"],
            ["exec", "one", "true"],
            ["cp", "one:/bin/sh", "-"],
            ["export", "one"],
            ["save", "tiny:1"],
            ["attach", "one"],
            ["kill", "one"],
            ["rm", "--force", "one"],
            ["rename", "one", "two"],
            ["commit", "one", "three"],
            ["tag", "tiny:1", "tiny:2"],
            ["rmi", "tiny:1"],
            ["pull", "tiny:3"],
            ["volume", "create", "v"],
            ["network", "create", "n"],
            ["secret", "ls"],
            ["system", "prune", "--force"],
        ):
            expect_no_secrets(refused(*argv).err, argv)
        lib.expect(it.docker("ps", "--format", "{{.Names}}"), "one\n")


@lib.time_limit(120)
def test_inspect():
    """By the profile inspect: particulars as well, in which environment, labels and command lines are
    not. What is in a container, and what it has printed, is refused as before."""
    with engine.engine(image=True) as it, engine.profile("inspect"), lib.rule(READ_ONLY):
        it.start_container()
        out = shown("inspect", "one")
        (found,) = json.loads(out)
        lib.expect(found["Name"], "/one")
        lib.expect(found["State"]["Running"], True)
        expect_no_secrets(out, "inspect")
        for secret in engine.SECRETS:
            lib.expect_in(secret, it.docker("inspect", "one"), "there is something to hide")
        for argv in (
            ["inspect", "tiny:1"],
            ["ps", "--all", "--no-trunc"],
            ["ps", "--format", "{{.Labels}} {{.Command}}", "--no-trunc"],
            ["history", "--no-trunc", "tiny:1"],
        ):
            expect_no_secrets(shown(*argv), argv)
        lib.expect_in("'Filter=docker logs'", refused("logs", "one", profile="inspect").err)
        for argv in (["exec", "one", "true"], ["cp", "one:/bin/sh", "-"], ["export", "one"]):
            refused(*argv, profile="inspect")


@lib.time_limit(120)
def test_logs():
    """By the profile logs: what containers print, too, also while they print it."""
    with engine.engine(image=True) as it, engine.profile("logs"), lib.rule(READ_ONLY):
        it.start_container()
        lib.expect(shown("logs", "one"), "hello from one\n")
        it.docker("run", "--detach", "--network", "none", "--name", "two", "tiny:1",
                  "sh", "-c", "sleep 1; echo a; sleep 0.5; echo b")
        lib.expect(shown("logs", "--follow", "two"), "a\nb\n")
        expect_no_secrets(shown("inspect", "one"), "inspect")
        for argv in (["exec", "one", "true"], ["export", "one"], ["top", "one"]):
            refused(*argv, profile="logs")
        # Of an answer to this one docker shows no more than the number.
        result = docker("attach", "one")
        lib.expect_true(result.status != 0, f"{result!r}")
        lib.expect_in("unable to upgrade to tcp, received 403", result.err)


@lib.time_limit(120)
def test_podman_remote():
    """podman --remote through the endpoint podman: whole, and read-only."""

    def podman(access, *argv):
        return lib.run(
            "doorward", "run", f"podman{access}", "--", "podman", "--remote", *argv, user="alice"
        )

    rules = lib.allow("podman", "full"), lib.allow("podman", "read-only")
    place = "/run/podman/podman.sock"
    with engine.engine(image=True, socket=place, group="root") as it, lib.rule(*rules):
        it.start_container()
        for access in "", ":ro":
            lib.expect_in("one", podman(access, "ps").expect_status(0).out)
            lib.expect_in("tiny", podman(access, "images").expect_status(0).out)
            lib.expect_in("Server", podman(access, "version").expect_status(0).out)
        lib.expect(podman("", "exec", "one", "echo", "x").expect_status(0).out, "x\n")
        for argv in (
            ["create", "tiny:1", "true"],
            ["exec", "one", "true"],
            ["rm", "--force", "one"],
        ):
            result = podman(":ro", *argv)
            lib.expect_true(result.status != 0, f"{argv} is refused: {result!r}")
            lib.expect_in("doorward: the read-only view 'status' of podman", result.err)
            expect_no_secrets(result.err + result.out, argv)
        lib.expect_in("one", podman("", "ps").out)


# The life of a filter.


def ask(data, target="/_ping"):
    """One request on a connection that stays: the status line and all that follows at once."""
    data.sendall(f"GET {target} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    return data.recv(65536)


def works(data):
    return ask(data).startswith(b"HTTP/1.1 200 ")


def hangs_up(data):
    return bool(select.select([data], [], [], 5)[0]) and not data.recv(1)


def opened(client):
    reply = client.open("docker", "read_only")
    lib.expect((reply["mode"], reply["means"]), ("revocable", "filter"))
    data = socket.socket(fileno=client.fd(reply))
    data.settimeout(10)
    return reply, data


def holder(child):
    """Has one, and does what it is told."""
    client = varlink.Client()
    reply, data = opened(client)
    lib.expect_true(works(data), "it answers")
    child.tell(reply["lease"])
    while (wish := child.hear()) != "end":
        if wish == "works":
            child.tell(works(data))
        elif wish == "close":
            data.close()
            child.tell()
        elif wish == "reason":
            ended = client.reply()
            child.tell((hangs_up(data), ended["reason"]))


def test_kill():
    """A filter that is killed is a service that has hung up: the lease ends, and says so."""
    with engine.engine(), lib.rule(READ_ONLY), lib.Child("alice", holder) as child:
        lease = child.hear()
        journal = lib.Journal()
        (pid,) = engine.filters()
        os.kill(pid, lib.signal.SIGKILL)
        child.tell("reason")
        lib.expect(child.hear(), (True, "backend"))
        (entry,) = journal.wait("its end", MESSAGE_ID=lib.ENDED)
        names = "LEASE", "REASON", "ACCESS"
        lib.expect([entry[f"DOORWARD_{name}"] for name in names], [lease, "backend", "read-only"])
        child.tell("end")


def test_close():
    """close(2) of the client's descriptor alone ends the filter, and so the lease."""
    with engine.engine(), lib.rule(READ_ONLY), lib.Child("alice", holder) as child:
        child.hear()
        engine.expect_filters(1)
        journal = lib.Journal()
        child.tell("close")
        child.hear()
        engine.expect_filters(0)
        (entry,) = journal.wait("its end", MESSAGE_ID=lib.ENDED)
        lib.expect(entry["DOORWARD_REASON"], "backend")
        child.tell("end")


def test_restart():
    """A filtered lease outlives the broker, by its restart and by a crash of it, and can be revoked
    by the one that came after."""
    with engine.engine(), lib.rule(READ_ONLY), lib.Child("alice", holder) as child:
        lease = child.hear()
        (pid,) = engine.filters()
        lib.wait_for(
            lambda: int(lib.unit_property("doorward.service", "NFileDescriptorStore")) == 3,
            "systemd keeps it",
        )
        for way in ("restart",), ("kill", "--signal=KILL"):
            before = lib.broker_pid()
            lib.systemctl(*way, "doorward.service")
            lib.wait_for(lambda: lib.broker_pid() not in (0, before), "another broker")
            child.tell("works")
            lib.expect(child.hear(), True, way)
            lib.expect(engine.filters(), [pid])
        lib.ok("doorward", "revoke", lease)
        child.tell("reason")
        lib.expect(child.hear(), (True, "revoked"))
        engine.expect_filters(0)
        child.tell("end")


@lib.time_limit(60)
def test_revoke_events():
    """Revoked in the middle of docker events, which is told at once, and ends."""
    with engine.engine(), lib.rule(READ_ONLY):
        process = lib.start(
            "doorward", "run", "docker:ro", "--", "docker", "events", user="alice",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        lib.wait_for(engine.filters, "a filter runs", 10)
        (lease,) = json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
        lib.expect(lease["access"], "read_only")
        lib.ok("doorward", "revoke", lease["id"])
        process.communicate(timeout=10)
        lib.expect_true(process.returncode != 0, "it did not end by itself")
        engine.expect_filters(0)


@lib.time_limit(60)
def test_many():
    """A hundred filtered connections of one client, under one lease: each has a filter of its own, all
    work, are counted, and end together."""

    def body(child):
        client = varlink.Client()
        reply, data = opened(client)
        lease, all_of_them = reply["lease"], [data]
        for _ in range(99):
            with varlink.Client() as asking:
                more = asking.call(
                    "Open", {"endpoint": "docker", "access": "read_only", "lease": lease}
                )
                all_of_them.append(socket.socket(fileno=asking.fd(more)))
                all_of_them[-1].settimeout(20)
        child.tell(sum(works(data) for data in all_of_them))
        child.hear()
        client.close()
        child.tell(sum(hangs_up(data) for data in all_of_them))

    with engine.engine(), lib.rule(READ_ONLY), lib.Child("alice", body) as child:
        lib.expect(child.hear(60), 100)
        lib.expect(len(engine.filters()), 100)
        info = lib.run("doorward", "info", "--json=short", user="alice").json()
        lib.expect(info["use"]["FiltersPerUser"], 100)
        child.tell()
        lib.expect(child.hear(), 100)
        engine.expect_filters(0)


def test_limit():
    """FiltersPerUser= is a limit by name, for one user and no other."""

    def body(n):
        clients = [varlink.Client() for _ in range(n)]
        held = [opened(client) for client in clients[:-1]]
        try:
            opened(clients[-1])
        except varlink.VarlinkError as error:
            return error.short, error.parameters["limit"]
        return f"granted after {len(held)}"

    rules = READ_ONLY, lib.allow("docker", "read-only", "bob")
    with engine.engine(), lib.rule(*rules), lib.settings(FiltersPerUser="3"):
        lib.expect(lib.as_user("alice", body, 3), "granted after 2")
        lib.expect(lib.as_user("alice", body, 4), ("LimitExceeded", "FiltersPerUser"))
        lib.expect(lib.as_user("bob", body, 1), "granted after 0")


def test_no_filter():
    """A filter that cannot be started: nothing is given, and the hint says what to do. At full nothing
    has changed."""
    with engine.engine(), lib.rule(READ_ONLY, FULL):
        lib.systemctl("stop", "doorward-filter.socket")
        try:
            result = docker("ps")
            lib.expect_true(result.status != 0, f"{result!r}")
            lib.expect_in("systemctl start doorward-filter.socket", result.err)
            shown("ps", access="")
        finally:
            lib.systemctl("start", "doorward-filter.socket")

        # The listener of before would go on.
        lib.systemctl("stop", "doorward-filter.service")
        lib.systemctl("mask", "--runtime", "doorward-filter.service")
        try:
            result = lib.run("doorward", "exec", "docker:ro", "--", "true", user="alice")
            lib.expect(result.status, 96, f"{result!r}")
            lib.expect_in("journalctl --unit=doorward-filter.service", result.err)
        finally:
            lib.systemctl("unmask", "--runtime", "doorward-filter.service")
            lib.run("systemctl", "reset-failed", "doorward-filter.socket")
            lib.systemctl("start", "doorward-filter.socket")
        shown("ps")


def test_shown():
    """list, explain and the library say that it is by a filter; without a rule somebody at the machine
    alone has it without a password."""
    with engine.engine(), lib.rule(READ_ONLY):
        lib.expect_in("by a filter", lib.run("doorward", "explain", "docker:ro", user="alice").out)
        endpoints = lib.run("doorward", "list", "--json=short", user="alice").json()
        (entry,) = [e for e in endpoints if e["name"] == "docker"]
        lib.expect(entry["readOnly"]["means"], "filter")
        lib.expect(entry["readOnly"]["decision"], "authorized")

        def body():
            import doorward

            with doorward.open_read_only("docker") as connection:
                model = connection.get_security_model()
                return model.read_only, model.mode

        lib.expect(lib.as_user("alice", body), ("filter", "revocable"))
