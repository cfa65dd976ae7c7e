# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs when nothing happens."""

import os
import select

import lib
import varlink

ALONE = True  # it counts what wakes up


SECONDS = 15
# As tests/bench/run has them.
WAKE_UPS = {"broker": 2, "opener": 0}
PRIVATE_DIRTY_KB = {"broker": 1200, "opener": 400}


def switches(pid):
    """Context switches so far, by thread: each is the end of having run."""
    counts = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        lines = lib.read(f"/proc/{pid}/task/{thread}/status").splitlines()
        counts[thread] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return counts


def wake_ups(pid):
    """How often the process runs while nothing happens. A thread ran that ended."""
    before = switches(pid)
    select.select([], [], [], SECONDS)
    after = switches(pid)
    ended = len(set(before) - set(after))
    return ended + sum(count - before.get(thread, 0) for thread, count in after.items())


def private_dirty(pid):
    """In kB; what the benchmarks measure, and a little more than there would be on a disk: programs
    stand on a tmpfs here, and every page of theirs that nobody else maps is dirty, too. (Anonymous:
    of the same file would be without those.)"""
    for line in lib.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise lib.Failure("no Private_Dirty")


@lib.time_limit(120)
def test_idle():
    """Without traffic nothing wakes up in fifteen seconds: not the opener, and the broker to ping
    the watchdog only; memory is within its bounds."""

    def open_it():
        with varlink.opened("echo", "full"):
            pass

    # Who was logged in by an earlier test is logged out for good after ten seconds, and polkit tells
    # everybody.
    lib.wait_for(
        lambda: not lib.ok("loginctl", "list-users", "--no-legend").strip(), "no user", 30, 0.5
    )
    with lib.echo(lib.allow("echo", "full")):
        lib.systemctl("stop", "doorward-opener@echo.service")
        lib.restart_broker()
        for _ in range(20):
            lib.as_user("alice", open_it)
        # Connections to openers, and what is remembered of users, go after five seconds.
        select.select([], [], [], 7)
        pids = {
            "opener": lib.unit_pid("doorward-opener@echo.service"),
            "broker": lib.unit_pid("doorward.service"),
        }
        held = {name: private_dirty(pid) for name, pid in pids.items()}
        # The opener first, which ends after half a minute.
        woken = {name: wake_ups(pid) for name, pid in pids.items()}
        lib.note(
            f"wake-ups in {SECONDS} s: {woken}; private dirty kB: {held}; "
            f"threads of the broker: {len(os.listdir('/proc/%d/task' % pids['broker']))}"
        )
        for name, most in WAKE_UPS.items():
            lib.expect_true(woken[name] <= most, f"{name}: {woken[name]} wake-ups")
        for name, most in PRIVATE_DIRTY_KB.items():
            lib.expect_true(held[name] <= most, f"{name}: {held[name]} kB private dirty")
