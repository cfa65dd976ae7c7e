# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of docs/cookbook, done exactly as the pages have them.

A page is written for people, and needs nothing for the tests that they do not need:

- A paragraph that ends in a path, as in "Save as `/etc/doorward/endpoints.d/x.conf`:", and the block
  behind it: a file. An absolute path is root's; any other is in the home of alice.
- A block of the language "console": a terminal. Behind "# " stands what root types, behind "$ " what
  alice does, and behind "> " how that goes on. The other lines are what comes back, of standard output
  and error: all of it, but "..." stands for what differs from time to time; on a line by itself, for
  any lines. A command of which nothing (or no more than "...") is shown must succeed.
- A sentence "Tested with `PACKAGE` VERSION" for what of Debian was used.

There are no other blocks, so nothing on a page can come to be wrong unseen. A page that says "not run by
the tests" has files and commands of programs that Debian does not have.

A Recording is read otherwise: README.md shows a session whole, as it was, and what differs from time to
time are numbers.

Shells live as long as the page: what is set in one block is there in the next. alice is in a login
session, as she would be by ssh. What the page leaves is put back.
"""

import collections
import contextlib
import glob
import os
import re
import select
import time

import lib

PAGES = f"{lib.SOURCE}/docs/cookbook"
USER = "alice"
TIMEOUT = 30  # seconds, for a command

File = collections.namedtuple("File", "line path text")
Command = collections.namedtuple("Command", "line user text output")

PROMPTS = {"# ": "root", "$ ": USER}


class Page:
    """What a page has a reader do, in this order: steps. And the packages that it names, with their
    versions."""

    patience = 0

    def __init__(self, name, text=None):
        self.name = name
        self.text = lib.read(f"{PAGES}/{name}.md") if text is None else text
        self.is_run = "not run by the tests" not in " ".join(self.text.split()).lower()
        self.steps = list(self._steps()) if self.is_run else []
        sentence = re.search(r"^Tested with (.*?)\.(?:\s|$)(?![0-9])", self.text, re.M | re.S)
        self.tested = re.findall(r"`([\w.+-]+)`\s+([0-9.]+[0-9])", sentence[1] if sentence else "")

    def fail(self, line, what):
        path = os.path.normpath(f"docs/cookbook/{self.name}.md")
        raise lib.Failure(f"{path}:{line}: {what}")

    def shows(self, step, printed):
        """Whether that is what the page has."""
        return pattern(step.output).fullmatch(printed)

    def _steps(self):
        before = number = 0
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", self.text, re.M | re.S):
            number = self.text.count("\n", 0, match.start()) + 2
            language, text = match.groups()
            if language == "console":
                yield from self._commands(number, text)
            else:
                paragraph = self.text[before : match.start()].rstrip().rsplit("\n\n", 1)[-1]
                path = re.search(r"`([^`\s]*[./][^`\s]*)`:$", paragraph)
                if not path:
                    self.fail(number, "a block of which is not said what file it is")
                yield File(number, path[1], text)
            before = match.end()

    def _commands(self, number, text):
        command = None
        for number, line in enumerate(text.splitlines(), number):
            if line[:2] in PROMPTS:
                if command:
                    yield command
                command = Command(number, PROMPTS[line[:2]], line[2:], [])
            elif not command:
                self.fail(number, "a console that does not begin with a command")
            elif line.startswith("> ") and not command.output:
                command = command._replace(text=f"{command.text}\n{line[2:]}")
            else:
                command.output.append(line.rstrip())
        if command:
            yield command

    def file(self, path):
        """The text of a file that the page gives."""
        (text,) = [step.text for step in self.steps if isinstance(step, File) and step.path == path]
        return text


def normal(text):
    """Without what differs from time to time: numbers, how wide columns are for them, and in how many
    words a time is said."""
    text = re.sub(r"\b[0-9]+(?:d|h|min|s)\b(?: [0-9]+(?:h|min|s)\b)*", "N", text)
    lines = re.sub(r"\b[0-9a-f]{8,}\b|[0-9]+", "N", text).splitlines()
    return [line.split() for line in lines]


class Recording(Page):
    """A page of which only what is a terminal is read."""

    patience = 20  # seconds, in which what a command began has come about; a person types more slowly

    def _steps(self):
        def keep(match):
            return match[0] if match[1] == "console" else "\n" * match[0].count("\n")

        self.text = re.sub(r"^```(\w*)\n.*?^```$", keep, self.text, flags=re.M | re.S)
        yield from super()._steps()

    def shows(self, step, printed):
        return normal("\n".join(step.output)) == normal(printed)


def pages():
    """All of them but the index."""
    names = (os.path.basename(path)[:-3] for path in glob.glob(f"{PAGES}/*.md"))
    return [Page(name) for name in sorted(names) if name != "README"]


def pattern(lines):
    """What matches this output."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append("(?:.*\n)*?")
        else:
            parts.append(".*?".join(map(re.escape, line.split("..."))) + "\n")
    return re.compile("".join(parts))


