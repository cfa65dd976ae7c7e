# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opens that do not block: in the three loops of the examples, and given up wherever they are."""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time

import lib
import test_authentication
import test_library

CLIENT = f"{lib.SOURCE}/build-check/gcc/client"
BROKER = "/run/doorward/org.doorward.Broker"
LOOPS = ("loop-poll", "loop-sd-event", "loop-glib")
PASSWORD = test_authentication.PASSWORD
ASK = ("echo", "full", "alice", "AUTH_SELF")
UNIT = "doorward.service"


def readable(fd, seconds):
    """Also a descriptor with a number that select(2) does not know."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0, seconds) * 1000))


class Loop:
    """A program of which lines are read, and to which lines are written."""

    def __init__(self, program, *argv, user="alice"):
        self.process = lib.start(
            program if program.startswith("/") else f"{CLIENT}/{program}",
            *argv,
            user=user,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._text = b""
        self.seen = []

    def line(self, timeout=20):
        """The next one; None at the end."""
        deadline = time.monotonic() + timeout
        fd = self.process.stdout.fileno()
        while b"\n" not in self._text:
            left = deadline - time.monotonic()
            if left <= 0 or not readable(fd, left):
                raise lib.Failure(f"no line, after {self.seen}")
            data = os.read(fd, 65536)
            if not data:
                return None
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        self.seen.append(line.decode())
        return self.seen[-1]

    def expect(self, pattern, timeout=20):
        """Lines up to one that is like this; texts that PAM shows may come before it."""
        while (line := self.line(timeout)) is not None:
            if re.fullmatch(pattern, line):
                return line
            if not line.startswith("text: "):
                break
        raise lib.Failure(f"no {pattern!r}, but {self.seen}; {self.errors()}")

    def expect_silence(self, seconds):
        spoke = readable(self.process.stdout.fileno(), seconds)
        lib.expect(spoke, False, f"it spoke, after {self.seen}")

    def say(self, text):
        os.write(self.process.stdin.fileno(), text.encode() + b"\n")

    def close(self):
        self.process.stdin.close()

    def errors(self):
        if self.process.poll() is None:
            return "it still runs"
        return self.process.stderr.read().decode(errors="replace")

    def expect_end(self, status=0, timeout=20):
        try:
            lib.expect(self.process.wait(timeout), status, f"status, after {self.seen}")
        except subprocess.TimeoutExpired:
            raise lib.Failure(f"it does not end, after {self.seen}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for file in self.process.stdin, self.process.stdout, self.process.stderr:
            with contextlib.suppress(OSError):
                file.close()


def agents():
    return lib.run("pgrep", "-r", "R,S,D,T", "-x", "doorward-agent").out.split()


def conversations():
    """Helpers that talk with somebody."""
    return lib.run("pgrep", "-r", "R,S,D,T", "-x", "doorward-pam").out.split()


def leases():
    return lib.run("doorward", "leases", "--all", "--json=short").json()


def expect_nothing_left():
    lib.wait_for(lambda: not agents(), "agents end")
    lib.wait_for(lambda: not conversations(), "conversations end", timeout=10)
    lib.wait_for(lambda: not leases(), "leases end")


def revoke_the_only_one():
    (lease,) = leases()
    lib.ok("doorward", "revoke", lease["id"])


def expect_revoked(loop):
    loop.expect("opened: doorward:///echo\\?access=full")
    loop.expect_silence(0.2)
    revoke_the_only_one()
    loop.expect("ended: revoked")
    loop.expect_end(0)


# The three loops.


@lib.both_kernel_paths
def test_loops_with_polkits_prompt():
    """Each loop opens through the agent that the library starts: it asks, is answered later, and is
    told of a revoke."""
    for program in LOOPS:
        with test_authentication.echo(lib.allow(*ASK)), Loop(program, "doorward:///echo") as loop:
            loop.expect("prompt: .*assword: ")
            loop.expect_silence(0.2)
            loop.say(PASSWORD)
            expect_revoked(loop)
            expect_nothing_left()


@lib.both_kernel_paths
def test_loops_with_a_step_up():
    """The same for the password that the definition wants."""
    text = test_authentication.STEP_UP.format(more="")
    for program in LOOPS:
        with test_authentication.echo(lib.allow("echo", "full")), lib.definition("echo", text):
            with Loop(program, "echo") as loop:
                loop.expect("prompt: .*assword: ")
                loop.say(PASSWORD)
                expect_revoked(loop)
                expect_nothing_left()


def test_loops_without_a_prompt():
    """What policy gives at once is opened, and what it refuses is not."""
    for program in LOOPS:
        with lib.echo(lib.allow("echo", "full")), Loop(program, "echo") as loop:
            expect_revoked(loop)
        with lib.echo(lib.allow("echo", "full", result="NO")), Loop(program, "echo") as loop:
            loop.expect_end(1)
            lib.expect_in("does not allow", loop.errors())


def test_wrong_password():
    """There is one attempt, and the error of an open that blocks."""
    with test_authentication.echo(lib.allow(*ASK)), Loop("loop-poll", "echo") as loop:
        loop.expect("prompt: .*assword: ")
        loop.say("wrong")
        loop.expect_end(1, timeout=30)
        lib.expect_in("uthentication", loop.errors())
    expect_nothing_left()


def test_cancelled_by_the_person():
    """Who is asked may say no, in each loop."""
    for program in LOOPS:
        with test_authentication.echo(lib.allow(*ASK)), Loop(program, "echo") as loop:
            loop.expect("prompt: .*assword: ")
            loop.close()
            loop.expect_end(1)
            lib.expect_in("cancelled", loop.errors())
        expect_nothing_left()
    with test_authentication.echo(lib.allow(*ASK)):
        test_authentication.expect_another_prompt()


def test_withdrawn():
    """A question that is answered nowhere in time is withdrawn, and the program is told."""
    with lib.settings(InteractiveTimeoutSec="10s"):
        with test_authentication.echo(lib.allow(*ASK)), Loop("loop-poll", "echo") as loop:
            loop.expect("prompt: .*assword: ")
            loop.expect_end(1, timeout=30)
            lib.expect(bool(loop.errors()), True)
    expect_nothing_left()


# A broker that stands still.


def test_broker_stands_still():
    """A broker that stops in the middle of it stops nobody: the loop goes on, and so does the open
    when the broker does."""
    for program in LOOPS:
        with lib.echo(lib.allow("echo", "full")):
            lib.ok("doorward", "list", "--no-check")
            with lib.frozen(UNIT):
                with Loop(program, "echo") as loop:
                    loop.expect_silence(0.5)
                    loop.say("quit")
                    loop.expect_end(0, timeout=5)
                waiting = Loop(program, "echo")
                waiting.expect_silence(0.3)
            with waiting as loop:
                expect_revoked(loop)
        expect_nothing_left()


def fill_queue():
    """Connects until the broker, which stands still, has no room for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    filled = contextlib.ExitStack()
    while True:
        one = filled.enter_context(socket.socket(socket.AF_UNIX))
        one.setblocking(False)
        try:
            one.connect(BROKER)
        except BlockingIOError:
            return filled


