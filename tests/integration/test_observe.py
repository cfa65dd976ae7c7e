# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mode=observe: who has the group is granted what that gives anyway, and the record has polkit's
answer; everybody else is judged by polkit."""

import contextlib
import grp
import itertools
import socket
import time

import lib
import varlink

OBSERVED = "cab0d16c07794eb48051fe8fe4edab1f"
GROUP = "doorward-echo"


def instant(seconds):
    """So many seconds from now, as definitions have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def definition(until, group=GROUP, more=""):
    mode = f"Mode=observe\nObserveGroup={group}\nObserveUntil={until}\n"
    return lib.ECHO.replace("[ReadOnly]", mode + "[ReadOnly]") + more


@contextlib.contextmanager
def observed(seconds=3600, **options):
    with lib.echo(), lib.definition("echo", definition(instant(seconds), **options)):
        yield


def gid():
    return grp.getgrnam(GROUP).gr_gid


def opens(user="alice", endpoint="echo", groups=None, **options):
    """What a program gets of it, without anybody being asked."""
    groups = [gid()] if groups is None else groups
    argv = ("doorward", "exec", "--no-ask-password", endpoint, "--", "head", "-c", "4")
    return lib.run("sh", "-c", 'exec "$@" <&3', "sh", *argv, user=user, groups=groups, **options)


def direct(user, groups):
    """Whether the group lets the user in without doorward."""
    script = "import socket; socket.socket(socket.AF_UNIX).connect('/run/doorward-echo/full')"
    return lib.run("python3", "-c", script, user=user, groups=groups).status == 0


def take(access="full"):
    """Opens it, and returns what was said."""
    with varlink.Client() as client:
        return client.open("echo", access)


def refused(**more):
    """By which error it is refused."""
    return varlink.refusal("echo", "full", **more).short


@lib.both_kernel_paths
def test_the_group_decides():
    """A process with the group is granted both levels, and the record says what polkit would have
    said; one without it, of a user who has it by name alone, and another identity are not."""
    with observed():
        journal = lib.Journal()
        for access in ("full", "read_only"):
            reply = lib.as_user("alice", take, access, groups=[gid()])
            lib.expect((reply["state"], reply["how"]), ("granted", "observed"))
            lib.expect_true(0 < reply["expires"] - time.time() * 1e6 < 3600e6, "it ends in time")
        entries = journal.wait("the grants", 2, MESSAGE_ID=lib.GRANTED, DOORWARD_HOW="observed")
        lib.expect({e["DOORWARD_POLICY"] for e in entries}, {"challenge"})
        lib.expect({e["DOORWARD_ACCESS"] for e in entries}, {"full", "read-only"})

        lib.ok("gpasswd", "--add", "carol", GROUP)
        try:
            for user in ("bob", "carol"):
                lib.expect(direct(user, []), False, "without doorward")
                error = lib.as_user(user, refused, groups=[])
                lib.expect(error, "InteractiveAuthenticationRequired", user)
        finally:
            lib.ok("gpasswd", "--delete", "carol", GROUP)
        lib.expect(direct("alice", [gid()]), True, "without doorward")

        error = lib.as_user("alice", lambda: refused(user="bob"), groups=[gid()])
        lib.expect(error, "InteractiveAuthenticationRequired", "as bob")


def test_polkit_is_gone():
    """Where polkit does not answer, observing breaks nothing for who has the group, and opens
    nothing for anybody else."""
    with observed():
        lib.as_user("alice", take, groups=[gid()])
        journal = lib.Journal()
        with lib.frozen("polkit.service"):
            started = time.monotonic()
            reply = lib.as_user("alice", take, groups=[gid()])
            lib.expect(reply["how"], "observed")
            lib.expect_true(time.monotonic() - started < 5, "it does not wait for long")
        journal.wait("the grant", MESSAGE_ID=lib.GRANTED, DOORWARD_POLICY="unavailable")
        lib.systemctl("start", "polkit.service")
        with lib.settings(PolicyTimeoutSec="2s"), lib.frozen("polkit.service"):
            lib.expect(lib.as_user("bob", refused, groups=[]), "PolicyUnavailable")


