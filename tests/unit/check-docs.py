#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what is written for people to the code: every key of a definition and every setting has its
paragraph, with the defaults and ranges that there are; every row of docs/THREATS.md names tests, and
every test and file that it names is there; the numbers in doorward(7) are those of the record; there
is one version, and the library's package is about the library that there is; the index of the cookbook
is whole.

check-docs.py SOURCE
"""

import os
import re
import sys

sys.dont_write_bytecode = True

import checks  # noqa: E402
from checks import expect, finish  # noqa: E402

root = sys.argv[1]


def read(path):
    return checks.read(os.path.join(root, path))


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
    expect(len(keys) >= 15, "keys of definitions are not found in the source")
    for key in keys:
        expect(key in described, f"doorward.endpoint(5) does not describe {key}=")
    for key in described:
        expect(key in keys, f"doorward.endpoint(5) describes {key}=, which there is not")


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


def test_is_there(name):
    """Whether there is a test that ./check prints so: file.test of the integration tests, unit.file or
    unit.file:test, fuzz.file."""
    group, _, rest = name.partition(".")
    file, _, test = rest.partition(":")
    if group == "unit":
        places = [f"tests/unit/test-{file}.c", f"tests/unit/test-{file}.py", f"tests/unit/check-{file}.py"]
        wanted = rf"\btest_{test}\b" if test else ""
    elif group == "fuzz":
        places, wanted = [f"tests/fuzz/fuzz-{file}.c"], ""
    else:
        places, wanted = [f"tests/integration/test_{group}.py"], rf"^def test_{rest}\("
    places = [place for place in places if os.path.exists(os.path.join(root, place))]
    return any(re.search(wanted, read(place), re.M) for place in places)


def table_rows(text):
    """The rows of the tables of a page of which the last column is "tests"."""
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif not inside:
            inside = cells[-1] == "tests"
        elif set(line) - set("|-: "):
            yield cells


def check_threats():
    text = read("docs/THREATS.md")
    names = re.findall(r"`((?:unit|fuzz|[a-z_]+)\.[a-z-]*[a-z_]+(?::[a-z0-9_]+)?)`", text)
    names = [n for n in names if not n.endswith((".c", ".h", ".py", ".in", ".socket"))]
    rows = list(table_rows(text))
    for attack, *_, tests in rows:
        named = re.findall(r"`([^`]*)`", tests)
        expect(named, f"docs/THREATS.md: no test for: {attack}")
        expect(re.fullmatch(r"(`[^`]*`[ ,;]*)*", tests), f"docs/THREATS.md: what is this test? {tests}")
        names += named
    expect(len(rows) >= 60, "rows are not found in docs/THREATS.md")
    for name in sorted(set(names)):
        expect(test_is_there(name), f"docs/THREATS.md: no test {name}")
    for path in re.findall(r"`((?:broker|cli|client|common|helpers|pam|policy|units)/[\w@./-]+)`", text):
        expect(os.path.exists(os.path.join(root, path)), f"docs/THREATS.md: no file {path}")
    for function, path in re.findall(r"`(\w+)\(\)` in `([\w/.-]+)`", text):
        expect(f"{function}(" in read(path), f"docs/THREATS.md: no {function}() in {path}")


def check_version():
    """There is one: meson.build's. Debian's changelog and NEWS.md begin with it."""
    (version,) = re.findall(r"^ +version: '([0-9.]+)',$", read("meson.build"), re.M)
    packages = re.match(r"doorward \((.*?)\) ", read("debian/changelog"))
    expect(packages and packages[1] == version, f"debian/changelog does not begin with {version}")
    news = re.search(r"^## (\S+?),? ", read("NEWS.md"), re.M)
    expect(news and news[1] == version, f"NEWS.md does not begin with {version}")


def check_symbols():
    """What the package's symbols file says of the library is what the library exports."""
    exported = read("client/libdoorward.sym")
    sections = re.findall(r"^(\w+) \{", exported, re.M)
    wanted = set(re.findall(r"^ +(doorward_\w+);", exported, re.M)) | set(sections)
    file = read("debian/libdoorward1.symbols")
    listed = set(re.findall(r"^ (\w+)@", file, re.M))
    expect(listed == wanted, f"debian/libdoorward1.symbols: {sorted(listed ^ wanted)}")
    soname = re.search(r"soversion: '(\d+)'", read("client/meson.build"))[1]
    expect(file.startswith(f"libdoorward.so.{soname} libdoorward{soname} "),
           "debian/libdoorward1.symbols: another library")
    expect(f"\nPackage: libdoorward{soname}\n" in read("debian/control"), "debian/control: another library")


