# SPDX-License-Identifier: LGPL-2.1-or-later
"""busctl by unixexec to the real system bus, with the definition of the cookbook."""

import json

import lib
import recipes

ADDRESS = "unixexec:path=/usr/bin/doorward,argv1=stdio,argv2=system-bus"
DEFINITION = recipes.Page("busctl").file(f"{lib.DEFINITIONS}/system-bus.conf")


def connections(out, user):
    """The pids behind a user's connections, of those that busctl lists."""
    return [entry["pid"] for entry in json.loads(out) if entry["user"] == user]


def test_busctl():
    """busctl talks to the bus over the endpoint; the bus sees the opener's user, and its process,
    as it says of busctl's own connection."""
    user = "doorward-opener"
    with lib.definition("system-bus", DEFINITION):
        result = lib.login("alice", "busctl", f"--address={ADDRESS}", "list")
        lib.expect(result.status, 1, f"without a rule: {result!r}")
        with lib.rule(lib.allow_generic("system-bus", "full")):
            lib.expect(connections(lib.ok("busctl", "--json=short", "list"), user), [])
            words = ("--json=short", "list", "--unique")
            result = lib.login("alice", "busctl", f"--address={ADDRESS}", *words)
            opener = lib.unit_pid("doorward-opener@system-bus.service")
            lib.expect(connections(result.expect_status(0).out, user), [opener])

            # And it answers calls, of this connection and to a service.
            out = lib.login(
                "alice", "busctl", f"--address={ADDRESS}", "get-property",
                "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                "org.freedesktop.systemd1.Manager", "Version",
            ).expect_status(0).out
            lib.expect_in('s "', out)