def test_until():
    """When the time has passed the lease ends, what is asked for then is polkit's business, and the
    journal has said all of it."""
    journal = lib.Journal()
    with observed(6):
        said = journal.wait("that it is observed", MESSAGE_ID=OBSERVED)[0]
        lib.expect_in("echo is observed until 20", said["MESSAGE"])
        lib.expect((said["PRIORITY"], said["DOORWARD_OBSERVE_GROUP"]), ("4", GROUP))

        def body():
            with varlink.Client() as client:
                client.open("echo", "full")
                return client.reply()["reason"]

        lib.expect(lib.as_user("alice", body, groups=[gid()]), "expired")
        error = lib.as_user("alice", refused, groups=[gid()])
        lib.expect(error, "InteractiveAuthenticationRequired")
        over = [e for e in journal.wait("that it is over", 2, MESSAGE_ID=OBSERVED)
                if "no longer observed" in e["MESSAGE"]]
        lib.expect_in("1 were granted so, of which polkit would have granted 0", over[0]["MESSAGE"])
        lib.expect(over[0]["DOORWARD_OBSERVE_REFUSED"], "1")
        lib.expect_in("no longer observed", lib.ok("doorward", "info"))


def test_is_shown():
    """Each command that somebody looks with says that it is observed, and what that means for whoever
    looks."""
    with observed():
        lines = lib.ok("doorward", "list", user="alice", groups=[gid()]).splitlines()
        line = next(line for line in lines if line.startswith("echo "))
        lib.expect(line.split()[1:3], ["observed", "observed"])
        lib.expect_in(f"observed until {instant(3600)[:13]}", line)
        lib.expect_in(f"for the group {GROUP}]", line)
        lines = lib.ok("doorward", "list", user="bob", groups=[]).splitlines()
        line = next(line for line in lines if line.startswith("echo "))
        lib.expect_not_in("observed", " ".join(line.split()[1:3]))
        lib.expect_in("observed until", line)

        text = lib.ok("doorward", "explain", "echo", user="alice", groups=[gid()])
        lib.expect_in("Answer: after a password", text)
        lib.expect_in("But: you are granted it whatever the answer is", text)
        text = lib.ok("doorward", "explain", "echo", user="bob", groups=[])
        lib.expect_in("Observed: the endpoint is observed until", text)
        lib.expect_in("echo is observed until", lib.ok("doorward", "info", user="bob"))
        lib.expect_in("note: echo is observed until", lib.ok("doorward", "verify", "echo"))


def test_is_off():
    """What is in the past or too far away, or names no group that counts, is not observed."""
    cases = (
        (instant(-5), GROUP, "no longer observed"),
        (instant(91 * 86400), GROUP, "more than 90 days away"),
        (instant(3600), "doorward-nobody-has-it", "does not exist here"),
        (instant(3600), "root", "is root's"),
    )
    with lib.echo():
        for until, group, text in cases:
            with lib.definition("echo", definition(until, group)):
                lib.expect_in(text, lib.ok("doorward", "verify", "echo"))
                lib.expect_in(text, lib.ok("doorward", "info"))
                error = lib.as_user("alice", refused, groups=[gid(), 0])
                lib.expect(error, "InteractiveAuthenticationRequired", text)


def test_asks_pam_nothing():
    """A step-up and an account check of the definition are not met by who has the group."""
    more = "Authenticate=self\nPAMAccount=yes\n"
    text = definition(instant(3600)).replace("[Connect]", more + "[Connect]")
    with lib.echo(), lib.definition("echo", text):
        lib.expect(lib.as_user("alice", take, groups=[gid()])["how"], "observed")


GAUGE = """[Endpoint]
Description=What a gauge shows
Instance=?
{mode}[ReadOnly]
OpenFile={folder}/%i
Type=file
[Connect]
Groups=doorward-echo
"""
THINGS = (("echo", "full"), ("echo", "read_only"), ("gauge@a", "read_only"), ("gauge@b", "read_only"))
# Who uses what while it is observed.
USED = {
    ("alice", "echo", "full"),
    ("alice", "gauge@a", "read_only"),
    ("bob", "echo", "read_only"),
    ("bob", "gauge@b", "read_only"),
}


def attempt(endpoint, access):
    with varlink.Client() as client:
        try:
            return client.open(endpoint, access)["state"]
        except varlink.VarlinkError as error:
            return error.short


def allowed(groups):
    """Who gets what at once."""
    users = ("alice", "bob", "carol")
    return {
        (user, *thing)
        for user, thing in itertools.product(users, THINGS)
        if lib.as_user(user, attempt, *thing, groups=groups) == "granted"
    }