def check_record():
    page = read("docs/man/doorward.7.scd")
    for header in ("broker/record.h", "helpers/opener-record.h"):
        for number in re.findall(r'RECORD_ID\w* "([0-9a-f]{32})"', read(header)):
            expect(f"_{number}_" in page, f"doorward(7) does not have {number} of {header}")
    for source in ("broker/record.c", "helpers/opener-record.c"):
        for field in re.findall(r'"(DOORWARD_\w+)"', read(source)):
            expect(f"*{field}=*" in page, f"doorward(7) does not describe {field}= of {source}")


def check_defaults():
    """The table of doorward(7) has the defaults of every action that is shipped, as they are."""
    page = read("docs/man/doorward.7.scd")
    table = page.split("[[ *Endpoint and access*")[1].split("\n\n")[0]
    said = {}
    for names, *defaults in re.findall(r"\|  (.*)\n:  (\w+)\n:  (\w+)\n:  (\w+)", table):
        if not names.startswith(("the site's", "without actions")):
            said.update({name.replace("@", ""): defaults for name in names.split(", ")})
    shipped = {}
    for file in os.listdir(os.path.join(root, "policy/actions")):
        text = read(f"policy/actions/{file}")
        for name, access, body in re.findall(
            r'<action id="org\.doorward\.endpoint\.([\w-]+)\.([\w-]+)">(.*?)</action>', text, re.S
        ):
            name += ":ro" if access == "read-only" else ""
            shipped[name] = re.findall(r"<allow_\w+>(\w+)<", body)
    expect(len(shipped) >= 14, "the shipped actions are not found")
    for name in sorted(set(said) | set(shipped)):
        expect(
            said.get(name) == shipped.get(name),
            f"doorward(7), POLICY: {name} is {said.get(name)}, shipped is {shipped.get(name)}",
        )


COOKBOOK = "docs/cookbook"
ROW = re.compile(r"^\| .+? \| \[(.+?)\]\((.+?)\.md\) \| .+? \| (.+?) \| (.+?) \|$", re.M)


def check_page(name, packages, test):
    """A page, its row in the index, and the test that reads it, say the same."""
    page = f"{COOKBOOK}/{name}.md"
    text = " ".join(read(page).split())
    for package, version in re.findall(r"([a-z][a-z0-9.+-]*) ([0-9.]+)", packages):
        expect(f"`{package}` {version}" in text, f"{page} was not tested with {package} {version}")
    tests = read("tests/integration/test_cookbook.py")
    functions = dict(re.findall(r"^def test_(\w+)\(.*?\):\n(.*?)(?=^\S|\Z)", tests, re.M | re.S))
    called = [test for test, body in functions.items() if f'"{name}"' in body]
    if "ot run by the tests" in text:
        expect(not called and test == "no", f"{COOKBOOK}/README.md: {name} is run by no test")
    else:
        wanted = ", ".join(f"`cookbook.{function}`" for function in called)
        expect(test == wanted, f"{COOKBOOK}/README.md: {name} is run by {wanted}, not {test}")
        expect("Tested with `" in text, f"{page} does not say what it was tested with")


def check_cookbook():
    rows = ROW.findall(read(f"{COOKBOOK}/README.md"))
    names = {file[:-3] for file in os.listdir(os.path.join(root, COOKBOOK))} - {"README"}
    expect(len(names) >= 8, "pages of the cookbook are not found")
    expect(
        sorted(name for name, *_ in rows) == sorted(names),
        f"{COOKBOOK}/README.md has {sorted(name for name, *_ in rows)}, there are {sorted(names)}",
    )
    for name, file, packages, test in rows:
        expect(name == file, f"{COOKBOOK}/README.md: {name} leads to {file}")
        if file in names:
            check_page(file, packages, test)


check_cookbook()
check_definitions()
check_settings()
check_threats()
check_record()
check_defaults()
check_version()
check_symbols()
finish("nothing is missing")
