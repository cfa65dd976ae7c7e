#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what is written for people to the code: every key of a definition and every setting has its
paragraph, with the defaults and ranges that there are; every test and file that docs/THREATS.md names
is there; the numbers in doorward(7) are those of the record.

check-docs.py SOURCE
"""

import os
import re
import sys

root = sys.argv[1]
failures = []


def read(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def expect(condition, what):
    if not condition:
        failures.append(what)


def paragraphs(page):
    """What stands, indented, below each *Key=* of a page."""
    text = re.sub(r"```.*?```", "", read(page), flags=re.S)
    found = {}
    for heads, body in re.findall(r"^((?:\*\S+\*(?:, )?)+)\n((?:\t.*\n|\n(?=\t))+)", text, re.M):
        for key in re.findall(r"\*([A-Za-z]+)=\*", heads):
            found[key] = " ".join(body.split())
    return found


def check_definitions():
    keys = re.findall(r'^ +\{"(\w+)", IN', read("policy/definition-keys.c"), re.M)
    described = paragraphs("docs/man/doorward.endpoint.5.scd")
    page = read("docs/man/doorward.endpoint.5.scd")
    expect(len(keys) >= 15, "keys of definitions are not found in the source")
    for key in keys:
        expect(key in described, f"doorward.endpoint(5) does not describe {key}=")
    for key in described:
        expect(key in keys, f"doorward.endpoint(5) describes {key}=, which there is not")

    lines = read("policy/definition-lines.c")
    later = re.search(r"later_keys\[\] = \{\n(.*?)\};", lines, re.S).group(1)
    for key in re.findall(r'"(\w+)"', later):
        expect(f"*{key}=*" in page, f"doorward.endpoint(5) does not name {key}=, of later versions")


def time_text(seconds):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def check_settings():
    source = read("policy/settings.c")
    described = paragraphs("docs/man/doorward.conf.5.scd")
    shipped = dict(re.findall(r"^#(\w+)=(.*)$", read("policy/doorward.conf"), re.M))
    known = set()
    for kind, key, preset, least, greatest in re.findall(
        r'(NUMBER|TIME)\("(\w+)", \w+, (\d+), (\d+), (\d+)\)', source
    ):
        known.add(key)
        text = described.get(key, "")
        values = [int(preset), int(least), int(greatest)]
        if kind == "TIME":
            values = [time_text(value) for value in values]
        wanted = "Default: {}. From {} to {}.".format(*values)
        expect(wanted in text, f"doorward.conf(5), {key}=: no '{wanted}' in '{text}'")
    for key in re.findall(r'\{"(\w+)", TYPE_(?:BOOLEAN|CHOICE|USERS)', source):
        known.add(key)
        expect("Default: " in described.get(key, ""), f"doorward.conf(5) does not describe {key}=")
    expect(len(known) >= 15, "settings are not found in the source")
    expect(set(described) == known, f"doorward.conf(5): {sorted(set(described) ^ known)}")
    expect(set(shipped) == known, f"policy/doorward.conf: {sorted(set(shipped) ^ known)}")


def test_functions(name):
    """The tests in a file, as 'file.test' of the integration tests or 'unit.file'."""
    group, _, rest = name.partition(".")
    if group == "unit":
        file, _, test = rest.partition(":")
        path = f"tests/unit/test-{file}.c"
        wanted = rf"\btest_{test}\b" if test else "cmocka"
    else:
        path = f"tests/integration/test_{group}.py"
        wanted = rf"^def test_{rest}\("
    return path, wanted


def check_threats():
    text = read("docs/THREATS.md")
    names = set(re.findall(r"`([a-z_]+\.[a-z-]*[a-z_]+(?::[a-z0-9_]+)?)`", text))
    names = {n for n in names if not n.endswith((".c", ".h", ".py", ".in", ".socket"))}
    expect(len(names) >= 60, "tests are not found in docs/THREATS.md")
    for name in sorted(names):
        path, wanted = test_functions(name)
        there = os.path.exists(os.path.join(root, path))
        expect(there and re.search(wanted, read(path), re.M), f"docs/THREATS.md: no test {name}")
    for path in re.findall(r"`((?:broker|cli|client|common|helpers|pam|policy|units)/[\w@./-]+)`", text):
        expect(os.path.exists(os.path.join(root, path)), f"docs/THREATS.md: no file {path}")
    for function, path in re.findall(r"`(\w+)\(\)` in `([\w/.-]+)`", text):
        expect(f"{function}(" in read(path), f"docs/THREATS.md: no {function}() in {path}")


def check_record():
    page = read("docs/man/doorward.7.scd")
    for header in ("broker/record.h", "helpers/opener-record.h"):
        for number in re.findall(r'RECORD_ID\w* "([0-9a-f]{32})"', read(header)):
            expect(f"_{number}_" in page, f"doorward(7) does not have {number} of {header}")
    for source in ("broker/record.c", "helpers/opener-record.c"):
        for field in re.findall(r'"(DOORWARD_\w+)"', read(source)):
            expect(f"*{field}=*" in page, f"doorward(7) does not describe {field}= of {source}")


check_definitions()
check_settings()
check_threats()
check_record()
for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
