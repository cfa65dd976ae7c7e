# SPDX-License-Identifier: LGPL-2.1-or-later
"""The client in Go that docs/wire.md names: it shares nothing with libdoorward."""

import contextlib
import json
import os

import lib

SOURCE = f"{lib.SOURCE}/client/examples/wire.go"


@contextlib.contextmanager
def built():
    """The program; the toolchain is Debian's, and needs no network."""
    with lib.scratch() as folder:
        env = {"GOCACHE": f"{folder}/cache", "GOFLAGS": "", "GO111MODULE": "off", "CGO_ENABLED": "0"}
        lib.expect(lib.ok("gofmt", "-l", SOURCE), "", "as gofmt has it")
        lib.ok("go", "vet", SOURCE, env=env, timeout=100)
        lib.ok("go", "build", "-o", f"{folder}/wire", SOURCE, env=env, timeout=100)
        yield f"{folder}/wire"


def talk(program):
    """All of it, in one run each: an echo of both levels, and refusals."""
    for access in ("full", "read_only"):
        result = lib.run(program, "echo", access, user="alice", input="ping\n" * 30000)
        first, rest = result.expect_status(0).out.split("\n", 1)
        lib.expect(first[:4], "uid=")
        lib.expect(rest, "ping\n" * 30000)
    for endpoint, error in (
        ("docker", "InteractiveAuthenticationRequired"),
        ("no-such-endpoint", "EndpointNotFound"),
    ):
        result = lib.run(program, endpoint, "full", user="alice").expect_status(1)
        lib.expect_in(f"org.doorward.Broker.{error}: ", result.err)


def revoked(program):
    """It ends with its lease."""
    process = lib.start(
        program, "echo", "full", user="alice", stdin=lib.subprocess.PIPE,
        stdout=lib.subprocess.PIPE,
    )
    with process:
        lib.expect(process.stdout.readline()[:4], b"uid=")
        (lease,) = json.loads(lib.ok("doorward", "leases", "--all", "--json=short"))
        lib.expect((lease["pid"], lease["command"]), (process.pid, "wire"))
        lib.ok("doorward", "revoke", lease["id"])
        lib.expect(process.wait(10), 0)


IMPOSTOR = """
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
print("ready", flush=True)
while True:
    client, _ = server.accept()
    client.recv(65536)
    client.sendall(json.dumps({"parameters": {"state": "granted", "connection": 0}}).encode() + b"\\0")
"""


def impostor(program):
    """Somebody else at the broker's path, which only root could arrange, is not believed."""
    path = lib.BROKER_SOCKET
    with lib.scratch(0o1777) as folder:
        process = lib.start(
            "python3", "-c", IMPOSTOR, f"{folder}/broker", user="bob", stdout=lib.subprocess.PIPE
        )
        try:
            lib.expect(process.stdout.readline(), b"ready\n")
            os.rename(path, f"{path}.aside")
            os.symlink(f"{folder}/broker", path)
            try:
                result = lib.run(program, "echo", "full", user="alice").expect_status(1)
                lib.expect_in("is not the broker", result.err)
            finally:
                os.unlink(path)
                os.rename(f"{path}.aside", path)
        finally:
            process.kill()
            process.wait()


@lib.time_limit(150)
def test_go():
    """It opens, talks, is refused and ends as it should, as this kernel has it and with a nonce; and
    it believes no impostor."""
    with built() as program:
        with lib.echo(lib.allow("echo", "full"), lib.allow("echo", "read-only")):
            talk(program)
            revoked(program)
            impostor(program)
            with lib.settings(IdentityProof="always"):
                talk(program)
                revoked(program)