def test_full_queue():
    """Where so many connect that the kernel takes no more, it is tried again, and nobody waits."""
    with lib.echo(lib.allow("echo", "full")):
        lib.ok("doorward", "list", "--no-check")
        with contextlib.ExitStack() as stack:
            with lib.frozen(UNIT):
                with fill_queue():
                    with Loop("loop-poll", "echo") as loop:
                        loop.expect_silence(0.5)
                        loop.say("quit")
                        loop.expect_end(0, timeout=5)
                    waiting = stack.enter_context(Loop("loop-sd-event", "echo"))
                    waiting.expect_silence(0.5)
            expect_revoked(waiting)


# Given up.

FREE = r"""
#include <doorward.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* free URI STEPS: gives up after so many steps, or once it was asked, if that comes first; then
 * opens once more, to its end if it can. */
static int asked;

static int ask(doorward_credential *cred, unsigned ncred, void *cbdata) {
        (void)ncred;
        (void)cbdata;
        if (cred->type != DOORWARD_CRED_PASSPHRASE)
                return 0;
        asked++;
        return DOORWARD_AUTH_LATER;
}

static const int types[] = {DOORWARD_CRED_PASSPHRASE};
static const doorward_auth auth = {types, 1, ask, NULL};

static void step(doorward_opening *o) {
        struct pollfd p = {doorward_open_get_event_fd(o), POLLIN, 0};
        struct timespec now;
        long long usec;
        int left;

        doorward_open_get_timeout(o, &usec);
        clock_gettime(CLOCK_MONOTONIC, &now);
        usec -= now.tv_sec * 1000000LL + now.tv_nsec / 1000;
        left = usec < 0 ? 0 : usec > 60000000 ? 60000 : (int)(usec / 1000 + 1);
        poll(&p, 1, left);
}

int main(int argc, char **argv) {
        int steps = argc > 2 ? atoi(argv[2]) : 0, n = 0, r = 1;
        doorward_opening *o = doorward_open_start(argv[1], &auth, 0);

        if (!o)
                return 2;
        while (n++ < steps && (r = doorward_open_process(o)) > 0 && !asked)
                step(o);
        if (asked && steps % 2)
                doorward_open_answer(o, NULL, 0);
        doorward_open_free(o);
        printf("%s\n", asked ? "asked" : r == 0 ? "over" : "before");
        fflush(stdout);
        getchar();
        return 0;
}
"""


