# SPDX-License-Identifier: LGPL-2.1-or-later
"""README.md: the session that it shows."""

import re

import engine
import lib
import recipes


@lib.time_limit(120)
def test_session():
    """Typed again, what comes back is what README.md has, but for numbers."""
    with engine.engine(image=True) as it, lib.rule(lib.allow("docker", "read-only")):
        it.start_container("shop")
        # Of one second, or of minutes, docker speaks otherwise.
        lib.wait_for(
            lambda: re.fullmatch("Up [0-9]+ seconds", it.docker("ps", "--format", "{{.Status}}").strip()),
            "the container has run for a while",
        )
        try:
            recipes.follow("../../README", kind=recipes.Recording)
        finally:
            lib.ok("doorward", "revoke", "--user=alice", "--block=0")


def test_other_answers():
    """Other words than are shown are noticed, and other numbers are none."""

    def shows(shown, printed):
        page = recipes.Recording("x", f"```console\n$ true\n{shown}\n```\n\n```\nsudo true\n```\n")
        (step,) = page.steps
        return page.shows(step, f"{printed}\n")

    recorded = "ID       USER  FDS\n91906ea9 alice 1"
    lib.expect_true(shows(recorded, "ID       USER  FDS\n0deadbeef alice 12"), "other numbers")
    for printed in ("ID USER FDS\n91906ea9 bob 1", "ID USER\n91906ea9 alice 1", "ID USER FDS", ""):
        lib.expect_true(not shows(recorded, printed), printed)
