# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody who does what a hint says, and knows of doorward nothing but that: what is refused is tried,
and what was printed about it is read. What stands in quotes after a word like "with:", or is a command
that there is, is typed, by root where the sentence names an administrator."""

import difflib
import os
import re
import shutil
import time

import lib
from terminal import Terminal

# What these people have in their heads.
PASSWORDS = {name: f"{name}-s password" for name in ("alice", "bob", "carol")}
ROUNDS = 3
PATIENCE = 15


class Attempt:
    """Something that is done by this user and may be refused. On a terminal, somebody sits at that and
    types what is in typed, in turn, and from then on the password of the user whom the prompt names."""

    def __init__(self, *argv, user="alice", terminal=False, typed=(), env=None, again=None):
        self.argv, self.user, self.env = list(argv), user, env
        self.terminal, self.typed = terminal, list(typed)
        self.again = again  # what trying again is, where it is something else

    def run(self):
        if self.terminal:
            self.status, self.text = self._sit()
        else:
            result = lib.run(*self.argv, user=self.user, env=self.env, timeout=60)
            self.status, self.text = result.status, result.out + result.err
        return self.status == 0

    def _sit(self):
        with Terminal(self.user, *self.argv, env=self.env) as terminal:
            status = terminal.serve(self._answer)
            return status, terminal.text.replace("\r\n", "\n")

    def _answer(self, prompt):
        if self.typed:
            return self.typed.pop(0)
        named = [name for name in PASSWORDS if name in prompt] or [self.user]
        return PASSWORDS[named[0]] + "\n"

    @property
    def message(self):
        return "".join(re.findall(r"^doorward[^:\n]*: (.*)$", self.text, re.M)[-1:])

    @property
    def hint(self):
        return "".join(re.findall(r"^Hint: (.*)$", self.text, re.M)[-1:])


class Reader:
    """Follows what an attempt prints, and tries again, until there is nothing more to do."""

    def __init__(self, attempt):
        self.attempt = attempt
        self.done = []
        self.new_files = []

    def follow(self):
        """What came of it: "granted", or the sentence that says who can give it."""
        for _ in range(ROUNDS):
            text, before = f"{self.attempt.message} {self.attempt.hint}", len(self.done)
            for sentence in re.split(r"(?<=[.;:?]) (?=[A-Z'])|; ", text):
                self._obey(sentence)
            if len(self.done) == before:
                break
            if self._try_again():
                return "granted"
            if f"{self.attempt.message} {self.attempt.hint}" == text:
                break
        for sentence in re.split(r"(?<=[.]) (?=[A-Z'])", self.attempt.hint):
            if re.search(r"\b(administrator|root|who wrote it)\b", sentence):
                return sentence
        raise lib.Failure(f"{self.attempt.message!r} leads nowhere by {self.attempt.hint!r}, "
                          f"after {self.done}")

    def _try_again(self):
        """What was done may take a moment to count."""
        if self.attempt.again:
            self.attempt = self.attempt.again
        end = time.monotonic() + PATIENCE
        while not self.attempt.run():
            if time.monotonic() > end or not self.new_files:
                return False
            time.sleep(0.5)
        return True

    def _obey(self, sentence):
        root = bool(re.search(r"\b(administrator|sudo|root)\b", sentence))
        for wanted, instead in re.findall(r"[Ww]rite '([^']+)' in place of '([^']+)'", sentence):
            self._replace(instead, wanted)
        for wanted in re.findall(r"Did you mean ([^?]+)\?", sentence):
            self._mean(wanted)
        commands = re.findall(r"'([^']+)'", sentence) + re.findall(r"\bwith: (.*)$", sentence)
        for command in commands:
            if shutil.which(command.split()[0]):
                self._type(command, root)
        if re.search(r"\bwith sudo\b|\bas root\b", sentence):
            self.attempt.user = None
            self.done.append("as root")
        if re.search(r"\bon a terminal\b", sentence):
            self.attempt.terminal = True
            self.done.append("on a terminal")
        wait = re.search(r"try again in (\d+) (ms|s)\b", sentence)
        if wait:
            time.sleep(int(wait[1]) / (1000 if wait[2] == "ms" else 1))
            self.done.append(f"{wait[1]} {wait[2]} later")
        elif re.search(r"\b([Tt]ry again|again with|call again|it again)\b", sentence) and not commands:
            self.done.append("again")

    def _replace(self, instead, wanted):
        self.attempt.argv = [wanted if word == instead else word for word in self.attempt.argv]
        self.done.append(f"{wanted} for {instead}")

    def _mean(self, wanted):
        """In place of what is most like it, of all that was typed."""
        parts = [part for word in self.attempt.argv for part in re.findall(r"[^/?&=]+=?", word)]
        for part in difflib.get_close_matches(wanted, parts, 1):
            self.attempt.argv = [word.replace(part, wanted) for word in self.attempt.argv]
            self.done.append(f"{wanted} for {part}")

    def _type(self, command, root):
        user = None if root else self.attempt.user
        self.done.append(f"{'# ' if root else '$ '}{command}")
        result = lib.typed(command, user=user, env=self.attempt.env)
        # What only looks may say by its status what it saw; but it is a command that there is.
        lib.expect_true(result.status == 0 if root else result.status not in (2, 126, 127), f"{result!r}")
        # "..., an administrator would write PATH:", and what.
        for path, text in re.findall(r"administrator would write (/\S+):\n\n(.*?)\n\n", result.out, re.S):
            lib.write(path, text + "\n")
            self.new_files.append(path)
            self.done.append(f"# writes {path}")

    def put_back(self):
        for path in self.new_files:
            os.unlink(path)
        if self.new_files:
            lib.polkit_settle()
