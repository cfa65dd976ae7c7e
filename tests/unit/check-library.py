#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the library, its symbol map, its header and its man page to each other.

check-library.py LIBRARY MAP HEADER PAGE
"""

import re
import subprocess
import sys

library, symbol_map, header, page = sys.argv[1:]
failures = []


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def expect(got, wanted, what):
    for name in sorted(wanted - got):
        failures.append(f"{what}: {name} is missing")
    for name in sorted(got - wanted):
        failures.append(f"{what}: {name} is one too many")


def readelf(*options):
    return subprocess.run(
        ["readelf", "--wide", *options, library], check=True, capture_output=True, text=True
    ).stdout


# What it needs: the C library and jansson. Sanitizers come with developers' builds only.
dynamic = readelf("--dynamic")
needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
# A thread's own variables are found by the C library's loader.
needed = {n for n in needed if not re.match(r"ld(-linux.*|64)?\.so", n)}
if any(re.match(r"lib(asan|ubsan|tsan|msan)\.", n) for n in needed):
    # Theirs are the mathematical, the threads and the like.
    needed = {n for n in needed if re.match(r"lib(c|jansson)\.", n)}
expect(needed, {"libc.so.6", "libjansson.so.4"}, "needed libraries")
expect(set(re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)), {"libdoorward.so.1"}, "soname")
if not re.search(r"NODELETE", dynamic):
    failures.append("the library can be unloaded under a thread that is yet to free its error")

# What it exports: the map's names, under the map's version, and nothing else.
mapped = set(re.findall(r"^\s+(doorward_\w+);$", read(symbol_map), re.M))
exported = set()
for line in readelf("--dyn-syms").splitlines():
    field = line.split()
    if len(field) < 8 or field[4] not in ("GLOBAL", "WEAK") or field[6] == "UND":
        continue
    name, _, version = field[7].partition("@@")
    if field[6] == "ABS" and name == "LIBDOORWARD_0":
        continue
    if version != "LIBDOORWARD_0":
        failures.append(f"{field[7]} has no version")
    exported.add(name)
expect(exported, mapped, "exported symbols")

# What it declares, each after a comment of its own.
text = read(header)
declared = {}
for match in re.finditer(r"(\*/\n)?^[a-z][^;{}/]*?\b(doorward_\w+)\([^;{}]*\);$", text, re.M):
    declared[match[2]] = bool(match[1])
for match in re.finditer(r"(\*/\n)?^extern [^;{}()]*?\b(doorward_\w+);$", text, re.M):
    declared[match[2]] = bool(match[1])
expect(set(declared), mapped, "declared functions and variables")
for name, commented in declared.items():
    if not commented:
        failures.append(f"{name} has no comment in the header")

# What the page says of: every function and variable, class and domain, credential, flag and reason.
manual = read(page)
expect(set(re.findall(r"\*(doorward_\w+)\*[(;]", manual)), mapped, "documented functions")
credentials = re.findall(r"^        (DOORWARD_CRED_\w+) = (\d+),?$", text, re.M)
flags = re.search(r"^typedef enum doorward_flags {\n(.*?)^}", text, re.M | re.S)
flags = re.findall(r"^        (DOORWARD_\w+) = (\d+),?$", flags[1], re.M)
for constant, number in credentials + flags:
    if f"*{constant}* ({number})" not in manual:
        failures.append(f"{constant}, {number} is not in the man page")
classes = re.findall(r"^        (DOORWARD_ERR_\w+) = (\d+),?$", text, re.M)
comments = re.findall(r"/\* \(([a-z-]+)\)[^*]*(?:\*(?!/)[^*]*)*\*/\n +(DOORWARD_\w+) =", text)
words = {constant: word for word, constant in comments}
for constant, number in classes:
    if number != "0" and f"*{constant}* ({number}, *{words.get(constant)}*)" not in manual:
        failures.append(f"{constant}, {number}, {words.get(constant)} is not in the man page")
reasons = re.findall(r"^        (DOORWARD_CLOSE_\w+) = (\d+),?$", text, re.M)
for constant, number in reasons:
    if number != "0" and f"*{constant}* ({number}, *{words.get(constant)}*)" not in manual:
        failures.append(f"{constant}, {number}, {words.get(constant)} is not in the man page")
info = re.search(r"^typedef struct doorward_grant_info {\n(.*?)^}", text, re.M | re.S)
members = re.findall(r"^        [a-z][a-z \*]*?(\w+);", info[1], re.M)
for member in members:
    if not re.search(rf"^        [a-z].*\b{member};", manual, re.M):
        failures.append(f"{member} of doorward_grant_info is not in the man page")
for constant in re.findall(r"^        (DOORWARD_DOMAIN_\w+) =", text, re.M):
    if constant != "DOORWARD_DOMAIN_NONE" and f"*{words.get(constant)}*" not in manual:
        failures.append(f"the domain {words.get(constant)} is not in the man page")
if len(classes) < 21 or len(mapped) < 33 or len(credentials) < 7 or len(flags) < 7:
    failures.append("the header or the map was not understood")
if len(reasons) < 13 or len(members) < 10:
    failures.append("the header or the map was not understood")

# A public header says more than it declares.
comment = len(re.findall(r"^ *(/\*|\*)", text, re.M))
code = len([l for l in text.splitlines() if l.strip() and not re.match(r" *(/\*|\*|.*\*/$)", l)])
if comment < 2 * code:
    failures.append(f"the header has {comment} lines of comment for {code} of code")

print("\n".join(failures) or f"{len(mapped)} symbols, {comment} lines of comment for {code} of code")
sys.exit(1 if failures else 0)
