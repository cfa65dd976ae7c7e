# SPDX-License-Identifier: LGPL-2.1-or-later
"""The doorward command: what administrators use of it, and who keeps what after it has gone."""

import array
import json
import os
import socket
import stat

import lib

ACTIONS = "/usr/share/polkit-1/actions"
OTHER = lib.ECHO.replace("Description=A", "Description=Another")


def doorward(*argv, **options):
    return lib.run("doorward", *argv, **options)


def test_policy_install_and_remove():
    """policy --install writes what policy prints, and a mark; --remove takes that away, also when the
    definition is gone; neither touches a file of somebody else."""
    path = f"{ACTIONS}/org.doorward.endpoint.other.policy"
    with lib.definition("other", OTHER, apply=False):
        text = lib.ok("doorward", "policy", "other")
        os.umask(0o077)
        doorward("policy", "--install", "other").expect_status(0)
        written = lib.read(path)
        lib.expect(written[: len(text)], text)
        lib.expect_in("Written by", written[len(text) :])
        lib.expect(stat.S_IMODE(os.stat(path).st_mode), 0o644)
        lib.expect([name for name in os.listdir(ACTIONS) if name.endswith("~")], [])
        lib.wait_for(
            lambda: lib.run(
                "pkaction", "--action-id", "org.doorward.endpoint.other.full"
            ).status == 0,
            "polkit knows the action",
        )
        before = os.stat(path)
        result = doorward("policy", "--install", "other").expect_status(0)
        lib.expect_in("as it should be", result.err)
        lib.expect(os.stat(path).st_ino, before.st_ino, "it is not written again")
        os.chmod(path, 0o600)
        doorward("policy", "--install", "other").expect_status(0)
        lib.expect(stat.S_IMODE(os.stat(path).st_mode), 0o644)
    doorward("policy", "--remove", "other", user="alice").expect_status(1)
    doorward("policy", "--remove", "other").expect_status(0)
    lib.expect_true(not os.path.exists(path), "the file is gone")
    doorward("policy", "--remove", "other").expect_status(0)


def test_policy_now():
    """What --now cannot do it says, with what is left to type; the file is there all the same. It is
    for root."""
    path = f"{ACTIONS}/org.doorward.endpoint.other.policy"
    by_hand = "systemctl daemon-reload && systemctl reload doorward"
    with lib.definition("other", OTHER, apply=False):
        for argv in (["--now", "other"], ["--now", "suggest"]):
            doorward("policy", *argv).expect_status(2)
        result = doorward("policy", "--install", "--now", "other", user="alice").expect_status(1)
        lib.expect_in("Only root can write", result.err)
        lib.expect_true(not os.path.exists(path), "nothing is written")
        # Without the bus there is no way to systemd.
        for said in ("Wrote ", "as it should be"):
            result = lib.run(
                "unshare", "--mount", "sh", "-c",
                "mount -t tmpfs none /run/dbus && exec doorward policy --install --now other",
            ).expect_status(1)
            lib.expect_in(said, result.err)
            lib.expect_in("systemd has not taken up the definition: No such file", result.err)
            lib.expect_in(by_hand, result.err)
            lib.expect_true(os.path.exists(path), "the file is there")
        result = doorward("policy", "--install", "--now", "other", user="alice").expect_status(1)
        lib.expect_in("Only root can have systemd take up", result.err)
        doorward("policy", "--remove", "other").expect_status(0)
    lib.write(f"{lib.DEFINITIONS}/other.conf", "[Endpoint]\n")
    try:
        result = doorward("policy", "--install", "--now", "other").expect_status(80)
        lib.expect_not_in("taken up", result.err)
        lib.expect_true(not os.path.exists(path), "nothing is written for what is wrong")
    finally:
        os.unlink(f"{lib.DEFINITIONS}/other.conf")


