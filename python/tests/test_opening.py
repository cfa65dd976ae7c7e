# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opening step by step, against a scripted broker; and what signals do to an open that waits."""

import asyncio
import errno
import os
import select
import signal
import threading
import time
import unittest

import broker
import doorward
from doorward import _library

PASSWORDS = [doorward.CRED_PASSPHRASE]


def grants(b):
    b.open(broker.grant())
    b.wait_for_end()


def asks(b):
    """A password, then a grant; answered says what it was."""
    b.accept()
    b.call()
    b.answered = b.converse(broker.PROMPT_ECHO_OFF, "Password: ")
    if b.answered is not None:
        b.give(broker.grant())
    b.wait_for_end()


def never_answers(b):
    b.accept()
    b.call()
    b.wait_for_end()


def finish(opening, until=lambda: False):
    """Goes on until it is over, or that is true."""
    deadline = time.monotonic() + broker.TIMEOUT
    while opening.process() and not until():
        assert time.monotonic() < deadline, "it does not end"
        poll = select.poll()
        poll.register(opening, opening.get_events())
        timeout = opening.get_timeout()
        left = deadline if timeout is None else min(timeout, deadline)
        poll.poll(max(0, (left - time.monotonic()) * 1000 + 1))


class Steps(broker.TestCase):
    def test_open(self):
        """It is begun, gone on with, and finished once."""
        with broker.Broker(grants), doorward.open_start("echo") as opening:
            with self.assertRaises(doorward.InvalidArgument) as raised:
                opening.finish()
            self.assertEqual(raised.exception.errno, errno.EINPROGRESS)
            finish(opening)
            with opening.finish() as connection:
                self.assertEqual(connection.get_type(), "stream")
                self.assertEqual(connection.get_events(), select.POLLIN)
                self.assertIsNone(connection.get_timeout())
            with self.assertRaises(doorward.InvalidArgument) as raised:
                opening.finish()
            self.assertEqual(raised.exception.errno, errno.EALREADY)
        self.assertRaises(doorward.InvalidConnection, opening.process)
        opening.close()

    def test_refused(self):
        """Mistakes are said at once, the rest at the end."""
        self.assertRaises(doorward.BadURI, doorward.open_start, "doorward://x")
        self.assertRaises(doorward.InvalidArgument, doorward.open_start, "x", None, 1 << 20)

        def script(b):
            b.accept()
            b.call()
            b.send(broker.refusal("PermissionDenied", hint="No."))

        with broker.Broker(script), doorward.open_start("echo") as opening:
            finish(opening)
            with self.assertRaises(doorward.AccessDenied) as raised:
                opening.finish()
            self.assertEqual(raised.exception.hint, "No.")

    def test_given_up(self):
        """Closed, or lost, it is given up, and the broker's end sees that."""
        with broker.Broker(never_answers):
            opening = doorward.open_start("echo")
            self.assertTrue(opening.process())
            opening.close()
        with broker.Broker(never_answers):
            opening = doorward.open_start("echo")
            opening.process()
            del opening

    @broker.needs_root
    def test_later(self):
        """The answer may come when the program has it."""
        asked = []

        def later(credential):
            asked.append(credential.prompt)
            return doorward.AUTH_LATER

        auth = doorward.Auth(PASSWORDS, later)
        with broker.Broker(asks) as b, doorward.open_start("echo", auth) as opening:
            self.assertFalse(opening.is_asking())
            finish(opening, opening.is_asking)
            self.assertEqual(asked, ["Password: "])
            with self.assertRaises(doorward.InvalidArgument):
                opening.answer("x" * 512)
            self.assertTrue(opening.is_asking())
            answer = bytearray(b"secret")
            self.assertTrue(opening.answer(answer))
            self.assertEqual(answer, bytes(6))
            self.assertFalse(opening.answer("again"))
            finish(opening)
            opening.finish().close()
        self.assertEqual(b.answered, b"secret")

    @broker.needs_root
    def test_later_cancelled(self):
        """None cancels."""
        auth = doorward.Auth(PASSWORDS, lambda _: doorward.AUTH_LATER)
        with broker.Broker(asks) as b, doorward.open_start("echo", auth) as opening:
            finish(opening, opening.is_asking)
            opening.answer(None)
            finish(opening)
            self.assertRaises(doorward.AuthenticationCancelled, opening.finish)
        self.assertIsNone(b.answered)

    @broker.needs_root
    def test_later_elsewhere(self):
        """What waits cannot be answered later."""
        auth = doorward.Auth(PASSWORDS, lambda _: doorward.AUTH_LATER)
        with broker.Broker(asks):
            self.assertRaises(doorward.InvalidArgument, doorward.open_auth, "echo", auth)

    @broker.needs_root
    def test_callback(self):
        """process() raises what a callback does; a callback may close it."""

        def fails(_):
            raise LookupError

        with broker.Broker(asks), doorward.open_start("echo", doorward.Auth(PASSWORDS, fails)) as opening:
            self.assertRaises(LookupError, finish, opening)
        with broker.Broker(asks) as b:
            auth = doorward.Auth(PASSWORDS, lambda _: b.opening.close())
            b.opening = doorward.open_start("echo", auth)
            try:
                finish(b.opening)
            except doorward.InvalidConnection:
                pass
            self.assertRaises(doorward.InvalidConnection, b.opening.process)
            del b.opening

    def test_asyncio(self):
        """In a loop of asyncio's that has other things to do."""

        async def opened(uri):
            loop = asyncio.get_running_loop()
            with doorward.open_start(uri) as opening:
                while opening.process():
                    ready = loop.create_future()
                    loop.add_reader(opening, lambda r=ready: r.done() or r.set_result(None))
                    late = opening.get_timeout()
                    timeout = None if late is None else late - loop.time()
                    try:
                        await asyncio.wait_for(ready, timeout)
                    except asyncio.TimeoutError:
                        pass
                    finally:
                        loop.remove_reader(opening)
                return opening.finish()

        async def main():
            connection, _ = await asyncio.gather(opened("echo"), asyncio.sleep(0.01))
            with connection:
                return connection.get_uri()

        with broker.Broker(grants):
            self.assertEqual(asyncio.run(main()), "doorward:///echo?access=full")


