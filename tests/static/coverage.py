#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""coverage.py SUMMARY FILES: fails where the unit tests reach less than 90 of 100 lines of one of
FILES, by gcovr's SUMMARY. Prints how many they reach of those, and of all."""

import json
import sys

PERCENT_MIN = 90


def main():
    with open(sys.argv[1]) as file:
        summary = json.load(file)
    with open(sys.argv[2]) as file:
        wanted = [line.strip() for line in file if line.strip() and not line.startswith("#")]

    percent = {entry["filename"]: entry["line_percent"] for entry in summary["files"]}
    failed = 0
    for name in wanted:
        if name not in percent:
            print(f"{name}: no unit test has it")
            failed += 1
            continue
        print(f"{percent[name]:5.1f} {name}")
        failed += percent[name] < PERCENT_MIN
    print(f"{summary['line_percent']:5.1f} of all lines")
    return failed > 0


sys.exit(main())