def test_policy_of_an_endpoint_called_suggest():
    """The name of an endpoint can be the word for rules: behind "--", and where it is to be installed, it
    is the endpoint. Where there is none it is said that nobody installs rules."""
    path = f"{ACTIONS}/org.doorward.endpoint.suggest.policy"
    with lib.definition("suggest", OTHER, apply=False):
        text = doorward("policy", "--", "suggest").expect_status(0).out
        lib.expect_in('action id="org.doorward.endpoint.suggest.full"', text)
        lib.expect_in("doorward policy suggest", doorward("policy", "suggest").expect_status(0).out)
        doorward("policy", "suggest", "--").expect_status(0)
        doorward("policy", "--since=1d", "--", "suggest").expect_status(2)
        # As the hints of others have it.
        doorward("policy", "--install", "suggest").expect_status(0)
        lib.expect(lib.read(path)[: len(text)], text)
    doorward("policy", "--remove", "suggest").expect_status(0)
    lib.expect_true(not os.path.exists(path), "the file is gone")
    doorward("policy", "--", "suggest").expect_status(88)
    result = doorward("policy", "--install", "suggest").expect_status(88)
    lib.expect_in("read before they are installed", result.err)
    doorward("policy", "--install", "--since=1d", "suggest").expect_status(2)


def test_policy_of_others():
    """A package's file, or anybody's, is neither replaced nor removed."""
    path = f"{ACTIONS}/org.doorward.endpoint.docker.policy"
    before = lib.read(path)
    doorward("policy", "--remove", "docker").expect_status(1)
    doorward("policy", "--install", "docker").expect_status(0)
    lib.expect(lib.read(path), before)
    path = f"{ACTIONS}/org.doorward.endpoint.other.policy"
    with lib.definition("other", OTHER, apply=False), lib.file(path, "<policyconfig/>\n"):
        result = doorward("policy", "--install", "other").expect_status(1)
        lib.expect_in("not written by this command", result.err)
        lib.expect(lib.read(path), "<policyconfig/>\n")
    with lib.definition("other", OTHER, apply=False), lib.scratch() as folder:
        os.symlink(f"{folder}/elsewhere", path)
        try:
            lib.expect_true(doorward("policy", "--install", "other").status, "a link is followed")
            lib.expect_true(not os.path.exists(f"{folder}/elsewhere"), "nothing is written there")
        finally:
            os.unlink(path)


def test_verify_a_file():
    """verify tries a definition out before it is put in place, and says what is wrong where."""
    with lib.scratch() as folder:
        path = f"{folder}/draft.conf"
        lib.write(path, OTHER)
        out = doorward("verify", path, user="alice").expect_status(0).out
        lib.expect_in("draft: ok", out)
        lib.write(path, OTHER.replace("Groups=doorward-echo", "Groups=no-such-group"))
        out = doorward("verify", path).expect_status(0).out
        lib.expect_in("no-such-group", out)
        lib.write(path, OTHER.replace("Description", "Descripton"))
        result = doorward("verify", "--json=short", path)
        (found,) = result.json()
        lib.expect_in(f"{path}:2", found["warnings"][0])
        lib.write(path, OTHER.replace("[Full]", "[Full]\nMaxSec=1h\nLease=tracked"))
        result = doorward("verify", path).expect_status(80)
        lib.expect_in("error", result.out)
        lib.write(path, OTHER.replace("Groups=", "X-Nothing=\0\nGroups="))
        lib.expect_in("NUL character", doorward("verify", path).expect_status(80).err)
        os.mkdir(f"{folder}/draft.conf.d")
        os.rename(path, f"{folder}/draft.conf.d/part.conf")
        result = doorward("verify", f"{folder}/draft.conf.d/part.conf").expect_status(2)
        lib.expect_in("A drop-in cannot be tried by itself", result.err)
        os.rename(f"{folder}/draft.conf.d/part.conf", f"{folder}/draft_1.conf")
        result = doorward("verify", f"{folder}/draft_1.conf").expect_status(2)
        lib.expect_in("NAME is of a-z, 0-9 and '-'", result.err)
        os.rename(f"{folder}/draft_1.conf", f"{folder}/draft")
        doorward("verify", f"{folder}/draft").expect_status(2)
        doorward("verify", f"{folder}/none.conf").expect_status(1)
        doorward("verify", "none").expect_status(88)


