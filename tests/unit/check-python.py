#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the Python module to doorward.h and libdoorward.sym: what is public is there, or is left out
for a reason that stands below; structures and numbers are those of the header, which a compiled
program says; and it is Python 3.9.

check-python.py MODULE MAP HEADER CC...
"""

import ast
import ctypes
import glob
import inspect
import os
import re
import subprocess
import sys
import tempfile

module, symbol_map, header, *cc = sys.argv[1:]
sys.path.insert(0, os.path.dirname(module))
sys.dont_write_bytecode = True

import doorward  # noqa: E402
from checks import expect, failures, finish, read  # noqa: E402
from doorward import _library  # noqa: E402

# What is public in C and has no counterpart.
LEFT_OUT = {
    "open": "open() is as open_auth() without an auth",
    "open_read_only": "likewise, with a flag",
    "ref": "a Connection is counted by Python",
    "get_last_error_code": "an exception has it",
    "get_last_error_domain": "an exception has it",
    "get_last_error_message": "an exception has it",
    "copy_last_error": "an exception is one",
    "save_last_error": "an exception is one",
    "reset_last_error": "an exception is over where it is caught",
    "error_clear": "exceptions are freed by Python",
    "error_free": "exceptions are freed by Python",
}
# What is used inside, by what it is for.
INSIDE = {
    "close": doorward.Connection.close,
    "get_last_error": doorward.Error,
    "grant_info_free": doorward.Connection.get_grant_info,
    "host_info_free": doorward.get_host_info,
    "open_free": doorward.Opening.close,
    "limits_free": doorward.get_limits,
    "security_model_free": doorward.Connection.get_security_model,
}
VARIABLES = {"auth_default"}
# Each enumeration of the header, by the prefix of its members, and the class for it.
ENUMERATIONS = {
    "error_code": ("ERR_", doorward.ErrorCode),
    "error_domain": ("DOMAIN_", doorward.ErrorDomain),
    "credential_type": ("CRED_", doorward.CredentialType),
    "flags": ("", doorward.Flags),
    "close_reason": ("CLOSE_", doorward.CloseReason),
}
STRUCTURES = {
    "auth": _library.AuthRecord,
    "credential": _library.CredentialRecord,
    "error": _library.ErrorRecord,
    "grant_info": _library.GrantInfoRecord,
    "host_info": _library.HostInfoRecord,
    "host_node": _library.HostNodeRecord,
    "limit": _library.LimitRecord,
    "limits": _library.LimitsRecord,
    "security_model": _library.SecurityModelRecord,
}

text = read(header)


def check_symbols():
    mapped = set(re.findall(r"^\s+doorward_(\w+);$", read(symbol_map), re.M))
    expect(len(mapped) >= 33, "the map was not understood")
    bound = set(_library.PROTOTYPES) | VARIABLES
    for name in sorted(mapped - bound - set(LEFT_OUT)):
        failures.append(
            f"doorward_{name} has no counterpart in Python: bind it (python/doorward), "
            "or say in LEFT_OUT of tests/unit/check-python.py why there is none"
        )
    for name in sorted(bound - mapped):
        failures.append(f"doorward_{name} is bound, and not public")
    for name in sorted(set(LEFT_OUT) & bound | set(LEFT_OUT) - mapped):
        failures.append(f"doorward_{name} is not left out at all")
    for name in sorted(bound - set(INSIDE)):
        step = hasattr(doorward.Opening, name.removeprefix("open_"))
        there = step or hasattr(doorward, name) or hasattr(doorward.Connection, name)
        expect(there, f"there is no {name}() in the module")


def check_arguments():
    """As many as in C; a connection, and what Python does not need, included."""
    for name, (_, arguments) in _library.PROTOTYPES.items():
        declared = re.search(rf"^[a-z][^;{{}}/]*?\bdoorward_{name}\(([^;{{}}]*)\);$", text, re.M)
        if not declared:
            failures.append(f"doorward_{name} is not declared")
            continue
        count = 0 if declared[1] == "void" else declared[1].count(",") + 1
        expect(count == len(arguments), f"doorward_{name} takes {count} arguments")


def header_enumerations():
    for name, body in re.findall(r"^typedef enum doorward_(\w+) \{\n(.*?)^\}", text, re.M | re.S):
        yield name, re.findall(r"^ +DOORWARD_(\w+) = ", body, re.M)


def check_constants(values):
    count = 0
    for enumeration, names in header_enumerations():
        if enumeration not in ENUMERATIONS:
            failures.append(f"there is no class for doorward_{enumeration}")
            continue
        prefix, kind = ENUMERATIONS[enumeration]
        expect({prefix + each.name for each in kind} == set(names), f"{enumeration}: other members")
        for name in names:
            count += 1
            there = getattr(doorward, name, None)
            expect(there == values[name], f"{name} is {values[name]}, and not {there}")
            expect(name in doorward.__all__, f"{name} is not in __all__")
    for name, number in re.findall(r"^#define DOORWARD_(\w+) (\d+)$", text, re.M):
        there = getattr(doorward, name, None)
        expect(there == int(number), f"{name} is {number}, and not {there}")
        expect(name in doorward.__all__, f"{name} is not in __all__")
    expect(count >= 54, "the header was not understood")


def header_structures():
    for name, body in re.findall(r"^typedef struct doorward_(\w+) \{\n(.*?)^\}", text, re.M | re.S):
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        yield name, re.findall(r"^ +[a-z].*?(\w+)(?:\[\d+\])?;", body, re.M)


def check_structures(values):
    found = dict(header_structures())
    expect(set(found) == set(STRUCTURES), f"structures: {sorted(found)}")
    for name, members in found.items():
        kind = STRUCTURES[name]
        expect([each[0] for each in kind._fields_] == members, f"{name}: {members}")
        expect(ctypes.sizeof(kind) == values[f"sizeof {name}"], f"{name}: another size")
        for member in members:
            field = getattr(kind, member, None)
            if field:
                wanted = values[f"{name}.{member}"], values[f"sizeof {name}.{member}"]
                expect((field.offset, field.size) == wanted, f"{name}.{member} is at {wanted}")


def probe():
    """What a compiled program says of every number and every member."""
    lines = []
    for _, names in header_enumerations():
        lines += [f'printf("%ld {name}\\n", (long)DOORWARD_{name});' for name in names]
    for name, members in header_structures():
        lines.append(f'printf("%zu sizeof {name}\\n", sizeof(doorward_{name}));')
        for member in members:
            place = f"(doorward_{name} *)0)->{member}"
            lines.append(f'printf("%zu {name}.{member}\\n", offsetof(doorward_{name}, {member}));')
            lines.append(f'printf("%zu sizeof {name}.{member}\\n", sizeof(({place}));')
    program = "#include <stddef.h>\n#include <stdio.h>\n#include <doorward.h>\nint main(void) {\n"
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/probe.c", "w", encoding="utf-8") as file:
            file.write(program + "\n".join(lines) + "\nreturn 0;\n}\n")
        command = [*cc, "-I", os.path.dirname(header), "-o", f"{folder}/probe", f"{folder}/probe.c"]
        subprocess.run(command, check=True)
        out = subprocess.run([f"{folder}/probe"], check=True, capture_output=True, text=True).stdout
    pairs = (line.split(" ", 1) for line in out.splitlines())
    return {name: int(number) for number, name in pairs}


def check_exceptions():
    """One for each class, each with something to say."""
    for code in doorward.ErrorCode:
        kind = doorward._errors.CLASSES.get(code)
        expect((kind is None) == (code == doorward.ERR_OK), f"{code!r} has no exception")
        expect(kind is None or kind.__name__ in doorward.__all__, f"{kind} is not in __all__")


def check_sources():
    sources = glob.glob(f"{module}/*.py")
    expect(len(sources) >= 5, "the module's sources are not found")
    for path in sources:
        tree = ast.parse(read(path), path, feature_version=(3, 9))
        compile(tree, path, "exec")
        for node in ast.walk(tree):
            names = [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else names
            for name in names:
                own = isinstance(node, ast.ImportFrom) and node.level > 0
                known = own or name.split(".")[0] in sys.stdlib_module_names
                expect(known, f"{path}: {name} is not of the standard library")
    for name in doorward.__all__:
        there = getattr(doorward, name, None)
        expect(there is not None, f"{name} of __all__ is not there")
        if inspect.isfunction(there):
            expect(there.__doc__, f"{name} says nothing of itself")
    for kind in doorward.Connection, doorward.Opening:
        for name, there in vars(kind).items():
            if not name.startswith("_"):
                expect(there.__doc__, f"{kind.__name__}.{name} says nothing of itself")


values = probe()
check_symbols()
check_arguments()
check_constants(values)
check_structures(values)
check_exceptions()
check_sources()
finish(f"{len(_library.PROTOTYPES)} functions, {len(values)} numbers")
