# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections, against a scripted broker."""

import datetime
import errno
import gc
import os
import socket
import threading
import time
import unittest
import warnings

import broker
import doorward


def serve(mode="revocable", last=None, **more):
    """One grant; then, if last is given, the lease ends with that reason once go is set."""
    go = threading.Event()

    def script(b):
        b.open(broker.grant(mode, **more))
        if last:
            assert go.wait(broker.TIMEOUT)
            b.send(broker.ended(last))
        if mode != "none":
            b.wait_for_end()

    made = broker.Broker(script)
    made.go = go.set
    return made


class Opening(broker.TestCase):
    def test_parameters(self):
        """What is called says what is asked for."""
        seen = []

        def script(b):
            for _ in range(4):
                b.accept()
                seen.append(b.call())
                b.send(broker.refusal("EndpointNotFound", endpoint="echo"))

        with broker.Broker(script):
            for function in (
                lambda: doorward.open("echo"),
                lambda: doorward.open_read_only("doorward:///echo"),
                lambda: doorward.open_auth("echo", None, doorward.DETACHED),
                lambda: doorward.open_auth("echo", doorward.Auth([]), doorward.Flags.RO),
            ):
                self.assertRaises(doorward.NoEndpoint, function)
        self.assertEqual([method for method, _ in seen], ["Open"] * 4)
        full, read_only, detached, auth = (parameters for _, parameters in seen)
        self.assertEqual(full, {"endpoint": "echo", "access": "full"})
        self.assertEqual(read_only, {"endpoint": "echo", "access": "read_only"})
        self.assertEqual(detached, {**full, "detached": True})
        self.assertEqual(auth, {**read_only, "allowInteractiveAuthentication": True})

    def test_connection(self):
        """What a connection says of itself."""

        def script(b):
            ours = b.open(
                broker.grant(expires=1_000_001, kept=True, action="a", how="implicit", connectAs="u")
            )
            b.put_aside()
            assert ours.recv(10) == b"ping"
            ours.send(b"pong")
            b.accept()
            assert b.call()[0] == "GetBrokerInfo"
            b.send(
                {
                    "parameters": {
                        "version": "1.2.3",
                        "protocol": 1,
                        "identityProof": False,
                        "features": [],
                        "limits": {},
                        "warnings": [],
                        "requestId": "r2",
                    }
                }
            )

        with broker.Broker(script), doorward.open("echo") as connection:
            self.assertEqual(connection.get_uri(), "doorward:///echo?access=full")
            self.assertEqual(connection.get_type(), "stream")
            self.assertGreater(connection.get_fd(), 2)
            self.assertEqual(connection.fileno(), connection.get_fd())
            self.assertFalse(os.get_inheritable(connection.get_fd()))
            info = connection.get_grant_info()
            self.assertEqual((info.access, info.mode, info.kept), ("full", "revocable", True))
            epoch = datetime.datetime(1970, 1, 1, 0, 0, 1, 1, datetime.timezone.utc)
            self.assertEqual(info.expires, epoch)
            self.assertEqual((info.lease_id, info.request_id, info.action_id), ("l1", "r1", "a"))
            self.assertEqual((info.how, info.connect_as, info.ends_at_logout), ("implicit", "u", False))
            with connection.socket() as sock:
                self.assertIsInstance(sock, socket.socket)
                self.assertEqual((sock.family, sock.type), (socket.AF_UNIX, socket.SOCK_STREAM))
                sock.sendall(b"ping")
                self.assertEqual(sock.recv(10), b"pong")
            self.assertEqual(connection.get_version(), 1002003)
            self.assertIs(connection.get_close_reason(), doorward.CLOSE_NONE)
            self.assertTrue(connection.is_alive())
            self.assertFalse(connection.closed)
        self.assertTrue(connection.closed)

    def test_close(self):
        """The lease ends with the connection, also with a traceback about that has seen it."""
        with serve():
            connection = doorward.open("echo")
            with self.assertRaises(doorward.InvalidConnection) as raised:
                connection.steal_fd()
            kept = raised.exception.with_traceback(None)
            try:
                connection.steal_fd()
            except doorward.Error as error:
                kept = error
            connection.close()
        self.assertIsNotNone(kept.__traceback__)
        connection.close()
        for function in (connection.get_fd, connection.socket, connection.process):
            with self.assertRaises(doorward.InvalidConnection) as raised:
                function()
            self.assertEqual(raised.exception.errno, errno.EBADF)

    def test_collected(self):
        """A connection that nobody has ends, with a warning."""
        with serve(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            connection = doorward.open("echo")
            del connection
            gc.collect()
        self.assertEqual([each.category for each in caught], [ResourceWarning])

    def test_strange_names(self):
        """A name is not cut at what C takes for its end; one that is no UTF-8 is a bad URI."""
        self.assertRaises(ValueError, doorward.open, "echo\0other")
        self.assertRaises(doorward.BadURI, doorward.open, "ech\udcff")
        self.assertRaises(TypeError, doorward.open, 3)

    def test_fork(self):
        """In a child everything fails but close(), which changes nothing for the parent."""
        with serve(), doorward.open("echo") as connection:
            read_end, write_end = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    connection.get_fd()
                    answer = b"works"
                except doorward.InvalidConnection:
                    answer = b"refused"
                connection.close()
                os.write(write_end, answer)
                os._exit(0)
            os.close(write_end)
            self.assertEqual(os.read(read_end, 10), b"refused")
            os.close(read_end)
            os.waitpid(pid, 0)
            self.assertTrue(connection.is_alive())

    def test_hold(self):
        """A held lease has no descriptor; each other comes under it."""

        def script(b):
            b.accept()
            assert b.call()[1]["hold"] is True
            b.send(broker.grant())
            b.put_aside()
            b.accept()
            for text in (b"1", b"2"):
                assert b.call()[1]["lease"] == "l1"
                reply = broker.grant("revocable")
                del reply["continues"]
                ours = b.give(reply)
                ours.send(text)
                assert ours.recv(1) == b""

        with broker.Broker(script), doorward.open_auth("echo", None, doorward.HOLD) as connection:
            self.assertRaises(doorward.InvalidConnection, connection.get_fd)
            self.assertRaises(doorward.InvalidConnection, connection.socket)
            fd = connection.open_another()
            self.assertEqual(os.read(fd, 1), b"1")
            os.close(fd)
            with connection.open_another_socket() as sock:
                file = sock.makefile("rb")
            self.assertIs(sock.connection, connection)
            self.assertEqual(file.read(1), b"2")
            file.close()
            self.assertIsNone(sock.connection)

    def test_socket_hangs_up(self):
        """A socket of open_another_socket() hangs up when it is closed, though somebody else (the
        broker, on a revocable lease) has a duplicate of it; one of socket() does not."""
        duplicates = []

        def script(b):
            ours, theirs = socket.socketpair()
            ours.settimeout(broker.TIMEOUT)
            b.accept()
            b.call()
            b.send(broker.grant(connection=0), theirs)
            b.put_aside()
            assert ours.recv(1) == b"x", "the connection's own goes on"
            other, theirs_other = socket.socketpair()
            other.settimeout(broker.TIMEOUT)
            b.accept()
            b.call()
            reply = broker.grant(connection=0)
            del reply["continues"]
            b.send(reply, theirs_other)
            duplicates.extend((ours, theirs, other, theirs_other))
            assert other.recv(1) == b"", "a duplicate keeps it open"

        with broker.Broker(script), doorward.open("echo") as connection:
            connection.socket().close()
            with connection.socket() as sock:
                sock.send(b"x")
            connection.open_another_socket().close()
        for each in duplicates:
            each.close()

    def test_socket_keeps_connection(self):
        """Nobody but the socket need have the connection."""
        with serve("tracked") as b:
            sock = doorward.open("echo").socket()
            gc.collect()
            b.kept[0].send(b"x")
            self.assertEqual(sock.recv(1), b"x")
            self.assertTrue(sock.connection.is_alive())
            sock.connection.close()
            copy = sock.dup()
            self.assertIsNone(copy.connection)
            copy.close()
            sock.close()

    def test_steal(self):
        """What is stolen outlives the connection; on a revocable lease nothing is."""
        with serve("tracked"):
            with doorward.open("echo") as connection:
                fd = connection.steal_fd()
                with self.assertRaises(doorward.InvalidConnection) as raised:
                    connection.steal_fd()
                self.assertEqual(raised.exception.errno, errno.EBADF)
            os.close(fd)
        with serve("revocable"), doorward.open("echo") as connection:
            with self.assertRaises(doorward.InvalidConnection) as raised:
                connection.steal_fd()
            self.assertEqual(raised.exception.errno, errno.EBUSY)


class Ends(broker.TestCase):
    def test_callback(self):
        """The callback is called once, by process(), with the reason."""
        told = []
        with serve(last="revoked") as b, doorward.open("echo") as connection:
            connection.set_close_callback(lambda *what: told.append(what))
            self.assertFalse(connection.process())
            b.go()
            self.assertTrue(broker.readable(connection.get_event_fd()))
            self.assertEqual(told, [])
            self.assertTrue(connection.process())
            self.assertTrue(connection.process())
            self.assertEqual(told, [(connection, doorward.CloseReason.REVOKED)])
            self.assertIs(connection.get_close_reason(), doorward.CLOSE_REVOKED)
            self.assertFalse(connection.is_alive())
            with self.assertRaises(doorward.LeaseEnded):
                connection.open_another()

    def test_callback_raises(self):
        """process() raises what the callback does, and the connection is as it would be."""
        for kind in (ZeroDivisionError, KeyboardInterrupt, SystemExit):

            def callback(connection, reason, kind=kind):
                self.assertIs(reason, doorward.CLOSE_EXPIRED)
                raise kind

            with serve(last="expired") as b, doorward.open("echo") as connection:
                connection.set_close_callback(callback)
                b.go()
                broker.readable(connection.get_event_fd())
                self.assertRaises(kind, connection.process)
                self.assertTrue(connection.process())

    def test_callback_closes(self):
        """It may close the connection, and use others."""
        with serve(last="logout") as b:
            connection = doorward.open("echo")
            connection.set_close_callback(lambda c, _: (c.close(), doorward.version()))
            b.go()
            broker.readable(connection.get_event_fd())
            self.assertTrue(connection.process())
            self.assertTrue(connection.closed)

    def test_callback_is_forgotten(self):
        """What was handed over is let go of: with another callback, with none, and with the
        connection; where it cannot be set, too."""

        class Callback:
            def __call__(self, *_):
                pass

        import weakref

        callbacks = [Callback() for _ in range(3)]
        references = [weakref.ref(each) for each in callbacks]
        with serve():
            connection = doorward.open("echo")
            for _ in references:
                connection.set_close_callback(callbacks.pop())
            self.assertEqual(sum(each() is not None for each in references), 1)
            connection.set_close_callback(None)
            self.assertEqual(sum(each() is not None for each in references), 0)
            callback = Callback()
            reference = weakref.ref(callback)
            connection.set_close_callback(callback)
            del callback
            self.assertIsNotNone(reference())
            connection.close()
            self.assertIsNone(reference())
        callback = Callback()
        reference = weakref.ref(callback)
        with serve("none"), doorward.open_auth("echo", None, doorward.DETACHED) as connection:
            with self.assertRaises(doorward.InvalidConnection) as raised:
                connection.set_close_callback(callback)
            self.assertEqual(raised.exception.errno, errno.EOPNOTSUPP)
            del callback, raised
            self.assertIsNone(reference())

    def test_unknown_reason(self):
        """A reason of a later broker."""
        with serve(last="eclipse") as b, doorward.open("echo") as connection:
            b.go()
            broker.readable(connection.get_event_fd())
            connection.process()
            self.assertIs(connection.get_close_reason(), doorward.CLOSE_OTHER)

    def test_asyncio(self):
        """The event descriptor in a loop of asyncio's, and the socket in its streams."""
        import asyncio

        async def main():
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            with doorward.open("echo") as connection:
                reader, writer = await asyncio.open_connection(sock=connection.socket())
                b.kept[0].send(b"hello\n")
                self.assertEqual(await reader.readline(), b"hello\n")
                writer.close()
                connection.set_close_callback(lambda _, reason: ended.set_result(reason))
                fd = connection.get_event_fd()
                loop.add_reader(fd, connection.process)
                b.go()
                reason = await asyncio.wait_for(ended, broker.TIMEOUT)
                loop.remove_reader(fd)
                return reason

        with serve(last="policy") as b:
            self.assertIs(asyncio.run(main()), doorward.CLOSE_POLICY)


class Threads(broker.TestCase):
    def test_others_run(self):
        """While one call waits, other threads run; a connection that is closed during a call on it
        ends after that."""
        waiting, go = threading.Event(), threading.Event()

        def script(b):
            b.open(broker.grant())
            first = b.put_aside()
            b.accept()
            b.call()
            waiting.set()
            assert go.wait(broker.TIMEOUT)
            time.sleep(0.05)
            first.setblocking(False)
            try:
                assert first.recv(1), "the lease ended under a call"
            except BlockingIOError:
                pass
            reply = broker.grant()
            del reply["continues"]
            b.give(reply)
            first.settimeout(broker.TIMEOUT)
            assert first.recv(1) == b""

        result = []

        def another(connection):
            result.append(connection.open_another())

        with broker.Broker(script):
            connection = doorward.open("echo")
            thread = threading.Thread(target=another, args=(connection,))
            thread.start()
            self.assertTrue(waiting.wait(broker.TIMEOUT))
            connection.close()
            self.assertRaises(doorward.InvalidConnection, connection.get_fd)
            go.set()
            thread.join()
        os.close(result[0])

    def test_many(self):
        """Sixteen threads use and close the same connections."""
        count = 16

        def script(b):
            for _ in range(count):
                b.open(broker.grant("tracked"))
                b.put_aside()

        with broker.Broker(script):
            connections = [doorward.open("echo") for _ in range(count)]
            failures = []

            def use(number):
                try:
                    for connection in connections:
                        for _ in range(20):
                            try:
                                connection.get_uri()
                                connection.process()
                                connection.set_close_callback(lambda *_: None)
                                connection.socket().close()
                            except doorward.InvalidConnection as error:
                                if error.errno != errno.EBADF:
                                    raise
                        connections[number].close()
                except BaseException as failure:  # pylint: disable=broad-except
                    failures.append(failure)

            threads = [threading.Thread(target=use, args=(i,)) for i in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