def test_verify_what_is_none():
    """A file that is called as no definition is, and a group that exempts nobody: verify says so."""
    path = f"{lib.DEFINITIONS}/my_log.conf"
    with lib.file(path, OTHER):
        out = doorward("verify").expect_status(0).out
        lib.expect_in(f"endpoints.d: warning: {path} is ignored", out)
        (found,) = [
            entry for entry in doorward("verify", "-j").json() if entry["name"] == "endpoints.d"
        ]
        lib.expect([path in text for text in found["warnings"]], [True])
        result = doorward("verify", "my_log").expect_status(2)
        lib.expect_in("those are of a-z, 0-9 and '-'", result.err)
    lib.expect_not_in("endpoints.d:", doorward("verify").expect_status(0).out)
    exempt = OTHER.replace("[Full]", "[Full]\nAuthenticate=self\nAuthenticateExempt=no-such-group")
    with lib.definition("other", exempt, apply=False):
        out = doorward("verify", "other").expect_status(0).out
        lib.expect_in("note: AuthenticateExempt=: the group no-such-group does not exist", out)
        lib.write(f"{lib.DEFINITIONS}/other.conf", OTHER.replace("[Connect]", "[Connect]\nConnectAs=bob"))
        out = doorward("verify", "other").expect_status(0).out
        lib.expect_in("note: ConnectAs=: bob is no system user", out)


def test_cat_config():
    """cat-config shows each file and drop-in under its path; a masked definition is none."""
    drop_in = f"{lib.DEFINITIONS}/other.conf.d/50-x.conf"
    with lib.definition("other", OTHER, apply=False) as path:
        with lib.file(drop_in, "[Endpoint]\nDescription=Merged\n"):
            out = doorward("cat-config", "other", user="alice").expect_status(0).out
            lib.expect_true(out.index(f"# {path}\n") < out.index(f"# {drop_in}\n"), out)
            lib.expect_in("Description=Merged", out)
        everything = doorward("cat-config").expect_status(0).out
        lib.expect_in("Another", everything)
        lib.expect_in("/usr/lib/doorward/endpoints.d/docker.conf", everything)
    os.rmdir(os.path.dirname(drop_in))
    lib.expect_in("IdleExitSec", doorward("cat-config", "doorward.conf").expect_status(0).out)
    with lib.file(f"{lib.DEFINITIONS}/docker.conf", ""):
        doorward("cat-config", "docker").expect_status(88)


def test_no_answer_of_policy():
    """Where polkit is away, list and explain do not say that it said no."""
    lib.systemctl("stop", "polkit.service")
    lib.systemctl("mask", "--runtime", "polkit.service")
    try:
        out = doorward("list", user="alice").expect_status(0).out
        rows = {line.split()[0]: line.split() for line in out.splitlines()[1:]}
        lib.expect(rows["docker"][1:3], ["?", "?"])
        text = doorward("explain", "docker", user="alice").expect_status(0).out
        lib.expect_in("polkit", text)
        lib.expect_not_in("addRule", text)
    finally:
        lib.systemctl("unmask", "--runtime", "polkit.service")
        lib.systemctl("start", "polkit.service")


def test_generic_rule():
    """The rule that explain shows for an endpoint without actions of its own opens that one alone,
    and the one for a template's instance no other."""
    with lib.definition("other", OTHER), lib.definition("third", OTHER):
        rule = doorward("explain", "other", "-j", user="alice").json()["rule"]
        lib.expect_true(rule["path"].startswith(f"{lib.RULES}/"), rule["path"])
        with lib.echo(rule["text"]):
            doorward("exec", "other", "--", "true", user="alice").expect_status(0)
            doorward("exec", "third", "--", "true", user="alice").expect_status(91)
            text = doorward("explain", "other", user="alice").out
            lib.expect_in("polkit.Result.NO", text)
    rule = doorward("explain", "serial@ttyS7:ro", "-j", user="alice").json()["rule"]["text"]
    with lib.rule(rule):
        for name, decision in (("ttyS7", "authorized"), ("ttyS6", "challenge")):
            answer = doorward("explain", f"serial@{name}:ro", "-j", user="alice").json()
            lib.expect(answer["decision"], decision, name)


def test_news_of_the_lease():
    """exec says that a lease has ended before the command did, unless it is to be quiet, and waits for
    the command all the same."""
    for options, wanted in (([], "The lease on echo"), (["--quiet"], "")):
        with lib.echo(lib.allow("echo", "full")) as full:
            process = lib.start(
                "doorward", "exec", *options, "echo", "--", "sh", "-c", "sleep 2; exit 9",
                user="alice", stderr=lib.subprocess.PIPE,
            )
            lib.wait_for(lambda: full.connections, "the connection")
            lib.systemctl("kill", "--signal=KILL", "doorward.service")
            _, err = process.communicate(timeout=10)
            lib.expect(process.returncode, 9)
            lib.expect_in(wanted, err.decode())
            lib.expect(bool(err), bool(wanted), err.decode())