class Older(broker.TestCase):
    def test_in_one_go(self):
        """A library that cannot go step by step opens all the same."""
        has = _library.has
        _library.has = lambda name: name != "open_start"
        try:
            with broker.Broker(grants), doorward.open("echo") as connection:
                self.assertTrue(connection.is_alive())
            self.assertRaises(doorward.BadURI, doorward.open_read_only, "doorward://x")
        finally:
            _library.has = has


class Signals(broker.TestCase):
    def interrupted(self, function):
        """What function raises if SIGINT comes while it waits, and how long that took."""
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        begin = time.monotonic()
        timer.start()
        try:
            with self.assertRaises(KeyboardInterrupt):
                function()
        finally:
            timer.join()
        self.assertLess(time.monotonic() - begin, 3)

    def test_interrupt(self):
        """^C ends an open that waits for the broker, and what was asked is withdrawn."""
        for function in doorward.open, doorward.open_read_only, doorward.open_auth:
            with broker.Broker(never_answers):
                self.interrupted(lambda f=function: f("echo"))

    def test_handler(self):
        """A handler that returns is run, and the open goes on."""
        seen = []

        def script(b):
            b.accept()
            b.call()
            time.sleep(0.3)
            b.give(broker.grant())
            b.wait_for_end()

        before = signal.signal(signal.SIGALRM, lambda *_: seen.append(doorward.version()))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            with broker.Broker(script), doorward.open("echo") as connection:
                self.assertTrue(connection.is_alive())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        self.assertEqual(seen, [doorward.version()])


if __name__ == "__main__":
    unittest.main()
