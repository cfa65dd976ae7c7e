# SPDX-License-Identifier: LGPL-2.1-or-later
"""Passwords: who could learn one, and where one could be found afterwards."""

import contextlib
import glob
import os
import socket

import lib
from terminal import Terminal

CANARY = "canary-58d1f0-zq"
COMMAND = ("doorward", "exec", "echo=0", "--", "sh", "-c", "head -n 1; sleep 600")

@contextlib.contextmanager
def password(user, text):
    with open("/etc/shadow", encoding="ascii") as file:
        before = dict(line.split(":")[:2] for line in file)[user]
    lib.ok("chpasswd", input=f"{user}:{text}\n")
    try:
        yield
    finally:
        lib.ok("chpasswd", "--encrypted", input=f"{user}:{before}\n")


def memory(pid):
    """Everything that the process has in memory and can be read."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        ranges = [line.split() for line in maps]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for entry in ranges:
            if entry[1][0] != "r" or entry[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            begin, end = (int(number, 16) for number in entry[0].split("-"))
            with contextlib.suppress(OSError, ValueError, OverflowError):
                file.seek(begin)
                yield file.read(end - begin)


def who_has(text):
    """The processes in whose memory, arguments or environment it is, but for this one."""
    needle, found = text.encode(), []
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(os.path.basename(path))
        if pid in (os.getpid(), os.getppid()):
            continue
        with contextlib.suppress(OSError):
            name = lib.read(f"{path}/comm").strip()
            parts = [open(f"{path}/{part}", "rb").read() for part in ("cmdline", "environ")]
            if any(needle in part for part in parts) or any(needle in m for m in memory(pid)):
                found.append(name)
    return found


@lib.time_limit(120)
def test_canary():
    """After it was typed, a password is nowhere: not in the memory of who asked and still runs, nor
    of any other process; not in an argument or environment, the journal, or a file of ours."""
    rules = (lib.allow("echo", "full", result="AUTH_SELF"),)
    step_up = lib.ECHO.replace("[Connect]", "Authenticate=self\n[Connect]")
    with password("alice", CANARY), lib.echo(*rules), lib.definition("echo", step_up):
        journal = lib.Journal()
        with Terminal("alice", *COMMAND) as terminal:
            for _ in range(2):
                terminal.expect("assword: ")
                terminal.answer(CANARY)
            terminal.expect("uid=")
            journal.wait("a grant", MESSAGE_ID=lib.GRANTED)
            lib.expect(who_has(CANARY), [])
        text = lib.ok("journalctl", "--quiet", "--output=export", "--all")
        lib.expect_not_in(CANARY, text, "the journal")
        for folder in ("/run/doorward", "/run/faillock", "/var/lib/systemd/coredump", "/etc/doorward"):
            if os.path.isdir(folder):
                lib.expect(lib.run("grep", "-rlF", CANARY, folder).out, "", folder)


def test_canary_would_be_found():
    """The search finds what is there."""
    word = CANARY.upper()
    with lib.scratch() as folder:
        lib.write(f"{folder}/word", word)
        script = f"x=$(cat {folder}/word); sleep 60; echo $x"
        process = lib.start("bash", "-c", script)
        try:
            lib.wait_for(lambda: "bash" in who_has(word), "bash has it", 10)
        finally:
            process.kill()
            process.wait()


def got(journal):
    """All bytes that the hostile broker could read."""
    lines = [e["MESSAGE"] for e in journal.entries(_SYSTEMD_UNIT="doorward.service")]
    lib.expect([line for line in lines if line.startswith("FAILED")], [])
    return b"".join(bytes.fromhex(line[4:]) for line in lines if line.startswith("GOT ")), lines


@lib.time_limit(120)
def test_hostile_broker():
    """It passes on a pair of sockets of its own; keeps a duplicate; sits between; passes on its own
    connection to the helper: no byte of the password reaches it."""
    with password("bob", CANARY), lib.hostile_broker("hostile-conversation.py"):
        for name in ("own", "relay", "connection", "duplicate"):
            journal = lib.Journal()
            with Terminal("alice", "doorward", "exec", "--user=bob", f"{name}=0", "--", "true") as t:
                if name == "duplicate":
                    # This one is root's own conversation, so the password is typed, and goes to
                    # root.
                    t.expect("assword: ")
                    t.answer(CANARY)
                t.status(30)
                if name != "duplicate":
                    lib.expect_not_in("assword:", t.text, name)
                lib.expect_in("Hint", t.text, name)
            journal.wait("the end of it", timeout=15, MESSAGE=f"DONE {name}")
            data, lines = got(journal)
            lib.expect_not_in(CANARY.encode(), data, name)
            lib.expect_true(any(line.startswith("DONE") for line in lines), str(lines))


@lib.time_limit(120)
def test_connections_by_nobody():
    """300 connections to every socket of ours by somebody who may not, or may only knock: nothing
    fails for others."""
    with lib.echo(lib.allow("echo", "full")):

        def body(child):
            held, refused = [], 0
            paths = [lib.BROKER_SOCKET, "/run/doorward/pam"]
            paths += glob.glob(f"{lib.OPENER_SOCKETS}/*") or [f"{lib.OPENER_SOCKETS}/echo"]
            for path in paths:
                kind = socket.SOCK_STREAM if path == lib.BROKER_SOCKET else socket.SOCK_SEQPACKET
                for _ in range(300):
                    sock = socket.socket(socket.AF_UNIX, kind)
                    try:
                        sock.connect(path)
                        held.append(sock)
                    except OSError:
                        refused += 1
            child.tell(refused)
            child.hear()
            return len(held)

        with lib.Child("nobody", body) as nobody:
            lib.expect_true(nobody.hear() >= 600, "the helpers' sockets are nobody's")
            command = ("doorward", "exec", "echo=0", "--", "head", "-n", "1")
            lib.expect_in("uid=", lib.ok(*command, user="alice"))
            with lib.rule(lib.allow("echo", "full", user="bob", result="AUTH_SELF")):
                with Terminal("bob", *command) as terminal:
                    terminal.expect("assword: ")
                    terminal.answer("bob-s password")
                    terminal.expect("uid=")
            nobody.tell()
            nobody.result()
        for unit in ("doorward.socket", "doorward-pam.socket", "doorward-opener@echo.socket"):
            lib.expect_true(lib.unit_is_active(unit), f"{unit} listens")