def pass_to(sock, *argv):
    """Starts fdpass as alice with sock as its standard output, and what it ended with."""
    process = lib.start(
        "doorward", "fdpass", *argv, user="alice", stdin=lib.subprocess.DEVNULL, stdout=sock,
        stderr=lib.subprocess.PIPE,
    )
    _, err = process.communicate(timeout=20)
    return process.returncode, err.decode()


def receive(sock):
    data, control, _, _ = sock.recvmsg(16, socket.CMSG_LEN(64))
    descriptors = array.array("i")
    for level, kind, value in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(value[: len(value) // 4 * 4])
    return data, list(descriptors)


def keepers():
    """Those that live: one that has ended is the runner's to bury, later."""
    return lib.run("pgrep", "-x", "--runstates", "SR", "doorward-keeper").out.split()


def use_fdpass(_):
    """What a program does that calls fdpass as its helper, in a process of its own."""
    ours, theirs = socket.socketpair()
    process = lib.subprocess.Popen(
        ["doorward", "fdpass", "echo"], stdin=lib.subprocess.DEVNULL, stdout=theirs
    )
    theirs.close()
    lib.expect(process.wait(20), 0)
    data, descriptors = receive(ours)
    lib.expect((len(data), len(descriptors)), (1, 1))
    # The keeper lets go of our socket, so this is its end.
    lib.expect(ours.recv(1), b"")
    service = socket.socket(fileno=descriptors[0])
    lib.expect(service.recv(100)[:4], b"uid=")
    service.send(b"hello")
    lib.expect(service.recv(100), b"hello")
    lib.expect(len(keepers()), 1)
    return keepers()[0]


@lib.both_kernel_paths
def test_keeper():
    """After fdpass a keeper has the lease, with nothing of anybody's open; it ends when the program
    does that made the socket, and the lease with it."""
    with lib.echo(lib.allow("echo", "full")) as full:
        journal = lib.Journal()

        def body(child):
            child.tell(use_fdpass(child))
            child.hear()

        with lib.Child("alice", body) as program:
            keeper = program.hear()
            open_files = [
                os.readlink(f"/proc/{keeper}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper}/fd")
            ]
            lib.expect(len(open_files), 5, f"{open_files}")
            lib.expect(open_files.count("/dev/null"), 3, f"{open_files}")
            lib.expect(os.readlink(f"/proc/{keeper}/cwd"), "/")
            (grant,) = journal.wait("grant", MESSAGE_ID=lib.GRANTED)
            lib.expect(grant["DOORWARD_SUBJECT_PID"], keeper)
            lib.expect(journal.entries(MESSAGE_ID=lib.ENDED), [])
            program.kill()
            program.reap()
            journal.wait("end", MESSAGE_ID=lib.ENDED)
            lib.wait_for(lambda: not keepers(), "the keeper is gone")
        lib.wait_for(
            lambda: lib.select.select(full.connections, [], [], 0)[0], "the backend is hung up on"
        )


def test_fdpass_refused():
    """A refusal reaches the caller by fdpass's own standard error and status, and leaves nobody."""
    with lib.echo(lib.allow("echo", "full", result="NO")):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            status, err = pass_to(theirs, "echo")
        lib.expect(status, 90, err)
        lib.expect_in("Request:", err)
        lib.expect(keepers(), [])
    for argv, status in ((["echo"], 85), (["echo", "--fd=0"], 85), (["echo", "--fd=9"], 85)):
        result = doorward("fdpass", *argv, user="alice")
        lib.expect(result.status, status, f"{result!r}")
    result = doorward("fdpass", "--use-vnet", "--fd=3", "--br=br0", "echo", user="alice")
    lib.expect(result.status, 85, f"{result!r}")


def test_json_is_what_the_wire_says():
    """list and info print JSON that a program can use without knowing how the table looks."""
    endpoints = {e["name"]: e for e in json.loads(lib.ok("doorward", "list", "--json=short"))}
    lib.expect(endpoints["kvm"]["readOnly"]["provided"], False)
    lib.expect(endpoints["serial@"]["readOnly"]["deviceControls"], True)
    lib.expect_in("ttyUSB*", endpoints["serial@"]["instances"])
    info = json.loads(lib.ok("doorward", "info", "-j"))
    lib.expect_in("RequestRate", info["limits"])
    lib.expect(len(lib.ok("doorward", "info", "--json=short").splitlines()), 1)
