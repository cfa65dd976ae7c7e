#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds docs/wire.md to the interface: what it names is there, what is there it names, and its
examples are what the interface describes.

check-wire.py SOURCE
"""

import json
import os
import re
import sys

sys.dont_write_bytecode = True

import checks  # noqa: E402
from checks import expect, expect_set, failures, finish  # noqa: E402

root = sys.argv[1]

# Varlink's own, of any interface.
VARLINK = {"method", "parameters", "more", "continues", "error", "oneway", "upgrade"}


def read(path):
    return checks.read(os.path.join(root, path))


class Interface:
    """As much of Varlink's language as ours uses."""

    def __init__(self, text):
        comments = re.findall(r"((?:^#.*\n)+)method (\w+)", text, re.M)
        self.comments = {name: comment for comment, name in comments}
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        self.name = re.search(r"^interface ([\w.]+)$", text, re.M)[1]
        self.types, self.enums, self.methods, self.errors = {}, {}, {}, {}
        fields = r"\(([^()]*)\)"
        for kind, name, body, out in re.findall(
            rf"^(type|method|error) (\w+) ?{fields}(?: -> {fields})?", text, re.M
        ):
            if kind == "type" and ":" not in body:
                self.enums[name] = [value.strip() for value in body.split(",")]
            elif kind == "method":
                self.methods[name] = self.fields(body), self.fields(out)
            else:
                {"type": self.types, "error": self.errors}[kind][name] = self.fields(body)
        count = len(re.findall(r"^(?:type|method|error) ", text, re.M))
        found = self.types, self.enums, self.methods, self.errors
        expect(sum(map(len, found)) == count, "the interface was not understood")

    @staticmethod
    def fields(text):
        return dict(re.findall(r"(\w+): *([^,\s]+)", text))

    def fits(self, value, kind):
        """Whether a value of JSON is of this type."""
        if kind.startswith("?"):
            return value is None or self.fits(value, kind[1:])
        if kind.startswith("[]"):
            return isinstance(value, list) and all(self.fits(each, kind[2:]) for each in value)
        if kind in self.enums:
            return value in self.enums[kind]
        if kind in self.types:
            return isinstance(value, dict) and self.problem(value, self.types[kind]) is None
        return type(value) is {"bool": bool, "int": int, "string": str}[kind]

    def problem(self, values, fields):
        """What is wrong with an object that has these fields, or None."""
        for name, value in values.items():
            if name not in fields:
                return f"there is no {name}"
            if not self.fits(value, fields[name]):
                return f"{name} is no {fields[name]}"
        missing = [n for n, kind in fields.items() if not kind.startswith("?") and n not in values]
        return f"{missing} is missing" if missing else None

    def names(self):
        yield from (*self.types, *self.enums, *self.methods, *self.errors)
        for values in self.enums.values():
            yield from values
        for fields in (*self.types.values(), *self.errors.values()):
            yield from fields
        for taken, given in self.methods.values():
            yield from (*taken, *given)


broker = Interface(read("common/org.doorward.Broker.varlink"))
source = read("common/interface.c")
service = re.search(r"interface_service_text\[\] =\n(.*?);\n\n", source, re.S)[1]
service = Interface("".join(json.loads(text) for text in re.findall(r'".*"', service)))
page = read("docs/wire.md")
prose = re.sub(r"```.*?```", "", page, flags=re.S)
words = set(re.findall(r"`(\w+)`", prose))
sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", page, re.M))


def tables(section):
    """Each table of a section: its rows, as lists of cells."""
    for text in re.findall(r"(?:^\|.*\n)+", sections[section], re.M):
        rows = [line.strip("|\n").split("|") for line in text.splitlines()]
        yield [[cell.strip() for cell in row] for row in rows[2:]]


def column(rows, number=0):
    return [name for row in rows for name in re.findall(r"`(\w+)`", row[number])]


