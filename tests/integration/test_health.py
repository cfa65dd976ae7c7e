# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward info --check: what is set up wrongly, and the command that mends it."""

import json
import os
import time

import lib

ACTIONS = "/usr/share/polkit-1/actions"
OTHER = lib.ECHO.replace("Description=A", "Description=Another")


def check(*argv, **options):
    """The findings, by what was checked: those of one check in a list."""
    result = lib.run("doorward", "info", "--check", "--json=short", *argv, timeout=60, **options)
    findings = json.loads(result.out)
    problems = [entry for entry in findings if entry["result"] == "problem"]
    lib.expect(result.status, 1 if problems else 0, result.out)
    return findings, problems


def expect_healthy():
    findings, problems = check()
    lib.expect(problems, [])
    return findings


def expect_mended(problem):
    """What is printed as its remedy, typed by root, is one."""
    lib.typed(problem["remedy"]).expect_status(0)
    try:
        lib.wait_for(lambda: not check()[1], f"{problem['remedy']} mends it", timeout=10)
    except lib.Failure as failure:
        raise lib.Failure(f"{failure}: {check()[1]}") from None


def only_problem(name, part):
    _, problems = check()
    lib.expect([entry["check"] for entry in problems], [name], problems)
    lib.expect_in(part, problems[0]["text"])
    return problems[0]


def test_healthy():
    """Nothing is wrong with what was installed; each part is named; text says the same as JSON, and a
    user can look, too."""
    findings = expect_healthy()
    names = {entry["check"] for entry in findings if entry["result"] == "ok"}
    lib.expect(names >= {"socket", "broker", "identity", "polkit", "proc", "journal"}, True, names)
    text = lib.ok("doorward", "info", "--check")
    for entry in findings:
        lib.expect_in(f"{entry['result']:8} {entry['check']}: ", text)
    result = lib.run("doorward", "info", "--check", user="alice").expect_status(0)
    lib.expect(result.out, text)


def test_socket():
    """The socket is gone, or will be after the next boot; without a broker the rest is checked."""
    lib.systemctl("stop", "doorward.socket", "doorward.service")
    _, problems = check()
    lib.expect([entry["check"] for entry in problems], ["socket", "broker"], problems)
    lib.typed(problems[0]["remedy"]).expect_status(0)
    expect_healthy()
    lib.systemctl("disable", "--quiet", "doorward.socket")
    expect_mended(only_problem("socket", "after the next boot"))


def test_helpers():
    """Nobody could be asked for a password; nothing could be filtered."""
    for name, helper in ("authentication", "pam"), ("filter", "filter"):
        lib.systemctl("disable", "--now", "--quiet", f"doorward-{helper}.socket")
        expect_mended(only_problem(name, f"nobody listens on /run/doorward/{helper}"))


def test_definition_that_does_not_run():
    """A definition that is new, changed or wrong, and an opener that nobody listens for."""
    with lib.definition("other", OTHER, apply=False):
        lib.ok("doorward", "policy", "--install", "other")
        expect_mended(only_problem("definition", "does not have other as it stands in its file"))
        lib.write(f"{lib.DEFINITIONS}/other.conf", OTHER.replace("Another", "Yet another"))
        expect_mended(only_problem("definition", "does not have other"))
        lib.systemctl("stop", "doorward-opener@other.socket")
        expect_mended(only_problem("opener", "nobody listens for the opener of other"))
        lib.write(f"{lib.DEFINITIONS}/other.conf", OTHER + "\n[Full]\nLease=maybe\n")
        problem = only_problem("definition", "other: ")
        lib.expect(problem["remedy"], "doorward verify other")
        lib.ok("doorward", "policy", "--remove", "other")


def names():
    """What is said of users and groups that are not here: how bad it is, and the text."""
    found = [entry for entry in check()[0] if entry["check"] == "names"]
    return [(entry["result"], entry["text"]) for entry in found]


