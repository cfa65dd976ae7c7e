#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what doorward(1) says of commands and options, and what each shell completes, to --help.

check-options.py DOORWARD SOURCE: the program is asked for its commands, and each of them for its
options. The page names every command in its synopsis, and every option somewhere, and none that
there is not; a completion has the options of each command, no more and no fewer.
"""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

from checks import expect, failures, finish, read  # noqa: E402

# Every command has them; a completion offers them everywhere, whatever --help shows.
COMMON = {"-h", "--help", "--version", "--debug"}
# What --help leaves out: programs say so, in the place of people.
HIDDEN = {"--use-vnet", "--br"}
# A command that is not for people is completed by no shell.
UNTYPED = {"relay"}


def options_of(text):
    """The options of a --help: "-r --read-only  ..." and "   --fd=N  ..."."""
    lines = text.split("\nOptions:\n", 1)[1].split("\n\n", 1)[0].splitlines()
    words = [word for line in lines for word in re.findall(r"(?<!\S)--?\S+", line[:23])]
    return {re.split(r"[=[]", word)[0] for word in words}


class Program:
    """What there is, by its own word: the options of each command."""

    def __init__(self, path):
        text = self.help(path)
        self.all = options_of(text)
        names = re.findall(r"^  ([a-z-]+) ", text.split("Commands:\n")[1].split("\n\n")[0], re.M)
        self.commands = {name: options_of(self.help(path, name)) for name in names}
        understood = len(names) >= 17 and all("--help" in of for of in self.commands.values())
        expect(understood and {"-q", "--block", "--debug"} <= self.all, "--help was not understood")

    @staticmethod
    def help(path, *words):
        return subprocess.run(
            [path, *words, "--help"], check=True, capture_output=True, text=True
        ).stdout


def check_page(program, text):
    """The synopsis has every command; each option is described, and none that there is not."""
    synopsis = text.split("# SYNOPSIS\n")[1].split("\n# ")[0]
    lines = re.findall(
        r"^\*doorward\* (?:\[OPTION\.\.\.\] )?\*([a-z-]+)\*(.*?)(?:\+\+)?$", synopsis, re.M
    )
    expect(
        {name for name, _ in lines} == set(program.commands),
        "doorward(1), synopsis: it has other commands than --help",
    )
    for name, rest in lines:
        for option in re.findall(r"\*(--[a-z-]+)", rest):
            of = program.commands.get(name, set())
            expect(option in of, f"doorward(1), synopsis: {name} has no {option}")
    for line in synopsis.strip().splitlines():
        expect(line.startswith("*doorward") or not line, f"doorward(1), synopsis: {line!r}")

    described = set()
    for line in re.findall(r"^\*--?[a-z].*$", text, re.M):
        described |= set(re.findall(r"\*(--?[a-z][a-z-]*)", line))
    for option in sorted(program.all - described):
        failures.append(f"doorward(1) has no word on {option}")
    for option in sorted(described - program.all - HIDDEN):
        failures.append(f"doorward(1) describes {option}, which is none")


def bash(path, name):
    done = subprocess.run(
        ["bash", "-c", '. "$1"; __doorward_options "$2"', "bash", path, name],
        check=True, capture_output=True, text=True,
    )
    return {word.rstrip("=") for word in done.stdout.split()}


def fish(path, name):
    found = set()
    for line in read(path).replace("\\\n", " ").splitlines():
        line = re.sub(r" -d ('.*'|\S+)$", "", line.strip())
        where = re.search(r" -n '?(?:__doorward_commands?)((?: [a-z-]+)*)", line)
        if not line.startswith("complete -c doorward ") or (where and name not in where[1].split()):
            continue
        if where or " -n " not in line:
            found |= {f"-{letter}" for letter in re.findall(r" -s (\w)\b", line)}
            found |= {f"--{word}" for word in re.findall(r" -l ([\w-]+)", line)}
    return found


def zsh(path, name):
    text = read(path)
    lists = dict(re.findall(r"^        (\w+)=\(((?:.|\n)*?)\)$", text, re.M))
    case = re.search(
        rf"^        (?:[\w-]+ \| )*{name}(?: \| [\w-]+)*\)\n(.*?)\n                ;;$",
        text,
        re.M | re.S,
    )
    body = case[1] if case else ""
    for _ in range(2):
        body = re.sub(r"\$(\w+)", lambda match: lists.get(match[1], ""), body)
    # 'x[y]', '(a b)'{-c,--cc}'[y]', '(-x)--long=[y]'
    found = set()
    for group in re.findall(r"\{(-[^}]*)\}'\[", body):
        found |= set(group.split(","))
    return found | {word.rstrip("=-") for word in re.findall(r"[')\"](--?[\w][\w-]*=?-?)\[", body)}


def check_completion(program, shell, complete, path):
    for name, wanted in program.commands.items():
        if name in UNTYPED:
            continue
        found = complete(path, name)
        for option in sorted((wanted | COMMON) - found):
            failures.append(f"{shell} does not complete {name} {option}")
        for option in sorted(found - wanted - COMMON):
            failures.append(f"{shell} completes {name} {option}, which is none")


def main():
    doorward, source = sys.argv[1:]
    program = Program(doorward)
    folder = os.path.join(source, "cli/completion")
    check_page(program, read(os.path.join(source, "docs/man/doorward.1.scd")))
    check_completion(program, "bash", bash, f"{folder}/doorward.bash")
    check_completion(program, "fish", fish, f"{folder}/doorward.fish")
    check_completion(program, "zsh", zsh, f"{folder}/_doorward")
    finish(f"{len(program.commands)} commands")


if __name__ == "__main__":
    main()