def check_names():
    known = VARLINK | set(broker.names()) | set(service.names())
    for word in sorted(words - known):
        failures.append(f"docs/wire.md names {word}, which there is not")
    # One of org.varlink.service's is never answered.
    errors = [*broker.errors, *(name for name in service.errors if name != "PermissionDenied")]
    for name in (*broker.methods, *service.methods, *errors):
        expect(name in words, f"docs/wire.md does not name {name}")
    for enum in ("Access", "How", "Means", "Mode", "Reason", "State"):
        for value in broker.enums[enum]:
            named = value in words or enum == "Mode" and value == "none"
            expect(named, f"docs/wire.md does not name {value}, a {enum}")
    expect(len(words) > 60, "docs/wire.md was not understood")


def check_tables():
    taken, given = broker.methods["Open"]
    parameters, states, members = tables("Open")
    expect_set(column(parameters), taken, "parameters of Open")
    expect_set(column(states, 0), broker.enums["State"], "states")
    elsewhere = {"state", "connection", "conversation", "reason", "requestId"}
    expect_set({*column(members), *elsewhere}, given, "members of the reply to Open")
    reasons = re.search(r"^`reason` is one of(.*?)\.", sections["A lease"], re.M | re.S)[1]
    expect_set(re.findall(r"`(\w+)`", reasons), broker.enums["Reason"], "reasons")
    (methods,) = tables("The other methods")
    expect_set(column(methods), set(broker.methods) - {"Open", "AgentRespond"}, "methods")
    for row in methods:
        name = "".join(column([row]))
        more = "more" in broker.comments.get(name, "")
        expect(more == (row[2] == "yes"), f"{name}, with more or not")
    (errors,) = tables("Errors")
    expect_set(column(errors), broker.errors, "errors")
    for row in errors:
        fields = set(broker.errors[column([row])[0]]) - {"hint", "requestId"}
        expect_set(column([row], 2), fields, column([row])[0])


def check_examples():
    texts = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    expect(len(texts) >= 6, "docs/wire.md has no examples")
    for text in texts:
        message = json.loads(text)
        if "method" in message:
            fields = broker.methods[message["method"].removeprefix(broker.name + ".")][0]
        elif "error" in message:
            fields = broker.errors[message["error"].removeprefix(broker.name + ".")]
        else:
            fields = broker.methods["Open"][1]
        expect(set(message) <= VARLINK, f"{text}: other members")
        problem = broker.problem(message["parameters"], fields)
        expect(problem is None, f"{text}: {problem}")


def number(path, name):
    return re.search(rf"^#define {name} (\d+)U?$", read(path), re.M)[1]


def check_numbers():
    (limits,) = tables("The socket")
    wanted = [number("common/varlink.h", f"VARLINK_{n}_MAX") for n in ("REQUEST", "REPLY", "DEPTH")]
    expect([row[1].split()[0] for row in limits] == wanted, f"limits: {wanted}")
    messages, kinds = tables("A conversation")
    for row, name in zip(messages, ("TEXT", "ANSWER")):
        most = number("common/conversation-protocol.h", f"CONVERSATION_{name}_MAX")
        expect(f"at most {most}" in row[1], f"a conversation's {name} is at most {most}")
    enum = re.search(r"enum PromptKind \{(.*?)_PROMPT_MAX", read("common/conversation-protocol.h"), re.S)
    count = len(re.findall(r"\bPROMPT_\w+", enum[1]))
    expect([row[0] for row in kinds] == [str(i + 1) for i in range(count)], "kinds of prompts")


def check_client():
    path = re.search(r"\]\(\.\./(client/examples/wire\.go)\)", page)[1]
    client = read(path)
    expect(len(client.splitlines()) <= 60, f"{path} has more than 60 lines")
    expect(f'"{broker.name}.Open"' in client, f"{path} calls nothing")


check_names()
check_tables()
check_examples()
check_numbers()
check_client()
finish(f"{len(words)} names")
