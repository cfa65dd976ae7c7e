# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another machine: a second container, with doorward and a real sshd, on one wire with this one.

./check boots it for the tests of test_remote.py, and tests/integration/join lets root in there, for
what has to be done on it. bob of there lets alice of here in.
"""

import contextlib
import json
import os
import shlex

import lib

KEY = "/etc/ssh/doorward-tests/root"
SSH = ("ssh", "-F", "none", "-i", KEY, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "root@far")
URI = "doorward+ssh://bob@far/"
PASSWORD = "bob-s password"
PRELUDE = f"""
import json, os, sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, {lib.SOURCE + "/tests/integration"!r})
import lib
"""


def command(code):
    return (*SSH, "/usr/bin/python3 -c " + shlex.quote(PRELUDE + code))


def run(code, timeout=60):
    """Runs this there, as root, and returns what it prints."""
    if not os.path.exists(KEY):
        raise lib.Failure("there is no other machine: only './check remote.' and all of ./check have it")
    return lib.run(*command(code), timeout=timeout).expect_status(0).out


def value(expression, timeout=60):
    return json.loads(run(f"print(json.dumps({expression}))", timeout))


_prepared = False


def prepare():
    """Once for each test, which is a process of its own: cheap where it was done before."""
    global _prepared
    if not _prepared:
        run(
            "if not os.path.exists(lib.PLACE + '/prepared'):\n"
            "    lib.prepare()\n"
            "    lib.write(lib.PLACE + '/prepared', '')\n"
            "lib.restart_broker()\n",
            120,
        )
        _prepared = True


@contextlib.contextmanager
def having(*expressions):
    """Meanwhile these context managers of lib are entered there."""
    prepare()
    lines = ["import contextlib", "with contextlib.ExitStack() as stack:"]
    lines += [f"    stack.enter_context({expression})" for expression in expressions]
    lines += ["    print('ready', flush=True)", "    sys.stdin.read()"]
    process = lib.start(
        *command("\n".join(lines)), stdin=lib.subprocess.PIPE, stdout=lib.subprocess.PIPE, text=True
    )
    try:
        lib.expect(process.stdout.readline(), "ready\n", "what was to be set up there")
        yield
    finally:
        process.stdin.close()
        process.wait(60)


def allow(endpoint, access, result="YES"):
    return f"lib.rule(lib.allow({endpoint!r}, {access!r}, 'bob', {result!r}))"


def leases():
    return value("len(json.loads(lib.ok('doorward', 'leases', '--all', '--json=short')))")


def expect_leases(count, timeout=5):
    lib.wait_for(lambda: leases() == count, f"{count} leases there", timeout, 0.1)
