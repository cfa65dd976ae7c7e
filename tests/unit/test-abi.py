#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether tests/abi tells what breaks programs from what was added: with a copy of the record or of
the header in which something is otherwise than in the library.

test-abi.py SOURCE LIBRARY
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HEADER, RECORD = "client/doorward.h", "client/libdoorward.abi"
VERSION = r" +<elf-symbol name='doorward_version'.*\n"
LAST = r" +<data-member .*\n +<var-decl name='ends_at_logout'.*\n +</data-member>\n"
OK, ADDED, BROKEN = (0, 0), (1, 0), (1, 1)

# What is changed, and what is said of that: by the strict comparison, and by --compatible.
CHANGES = [
    ("nothing", HEADER, r"", "", OK),
    ("a constant is another", HEADER, r"DOORWARD_RO = 1", "DOORWARD_RO = 3", BROKEN),
    ("a constant is gone", HEADER, r"^ +DOORWARD_RO = 1,\n", "", BROKEN),
    ("a constant is new", HEADER, r"(?=^ +DOORWARD_RO = 1,)", " DOORWARD_X = 512,\n", ADDED),
    ("a function is new", RECORD, VERSION, "", ADDED),
    ("a function is gone", RECORD, r"'doorward_version'(?= version)", "'doorward_v'", BROKEN),
    ("a parameter is another", RECORD, r"<parameter type-id='\w+' name='uri'/>",
     "<parameter type-id='95e97e5e' name='uri'/>", BROKEN),
    ("a member has moved", RECORD, r"bits='64'(?=>\n.*'errnum')", "bits='96'", BROKEN),
    ("a member was appended", RECORD, LAST, "", ADDED),
    ("a member has another name", RECORD, r"'hint'", "'advice'", BROKEN),
    ("one where some may be appended", RECORD, r"'kept'", "'stays'", BROKEN),
]


def outcome(tree, library, *options):
    return subprocess.run(
        [f"{tree}/tests/abi", *options, library], check=False, capture_output=True, text=True
    )


def main():
    source, library = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as tree:
        os.mkdir(f"{tree}/tests")
        os.mkdir(f"{tree}/client")
        shutil.copy(f"{source}/tests/abi", f"{tree}/tests")
        for name, file, pattern, replacement, wanted in CHANGES:
            for path in (HEADER, RECORD):
                shutil.copy(f"{source}/{path}", f"{tree}/{path}")
            # What was added, and is yet to be taken down, is not what this is about.
            outcome(tree, library, "--update")
            with open(f"{tree}/{file}", encoding="utf-8") as old:
                text, count = re.subn(pattern, replacement, old.read(), count=1, flags=re.M)
            with open(f"{tree}/{file}", "w", encoding="utf-8") as new:
                new.write(text)
            results = [outcome(tree, library), outcome(tree, library, "--compatible")]
            if count != 1 or tuple(result.returncode for result in results) != wanted:
                print(f"{name}: {[(r.returncode, r.stdout + r.stderr) for r in results]}")
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
