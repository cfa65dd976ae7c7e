# SPDX-License-Identifier: LGPL-2.1-or-later
"""ssh with ProxyUseFdpass to a real sshd behind an endpoint."""

import contextlib
import os

import lib

SOCKET = """[Socket]
ListenStream=/run/doorward-echo/sshd
SocketMode=0660
SocketGroup=doorward-echo
Accept=yes
"""
SERVICE = """[Service]
ExecStart=-/usr/sbin/sshd -i
StandardInput=socket
"""
DEFINITION = """[Endpoint]
Description=A shell on this machine
[Full]
ConnectStream=/run/doorward-echo/sshd
[Connect]
Groups=doorward-echo
"""


@contextlib.contextmanager
def shell():
    """sshd, by a socket unit, as the endpoint shell; alice has a key for her own account."""
    folder = "/home/alice/.ssh"
    aside = f"{folder}.aside"
    if os.path.exists(folder):  # her keys for the other machine of test_remote.py
        os.rename(folder, aside)
    lib.ok("mkdir", "-p", folder, user="alice")
    os.makedirs("/run/sshd", exist_ok=True)
    lib.ok("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/id_ed25519", user="alice")
    lib.ok("cp", f"{folder}/id_ed25519.pub", f"{folder}/authorized_keys", user="alice")
    lib.ok("ssh-keygen", "-A")
    try:
        with lib.unit("tests-sshd@.service", SERVICE), lib.unit("tests-sshd.socket", SOCKET):
            lib.systemctl("start", "tests-sshd.socket")
            with lib.definition("shell", DEFINITION):
                yield
    finally:
        lib.shutil.rmtree(folder)
        if os.path.exists(aside):
            os.rename(aside, folder)


SSH = (
    "ssh", "-o", "ProxyCommand=doorward fdpass shell", "-o", "ProxyUseFdpass=yes", "-o",
    "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
)


def ssh(*argv, **options):
    return lib.login("alice", *SSH, "alice@shell", *argv, **options)


@lib.both_kernel_paths
def test_ssh_through_an_endpoint():
    """ssh logs in over the descriptor that fdpass hands it; the lease ends with ssh."""
    with shell():
        result = ssh("true")
        lib.expect(result.status, 255, f"without a rule: {result!r}")
        with lib.rule(lib.allow_generic("shell", "full")):
            journal = lib.Journal()
            result = ssh("cat; id -un", input="through the door\n").expect_status(0)
            lib.expect(result.out.splitlines(), ["through the door", "alice"])
            (grant,) = journal.wait("grant", MESSAGE_ID=lib.GRANTED)
            (end,) = journal.wait("end", MESSAGE_ID=lib.ENDED)
            lib.expect(end["DOORWARD_LEASE"], grant["DOORWARD_LEASE"])
            lib.wait_for(
                lambda: lib.run("pgrep", "-u", "alice", "doorward").status == 1,
                "no keeper is left",
            )


def test_killing_ssh_ends_the_lease():
    """A killed ssh ends its lease, and sshd's side with it."""
    with shell(), lib.rule(lib.allow_generic("shell", "full")):
        journal = lib.Journal()
        process = lib.start(
            "ssh", "-o", "ProxyCommand=doorward fdpass shell", "-o", "ProxyUseFdpass=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
            "BatchMode=yes", "alice@shell", "sleep 60", user="alice",
            stdin=lib.subprocess.DEVNULL,
        )
        lib.wait_for(
            lambda: lib.run("pgrep", "-u", "alice", "-x", "sleep").status == 0, "it is logged in", 15
        )
        lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])
        process.kill()
        process.wait()
        journal.wait("end", MESSAGE_ID=lib.ENDED)
        lib.wait_for(
            lambda: lib.run("systemctl", "list-units", "--no-legend", "tests-sshd@*").out.strip() == "",
            "sshd's side is gone", 10,
        )
        lib.run("pkill", "-u", "alice", "-x", "sleep")
