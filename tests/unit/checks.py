# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks beside this file say what they have found with: one line for each thing that is
wrong, and status 1 if there is any."""

import sys

failures = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def expect(condition, what):
    if not condition:
        failures.append(what)


def expect_set(got, wanted, what):
    for name in sorted(set(wanted) - set(got)):
        failures.append(f"{what}: {name} is missing")
    for name in sorted(set(got) - set(wanted)):
        failures.append(f"{what}: {name} is one too many")


def finish(summary):
    """Ends the check, with what was looked at if nothing is wrong with it."""
    print("\n".join(failures) or summary)
    sys.exit(1 if failures else 0)