def suggest(*options, **more):
    return lib.run("doorward", "policy", "suggest", "--no-pager", *options, **more)


def forge(uid):
    """What the broker would write, written by somebody else."""
    fields = {
        "MESSAGE_ID": lib.GRANTED,
        "MESSAGE": "Granted",
        "PRIORITY": "5",
        "_SYSTEMD_UNIT": "doorward.service",
        "_UID": str(lib.pwd.getpwnam("doorward").pw_uid),
        "_TRANSPORT": "journal",
        "DOORWARD_ENDPOINT": "echo",
        "DOORWARD_ACCESS": "full",
        "DOORWARD_DECISION": "authorized",
        "DOORWARD_HOW": "observed",
        "DOORWARD_POLICY": "denied",
        "DOORWARD_ACTION": "org.doorward.endpoint.echo.full",
        "DOORWARD_SUBJECT_UID": str(uid),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        text = "".join(f"{name}={value}\n" for name, value in fields.items())
        sender.sendto(text.encode(), "/run/systemd/journal/socket")


@contextlib.contextmanager
def things(until=None):
    """Both endpoints, observed or not."""
    mode = f"Mode=observe\nObserveGroup={GROUP}\nObserveUntil={until}\n" if until else ""
    with contextlib.ExitStack() as stack:
        stack.enter_context(lib.echo())
        folder = stack.enter_context(lib.scratch())
        for name in "ab":
            stack.enter_context(lib.file(f"{folder}/{name}", "7\n", mode=0o640, group=GROUP))
        text = GAUGE.format(mode=mode, folder=folder)
        stack.enter_context(lib.definition("gauge@", text, apply=False))
        text = definition(until) if until else lib.ECHO
        stack.enter_context(lib.definition("echo", text))
        yield


@lib.time_limit(90)
def test_suggest():
    """What was used of endpoints while they were observed, and nothing else, is allowed by the rules
    that are suggested: not what was refused, nor what others say in the journal. Users without a name
    are told of."""
    begin = instant(-1)
    with things(instant(3600)):
        for user, *thing in sorted(USED):
            lib.expect(lib.as_user(user, attempt, *thing, groups=[gid()]), "granted")
        lib.expect(lib.as_user("carol", attempt, "echo", "full", groups=[]),
                   "InteractiveAuthenticationRequired")
        carol = lib.pwd.getpwnam("carol").pw_uid
        lib.as_user("bob", forge, carol, groups=[gid()])
        forge(carol)
        nameless = ("setpriv", "--reuid=54321", f"--regid={gid()}", "--clear-groups")
        lib.ok(*nameless, "doorward", "exec", "echo", "--", "true")
        lib.ok("journalctl", "--sync")

        text = suggest(f"--since={begin}").expect_status(0).out
        lib.expect_in('case "alice": // 1 time, last 20', text)
        lib.expect_in("polkit: 1 challenge", text)
        lib.expect_in("//   echo, full access: uid 54321, 1 time", text)
        lib.expect_not_in("carol", text)
        lib.expect(suggest(f"--since={begin}").out.split("\n\n")[1:], text.split("\n\n")[1:])
        found = suggest(f"--since={begin}", "--json=short").json()
        lib.expect({(e["user"], e["endpoint"], e["access"].replace("-", "_")) for e in found
                    if e["rule"]}, USED)

        only = suggest(f"--since={begin}", "--endpoint=gauge").out
        lib.expect(only.count("addRule"), 2)
        lib.expect_not_in('"echo"', only)

    with things(), lib.rule(text):
        lib.expect(allowed([]), USED)
    with things():
        lib.expect(allowed([]), set())


def test_suggest_of_nothing():
    """Without anything that was observed there is a file without a rule; without the right to read
    the journal there is none, and it is said why."""
    text = suggest("--until=2001-01-01").expect_status(0).out
    lib.expect_in("There is nothing that a rule would have to allow", text)
    lib.expect_not_in("addRule", text)
    result = suggest(user="alice", groups=[]).expect_status(1)
    lib.expect(result.out, "")
    lib.expect_in("The system's journal cannot be read by this user", result.err)
    lib.expect_in("adm or systemd-journal", result.err)
    suggest("--since=yesterday").expect_status(2)
    suggest("--since=2020-01-01", "--until=2019-01-01").expect_status(2)
    suggest("--install").expect_status(88)
    lib.run("doorward", "policy", "--since=1d", "docker").expect_status(2)
