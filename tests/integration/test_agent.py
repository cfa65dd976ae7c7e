# SPDX-License-Identifier: LGPL-2.1-or-later
"""doorward-agent: polkit's prompts become conversations with whoever started it, and nothing of it is
left when that is over.

Polkit's own helper answers polkit in most of this: the agent takes it where polkit brings it as a
service, for which any socket at its path stands. Otherwise it is the broker's.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time

import agent
import lib
import varlink

CLIENT = f"{lib.SOURCE}/build-check/gcc/tests/support/agent-client"
OTHER = f"{lib.SOURCE}/build-check/gcc/tests/support/other-agent"
ACTION = "org.doorward.tests"
MESSAGE = "Nobody is ever asked this"
DISMISSED = 3  # of pkcheck
PR_SET_NO_NEW_PRIVS = 38
PASSWORD = {user: f"{user}-s password" for user in ("alice", "bob", "carol")}


def asks(result, user="alice"):
    """The rule that has the user asked."""
    return f"""polkit.addRule(function(action, subject) {{
    if ((action.id == "{ACTION}" || action.id == "org.freedesktop.policykit.exec") &&
        subject.user == "{user}")
        return polkit.Result.{result};
}});
"""


@contextlib.contextmanager
def administrators(*identities):
    """These, in place of the members of sudo."""
    names = ", ".join(f'"{identity}"' for identity in identities)
    text = f"polkit.addAdminRule(function() {{ return [{names}]; }});\n"
    with lib.file(f"{lib.RULES}/01-doorward-tests-administrators.rules", text):
        lib.polkit_settle()
        yield
    lib.polkit_settle()


@contextlib.contextmanager
def polkits_helper():
    """Polkit's helper is a service here."""
    os.makedirs(os.path.dirname(agent.HELPER_SOCKET), exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(agent.HELPER_SOCKET)
        try:
            yield
        finally:
            os.unlink(agent.HELPER_SOCKET)


def running(*names):
    """The processes with one of these names that have not ended."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, rest = lib.read(f"/proc/{pid}/stat").split("(", 1)[1].rsplit(")", 1)
            if name in names and rest.split()[0] != "Z":
                found.append(int(pid))
    return found


def expect_nothing_left():
    lib.wait_for(lambda: not running("doorward-agent", "polkit-agent-he"), "agents end")


def lines(result):
    return result.expect_status(0).out.splitlines()


# Through the library.


def in_service(*words, **options):
    return lib.run(*words, user="alice", **options)


def in_login(*words, **options):
    return lib.login("alice", *words, **options)


def without_privileges(*words, **options):
    return lib.run("setpriv", "--no-new-privs", *words, user="alice", **options)


def test_right_and_wrong():
    """The right password is a yes, the wrong one no, and why: in a service, and in a login session."""
    with polkits_helper(), lib.rule(asks("AUTH_SELF")):
        for where in (in_service, in_login):
            out = lines(where(CLIENT, ACTION, input=PASSWORD["alice"] + "\n"))
            lib.expect(
                out, [f"100|Authenticating as alice: {MESSAGE}|", "5|Password: |", "pkcheck 0"]
            )
            out = lines(where(CLIENT, ACTION, input="wrong\n"))
            lib.expect(out[1], "5|Password: |")
            lib.expect(out[-1], "error auth-failed|Authentication as alice failed.|")
    expect_nothing_left()


def test_several_administrators():
    """Who it is to be is asked where there are several, and that one's password counts."""
    with polkits_helper(), lib.rule(asks("AUTH_ADMIN")):
        with administrators("unix-user:carol", "unix-user:bob", "unix-group:sudo"):
            out = lines(in_service(CLIENT, ACTION, input=f"bob\n{PASSWORD['bob']}\n"))
            lib.expect(out, [f"2|{MESSAGE}|carol, bob", "5|Password: |", "pkcheck 0"])
            out = lines(in_service(CLIENT, ACTION, input=f"carol\n{PASSWORD['bob']}\n"))
            lib.expect(out[-1], "error auth-failed|Authentication as carol failed.|")
            out = lines(in_service(CLIENT, ACTION, input=f"mallory\n{PASSWORD['bob']}\n"))
            lib.expect(out[0], f"2|{MESSAGE}|carol, bob")
            lib.expect_in("error invalid-argument", out[-1])
        # Only one: there is nothing to choose.
        out = lines(in_service(CLIENT, ACTION, input=PASSWORD["carol"] + "\n"))
        lib.expect(out[0], f"100|Authenticating as carol: {MESSAGE}|")
        lib.expect(out[-1], "pkcheck 0")
        # Who asks comes first.
        with administrators("unix-user:carol", "unix-user:alice"):
            out = lines(in_service(CLIENT, ACTION, input=f"\n{PASSWORD['alice']}\n"))
            lib.expect(out, [f"2|{MESSAGE}|alice, carol", "5|Password: |", "pkcheck 0"])
    expect_nothing_left()


def test_nobody_to_ask():
    """polkit names nobody who could authenticate: the reason is told."""
    with polkits_helper(), lib.rule(asks("AUTH_ADMIN")), administrators("unix-user:54321"):
        out = lines(in_service(CLIENT, ACTION))
        lib.expect(len(out), 1)
        lib.expect_in("error auth-unavailable|polkit names nobody", out[0])


def test_cancel():
    """The callback cancels, at the name and at the password: no question is left."""
    with polkits_helper(), lib.rule(asks("AUTH_ADMIN")):
        lib.expect_in("error auth-cancelled", lines(in_service(CLIENT, ACTION))[-1])
        expect_nothing_left()
        with administrators("unix-user:carol", "unix-user:bob"):
            lib.expect_in("error auth-cancelled", lines(in_service(CLIENT, ACTION))[-1])
            expect_nothing_left()


def test_without_new_privileges():
    """polkit's helper of this version needs its setuid bit: where that has no effect, it is said."""
    with polkits_helper(), lib.rule(asks("AUTH_SELF")):
        out = lines(without_privileges(CLIENT, ACTION, input=PASSWORD["alice"] + "\n"))
        lib.expect_in("error auth-unavailable|polkit's helper ended before it asked", out[-1])
        lib.expect_in("journalctl", out[-1])
    expect_nothing_left()


def test_again_and_again():
    """One after the other, at once: each finds polkit without the one before it."""
    with polkits_helper(), lib.rule(asks("AUTH_SELF")):
        for _ in range(5):
            out = lines(in_service(CLIENT, ACTION, input=PASSWORD["alice"] + "\n"))
            lib.expect(out[-1], "pkcheck 0")
    # Of one process, whose agent is waited for by its end.
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", register_again_and_again)


def register_again_and_again():
    for _ in range(10):
        helper = agent.Agent()
        before = time.monotonic()
        helper.expect(agent.READY)
        lib.expect_true(time.monotonic() - before < 2, "not tried twice")
        helper.socket.shutdown(socket.SHUT_WR)
        lib.expect(helper.receive(), None)
        lib.expect(helper.wait(), 0)


def test_session_with_an_agent():
    """A desktop's agent is asked, and ours is not; without a session's agent ours is."""
    script = f"""
mkfifo "$1/stdin"
{OTHER} <"$1/stdin" >"$1/other" &
exec 3>"$1/stdin"
while ! grep -q ready "$1/other"; do sleep 0.05; done
{CLIENT} {ACTION} >"$1/first" </dev/null
exec 3>&-
wait
echo "$PASSWORD" | {CLIENT} {ACTION} >"$1/second"
"""
    with polkits_helper(), lib.rule(asks("AUTH_SELF")), lib.scratch(0o777) as folder:
        lib.write(f"{folder}/script", script)
        lib.login(
            "alice", "sh", f"{folder}/script", folder, env={"PASSWORD": PASSWORD["alice"]}
        ).expect_status(0)
        lib.expect(lib.read(f"{folder}/other").split("\n")[:2], ["ready", f"asked {ACTION}"])
        lib.expect(lib.read(f"{folder}/first"), f"pkcheck {DISMISSED}\n")
        lib.expect(lib.read(f"{folder}/second").split("\n")[-2], "pkcheck 0")


def test_no_bus():
    """Without the bus, or without polkit, it is said what is missing."""
    broken = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    out = lines(in_service(CLIENT, ACTION, env=broken))
    lib.expect_in("error auth-unavailable|No authentication agent can be had", out[0])
    lib.expect_in("systemctl status dbus.service polkit.service", out[0])

    lib.ok("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        out = lines(in_service(CLIENT, ACTION))
        lib.expect_in("error auth-unavailable|No authentication agent can be had", out[0])
        lib.expect_in("systemctl status dbus.service polkit.service", out[0])
    finally:
        lib.ok("systemctl", "unmask", "--runtime", "polkit.service")
        lib.ok("systemctl", "start", "polkit.service")
    expect_nothing_left()


def test_privileged_program():
    """A program that runs with somebody else's privileges is nobody whom polkit could ask."""
    copy = "/usr/local/lib/doorward-tests-client"
    shutil.copy(CLIENT, copy)
    try:
        shutil.chown(copy, "bob", "bob")
        os.chmod(copy, 0o4755)
        out = lines(in_service(copy, ACTION))
        lib.expect_in("error auth-unavailable|", out[0])
        lib.expect_in("with the privileges of another user", out[0])
    finally:
        os.unlink(copy)
    expect_nothing_left()


def test_processes_of_its_own():
    """In a pid namespace below polkit's it is said that polkit cannot see who asks."""
    words = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", CLIENT, ACTION]
    out = lines(lib.run("unshare", "--pid", "--fork", "--mount-proc", *words))
    lib.expect_in("error auth-unavailable|", out[0])
    lib.expect_in("In a container with processes of its own", out[0])
    expect_nothing_left()


def test_not_installed():
    """The program is not there, or not for everybody: the same, at once."""
    for change in (lambda: os.rename(agent.PROGRAM, away), lambda: os.chmod(agent.PROGRAM, 0o700)):
        away = agent.PROGRAM + ".away"
        change()
        try:
            out = lines(in_service(CLIENT, ACTION))
        finally:
            if os.path.exists(away):
                os.rename(away, agent.PROGRAM)
            os.chmod(agent.PROGRAM, 0o755)
        lib.expect_in("error auth-unavailable|", out[0])
        lib.expect_in("cannot be executed", out[0])


def test_polkit_stands_still():
    """polkit does not answer: the library does not wait for ever, and the agent goes after it."""
    with lib.frozen("polkit.service"):
        before = time.monotonic()
        out = lines(in_service(CLIENT, ACTION))
        lib.expect_true(time.monotonic() - before < 15, "not for ever")
        lib.expect_in("error auth-unavailable|", out[0])
        lib.expect_in("not ready in time", out[0])
    expect_nothing_left()


def test_client_killed():
    """The client is killed in the middle of a prompt: agent, helper and question go with it."""
    with polkits_helper(), lib.rule(asks("AUTH_SELF")):
        client = lib.start(
            CLIENT,
            ACTION,
            user="alice",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        while b"Password" not in client.stdout.readline():
            pass
        lib.expect(len(running("doorward-agent")), 1)
        client.kill()
        client.wait()
        expect_nothing_left()


# By its own protocol.


def answer_prompts(conversation, password):
    """Answers what is asked, until it is over; what was asked."""
    asked = []
    while prompt := conversation.prompt():
        asked.append((prompt[0], prompt[2]))
        if prompt[0] in (agent.ECHO_ON, agent.ECHO_OFF):
            conversation.answer(prompt[1], password)
    return asked


def begin(*more):
    """An agent that polkit knows, and a question."""
    helper = agent.Agent("--session", *more)
    helper.expect(agent.READY)
    return helper, agent.Check()


def body_conversation():
    helper, check = begin()
    message = helper.expect(agent.CHOOSE)
    lib.expect((message.text, message.names), (MESSAGE, ["alice"]))
    helper.choose()
    conversation = helper.expect(agent.CONVERSATION)
    lib.expect(conversation.whose, agent.OF_OURS)
    pid, uid, _ = conversation.conversation.maker()
    lib.expect((pid, uid), (helper.process.pid, os.getuid()), "who made it")
    lib.expect(
        answer_prompts(conversation.conversation, PASSWORD["alice"]),
        [(agent.ECHO_OFF, "Password: ")],
    )
    lib.expect(check.result()[0], 0)
    lib.expect_true(helper.is_silent(), "nothing more is told")

    # The same agent again, and now no.
    check = agent.Check()
    helper.expect(agent.CHOOSE)
    helper.choose()
    answer_prompts(helper.expect(agent.CONVERSATION).conversation, "wrong")
    end = helper.expect(agent.END)
    lib.expect((end.code, end.text), (agent.AUTH_FAILED, "Authentication as alice failed."))
    lib.expect(check.result()[0], 1)
    helper.hang_up()
    lib.expect(helper.wait(), 0)


def test_conversation():
    """An agent serves one question after the other, and ends with its library."""
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", body_conversation)
    expect_nothing_left()


def body_odd_answers():
    for text, number in (("a\nb", 0), ("right", 1), ("right", 77)):
        helper, check = begin()
        helper.expect(agent.CHOOSE)
        helper.choose()
        conversation = helper.expect(agent.CONVERSATION).conversation
        prompt = conversation.prompt()
        conversation.answer(prompt[1] + number, text)
        lib.expect(conversation.prompt(), None, "it ends")
        lib.expect(helper.expect(agent.END).code, agent.AUTH_CANCELLED)
        lib.expect(check.result()[0], DISMISSED)
        helper.hang_up()
        lib.expect(helper.wait(), 0)


def test_odd_answers():
    """An answer of two lines, or to another prompt, goes nowhere."""
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", body_odd_answers)
    expect_nothing_left()


def body_cancel():
    """At each point where there is something to cancel, in each way."""
    for point in ("choose", "conversation"):
        for way in ("cancel", "hang up", "index", "garbage", "conversation"):
            if (point, way) in (("choose", "conversation"), ("conversation", "index")):
                continue
            helper, check = begin()
            helper.expect(agent.CHOOSE)
            if point == "conversation":
                helper.choose()
                conversation = helper.expect(agent.CONVERSATION).conversation
                prompt = conversation.prompt()
            if way == "cancel":
                helper.cancel()
            elif way == "index":
                helper.choose(1)
            elif way == "garbage":
                helper.send_bytes(b"garbage")
            elif way == "conversation":
                conversation.cancel(prompt[1])
            else:
                helper.hang_up()
            lib.expect(check.result(5)[0], DISMISSED, f"{way} at {point}")
            if point == "conversation":
                lib.expect(conversation.prompt(), None)
            if way == "conversation":
                lib.expect(helper.expect(agent.END).code, agent.AUTH_CANCELLED)
            if way != "hang up":
                helper.hang_up()
            lib.expect(helper.wait(), 0)


def test_cancel_everywhere():
    """polkit is told that it was dismissed, at once, and the agent goes on or ends."""
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", body_cancel, timeout=60)
    expect_nothing_left()


def body_withdrawn():
    helper, check = begin()
    helper.expect(agent.CHOOSE)
    check.give_up()
    lib.expect(helper.expect(agent.END).code, 0, "the person is not to be kept")
    helper.choose()  # too late
    lib.expect_true(helper.is_silent(), "that question is gone")

    check = agent.Check()
    helper.expect(agent.CHOOSE)
    helper.choose()
    conversation = helper.expect(agent.CONVERSATION).conversation
    conversation.prompt()
    check.give_up()
    lib.expect(conversation.prompt(), None, "the conversation ends")
    lib.expect(helper.expect(agent.END).code, 0)

    check = agent.Check()
    helper.expect(agent.CHOOSE)
    helper.choose()
    answer_prompts(helper.expect(agent.CONVERSATION).conversation, PASSWORD["alice"])
    lib.expect(check.result()[0], 0)
    helper.hang_up()
    lib.expect(helper.wait(), 0)


def test_withdrawn_by_polkit():
    """Whoever asked polkit is gone: the conversation ends, and the next question is a new one."""
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", body_withdrawn)
    expect_nothing_left()


def body_others():
    helper = agent.Agent("--session")
    helper.expect(agent.READY)
    lib.expect(agent.Check("org.freedesktop.policykit.exec").result()[0], DISMISSED)
    lib.expect_true(helper.is_silent(0), "it was not asked")

    first = agent.Check()
    helper.expect(agent.CHOOSE)
    lib.expect(agent.Check().result()[0], DISMISSED)
    lib.expect_true(helper.is_silent(0), "the second was not asked")
    helper.cancel()
    lib.expect(first.result()[0], DISMISSED)
    helper.hang_up()


def test_other_questions():
    """Of other services' actions the person is not asked, nor of two at once."""
    with lib.rule(asks("AUTH_SELF")):
        lib.as_user("alice", body_others)
    expect_nothing_left()


def body_registered_twice():
    first = agent.Agent()
    first.expect(agent.READY)
    second = agent.Agent()
    lib.expect_true(second.is_silent(1), "it waits")
    first.hang_up()
    second.expect(agent.READY)

    third = agent.Agent()
    message = third.expect(agent.UNAVAILABLE)
    lib.expect_in("already exists", message.text)
    lib.expect_in("another thread", message.hint)
    lib.expect(third.wait(), 1)
    second.hang_up()
    lib.expect(second.wait(), 0)


def test_registered_twice():
    """Two threads of a process: the second agent waits a while for the first to end."""
    lib.as_user("alice", body_registered_twice)
    expect_nothing_left()


def body_strangers():
    """Started in ways in which it is not to speak for anybody."""
    parent = os.getppid()
    for more in ({"process": parent}, {"process": 1}, {"started": 2**64}, {"process": -1}):
        helper = agent.Agent(**more)
        lib.expect(helper.receive(), None)
        lib.expect(helper.wait(), 1)
    for words in ([], ["--fd=0"], ["--what"], ["--fd=0", "--process=1"]):
        process = subprocess.run(
            [agent.PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        lib.expect(process.returncode, 1)
    # Not a socket of the kind, or not one of a pair that this process made.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    words = [f"--process={os.getpid()}", f"--start-time={agent.start_time(os.getpid())}"]
    process = subprocess.run(
        [agent.PROGRAM, f"--fd={theirs.fileno()}", *words, f"--socket={lib.BROKER_SOCKET}"],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    lib.expect(process.returncode, 1)
    ours.close()
    theirs.close()


def test_strangers():
    """It speaks for the process that made its socket, and for no other."""
    lib.as_user("alice", body_strangers)
    expect_nothing_left()


def body_out_of_reach():
    """Of another process of the same user, or of another user at the bus."""
    helper = agent.Agent()
    helper.expect(agent.READY)
    pid = helper.process.pid
    for name in ("environ", "mem", "fd", "maps"):
        try:
            with contextlib.closing(os.fdopen(os.open(f"/proc/{pid}/{name}", os.O_RDONLY), "rb")):
                raise lib.Failure(f"/proc/PID/{name} can be opened")
        except PermissionError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    lib.expect(libc.ptrace(16, pid, 0, 0), -1, "PTRACE_ATTACH")
    names = [
        line.split()[0]
        for line in subprocess.run(
            ["busctl", "list", "--no-legend"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if line.split()[1] == str(pid)
    ]
    lib.expect(len(names), 1, "connections of the agent to the bus")
    answer = subprocess.run(
        [
            "busctl", "call", names[0], "/org/freedesktop/PolicyKit1/AuthenticationAgent",
            "org.freedesktop.PolicyKit1.AuthenticationAgent", "BeginAuthentication",
            "sssa{ss}sa(sa{sv})", ACTION, "Give it to me", "", "0", "cookie",
            "1", "unix-user", "1", "uid", "u", str(os.getuid()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    lib.expect_true(answer.returncode != 0, "anybody can ask")
    lib.expect_in("ccess denied", answer.stderr)
    lib.expect_true(helper.is_silent(), "nobody was asked")
    helper.hang_up()


def test_out_of_reach():
    """The same user's other processes cannot look into it, and nobody but polkit can ask it."""
    lib.as_user("alice", body_out_of_reach)


def body_secret(child):
    helper, check = begin()
    helper.expect(agent.CHOOSE)
    helper.choose()
    answer_prompts(helper.expect(agent.CONVERSATION).conversation, PASSWORD["alice"])
    status = check.result()[0]
    child.tell((helper.process.pid, status))
    child.hear()
    helper.hang_up()
    helper.wait()


def memory(pid):
    """What a process has in its memory."""
    found = []
    with open(f"/proc/{pid}/mem", "rb") as mem:
        for line in lib.read(f"/proc/{pid}/maps").splitlines():
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1].startswith("rw"):
                mem.seek(start)
                found.append(mem.read(end - start))
    return b"\0".join(found)


def test_secret_is_erased():
    """What went through the agent's memory is not there any more."""
    with lib.rule(asks("AUTH_SELF")), lib.Child("alice", body_secret) as child:
        pid, status = child.hear()
        lib.expect(status, 0)
        data = memory(pid)
        lib.expect_in(b"doorward-agent", data, "its memory")
        lib.expect_not_in(PASSWORD["alice"].encode(), data, "its memory")
        child.tell()
        child.result()


# By the broker's helper, for an open that polkit wants a password for.


class Open:
    """An open by this process that may ask, in a thread of its own, and what came of it."""

    def __init__(self, endpoint="echo"):
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(endpoint,), daemon=True)
        self._thread.start()

    def _run(self, endpoint):
        with varlink.Client(timeout=60) as client:
            try:
                reply = client.open(endpoint, "full", allowInteractiveAuthentication=True)
                self.outcome = reply["state"]
            except varlink.VarlinkError as error:
                self.outcome = error.short

    def result(self, timeout=20):
        self._thread.join(timeout)
        return self.outcome


def begin_open():
    """An agent that is asked for the sake of an open."""
    helper = agent.Agent()
    helper.expect(agent.READY)
    return helper, Open()


def body_open(names, password):
    """Answers with the password: what was asked, what the agent says in the end, and the outcome."""
    helper, opened = begin_open()
    message = helper.expect(agent.CHOOSE)
    lib.expect(message.names, names)
    lib.expect_in("sends back", message.text)
    helper.choose()
    conversation = helper.expect(agent.CONVERSATION)
    lib.expect(conversation.whose, agent.OF_ROOT)
    lib.expect(conversation.conversation.maker()[1], 0, "who made it")
    asked = answer_prompts(conversation.conversation, password)
    outcome = opened.result()
    end = None if helper.is_silent(0) else helper.expect(agent.END)
    helper.hang_up()
    lib.expect(helper.wait(), 0)
    return asked, end and (end.code, end.text), outcome


def echo_asks(result):
    return lib.allow("echo", "full", result=result)


@lib.both_kernel_paths
def test_open():
    """One's own password, or an administrator's, opens; a wrong one does not, and it is told why."""
    with lib.echo(echo_asks("AUTH_SELF")):
        asked, end, outcome = lib.as_user("alice", body_open, ["alice"], PASSWORD["alice"])
        lib.expect((asked, end, outcome), ([(agent.ECHO_OFF, "Password: ")], None, "granted"))
        asked, end, outcome = lib.as_user("alice", body_open, ["alice"], "wrong")
        lib.expect(asked[0], (agent.ECHO_OFF, "Password: "))
        lib.expect(end, (agent.AUTH_FAILED, "Authentication as alice failed."))
        lib.expect(outcome, "AuthenticationFailed")
    with lib.echo(echo_asks("AUTH_ADMIN")):
        _, end, outcome = lib.as_user("alice", body_open, ["carol"], PASSWORD["carol"])
        lib.expect((end, outcome), (None, "granted"))
    expect_nothing_left()


def body_open_without_privileges():
    lib.expect(ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0)
    return body_open(["alice"], PASSWORD["alice"])


def test_open_without_new_privileges():
    """No setuid bit is needed: neither polkit's helper's, nor a process that could use it."""
    helper = "/usr/lib/polkit-1/polkit-agent-helper-1"
    os.chmod(helper, 0o755)
    try:
        with lib.echo(echo_asks("AUTH_SELF")):
            _, end, outcome = lib.as_user("alice", body_open_without_privileges)
            lib.expect((end, outcome), (None, "granted"))
    finally:
        os.chmod(helper, 0o4755)


def body_open_cancelled():
    for way in ("name", "conversation", "cancel", "hang up"):
        helper, opened = begin_open()
        helper.expect(agent.CHOOSE)
        if way == "name":
            helper.cancel()
        else:
            helper.choose()
            conversation = helper.expect(agent.CONVERSATION).conversation
            prompt = conversation.prompt()
        if way == "conversation":
            conversation.cancel(prompt[1])
        elif way == "cancel":
            helper.cancel()
        elif way == "hang up":
            helper.hang_up()
        lib.expect(opened.result(5), "AuthenticationCancelled", way)
        if way == "conversation":
            lib.expect(helper.expect(agent.END).code, agent.AUTH_CANCELLED)
        if way != "name":
            lib.expect(conversation.prompt(), None, way)
        if way != "hang up":
            helper.hang_up()
        lib.expect(helper.wait(), 0)


def test_open_cancelled():
    """Given up at each point, in each way: the open fails at once, and nothing is left."""
    with lib.echo(echo_asks("AUTH_SELF")):
        lib.as_user("alice", body_open_cancelled, timeout=60)
    expect_nothing_left()
    lib.wait_for(lambda: not running("doorward-pam"), "PAM helpers end")


def body_respond():
    helper = agent.Agent()
    helper.expect(agent.READY)
    check = agent.Check()
    helper.expect(agent.CHOOSE)
    helper.choose()
    end = helper.expect(agent.END)
    status = check.result()[0]
    helper.hang_up()
    return end.text, status


@lib.both_kernel_paths
def test_question_of_no_open():
    """The broker's helper answers polkit for the sake of an open only."""
    with lib.rule(asks("AUTH_SELF")):
        text, status = lib.as_user("alice", body_respond)
        lib.expect(text, "Authentication as alice is not allowed, or not now.")
        lib.expect(status, 1)
    expect_nothing_left()


def body_killed():
    helper, check = begin()
    helper.expect(agent.CHOOSE)
    helper.process.kill()
    lib.expect(helper.receive(), None)
    status = check.result()[0]
    helper.wait()
    return status


def test_killed():
    """An agent that is killed leaves no question either."""
    with lib.rule(asks("AUTH_SELF")):
        lib.expect(lib.as_user("alice", body_killed), 1)