# The shell of one user. Commands come to it by its standard input, and how they ended goes back by its
# standard output; neither is the commands'.
SHELL = r"""
exec 8<&0 9>&1 </dev/null
cd
echo "${XDG_SESSION_ID-}" >&9
while IFS= read -r -d '' -u 8 command; do
    { eval "$command"; } >"$1" 2>&1 8<&- 9>&-
    echo $? >&9
done
"""


class Shell:
    def __init__(self, user, folder):
        self.output = f"{folder}/{user}"
        lib.write(self.output, "")
        lib.shutil.chown(self.output, user, user)
        self.unit = f"tests-shell-{lib.number()}.service"
        session = [f"--uid={user}", "--property=PAMName=login"] if user != "root" else []
        lib.write(f"{folder}/shell", SHELL)
        self.process = lib.start(
            "systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={self.unit}",
            "--property=TimeoutStopSec=1", f"--setenv=HOME={os.path.expanduser(f'~{user}')}",
            "--setenv=PATH=/usr/sbin:/usr/bin:/sbin:/bin", "--setenv=LANG=C.UTF-8", *session,
            "/bin/bash", f"{folder}/shell", self.output, stdin=lib.subprocess.PIPE,
            stdout=lib.subprocess.PIPE, bufsize=0,
        )
        self.session = self.process.stdout.readline().decode().strip()

    def run(self, text):
        """The exit status, or None if it does not end; and what was printed."""
        self.process.stdin.write(text.encode() + b"\0")
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        status = self.process.stdout.readline() if ready else b""
        return int(status) if status else None, lib.read(self.output)

    def close(self):
        """Whatever it left in the background ends with it."""
        if self.session:
            lib.run("systemctl", "kill", "--signal=KILL", f"session-{self.session}.scope")
        lib.run("systemctl", "stop", self.unit)
        self.process.stdin.close()
        self.process.wait()


# What a page may change, besides the files that it names.
PLACES = (
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/systemd/system",
    "/usr/share/polkit-1/actions", lib.DEFINITIONS, lib.RULES, "/etc/postgresql", "/etc/redis",
)


def files(places):
    """All files and links there: the path to what tells whether it changed."""
    found = {}
    for place in places:
        for path in [place, *glob.glob(f"{place}/**", recursive=True)]:
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


def put_back(before, places):
    after = files(places)
    for path in after:
        if path not in before:
            os.unlink(path)
    for path, text in before.items():
        if after.get(path) != text:
            with open(path, "wb") as file:  # in place: it keeps its mode and owner
                file.write(text)


