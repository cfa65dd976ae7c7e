#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether check-pages.py finds what it is there to find: each fault is put into a copy of the pages
or of the header, and it must say so.

test-check-pages.py CHECK HEADER SOURCE PAGE...
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

# What is done to which file, and what is said of it.
FAULTS = [
    ("doorward.h", r"int doorward_ref\(", "int doorward_anew(",
     "no page has a synopsis of doorward_anew"),
    ("doorward.h", r"(?=^int doorward_ref\()", "int doorward_x(void);\n",
     "doorward_x is to be a name"),
    ("doorward.h", r"(?<= )DOORWARD_HOLD = 64", "DOORWARD_HOLD = 128", "DOORWARD_HOLD is"),
    ("doorward.h", r"int errnum; ", "long errnum; ", "the page of struct doorward_error has"),
    ("doorward.h", r"\(revoked\) An", "(taken-back) An", "DOORWARD_CLOSE_REVOKED is"),
    ("doorward_open.3", r"const char \*\\fIuri", "char *\\\\fIuri",
     "the page of doorward_open has"),
    ("doorward_open.3", r"int \\fBdoorward_ref", "int \\\\fBdoorward_r", "there is no doorward_r"),
    ("doorward_open.3", r"^\\fBDOORWARD_DETACHED\\fR \(16\)", "x",
     "no page describes DOORWARD_DETACHED"),
    ("doorward_open.3", r"\Z", "DOORWARD_SWIFT\n", "doorward_open(3): there is no DOORWARD_SWIFT"),
    ("doorward_open.3", r"\Z", "\\\\fBdoorward\\\\fR(4)\n", "there is no doorward(4)"),
    ("doorward_open.3", r"\Z", ".XX\n", "mandoc: "),
    ("doorward_get_fd.3", r", \\fBlibdoorward\\fR\(3\)", "", "does not have libdoorward(3)"),
    ("doorward_open.3", r"\\fBdoorward_get_fd\\fR\(3\),", "",
     "SEE ALSO does not have doorward_get_fd(3)"),
    ("doorward_get_grant_info.3", r"^        int kept;.*\n", "",
     "the page of struct doorward_grant_info"),
    ("doorward_close.3", r"doorward_open", "doorward_get_fd",
     "docs/meson.build: doorward_close is in"),
    ("doorward_ref.3", None, None, "docs/meson.build: doorward_ref is to be a name"),
    ("doorward_auth.3", None, None, "no page shows struct doorward_auth"),
]


def check(tool, header, source, pages):
    result = subprocess.run(
        [tool, header, source, *pages], check=False, capture_output=True, text=True
    )
    return result.returncode, result.stdout + result.stderr


def main():
    tool, header, source, *pages = sys.argv[1:]
    status, out = check(tool, header, source, pages)
    if status != 0:
        print(f"without a fault:\n{out}")
        return 1
    failed = 0
    for file, pattern, replacement, said in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            copies = [shutil.copy(path, folder) for path in [header, *pages]]
            victim = f"{folder}/{file}"
            if pattern is None:
                os.unlink(victim)
                copies.remove(victim)
            else:
                with open(victim, encoding="utf-8") as old:
                    text, count = re.subn(pattern, replacement, old.read(), count=1, flags=re.M)
                with open(victim, "w", encoding="utf-8") as new:
                    new.write(text)
            status, out = check(tool, copies[0], source, copies[1:])
        if (pattern is not None and count != 1) or status != 1 or said not in out:
            print(f"{file}, {pattern}: status {status}, not '{said}' in:\n{out}")
            failed = 1
    print(f"{len(FAULTS)} faults")
    return failed


if __name__ == "__main__":
    sys.exit(main())
