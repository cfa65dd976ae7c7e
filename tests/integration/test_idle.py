# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs when nothing happens."""

import os
import select

import lib
import varlink


def switches(pid):
    """Context switches so far, by thread."""
    counts = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        lines = lib.read(f"/proc/{pid}/task/{thread}/status").splitlines()
        counts[thread] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return counts


def private_dirty(pid):
    """In kB; only of anonymous memory: programs stand on a tmpfs here, where every page is dirty."""
    for line in lib.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise lib.Failure("no Anonymous")


def test_idle():
    """Without traffic nothing wakes up in fifteen seconds, but for the watchdog's ping; memory is
    within its bounds."""
    # Who was logged in by an earlier test is logged out for good after ten seconds, and polkit tells
    # everybody.
    lib.wait_for(
        lambda: not lib.ok("loginctl", "list-users", "--no-legend").strip(), "no user", 30, 0.5
    )
    with lib.echo(lib.allow("echo", "full")):
        for _ in range(20):
            lib.as_user("alice", lambda: varlink.opened("echo", "full").__enter__() and None)
        # Connections to openers, and what is remembered of users, go after a while.
        # Connections to openers, and what is remembered of users, go after five seconds.
        select.select([], [], [], 7)
        pids = {
            "broker": lib.unit_pid("doorward.service"),
            "opener": lib.unit_pid("doorward-opener@echo.service"),
        }
        before = {name: switches(pid) for name, pid in pids.items()}
        select.select([], [], [], 15)
        after = {
            name: sum(
                count - before[name].get(thread, 0) for thread, count in switches(pid).items()
            )
            for name, pid in pids.items()
        }
        dirty = {name: private_dirty(pid) for name, pid in pids.items()}
        lib.note(
            f"context switches in 15 s: {after}; private dirty kB: {dirty}; "
            f"threads of the broker: {len(os.listdir('/proc/%d/task' % pids['broker']))}"
        )
        for name, count in after.items():
            lib.expect_true(count <= 4, f"{name}: {count} context switches in 15 s")
        lib.expect_true(dirty["broker"] <= 1229, f"broker: {dirty['broker']} kB")
        lib.expect_true(dirty["opener"] <= 410, f"opener: {dirty['opener']} kB")