def test_names():
    """A definition of the machine's own that names a group or a user that is not here is a problem,
    as long as that is so; whom nobody need be is a note."""
    for key, kind in ("Groups", "group"), ("ConnectAs", "user"), ("PeerUser", "user"):
        text = OTHER.replace("[Connect]\n", f"[Connect]\n{key}=nobody-here\n")
        with lib.definition("other", text):
            problem = only_problem("names", f"other: {key}=: the {kind} nobody-here does not exist")
            lib.expect(problem["remedy"], "doorward verify other")
            lib.expect_in(problem["text"].split(": ", 1)[1], lib.ok("doorward", "verify", "other"))
            if kind == "group":
                lib.ok("groupadd", "nobody-here")
                try:
                    lib.expect(names(), [])
                finally:
                    lib.ok("groupdel", "nobody-here")
    exempt = "[Full]\nAuthenticate=self\nAuthenticateExempt=nobody-here\n"
    with lib.definition("other", OTHER.replace("[Full]\n", exempt)):
        ((result, text),) = names()
        lib.expect(result, "note")
        lib.expect_in("exempts nobody", text)
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 9 * 86400))
    mode = f"Mode=observe\nObserveGroup=nobody-here\nObserveUntil={until}\n"
    with lib.definition("other", OTHER.replace("[Endpoint]\n", "[Endpoint]\n" + mode, 1)):
        only_problem("observation", "the group nobody-here of ObserveGroup= does not exist")


def test_names_of_what_is_not_installed():
    """A definition that came with a package may name whom the service would bring: nothing is said,
    or a note where somebody added to it. With the service there it is a problem."""
    folder, socket = "/usr/lib/doorward/endpoints.d", "/run/doorward-echo/ghost"
    text = f"[Full]\nConnectStream={socket}\n[Connect]\nGroups=nobody-here\n"
    with lib.definition("ghost", text, folder=folder):
        expect_healthy()
        lib.expect(names(), [])
        lib.expect_in("the group nobody-here", lib.ok("doorward", "verify", "ghost"))
        with lib.Backend(socket):
            only_problem("names", "ghost: Groups=: the group nobody-here does not exist")
        with lib.definition("ghost.conf.d/own", "[Full]\nMaxSec=1h\n"):
            ((result, _),) = names()
            lib.expect(result, "note")
    os.rmdir(f"{lib.DEFINITIONS}/ghost.conf.d")


def test_actions():
    """An endpoint without actions of its own is a note; one whose actions name no owner is a
    problem, since polkit does not let the broker ask about them."""
    path = f"{ACTIONS}/org.doorward.endpoint.other.policy"
    with lib.definition("other", OTHER):
        findings = expect_healthy()
        notes = [entry for entry in findings if "other has no polkit actions" in entry["text"]]
        lib.expect([entry["remedy"] for entry in notes], ["doorward policy --install other"])
        text = lib.ok("doorward", "policy", "other")
        with lib.file(path, text.replace("unix-user:doorward", "unix-user:root")):
            lib.polkit_settle()
            expect_mended(only_problem("actions", path))


def test_polkit():
    """polkit is not there."""
    with lib.file("/etc/systemd/system/polkit.service", ""):
        lib.systemctl("daemon-reload")
        lib.systemctl("stop", "polkit.service")
        problem = only_problem("polkit", "it did not answer")
    lib.systemctl("daemon-reload")
    expect_mended(problem)


def test_observed():
    """An endpoint in observe mode is named, with its end, and is no problem."""
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 9 * 86400))
    mode = f"Mode=observe\nObserveGroup=audio\nObserveUntil={until}\n"
    observed = OTHER.replace("[Endpoint]\n", "[Endpoint]\n" + mode, 1)
    with lib.definition("other", observed):
        notes = [entry for entry in expect_healthy() if entry["check"] == "observation"]
        lib.expect(len(notes), 1)
        lib.expect_in("other", notes[0]["text"])
        lib.expect_in("audio", notes[0]["text"])


def test_hidden_processes():
    """/proc with hidepid=."""
    lib.ok("mount", "-o", "remount,hidepid=invisible", "/proc")
    try:
        _, problems = check()
        problem = [entry for entry in problems if entry["check"] == "proc"]
        lib.expect(len(problem), 1)
    finally:
        lib.typed(problem[0]["remedy"]).expect_status(0)
    expect_healthy()


def test_no_journal():
    """Nobody would take a record."""
    result = lib.run("unshare", "--mount", "sh", "-c",
                     "mount -t tmpfs none /run/systemd/journal && exec doorward info --check")
    result.expect_status(1)
    lib.expect_in("problem  journal: nobody takes records", result.out)
    lib.expect_in("systemctl restart systemd-journald.service", result.out)
    lib.expect_true(os.path.exists("/run/systemd/journal/socket"), "it was only this view")