@contextlib.contextmanager
def kept(*paths):
    """The machine is afterwards as it was before: units that came end, and their files go."""
    places = [*PLACES, *paths]
    before = files(places)
    try:
        yield
    finally:
        new = [path for path in files(["/etc/systemd/system"]) if path not in before]
        units = {os.path.basename(path).replace("@.", "@*.") for path in new}
        if units:
            # Sockets first, so that nothing starts what ended.
            lib.run("systemctl", "stop", *sorted(units, key=lambda unit: ".socket" not in unit))
        definitions = glob.glob(f"{lib.DEFINITIONS}/*.conf")
        names = [os.path.basename(path)[:-5].rstrip("@") for path in definitions if path not in before]
        put_back(before, places)
        lib.apply_definitions()
        # They would go on for a while, as users whose numbers are somebody else's by then.
        for name in names:
            lib.run("systemctl", "stop", f"doorward-opener@{name}.service")


@contextlib.contextmanager
def home(contents):
    """alice has a home with nothing in it but these: name to bytes."""
    path = f"/home/{USER}"
    os.rename(path, f"{path}.aside")
    try:
        lib.ok("cp", "-r", "/etc/skel", path)
        for name, data in contents.items():
            with open(f"{path}/{name}", "wb") as file:
                file.write(data)
        lib.ok("chown", "-R", f"{USER}:", path)
        yield path
    finally:
        lib.shutil.rmtree(path)
        os.rename(f"{path}.aside", path)


class Reader:
    """Who reads a page, and does what it says."""

    def __init__(self, page, folder):
        self.page, self.folder = page, folder
        self.shells = {}
        self.is_settled = True

    def save(self, step):
        path = os.path.join(f"/home/{USER}", step.path.removeprefix("~/"))
        user = USER if path.startswith(f"/home/{USER}/") else "root"
        lib.ok("mkdir", "-p", os.path.dirname(path), user=user)
        lib.run("tee", path, user=user, input=step.text).expect_status(0)
        self.is_settled = False

    def type(self, step):
        if step.user == USER and not self.is_settled:
            lib.polkit_settle()  # which takes less than a person takes to type
            self.is_settled = True
        if step.user == "root":
            self.is_settled = False
        if step.user not in self.shells:
            self.shells[step.user] = Shell(step.user, self.folder)
        status, output = self._run(step)
        told = f"{step.text}\n--- it ended with {status}, and printed\n{output}---"
        if status is None:
            self.page.fail(step.line, f"this does not end: {told}")
        if not self.page.shows(step, output):
            self.page.fail(step.line, f"not what the page shows: {told}")
        if status != 0 and not set(step.output) - {"..."}:
            self.page.fail(step.line, f"this fails: {told}")

    def _run(self, step):
        until = time.monotonic() + self.page.patience
        while True:
            status, output = self.shells[step.user].run(step.text)
            output = "".join(f"{line.rstrip()}\n" for line in output.splitlines())
            if status is None or self.page.shows(step, output) or time.monotonic() > until:
                return status, output
            time.sleep(0.5)

    def read(self):
        try:
            for step in self.page.steps:
                self.save(step) if isinstance(step, File) else self.type(step)
        finally:
            for shell in self.shells.values():
                shell.close()


@contextlib.contextmanager
def monitor():
    """Somebody watches. So the broker runs all the time, and can be told to reload."""
    process = lib.start("doorward", "monitor", "--all", stdout=lib.subprocess.DEVNULL)
    try:
        lib.broker_pid()
        yield
    finally:
        process.kill()
        process.wait()


def follow(*names, contents=(), kind=Page):
    """Does what these pages say, one after the other: a page can send its reader to one before it. alice
    has files with these contents."""
    pages = [kind(name) for name in names]
    steps = [step for page in pages for step in page.steps]
    paths = [step.path for step in steps if isinstance(step, File) and step.path[0] == "/"]
    with kept(*paths), home(dict(contents)), monitor(), lib.scratch() as folder:
        for page in pages:
            lib.expect_true(page.steps, f"{page.name} has something to do")
            Reader(page, folder).read()
    lib.note("pages: " + ", ".join(names))
