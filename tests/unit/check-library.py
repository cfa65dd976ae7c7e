#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the library, its symbol map and its header to each other; check-pages.py holds the man pages
to the header, and tests/abi what it promises to programs to what it promised.

check-library.py LIBRARY MAP HEADER VERSION
"""

import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from checks import expect_set, failures, finish, read  # noqa: E402

MOST_BYTES = 150 * 1024

library, symbol_map, header, project_version = sys.argv[1:]


def readelf(*options):
    return subprocess.run(
        ["readelf", "--wide", *options, library], check=True, capture_output=True, text=True
    ).stdout


# What it needs: the C library and jansson. Sanitizers come with developers' builds only.
dynamic = readelf("--dynamic")
needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
# A thread's own variables are found by the C library's loader.
needed = {n for n in needed if not re.match(r"ld(-linux.*|64)?\.so", n)}
sanitized = any(re.match(r"lib(asan|ubsan|tsan|msan)\.", n) for n in needed)
if sanitized:
    # Theirs are the mathematical, the threads and the like.
    needed = {n for n in needed if re.match(r"lib(c|jansson)\.", n)}
expect_set(needed, {"libc.so.6", "libjansson.so.4"}, "needed libraries")
expect_set(set(re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)), {"libdoorward.so.1"}, "soname")
if not re.search(r"NODELETE", dynamic):
    failures.append("the library can be unloaded under a thread that is yet to free its error")

# How large it is, as a package has it.
if not sanitized and "clang" not in readelf("--string-dump=.comment"):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["strip", "-o", f"{folder}/stripped", library], check=True)
        size = os.path.getsize(f"{folder}/stripped")
        if size > MOST_BYTES:
            failures.append(f"it has {size} bytes; at most {MOST_BYTES} it is to have")
        print(f"{size} bytes")

# How the map's sections are called: until the first release 0, which promises nothing; from then on
# after the version in the library's name, and then by the release that added what is in them.
sections = re.findall(r"^(LIBDOORWARD_\w+) \{$", read(symbol_map), re.M)
if int(project_version.split(".")[0]) == 0:
    expect_set(set(sections), {"LIBDOORWARD_0"}, "sections of the map")
elif not all(re.fullmatch(r"LIBDOORWARD_1(_\d+)?", section) for section in sections):
    failures.append("sections of the map are called LIBDOORWARD_1, LIBDOORWARD_1_1, ...")

# What it exports: the map's names, under the map's version, and nothing else.
mapped = set(re.findall(r"^\s+(doorward_\w+);$", read(symbol_map), re.M))
exported = set()
for line in readelf("--dyn-syms").splitlines():
    field = line.split()
    if len(field) < 8 or field[4] not in ("GLOBAL", "WEAK") or field[6] == "UND":
        continue
    name, _, version = field[7].partition("@@")
    if field[6] == "ABS" and name in sections:
        continue
    if version not in sections:
        failures.append(f"{field[7]} has no version")
    exported.add(name)
expect_set(exported, mapped, "exported symbols")

# What it declares, each after a comment of its own.
text = read(header)
declared = {}
for match in re.finditer(r"(\*/\n)?^[a-z][^;{}/]*?\b(doorward_\w+)\([^;{}]*\);$", text, re.M):
    declared[match[2]] = bool(match[1])
for match in re.finditer(r"(\*/\n)?^extern [^;{}()]*?\b(doorward_\w+);$", text, re.M):
    declared[match[2]] = bool(match[1])
expect_set(set(declared), mapped, "declared functions and variables")
for name, commented in declared.items():
    if not commented:
        failures.append(f"{name} has no comment in the header")

if len(mapped) < 33:
    failures.append("the header or the map was not understood")

# A public header says more than it declares.
comment = len(re.findall(r"^ *(/\*|\*)", text, re.M))
code = len([l for l in text.splitlines() if l.strip() and not re.match(r" *(/\*|\*|.*\*/$)", l)])
if comment < 2 * code:
    failures.append(f"the header has {comment} lines of comment for {code} of code")

finish(f"{len(mapped)} symbols, {comment} lines of comment for {code} of code")