def build(folder, name, text):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    return test_library.build(f"{folder}/{name}", text)


def give_up(program, steps, how):
    """Gives up after so many steps: no agent, no conversation, no lease is left while the program
    goes on. Returns whether it got as far as to be asked, or to its end."""
    with Loop(program, "echo", str(steps)) as loop:
        line = loop.expect("before|asked|over")
        expect_nothing_left()
        lib.expect(loop.process.poll(), None, f"{how}, {steps} steps")
        loop.close()
        loop.expect_end(0)
    return line


@lib.time_limit(180)
def test_given_up_in_each_state():
    """An open can be freed at any moment: before the call, while the agent starts, while polkit or
    PAM asks, after a cancel, with the grant. Nothing is left, and the next one is asked."""
    step_up = test_authentication.STEP_UP.format(more="")
    with lib.scratch() as folder:
        program = build(folder, "free", FREE)
        for how, rule, text in (
            ("agent", lib.allow(*ASK), lib.ECHO),
            ("step-up", lib.allow("echo", "full"), step_up),
            ("granted", lib.allow("echo", "full"), lib.ECHO),
        ):
            with test_authentication.echo(rule), lib.definition("echo", text):
                ends = {give_up(program, n, how) for n in (0, 1, 2, 3, 4, 5, 50, 51)}
            last = "over" if how == "granted" else "asked"
            lib.expect(ends, {"before", last}, how)
    with test_authentication.echo(lib.allow(*ASK)):
        test_authentication.expect_another_prompt()


# Many.

MANY = r"""
#include <doorward.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N 100

/* In one thread; all of them are under way before any is gone on with. */
static doorward_opening *openings[N];
static doorward_conn *conns[N];
static struct pollfd polls[N];

static int wait_for_one(void) {
        long long first = LLONG_MAX, usec;
        struct timespec now;
        int left = -1;

        for (int i = 0; i < N; i++) {
                polls[i].fd = -1;
                polls[i].events = POLLIN;
                if (!openings[i])
                        continue;
                polls[i].fd = doorward_open_get_event_fd(openings[i]);
                doorward_open_get_timeout(openings[i], &usec);
                if (usec < first)
                        first = usec;
        }
        if (first != LLONG_MAX) {
                clock_gettime(CLOCK_MONOTONIC, &now);
                first -= now.tv_sec * 1000000LL + now.tv_nsec / 1000;
                left = first < 0 ? 0 : (int)(first / 1000 + 1);
        }
        return poll(polls, N, left);
}

int main(int argc, char **argv) {
        int n = N, opened = 0;

        for (int i = 0; i < N; i++)
                if (!(openings[i] = doorward_open_start(argv[argc - 1], NULL, 0)))
                        return 2;
        while (n > 0) {
                for (int i = 0; i < N; i++) {
                        if (!openings[i] || doorward_open_process(openings[i]) > 0)
                                continue;
                        conns[i] = doorward_open_finish(openings[i]);
                        if (!conns[i])
                                fprintf(stderr, "%s\n", doorward_get_last_error_message());
                        opened += conns[i] != NULL;
                        doorward_open_free(openings[i]);
                        openings[i] = NULL;
                        n--;
                }
                if (n > 0 && wait_for_one() < 0)
                        return 3;
        }
        printf("opened %d\n", opened);
        fflush(stdout);
        getchar();
        for (int i = 0; i < N; i++)
                if (conns[i] && doorward_close(conns[i]) != 0)
                        return 4;
        return 0;
}
"""


def test_a_hundred_at_once():
    """One thread opens a hundred connections side by side, and they are a hundred leases."""
    limits = {"ConnectionsPerUser": 128, "UndeliveredPerUser": 128, "RequestRate": 1000,
              "RequestBurst": 1000}
    with lib.scratch() as folder, lib.settings(**limits), lib.echo(lib.allow("echo", "full")):
        with Loop(build(folder, "many", MANY), "echo") as loop:
            loop.expect("opened 100", timeout=40)
            lib.expect(len(leases()), 100)
            loop.close()
            loop.expect_end(0)
        expect_nothing_left()
