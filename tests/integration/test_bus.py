# SPDX-License-Identifier: LGPL-2.1-or-later
"""busctl by unixexec to the real system bus, with the definition of the cookbook."""

import re

import lib

ADDRESS = "unixexec:path=/usr/bin/doorward,argv1=stdio,argv2=system-bus"


def cookbook(page):
    """The definition that a page of the cookbook gives."""
    text = lib.read(f"{lib.SOURCE}/docs/cookbook/{page}.md")
    return re.search(r"```ini\n(\[Endpoint\].*?)```", text, re.DOTALL).group(1)


def test_busctl():
    """busctl talks to the bus over the endpoint; the bus sees the opener's user."""
    with lib.definition("system-bus", cookbook("system-bus")):
        result = lib.login("alice", "busctl", f"--address={ADDRESS}", "list")
        lib.expect(result.status, 1, f"without a rule: {result!r}")
        with lib.rule(lib.allow_generic("system-bus", "full")):
            out = lib.login("alice", "busctl", f"--address={ADDRESS}", "list").expect_status(0).out
            lib.expect_in("org.freedesktop.systemd1", out)
            out = lib.login(
                "alice", "busctl", f"--address={ADDRESS}", "call", "org.freedesktop.DBus",
                "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser", "s",
                "org.freedesktop.DBus",
            ).expect_status(0).out
            lib.expect_in("u ", out)
